"""Commands that meet on one database: threads of one hub, as several hubs do."""

import threading

import pytest

from mcphub.domain.actor import ActorMissing, acting, system
from mcphub.domain.errors import KeyLimit, LastAdmin, Outdated, Refused, UsernameTaken
from mcphub.domain.events import AdminRevoked, KeyIssued, UserRegistered
from mcphub.domain.keys import IssueKey
from mcphub.domain.users import RegisterUser, SetAdmin, SetUpAdmin
from mcphub.postgres.ledger import LedgerUnavailable
from tests.support.facts import NOW, admin, member
from tests.support.ledger import telling


@pytest.fixture
def teller(database):
    with telling(database) as made:
        yield made


def at_once(teller, *builds):
    """Runs the commands in threads that start together; what came of each: its position, or its refusal."""
    gate, came = threading.Barrier(len(builds)), [None] * len(builds)

    def work(place, build):
        gate.wait(10)
        try:
            came[place] = teller.run(build).position
        except Refused as error:
            came[place] = type(error)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(builds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return came


def of_type(teller, kind):
    return [row for row in teller.recorder.read() if row.event.type == kind.__name__]


def test_two_admins_who_demote_each_other_leave_exactly_one_however_often(teller):
    teller.tell(*admin("ann"), *admin("bob"))
    for _ in range(60):
        came = at_once(teller, lambda: SetAdmin("ann", False), lambda: SetAdmin("bob", False))

        assert came.count(LastAdmin) == 1
        loser = ("ann", "bob")[came.index(LastAdmin) - 1]
        teller.run(lambda user=loser: SetAdmin(user, True))

    assert len(of_type(teller, AdminRevoked)) == 60


def test_a_name_asked_for_by_ten_at_once_goes_to_one(teller):
    came = at_once(teller, *[lambda n=n: RegisterUser(f"u{n}", "bob", "sealed") for n in range(10)])

    assert len([each for each in came if isinstance(each, int)]) == 1
    assert set(came) - {UsernameTaken} == {each for each in came if isinstance(each, int)}
    assert len(of_type(teller, UserRegistered)) == 1


def test_two_setups_at_once_make_one_administrator(teller):
    came = at_once(teller, *[lambda n=n: SetUpAdmin(f"u{n}", f"name{n}", "sealed", "hash") for n in range(6)])

    assert len([each for each in came if isinstance(each, int)]) == 1


def test_the_limit_of_keys_holds_when_twenty_are_asked_for_at_once(teller):
    teller.tell(*member("bob"))

    def issue(number):
        return lambda: IssueKey(
            "bob", f"k{number}", NOW, name=f"key {number}", days=1, digest=f"d{number}", shown=("a", "b")
        )

    came = []
    for begin in range(0, 20, 4):
        came += at_once(teller, *[issue(number) for number in range(begin, begin + 4)])

    assert len(of_type(teller, KeyIssued)) == 10
    assert came.count(KeyLimit) == 10


def test_a_change_based_on_an_old_state_is_refused_and_writes_nothing(teller):
    seen = teller.tell(*admin("ann"), *admin("bob"))
    teller.run(lambda: SetAdmin("bob", False))

    with pytest.raises(Outdated):
        teller.run(lambda: SetAdmin("bob", True), if_match=seen)

    assert len(of_type(teller, AdminRevoked)) == 1


def test_nothing_is_recorded_without_an_actor(teller):
    with pytest.raises(ActorMissing):
        teller.hub.execute(lambda: RegisterUser("u", "bob", "sealed"))

    assert list(teller.recorder.read()) == []


def test_metadata_names_who_and_by_which_command(teller):
    with acting(system("bootstrap", causation_id="before")):
        teller.hub.execute(lambda: RegisterUser("u", "bob", "sealed"))

    first, second = teller.recorder.read()
    assert first.event.meta == second.event.meta
    assert b'"actor":"system:bootstrap"' in first.event.meta
    assert b'"causation_id":"before"' in first.event.meta
    assert b'"command":"RegisterUser"' in first.event.meta


def test_what_cannot_be_recorded_did_not_happen(database):
    with telling(database) as teller:
        pass  # its pool is closed now

    with pytest.raises(LedgerUnavailable):
        teller.run(lambda: RegisterUser("u", "bob", "sealed"))
