"""kill -9 of the projector at any point of its work: no read table loses an event, and none takes one twice.

Seeded; the seed is in the name of the test. The long form is `./hub test tests/faults -m soak`.
"""

import random
from collections.abc import Iterator

import psycopg
import pytest

from mcphub.domain.events import AdminRevoked, UserErased
from mcphub.projections.rebuild import check
from mcphub.projections.tables import apply_batch, ensure_schema, head, work_in
from tests.conftest import Database
from tests.support.dying_projector import dies_at, projections
from tests.support.facts import added, admin, cleared, grouped, issued, member, of_user, removed, saved
from tests.support.ledger import Teller, telling

pytestmark = pytest.mark.slow

POINTS = 300  # exchanges: a batch that touches every table takes about a hundred, the rest are of rounds behind it
SEEDED = [
    pytest.param(5, 20261126, id="5-points-seed-20261126"),
    pytest.param(50, 7, id="50-points-seed-7", marks=pytest.mark.soak),
]


@pytest.fixture
def teller(database: Database) -> Iterator[Teller]:
    with telling(database) as made:
        yield made


def some_more(teller: Teller, number: int, chance: random.Random) -> int:
    """Facts that make, change and remove rows of every table; returns how many users they register."""
    users = chance.randint(1, 6)
    for each in range(users):
        user = f"u{number}-{each}"
        facts = [*(admin if each % 2 else member)(user), issued(user, f"k-{user}"), grouped(user, f"g-{user}", "jira")]
        facts += [saved(user, "jira", "TOKEN"), saved(user, "wiki", "TOKEN"), cleared(user, "jira", "TOKEN")]
        if each % 2:
            facts.append(of_user(AdminRevoked, user))
        if each % 3 == 2:
            facts.append(of_user(UserErased, user))
        teller.tell(*facts)
    teller.tell(added(f"s{number}"))
    if number % 2:
        teller.tell(removed(f"s{number}"))
    return users


@pytest.mark.parametrize(("kills", "seed"), SEEDED)
def test_a_projector_killed_at_any_point_loses_no_event_and_takes_none_twice(
    teller: Teller, database: Database, kills: int, seed: int
) -> None:
    chance = random.Random(seed)
    users, moved = 0, []
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        ensure_schema(db, projections())
        work_in(db, "read")
        for number in range(kills):
            users += some_more(teller, number, chance)
            before = standing(db)

            dies_at(database.app_dsn, chance.randint(1, POINTS), answered=chance.random() < 0.5)

            moved.append(standing(db) > before)
        while apply_batch(db, projections()) < head(db):
            pass

        assert db.execute("select users from read.count").fetchone() == (users,)
        assert check(db, projections()) == {}
        statuses = db.execute("select distinct status from tracking").fetchall()
    assert statuses == [("live",)]
    if kills > 10:
        assert {True, False} == set(moved), "some died before their batch was there, and some behind it"


def standing(db: psycopg.Connection[tuple[object, ...]]) -> int:
    (position,) = db.execute("select max(position) from tracking").fetchone() or (0,)
    return int(str(position))
