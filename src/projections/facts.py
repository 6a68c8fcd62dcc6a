"""Facts read off the ledger by what they are about, in their envelopes."""

from collections.abc import Sequence
from typing import Any

from eventsourcing.dcb.domain import Selector
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.codec import Recorded, decode, decode_meta

FACTS = sql.SQL(
    "select position, recorded_at, id::text, tags, meta::text, data::text from public.ledger where {} order by position"
)
ABOUT = sql.SQL("(tags @> %s and type = any(%s))")


async def fact_at(pool: AsyncConnectionPool[Any], position: int) -> Recorded | None:
    """None when nothing is recorded there."""
    found = await _read(pool, sql.SQL("position = %s"), [position])
    return found[0] if found else None


async def facts_of(pool: AsyncConnectionPool[Any], selectors: Sequence[Selector]) -> list[Recorded]:
    """What a command with this boundary would fold, oldest first."""
    given: list[Any] = []
    for selector in selectors:
        given += [list(selector.tags), [type_.__name__ for type_ in selector.types]]
    return await _read(pool, sql.SQL(" or ").join([ABOUT] * len(selectors)), given)


async def changed_after(pool: AsyncConnectionPool[Any], position: int, quiet: Sequence[str]) -> bool:
    """Is there a later fact of any other type than these?"""
    query = "select exists (select from public.ledger where position > %s and type <> all(%s))"
    async with pool.connection() as db:
        row = await (await db.execute(query, (position, list(quiet)))).fetchone()
    return bool(row and row[0])


async def _read(pool: AsyncConnectionPool[Any], where: sql.Composable, given: Sequence[Any]) -> list[Recorded]:
    async with pool.connection() as db:
        rows = await (await db.execute(FACTS.format(where), given)).fetchall()
    return [
        Recorded(
            position=row[0], at=row[1], id=row[2], tags=tuple(row[3]), meta=decode_meta(row[4]), event=decode(row[5])
        )
        for row in rows
    ]
