"""The timeline of facts: who changed what, when, from where."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct
from psycopg.rows import class_row

from mcphub.api.caller import USER, Caller
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.problems import invalid, not_found
from mcphub.api.schemas import Envelope, Out, Page
from mcphub.api.services import Services
from mcphub.api.shown import shown_fact
from mcphub.domain.codec import decode, decode_meta

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


class Fact(Out, kw_only=True):
    """One fact. `ip` and `agent` are shown to administrators, to auditors and to whoever acted."""

    position: int
    at: datetime
    type: str
    category: str
    actor: str
    actor_kind: str
    actor_name: str
    source: str
    command: str
    request_id: str
    correlation_id: str
    causation_id: str
    user_id: str
    user_name: str
    tags: list[str]
    ip: str
    agent: str
    data: dict[str, Any]


class FactsAnswer(Envelope, kw_only=True):
    data: list[Fact]
    page: Page


class FactAnswer(Envelope, kw_only=True):
    data: Fact


class _Row(Struct):
    position: int
    at: datetime
    type: str
    category: str
    actor: str
    user_id: str
    tags: list[str]
    data: str
    meta: str


class AuditController(Controller):
    path = "/api/audit"
    tags = ("Audit",)

    @get("/", operation_id="facts", summary="Facts, newest first; a user sees what concerns them", who=USER)
    async def facts(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        actor: Annotated[str | None, QueryParameter()] = None,
        user: Annotated[str | None, QueryParameter()] = None,
        kind: Annotated[str | None, QueryParameter(name="type")] = None,
        category: Annotated[str | None, QueryParameter()] = None,
        from_: Annotated[datetime | None, QueryParameter(name="from")] = None,
        to: Annotated[datetime | None, QueryParameter()] = None,
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> FactsAnswer:
        if after and not (after.isdecimal() and len(after) < 19):
            raise bad_cursor()
        size = size_of(limit)
        rows = await _rows(
            services,
            own=None if caller.reads_all else caller.user_id,
            before=int(after) if after else None,
            actor=actor,
            user=user,
            type=kind,
            category=category,
            since=_zoned(from_),
            until=_zoned(to),
            size=size + 1,
        )
        following = str(rows[size - 1].position) if len(rows) > size else None
        return FactsAnswer(data=await _shown(services, caller, rows[:size]), page=Page(next=following, limit=size))

    @get("/{position:int}", operation_id="fact", summary="One fact", who=USER)
    async def fact(
        self, position: FromPath[int], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> FactAnswer:
        if not 0 < position < 2**63:
            raise not_found("There is no such fact.")
        rows = await _rows(services, own=None if caller.reads_all else caller.user_id, position=position, size=1)
        if not rows:
            raise not_found("There is no such fact.")
        (shown,) = await _shown(services, caller, rows)
        return FactAnswer(data=shown)


async def _rows(services: Services, **given: Any) -> list[_Row]:
    names = ("before", "position", "own", "actor", "user", "type", "category", "since", "until", "size")
    async with services.read.connection() as db, db.cursor(row_factory=class_row(_Row)) as cursor:
        # Never a prepared plan: each filter that is null must vanish from the plan.
        await cursor.execute(FACTS, {name: given.get(name) for name in names}, prepare=False)
        return list(await cursor.fetchall())


async def _shown(services: Services, caller: Caller, rows: Sequence[_Row]) -> list[Fact]:
    people = {row.user_id for row in rows if row.user_id}
    people |= {row.actor for row in rows if decode_meta(row.meta).actor_kind == "user"}
    names = {user: found.username for user, found in (await services.directory.names(people)).items()}
    return await asyncio.to_thread(_facts, services, caller, rows, names)


def _facts(services: Services, caller: Caller, rows: Sequence[_Row], names: dict[str, str]) -> list[Fact]:
    out = []
    for row in rows:
        meta = decode_meta(row.meta)
        origin = {"ip": "", "agent": ""}
        if meta.actor_kind == "user" and (caller.reads_all or row.actor == caller.user_id):
            origin["ip"] = services.vault.open_personal(meta.ip, row.actor, "meta.ip")
            origin["agent"] = services.vault.open_personal(meta.ua, row.actor, "meta.ua")
        out.append(
            Fact(
                position=row.position,
                at=row.at,
                type=row.type,
                category=row.category,
                actor=row.actor,
                actor_kind=meta.actor_kind,
                actor_name=names.get(row.actor, row.actor),
                source=meta.source,
                command=meta.command,
                request_id=meta.request_id,
                correlation_id=meta.correlation_id,
                causation_id=meta.causation_id,
                user_id=row.user_id,
                user_name=names.get(row.user_id, ""),
                tags=[tag for tag in row.tags if not tag.startswith(("username:", "identity:"))],
                data=shown_fact(decode(row.data), whole=caller.reads_all),
                **origin,
            )
        )
    return out


def _zoned(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise invalid("A time says its zone: 2026-01-31T12:00:00Z.")
    return at
