"""Figures that outlive their rows: each request counted once, the same as from the rows, and kept when a day goes."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import read_pool
from mcphub.projections.requests import Filters, Requests
from mcphub.projections.rollups import (
    DAY,
    HOUR,
    MINUTE,
    WEEK,
    Piece,
    Rollups,
    add,
    grain_of,
    pieces_of,
    units_of,
    up_to,
)
from mcphub.projections.sketches import counted, percentiles

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC).replace(minute=17, second=0, microsecond=0)
ADDED = """
    insert into traffic (at, kind, boot, request_id, user_id, server, tool, method, status, reason, duration_ms, node)
    values (%s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, 'n')
"""
STATUSES = ("Completed", "Completed", "Completed", "Failed", "TimedOut", "Denied", "Cancelled", "Interrupted")
EXACT = ("user", "server", "tool", "at", "count", "errors", "denied", "cancelled", "tool_errors", "error_rate")


@pytest.fixture
def owner(database):
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        yield db


@pytest.fixture
async def history(database):
    async with read_pool(database.app_dsn, search_path="read, public") as pool:
        yield Requests(pool, lambda: NOW)


def planted(owner, number, *, seed=1, days=9):
    """So many ended requests of the last days, at random."""
    chance = random.Random(seed)
    rows = []
    for day in range(days + 2):
        owner.execute("select traffic_partition(%s)", ((NOW - timedelta(days=day)).date(),))
    for each in range(number):
        at = NOW - timedelta(seconds=chance.uniform(0, days * 86400))
        status = chance.choice(STATUSES)
        request = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | (seed << 32) | each)
        user, server, tool = chance.choice("abc"), chance.choice(["desk", "wiki", None]), chance.choice(["x", None])
        method = "tools/call" if tool else "tools/list"
        rows.append((at, 3, request, user, server, tool, method, None, None, None))
        reason = "tool_error" if status == "Completed" and chance.random() < 0.2 else None
        took = chance.lognormvariate(4, 1.5)
        rows.append((at, 4, request, user, server, tool, method, status, reason, None if status == "Denied" else took))
    with owner.cursor() as cursor:
        cursor.executemany(ADDED, rows)


async def from_rows(history, monkeypatch, filters, **asked):
    with monkeypatch.context() as patched:
        patched.setattr(Filters, "told_apart", False)
        return await history.stats(filters, **asked)


QUESTIONS = [
    pytest.param({}, {"by": "time", "bucket": 2 * WEEK}, id="by-two-weeks"),
    pytest.param({}, {}, id="all"),
    pytest.param({}, {"by": "user"}, id="by-user"),
    pytest.param({}, {"by": "server"}, id="by-server"),
    pytest.param({}, {"by": "tool"}, id="by-tool"),
    pytest.param({}, {"by": "time", "bucket": 2 * HOUR}, id="by-two-hours"),
    pytest.param({}, {"by": "time", "bucket": DAY}, id="by-day"),
    pytest.param({"user": "a"}, {"by": "tool"}, id="of-a-user-by-tool"),
    pytest.param({"user": "b"}, {"by": "time", "bucket": 6 * HOUR}, id="of-a-user-by-six-hours"),
    pytest.param({"server": "desk", "tool": "x"}, {"by": "user"}, id="of-a-tool-by-user"),
    pytest.param({"user": "b", "method": "tools/call"}, {"by": "time", "bucket": DAY}, id="of-a-users-tools-by-day"),
    pytest.param({"server": "desk"}, {"by": "user"}, id="of-a-server-by-user"),
    pytest.param({"tool": "x"}, {"by": "user"}, id="of-a-tool-of-any-server-by-user"),
    pytest.param({"method": "tools/list"}, {"by": "user"}, id="of-a-method-by-user"),
    pytest.param({"user": "a", "server": "desk"}, {"by": "time", "bucket": 3 * HOUR}, id="of-a-users-server-by-hours"),
    pytest.param({"user": "a", "server": "desk", "tool": "x"}, {}, id="of-a-users-tool"),
    pytest.param({"user": "nobody"}, {"by": "server"}, id="of-nobody"),
]


async def test_kept_figures_are_those_of_the_rows_with_percentiles_close_by(database, owner, history, monkeypatch):
    planted(owner, 3000)
    await Rollups(database.app_dsn).round()
    planted(owner, 200, seed=2)  # not in them yet
    for narrowed, asked in (question.values for question in QUESTIONS):
        filters = Filters(from_=NOW - timedelta(days=7, minutes=23), to=NOW - timedelta(minutes=31), **narrowed)

        kept = await history.stats(filters, **asked)
        counted = await from_rows(history, monkeypatch, filters, **asked)

        same = [tuple(getattr(one, name) for name in EXACT) for one in counted]
        assert [tuple(getattr(one, name) for name in EXACT) for one in kept] == [
            pytest.approx(one) if one[3] is None else one for one in same
        ]
        assert (len(kept) > 0) == (narrowed.get("user") != "nobody")
        for one, other in zip(kept, counted, strict=True):
            assert one.mean_ms == (other.mean_ms and pytest.approx(other.mean_ms, rel=1e-5))
            if one.count > 400:
                assert one.p50_ms == pytest.approx(other.p50_ms, rel=0.1)
            if one.count > 2000:  # fewer have too few that are slow to compare
                assert one.p95_ms == pytest.approx(other.p95_ms, rel=0.1)


async def test_figures_of_a_day_are_those_of_the_rows_unless_there_are_many(database, owner, history, monkeypatch):
    planted(owner, 600, days=2)
    await Rollups(database.app_dsn).round()
    filters = Filters(from_=NOW - DAY, to=NOW)
    (of_rows,) = await from_rows(history, monkeypatch, filters)

    assert await history.stats(filters) == [of_rows]

    monkeypatch.setattr("mcphub.projections.requests.FEW", 10)
    (kept,) = await history.stats(filters)
    assert (kept.count, kept.p50_ms) == (of_rows.count, pytest.approx(of_rows.p50_ms, rel=0.1))
    assert kept.p50_ms != of_rows.p50_ms
    assert (await history.stats(Filters(from_=NOW - 5 * HOUR, to=NOW))) == (
        await from_rows(history, monkeypatch, Filters(from_=NOW - 5 * HOUR, to=NOW))
    )


async def test_steps_and_hubs_that_add_at_once_count_each_request_once(database, owner, history):
    planted(owner, 400)

    async def in_steps():
        async with await AsyncConnection.connect(database.app_dsn, autocommit=True) as db:
            while (reached := await add(db, 37))[0] != reached[1]:
                pass

    await asyncio.gather(in_steps(), in_steps(), Rollups(database.app_dsn).round())
    planted(owner, 50, seed=3)
    await asyncio.gather(in_steps(), Rollups(database.app_dsn).round())

    counts = owner.execute("select grain, span, sum(count) from request_rollup group by 1, 2 order by 1, 2").fetchall()
    # The first minute of three days is forgotten while it is still within them.
    (first,) = owner.execute("select min(at) from request_rollup where span = 0").fetchone()
    within = owner.execute("select count(*) from traffic where kind = 4 and at >= %s", (first,)).fetchone()
    whole = [(grain, span, 450) for grain in (1, 2) for span in (1, 2, 3)] + [
        (grain, span, 450) for grain in (3, 4) for span in (2, 3)
    ]
    assert counts == [(1, 0, *within), *whole]


async def test_a_step_that_is_cut_off_counts_nothing(database, owner):
    planted(owner, 20)
    db = await AsyncConnection.connect(database.app_dsn, autocommit=True)
    async with db, db.transaction(force_rollback=True):
        assert (await add(db))[1] > 0

    assert owner.execute("select count(*) from request_rollup").fetchone() == (0,)
    await Rollups(database.app_dsn).round()
    assert owner.execute("select sum(count) from request_rollup where grain = 1 and span = 2").fetchone() == (20,)


async def test_a_day_goes_only_when_it_is_counted_and_its_figures_stay(database, owner, history):
    planted(owner, 300, days=9)
    day = (NOW - timedelta(days=8)).date()
    owner.execute("alter table ledger disable trigger all")
    tags = [f"traffic-seal:{day:%Y-%m-%d}"]
    owner.execute("insert into ledger values (1, gen_random_uuid(), 'DaySealed', %s, now(), '{}', '{}', '')", (tags,))
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    filters = Filters(from_=begin, to=begin + DAY)
    (before,) = await history.stats(filters)

    with pytest.raises(psycopg.errors.RaiseException, match="not counted yet"):
        owner.execute("select traffic_drop(%s)", (day,))
    await Rollups(database.app_dsn).round()
    assert owner.execute("select traffic_drop(%s)", (day,)).fetchone() == (True,)
    owner.execute("drop table traffic_" + f"{day - timedelta(days=1):%Y%m%d}")  # it held the rest of the ninth day
    for older in range(9, 11):
        owner.execute(f"drop table if exists traffic_{NOW - timedelta(days=older):%Y%m%d}")

    (after,) = await history.stats(filters)
    hourly = await history.stats(filters, by="time", bucket=timedelta(minutes=15))
    assert (after.count, after.errors, after.mean_ms) == (before.count, before.errors, pytest.approx(before.mean_ms))
    assert sum(one.count for one in hourly) == before.count
    assert {one.at.minute for one in hourly} == {0}


async def test_figures_of_users_tools_made_before_they_were_packed_are_kept(empty_database, monkeypatch):
    """Of days whose rows are there they are made from these, of older ones from what had been added up."""
    migrate(empty_database.owner_dsn, migrations_folder(), upto=22)
    old = (NOW - timedelta(days=40)).replace(hour=0, minute=0)
    figures = "count, errors, denied, cancelled, tool_errors, answered, total_ms, sketch"
    sketch = bytes.fromhex("004000000003005000000002")  # 3 and 2 requests
    with psycopg.connect(empty_database.owner_dsn, autocommit=True) as owner:
        planted(owner, 300)
        owner.execute("update request_rollup_reached set position = (select max(position) from traffic)")
        for grain, user, server, tool in ((1, "", "", ""), (4, "a", "desk", "x"), (4, "a", "wiki", "y")):
            owner.execute(
                f"insert into request_rollup (grain, span, at, user_id, server, tool, method, {figures})"
                " values (%s, 2, %s, %s, %s, %s, 'tools/call', 9, 2, 1, 3, 1, 5, 1234.5, %s)",
                (grain, old, user, server, tool, sketch),
            )

    migrate(empty_database.owner_dsn, migrations_folder())

    async with read_pool(empty_database.app_dsn, search_path="read, public") as pool:
        history = Requests(pool, lambda: NOW)
        days_ago = {"from_": old, "to": old + DAY, "user": "a"}
        of_desk, of_wiki = await history.stats(Filters(**days_ago), by="tool")
        (of_user,) = await history.stats(Filters(**days_ago))
        for narrowed, asked in (({"user": "a"}, {"by": "tool"}), ({"server": "desk"}, {"by": "user"})):
            filters = Filters(from_=NOW - 7 * DAY, to=NOW, **narrowed)
            kept = await history.stats(filters, **asked)
            counted = await from_rows(history, monkeypatch, filters, **asked)
            assert [(one.user, one.tool, one.count, one.errors) for one in kept] == [
                (one.user, one.tool, one.count, one.errors) for one in counted
            ]

    assert (of_desk.server, of_desk.tool, of_wiki.server, of_wiki.tool) == ("desk", "x", "wiki", "y")
    for one, times in ((of_desk, 1), (of_wiki, 1), (of_user, 2)):
        counts = (one.count, one.errors, one.denied, one.cancelled, one.tool_errors)
        assert counts == tuple(times * number for number in (9, 2, 1, 3, 1))
        assert one.mean_ms == pytest.approx(1234.5 / 5)
        assert (one.p50_ms, one.p99_ms) == pytest.approx((0.1 * 1.1**64.5, 0.1 * 1.1**80.5))


async def test_a_users_own_figures_hold_what_is_kept_and_what_came_since(database, owner, history):
    planted(owner, 500)
    await Rollups(database.app_dsn).round()
    planted(owner, 60, seed=4)
    wanted = owner.execute(
        "select count(*), avg(duration_ms) filter (where status in ('Completed', 'Failed', 'TimedOut')),"
        " percentile_cont(0.5) within group (order by duration_ms) filter (where status in ('Completed', 'Failed',"
        " 'TimedOut')) from traffic where kind = 4 and user_id = 'a'"
    ).fetchone()

    found = await history.of_user("a")

    assert (found.total_requests, found.pending_requests) == (wanted[0], 0)
    assert found.average_response_time == pytest.approx(wanted[1], rel=1e-5)
    assert found.p50_ms == pytest.approx(wanted[2], rel=0.1)
    assert found.last_request_time is not None
    assert (await history.of_user("nobody")).total_requests == 0


@pytest.mark.parametrize("grain", [1, 2, 3, 5])
@pytest.mark.parametrize("ends", [timedelta(), 30 * DAY], ids=["until-now", "long-ago"])
def test_pieces_make_the_span_and_nothing_else(grain, ends):
    """Each hour, and each minute at the ends, counts once within the span and not at all outside of it."""
    units = units_of(grain, HOUR)
    since = datetime(2026, 1, 1, 22, 59, tzinfo=UTC)  # a Thursday
    for length in (timedelta(), MINUTE, 3 * HOUR, 2 * DAY + HOUR, 9 * DAY, 24 * DAY + 5 * MINUTE):
        until = since + length
        now = until + ends
        pieces = pieces_of(since, until, units, now)

        changes = Counter()
        for piece in pieces:
            assert piece.begin < piece.end
            if piece.unit:
                assert (up_to(piece.begin, piece.unit), up_to(piece.end, piece.unit)) == (piece.begin, piece.end)
            changes[min(piece.begin, now)] += piece.sign  # nothing has come since
            changes[min(piece.end, now)] -= piece.sign
        assert {at: change for at, change in changes.items() if change} == ({since: 1, until: -1} if length else {})
        for coarser, finer in pairwise([*units, timedelta()]):
            some = [piece for piece in pieces if piece.unit == finer]
            assert sum((min(one.end, until + ends) - one.begin for one in some), timedelta()) <= max(
                coarser, length / 2
            )


def test_a_week_begins_on_monday():
    monday = datetime(2026, 1, 5, tzinfo=UTC)

    assert pieces_of(monday - HOUR, monday + WEEK - 26 * HOUR, units_of(2, DAY), monday + WEEK) == [
        Piece(HOUR, monday - HOUR, monday),
        Piece(WEEK, monday, monday + WEEK),
        Piece(HOUR, monday + WEEK - 26 * HOUR, monday + WEEK - DAY, -1),
        Piece(DAY, monday + WEEK - DAY, monday + WEEK, -1),
    ]


def test_the_finest_figures_are_for_what_is_not_old():
    assert [units_of(1, age)[-1] for age in (2 * DAY, 3 * DAY)] == [MINUTE, HOUR]
    assert units_of(2, 999 * DAY) == units_of(3, 999 * DAY) == [WEEK, DAY, HOUR]
    assert units_of(5, 999 * DAY) == [HOUR]


async def test_what_nobody_looks_at_that_closely_is_forgotten_and_the_rest_stays(database, owner):
    row = (
        "insert into request_rollup (grain, span, at, user_id, server, tool, method, count, errors, denied, cancelled,"
        " tool_errors, answered, total_ms) select %s, %s, now() - %s::interval, '', '', '', '', 1, 0, 0, 0, 0, 0, 0"
    )
    for grain, span, age in ((1, 0, 2), (1, 0, 4), (1, 1, 400), (3, 2, 400)):
        owner.execute(row, (grain, span, timedelta(days=age)))

    await Rollups(database.app_dsn).round()

    left = owner.execute("select grain, span, round(extract(epoch from now() - at) / 86400)::int from request_rollup")
    assert set(left) == {(1, 0, 2), (1, 1, 400), (3, 2, 400)}


def test_grains_tell_apart_what_is_asked_for_and_no_more():
    assert [grain_of(user=user, tool=tool) for user in (False, True) for tool in (False, True)] == [1, 2, 3, 5]
    assert [grain_of(user=user, tool=False, method=True) for user in (False, True)] == [2, 4]


def test_percentiles_are_read_off_sketches_put_together():
    one, other = bytes.fromhex("000000000001001000000062"), bytes.fromhex("001000000000002000000002")

    (alone, nothing, both) = percentiles(counted([one, b"", one + other]))

    assert nothing == (None, None, None)
    assert alone == pytest.approx([0.1 * 1.1**16.5] * 3)
    assert both == pytest.approx([0.1 * 1.1**16.5] * 2 + [0.1 * 1.1**32.5])
    assert percentiles(counted([])) == []
