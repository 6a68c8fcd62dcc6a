"""Time travel: what there was, what changed between two times, and who could have used what."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import UNSET, UnsetType

from mcphub.api.before_after import ChangedField, compared
from mcphub.api.caller import AUDITOR, USER, Caller
from mcphub.api.keyring import ScopeView
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.past import Part, Past, differing, part
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out, Page
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel
from mcphub.domain.entitlement import Entitled, recorded_tools, who_could
from mcphub.domain.literal_secrets import masked
from mcphub.domain.settings_state import ServerState
from mcphub.domain.state import SECTIONS, Change, Thing
from mcphub.projections.directory import Names
from mcphub.projections.history import Moment

SectionName = Literal["users", "groups", "keys", "values", "servers", "tools", "settings", "hubVariables"]


class MomentView(Out, kw_only=True):
    """`position` is that of the last fact at or before the time, 0 before the first one; `recordedAt` is when that was.

    `at` is the clock that what expires was compared with; `later` counts the facts since, up to `head`.
    """

    position: int
    at: datetime
    recorded_at: datetime | None
    head: int
    later: int


class PastUser(Out, kw_only=True):
    """`memberships` are counted; `keyCount` counts keys that were usable. Names are those of now."""

    id: str
    username: str
    display_name: str
    provider: str
    state: Literal["active", "inactive", "pending", "deleted", "erased"]
    is_active: bool
    is_admin: bool
    is_auditor: bool
    has_password: bool
    memberships: int
    exposure_mode: str
    key_count: int
    group_count: int


class PastGroup(Out, kw_only=True):
    id: str
    user_id: str
    username: str
    name: str
    slug: str
    description: str
    servers: list[str]
    missing_servers: list[str]
    is_active: bool
    created_at: datetime
    updated_at: datetime


class PastKey(Out, kw_only=True):
    id: str
    user_id: str
    username: str
    name: str
    description: str
    masked_key: str
    state: Literal["active", "rotating", "expired", "revoked"]
    header_only: bool
    scope: ScopeView | None
    created_at: datetime
    expires_at: datetime
    used: bool


class PastValue(Out, kw_only=True):
    """That a user had a value for a server's variable; `version` is the position of the fact that saved it."""

    user_id: str
    username: str
    server: str
    variable: str
    saved_at: datetime
    version: int


class PastServer(Out, kw_only=True):
    """`config` with its literal secrets masked; `availableTo` says the audience in words."""

    id: str
    name: str
    slug: str
    type: str
    is_enabled: bool
    isolation: str
    audience: Any
    available_to: str
    variables: list[str]
    tool_count: int
    config: dict[str, Any]
    version: int


class PastTool(Out, kw_only=True):
    """As it was on the record; `state` is `allowed` where nothing withheld it, and `definition` a hash."""

    server: str
    name: str
    given_name: str | None
    state: str
    definition: str
    first_seen: datetime
    changed_at: datetime


class PastSettings(Out, kw_only=True):
    """What the settings document held beside its servers, secrets masked."""

    version: int
    system_config: dict[str, Any] | None
    preserved: dict[str, Any]
    members: list[str]
    order: list[str]


class PastHubVariable(Out, kw_only=True):
    name: str
    saved_at: datetime
    version: int


class PastState(Out, kw_only=True):
    """`counts` says how many there were of each section asked for; the lists hold a page of them."""

    moment: MomentView
    counts: dict[str, int]
    users: list[PastUser] | UnsetType = UNSET
    groups: list[PastGroup] | UnsetType = UNSET
    keys: list[PastKey] | UnsetType = UNSET
    values: list[PastValue] | UnsetType = UNSET
    servers: list[PastServer] | UnsetType = UNSET
    tools: list[PastTool] | UnsetType = UNSET
    settings: list[PastSettings] | UnsetType = UNSET
    hub_variables: list[PastHubVariable] | UnsetType = UNSET


class PastChange(Out, kw_only=True):
    """`before` or `after` is null for a thing that was not there; `fields` says in what the two differ.

    `name` is what people know it by, `username` whose it is, '' for nobody's.
    """

    section: SectionName
    id: str
    name: str
    username: str
    kind: Literal["added", "removed", "changed"]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    fields: list[ChangedField]


class PastDiff(Out, kw_only=True):
    """`counts` of all changes, by section."""

    from_: MomentView = msgspec.field(name="from")
    to: MomentView
    counts: dict[str, int]
    changes: list[PastChange]


class KeyThen(Out, kw_only=True):
    id: str
    name: str
    reason: str


class UserThen(Out, kw_only=True):
    """`could`: the decision for the user, whichever key they come with; `couldByKey`: from an IDE, by a key that was
    usable, and with no value missing.
    """

    user_id: str
    username: str
    could: bool
    could_by_key: bool
    reason: str
    keys: list[KeyThen]
    missing: list[str]


class WhoCould(Out, kw_only=True):
    """`recorded`: the tool was on the record then; `reasons` counts everybody by what was decided for them."""

    moment: MomentView
    server: str
    tool: str
    recorded: bool
    reasons: dict[str, int]
    users: list[UserThen]


class MomentAnswer(Envelope, kw_only=True):
    data: MomentView


class PastStateAnswer(Envelope, kw_only=True):
    data: PastState
    page: Page


class PastDiffAnswer(Envelope, kw_only=True):
    data: PastDiff
    page: Page


class WhoCouldAnswer(Envelope, kw_only=True):
    data: WhoCould
    page: Page


SHAPES: dict[str, type[Out]] = {
    "users": PastUser,
    "groups": PastGroup,
    "keys": PastKey,
    "values": PastValue,
    "servers": PastServer,
    "tools": PastTool,
    "settings": PastSettings,
    "hubVariables": PastHubVariable,
}
At = Annotated[str, QueryParameter()]


class PastController(Controller):
    path = "/api/audit"
    tags = ("Audit",)

    @get("/moment", operation_id="moment", summary="Which fact a time stands behind", who=USER)
    async def moment(self, past: NamedDependency[Past], at: At = "") -> MomentAnswer:
        """`at` is a position, also as #310, or a time with its zone; without it, now."""
        return MomentAnswer(data=moment_view(await past.moment(at)))

    @get("/state", operation_id="stateThen", summary="What there was; a user sees what was their own", who=USER)
    async def state(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        at: At = "",
        section: Annotated[list[SectionName] | None, QueryParameter()] = None,
        user: Annotated[str, QueryParameter()] = "",
        q: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> PastStateAnswer:
        """`section` may come several times; one alone can be read page by page. `user` is an id; `q` is looked for in
        names.
        """
        begin, size = offset(after), size_of(limit)
        when, sections = await past.moment(at), list(dict.fromkeys(section or SECTIONS))
        owner = user if caller.reads_all else caller.user_id
        named = await services.directory.search(q) if q else set()
        gone = past.gone()
        matches = (lambda thing: holds(thing, q.casefold(), named)) if q else None

        def question(model: AccessModel) -> dict[str, Part]:
            return {
                name: part(model, when.at, name, owner=owner, gone=gone, matches=matches, begin=begin, size=size)
                for name in sections
            }

        parts = await past.ask(caller.user_id, [when], question)
        names = await _names(services, (thing for one in parts.values() for thing in one.things))
        out = PastState(moment=moment_view(when), counts={name: one.count for name, one in parts.items()})
        for name, one in parts.items():
            attribute = "hub_variables" if name == "hubVariables" else name
            setattr(out, attribute, [shown(name, thing, names) for thing in one.things])
        alone = parts[sections[0]] if len(sections) == 1 else None
        more = alone is not None and begin + size < alone.count
        return PastStateAnswer(data=out, page=Page(next=str(begin + size) if more else None, limit=size))

    @get(
        "/diff",
        operation_id="diffBetween",
        summary="What changed between two times; a user sees what was their own",
        who=USER,
    )
    async def diff(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        from_: Annotated[str, QueryParameter(name="from")],
        to: At = "",
        section: Annotated[list[SectionName] | None, QueryParameter()] = None,
        user: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> PastDiffAnswer:
        """`from` and `to` are written like `at` of a state; without `to`, until now. A later page names the position
        that `to` came to. What expired meanwhile is a change as well.
        """
        begin, size = offset(after), size_of(limit)
        first, last = await past.moment(from_, "/from"), await past.moment(to, "/to")
        owner = user if caller.reads_all else caller.user_id
        gone = past.gone()
        found = await past.ask(
            caller.user_id,
            [first, last],
            lambda before, now: differing(
                before,
                now,
                then=first.at,
                at=last.at,
                sections=section or (),
                owner=owner,
                gone=gone,
                begin=begin,
                size=size,
            ),
        )
        names = await _names(services, (change.after or change.before or {} for change in found.changes))
        more = begin + size < found.counts.total()
        return PastDiffAnswer(
            data=PastDiff(
                from_=moment_view(first),
                to=moment_view(last),
                counts=dict(found.counts),
                changes=[change_view(change, names) for change in found.changes],
            ),
            page=Page(next=str(begin + size) if more else None, limit=size),
        )

    @get("/who-could", operation_id="whoCould", summary="Who could have used a server, or a tool of it", who=AUDITOR)
    async def who_could(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        server: Annotated[str, QueryParameter()],
        tool: Annotated[str, QueryParameter()] = "",
        at: At = "",
        which: Annotated[Literal["could", "all"], QueryParameter()] = "could",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> WhoCouldAnswer:
        """`server` is a name or a slug of then, `tool` the server's own name of it; `which=all` also shows those who
        could not, and why.
        """
        begin, size = offset(after), size_of(limit)
        when = await past.moment(at)
        found = await past.ask(caller.user_id, [when], lambda model: entitled_then(model, server, tool, when.at))
        if found is None:
            raise not_found("There was no such server at that time.")
        there, recorded, everybody = found
        reasons = Counter(str(one.reason) for one in everybody)
        wanted = [one for one in everybody if which == "all" or one.could]
        page = wanted[begin : begin + size]
        names = await services.directory.names(one.user_id for one in page)
        gone = past.gone()
        return WhoCouldAnswer(
            data=WhoCould(
                moment=moment_view(when),
                server=there,
                tool=tool,
                recorded=recorded,
                reasons=dict(reasons),
                users=[_user_then(one, names[one.user_id], one.user_id in gone) for one in page],
            ),
            page=Page(next=str(begin + size) if begin + size < len(wanted) else None, limit=size),
        )


def moment_view(when: Moment) -> MomentView:
    return MomentView(
        position=when.position, at=when.at, recorded_at=when.recorded_at, head=when.head, later=when.later
    )


def offset(cursor: str) -> int:
    """How many a page leaves out before it: the past does not move, so its pages may be counted.

    Raises:
        Problem: the cursor is not one that a page gave out.
    """
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise bad_cursor()
    return int(cursor)


def entitled_then(model: AccessModel, server: str, tool: str, at: datetime) -> tuple[str, bool, list[Entitled]] | None:
    """(the server's name, was the tool on the record, everybody); None when there was no such server."""
    found: ServerState | None = model.settings.by_name(server) or model.settings.by_slug(server)
    if found is None:
        return None
    recorded = any(one.name == tool for one in recorded_tools(model, found))
    return found.name, recorded, list(who_could(model, found, tool, at))


def holds(thing: Thing, needle: str, named: set[str]) -> bool:
    """Does a thing's name, or the name of whose it is, hold the text?"""
    texts = (str(thing.get(field) or "") for field in ("name", "slug", "server", "variable", "givenName"))
    return thing.get("userId", thing.get("id")) in named or any(needle in text.casefold() for text in texts)


def shown(section: str, thing: Thing, names: Mapping[str, Names]) -> Any:
    """A thing as people may read it."""
    owner = thing["id"] if section == "users" else thing.get("userId")
    if owner is not None:
        thing = {**thing, "username": names[owner].username, "displayName": names[owner].display_name}
    return msgspec.convert(masked(thing), SHAPES[section])


def change_view(change: Change, names: Mapping[str, Names]) -> PastChange:
    thing = change.after or change.before or {}
    owner = thing["id"] if change.section == "users" else thing.get("userId")
    username = names[owner].username if owner is not None else ""
    label = thing.get("name") or thing.get("variable") or ""
    if change.section in {"tools", "values"}:
        label = f"{thing['server']} {label}"
    return PastChange(
        section=change.section,  # type: ignore[arg-type]
        id=change.id,
        name=username if change.section == "users" else label,
        username=username,
        kind="added" if change.before is None else "removed" if change.after is None else "changed",
        before=masked(change.before),
        after=masked(change.after),
        fields=compared(change.before, change.after) if change.before and change.after else [],
    )


async def _names(services: Services, things: Iterable[Thing]) -> Mapping[str, Names]:
    ids = {thing["userId"] if "userId" in thing else thing.get("id", "") for thing in things}
    return await services.directory.names(ids)


def _user_then(one: Entitled, names: Names, gone: bool) -> UserThen:
    return UserThen(
        user_id=one.user_id,
        username=names.username,
        could=one.could,
        could_by_key=one.could_by_key,
        reason=one.reason,
        keys=[KeyThen(id=key.key_id, name="" if gone else key.name, reason=key.reason) for key in one.keys],
        missing=list(one.missing),
    )
