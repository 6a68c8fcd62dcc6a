"""The logs of typed columns by the day: which days there are, what a day's rows hash to, and letting one go.

A day's digest: each row as a JSON array of its columns, times in microseconds, hashed by sha256; the hashes of 65,536
positions at a time, one behind the other in order of position, hashed again; and those hashed once more. So the server
can hash a day of any size, and an auditor can do the same by hand.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import sql

CHUNK = 65_536  # positions hashed together
ONE_DAY = timedelta(days=1)


class Log(Struct, frozen=True):
    """One of these logs.

    Args:
        name: in facts, tags and answers.
        day_of: the column of the time that chooses the day.
        forms: a row as it is hashed, as days are sealed now last. Earlier ones stay, for days that were sealed by them:
            a column that is added to the table needs a form of its own.
        lock: whoever adds rows holds it until the commit.
    """

    name: str
    table: str
    day_of: str
    forms: tuple[str, ...]
    lock: int


class DayDigest(Struct, frozen=True):
    """`first` and `last` are positions in that log, 0 on a day without rows; `form` counts from 1."""

    rows: int
    sha256: str
    first: int
    last: int
    form: int


def _micros(column: str) -> str:
    return f"(extract(epoch from {column}) * 1000000)::bigint"


ACCESS = Log(
    name="access",
    table="access_log",
    day_of="recorded_at",
    forms=(
        f"json_build_array(position, {_micros('recorded_at')}, id, {_micros('at')}, action, outcome, way, actor,"
        " subject, name_digest, ip, agent, address, method, route, request_id, ledger_position, lost, node)",
    ),
    lock=7206006,
)
_CALL = (
    f"position, {_micros('at')}, kind, boot, request_id, session_id, user_id, key_id, server, tool, method, status,"
    " duration_ms, wait_ms, upstream_ms, bytes_in, bytes_out, error_code, reason, era, mode, view, client_name,"
    " client_version, credential_version, ledger_position, shown, filtered, lost, node"
)
TRAFFIC = Log(
    name="traffic",
    table="traffic",
    day_of="at",
    forms=(f"json_build_array({_CALL})", f"json_build_array({_CALL}, left_out)"),
    lock=7206003,
)
LOGS = {log.name: log for log in (ACCESS, TRAFFIC)}

DIGEST = """
    select coalesce(sum(rows), 0)::bigint,
           coalesce(encode(sha256(string_agg(digest, ''::bytea order by chunk)), 'hex'), ''),
           coalesce(min(first), 0), coalesce(max(last), 0)
    from (
        select position / {chunk} as chunk, count(*) as rows, min(position) as first, max(position) as last,
               sha256(string_agg(sha256(convert_to(({line})::text, 'UTF8')), ''::bytea order by position)) as digest
        from {table}
        where {day_of} >= {since} and {day_of} < {until} and position <= {upto}
        group by 1
    ) as chunks
"""
LINES = """
    select ({line})::text from {table}
    where {day_of} >= {since} and {day_of} < {until} and position <= {upto} order by position
"""
LAST = "select coalesce(max(position), 0) from {table} where {day_of} >= {since} and {day_of} < {until}"
LATE = "select count(*) from {table} where {day_of} >= {since} and {day_of} < {until} and position > {upto}"


def days(db: psycopg.Connection[Any], log: Log) -> list[date]:
    """The days that have a partition, oldest first."""
    rows = db.execute(
        "select to_date(right(relname, 8), 'YYYYMMDD') from pg_inherits join pg_class on pg_class.oid = inhrelid"
        " where inhparent = %s::regclass order by 1",
        (f"public.{log.table}",),
    ).fetchall()
    return [day for (day,) in rows]


def digest(
    db: psycopg.Connection[Any], log: Log, day: date, *, upto: int | None = None, form: int | None = None
) -> DayDigest:
    """Of the rows up to a position of that log; by default of all that are committed now, with none under way.

    Args:
        form: the one a day was sealed by; the latest by default.
    """
    form = form or len(log.forms)
    if upto is None:
        with db.transaction():
            db.execute("select pg_advisory_xact_lock(%s)", (log.lock,))
            upto = _one(db, LAST, log, day)
    rows, sha256, first, last = _row(db, DIGEST, log, day, upto, form)
    return DayDigest(rows, sha256, first, last, form)


def lines(db: psycopg.Connection[Any], log: Log, day: date, upto: int, form: int) -> Iterator[str]:
    """The rows of a day up to that position, in order, each as it is hashed in that form. Inside a transaction."""
    with db.cursor(name="lines") as cursor:
        cursor.itersize = 5000
        cursor.execute(_statement(LINES, log, day, upto, form))
        for (line,) in cursor:
            yield line


def later_rows(db: psycopg.Connection[Any], log: Log, day: date, upto: int) -> int:
    """How many rows of the day have a position behind that one."""
    return _one(db, LATE, log, day, upto)


def drop(db: psycopg.Connection[Any], log: Log, day: date) -> bool:
    """Lets a day go; False when there was none, or a long query holds it.

    Raises:
        psycopg.errors.RaiseException: it is too recent, or has rows and no seal.
    """
    statement = sql.SQL("select {}(%s)").format(sql.Identifier(f"{log.table}_drop"))
    try:
        row = db.execute(statement, (day,)).fetchone()
    except psycopg.errors.LockNotAvailable:
        return False
    return bool(row and row[0])


def _one(db: psycopg.Connection[Any], query: str, log: Log, day: date, upto: int = 0) -> int:
    return int(_row(db, query, log, day, upto)[0])


def _row(db: psycopg.Connection[Any], query: str, log: Log, day: date, upto: int, form: int = 1) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = db.execute(_statement(query, log, day, upto, form)).fetchone()
    if found is None:
        raise RuntimeError("an aggregate without a row")
    return found


def _statement(query: str, log: Log, day: date, upto: int, form: int) -> sql.Composed:
    midnight = "{}::date::timestamp at time zone 'UTC'"
    return sql.SQL(query).format(
        table=sql.Identifier(log.table),
        day_of=sql.Identifier(log.day_of),
        line=sql.SQL(log.forms[form - 1]),
        chunk=sql.Literal(CHUNK),
        since=sql.SQL(f"({midnight})").format(sql.Literal(day)),
        until=sql.SQL(f"({midnight})").format(sql.Literal(day + ONE_DAY)),
        upto=sql.Literal(upto),
    )
