"""The settings document as it was: its versions, and the document at any position, read off the ledger."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.codec import decode
from mcphub.domain.events import SERVERS
from mcphub.domain.servers import said
from mcphub.domain.settings_command import SERVER_EVENTS
from mcphub.domain.settings_state import SettingsState

MOST_CHANGES = 20  # of one version; the rest is counted

# What one append recorded has one time and one meta; nothing else of the same time has the same.
VERSIONS = """
    select max(position) as version, min(position) as first, recorded_at as at, meta::text as meta,
           (array_agg(position order by position))[1:%(changes)s] as positions, count(*) as facts
    from public.ledger
    where tags @> array[%(tag)s] and type = any(%(types)s)
      and (%(before)s::bigint is null or position < %(before)s)
    group by recorded_at, meta::text
    order by version desc
    limit %(size)s
"""
FACTS = "select position, data::text from public.ledger where position = any(%s) order by position"
UPTO = """
    select position, data::text from public.ledger
    where tags @> array[%(tag)s] and type = any(%(types)s) and position <= %(upto)s
    order by position
"""
TYPES = [type_.__name__ for type_ in SERVER_EVENTS]


class Version(Struct):
    """What one save, switch or import recorded. `first` and `version`: positions of its first and last fact."""

    version: int
    first: int
    at: datetime
    meta: str
    positions: list[int]
    facts: int


async def versions(pool: AsyncConnectionPool[Any], *, before: int | None, size: int) -> list[Version]:
    """The newest whose facts all stand before a position."""
    given = {"tag": SERVERS, "types": TYPES, "before": before, "size": size, "changes": MOST_CHANGES}
    async with pool.connection() as db, db.cursor(row_factory=class_row(Version)) as cursor:
        await cursor.execute(VERSIONS, given)
        return list(await cursor.fetchall())


async def changes_at(
    pool: AsyncConnectionPool[Any], positions: Iterable[int], names: Mapping[str, str]
) -> dict[int, dict[str, str]]:
    """Position → what its fact says: type, server and a summary, never a value.

    Args:
        names: server id → name.
    """
    async with pool.connection() as db:
        rows = await (await db.execute(FACTS, (list(positions),))).fetchall()
    return {position: said(decode(data), names) for position, data in rows}


async def state_at(pool: AsyncConnectionPool[Any], position: int) -> SettingsState:
    """The settings as of a position: the same fold as the present, over fewer facts."""
    async with pool.connection() as db:
        cursor = await db.execute(UPTO, {"tag": SERVERS, "types": TYPES, "upto": position})
        rows = await cursor.fetchall()
    return await asyncio.to_thread(_folded, rows)


def _folded(rows: list[tuple[int, str]]) -> SettingsState:
    state = SettingsState()
    for position, data in rows:
        state.apply(decode(data), position)
    return state
