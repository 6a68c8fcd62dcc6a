import asyncio

import argon2
import pytest

from mcphub.api.auth import passwords
from mcphub.api.auth.passwords import Passwords, check_strength
from mcphub.domain.errors import WeakPassword

LONG = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.mark.parametrize(
    "password", ["short", "elevenchars", "a" * 40, "abab" * 5, "bob-bob-bob", "x" * 600 + LONG * 40]
)
def test_a_weak_password_is_refused(password):
    with pytest.raises(WeakPassword):
        check_strength(password, "bob")


@pytest.mark.parametrize(
    ("password", "username"),
    [(LONG, "bob"), ("bob" + LONG, "bob"), ("비밀번호는열두글자이상", "bob"), (LONG, ""), ("Administrator1", "admin")],
)
def test_a_name_inside_a_password_is_no_matter_when_enough_is_left(password, username):
    """Twelve characters beside the name; `Administrator1` has nine beside `admin`."""
    if password in {"Administrator1", "비밀번호는열두글자이상"}:
        with pytest.raises(WeakPassword):
            check_strength(password, username)
    else:
        check_strength(password, username)


async def test_only_the_right_password_fits():
    keeper = Passwords()
    hashed = await keeper.hash(LONG)

    assert LONG not in hashed
    assert await keeper.verify(hashed, LONG)
    assert not await keeper.verify(hashed, LONG + " ")
    assert not await keeper.verify("not a hash", LONG)


async def test_two_hashes_of_a_password_differ():
    keeper = Passwords()

    assert await keeper.hash(LONG) != await keeper.hash(LONG)


async def test_nobody_is_verified_as_slowly_as_somebody(monkeypatch):
    """An account that does not exist costs a hash, too: the time of an answer tells nothing."""
    keeper, seen = Passwords(), []
    monkeypatch.setattr(passwords, "_verify", lambda hashed, password: seen.append(hashed) or True)

    assert not await keeper.verify(None, LONG)
    assert not await keeper.verify(None, LONG)

    assert seen[0].startswith("$argon2id$")
    assert seen[0] == seen[1]


async def test_no_more_than_two_hashes_run_at_once(monkeypatch):
    keeper, running, most, go = Passwords(), 0, 0, asyncio.Event()

    async def to_thread(*_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1
        return "hash"

    monkeypatch.setattr(passwords.asyncio, "to_thread", to_thread)
    tasks = [asyncio.create_task(keeper.hash(LONG)) for _ in range(5)]
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)

    assert most == 2


def test_the_hash_is_argon2id_with_the_costs_we_promise(monkeypatch):
    monkeypatch.undo()

    assert (passwords.HASHER.time_cost, passwords.HASHER.memory_cost) == (3, 32 * 1024)
    assert passwords.HASHER.type is argon2.Type.ID
