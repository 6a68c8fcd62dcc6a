"""What a fact changed: the state of what it is about before it and after it, as readers may see both.

Facts carry only what changed, so the state before is folded from the earlier facts of the same thing.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from msgspec import UNSET, UnsetType

from mcphub.api.schemas import Out
from mcphub.api.shown import SEALED, shown_fact
from mcphub.domain.codec import decode
from mcphub.domain.events import (
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    Event,
    GroupActivated,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    HubVariableRemoved,
    HubVariableSet,
    KeyExpired,
    KeyFirstUsed,
    KeyIssued,
    KeyRevoked,
    KeyRotated,
    SecretSlotRetired,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    ToolApproved,
    ToolQuarantined,
    ToolWithdrawn,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserRegistered,
    UserRestored,
)
from mcphub.domain.literal_secrets import SEALED as SEALED_VALUE
from mcphub.domain.literal_secrets import masked
from mcphub.domain.settings_state import SettingsState
from mcphub.domain.tool_book import differences
from mcphub.domain.vault import MASK

State = dict[str, Any] | None  # None: it is not there
MOST_CHANGES = 200
CIPHER = "\0"  # before a sealed value while it is compared; no text of an event holds one

PEOPLE = frozenset(
    "UserRegistered UserActivated UserDeactivated AdminGranted AdminRevoked AuditorGranted AuditorRevoked UserDeleted"
    " UserRestored UserErased".split()
)
KEYS = frozenset("KeyIssued KeyRenamed KeyExtended KeyRotated KeyRevoked KeyExpired KeyFirstUsed".split())
GROUPS = frozenset("GroupCreated GroupChanged GroupActivated GroupDeactivated GroupDeleted".split())
SERVERS = frozenset(
    "ServerAdded ServerChanged ServerRenamed ServerEnabled ServerDisabled ServerAudienceChanged ServerRemoved"
    " ToolEnabled ToolDisabled ToolDescriptionOverridden ToolOverrideReset ToolRenamed ToolNameReset".split()
)
# Facts of one kind of thing, and what tells several of it under one tag apart.
KINDS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (PEOPLE, ()),
    (KEYS, ("key_id",)),
    (GROUPS, ()),
    (SERVERS, ()),
    (frozenset({"UserProfileSynced"}), ()),
    (frozenset({"UserMembershipsChanged"}), ()),
    (frozenset({"UserPreferencesChanged"}), ()),
    (frozenset({"ServiceTokenSaved", "ServiceTokenRemoved"}), ("server_id", "variable")),
    (frozenset({"SecretSlotDeclared", "SecretSlotRetired"}), ("variable",)),
    (frozenset("ToolDiscovered ToolChanged ToolWithdrawn ToolQuarantined ToolApproved".split()), ("tool",)),
    (frozenset({"SystemConfigChanged"}), ()),
    (frozenset({"SettingsFileImported"}), ()),
    (frozenset({"EnvSchedulerConfigured"}), ()),
    (frozenset({"HubVariableSet", "HubVariableRemoved"}), ()),
)
# What says which one it is, and is no part of its state.
IDENTIFYING = {"user_id", "key_id", "group_id", "server_id", "variable", "tool", "seen"}


class ChangedField(Out, kw_only=True):
    """`field` is a JSON pointer; `before` or `after` is left out where the field is not there. Of a `hidden` one only
    this is said, that it changed.
    """

    field: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET
    hidden: bool = False


class Changed(Out, kw_only=True):
    """`before` and `after` are null where it was not there, or is no more."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    fields: list[ChangedField]


def kind_of(type_: str) -> frozenset[str]:
    """The types that speak of the same kind of thing; none for a fact that changes no state, as a sign-in."""
    return next((types for types, _ in KINDS if type_ in types), frozenset())


def changed(type_: str, history: Sequence[tuple[int, str]], *, whole: bool) -> Changed | None:
    """What the last fact of a history changed; None when it is not said.

    Args:
        type_: of that fact.
        history: facts of its `kind_of` under its subject's tag, oldest first, with position and JSON.
        whole: with configurations, which only administrators and auditors read.
    """
    types, telling = next(((types, telling) for types, telling in KINDS if type_ in types), (frozenset(), ()))
    if not types or not history or (not whole and (types is SERVERS or type_ == "SystemConfigChanged")):
        return None
    facts = [(position, decode(data)) for position, data in history]
    if types is SERVERS:
        return _server_changed(facts)
    last = facts[-1][1]
    same = [event for _, event in facts if all(getattr(event, one) == getattr(last, one) for one in telling)]
    before: State = None
    for event in same[:-1]:
        before = _after(before, event, whole)
    after = _after(before, last, whole)
    fields = [_field(one.field, one.before, one.after) for one in differences(before or {}, after or {})]
    return Changed(before=before, after=after, fields=[*fields, *_unseen(same, last, fields)][:MOST_CHANGES])


def _after(before: State, event: Event, whole: bool) -> State:
    state = before or {}
    flags: dict[type[Event], dict[str, Any]] = {
        UserActivated: {"active": True},
        UserDeactivated: {"active": False},
        AdminGranted: {"admin": True},
        AdminRevoked: {"admin": False},
        AuditorGranted: {"auditor": True},
        AuditorRevoked: {"auditor": False},
        UserDeleted: {"deleted": True, "active": False},
        UserRestored: {"deleted": False},
        UserErased: {"erased": True, "active": False},
        KeyRevoked: {"state": "revoked"},
        KeyExpired: {"state": "expired"},
        KeyFirstUsed: {"used": True},
        GroupActivated: {"active": True},
        GroupDeactivated: {"active": False},
        ToolWithdrawn: {"state": "withdrawn"},
        ToolQuarantined: {"state": "waiting"},
        ToolApproved: {"state": "approved"},
    }
    if type(event) in flags:
        return {**state, **flags[type(event)]}
    match event:
        case GroupDeleted() | ServiceTokenRemoved() | SecretSlotRetired() | HubVariableRemoved():
            return None
        case ServiceTokenSaved() | HubVariableSet():
            return {"value": event.mask}
        case UserRegistered():
            return {"active": False, "admin": False, "auditor": False, "provider": event.provider}
    said = {name: value for name, value in shown_fact(event, whole=whole).items() if name not in IDENTIFYING}
    match event:
        case KeyIssued():
            said |= {"state": "active"}
        case KeyRotated():
            said |= {"state": "rotated"}
        case GroupCreated():
            said |= {"active": True}
    return {**state, **said}


def _unseen(same: Sequence[Event], last: Event, seen: Iterable[ChangedField]) -> list[ChangedField]:
    """Fields that are shown alike although they changed: sealed ones."""
    there = {one.field for one in seen}
    hidden = []
    if isinstance(last, ServiceTokenSaved | HubVariableSet):
        earlier = same[-2] if len(same) > 1 else None
        before = earlier.fingerprint if isinstance(earlier, ServiceTokenSaved | HubVariableSet) else ""
        if before != last.fingerprint and "/value" not in there:
            hidden.append("/value")
    elif type(last).__name__ == "UserProfileSynced":
        hidden = [f"/{name}" for name in sorted(SEALED) if getattr(last, name, UNSET) is not UNSET]
    return [ChangedField(field=field, hidden=True) for field in hidden if field not in there]


def _server_changed(facts: Sequence[tuple[int, Event]]) -> Changed:
    state = SettingsState()
    for position, event in facts[:-1]:
        state.apply(event, position)
    before = _server(state)
    state.apply(facts[-1][1], facts[-1][0])
    after = _server(state)
    return Changed(before=masked(before), after=masked(after), fields=compared(before, after))


def compared(before: State, after: State) -> list[ChangedField]:
    """The fields in which two states differ that may hold sealed values."""
    # A sealed value is compared as one text: what it differs in says nothing, and its parts are nobody's to see.
    found = differences(_whole(before or {}), _whole(after or {}))
    return [_field(one.field, one.before, one.after) for one in islice(found, MOST_CHANGES)]


def _server(state: SettingsState) -> State:
    """Of the one server there is, with what is sealed still sealed."""
    return next(({"name": one.name, "config": one.config} for one in state.servers.values()), None)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return f"{CIPHER}{value[SEALED_VALUE]}" if SEALED_VALUE in value else {k: _whole(v) for k, v in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _veiled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _veiled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_veiled(item) for item in value]
    return MASK if isinstance(value, str) and value.startswith(CIPHER) else value


def _field(field: str, before: Any, after: Any) -> ChangedField:
    before, after = _veiled(before), _veiled(after)
    return (
        ChangedField(field=field, hidden=True)
        if before == after
        else ChangedField(field=field, before=before, after=after)
    )
