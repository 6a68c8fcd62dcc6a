"""What must hold whatever was killed: read from the database itself, compared with what was answered and received."""

import json
import re
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from tests.support.recorder import Received

REQUEST_ID = re.compile(r"user-[^\"\s]+-\d{13}-([0-9a-f]{12})")
STARTED, ENDED = 3, 4


def request_tail(call: Received) -> str:
    """The last 12 hex digits of the request's row, as the hub told the server: by header, or in `_meta`."""
    told = call.facts.get("x-mcphub-request-id") or json.dumps(call.meta)
    found = REQUEST_ID.search(told)
    assert found is not None, f"{call.server} was not told the request id: {told[:300]}"
    return found[1]


def without_start_and_one_end(dsn: str, calls: Iterable[Received]) -> list[str]:
    """The received calls whose history is not exactly one start and one end, as sentences."""
    tails = {request_tail(call): call for call in calls}
    with psycopg.connect(dsn) as db:
        rows = db.execute(
            """
            select right(request_id::text, 12), count(*) filter (where kind = 3), count(*) filter (where kind = 4)
            from traffic where kind in (3, 4) group by request_id
            """
        ).fetchall()
    history = {tail: (starts, ends) for tail, starts, ends in rows}
    return [
        f"{call.server} received {call.arguments}, the history has (starts, ends) = {history.get(tail, (0, 0))}"
        for tail, call in tails.items()
        if history.get(tail) != (1, 1)
    ]


def unbalanced(dsn: str) -> list[tuple[Any, ...]]:
    """Requests of the whole history that have not exactly one start and one end."""
    with psycopg.connect(dsn) as db:
        return db.execute(
            """
            select request_id::text, method, count(*) filter (where kind = 3), count(*) filter (where kind = 4)
            from traffic where kind in (3, 4) group by request_id, method
            having count(*) filter (where kind = 3) <> 1 or count(*) filter (where kind = 4) <> 1
            """
        ).fetchall()


def not_exactly_once(dsn: str, kind: str, field: str, acknowledged: Iterable[str]) -> list[tuple[str, int]]:
    """Which of these values are not in exactly one fact of this kind, and in how many they are."""
    with psycopg.connect(dsn) as db:
        rows = db.execute(
            sql.SQL("select data ->> {}, count(*) from ledger where type = %s group by 1").format(sql.Literal(field)),
            (kind,),
        ).fetchall()
    seen = dict(rows)
    return [(value, seen.get(value, 0)) for value in acknowledged if seen.get(value, 0) != 1]


def ledger_is_gapless(dsn: str) -> bool:
    with psycopg.connect(dsn) as db:
        row = db.execute(
            "select count(*), coalesce(max(position), 0), coalesce(min(position), 1) from ledger"
        ).fetchone()
    assert row is not None
    return bool(row[0] == row[1] and row[2] == 1)


def read_tables(dsn: str) -> dict[str, list[str]]:
    """Every table of the read schema, its rows as JSON text in one order."""
    with psycopg.connect(dsn) as db:
        names = db.execute(
            "select table_name from information_schema.tables where table_schema = 'read' and table_type = 'BASE TABLE'"
        ).fetchall()
        return {
            name: [
                row
                for (row,) in db.execute(
                    sql.SQL("select to_jsonb(t)::text from {} as t order by 1").format(sql.Identifier("read", name))
                )
            ]
            for (name,) in sorted(names)
        }
