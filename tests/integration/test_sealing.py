"""Days of the other two logs: sealed once they are over, checked against their rows, dropped once they are old."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from mcphub.domain.actor import acting, system
from mcphub.domain.hub import plugged
from mcphub.domain.seals import SealDay
from mcphub.operations.sealing import DaySealer, check
from mcphub.postgres.access_log import AccessRow, add_rows
from mcphub.postgres.days import ACCESS, TRAFFIC, days, digest
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool

TODAY = datetime.now(UTC).date()
OVER = TODAY - timedelta(days=2)  # yesterday is over only when its last calls had time to be written
REQUEST = (
    "insert into traffic (at, kind, boot, request_id, method, duration_ms, node) values (%s, 3, 1, %s, %s, 1.5, 'n')"
)


@pytest.fixture
def hub(database):
    with command_pool(database.app_dsn) as pool:
        Factory.use(pool)
        yield plugged("mcphub.postgres.ledger:Factory", {})


@pytest.fixture
def owner(database):
    """The owner of the tables, who may do what the runtime role must not."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        yield db


@pytest.fixture
def sealer(hub, database):
    return DaySealer(hub, database.app_dsn, 90)


def happened(owner, day, *, rows=3, log="access"):
    """Rows of that day."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    if log == "traffic":
        owner.execute("select traffic_partition(%s)", (day,))
        for number in range(rows):
            owner.execute(REQUEST, (at + timedelta(seconds=number), uuid4(), f"tools/call {number}"))
        return
    owner.execute("select access_log_partition(%s)", (day,))
    add_rows(
        owner,
        [AccessRow(id=str(uuid4()), at=at, action="sign_in", outcome="done", actor=f"u{n}") for n in range(rows)],
    )
    owner.execute("update access_log set recorded_at = at where at = %s and recorded_at <> at", (at,))


def facts(owner):
    return owner.execute("select type, tags[1] from ledger order by position").fetchall()


def checked(owner):
    return [(found.log, found.day, found.state, found.rows, found.late) for found in check(owner)]


@pytest.mark.parametrize("log", ["access", "traffic"])
async def test_a_day_that_is_over_is_sealed_once_and_holds(sealer, owner, log):
    happened(owner, OVER, log=log)
    happened(owner, TODAY, log=log)

    await sealer.round()
    await sealer.round()

    assert facts(owner) == [("DaySealed", f"{log}-seal:{OVER}")]
    assert checked(owner) == [(log, OVER, "holds", 3, 0)]


async def test_a_day_without_rows_is_no_fact(sealer, owner):
    owner.execute("select access_log_partition(%s), traffic_partition(%s)", (OVER, OVER))

    await sealer.round()

    assert facts(owner) == []


async def test_two_hubs_seal_a_day_once(hub, database, owner):
    happened(owner, OVER)

    for _ in range(2):
        await DaySealer(hub, database.app_dsn, 90).round()

    assert len(facts(owner)) == 1


@pytest.mark.parametrize(
    "change",
    [
        "update {} set node = 'm' where ctid = (select min(ctid) from {})",
        "delete from {} where ctid = (select min(ctid) from {})",
        "update {} set position = position + 1000 where ctid = (select min(ctid) from {})",
    ],
    ids=["a byte", "a row", "the order"],
)
@pytest.mark.parametrize("log", [ACCESS, TRAFFIC], ids=["access", "traffic"])
async def test_whoever_changes_a_sealed_day_is_found_out(sealer, owner, log, change):
    happened(owner, OVER, log=log.name)
    await sealer.round()

    owner.execute(change.format(*[f"{log.table}_{OVER:%Y%m%d}"] * 2))

    assert [(found.log, found.state) for found in check(owner)] == [(log.name, "changed")]


async def test_what_a_list_left_out_is_sealed_and_a_day_that_was_sealed_without_it_holds(hub, sealer, owner):
    earlier = OVER - timedelta(days=1)
    for day in (earlier, OVER):
        happened(owner, day, log="traffic")
    found = digest(owner, TRAFFIC, earlier, form=1)
    facts_of = {"rows": found.rows, "sha256": found.sha256, "first": found.first, "last": found.last}
    with acting(system("test")):
        hub.execute(lambda: SealDay("traffic", earlier, **facts_of))
    await sealer.round()
    before = checked(owner)

    owner.execute("update traffic set left_out = '{}'")

    assert [state for _, _, state, _, _ in before] == ["holds", "holds"]
    assert [(day, state) for _, day, state, _, _ in checked(owner)] == [(earlier, "holds"), (OVER, "changed")]


async def test_a_row_smuggled_into_a_sealed_day_of_the_access_log_is_found_out(sealer, owner):
    happened(owner, OVER)
    await sealer.round()

    happened(owner, OVER, rows=1)

    assert checked(owner) == [("access", OVER, "changed", 3, 1)]


async def test_a_call_written_late_changes_nothing_of_what_is_sealed_and_is_counted(sealer, owner):
    """It may have waited in the spool of a hub that was down."""
    happened(owner, OVER, log="traffic")
    await sealer.round()

    happened(owner, OVER, rows=1, log="traffic")

    assert checked(owner) == [("traffic", OVER, "holds", 3, 1)]


async def test_what_left_retention_is_sealed_first_and_dropped_on_the_record(sealer, owner):
    old, older = TODAY - timedelta(days=90), TODAY - timedelta(days=91)
    for day in (older, old):
        happened(owner, day)

    await sealer.round()
    await sealer.round()

    assert days(owner, ACCESS)[0] == old
    assert facts(owner) == [
        ("DaySealed", f"access-seal:{older}"),
        ("DaySealed", f"access-seal:{old}"),
        ("DayDropped", f"access-seal:{older}"),
    ]
    assert checked(owner) == [("access", older, "dropped", 0, 0), ("access", old, "holds", 3, 0)]


async def test_the_access_log_is_kept_for_days_of_its_own(hub, database, owner):
    old = TODAY - timedelta(days=40)
    for log in ("access", "traffic"):
        happened(owner, old, log=log)

    for _ in range(2):
        await DaySealer(hub, database.app_dsn, 30, 60).round()

    assert (old in days(owner, ACCESS), old in days(owner, TRAFFIC)) == (True, False)


async def test_old_days_without_rows_are_dropped_without_a_word(sealer, owner):
    owner.execute("select access_log_partition(%s)", (TODAY - timedelta(days=91),))

    await sealer.round()

    assert (facts(owner), days(owner, ACCESS)) == ([], [])


@pytest.mark.parametrize("statement", ["drop table {}", "truncate {}"])
async def test_a_sealed_day_that_is_gone_and_was_not_dropped_is_missing(sealer, owner, statement):
    happened(owner, OVER)
    await sealer.round()

    owner.execute(statement.format(f"access_log_{OVER:%Y%m%d}"))

    assert checked(owner) == [("access", OVER, "missing", 0, 0)]


async def test_a_day_whose_rows_an_import_left_behind_is_over_when_its_time_is(sealer, hub, owner):
    old = TODAY - timedelta(days=91)
    with acting(system("test")):
        hub.execute(lambda: SealDay("traffic", old, rows=3, sha256="ab" * 32, first=1, last=3))
    before = checked(owner)

    for _ in range(2):
        await sealer.round()

    assert (before, checked(owner)) == ([("traffic", old, "missing", 0, 0)], [("traffic", old, "dropped", 0, 0)])
    assert len(facts(owner)) == 2


@pytest.mark.parametrize("log", [ACCESS, TRAFFIC], ids=["access", "traffic"])
def test_nobody_drops_the_present_or_a_day_without_a_seal(database, owner, log):
    old = TODAY - timedelta(days=100)
    happened(owner, old, log=log.name)
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        for day, why in ((TODAY, "too recent"), (old, "not sealed")):
            with pytest.raises(psycopg.errors.RaiseException, match=why):
                db.execute(f"select {log.table}_drop(%s)", (day,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("select day_drop('x', %s, %s)", (log.table, old))


@pytest.mark.parametrize(
    "statement", ["update access_log set outcome = 'x'", "delete from access_log", "truncate access_log"]
)
def test_the_runtime_role_cannot_rewrite_the_access_log(database, statement):
    with psycopg.connect(database.app_dsn) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(statement)


def test_a_row_that_is_there_is_not_added_again(database, owner):
    row = AccessRow(id=str(uuid4()), at=datetime.now(UTC), action="sign_out", outcome="done")
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        assert [add_rows(db, [row]), add_rows(db, [row]), add_rows(db, [])] == [1, 0, 0]

    assert owner.execute("select count(*) from access_log").fetchone() == (1,)
