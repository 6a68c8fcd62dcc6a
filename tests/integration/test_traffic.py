import asyncio
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from mcphub.domain.left_out import LeftOut
from mcphub.gateway.spool import Spool
from mcphub.gateway.traffic import MOST_PIECES, PIECE, NotRecorded, Session, TrafficWriter

BOB = Session(
    "bob", "k1", "0197a0aa-0000-7000-8000-000000000001", client_name="cursor", client_version="1", era="2025-11-25"
)


class DeafSpool(Spool):
    """A disk without room."""

    full = True

    def add(self, lines: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().add(lines)


def rows(database, sql="select kind, status, request_id from traffic order by position"):
    with psycopg.connect(database.app_dsn) as db:
        return db.execute(sql).fetchall()


def lives(database) -> dict:
    """request → its kinds in order of time."""
    out: dict = {}
    for kind, request in rows(
        database, "select kind, request_id from traffic where request_id is not null order by kind"
    ):
        out.setdefault(request, []).append(kind)
    return out


def call(writer, tool="x"):
    request = writer.request(BOB, "tools/call")
    request.server, request.tool = "jira", tool
    writer.started(request)
    return request


@contextmanager
def postgres_away(database):
    """Nobody can connect, and whoever was connected is cut off."""
    with psycopg.connect(database.server.dsn("postgres", "postgres"), autocommit=True) as db:
        db.execute(f"alter database {database.name} allow_connections false")
        cut(db, database)
        yield
        db.execute(f"alter database {database.name} allow_connections true")


def cut(db, database):
    db.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (database.name,))


async def until(true, seconds=10):
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def make_writer(database, tmp_path):
    made = []

    def make(folder="home", spool=Spool, **options):
        made.append(TrafficWriter(database.app_dsn, spool(tmp_path / folder), "test-node", **options))
        return made[-1]

    yield make
    for writer in made:
        await writer.stop()


@pytest.fixture
async def writer(make_writer):
    made = make_writer()
    await made.start()
    return made


async def die(writer):
    """As kill -9 leaves it: nothing is drained, the connection is gone."""
    if writer._task is not None:
        writer._task.cancel()
        await asyncio.gather(writer._task, return_exceptions=True)
        writer._task = None


async def test_a_call_has_a_start_and_one_end(writer, database):
    request = writer.request(BOB, "tools/call", bytes_in=10)
    request.server, request.tool, request.ledger_position, request.credential_version = "jira", "get\tissue\\n", 7, "v"
    writer.started(request)
    writer.ended(request, "Completed", bytes_out=5, wait_ms=1.5)
    writer.ended(request, "Failed")
    await writer.durable()

    sql = (
        "select kind, status, user_id, server, tool, ledger_position, bytes_in, bytes_out, wait_ms, client_name, node"
        " from traffic order by kind"
    )
    assert rows(database, sql) == [
        (3, None, "bob", "jira", "get\tissue\\n", 7, 10, None, None, "cursor", "test-node"),
        (4, "Completed", "bob", "jira", "get\tissue\\n", None, None, 5, 1.5, None, "test-node"),
    ]


async def test_a_request_that_went_nowhere_is_recorded_whole(writer, database):
    request = writer.request(BOB, "tools/call")
    request.filtered = 3
    writer.ended(request, "Denied", reason="switched_off")
    await writer.durable()

    sql = "select kind, status, reason, filtered from traffic order by kind"
    assert rows(database, sql) == [(3, None, None, None), (4, "Denied", "switched_off", 3)]


async def test_a_list_says_what_it_left_out_and_why(writer, database):
    request = writer.request(BOB, "tools/list")
    request.shown, request.filtered = 4, 2
    request.left_out = LeftOut(items={"switched_off": 2}, servers={"late": 1})
    writer.ended(request, "Completed")
    writer.ended(writer.request(BOB, "ping"), "Completed")
    await writer.durable()

    sql = "select method, shown, filtered, left_out from traffic where kind = 4 order by position"
    left_out = {"items": {"switched_off": 2}, "servers": {"late": 1}}
    assert rows(database, sql) == [("tools/list", 4, 2, left_out), ("ping", None, None, None)]


async def test_a_spool_of_before_a_column_was_added_is_replayed_whole(make_writer, database, tmp_path):
    made = make_writer()
    await made.start()
    started = call(made)
    made._queue.clear()
    await die(made)
    for file in (tmp_path / "home").glob("spool-*"):
        file.write_bytes(file.read_bytes().replace(b"\ttest-node\t\\N\n", b"\ttest-node\n"))

    await make_writer().start()

    assert lives(database) == {started.id: [3, 4]}


async def test_sessions_are_opened_and_closed(writer, database):
    writer.session_opened(BOB)
    writer.session_closed(BOB, "deleted")
    await writer.durable()

    sql = "select kind, session_id::text, user_id, client_name, era, reason from traffic order by kind"
    assert rows(database, sql) == [
        (1, BOB.session_id, "bob", "cursor", "2025-11-25", None),
        (2, BOB.session_id, "bob", "cursor", "2025-11-25", "deleted"),
    ]


async def test_the_start_row_has_the_time_of_the_id(writer, database):
    call(writer)
    await writer.durable()

    sql = "select (extract(epoch from at) * 1000)::bigint = ('x' || left(replace(request_id::text, '-', ''), 12))::bit(48)::bigint from traffic"  # noqa: E501
    assert rows(database, sql) == [(True,)]


async def test_text_a_client_made_up_cannot_break_a_row(writer, database):
    request = writer.request(Session("bob", "k1", client_name="a\0b\\N\r\n\ud800"), "tools/call\t\\.\n")
    writer.ended(request, "Denied", reason="Bearer abcdefghij " + "x" * 1000)
    await writer.durable()

    sql = "select kind, client_name, method, length(reason), reason like '%abcdefghij%' from traffic order by kind"
    assert rows(database, sql) == [
        (3, "ab\\N\r\n?", "tools/call\t\\.\n", None, None),
        (4, None, "tools/call\t\\.\n", 300, False),
    ]


async def test_a_row_postgresql_refuses_takes_no_other_with_it(writer, database):
    good = [call(writer, str(number)) for number in range(10)]
    writer.session_opened(Session("bob", "k1", "no uuid"))
    good += [call(writer, str(number)) for number in range(10)]
    await writer.durable()

    assert set(lives(database)) == {request.id for request in good}
    assert rows(database, "select lost from traffic where kind = 5") == [(1,)]
    assert writer.lost == 1


async def test_a_missing_partition_is_made(writer, database):
    with psycopg.connect(database.owner_dsn) as db:
        db.execute(f"drop table traffic_{datetime.now(UTC):%Y%m%d}")
    call(writer)
    await asyncio.wait_for(writer.durable(), 5)

    assert len(rows(database)) == 1


async def test_a_start_outlives_the_death_of_the_hub(make_writer, database):
    dead = make_writer()  # PostgreSQL never heard of it
    dead._spool.remember([dead.boot])
    request = call(dead)

    for _ in range(2):  # a second restart adds nothing
        born = make_writer()
        await born.start()
        await born.stop()

    assert [(kind, status) for kind, status, _ in rows(database)] == [(3, None), (4, "Interrupted")]
    assert {row[2] for row in rows(database)} == {request.id}


async def test_a_restart_ends_what_the_dead_hub_had_open_and_nothing_else(make_writer, database):
    dead = make_writer()
    await dead.start()
    dead.session_opened(BOB)
    open_request, done = call(dead), call(dead)
    dead.ended(done, "Completed")
    await dead.durable()
    await die(dead)

    born = make_writer()
    await born.start()

    sql = (
        "select request_id, session_id::text, kind, status, reason from traffic where kind in (2, 4) order by position"
    )
    assert rows(database, sql) == [
        (done.id, None, 4, "Completed", None),
        (open_request.id, None, 4, "Interrupted", "hub_restarted"),
        (None, BOB.session_id, 2, "Interrupted", "hub_restarted"),
    ]


async def test_an_end_that_was_spooled_is_not_replaced_by_the_sweeper(make_writer, database):
    dead = make_writer()
    await dead.start()
    request = call(dead)
    await dead.durable()
    with postgres_away(database):
        call(dead)  # noticed when it cannot be written
        await until(lambda: dead._down)
        dead.ended(request, "Completed")
        await die(dead)

    born = make_writer()
    await born.start()

    sql = "select status from traffic where kind = 4 and request_id = '{}'"
    assert rows(database, sql.format(request.id)) == [("Completed",)]
    assert set(map(tuple, lives(database).values())) == {(3, 4)}


async def test_ends_from_before_anybody_noticed_outlive_the_hub_as_well(make_writer, database):
    dead = make_writer()
    await dead.start()
    request = call(dead)
    await dead.durable()
    with postgres_away(database):
        dead.ended(request, "Completed")
        await until(lambda: dead._down)
        await die(dead)

    born = make_writer()
    await born.start()

    assert rows(database, "select status from traffic where kind = 4") == [("Completed",)]


async def test_another_node_ends_the_requests_of_a_dead_one(make_writer, database):
    dead, other = make_writer("dead"), make_writer("other")
    await dead.start()
    await other.start()
    request = call(dead)
    await dead.durable()
    await die(dead)
    with psycopg.connect(database.server.dsn("postgres", "postgres"), autocommit=True) as db:
        cut(db, database)

    await other.keep(90)

    assert lives(database) == {request.id: [3, 4]}


async def test_a_living_node_keeps_its_requests(make_writer, database):
    busy, other = make_writer("busy"), make_writer("other")
    await busy.start()
    await other.start()
    request = call(busy)
    await busy.durable()

    await other.keep(90)

    assert lives(database) == {request.id: [3]}


async def test_a_node_taken_for_dead_adds_no_second_end(make_writer, database):
    """It lost its connection, another node swept it, and then its call ended after all."""
    cut_off, other = make_writer("cut off"), make_writer("other")
    await cut_off.start()
    await other.start()
    request = call(cut_off)
    await cut_off.durable()
    with psycopg.connect(database.owner_dsn) as db:
        db.execute("update traffic_boot set swept = true where boot = %s", (cut_off.boot,))
        db.execute(
            "insert into traffic (at, kind, boot, request_id, status, node)"
            " values (now(), 4, %s, %s, 'Interrupted', 'other')",
            (cut_off.boot, request.id),
        )
    with psycopg.connect(database.server.dsn("postgres", "postgres"), autocommit=True) as db:
        cut(db, database)
    later = call(cut_off)
    await asyncio.wait_for(cut_off.durable(), 10)

    cut_off.ended(request, "Completed")
    cut_off.ended(later, "Completed")
    await asyncio.wait_for(cut_off.durable(), 10)

    assert lives(database) == {request.id: [3, 4], later.id: [3, 4]}
    assert rows(database, f"select swept from traffic_boot where boot = {cut_off.boot}") == [(False,)]


async def test_a_batch_whose_commit_was_not_answered_is_not_written_twice(writer, database, monkeypatch):
    store, failed = writer._store, []

    async def store_then_lose(db, batch, **how):
        added = await store(db, batch, **how)
        if not failed:
            failed.append(batch)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return added

    monkeypatch.setattr(writer, "_store", store_then_lose)
    writer.session_opened(BOB)
    writer.ended(call(writer), "Completed")
    await asyncio.wait_for(writer.durable(), 10)

    assert failed
    assert Counter(row[0] for row in rows(database)) == {1: 1, 3: 1, 4: 1}


async def test_rows_written_while_postgresql_is_away_arrive_later(writer, database):
    with postgres_away(database):
        requests = [call(writer, str(number)) for number in range(50)]
        await until(lambda: writer._down)
        for request in requests:
            writer.ended(request, "Completed")
        writer.session_opened(BOB)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.durable(), 0.3)
    await asyncio.wait_for(writer.durable(), 10)

    assert lives(database) == {request.id: [3, 4] for request in requests}
    assert Counter(row[0] for row in rows(database)) == {1: 1, 3: 50, 4: 50}
    await until(lambda: writer._spool.size == 0)


async def test_more_rows_than_memory_holds_take_the_way_through_the_spool(writer, database, monkeypatch):
    monkeypatch.setattr(writer, "CAPACITY", 10)
    requests = [call(writer, str(number)) for number in range(40)]
    for request in requests:
        writer.ended(request, "Completed")
    await asyncio.wait_for(writer.durable(), 10)

    assert lives(database) == {request.id: [3, 4] for request in requests}
    assert writer.overflowed == 70
    assert (writer.lost, writer._spool.size) == (0, 0)


async def test_what_waits_in_the_spool_is_not_forgotten_by_a_failed_write(writer, database, monkeypatch):
    store, failed = writer._store, []

    async def lose_then_store(db, batch, **how):
        if not failed:
            failed.append(batch)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return await store(db, batch, **how)

    monkeypatch.setattr(writer, "_store", lose_then_store)
    monkeypatch.setattr(writer, "CAPACITY", 2)
    requests = [call(writer, str(number)) for number in range(6)]
    await asyncio.wait_for(writer.durable(), 10)

    assert failed
    assert lives(database) == {request.id: [3] for request in requests}


async def test_rows_that_fit_nowhere_are_counted_in_a_gap(make_writer, database, monkeypatch):
    writer = make_writer(spool=DeafSpool)
    await writer.start()
    monkeypatch.setattr(writer, "CAPACITY", 4)
    for _ in range(6):
        writer.ended(writer.request(BOB, "tools/list"), "Completed")
    await writer.durable()

    assert Counter(row[0] for row in rows(database)) == {3: 4, 4: 4, 5: 1}
    assert rows(database, "select lost from traffic where kind = 5") == [(4,)]


async def test_the_end_of_a_started_call_is_kept_even_without_room(make_writer, database, monkeypatch):
    writer = make_writer(spool=DeafSpool)
    writer._spool.full = False
    await writer.start()
    request = call(writer)
    writer._spool.full = True
    monkeypatch.setattr(writer, "CAPACITY", 0)
    writer.ended(request, "Completed")
    await writer.durable()

    assert lives(database) == {request.id: [3, 4]}


async def test_a_call_whose_start_cannot_be_kept_must_not_go_out(make_writer, database):
    writer = make_writer(spool=DeafSpool)
    await writer.start()
    request = writer.request(BOB, "tools/call")

    with pytest.raises(NotRecorded, match="No space left"):
        writer.started(request)
    writer.ended(request, "Failed", error_code="not_recorded")
    await writer.durable()

    assert lives(database) == {request.id: [3, 4]}


async def test_the_spool_is_cut_once_its_rows_are_durable(writer):
    for _ in range(3):
        writer.ended(call(writer), "Completed")
        assert writer._spool.size > 0
        await writer.durable()

    await until(lambda: writer._spool.size == 0)


async def test_the_spool_is_cut_again_after_a_failed_write(writer, database):
    with postgres_away(database):
        call(writer)
        await until(lambda: writer._down)
    for _ in range(3):
        call(writer)
        await asyncio.wait_for(writer.durable(), 10)

    await until(lambda: writer._spool.size == 0)


async def test_strict_waits_for_the_durable_start(make_writer, database):
    writer = make_writer(strict=True)
    await writer.start()
    request = writer.request(BOB, "tools/call")
    await writer.started(request)

    assert lives(database) == {request.id: [3]}


async def test_strict_refuses_the_call_when_postgresql_does_not_answer(make_writer, database, monkeypatch):
    writer = make_writer(strict=True)
    await writer.start()
    monkeypatch.setattr(writer, "STRICT_WITHIN", 0.2)
    request = writer.request(BOB, "tools/call")
    with postgres_away(database), pytest.raises(NotRecorded, match="did not take the start"):
        await writer.started(request)
    writer.ended(request, "Failed", error_code="not_recorded")
    await asyncio.wait_for(writer.durable(), 10)

    assert lives(database) == {request.id: [3, 4]}


async def test_strict_refuses_the_call_when_memory_is_full(make_writer, monkeypatch):
    writer = make_writer(strict=True)
    await writer.start()
    monkeypatch.setattr(writer, "CAPACITY", 0)

    with pytest.raises(NotRecorded, match="at most 0"):
        writer.started(writer.request(BOB, "tools/call"))


async def test_stopping_ends_what_is_still_open(make_writer, database):
    writer = make_writer()
    await writer.start()
    call(writer)
    await writer.stop()

    sql = "select status, reason from traffic where kind = 4"
    assert rows(database, sql) == [("Interrupted", "hub_stopped")]


async def test_a_forgotten_request_is_ended_as_lost(writer, database):
    request = call(writer)
    request._began -= 3 * 3600
    fresh = call(writer)
    await writer.keep(90)
    writer.ended(request, "Completed")
    await writer.durable()

    assert lives(database) == {request.id: [3, 4], fresh.id: [3]}
    assert rows(database, "select reason from traffic where kind = 4") == [("lost",)]


async def test_nobody_drops_the_present(writer, database):
    with psycopg.connect(database.app_dsn) as db, pytest.raises(psycopg.errors.RaiseException, match="too recent"):
        db.execute("select traffic_drop(%s)", (datetime.now(UTC).date(),))


@pytest.mark.parametrize("statement", ["update traffic set status = 'x'", "delete from traffic", "truncate traffic"])
async def test_the_runtime_role_cannot_rewrite_history(writer, database, statement):
    with psycopg.connect(database.app_dsn) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(statement)


async def test_a_batch_that_is_handed_over_in_pieces_is_one_batch_in_its_order(writer, database):
    requests = [writer.request(BOB, "tools/call") for _ in range(PIECE * MOST_PIECES + 1)]
    async with await psycopg.AsyncConnection.connect(database.app_dsn, autocommit=True) as db:
        added = await writer._store(db, [writer._start_line(request) for request in requests], careful=False)

    assert added == len(requests)
    assert [request for _, _, request in rows(database)] == [request.id for request in requests]
    assert rows(database, "select count(distinct xmin::text) from traffic") == [(1,)]


async def test_batches_announce_themselves(writer, database):
    async with await psycopg.AsyncConnection.connect(database.app_dsn, autocommit=True) as db:
        await db.execute("listen traffic")
        call(writer)

        heard = [notification.channel async for notification in db.notifies(timeout=5, stop_after=1)]

    assert heard == ["traffic"]
