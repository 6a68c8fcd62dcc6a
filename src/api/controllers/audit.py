"""The timeline: who changed what, who came in, what was refused; when, from where."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from mcphub.api.caller import ADMIN, USER, Caller
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.problems import invalid, not_found
from mcphub.api.schemas import Envelope, Out, Page
from mcphub.api.services import Services
from mcphub.api.shown import shown_fact
from mcphub.domain.codec import decode, decode_meta
from mcphub.projections.timeline import AccessItem, FactItem, Place, Timeline, Wanted

UNKNOWN_NAME = "unknown name"


class Fact(Out, kw_only=True, tag_field="kind", tag="fact"):
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


class Access(Out, kw_only=True, tag_field="kind", tag="access"):
    """A sign-in, a sign-out, a refused command, an export; or a gap: `lost` refusals of a flood that were only counted.

    `position` is where the ledger stood; `outcome` is `done` or the code of the refusal. Of a name that was tried only
    this is said: the user who has it now, or that nobody has. `address` is the same for the same address, and no more.
    """

    id: UUID
    position: int
    at: datetime
    type: str
    category: str
    outcome: str
    way: str
    actor: str
    actor_name: str
    user_id: str
    user_name: str
    ip: str
    agent: str
    address: str
    method: str
    route: str
    request_id: str
    lost: int
    node: str


class TimelineAnswer(Envelope, kw_only=True):
    data: list[Fact | Access]
    page: Page


class ActivitiesAnswer(Envelope, kw_only=True):
    data: list[Fact | Access]


class FactAnswer(Envelope, kw_only=True):
    data: Fact


class AuditController(Controller):
    path = "/api/audit"
    tags = ("Audit",)

    @get("/", operation_id="timeline", summary="What happened, newest first; a user sees what concerns them", who=USER)
    async def timeline(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        kind: Annotated[Literal["fact", "access"] | None, QueryParameter()] = None,
        actor: Annotated[str | None, QueryParameter()] = None,
        user: Annotated[str | None, QueryParameter()] = None,
        type_: Annotated[str | None, QueryParameter(name="type")] = None,
        category: Annotated[str | None, QueryParameter()] = None,
        from_: Annotated[datetime | None, QueryParameter(name="from")] = None,
        to: Annotated[datetime | None, QueryParameter()] = None,
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> TimelineAnswer:
        """Facts of the ledger and rows of the access log; a `type` of those: sign_in, sign_out, command, export, gap.

        A cursor is a position, or one with the number of an access row behind a dot; any position will do.
        """
        before = Place.read(after) if after else None
        if after and before is None:
            raise bad_cursor()
        size = size_of(limit)
        wanted = Wanted(
            kind=kind,
            own=None if caller.reads_all else caller.user_id,
            actor=actor,
            user=user,
            type=type_,
            category=category,
            since=_zoned(from_),
            until=_zoned(to),
        )
        items = await Timeline(services.read).page(wanted, before=before, size=size + 1)
        following = str(items[size - 1].place) if len(items) > size else None
        return TimelineAnswer(data=await _shown(services, caller, items[:size]), page=Page(next=following, limit=size))

    @get("/{position:int}", operation_id="fact", summary="One fact", who=USER)
    async def fact(
        self, position: FromPath[int], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> FactAnswer:
        if not 0 < position < 2**63:
            raise not_found("There is no such fact.")
        own = None if caller.reads_all else caller.user_id
        item = await Timeline(services.read).fact(position, own=own)
        if item is None:
            raise not_found("There is no such fact.")
        (shown,) = await _shown(services, caller, [item])
        return FactAnswer(data=shown)  # type: ignore[arg-type]  # a fact is shown as one


class ActivitiesController(Controller):
    path = "/api/admin/activities"
    tags = ("Audit",)

    @get("/", operation_id="activities", summary="The newest entries of the timeline, for a dashboard", who=ADMIN)
    async def activities(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        limit: Annotated[int, QueryParameter()] = DEFAULT,
    ) -> ActivitiesAnswer:
        items = await Timeline(services.read).page(Wanted(), before=None, size=size_of(limit))
        return ActivitiesAnswer(data=await _shown(services, caller, items))


async def _shown(services: Services, caller: Caller, items: Sequence[FactItem | AccessItem]) -> list[Fact | Access]:
    people = set()
    for item in items:
        if isinstance(item, AccessItem):
            people |= {item.actor, _whom(services, item)}
        else:
            people |= {item.actor if decode_meta(item.meta).actor_kind == "user" else "", item.user_id}
    found = await services.directory.names(person for person in people if person)
    names = {user: about.username for user, about in found.items()}
    return await asyncio.to_thread(
        lambda: [
            _access(services, caller, item, names)
            if isinstance(item, AccessItem)
            else _fact(services, caller, item, names)
            for item in items
        ]
    )


def _fact(services: Services, caller: Caller, row: FactItem, names: dict[str, str]) -> Fact:
    meta = decode_meta(row.meta)
    origin = {"ip": "", "agent": ""}
    if meta.actor_kind == "user" and (caller.reads_all or row.actor == caller.user_id):
        origin["ip"] = services.vault.open_personal(meta.ip, row.actor, "meta.ip")
        origin["agent"] = services.vault.open_personal(meta.ua, row.actor, "meta.ua")
    return Fact(
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


def _access(services: Services, caller: Caller, row: AccessItem, names: dict[str, str]) -> Access:
    whom = _whom(services, row)
    # Sealed with the key of whoever acted, else of whom it is about; attempts on an account are its owner's to see.
    owner = row.actor or row.subject
    ip = agent = ""
    if caller.reads_all or owner == caller.user_id:
        ip = services.vault.open_personal(row.ip, owner, "meta.ip")
        agent = services.vault.open_personal(row.agent, owner, "meta.ua")
    return Access(
        id=row.id,
        position=row.position,
        at=row.at,
        type=row.action,
        category=row.category,
        outcome=row.outcome,
        way=row.way,
        actor=row.actor,
        actor_name=names.get(row.actor, row.actor),
        user_id=whom,
        user_name=names.get(whom, "") or (UNKNOWN_NAME if row.name_digest else ""),
        ip=ip,
        agent=agent,
        address=row.address,
        method=row.method,
        route=row.route,
        request_id=row.request_id,
        lost=row.lost,
        node=row.node,
    )


def _whom(services: Services, row: AccessItem) -> str:
    """The user a row is about, or who has the name that was tried now."""
    return row.subject or services.model.user_by_name.get(row.name_digest, "")


def _zoned(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise invalid("A time says its zone: 2026-01-31T12:00:00Z.")
    return at
