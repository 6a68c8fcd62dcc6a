import pytest

from mcphub.api.auth import throttle
from mcphub.api.auth.throttle import Throttle
from mcphub.api.problems import Problem


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def door(clock):
    return Throttle(clock)


def fail(door, times, account="bob", address="a"):
    for _ in range(times):
        door.attempt(account, address)


def test_five_failures_close_an_account_and_say_for_how_long(door):
    fail(door, 5)

    with pytest.raises(Problem) as caught:
        door.attempt("bob", "elsewhere")
    assert caught.value.status == 429
    assert caught.value.code == "rate_limited"
    assert caught.value.headers["Retry-After"] == "901"


def test_another_account_from_the_same_address_goes_on(door):
    fail(door, 5)

    door.attempt("ann", "a")


def test_twenty_failures_close_an_address_for_every_account(door):
    for number in range(20):
        door.attempt(f"user{number}", "a")

    with pytest.raises(Problem):
        door.attempt("nobody-yet", "a")
    door.attempt("nobody-yet", "b")


def test_the_door_opens_when_the_oldest_failure_is_old_enough(door, clock):
    fail(door, 4)
    clock.now += 60
    fail(door, 1)
    clock.now += 15 * 60 - 61
    with pytest.raises(Problem) as caught:
        door.attempt("bob", "a")
    assert caught.value.headers["Retry-After"] == "2"

    clock.now += 2
    door.attempt("bob", "a")


def test_a_refused_attempt_does_not_make_the_wait_longer(door, clock):
    fail(door, 5)
    clock.now += 15 * 60 - 1
    with pytest.raises(Problem):
        door.attempt("bob", "a")

    clock.now += 2
    door.attempt("bob", "a")


def test_a_success_forgets_the_accounts_failures_and_one_of_the_address(door):
    fail(door, 4)
    door.attempt("bob", "a")
    door.succeeded("bob", "a")
    fail(door, 5)

    with pytest.raises(Problem):
        door.attempt("bob", "b")


def test_many_at_once_count_from_their_beginning(door):
    """None has failed yet when the sixth comes in: what is under way counts."""
    fail(door, 5)

    with pytest.raises(Problem):
        door.attempt("bob", "a")


def test_memory_is_bounded_and_the_newest_are_kept(door, monkeypatch):
    monkeypatch.setattr(throttle, "MOST_ENTRIES", 10)
    fail(door, 5, "bob", "b")
    for number in range(4):
        door.attempt(f"user{number}", f"address{number}")
    assert len(door._failed) == 10
    with pytest.raises(Problem):
        door.attempt("bob", "c")

    for number in range(20):
        door.attempt(f"more{number}", f"more{number}")
    assert len(door._failed) == 10


def test_links_that_do_not_work_close_the_way_of_links_for_an_address_and_nothing_else(door):
    for _ in range(20):
        door.use_link("a")

    with pytest.raises(Problem) as caught:
        door.use_link("a")
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "901")
    door.use_link("b")
    door.attempt("bob", "a")


def test_a_link_that_worked_does_not_count(door):
    for _ in range(100):
        door.use_link("a")
        door.link_worked("a")


def test_browsers_that_come_from_a_provider_in_vain_are_stopped_and_those_let_in_do_not_count(door):
    for _ in range(1000):
        door.come_back("a")
        door.came_back("a")
    for _ in range(600):
        door.come_back("a")

    with pytest.raises(Problem):
        door.come_back("a")
    door.set_out("a")


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_an_address_is_what_one_machine_cannot_have_many_of(door, one, another, same):
    for _ in range(20):
        door.use_link(one)

    if same:
        with pytest.raises(Problem):
            door.use_link(another)
    else:
        door.use_link(another)
