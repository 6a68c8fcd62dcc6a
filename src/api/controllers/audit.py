"""The timeline: who changed what, who came in, what was refused; when, from where."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import to_builtins

from mcphub.api.audit_filters import server_names, wanted
from mcphub.api.before_after import Changed, changed, kind_of
from mcphub.api.caller import ADMIN, USER, Caller, Guard
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.problems import invalid, not_found
from mcphub.api.schemas import Envelope, Out, Page
from mcphub.api.services import Services
from mcphub.api.shown import shown_fact
from mcphub.api.streams import events, stream
from mcphub.domain.codec import decode, decode_meta
from mcphub.projections.timeline import AccessItem, FactItem, Kind, Place, Timeline, Wanted

UNKNOWN_NAME = "unknown name"
SUBJECTS = (
    "key",
    "group",
    "user",
    "server",
    "hub-variable",
)  # what a fact is about, the first of its tags that is here
HIDDEN_TAGS = ("username:", "identity:")
BINS, MOST_BINS = 120, 500
STEP = 200  # items a stream reads at once
LOOK_SECONDS = 1.0  # between two looks of a stream at the access log, which rings no bell


class Subject(Out, kw_only=True):
    """What a fact is about. `ordinal` is which of that thing's facts this is, from 1; `name` is empty when it is not
    known any more.
    """

    tag: str
    kind: str
    id: str
    name: str
    ordinal: int


class Fact(Out, kw_only=True, tag_field="kind", tag="fact"):
    """One fact. `ip` and `agent` are shown to administrators, to auditors and to whoever acted.

    `id` is what `causationId` of others names. `trace` is the same for facts of one cause; `names` are those of the ids
    in `data`, as things are called now.
    """

    position: int
    id: str
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
    trace: str
    user_id: str
    user_name: str
    subject: Subject | None
    tags: list[str]
    ip: str
    agent: str
    names: dict[str, str]
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
    """`head` is where the live stream goes on behind this answer: its `Last-Event-ID`."""

    data: list[Fact | Access]
    page: Page
    head: str


class ActivitiesAnswer(Envelope, kw_only=True):
    data: list[Fact | Access]


class Chain(Out, kw_only=True):
    """A fact's place in the chain of hashes, in hex; `holds`: computed anew, the hash is the one that is stored."""

    hash: str
    previous: str
    holds: bool


class FactDetail(Out, kw_only=True):
    """One fact with what it changed, and those beside it: of the same subject, and of the same cause.

    `changed` is null for a fact that changes no state, as a sign-in, and where it took facts the reader may not see.
    """

    fact: Fact
    changed: Changed | None
    chain: Chain
    earlier: int | None
    later: int | None
    together: list[Fact]


class FactAnswer(Envelope, kw_only=True):
    """`data` is the fact, and `detail` what belongs to it."""

    data: Fact
    detail: FactDetail


class HistogramBin(Out, kw_only=True):
    """How many items of each category begin at `at`."""

    at: datetime
    counts: dict[str, int]


class HistogramAnswer(Envelope, kw_only=True):
    """`stepMs` is the length of a bin in milliseconds."""

    data: list[HistogramBin]
    step_ms: float
    total: int


async def sought(
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    kind: Annotated[Kind | None, QueryParameter()] = None,
    actor: Annotated[list[str] | None, QueryParameter()] = None,
    user: Annotated[list[str] | None, QueryParameter()] = None,
    type_: Annotated[list[str] | None, QueryParameter(name="type")] = None,
    category: Annotated[list[str] | None, QueryParameter()] = None,
    outcome: Annotated[list[str] | None, QueryParameter()] = None,
    source: Annotated[list[str] | None, QueryParameter()] = None,
    server: Annotated[list[str] | None, QueryParameter()] = None,
    tag: Annotated[list[str] | None, QueryParameter()] = None,
    trace: Annotated[list[str] | None, QueryParameter()] = None,
    q: Annotated[str, QueryParameter()] = "",
    from_: Annotated[datetime | None, QueryParameter(name="from")] = None,
    to: Annotated[datetime | None, QueryParameter()] = None,
) -> Wanted:
    return await wanted(
        services,
        caller,
        kind=kind,
        actor=actor,
        user=user,
        type_=type_,
        category=category,
        outcome=outcome,
        source=source,
        server=server,
        tag=tag,
        trace=trace,
        q=q,
        from_=from_,
        to=to,
    )


class AuditController(Controller):
    path = "/api/audit"
    tags = ("Audit",)
    dependencies = {"sought": Provide(sought)}  # noqa: RUF012  litestar reads it

    @get("/", operation_id="timeline", summary="What happened, newest first; a user sees what concerns them", who=USER)
    async def timeline(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        sought: NamedDependency[Wanted],
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> TimelineAnswer:
        """Facts of the ledger and rows of the access log; a `type` of those: sign_in, sign_out, command, export, gap.

        `actor` and `user` are ids or names, or `me`; `server` is a name; `tag` names a subject; `q` is looked for in
        types and names. Each may come several times: any of them counts, and none that begins with `-`; a `*` in it
        stands for any text. A cursor is a position, or one with the number of an access row behind a dot; any position
        will do.
        """
        before = Place.read(after) if after else None
        if after and before is None:
            raise bad_cursor()
        size = size_of(limit)
        head = await Timeline(services.read).newest()
        items = await Timeline(services.read).page(sought, before=before, size=size + 1)
        following = str(items[size - 1].place) if len(items) > size else None
        return TimelineAnswer(
            data=await shown_items(services, caller, items[:size]),
            page=Page(next=following, limit=size),
            head=_event_id(head),
        )

    @get("/histogram", operation_id="auditHistogram", summary="How much happened when, by category", who=USER)
    async def histogram(
        self,
        services: NamedDependency[Services],
        sought: NamedDependency[Wanted],
        bins: Annotated[int, QueryParameter()] = BINS,
    ) -> HistogramAnswer:
        """Takes the filters of the timeline. Without `from` it begins with the first fact, without `to` it ends now."""
        timeline, count = Timeline(services.read), min(max(bins, 1), MOST_BINS)
        until = sought.until or datetime.now(UTC)
        since = sought.since or await timeline.began() or until - timedelta(days=1)
        if since >= until:
            raise invalid("The time ends before it begins.", ("/from", "out_of_range", "it must lie before `to`"))
        step = (until - since) / count
        counts = await timeline.counts(sought, since, until, count)
        by_bin: dict[int, dict[str, int]] = {}
        for (bin_, category), number in sorted(counts.items()):
            by_bin.setdefault(bin_, {})[category] = number
        return HistogramAnswer(
            data=[HistogramBin(at=since + step * bin_, counts=by_bin.get(bin_, {})) for bin_ in range(count)],
            step_ms=step / timedelta(milliseconds=1),
            total=counts.total(),
        )

    @get("/{position:int}", operation_id="fact", summary="One fact, and what it changed", who=USER)
    async def fact(
        self, position: FromPath[int], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> FactAnswer:
        if not 0 < position < 2**63 - 1:
            raise not_found("There is no such fact.")
        timeline = Timeline(services.read)
        own = None if caller.reads_all else caller.user_id
        item = await timeline.fact(position, own=own)
        if item is None:
            raise not_found("There is no such fact.")
        trace = _trace(item)
        beside = await timeline.together(position, trace, own=own) if trace else [item]
        shown = await shown_items(services, caller, beside)
        together = [one for one in shown if isinstance(one, Fact)]
        fact = next(one for one in together if one.position == position)
        subject, earlier, later, change = fact.subject, None, None, None
        if subject is not None:
            earlier, later = await timeline.neighbours(position, subject.tag, own=own)
            history = await timeline.history(subject.tag, kind_of(item.type), position, own=own)
            change = await asyncio.to_thread(changed, item.type, history, whole=caller.reads_all)
        link = await timeline.link(position)
        chain = Chain(hash=link.hash.hex(), previous=link.previous.hex(), holds=link.holds)
        detail = FactDetail(fact=fact, changed=change, chain=chain, earlier=earlier, later=later, together=together)
        return FactAnswer(data=fact, detail=detail)


class EventsController(Controller):
    path = "/api/events"
    tags = ("Audit",)
    dependencies = {"sought": Provide(sought)}  # noqa: RUF012  litestar reads it

    @get(
        "/stream",
        operation_id="eventStream",
        summary="What happens from now on, as server-sent events; a user sees what concerns them",
        media_type="text/event-stream",
        who=USER,
    )
    async def follow(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        sought: NamedDependency[Wanted],
        last: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Stream:
        """Takes the filters of the timeline, and sends its items, oldest first.

        The id of an event is a position, and behind a dot how far the access log was read. With `Last-Event-ID`, or a
        position alone, it goes on behind that.
        """
        newest = await Timeline(services.read).newest()
        begin = newest
        if last:
            place = Place.read(last)
            if place is None:
                raise bad_cursor()
            number = place.number if "." in last else newest.number
            # What nobody gave out yet, or what a restored database has lost, would be waited for without an end.
            begin = Place(min(place.position, newest.position), min(number, newest.number))
        source = events(_following(services, caller, sought, begin), lambda: guard.still(caller))
        return stream(services.streams.one_more(caller.user_id, source))


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
        return ActivitiesAnswer(data=await shown_items(services, caller, items))


async def _following(services: Services, caller: Caller, sought: Wanted, last: Place) -> AsyncIterator[dict[str, Any]]:
    timeline, bell = Timeline(services.read), Bell(services)
    try:
        while True:
            head = await timeline.newest()
            facts, rows = await timeline.after(sought, last, STEP)
            # Facts first: the id of each event names how far both logs were sent with it.
            places = [Place(item.position, last.number) for item in facts]
            places += [Place(facts[-1].position if facts else last.position, item.number) for item in rows]
            for last, shown in zip(places, await shown_items(services, caller, [*facts, *rows]), strict=True):
                yield {"n": _event_id(last), **to_builtins(shown)}
            if len(facts) == STEP or len(rows) == STEP:
                continue
            # What lies between was looked at, and nobody wants it.
            last = Place(max(last.position, head.position), max(last.number, head.number))
            await bell.rings(last.position, LOOK_SECONDS if sought.access else None)
    finally:
        await bell.stop()


class Bell:
    """Rings when the read tables show a fact behind a position. One is waited for at a time, however often it is asked:
    a wait that is given up stays in the tail's list until it comes true.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: asyncio.Task[None] | None = None

    async def rings(self, position: int, within: float | None) -> None:
        """Returns when it rings, or after so many seconds."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._reached(position + 1))
        done, _ = await asyncio.wait({self._waiting}, timeout=within)
        if done:
            self._waiting = None
            done.pop().result()

    async def stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    async def _reached(self, position: int) -> None:
        await self._services.tail.reached(position)
        await self._services.projector.reached(position)


def _event_id(place: Place) -> str:
    return f"{place.position}.{place.number}"


async def shown_items(
    services: Services, caller: Caller, items: Sequence[FactItem | AccessItem], *, counted: bool = True
) -> list[Fact | Access]:
    """As the caller may see them.

    Args:
        counted: with the ordinals of subjects, for which all facts of a subject are counted.
    """
    people, subjects = set(), []
    for item in items:
        if isinstance(item, AccessItem):
            people |= {item.actor, _whom(services, item)}
        else:
            people |= {item.actor if decode_meta(item.meta).actor_kind == "user" else "", item.user_id}
            if tag := subject_of(item):
                subjects.append((item.position, tag))
    found = await services.directory.names(person for person in people if person)
    names = {user: about.username for user, about in found.items()}
    ordinals = await Timeline(services.read).ordinals(subjects) if counted else {}
    things = _things(services, items)
    return await asyncio.to_thread(
        lambda: [
            _access(services, caller, item, names)
            if isinstance(item, AccessItem)
            else _fact(services, caller, item, names, things, ordinals)
            for item in items
        ]
    )


def subject_of(item: FactItem) -> str:
    """The tag of what a fact is about; '' for nothing."""
    tags = _visible(item.tags)
    for kind in SUBJECTS:
        of_kind = [tag for tag in tags if tag.startswith(f"{kind}:")]
        if of_kind:
            # A rotation names two keys; it is about the one that is replaced.
            return next((tag for tag in of_kind if f'"{tag.partition(":")[2]}"' in _own_key(item)), of_kind[0])
    return tags[0] if tags else ""


def _own_key(item: FactItem) -> str:
    return f'"{getattr(decode(item.data), "key_id", "")}"'


def _things(services: Services, items: Iterable[FactItem | AccessItem]) -> dict[str, str]:
    """Names of the servers, groups and keys that facts speak of, by id."""
    model, things = services.model, dict(server_names(services.model))
    for item in items:
        if not isinstance(item, FactItem):
            continue
        for tag in item.tags:
            kind, _, one = tag.partition(":")
            if kind == "key" and one in model.keys:
                things[one] = model.keys[one].name
            elif kind == "group" and (group := model.groups_of.get(item.user_id, {}).get(one)) is not None:
                things[one] = group.name
    return things


def _visible(tags: Iterable[str]) -> list[str]:
    return [tag for tag in tags if not tag.startswith(HIDDEN_TAGS)]


def _trace(item: FactItem) -> str:
    meta = decode_meta(item.meta)
    return meta.correlation_id or meta.request_id


def _subject(tag: str, ordinal: int, names: dict[str, str], things: dict[str, str]) -> Subject:
    kind, _, one = tag.partition(":")
    name = names.get(one, "") if kind == "user" else things.get(one, "") if kind in SUBJECTS[:4] else one
    return Subject(tag=tag, kind=kind, id=one, name=name, ordinal=ordinal)


def _fact(
    services: Services,
    caller: Caller,
    row: FactItem,
    names: dict[str, str],
    things: dict[str, str],
    ordinals: dict[int, int],
) -> Fact:
    meta = decode_meta(row.meta)
    origin, tag = {"ip": "", "agent": ""}, subject_of(row)
    data = shown_fact(decode(row.data), whole=caller.reads_all)
    if meta.actor_kind == "user" and (caller.reads_all or row.actor == caller.user_id):
        origin["ip"] = services.vault.open_personal(meta.ip, row.actor, "meta.ip")
        origin["agent"] = services.vault.open_personal(meta.ua, row.actor, "meta.ua")
    return Fact(
        position=row.position,
        id=row.id,
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
        trace=meta.correlation_id or meta.request_id,
        user_id=row.user_id,
        user_name=names.get(row.user_id, ""),
        subject=_subject(tag, ordinals.get(row.position, 0), names, things) if tag else None,
        tags=_visible(row.tags),
        names={one: things[one] for one in _ids(data) if one in things},
        data=data,
        **origin,
    )


def _ids(data: dict[str, Any]) -> list[str]:
    return [value for name, value in data.items() if name.endswith("_id") and isinstance(value, str)]


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
