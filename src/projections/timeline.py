"""The timeline: facts of the ledger and rows of the access log, merged, newest first.

A row of the access log stands where the ledger stood when it was noted: above the fact of that position and below the
next one. So both have one order, which nothing that comes in moves, and a page goes on behind the last item of another.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

__all__ = ["AccessItem", "FactItem", "Place", "Timeline", "Wanted"]

Kind = Literal["fact", "access"]
CATEGORIES = {
    "sign_in": "sign-in",
    "sign_out": "sign-in",
    "command": "refused",
    "export": "export",
    "gap": "history",
}

# The fact itself stays in the ledger; the read table finds it.
FACTS = """
    select audit.position, audit.at, audit.type, audit.category, audit.actor, audit.user_id,
           ledger.tags, ledger.data::text as data, ledger.meta::text as meta
    from audit join public.ledger on ledger.position = audit.position
    where (%(before)s::bigint is null or audit.position < %(before)s)
      and (%(position)s::bigint is null or audit.position = %(position)s)
      and (%(own)s::text is null or audit.actor = %(own)s or audit.user_id = %(own)s)
      and (%(actor)s::text is null or audit.actor = %(actor)s)
      and (%(user)s::text is null or audit.user_id = %(user)s)
      and (%(type)s::text is null or audit.type = %(type)s)
      and (%(category)s::text is null or audit.category = %(category)s)
      and (%(since)s::timestamptz is null or audit.at >= %(since)s)
      and (%(until)s::timestamptz is null or audit.at < %(until)s)
    order by audit.position desc
    limit %(size)s
"""
ACCESS = """
    select ledger_position as position, position as number, id, at, action, outcome, way, actor, subject, name_digest,
           ip, agent, address, method, route, request_id, lost, node
    from public.access_log
    where (%(before)s::bigint is null or (ledger_position, position) < (%(before)s, %(number)s))
      and (%(own)s::text is null or actor = %(own)s or subject = %(own)s)
      and (%(actor)s::text is null or actor = %(actor)s)
      and (%(user)s::text is null or subject = %(user)s)
      and (%(actions)s::text[] is null or action = any(%(actions)s))
      and (%(since)s::timestamptz is null or at >= %(since)s)
      and (%(until)s::timestamptz is null or at < %(until)s)
    order by ledger_position desc, position desc
    limit %(size)s
"""


class Place(Struct, frozen=True, order=True):
    """A place on the timeline. `number`: of the access row there, 0 for the fact itself."""

    position: int
    number: int = 0

    def __str__(self) -> str:
        return f"{self.position}.{self.number}" if self.number else str(self.position)

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """None for a text that is none."""
        position, dot, number = text.partition(".")
        parts = [position, number] if dot else [position]
        if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
            return None
        return cls(*map(int, parts))


class Wanted(Struct, frozen=True, kw_only=True):
    """None means any. `own`: what this user did, or what is about them. `type`: of facts, or an action of the other."""

    kind: Kind | None = None
    own: str | None = None
    actor: str | None = None
    user: str | None = None
    type: str | None = None
    category: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def actions(self) -> list[str] | None:
        """Of the access log, when a type or a category narrows them."""
        if self.type is None and self.category is None:
            return None
        return [
            action
            for action, category in CATEGORIES.items()
            if self.type in (None, action) and self.category in (None, category)
        ]


class FactItem(Struct):
    position: int
    at: datetime
    type: str
    category: str
    actor: str
    user_id: str
    tags: list[str]
    data: str
    meta: str

    @property
    def place(self) -> Place:
        return Place(self.position)


class AccessItem(Struct):
    """`position` is where the ledger stood, `number` the row's own."""

    position: int
    number: int
    id: UUID
    at: datetime
    action: str
    outcome: str
    way: str
    actor: str
    subject: str
    name_digest: str
    ip: str
    agent: str
    address: str
    method: str
    route: str
    request_id: str
    lost: int
    node: str

    @property
    def place(self) -> Place:
        return Place(self.position, self.number)

    @property
    def category(self) -> str:
        return CATEGORIES[self.action]


class Timeline:
    """Questions about what happened.

    Args:
        pool: for reading; search path: read, public.
    """

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def page(self, wanted: Wanted, *, before: Place | None, size: int) -> list[FactItem | AccessItem]:
        """The newest before a place."""
        found: list[FactItem | AccessItem] = []
        if wanted.kind != "access":
            found += await self._facts(wanted, before, size)
        if wanted.kind != "fact" and wanted.actions() != []:
            found += await self._access(wanted, before, size)
        return sorted(found, key=lambda item: item.place, reverse=True)[:size]

    async def fact(self, position: int, *, own: str | None = None) -> FactItem | None:
        """The fact there; with `own`, those of others do not exist."""
        rows = await self._rows(FactItem, FACTS, {**_given(Wanted(own=own), 1), "position": position, "before": None})
        return rows[0] if rows else None

    async def _facts(self, wanted: Wanted, before: Place | None, size: int) -> list[FactItem]:
        # Behind an access row comes the fact it stands above.
        position = None if before is None else before.position + (before.number > 0)
        return await self._rows(FactItem, FACTS, {**_given(wanted, size), "position": None, "before": position})

    async def _access(self, wanted: Wanted, before: Place | None, size: int) -> list[AccessItem]:
        place = before or Place(0)
        given = {**_given(wanted, size), "before": before and place.position, "number": place.number}
        return await self._rows(AccessItem, ACCESS, given)

    async def _rows(self, row: type[Any], query: str, given: dict[str, Any]) -> list[Any]:
        async with self._pool.connection() as db, db.cursor(row_factory=class_row(row)) as cursor:
            # Never a prepared plan: each filter that is null must vanish from the plan.
            await cursor.execute(query, given, prepare=False)
            return list(await cursor.fetchall())


def _given(wanted: Wanted, size: int) -> dict[str, Any]:
    names = ("own", "actor", "user", "type", "category", "since", "until")
    return {**{name: getattr(wanted, name) for name in names}, "actions": wanted.actions(), "size": size}
