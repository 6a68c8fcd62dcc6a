"""The read tables made anew from the whole ledger, beside the living ones, and put in their place.

Readers notice nothing: the new tables come under another name, and one short transaction renames them.
What takes long is cut into pieces, so that other threads of a hub that rebuilds get their turn.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import msgspec
import psycopg
from psycopg import Connection, sql

from mcphub.domain.actor import Meta
from mcphub.domain.codec import Recorded
from mcphub.domain.events import AnyEvent, Event
from mcphub.projections.projection import Projection, Table
from mcphub.projections.tables import (
    BATCH,
    COMPARE_LOCK,
    REBUILD_LOCK,
    apply_batch,
    head,
    lock_tracking,
    make_indexes,
    make_tables,
    read_facts,
    work_in,
    write,
)

Progress = Callable[[int, int], None]
Folded = tuple[Projection[Any], Iterable[bytes]]  # a table, and its rows as COPY reads them, many at a time
#: Begins to fold these tables up to a position somewhere else, and hands them over when they are asked for.
Beside = Callable[[Sequence[Projection[Any]], int], Iterable[Folded]]

# Events decoded in one go, a few milliseconds. Two or three such lists wait in the socket while one is folded here.
CHUNK = 500
LINES = 500  # rows made into lines in one go

# Made in the server while the chunk before is folded here. Only what `evolve` may look at.
# In UTC a time as text lacks nothing but the minutes of its zone, and costs half of one made by `to_json`.
CHUNKS = """
    copy (
        select (
            select '[' || string_agg(
                '[' || position || ',"' || recorded_at || ':00",' || data::text || ']', ',' order by position) || ']'
            from public.ledger
            where position > low and position <= least(low + {chunk}, {upto}) and type = any({types})
                and (type <> all({of_last}) or position = any({last}::bigint[]))
        )
        from generate_series(0, {upto} - 1, {chunk}) as low
    ) to stdout (format binary)
"""
# Of facts that say the same of the same thing anew, the last.
LAST = "select max(position) from public.ledger where type = {type} and position <= {upto} group by data ->> {field}"
MEMORY_FOR_INDEXES = "256MB"  # a million rows sorted in one go


class Bare(Recorded, frozen=True, kw_only=True, array_like=True, gc=False):
    """A fact without its metadata, as a list of its fields: in its order, and the last ones may lack."""

    event: AnyEvent
    meta: Meta = Meta(actor="")


decode_bare = msgspec.json.Decoder(list[Bare]).decode


def quiet(position: int, upto: int) -> None:
    """Progress nobody asked for."""


def rebuild(
    db: Connection[Any],
    projections: Sequence[Projection[Any]],
    progress: Progress = quiet,
    beside: Beside | None = None,
) -> int:
    """Builds the read tables beside the living ones and swaps them in.

    Args:
        db: autocommit, as the role that owns the read schema.
        progress: told (position, head) after each chunk; what it raises ends the rebuild and changes nothing.
        beside: takes half of the work.

    Returns:
        The position the new tables stand at.

    Raises:
        RuntimeError: a rebuild is running already.
    """
    if not db.execute("select pg_try_advisory_lock(%s)", (REBUILD_LOCK,)).fetchone()[0]:  # type: ignore[index]
        raise RuntimeError("a rebuild is running already")
    try:
        position = load(db, "read_next", projections, progress, beside)
        while True:
            try:
                return _swap(db, projections, position)
            except psycopg.errors.LockNotAvailable:
                time.sleep(0.2)  # a long read holds the old schema; nothing is lost by waiting
    finally:
        work_in(db, "read")
        db.execute("select pg_advisory_unlock(%s)", (REBUILD_LOCK,))


def load(
    db: Connection[Any],
    schema: str,
    projections: Sequence[Projection[Any]],
    progress: Progress = quiet,
    beside: Beside | None = None,
) -> int:
    """Fills a schema of that name with the read tables as the whole ledger makes them; returns the position reached."""
    with db.transaction():
        make_tables(db, schema, projections)
    upto = head(db)
    # Every other one: each half takes about as long.
    own, others = (projections[::2], projections[1::2]) if beside else (projections, ())
    folded_beside = beside(others, upto) if beside else ()
    for projection, lines in chain(folded(db, own, upto, progress), folded_beside):
        _fill(db, projection, lines)
    progress(upto, upto)
    return upto


def folded(
    db: Connection[Any], projections: Sequence[Projection[Any]], upto: int, progress: Progress = quiet
) -> Iterator[Folded]:
    """The tables as the facts up to a position make them, one after the other; nothing is written."""
    tables = {projection.name: Table(projection, touching=False) for projection in projections}  # every row is written
    concerned = _concerned(projections)
    takers = {type_: [tables[one.name].apply for one in several] for type_, several in concerned.items()}
    for chunk in _chunks(db, upto, concerned):
        for fact in chunk:
            for apply in takers[type(fact.event)]:
                apply(fact)
        progress(chunk[-1].position, upto)
    takers.clear()
    for projection in projections:
        yield projection, _lines(projection, tables.pop(projection.name))


def _lines(projection: Projection[Any], table: Table[Any]) -> Iterator[bytes]:
    rows = list(table.rows.values())
    for begin in range(0, len(rows), LINES):
        yield projection.lines(rows[begin : begin + LINES]) + b"\n"


def _concerned(projections: Sequence[Projection[Any]]) -> dict[type[Event], list[Projection[Any]]]:
    """Who takes facts of a type."""
    out: dict[type[Event], list[Projection[Any]]] = defaultdict(list)
    for projection in projections:
        for handled in projection.handles:
            out[handled].append(projection)
    return out


def _chunks(
    db: Connection[Any], upto: int, concerned: Mapping[type[Event], Sequence[Projection[Any]]]
) -> Iterator[list[Bare]]:
    """The facts of these types, up to a position, in order, but those that a later one makes as if they were not."""
    of_last = {type_: field for type_, takers in concerned.items() if (field := _last_counts(type_, takers))}
    last: list[int] = []
    for type_, field in of_last.items():
        query = sql.SQL(LAST).format(type=type_.TOPIC, upto=upto, field=field)
        last += [position for (position,) in db.execute(query)]
    query = sql.SQL(CHUNKS).format(
        chunk=CHUNK,
        upto=upto,
        types=sql.Literal([type_.TOPIC for type_ in concerned]),
        of_last=sql.Literal([type_.TOPIC for type_ in of_last]),
        last=sql.Literal(last),
    )
    with plain_times(db), db.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["bytea"])  # as they are: a text would be decoded only to be encoded again
        for (chunk,) in copy.rows():
            if chunk is not None:
                yield decode_bare(chunk)


@contextmanager
def plain_times(db: Connection[Any]) -> Iterator[None]:
    """A transaction in which a time as text is that of RFC 3339 but for its `T` and the minutes of its zone, `:00`."""
    with db.transaction():
        db.execute("set local timezone = 'UTC'")
        db.execute("set local datestyle = 'ISO'")
        yield


def _last_counts(type_: type[Event], takers: Sequence[Projection[Any]]) -> str | None:
    """By which field only the last counts, if it does to every table that takes the type."""
    fields = {projection.last_counts.get(type_) for projection in takers}
    return fields.pop() if len(fields) == 1 else None


def _fill(db: Connection[Any], projection: Projection[Any], lines: Iterable[bytes]) -> None:
    """Puts the rows into the empty table, and then the indexes on it: half the work of keeping them up row by row."""
    table, key = sql.Identifier(projection.name), sql.Identifier(f"{projection.name}_pkey")
    columns = sql.SQL(", ").join(map(sql.Identifier, projection.columns))
    into = sql.SQL("copy {} ({}) from stdin (format csv, escape '\\', null 'null', encoding 'utf8')")
    with db.transaction():
        db.execute(sql.SQL("alter table {} drop constraint {}").format(table, key))
        with db.cursor() as cursor, cursor.copy(into.format(table, columns)) as copy:
            for several in lines:
                copy.write(several)
        db.execute(f"set local maintenance_work_mem = '{MEMORY_FOR_INDEXES}'")
        columns = sql.SQL(", ").join(map(sql.Identifier, projection.key_columns))
        db.execute(sql.SQL("alter table {} add constraint {} primary key ({})").format(table, key, columns))
        make_indexes(db, projection)
        db.execute("set local default_statistics_target = 10")  # enough to plan by; autovacuum looks closer later
        db.execute(sql.SQL("analyze {}").format(table))


def _swap(db: Connection[Any], projections: Sequence[Projection[Any]], position: int) -> int:
    """Applies what came since, renames the schemas and moves the tracking rows, all at once."""
    with db.transaction():
        db.execute("set local lock_timeout = '2s'")
        lock_tracking(db)  # the projector waits here
        db.execute("set local search_path = read_next, public")
        position = _catch_up(db, projections, position)
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


def _catch_up(
    db: Connection[Any], projections: Sequence[Projection[Any]], position: int, *, upto: int | None = None
) -> int:
    """To the head, or to that position."""
    while facts := read_facts(db, position, BATCH if upto is None else min(BATCH, upto - position)):
        for projection in projections:
            write(db, projection, facts)
        position = facts[-1].position
    return position


def digests(db: Connection[Any], schema: str, projections: Sequence[Projection[Any]]) -> dict[str, str]:
    """A digest of every row of every table, in key order: equal digests mean equal tables."""
    out = {}
    for projection in projections:
        order = sql.SQL(", ").join(
            sql.SQL('{}::text collate "C"').format(sql.Identifier(column)) for column in projection.key_columns
        )
        # Of each row first: a table as one text would not fit into PostgreSQL's gigabyte.
        query = sql.SQL(
            "select encode(sha256(coalesce(string_agg(sha256(convert_to(t::text, 'UTF8')), ''::bytea order by {}),"
            " ''::bytea)), 'hex') from {}.{} t"
        )
        row = db.execute(query.format(order, sql.Identifier(schema), sql.Identifier(projection.name))).fetchone()
        out[projection.name] = row[0] if row else ""
    return out


class Comparison(msgspec.Struct, frozen=True):
    """The tables as they are, and as a rebuild makes them, at one position: a digest of each by name."""

    position: int
    live: dict[str, str]
    rebuilt: dict[str, str]

    @property
    def different(self) -> dict[str, tuple[str, str]]:
        """{table: (live digest, rebuilt digest)} of the tables that differ."""
        return {name: (here, self.rebuilt[name]) for name, here in self.live.items() if here != self.rebuilt[name]}


def compare(
    db: Connection[Any],
    projections: Sequence[Projection[Any]],
    progress: Progress = quiet,
    beside: Beside | None = None,
) -> Comparison:
    """Rebuilds beside and compares; the living tables stay, and nobody waits.

    They are read in one snapshot, and the others are brought to where that stands: so both have one position.

    Args:
        db: autocommit, as the role that owns the read schema.
        progress: told (position, head) after each chunk; what it raises ends the comparison.
        beside: takes half of the work of the rebuild.

    Raises:
        RuntimeError: a rebuild or another comparison is running.
    """
    with _alone(db), psycopg.connect(db.info.dsn, password=db.info.password, autocommit=True) as living:
        try:
            position = load(db, "read_check", projections, progress, beside)
            work_in(db, "read")
            while 0 < apply_batch(db, projections) < position:  # where no hub runs
                pass
            work_in(db, "read_check")
            with living.transaction():
                living.execute("set transaction isolation level repeatable read, read only")
                position = _catch_up(db, projections, position, upto=_reached(living, position))
                return Comparison(
                    position, digests(living, "read", projections), digests(db, "read_check", projections)
                )
        finally:
            work_in(db, "read")
            db.execute("drop schema if exists read_check cascade")


def check(db: Connection[Any], projections: Sequence[Projection[Any]]) -> dict[str, tuple[str, str]]:
    """Rebuilds beside and compares; returns {table: (live digest, rebuilt digest)} of the tables that differ."""
    return compare(db, projections).different


@contextmanager
def _alone(db: Connection[Any]) -> Iterator[None]:
    """Neither beside a rebuild nor beside another comparison. Shared, so that it does not look like a rebuild."""
    taken: list[tuple[str, int]] = []
    try:
        for kind, lock in (("_shared", REBUILD_LOCK), ("", COMPARE_LOCK)):
            if not db.execute(f"select pg_try_advisory_lock{kind}(%s)", (lock,)).fetchone()[0]:  # type: ignore[index]
                raise RuntimeError("a rebuild or a comparison is running already")
            taken.append((kind, lock))
        yield
    finally:
        for kind, lock in taken:
            db.execute(f"select pg_advisory_unlock{kind}(%s)", (lock,))


def _reached(db: Connection[Any], position: int) -> int:
    """Where the living tables stand in this snapshot, at least there."""
    row = db.execute("select max(position) from public.tracking").fetchone()
    return max(position, row[0] if row else 0)
