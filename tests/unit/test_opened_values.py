"""Stored values are opened for their own user and server only, kept for a minute, and dropped with the fact."""

import asyncio

import pytest

from mcphub.domain.access import AccessModel
from mcphub.domain.events import ServiceTokenSaved, UserErased, server_tag, user_tag
from mcphub.domain.vault import MemoryKeyStore, Ring, Vault
from mcphub.gateway import values
from mcphub.gateway.values import PURPOSE, OpenedValues, place
from tests.support.facts import cleared, member, of_user, recorded


class World:
    """A model, a vault, and what a save does to both."""

    def __init__(self):
        self.store = MemoryKeyStore()
        self.vault = Vault(self.store, Ring([("k1", b"\1" * 32)]), lambda: 0.0)
        self.model = AccessModel()
        self.opened = OpenedValues(self.model, self.vault)
        self.happen(*member("bob"), *member("ann"))

    def happen(self, *facts):
        for each in recorded(*facts, since=self.model.position + 1):
            self.model.apply(each)
            self.opened.facts_applied([each])

    def save(self, user, server, variable, value, *, bound_to=None):
        key, sealed = self.vault.seal_new(user, PURPOSE, bound_to or place(user, server, variable), value)
        event = ServiceTokenSaved(
            user_id=user,
            server_id=server,
            variable=variable,
            data_key=key,
            sealed=sealed,
            mask="",
            fingerprint=self.vault.fingerprint(value),
        )
        self.happen((event, [user_tag(user), server_tag(server)]))
        return key


@pytest.fixture
def world():
    return World()


async def test_a_users_values_for_a_server_are_opened(world):
    world.save("bob", "jira", "TOKEN", "bobs")
    world.save("bob", "jira", "USER", "bob@example.org")
    world.save("bob", "wiki", "TOKEN", "wikis")

    assert await world.opened.of("bob", "jira") == {"TOKEN": "bobs", "USER": "bob@example.org"}
    assert await world.opened.of("bob", "wiki") == {"TOKEN": "wikis"}


async def test_nobody_gets_another_users_values(world):
    world.save("bob", "jira", "TOKEN", "bobs")

    assert await world.opened.of("ann", "jira") == {}
    assert await world.opened.of("bob", "git") == {}


async def test_a_ciphertext_moved_to_another_user_server_or_variable_does_not_open(world):
    for user, server, variable in (("ann", "jira", "TOKEN"), ("bob", "wiki", "TOKEN"), ("bob", "jira", "OTHER")):
        world.save(user, server, variable, "bobs", bound_to=place("bob", "jira", "TOKEN"))

    assert await world.opened.of("ann", "jira") == {}
    assert await world.opened.of("bob", "wiki") == {}
    assert await world.opened.of("bob", "jira") == {}


async def test_a_value_whose_key_is_destroyed_counts_as_not_saved(world):
    key = world.save("bob", "jira", "TOKEN", "bobs")
    world.save("bob", "jira", "USER", "bob")
    world.vault.destroy(key)

    assert await world.opened.of("bob", "jira") == {"USER": "bob"}


async def test_a_replaced_value_is_opened_anew_and_a_cleared_one_is_gone(world):
    old = world.save("bob", "jira", "TOKEN", "old")
    assert await world.opened.of("bob", "jira") == {"TOKEN": "old"}

    new = world.save("bob", "jira", "TOKEN", "new")
    assert await world.opened.of("bob", "jira") == {"TOKEN": "new"}

    world.happen(cleared("bob", "jira", "TOKEN", new))
    assert await world.opened.of("bob", "jira") == {}
    assert old != new


async def test_a_fact_leaves_no_plaintext_behind(world):
    world.save("bob", "jira", "TOKEN", "bobs")
    world.save("ann", "jira", "TOKEN", "anns")
    await world.opened.of("bob", "jira")
    await world.opened.of("ann", "jira")

    world.happen(of_user(UserErased, "bob"))

    assert list(world.opened._opened) == [("ann", "jira")]
    assert all(entry[1] != "bob" for entry in world.vault._cache.values())


async def test_what_is_opened_is_kept_for_a_minute_and_no_longer(world, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(values.time, "monotonic", lambda: now[0])
    key = world.save("bob", "jira", "TOKEN", "bobs")
    await world.opened.of("bob", "jira")
    world.vault.destroy(key)  # elsewhere, and nobody said so yet

    now[0] += 59
    assert await world.opened.of("bob", "jira") == {"TOKEN": "bobs"}
    now[0] += 2
    assert await world.opened.of("bob", "jira") == {}


async def test_a_value_cleared_while_it_is_being_opened_is_not_given_out(world, monkeypatch):
    key = world.save("bob", "jira", "TOKEN", "bobs")
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(function, *args):
        begun.set()
        await go.wait()
        return function(*args)

    monkeypatch.setattr(values.asyncio, "to_thread", slow)
    opening = asyncio.create_task(world.opened.of("bob", "jira"))
    await begun.wait()
    world.happen(cleared("bob", "jira", "TOKEN", key))
    go.set()

    assert await asyncio.wait_for(opening, 5) == {}
    assert world.opened._opened == {}
