"""What is shown of the past: things, changes and decisions as people may read them, secrets masked, names of now."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from mcphub.api.before_after import ChangedField, compared
from mcphub.api.keyring import ScopeView
from mcphub.api.past import Differing, Part
from mcphub.api.schemas import Out
from mcphub.domain.entitlement import Entitled
from mcphub.domain.literal_secrets import masked
from mcphub.domain.state import Change, Thing
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


ATTRIBUTES = {"hubVariables": "hub_variables"}
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


def moment_view(when: Moment) -> MomentView:
    return MomentView(
        position=when.position, at=when.at, recorded_at=when.recorded_at, head=when.head, later=when.later
    )


def state_view(when: Moment, parts: Mapping[str, Part], names: Mapping[str, Names]) -> PastState:
    out = PastState(moment=moment_view(when), counts={name: one.count for name, one in parts.items()})
    for name, one in parts.items():
        setattr(out, ATTRIBUTES.get(name, name), [shown(name, thing, names) for thing in one.things])
    return out


def diff_view(first: Moment, last: Moment, found: Differing, names: Mapping[str, Names]) -> PastDiff:
    return PastDiff(
        from_=moment_view(first),
        to=moment_view(last),
        counts=dict(found.counts),
        changes=[change_view(change, names) for change in found.changes],
    )


def who_view(
    when: Moment,
    server: str,
    tool: str,
    recorded: bool,
    everybody: Iterable[Entitled],
    shown: Iterable[Entitled],
    names: Mapping[str, Names],
    gone: frozenset[str],
) -> WhoCould:
    return WhoCould(
        moment=moment_view(when),
        server=server,
        tool=tool,
        recorded=recorded,
        reasons=dict(Counter(str(one.reason) for one in everybody)),
        users=[_user_then(one, names[one.user_id], one.user_id in gone) for one in shown],
    )


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


def owners(things: Iterable[Thing]) -> set[str]:
    """Ids of users whose names are needed to show these things."""
    return {thing["userId"] if "userId" in thing else thing.get("id", "") for thing in things}
