"""Rows of the access log: who came in, who did not, what was refused, what was exported; each is added once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from msgspec import Struct

from mcphub.postgres.days import ACCESS

SKEW = timedelta(days=1)  # between the clock that says when it happened and the one that says when it was recorded
COLUMNS = (
    "id, at, action, outcome, way, actor, subject, name_digest, ip, agent, address, method, route, request_id,"
    " ledger_position, lost, node"
)
PARTITIONS = """
    select access_log_partition(today), access_log_partition(today + 1)
    from (select (clock_timestamp() at time zone 'UTC')::date as today) as clock
"""
# A row of a spool may be there already. The lock makes position order the order of commits.
ADD = f"""
    insert into access_log ({COLUMNS})
    select {COLUMNS} from jsonb_to_recordset(%(rows)s::jsonb) as came (
        id uuid, at timestamptz, action text, outcome text, way text, actor text, subject text, name_digest text,
        ip text, agent text, address text, method text, route text, request_id text, ledger_position bigint,
        lost integer, node text)
    where not exists (
        select from access_log as old where old.id = came.id and old.recorded_at >= %(since)s)
    order by at
"""


class AccessRow(Struct, frozen=True, kw_only=True):
    """One row; migrations/0007_access_log.sql says what its columns hold."""

    id: str
    at: datetime
    action: str
    outcome: str
    way: str = ""
    actor: str = ""
    subject: str = ""
    name_digest: str = ""
    ip: str = ""
    agent: str = ""
    address: str = ""
    method: str = ""
    route: str = ""
    request_id: str = ""
    ledger_position: int = 0
    lost: int = 0
    node: str = ""


def add_rows(db: psycopg.Connection[Any], rows: Sequence[AccessRow]) -> int:
    """Adds those that are not there yet; returns how many."""
    if not rows:
        return 0
    given = {"rows": msgspec.json.encode(rows).decode(), "since": min(row.at for row in rows) - SKEW}
    with db.transaction():
        db.execute(PARTITIONS)
        db.execute("select pg_advisory_xact_lock(%s)", (ACCESS.lock,))
        return db.execute(ADD, given).rowcount
