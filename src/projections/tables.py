"""The read tables in PostgreSQL: made, and kept up batch by batch, with where each stands in the same transaction.

Nothing here depends on being the only writer: the rows of `tracking`, locked for the length of a batch, see to it that
an event is applied once.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from msgspec import Struct
from psycopg import Connection, sql

from mcphub.domain.codec import Recorded, decode, decode_meta
from mcphub.projections.credentials import Credentials
from mcphub.projections.groups import Groups
from mcphub.projections.keys import KeyTable
from mcphub.projections.projection import Key, Naming, Projection, Rows, fold
from mcphub.projections.slots import Slots
from mcphub.projections.users import Users

log = structlog.get_logger()

BATCH = 1000
ARRAYS = {str: "text[]", int: "bigint[]", bool: "boolean[]"}  # of key columns
REBUILD_LOCK = 7_206_002
COMPARE_LOCK = 7_206_012

READ = """
    select position, recorded_at, id::text, tags, meta::text, data::text
    from public.ledger where position > %s order by position limit %s
"""


def all_projections() -> list[Projection[Any]]:
    """Every read table of the schema `read`."""
    from mcphub.projections.servers import Servers, SettingsDocument

    return [Users(), KeyTable(), Groups(), Credentials(), Servers(), Slots(), SettingsDocument()]


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


def read_facts(db: Connection[Any], after: int, limit: int = BATCH) -> list[Recorded]:
    rows = db.execute(READ, (after, limit), prepare=True, binary=True).fetchall()
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
    make_tables(db, schema, projections)
    for projection in projections:
        make_indexes(db, projection)


def make_tables(db: Connection[Any], schema: str, projections: Sequence[Projection[Any]]) -> None:
    """Empty tables in a schema of that name, and nothing else in it; the session works there from now on."""
    db.execute(sql.SQL("drop schema if exists {0} cascade").format(sql.Identifier(schema)))
    db.execute(sql.SQL("create schema {0}").format(sql.Identifier(schema)))
    work_in(db, schema)
    for projection in projections:
        db.execute(projection.ddl)
    db.execute(sql.SQL("grant usage on schema {} to public").format(sql.Identifier(schema)))
    db.execute(sql.SQL("grant select on all tables in schema {} to public").format(sql.Identifier(schema)))


def make_indexes(db: Connection[Any], projection: Projection[Any]) -> None:
    if projection.indexes:
        db.execute(projection.indexes)


def work_in(db: Connection[Any], schema: str) -> None:
    """Names without a schema mean tables of this one."""
    db.execute(sql.SQL("set search_path = {}, public").format(sql.Identifier(schema)))


# incremental


def apply_batch(db: Connection[Any], projections: Sequence[Projection[Any]]) -> int:
    """One batch in one transaction; returns the position every living projection has reached, 0 when none lives."""
    with db.transaction():
        lock_tracking(db)
        return apply_locked(db, projections)


def lock_tracking(db: Connection[Any]) -> None:
    """Until the end of the transaction nobody else writes read tables."""
    db.execute("select from public.tracking order by name for update")


def apply_locked(db: Connection[Any], projections: Sequence[Projection[Any]], *, limit: int = BATCH) -> int:
    """`apply_batch` for who holds the lock already."""
    known = standings(db)
    living = [p for p in projections if (s := known.get(p.name)) and s.status == "live" and s.version == p.version]
    if not living:
        return 0
    lowest = min(known[projection.name].position for projection in living)
    facts = read_facts(db, lowest, limit)
    if not facts:
        return lowest
    for projection in living:
        since = known[projection.name].position
        own = [fact for fact in facts if fact.position > since]
        if not own:
            continue
        try:
            with db.transaction():  # a savepoint: one that fails takes none of the others with it
                write(db, projection, own)
        except Exception as error:
            _park(db, projection, own, since, error)
        else:
            _track(db, projection, own[-1].position)
    return facts[-1].position


def write(db: Connection[Any], projection: Projection[Any], facts: Sequence[Recorded]) -> None:
    """These facts into the table as it is, without a look at where it stands."""
    handles = frozenset(projection.handles)
    facts = [fact for fact in facts if type(fact.event) in handles]
    if not facts:
        return
    table = fold(projection, facts, _load(db, projection, facts))
    kept = [projection.values(table.rows[key]) for key in table.touched if key in table.rows]
    gone = [key for key in table.touched if key not in table.rows]
    with db.cursor() as cursor:
        if kept:
            cursor.executemany(projection.upsert, kept)
        if gone:
            delete = sql.SQL("delete from {} where {}").format(sql.Identifier(projection.name), projection.by_key)
            cursor.executemany(delete, gone)


def _load(db: Connection[Any], projection: Projection[Any], facts: Sequence[Recorded]) -> list[Any]:
    """The rows a batch may touch; all of them when an event may touch any."""
    keys: dict[Key, None] = {}
    several: dict[Rows, None] = {}
    select = sql.SQL("select {} from {}").format(projection.select_list, sql.Identifier(projection.name))
    for fact in facts:
        match projection.key(fact):
            case Naming():  # rare enough to look at every row
                return [projection.read(values) for values in db.execute(select)]
            case Rows() as rows:
                several[rows] = None
            case tuple() as key:
                keys[key] = None
    found: dict[Key, Any] = {}
    if keys:
        columns = [list(column) for column in zip(*keys, strict=True)]
        # A list of texts goes out untyped, and unnest takes many types.
        where = sql.SQL(" where ({}) in (select * from unnest({}))").format(
            sql.SQL(", ").join(map(sql.Identifier, projection.key_columns)),
            sql.SQL(", ").join(sql.SQL("%s::" + ARRAYS[type(column[0])]) for column in columns),
        )
        for row in map(projection.read, db.execute(select + where, columns)):
            found[projection.key_of(row)] = row
    for rows in several:
        where = sql.SQL(" where {} = %s").format(sql.Identifier(rows.column))
        for row in map(projection.read, db.execute(select + where, [rows.value])):
            found[projection.key_of(row)] = row
    return list(found.values())


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
                write(db, projection, [fact])
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
