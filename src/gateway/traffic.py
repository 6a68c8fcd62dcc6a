"""The second log: sessions and requests, written in batches beside the calls and never in their way.

Promises:
- a forwarded call's start is in the spool before the call goes out, and in PostgreSQL a tenth of a second later;
- every start gets exactly one end: from the call itself, or from the sweeper after a crash;
- rows that had to be dropped are counted, and a `gap` row says how many.

Not in the ledger: a serialised transaction for each call would cost more than the call. Rows are `copy` text from the
moment they are made: one encoding serves the spool and PostgreSQL.

How "exactly one" holds, as no unique index can hold it across partitions: one batch lock orders all writers. Rows that
cannot be in the table yet are copied straight into it. All others (after a lost connection, from the spool, ends of
calls that outlived a connection) pass an anti-join first. Each run of a hub, a *boot*, holds a shared advisory lock on
the writing connection; the sweeper ends the requests of boots that hold none.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import psycopg
import structlog
from msgspec import json
from psycopg import AsyncConnection

from mcphub.domain.ids import uuid7
from mcphub.domain.left_out import LeftOut
from mcphub.gateway.request_id import readable
from mcphub.gateway.spool import Spool
from mcphub.logging import redacted, utc_text
from mcphub.metrics import Metrics
from mcphub.periodic import end
from mcphub.postgres.days import TRAFFIC
from mcphub.postgres.leader import VANISH_SOON
from mcphub.postgres.pool import conninfo, execute_many, explain

__all__ = ["NotRecorded", "Request", "Session", "Status", "TrafficWriter"]

log = structlog.get_logger()

Status = Literal["Completed", "Failed", "TimedOut", "Cancelled", "Denied", "Interrupted"]
Db = AsyncConnection[tuple[Any, ...]]
OPENED, CLOSED, STARTED, ENDED, GAP = 1, 2, 3, 4, 5
LOCK = TRAFFIC.lock  # batches commit one after the other; the sweeper and the replay take their turn
ALIVE = 7206005  # class of the advisory locks that say which boots live
COLUMNS = (
    "at, kind, boot, request_id, session_id, user_id, key_id, server, tool, method, status, duration_ms, wait_ms,"
    " upstream_ms, bytes_in, bytes_out, error_code, reason, era, mode, view, client_name, client_version,"
    " credential_version, ledger_position, shown, filtered, lost, node, left_out"
)
BEFORE_LEFT_OUT = COLUMNS.count(",") - 1  # tabs of a row without `left_out`
LONGEST_TEXT = 300  # characters of any one field
PIECE, MOST_PIECES = 48, 16  # rows; pieces of a batch, which are larger where there would be more of them
PIECE_APART = 0.001  # seconds
MOST_BYTES = 2**31 - 1  # of a counted body, as the column holds it
LONGEST_CALL = timedelta(hours=2)  # twice the hard limit of a tool call; what is older was forgotten, not slow
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})

# Starts and ends are the same row when request and kind are; everything else when it was the same instant.
ADD_NEW = f"""
    insert into traffic ({COLUMNS})
    select {COLUMNS} from (
        select distinct on (kind, request_id, session_id, case when request_id is null then at end, boot) *
        from traffic_arriving as came
        where not exists (
                select from traffic as old
                where old.request_id = came.request_id and old.kind = came.kind and old.at >= %(since)s)
          and (came.request_id is not null or not exists (
                select from traffic as old
                where old.at = came.at and old.kind = came.kind and old.boot = came.boot and old.request_id is null
                  and old.session_id is not distinct from came.session_id and old.at >= %(since)s))
        order by kind, request_id, session_id, case when request_id is null then at end, boot, at
    ) as fresh
    order by at, kind
"""
# The table of arriving rows has no statistics, and a plan that reads whole days would hold the batch lock for long.
BY_INDEX = "select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"

# Holding the batch lock. A boot seen dead here cannot have a row under way that was not checked against the table.
DEAD_BOOTS = """
    select boot, seen_at from traffic_boot
    where not swept and boot <> %(own)s and (boot = any(%(known_dead)s::bigint[]) or boot not in (
        select objid::bigint from pg_locks
        where locktype = 'advisory' and classid::bigint = %(alive)s and objsubid = 2
          and database = (select oid from pg_database where datname = current_database())))
    order by seen_at
"""
SWEEP_REQUESTS = f"""
    insert into traffic (at, kind, boot, request_id, user_id, server, tool, method, status, duration_ms, error_code,
                         reason, node)
    select clock_timestamp(), {ENDED}, boot, request_id, user_id, server, tool, method, 'Interrupted',
           extract(epoch from clock_timestamp() - at) * 1000, 'interrupted', 'hub_restarted', node
    from traffic as start
    where kind = {STARTED} and boot = %(boot)s and at > %(since)s and not exists (
        select from traffic as done
        where done.request_id = start.request_id and done.kind = {ENDED} and done.at > %(since)s)
"""
SWEEP_SESSIONS = f"""
    insert into traffic (at, kind, boot, session_id, user_id, key_id, status, reason, era, mode, view, client_name,
                         client_version, node)
    select clock_timestamp(), {CLOSED}, boot, session_id, user_id, key_id, 'Interrupted', 'hub_restarted', era, mode,
           view, client_name, client_version, node
    from (select distinct on (session_id) * from traffic where kind = {OPENED} and boot = %(boot)s
          order by session_id, at desc) as opened
    where not exists (
        select from traffic as closed
        where closed.session_id = opened.session_id and closed.kind = {CLOSED} and closed.boot = opened.boot
          and closed.at >= opened.at)
"""

# While its connection was away another node may have taken this boot for dead.
REGISTER = """
    insert into traffic_boot (boot, node) values (%s, %s)
    on conflict (boot) do update set seen_at = clock_timestamp(), swept = false
"""
# One that died before PostgreSQL heard of it has rows in the spool alone, of any age.
DIED_HERE = """
    insert into traffic_boot (boot, node, seen_at) values (%s, %s, 'epoch')
    on conflict (boot) do update set swept = false
"""


class NotRecorded(Exception):
    """The start of a call could not be kept, so the call must not go out."""


class Session:
    """What rows say about the conversation a request belongs to; made once for each.

    Args:
        user_id: empty when nobody was recognised; so is `key_id`.
        session_id: its public UUID, empty for a one-shot request.
        era: protocol revision.
        mode: exposure mode; the one chosen, and once a list was evaluated what came of it.
    """

    __slots__ = ("_client", "_era", "_user", "_view", "_who", "era", "key_id", "mode", "session_id", "user_id")

    def __init__(
        self,
        user_id: str,
        key_id: str,
        session_id: str = "",
        *,
        client_name: str = "",
        client_version: str = "",
        era: str = "",
        mode: str = "",
        view: str = "",
    ) -> None:
        self.user_id = user_id
        self.key_id = key_id
        self.session_id = session_id
        self.mode = mode
        self.era = era
        self._user = text(user_id)
        self._who = "\t".join((text(session_id), self._user, text(key_id)))
        self._era, self._view = text(era), text(view)
        self._client = "\t".join((text(redacted(client_name)), text(redacted(client_version))))


class Request:
    """A request under way; what is not known at its beginning (`server`, `tool`, …) is set once it is.

    `shown` and `filtered` count the items of a list that was answered, and those that access hid; `left_out` says why.
    `mode` is the session's, unless the request itself tells another.
    """

    __slots__ = (
        "_began",
        "_connection",
        "_id",
        "_over",
        "bytes_in",
        "credential_version",
        "filtered",
        "id",
        "ledger_position",
        "left_out",
        "method",
        "mode",
        "public_id",
        "server",
        "session",
        "shown",
        "tool",
        "trace_id",
    )

    def __init__(self, session: Session, method: str, bytes_in: int) -> None:
        self.id = uuid7()
        self._id = str(self.id)
        self.session = session
        self.method = method
        self.mode = ""
        self.trace_id = ""  # where traces are sent
        self.bytes_in = bytes_in
        self.server = ""
        self.tool = ""
        self.ledger_position: int | None = None
        self.credential_version = ""
        self.shown: int | None = None
        self.filtered: int | None = None
        self.left_out: LeftOut | None = None
        self.public_id = readable(self.id, session.user_id, session.session_id, method)
        self._began = time.perf_counter()
        self._connection = 0  # which connection of the writer was alive at the start; 0: never started
        self._over = False

    @property
    def came_in(self) -> float:
        """By `time.perf_counter`."""
        return self._began


class TrafficWriter:
    """Batches rows into COPY. What the gateway calls returns at once; only what it gives to await waits.

    Args:
        dsn: as the application role, past any transaction-pooling proxy: it holds a session's lock.
        node: name of this hub among others on the database.
        strict: hand out something to await for each start, and refuse what cannot be durable.
        metrics: told how each request ended.
    """

    # Seconds a row waits for company: a batch costs PostgreSQL and the spool the same however many rows are in it. In
    # strict mode a call waits with it.
    LINGER, STRICT_LINGER = 0.1, 0.005
    CAPACITY = 50_000  # rows in memory; beyond it rows wait in the spool
    STRICT_WITHIN = 5.0  # seconds a strict start may take
    DRAIN_WITHIN = 10.0  # seconds
    RETRY_FROM, RETRY_TO = 0.05, 1.0  # seconds between attempts to reach PostgreSQL

    def __init__(
        self, dsn: str, spool: Spool, node: str, *, strict: bool = False, metrics: Metrics | None = None
    ) -> None:
        self.strict = strict
        self._metrics = metrics or Metrics()
        self.boot = int.from_bytes(os.urandom(4), "big") >> 1
        self.overflowed = 0  # rows that did not fit into memory and took the way through the spool
        self.lost = 0  # rows dropped for good
        self._dsn = dsn
        self._spool = spool
        self._node_name = node
        self._node = text(node)
        self._queue: deque[bytes] = deque()
        self._rung = asyncio.Event()
        self._added = 0  # rows ever queued
        self._stored = 0  # of them durable
        self._durable: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._connection = 1  # counts connections, from 1
        self._down = False
        self._careful = True  # the next batch may hold rows that are stored already
        self._behind = False  # the spool holds rows that the queue does not
        self._unreported = 0  # lost rows without their gap row
        self._live: dict[Request, None] = {}  # started and not ended, oldest first
        self._task: asyncio.Task[None] | None = None

    # What the gateway calls.

    def request(self, session: Session, method: str, *, bytes_in: int = 0) -> Request:
        """A request that came in; nothing is written yet."""
        return Request(session, method, bytes_in)

    def started(self, request: Request) -> Coroutine[Any, Any, None] | None:
        """The call is about to be forwarded: its start row goes to the spool now and to PostgreSQL soon.

        Returns what a strict caller must await before the call goes out.

        Raises:
            NotRecorded: the call must not go out. Also raised by what is returned.
        """
        if self.strict and len(self._queue) >= self.CAPACITY:
            raise NotRecorded(f"{len(self._queue)} rows of history wait for PostgreSQL, at most {self.CAPACITY} may")
        line = self._start_line(request)
        try:
            self._spool.add(line)
        except OSError as error:
            raise NotRecorded(f"the start could not be written to the spool: {error.strerror or error}") from error
        request._connection = self._connection
        self._live[request] = None
        self._put(line, spooled=True)
        return self._soon_durable() if self.strict else None

    def ended(
        self,
        request: Request,
        status: Status,
        *,
        error_code: str = "",
        reason: str = "",
        wait_ms: float | None = None,
        upstream_ms: float | None = None,
        bytes_out: int = 0,
    ) -> float:
        """The one end of a request; later calls change nothing. Returns how long it took in milliseconds.

        A request that was never `started`, as denied ones and lists, gets its start row here, together with its end.
        """
        took = (time.perf_counter() - request._began) * 1000
        if request._over:
            return took
        request._over = True
        self._metrics.ended(request.server, request.method, status, reason, took, wait_ms, upstream_ms)
        line = (
            f"{utc_text(time.time_ns() // 1000)}\t{ENDED}\t{self.boot}\t{request._id}\t{NULL}"
            f"\t{request.session._user}\t{NULL}\t{_what(request)}\t{status}\t{took:.3f}"
            f"\t{_number(wait_ms)}\t{_number(upstream_ms)}\t{NULL}\t{min(bytes_out, MOST_BYTES)}\t{text(error_code)}"
            f"\t{text(redacted(reason)) if reason else NULL}\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{NULL}"
            f"\t{NULL if request.shown is None else request.shown}"
            f"\t{NULL if request.filtered is None else request.filtered}\t{NULL}\t{self._node}"
            f"\t{_json(request.left_out)}\n"
        ).encode("utf-8", "replace")
        if request._connection:
            del self._live[request]
            if request._connection != self._connection:
                self._careful = True  # while the connection was away, another node may have ended it
            self._put(line, keep=True)
        else:
            self._put(self._start_line(request) + line, rows=2)
        return took

    def session_opened(self, session: Session) -> None:
        """A conversation lives on this node from now on; also after it was taken over from another."""
        self._put(self._session_line(OPENED, session, ""))

    def session_closed(self, session: Session, reason: str) -> None:
        self._put(self._session_line(CLOSED, session, reason))

    async def durable(self) -> None:
        """Returns once every row of before this call is in PostgreSQL, or counted in a gap row that is."""
        if self._stored >= self._added and not self._behind and not self._unreported:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._durable.append((self._added, future))
        self._rung.set()
        await future

    @property
    def waiting(self) -> int:
        """Rows in memory that PostgreSQL does not have yet."""
        return len(self._queue)

    @property
    def spooled(self) -> int:
        """Bytes on the disk that PostgreSQL does not have yet."""
        return self._spool.size

    @property
    def in_flight(self) -> int:
        """Requests forwarded and not ended."""
        return len(self._live)

    # The role.

    async def start(self) -> None:
        """Replays the spool, ends what a dead hub left open, then begins to write.

        Raises:
            psycopg.Error: PostgreSQL is away; a hub does not start without it.
        """
        predecessors = self._spool.boots()
        self._spool.remember([*predecessors, self.boot])
        async with await self._connect() as db:
            await self._register(db)
            await execute_many(db, DIED_HERE, [(boot, self._node_name) for boot in predecessors])
            await make_partitions(db, days_around(datetime.now(UTC).date()))
            if self._spool.size:
                # An earlier version of the hub may have written them.
                added = [await self._store(db, completed(lines), careful=True) for lines in self._spool.lines()]
                log.info("spool_replayed", rows_added=sum(added))
                self._spool.cut_all()
            await self._sweep(db, predecessors)
            self._spool.remember([self.boot])
        self._task = asyncio.create_task(self._run(), name="traffic-writer")

    async def stop(self) -> None:
        """Drains the queue for a while; what is left then is in the spool. Stopping twice is fine."""
        if self._task is None:
            return
        for request in list(self._live):
            self.ended(request, "Interrupted", error_code="interrupted", reason="hub_stopped")
        try:
            async with asyncio.timeout(self.DRAIN_WITHIN):
                await self.durable()
        except TimeoutError:
            self._to_spool(b"".join(self._queue))
            log.warning("traffic_left_in_spool", rows=len(self._queue))
        await end(self._task)
        self._task = None
        self._spool.close()

    async def keep(self, days: int) -> None:
        """The round of every minute: lost requests ended, partitions made ahead.

        Args:
            days: how long rows are kept; so long the hub remembers whose they are.
        """
        self._end_forgotten()
        today = datetime.now(UTC).date()
        async with await self._connect() as db:
            await self._register(db)
            await make_partitions(db, days_around(today))
            await self._sweep(db, [])
            await db.execute(
                "delete from traffic_boot where swept and seen_at < now() - %s * interval '1 day'", (days + 1,)
            )

    # Rows.

    def _put(self, line: bytes, *, rows: int = 1, spooled: bool = False, keep: bool = False) -> None:
        """Queues a row, or leaves it to the spool when memory is full. `keep`: it must not be dropped."""
        full = len(self._queue) >= self.CAPACITY
        if (full or self._down) and not spooled:
            spooled = self._to_spool(line)
        if full and spooled:
            self.overflowed += rows
            self._behind = True
        elif full and not keep:
            self.lost += rows
            self._unreported += rows
        else:
            self._added += 1
            self._queue.append(line)
        if not self._rung.is_set():
            self._rung.set()

    def _to_spool(self, lines: bytes) -> bool:
        try:
            self._spool.add(lines)
        except OSError:
            return False
        return True

    def _start_line(self, request: Request) -> bytes:
        session = request.session
        # The time of the id: pages by time and pages by id are one.
        at = utc_text((request.id.int >> 80) * 1000)
        position = NULL if request.ledger_position is None else request.ledger_position
        return (
            f"{at}\t{STARTED}\t{self.boot}\t{request._id}\t{session._who}\t{_what(request)}"
            f"\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{min(request.bytes_in, MOST_BYTES)}"
            f"\t{NULL}\t{NULL}\t{NULL}\t{session._era}\t{text(request.mode or session.mode)}\t{session._view}"
            f"\t{session._client}\t{text(request.credential_version)}\t{position}"
            f"\t{NULL}\t{NULL}\t{NULL}\t{self._node}\t{NULL}\n"
        ).encode("utf-8", "replace")

    def _session_line(self, kind: int, session: Session, reason: str) -> bytes:
        nulls = "\t".join([NULL] * 10)
        return (
            f"{datetime.now(UTC).isoformat()}\t{kind}\t{self.boot}\t{NULL}\t{session._who}\t{nulls}"
            f"\t{text(redacted(reason))}\t{session._era}\t{text(session.mode)}\t{session._view}\t{session._client}"
            f"\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{self._node}\t{NULL}\n"
        ).encode("utf-8", "replace")

    def _gap_line(self, lost: int) -> bytes:
        nulls = "\t".join([NULL] * 24)
        return f"{datetime.now(UTC).isoformat()}\t{GAP}\t{self.boot}\t{nulls}\t{lost}\t{self._node}\t{NULL}\n".encode()

    # Writing.

    async def _soon_durable(self) -> None:
        try:
            async with asyncio.timeout(self.STRICT_WITHIN):
                await self.durable()
        except TimeoutError:
            raise NotRecorded(f"PostgreSQL did not take the start within {self.STRICT_WITHIN:.0f} s") from None

    async def _connect(self) -> Db:
        return await AsyncConnection.connect(
            conninfo(self._dsn, name="mcphub-traffic"), autocommit=True, client_encoding="UTF8"
        )

    async def _run(self) -> None:
        delay = self.RETRY_FROM
        while True:
            try:
                async with await self._connect() as db:
                    await db.execute(VANISH_SOON)  # and the others end what this hub leaves open
                    # Shared: an old backend of this boot may not have noticed yet that its client is gone.
                    await db.execute("select pg_advisory_lock_shared(%s, %s)", (ALIVE, self.boot))
                    await self._register(db)
                    while True:
                        await self._rung.wait()
                        await asyncio.sleep(self.STRICT_LINGER if self.strict else self.LINGER)
                        self._rung.clear()
                        await self._flush(db)
                        if self._down:
                            log.info("traffic_writer_recovered", waiting=len(self._queue))
                        self._down = False
                        delay = self.RETRY_FROM
            except Exception as error:  # whatever it is, calls go on and their rows wait
                self._connection += 1
                self._rung.set()
                if not self._down:
                    self._down = True
                    self._to_spool(b"".join(self._queue))  # the ends that came before anybody knew
                log.warning("traffic_writer_lost", why=explain(error), retry_in_s=delay, waiting=len(self._queue))
                await asyncio.to_thread(self._spool.sync)
                await asyncio.sleep(delay)
                delay = min(delay * 2, self.RETRY_TO)

    async def _flush(self, db: Db) -> None:
        """Everything queued now in one transaction; rows leave the queue and the spool only once they are durable."""
        if self._unreported:
            line, self._unreported = self._gap_line(self._unreported), 0
            self._added += 1
            self._queue.append(line)
        careful, behind = self._careful, self._behind
        self._careful = False
        turned = self._spool.turn()
        batch = list(self._queue)
        # Lines that overflowed after a turn that could not be made wait for the next round.
        self._behind = behind and not turned
        try:
            if batch:
                await self._store(db, batch, careful=careful or behind)
            if behind:
                for lines in self._spool.resting():
                    await self._store(db, lines, careful=True)
        except BaseException:
            self._careful, self._behind = True, self._behind or behind
            raise
        for _ in batch:
            self._queue.popleft()
        self._stored += len(batch)
        self._spool.cut()  # all of it was queued before the turn, or read just now
        if self._behind or self._unreported:
            self._rung.set()
            return
        while self._durable and self._durable[0][0] <= self._stored:
            future = self._durable.popleft()[1]
            if not future.done():
                future.set_result(None)

    async def _store(self, db: Db, batch: list[bytes], *, careful: bool, partitions_made: bool = False) -> int:
        """Adds the rows and returns how many were new; a row PostgreSQL refuses is found by halving, and counted."""
        try:
            if not careful:
                # A transaction of its own; the table's trigger takes the batch lock and notifies.
                return await _copy(db, "traffic", batch)
            async with db.transaction():
                await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
                await _copy(db, "traffic_arriving", batch)
                await db.execute(BY_INDEX)
                # A duplicate is at most as old as its call, so that much further back it is looked for.
                since = min(days_of(batch), default=datetime.now(UTC).date()) - timedelta(days=1)
                added = (await db.execute(ADD_NEW, {"since": since})).rowcount
                await db.execute("delete from traffic_arriving")
                return added
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if isinstance(error, psycopg.errors.CheckViolation) and not partitions_made:
                await make_partitions(db, days_of(batch))
                return await self._store(db, batch, careful=careful, partitions_made=True)
            if len(batch) == 1:
                rows = batch[0].count(b"\n")
                self.lost += rows
                self._unreported += rows
                log.error("traffic_row_refused", why=explain(error))
                return 0
        middle = len(batch) // 2
        added = await self._store(db, batch[:middle], careful=careful, partitions_made=partitions_made)
        return added + await self._store(db, batch[middle:], careful=careful, partitions_made=partitions_made)

    # Sweeping.

    async def _register(self, db: Db) -> None:
        await db.execute(REGISTER, (self.boot, self._node_name))

    async def _sweep(self, db: Db, known_dead: list[int]) -> None:
        """Ends the requests and sessions of boots that are gone."""
        async with db.transaction():
            await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            known = {"own": self.boot, "known_dead": known_dead, "alive": ALIVE}
            for boot, seen_at in await (await db.execute(DEAD_BOOTS, known)).fetchall():
                given = {"boot": boot, "since": seen_at - LONGEST_CALL - timedelta(hours=1)}
                requests = (await db.execute(SWEEP_REQUESTS, given)).rowcount
                sessions = (await db.execute(SWEEP_SESSIONS, given)).rowcount
                await db.execute("update traffic_boot set swept = true where boot = %s", (boot,))
                log.info("dead_hub_swept", boot=boot, requests=requests, sessions=sessions)

    def _end_forgotten(self) -> None:
        oldest = time.perf_counter() - LONGEST_CALL.total_seconds()
        for request in list(self._live):
            if request._began > oldest:
                return
            self.ended(request, "Interrupted", error_code="interrupted", reason="lost")


async def _copy(db: Db, table: str, batch: list[bytes]) -> int:
    """In pieces: with a whole batch PostgreSQL keeps its core for milliseconds, and a call that comes to the same core
    meanwhile waits for all of it.
    """
    size = max(PIECE, len(batch) // MOST_PIECES)
    async with db.cursor() as cursor:
        async with cursor.copy(f"copy {table} ({COLUMNS}) from stdin") as copy:
            for start in range(0, len(batch), size):
                if start:
                    await asyncio.sleep(PIECE_APART)
                await copy.write(b"".join(batch[start : start + size]))
        return cursor.rowcount


def text(value: str) -> str:
    """A text as `copy` reads it, cut to a bounded length; an empty one is null."""
    return _escaped(value[:LONGEST_TEXT]) if value else NULL


def _what(request: Request) -> str:
    """Server, tool and method as three columns: the same in both rows of a call, and in those of most others."""
    return _three(request.server[:LONGEST_TEXT], request.tool[:LONGEST_TEXT], request.method[:LONGEST_TEXT])


@lru_cache(4096)
def _three(first: str, second: str, third: str) -> str:
    return "\t".join((text(first), text(second), text(third)))


@lru_cache(4096)
def _escaped(value: str) -> str:
    return value.translate(ESCAPES) or NULL


def _json(value: LeftOut | None) -> str:
    """As `copy` reads it; its words are the hub's own codes."""
    return NULL if value is None else json.encode(value).decode().translate(ESCAPES)


def _number(value: float | None) -> str:
    return NULL if value is None else f"{value:.3f}"


def completed(lines: list[bytes]) -> list[bytes]:
    """Rows of before a column was added, with nothing in it."""
    return [line[:-1] + b"\t\\N\n" if line.count(b"\t") == BEFORE_LEFT_OUT else line for line in lines]


def days_around(today: date) -> set[date]:
    """Yesterday, as a call may have come in before midnight, to three days ahead."""
    return {today + timedelta(days=ahead) for ahead in range(-1, 4)}


def days_of(batch: list[bytes]) -> set[date]:
    """The days of the rows in it; lines that cannot be read have none."""
    days = set()
    for line in b"".join(batch).splitlines():
        try:
            days.add(date.fromisoformat(line[:10].decode()))
        except ValueError:
            continue
    return days


async def make_partitions(db: Db, days: set[date]) -> None:
    for day in sorted(days):
        await db.execute("select traffic_partition(%s)", (day,))
