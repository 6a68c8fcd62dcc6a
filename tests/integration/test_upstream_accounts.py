"""Which account a server's user has below a hub of root."""

import os
import subprocess
from pathlib import Path

import pytest

from mcphub.gateway.upstream.accounts import RANGES, Accounts
from mcphub.gateway.upstream.children import Children

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's hub has accounts to give")


def known(number: int) -> bool:
    return any(first <= number < end for first, end in RANGES)


def test_every_directory_has_a_number_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    accounts, places = Accounts(tmp_path), [tmp_path / "ann", tmp_path / "bob"]
    for place in places:
        place.mkdir()
        os.chown(place, number := accounts.of(place), number)

    first, second = [accounts.of(place) for place in places]

    assert known(first)
    assert second == first + 1
    assert [Accounts(tmp_path).of(place) for place in places] == [first, second]
    assert list(accounts.given()) == [first, second]


def test_a_number_is_never_given_twice_whatever_became_of_its_directory(tmp_path: Path) -> None:
    place = tmp_path / "ann"
    place.mkdir()
    first = Accounts(tmp_path).of(place)

    assert Accounts(tmp_path).of(place) == first + 1


def test_what_begins_before_a_directory_was_handed_over_gets_the_same_number(tmp_path: Path) -> None:
    """The launcher of the second process would take the directory from the first one."""
    accounts, place = Accounts(tmp_path), tmp_path / "ann"
    place.mkdir()

    numbers = {accounts.of(place) for _ in range(3)}

    assert len(numbers) == 1
    assert list(accounts.given()) == list(numbers)


def test_a_file_of_numbers_that_was_damaged_begins_elsewhere(tmp_path: Path) -> None:
    place = tmp_path / "ann"
    place.mkdir()
    (tmp_path / "accounts").write_text("0 0")

    assert known(Accounts(tmp_path).of(place))


def test_a_copied_home_gives_other_numbers_than_the_one_it_was_copied_from(tmp_path: Path) -> None:
    """At its start a hub ends what runs under the numbers it has given."""
    home, copy = tmp_path / "home", tmp_path / "copy"
    (home / "ann").mkdir(parents=True)
    number = Accounts(home).of(home / "ann")
    os.chown(home / "ann", number, number)
    subprocess.run(["cp", "--archive", home, copy], check=True)

    assert list(Accounts(copy).given()) == []
    assert Accounts(copy).of(copy / "ann") != number


def test_sessions_share_the_account_of_their_user_and_servers_do_not(tmp_path: Path) -> None:
    children = Children(tmp_path)
    for server, user, session in (("wiki", "ann", "s1"), ("wiki", "bob", ""), ("desk", "ann", "")):
        children.home_of(server, user, session)
        number = children.account_of(server, user)
        os.chown(children.place_of(server, user), number, number)
    children.home_of("wiki", "ann", "s2")

    numbers = [children.account_of(*who) for who in (("wiki", "ann"), ("wiki", "bob"), ("desk", "ann"))]

    assert len(set(numbers)) == 3


def test_a_directory_that_a_server_put_a_link_in_place_of_is_refused(tmp_path: Path) -> None:
    """Closing it would close what the link leads to."""
    children, target = Children(tmp_path), tmp_path / "target"
    target.mkdir(mode=0o755)
    (children.home_of("wiki", "ann", "s1").parent / "session-s2").symlink_to(target)

    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        children.home_of("wiki", "ann", "s2")

    assert target.stat().st_mode & 0o777 == 0o755
