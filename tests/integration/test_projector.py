"""The role that keeps the read tables up: exact after kills, alone among many, and stopped by no single event."""

import asyncio
import threading

import psycopg
import pytest

from mcphub.domain.events import UserErased
from mcphub.projections.projector import LEADER_LOCK, Projector
from mcphub.projections.rebuild import check, rebuild
from mcphub.projections.tables import all_projections, apply_batch, ensure_schema, head, standings, work_in
from mcphub.projections.users import Users
from tests.support.counting import Count, CountRow
from tests.support.facts import admin, grouped, issued, member, of_user, registered, saved
from tests.support.ledger import telling
from tests.support.waiting import until

pytestmark = pytest.mark.slow

NAME = "mcphub-projector"


@pytest.fixture
def teller(database):
    with telling(database) as made:
        yield made


@pytest.fixture
def db(database):
    with psycopg.connect(database.app_dsn, autocommit=True) as made:
        yield made


@pytest.fixture
async def make_projector(database):
    made = []

    def make(projections=None, **how):
        made.append(Projector(database.app_dsn, projections or all_projections(), **how))
        made[-1].start()
        return made[-1]

    yield make
    for projector in made:
        await projector.stop()


class Poisoned(Count):
    """Cannot take a certain user."""

    name = "poisoned"
    ddl = Count.ddl.replace("count (", "poisoned (")

    def evolve(self, row, recorded):
        if recorded.event.user_id == "poison":
            raise ZeroDivisionError
        return super().evolve(row, recorded)


def one(db, query, *params):
    return db.execute(query, params).fetchone()[0]


async def test_a_read_table_shows_a_fact_when_its_position_is_reached(teller, db, make_projector):
    projector = make_projector()

    position = await asyncio.to_thread(teller.tell, *admin("ann"), issued("ann", "k1"), saved("ann", "jira", "A"))
    projector.wake()
    await asyncio.wait_for(projector.reached(position), 10)

    assert one(db, "select admin from read.users where user_id = 'ann'")
    assert one(db, "select name from read.keys where key_id = 'k1'") == "Default Key"


async def test_a_change_of_a_stored_row_is_written_back(teller, db, make_projector):
    """Rows come back from PostgreSQL, evolve, and go there again: every table, with every kind of column."""
    projector = make_projector()
    for fact in (*admin("ann"), issued("ann", "k1"), grouped("ann", "g1", "jira"), saved("ann", "jira", "A")):
        position = await asyncio.to_thread(teller.tell, fact)
        projector.wake()
        await asyncio.wait_for(projector.reached(position), 10)
    again = (issued("ann", "k1", name="Other"), grouped("ann", "g1", "wiki"), saved("ann", "jira", "A", "new"))
    for fact in (*again, of_user(UserErased, "ann")):
        position = await asyncio.to_thread(teller.tell, fact)
        projector.wake()
        await asyncio.wait_for(projector.reached(position), 10)

    assert {standing.status for standing in standings(db).values()} == {"live"}
    for table in ("users", "keys", "groups", "credentials"):
        assert one(db, f"select count(*) from read.{table}") == 0


async def test_a_killed_connection_ends_exact(teller, db, make_projector):
    projector = make_projector([Count()])
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            teller.tell(*[registered(f"u{number}-{each}") for each in range(20)])

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(5):
        # Only a connection that has applied something is worth a kill.
        before = projector.position
        await until(lambda p=before: projector.wake() or projector.position > p, within=20, what="it goes on")
        await asyncio.to_thread(teller.cut, NAME)
    stop.set()
    writer.join()
    projector.wake()
    await asyncio.wait_for(projector.reached(head(db)), 20)

    assert one(db, "select users from read.count") == head(db)


async def test_a_poison_event_parks_its_projection_only(teller, db, make_projector):
    projector = make_projector([Count(), Poisoned()])

    position = await asyncio.to_thread(
        teller.tell, registered("a"), registered("b"), registered("poison"), registered("c")
    )
    projector.wake()
    await asyncio.wait_for(projector.reached(position), 10)

    found = standings(db)
    assert (found["count"].status, found["count"].position) == ("live", 4)
    assert (found["poisoned"].status, found["poisoned"].position) == ("failed", 2)
    assert (found["poisoned"].failed_at, found["poisoned"].error) == (3, "ZeroDivisionError at 3")
    assert [one(db, f"select users from read.{name}") for name in ("count", "poisoned")] == [4, 2]

    position = await asyncio.to_thread(teller.tell, registered("d"))
    projector.wake()
    await asyncio.wait_for(projector.reached(position), 10)
    assert [one(db, f"select users from read.{name}") for name in ("count", "poisoned")] == [5, 2]


async def test_a_rebuild_revives_a_parked_projection(teller, db):
    ensure_schema(db, [Poisoned()])
    work_in(db, "read")
    teller.tell(registered("a"), registered("poison"), registered("b"))
    assert apply_batch(db, [Poisoned()]) == 3
    assert standings(db)["poisoned"].status == "failed"

    class Cured(Count):
        name = "poisoned"
        ddl = Poisoned.ddl

    rebuild(db, [Cured()])

    assert standings(db)["poisoned"].status == "live"
    assert one(db, "select users from read.poisoned") == 3


async def test_when_every_projection_is_parked_a_check_still_ends(teller, db):
    ensure_schema(db, [Poisoned()])
    work_in(db, "read")
    teller.tell(registered("poison"))
    apply_batch(db, [Poisoned()])
    assert apply_batch(db, [Poisoned()]) == 0

    class Cured(Count):
        name = "poisoned"
        ddl = Poisoned.ddl

    assert list(check(db, [Cured()])) == ["poisoned"]


async def test_two_that_both_take_themselves_for_the_leader_apply_nothing_twice(teller, db, database):
    ensure_schema(db, [Count()])
    for number in range(30):
        teller.tell(*[registered(f"u{number}-{each}") for each in range(20)])

    def lead():
        with psycopg.connect(database.app_dsn, autocommit=True) as own:
            work_in(own, "read")
            while apply_batch(own, [Count()]) < 600:
                pass

    threads = [threading.Thread(target=lead) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join, 20)

    assert one(db, "select users from read.count") == 600


async def test_one_of_two_leads_and_the_other_follows_and_takes_over(teller, db, database, make_projector):
    first = make_projector()
    await until(lambda: led(database) == 1, within=10, what="the first leads")
    second = make_projector()
    position = await asyncio.to_thread(teller.tell, *member("bob"))
    first.wake()
    await asyncio.wait_for(second.reached(position), 10)
    assert led(database) == 1
    assert (first.leads, second.leads) == (True, False)

    await first.stop()
    position = await asyncio.to_thread(teller.tell, *member("ann"))
    await asyncio.wait_for(second.reached(position), 10)
    await asyncio.wait_for(second.leading(), 10)

    assert not first.leads
    assert one(db, "select count(*) from read.users") == 2


def led(database):
    with psycopg.connect(database.admin_dsn, autocommit=True) as admin:
        return one(
            admin,
            "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and granted"
            " and database = (select oid from pg_database where datname = current_database())",
            LEADER_LOCK,
        )


async def test_a_new_version_of_a_projection_is_rebuilt_at_the_start(teller, db, make_projector):
    ensure_schema(db, [Count()])
    work_in(db, "read")
    teller.tell(registered("a"), registered("b"))
    apply_batch(db, [Count()])

    class Double(Count):
        version = 2

        def evolve(self, row, recorded):
            return CountRow(one=True, users=row.users + 2 if row else 2)

    def here(dsn, progress):
        with psycopg.connect(dsn, autocommit=True) as own:
            return rebuild(own, [Double()], progress)

    projector = make_projector([Double()], rebuild=here)
    await asyncio.wait_for(projector.reached(2), 10)

    assert one(db, "select users from read.count") == 4
    assert standings(db)["count"].version == 2


async def test_a_new_table_makes_a_hub_rebuild_in_a_process_of_its_own(teller, db, make_projector):
    ensure_schema(db, [Users()])
    teller.tell(*member("bob"))

    projector = make_projector()
    await asyncio.wait_for(projector.reached(2), 20)

    assert set(standings(db)) == {projection.name for projection in all_projections()}
    assert one(db, "select active from read.users where user_id = 'bob'")


async def test_stopping_ends_a_rebuild_and_changes_nothing(teller, db, make_projector):
    ensure_schema(db, [Users()])
    work_in(db, "read")
    teller.tell(*member("bob"))
    apply_batch(db, [Users()])
    go = threading.Event()

    def endless(dsn, progress):
        while not go.wait(0.01):
            progress(0, 2)
        raise AssertionError("it should have been told to stop")

    projector = make_projector(rebuild=endless)
    await until(lambda: projector.rebuilding == (0, 2), within=10, what="the rebuild has begun")
    await asyncio.wait_for(projector.stop(), 5)
    go.set()

    assert set(standings(db)) == {"users"}
    assert one(db, "select active from read.users where user_id = 'bob'")


async def test_waiters_that_gave_up_are_no_trouble(teller, make_projector):
    projector = make_projector()
    given_up = asyncio.create_task(projector.reached(2))
    waiting = asyncio.create_task(projector.reached(2))
    await asyncio.sleep(0)
    given_up.cancel()

    await asyncio.to_thread(teller.tell, *member("bob"))
    projector.wake()

    await asyncio.wait_for(waiting, 10)


def test_the_role_that_reads_may_read_and_nothing_else(teller, db, database):
    ensure_schema(db, all_projections())
    with psycopg.connect(database.ro_dsn, autocommit=True) as reader:
        assert one(reader, "select count(*) from read.users") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("delete from read.users")
