"""Two projectors on machines of their own, both of which lead, or of which one is cut off: the position has one writer.

The machines are network namespaces, which only root can make. Cut off, nothing reaches the server any more: neither a
word nor the end of the connection.
"""

import random
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.projections.projector import LEADER_LOCK
from mcphub.projections.rebuild import check
from mcphub.projections.tables import ensure_schema, head, work_in
from tests.conftest import FAST, Database
from tests.faults.test_projector_kills import some_more, standing
from tests.support.dying_projector import projections
from tests.support.ledger import Teller, telling
from tests.support.networks import Machine, available, machines
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="only root makes network namespaces, with iproute2"),
]

TAKEN_OVER_WITHIN = 20.0  # the server gives a silent client up after ten seconds, the other asks once a second
LEADER = """
    select host(client_addr) from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and objid = %s and granted
"""


@pytest.fixture
def two() -> Iterator[list[Machine]]:
    with machines(2) as made:
        yield made


@pytest.fixture
def reachable(two: list[Machine], make_home) -> Iterator[tuple[Database, dict[str, str]]]:
    """A server that both machines reach, and how each does."""
    addresses = ",".join(machine.here for machine in two)
    server = EmbeddedPostgres(make_home(), extra_settings={**FAST, "listen_addresses": addresses})
    server.open()
    try:
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 198.18.0.0/16 scram-sha-256\n")
        database = Database(server, "mcphub")
        with psycopg.connect(database.admin_dsn, autocommit=True) as db:
            db.execute("select pg_reload_conf()")
        migrate(database.owner_dsn, migrations_folder())
        yield database, {machine.name: make_conninfo(database.app_dsn, host=machine.here) for machine in two}
    finally:
        server.close()


def settled(db: psycopg.Connection[object], database: Database, users: int) -> None:
    """Everything is applied, once each, and the tables are those a rebuild makes."""
    eventually(lambda: standing(db) == head(db), within=TAKEN_OVER_WITHIN, what="the tables are up with the ledger")
    work_in(db, "read")
    assert db.execute("select users from read.count").fetchone() == (users,)
    assert check(db, projections()) == {}
    assert db.execute("select distinct status from tracking").fetchall() == [("live",)]


@pytest.mark.parametrize(
    "rounds", [pytest.param(10, id="short", marks=pytest.mark.thorough), pytest.param(200, marks=pytest.mark.soak)]
)
def test_two_that_both_think_they_lead_apply_each_event_once(
    two: list[Machine], reachable: tuple[Database, dict[str, str]], rounds: int
) -> None:
    database, ways = reachable
    chance, users = random.Random(11), 0
    with telling(database) as teller, psycopg.connect(database.app_dsn, autocommit=True) as db:
        ensure_schema(db, projections())
        for number, machine in enumerate(two):
            machine.run("tests.support.far_projector", ways[machine.name], str(LEADER_LOCK + 100 + number))
        both = [LEADER_LOCK + 100, LEADER_LOCK + 101]
        eventually(lambda: all(leader(db, lock) for lock in both), within=20, what="both lead")

        for number in range(rounds):
            users += some_more(teller, number, chance)

        settled(db, database, users)
        assert {leader(db, lock) for lock in both} == {machine.there for machine in two}


@pytest.mark.parametrize(
    "cuts", [pytest.param(1, id="short", marks=pytest.mark.thorough), pytest.param(6, marks=pytest.mark.soak)]
)
def test_one_that_is_cut_off_loses_the_office_and_comes_back_as_a_follower(
    two: list[Machine], reachable: tuple[Database, dict[str, str]], cuts: int
) -> None:
    database, ways = reachable
    chance, users = random.Random(12), 0
    with telling(database) as teller, psycopg.connect(database.app_dsn, autocommit=True) as db:
        ensure_schema(db, projections())
        for machine in two:
            machine.run("tests.support.far_projector", ways[machine.name], str(LEADER_LOCK))
        for number in range(cuts):
            eventually(lambda: leader(db, LEADER_LOCK), within=20, what="one leads")
            led = leader(db, LEADER_LOCK)
            cut = next(machine for machine in two if machine.there == led)
            users += told(teller, number * 100, chance)
            if number % 2 == 0:  # an idle one: in a transaction it would be given up for that, after a minute
                settled(db, database, users)

            cut.pull_out()
            users += told(teller, number * 100 + 50, chance)
            eventually(
                lambda led=led: leader(db, LEADER_LOCK) not in ("", led),
                within=TAKEN_OVER_WITHIN,
                what="the other leads",
            )
            settled(db, database, users)

            cut.plug_in()
            users += told(teller, number * 100 + 75, chance)
            settled(db, database, users)
            assert leader(db, LEADER_LOCK) != led


def told(teller: Teller, first: int, chance: random.Random) -> int:
    return sum(some_more(teller, first + number, chance) for number in range(5))


def leader(db: psycopg.Connection[object], lock: int) -> str:
    """The address of who holds the lock; '' for nobody."""
    row = db.execute(LEADER, (lock,)).fetchone()
    return str(row[0]) if row else ""  # type: ignore[index]
