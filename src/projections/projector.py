"""Writes the read tables in batches, with where each stands in the same transaction; rebuilds them beside and swaps.

The projector is a thread of its own with one connection. It works while it holds an advisory lock (one of all hub
processes does), but nothing depends on the lock: the rows of `tracking`, locked for the length of a batch, do.
"""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import structlog
from msgspec import Struct
from psycopg import Connection, sql

from mcphub.domain.codec import Recorded, decode, decode_meta
from mcphub.projections.audit import Audit
from mcphub.projections.credentials import Credentials
from mcphub.projections.groups import Groups
from mcphub.projections.keys import KeyTable
from mcphub.projections.projection import Key, Projection, evolve_into, fold
from mcphub.projections.slots import Slots
from mcphub.projections.users import Users

log = structlog.get_logger()

BATCH = 1000
ARRAYS = {str: "text[]", int: "bigint[]", bool: "boolean[]"}  # of key columns
CHUNK = 2000  # events a rebuild folds at a time: small enough that other threads get their turn
LEADER_LOCK = 7_206_001
REBUILD_LOCK = 7_206_002

READ = """
    select position, recorded_at, id::text, tags, meta::text, data::text
    from public.ledger where position > %s and position <= %s order by position limit %s
"""


def all_projections() -> list[Projection[Any]]:
    """Every read table of the schema `read`."""
    from mcphub.projections.servers import Servers, SettingsDocument

    return [Users(), KeyTable(), Groups(), Credentials(), Servers(), Slots(), SettingsDocument(), Audit()]


class Standing(Struct, frozen=True):
    """Where a projection stands. `failed_at` names the event it cannot take; the others go on without it."""

    name: str
    position: int
    version: int
    status: str
    error: str | None
    failed_at: int | None


def head(db: Connection[Any]) -> int:
    """The position of the last fact."""
    row = db.execute("select position from public.ledger_head").fetchone()
    return int(row[0]) if row else 0


def standings(db: Connection[Any]) -> dict[str, Standing]:
    rows = db.execute("select name, position, version, status, error, failed_at_position from public.tracking")
    return {row[0]: Standing(*row) for row in rows}


def read_facts(db: Connection[Any], after: int, upto: int, limit: int) -> list[Recorded]:
    rows = db.execute(READ, (after, upto, limit), prepare=True, binary=True).fetchall()
    return [
        Recorded(
            position=row[0], at=row[1], id=row[2], tags=tuple(row[3]), meta=decode_meta(row[4]), event=decode(row[5])
        )
        for row in rows
    ]


# the schema


def ensure_schema(db: Connection[Any], projections: Sequence[Projection[Any]]) -> list[str]:
    """Makes the read tables of an empty hub; returns the projections that need a rebuild: new, or changed."""
    with db.transaction():
        db.execute("select pg_advisory_xact_lock(%s)", (REBUILD_LOCK,))
        known = standings(db)
        exists = db.execute("select 1 from pg_namespace where nspname = 'read'").fetchone()
        if not known and not exists:
            _make(db, "read", projections)
            for projection in projections:
                db.execute(
                    "insert into tracking (name, version) values (%s, %s)", (projection.name, projection.version)
                )
            return []
    names = {projection.name for projection in projections}
    if not exists or set(known) != names:
        return sorted(names)
    return sorted(projection.name for projection in projections if known[projection.name].version != projection.version)


def _make(db: Connection[Any], schema: str, projections: Sequence[Projection[Any]]) -> None:
    db.execute(sql.SQL("drop schema if exists {0} cascade").format(sql.Identifier(schema)))
    db.execute(sql.SQL("create schema {0}").format(sql.Identifier(schema)))
    _search(db, schema)
    for projection in projections:
        db.execute(projection.ddl)
    db.execute(sql.SQL("grant usage on schema {} to public").format(sql.Identifier(schema)))
    db.execute(sql.SQL("grant select on all tables in schema {} to public").format(sql.Identifier(schema)))


def _search(db: Connection[Any], schema: str) -> None:
    db.execute(sql.SQL("set search_path = {}, public").format(sql.Identifier(schema)))


# incremental


def apply_batch(db: Connection[Any], projections: Sequence[Projection[Any]]) -> int:
    """One batch in one transaction; returns the position every living projection has reached."""
    with db.transaction():
        _lock_tracking(db)
        return _apply(db, projections, limit=BATCH)


def _lock_tracking(db: Connection[Any]) -> None:
    db.execute("select from public.tracking order by name for update")


def _apply(db: Connection[Any], projections: Sequence[Projection[Any]], *, limit: int) -> int:
    known = standings(db)
    living = [p for p in projections if (s := known.get(p.name)) and s.status == "live" and s.version == p.version]
    if not living:
        return 0
    lowest = min(known[projection.name].position for projection in living)
    facts = read_facts(db, lowest, 2**62, limit)
    if not facts:
        return lowest
    for projection in living:
        since = known[projection.name].position
        own = [fact for fact in facts if fact.position > since]
        if not own:
            continue
        try:
            with db.transaction():  # a savepoint: one that fails takes none of the others with it
                _write(db, projection, own)
        except Exception as error:
            _park(db, projection, own, since, error)
        else:
            _track(db, projection, own[-1].position)
    return facts[-1].position


def _write(db: Connection[Any], projection: Projection[Any], facts: Sequence[Recorded]) -> None:
    handles = frozenset(projection.handles)
    facts = [fact for fact in facts if not handles or type(fact.event) in handles]
    if not facts:
        return
    rows = _load(db, projection, facts)
    rows, touched = fold(projection, facts, rows)
    kept = [projection.values(rows[key]) for key in touched if key in rows]
    gone = [key for key in touched if key not in rows]
    with db.cursor() as cursor:
        if kept:
            cursor.executemany(projection.upsert, kept)
        if gone:
            delete = sql.SQL("delete from {} where {}").format(sql.Identifier(projection.name), projection.by_key)
            cursor.executemany(delete, gone)


def _load(db: Connection[Any], projection: Projection[Any], facts: Sequence[Recorded]) -> dict[Key, Any]:
    """The rows a batch may touch; all of them when an event may touch any."""
    wanted: dict[Key, None] = {}
    select = sql.SQL("select {} from {}").format(projection.select_list, sql.Identifier(projection.name))
    for fact in facts:
        key = projection.key(fact)
        if key is None:
            continue
        if not isinstance(key, tuple):
            found = db.execute(select).fetchall()
            break
        wanted[key] = None
    else:
        if not wanted:
            return {}
        columns = [list(column) for column in zip(*wanted, strict=True)]
        # A list of texts goes out untyped, and unnest takes many types.
        where = sql.SQL(" where ({}) in (select * from unnest({}))").format(
            sql.SQL(", ").join(map(sql.Identifier, projection.key_columns)),
            sql.SQL(", ").join(sql.SQL("%s::" + ARRAYS[type(column[0])]) for column in columns),
        )
        found = db.execute(select + where, columns).fetchall()
    rows = (projection.read(values) for values in found)
    return {projection.key_of(row): row for row in rows}


def _track(db: Connection[Any], projection: Projection[Any], position: int) -> None:
    db.execute(
        "update public.tracking set position = %s, updated_at = clock_timestamp() where name = %s",
        (position, projection.name),
    )


def _park(
    db: Connection[Any], projection: Projection[Any], facts: Sequence[Recorded], since: int, error: Exception
) -> None:
    """Applies event by event up to the one that fails, and leaves the projection there until a rebuild."""
    position, failed_at = since, facts[0].position
    for fact in facts:
        try:
            with db.transaction():
                _write(db, projection, [fact])
            position = fact.position
        except Exception as cause:
            error, failed_at = cause, fact.position
            break
    why = f"{type(error).__name__} at {failed_at}"
    db.execute(
        "update public.tracking set position = %s, status = 'failed', error = %s, failed_at_position = %s,"
        " updated_at = clock_timestamp() where name = %s",
        (position, why, failed_at, projection.name),
    )
    log.error("projection_parked", projection=projection.name, position=failed_at, why=why)


# rebuild


def rebuild(
    db: Connection[Any], projections: Sequence[Projection[Any]], progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Builds the read tables beside the living ones and swaps them in; readers notice nothing.

    Args:
        db: autocommit, as the role that owns the read schema.
        progress: told (position, head) after each chunk.

    Returns:
        The position the new tables stand at.
    """
    if not db.execute("select pg_try_advisory_lock(%s)", (REBUILD_LOCK,)).fetchone()[0]:  # type: ignore[index]
        raise RuntimeError("a rebuild is running already")
    try:
        position = load(db, "read_next", projections, progress=progress)
        while True:
            try:
                return _swap(db, projections, position)
            except psycopg.errors.LockNotAvailable:
                time.sleep(0.2)  # a long read holds the old schema; nothing is lost by waiting
    finally:
        db.execute("set search_path = read, public")
        db.execute("select pg_advisory_unlock(%s)", (REBUILD_LOCK,))


def load(
    db: Connection[Any],
    schema: str,
    projections: Sequence[Projection[Any]],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Fills a schema of that name with the read tables as the whole ledger makes them; returns the position reached."""
    with db.transaction():
        _make(db, schema, projections)
    upto = head(db)
    rows: dict[str, dict[Key, Any]] = {projection.name: {} for projection in projections}
    concerned = _concerned(projections)
    streaming = {projection.name for projection in projections if not projection.handles}
    position = 0
    for chunk in _chunks(db, upto):
        for fact in chunk:
            for projection in concerned[type(fact.event)]:
                evolve_into(projection, rows[projection.name], fact, _ignore)
        for projection in projections:
            if projection.name in streaming:  # one row per fact and never changed again: no need to keep it
                _copy(db, projection, rows[projection.name])
                rows[projection.name] = {}
        position = chunk[-1].position
        progress(position, upto)
        time.sleep(0)
    for projection in projections:
        _copy(db, projection, rows[projection.name])
    for projection in projections:
        db.execute(sql.SQL("analyze {}").format(sql.Identifier(projection.name)))
    return position


def _ignore(_: Key) -> None:
    """A rebuild writes every row; it keeps no list of changed ones."""


def _concerned(projections: Sequence[Projection[Any]]) -> dict[type, list[Projection[Any]]]:
    everything = [projection for projection in projections if not projection.handles]
    out: dict[type, list[Projection[Any]]] = defaultdict(lambda: list(everything))
    for projection in projections:
        for handled in projection.handles:
            out[handled].append(projection)
    return out


def _chunks(db: Connection[Any], upto: int) -> Iterator[list[Recorded]]:
    position = 0
    while chunk := read_facts(db, position, upto, CHUNK):
        yield chunk
        position = chunk[-1].position


def _copy(db: Connection[Any], projection: Projection[Any], rows: dict[Key, Any]) -> None:
    if not rows:
        return
    into = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(projection.name), sql.SQL(", ").join(map(sql.Identifier, projection.columns))
    )
    with db.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows.values():
            copy.write_row(projection.values(row))


def _swap(db: Connection[Any], projections: Sequence[Projection[Any]], position: int) -> int:
    """Applies what came since, renames the schemas and moves the tracking rows, all at once."""
    with db.transaction():
        db.execute("set local lock_timeout = '2s'")
        _lock_tracking(db)  # the projector waits here
        db.execute("set local search_path = read_next, public")
        while facts := read_facts(db, position, 2**62, BATCH):
            for projection in projections:
                _write(db, projection, facts)
            position = facts[-1].position
        db.execute("drop schema if exists read_old cascade")
        if db.execute("select 1 from pg_namespace where nspname = 'read'").fetchone():
            db.execute("alter schema read rename to read_old")
        db.execute("alter schema read_next rename to read")
        db.execute("delete from public.tracking where not name = any(%s)", ([p.name for p in projections],))
        for projection in projections:
            db.execute(
                "insert into public.tracking (name, position, version) values (%s, %s, %s)"
                " on conflict (name) do update set position = excluded.position, version = excluded.version,"
                " status = 'live', error = null, failed_at_position = null, updated_at = clock_timestamp()",
                (projection.name, position, projection.version),
            )
    db.execute("drop schema if exists read_old cascade")
    return position


def digests(db: Connection[Any], schema: str, projections: Sequence[Projection[Any]]) -> dict[str, str]:
    """A digest of every row of every table, in key order: equal digests mean equal tables."""
    out = {}
    for projection in projections:
        order = sql.SQL(", ").join(
            sql.SQL('{}::text collate "C"').format(sql.Identifier(column)) for column in projection.key_columns
        )
        query = sql.SQL(
            "select encode(sha256(coalesce(string_agg(t::text, E'\\n' order by {}), '')::bytea), 'hex') from {}.{} t"
        )
        row = db.execute(query.format(order, sql.Identifier(schema), sql.Identifier(projection.name))).fetchone()
        out[projection.name] = row[0] if row else ""
    return out


def check(db: Connection[Any], projections: Sequence[Projection[Any]]) -> dict[str, tuple[str, str]]:
    """Rebuilds beside and compares; returns {table: (live digest, rebuilt digest)} of the tables that differ.

    Holds the tracking rows while it catches up, so that both stand at the same position.
    """
    try:
        position = load(db, "read_check", projections)
        with db.transaction():
            _lock_tracking(db)
            upto = head(db)
            while 0 < _apply_in(db, "read", projections) < upto:
                pass
            db.execute("set local search_path = read_check, public")
            while facts := read_facts(db, position, 2**62, BATCH):
                for projection in projections:
                    _write(db, projection, facts)
                position = facts[-1].position
            live, rebuilt = digests(db, "read", projections), digests(db, "read_check", projections)
        return {name: (live[name], rebuilt[name]) for name in live if live[name] != rebuilt[name]}
    finally:
        db.execute("set search_path = read, public")
        db.execute("drop schema if exists read_check cascade")


def _apply_in(db: Connection[Any], schema: str, projections: Sequence[Projection[Any]]) -> int:
    db.execute(sql.SQL("set local search_path = {}, public").format(sql.Identifier(schema)))
    return _apply(db, projections, limit=BATCH)


# the role


class Projector:
    """The background role: wakes up with the tail, applies batches while it is the leader, answers "has it been seen".

    Args:
        dsn: a direct connection as the application role, which owns the read schema.
        projections: the tables.
    """

    POLL_SECONDS = 1.0

    def __init__(self, dsn: str, projections: Sequence[Projection[Any]]) -> None:
        self._dsn = dsn
        self._projections = projections
        self.position = 0
        self.rebuilding: tuple[int, int] | None = None  # (position, head) while one runs
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="projector", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self._stopping.set()
        self._rung.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)

    def wake(self, _: Sequence[Recorded] = ()) -> None:
        """The tail's sink: there are new facts."""
        self._rung.set()

    async def reached(self, position: int) -> None:
        """Returns once the read tables show the fact at this position, whoever wrote them."""
        if position <= self.position:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((position, future))
        self._rung.set()
        await future

    def _work(self) -> None:
        delay = 0.05
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as db:
                    delay = 0.05
                    self._serve(db)
            except Exception as error:
                log.warning("projector_lost", why=type(error).__name__, retry_in_s=delay)
                self._stopping.wait(delay)
                delay = min(delay * 2, 2.0)

    def _serve(self, db: Connection[Any]) -> None:
        outdated = ensure_schema(db, self._projections)
        db.execute("set search_path = read, public")
        leader = False
        while not self._stopping.is_set():
            self._rung.clear()
            if not leader:
                leader = bool(db.execute("select pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()[0])  # type: ignore[index]
            if leader and outdated:
                log.info("rebuild_started", projections=outdated)
                position = rebuild(db, self._projections, self._progress)
                self.rebuilding = None
                log.info("rebuild_finished", position=position)
                outdated = []
            if leader:
                while (position := apply_batch(db, self._projections)) > self.position:
                    self._advance(position)
            else:
                row = db.execute("select min(position) from tracking where status = 'live'").fetchone()
                self._advance(int(row[0] or 0) if row else 0)
            impatient = not leader and self._waiters
            self._rung.wait(0.02 if impatient else self.POLL_SECONDS)

    def _progress(self, position: int, upto: int) -> None:
        self.rebuilding = (position, upto)

    def _advance(self, position: int) -> None:
        if position > self.position and self._loop is not None and not self._loop.is_closed():
            self.position = position
            self._loop.call_soon_threadsafe(self._wake_waiters)

    def _wake_waiters(self) -> None:
        still = []
        for position, future in self._waiters:
            if position > self.position:
                still.append((position, future))
            elif not future.done():
                future.set_result(None)
        self._waiters = still
