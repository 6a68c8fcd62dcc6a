"""Taking a fact back: the command that makes the opposite, or why there is none.

Rules held here:
- nothing is rewritten: an undo is a new fact, made by the ordinary command, so that every rule holds for it;
- what came later stays: a fact whose thing was changed again is not taken back, and which change it was is said;
- afterwards it is as if the fact had never been, apart from where and when things stand;
- what is final says so: destroyed values, erasures, keys.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from eventsourcing.dcb.domain import Selector
from msgspec import UNSET, Struct
from msgspec.structs import asdict

from mcphub.domain.access import AccessModel, User
from mcphub.domain.codec import Recorded
from mcphub.domain.env_schedule import ConfigureEnvScheduler
from mcphub.domain.errors import (
    AlreadyUndone,
    Erased,
    KeyIsOver,
    NoChange,
    Outlives,
    Overtaken,
    PartOf,
    ValueGone,
    WholeSave,
)
from mcphub.domain.events import (
    ENV_SCHEDULER,
    SERVERS,
    UNDONE,
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    BackupMade,
    DayDropped,
    DaySealed,
    EnvSchedulerConfigured,
    EnvVarsChecked,
    Event,
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    HubRestored,
    HubVariableRemoved,
    HubVariableSet,
    KeyExpired,
    KeyExtended,
    KeyFirstUsed,
    KeyIssued,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    MasterKeyRotated,
    PasswordSet,
    SecretSlotDeclared,
    SecretSlotRetired,
    ServerAdded,
    ServerAudienceChanged,
    ServerChanged,
    ServerDisabled,
    ServerEnabled,
    ServerRef,
    ServerRemoved,
    ServerRenamed,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    SettingsFileImported,
    SignedIn,
    SignedOut,
    SystemConfigChanged,
    ToolApproved,
    ToolChanged,
    ToolDescriptionOverridden,
    ToolDisabled,
    ToolDiscovered,
    ToolEnabled,
    ToolNameReset,
    ToolOverrideReset,
    ToolQuarantined,
    ToolRenamed,
    ToolWithdrawn,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserInvited,
    UserKeyDestroyed,
    UserPreferencesChanged,
    UserProfileSynced,
    UserRegistered,
    UserRestored,
    hub_variable_tag,
    user_tag,
)
from mcphub.domain.findings import Policy
from mcphub.domain.groups import ChangeGroup, CreateGroup, DeleteGroup, SetGroupActive
from mcphub.domain.hub import Command
from mcphub.domain.hub_variables import RemoveHubVariable
from mcphub.domain.keys import ChangeKey, ExtendKey
from mcphub.domain.servers import (
    AddServer,
    ChangeServer,
    ChangeSystemConfig,
    RemoveServer,
    RenameServer,
)
from mcphub.domain.settings_command import SERVER_EVENTS
from mcphub.domain.settings_file import Document, compact
from mcphub.domain.settings_state import ServerState, SettingsState
from mcphub.domain.tokens import SaveValues
from mcphub.domain.users import (
    LIFE,
    ROSTER,
    ChangePreferences,
    DeleteUser,
    RestoreUser,
    SetAdmin,
    SetAuditor,
    SetUserActive,
)

Build = Callable[[], Command]
Mend = Callable[[Document, Document], Document]
ToolFact = ToolEnabled | ToolDisabled | ToolDescriptionOverridden | ToolOverrideReset | ToolRenamed | ToolNameReset
ServerFact = (
    ServerAdded
    | ServerChanged
    | ServerRenamed
    | ServerEnabled
    | ServerDisabled
    | ServerAudienceChanged
    | ServerRemoved
    | ToolFact
)
GroupFact = GroupCreated | GroupChanged | GroupActivated | GroupDeactivated | GroupDeleted

KEYS: list[type[Event]] = [KeyIssued, KeyRenamed, KeyExtended, KeyRotated, KeyRevoked, UserErased]
GROUPS: list[type[Event]] = [
    *(GroupCreated, GroupChanged, GroupActivated, GroupDeactivated, GroupDeleted, UserErased),
]
NAMES: list[type[Event]] = [ServerAdded, ServerRenamed, ServerRemoved]  # groups hold servers' names
VALUES: list[type[Event]] = [ServiceTokenSaved, ServiceTokenRemoved, UserErased]
# What counts where a user has said nothing, beside ''.
PREFERRED: dict[str, Any] = {
    "theme": "system",
    "density": "comfortable",
    "exposure_mode": "auto",
    "show_why": False,
    "pinned_tools": [],
}

# What says that something happened, and sets nothing that could be set back.
QUIET: list[type[Event]] = [
    *(UserProfileSynced, UserKeyDestroyed, SignedIn, SignedOut, KeyExpired, KeyFirstUsed),
    *(ToolDiscovered, ToolChanged, ToolWithdrawn, ToolQuarantined, DaySealed, DayDropped, EnvVarsChecked),
    *(MasterKeyRotated, BackupMade, HubRestored),
]
NEVER: dict[type[Event], Callable[[], Exception]] = {
    UserErased: Erased,
    UserKeyDestroyed: Erased,
    PasswordSet: ValueGone,
    ServiceTokenRemoved: ValueGone,
    HubVariableRemoved: ValueGone,
    KeyRevoked: KeyIsOver,
    KeyRotated: KeyIsOver,
    KeyIssued: lambda: Outlives("Revoke the key."),
    UserRegistered: lambda: Outlives("Delete the user."),
    UserInvited: lambda: Outlives("Make another invitation; this one works no longer then."),
    ToolApproved: lambda: Outlives("Switch the tool off."),
}


class Undoing(Struct, frozen=True, kw_only=True):
    """Who takes it back, and what the command needs to know beside the facts.

    Args:
        by: id of the user who does; '' for whoever holds the host.
        mend: (what a server's entry or `systemConfig` is to be, what stands there now) → the first, with each sealed
            value whose key is gone replaced by the present one of its place.
    """

    by: str
    now: datetime
    policy: Policy
    mend: Mend = lambda wanted, _: wanted


class State(Protocol):
    """What facts are folded into."""

    def apply(self, recorded: Recorded) -> None: ...


class Way(Struct, frozen=True):
    """How one fact is taken back.

    Args:
        place: what the fact has set, as the state has it: comparable, and changed by nothing later.
        back: the command that sets it again, from what the place held before, and the state now.
        own: is another fact about the same thing? What others bring along is no later change of it.
        state: empty.
    """

    place: Callable[[Any], Any]
    back: Callable[[Any, Any], Build]
    own: Callable[[Event], bool] = lambda _: True
    state: Callable[[], State] = AccessModel


def depends_on(event: Event) -> list[Selector]:
    """Which facts say whether, and how, one can be taken back: its history.

    Raises:
        NotUndoable: it never can, whatever they say.
    """
    if type(event) in NEVER:
        raise NEVER[type(event)]()
    match event:
        case UserActivated() | UserDeactivated() | UserDeleted() | UserRestored():
            return [Selector(types=LIFE, tags=[user_tag(event.user_id)])]
        case AdminGranted() | AdminRevoked():
            return [Selector(types=[*LIFE, *ROSTER], tags=[user_tag(event.user_id)])]
        case AuditorGranted() | AuditorRevoked():
            return [Selector(types=[*LIFE, AuditorGranted, AuditorRevoked], tags=[user_tag(event.user_id)])]
        case UserPreferencesChanged():
            return [Selector(types=[UserPreferencesChanged, UserErased], tags=[user_tag(event.user_id)])]
        case KeyRenamed() | KeyExtended():
            return [Selector(types=KEYS, tags=[user_tag(event.user_id)])]
        case ServiceTokenSaved():
            return [Selector(types=VALUES, tags=[user_tag(event.user_id)])]
        case GroupCreated() | GroupChanged() | GroupActivated() | GroupDeactivated() | GroupDeleted():
            return [Selector(types=GROUPS, tags=[user_tag(event.user_id)]), Selector(types=NAMES, tags=[SERVERS])]
        case HubVariableSet():
            return [Selector(types=[HubVariableSet, HubVariableRemoved], tags=[hub_variable_tag(event.name)])]
        case EnvSchedulerConfigured():
            return [Selector(types=[EnvSchedulerConfigured], tags=[ENV_SCHEDULER])]
    if type(event) in SERVER_EVENTS:
        return [Selector(types=SERVER_EVENTS, tags=[SERVERS])]
    raise NoChange


def inverse(history: Sequence[Recorded], position: int, undoing: Undoing) -> Build:
    """What takes the fact at a position back. The command itself may still refuse, as any command may.

    Args:
        history: the facts that `depends_on` names, oldest first, up to now.

    Raises:
        NotUndoable: why it is not to be.
    """
    fact = next(one for one in history if one.position == position)
    _must_stand_alone(history, fact)
    way = _way(fact.event, history, undoing)
    state = way.state()
    before = value = way.place(state)
    last = position
    for one in history:
        if one.position == position:
            before = way.place(state)
        state.apply(one)
        former, value = value, way.place(state)
        if one.position == position and value == before:
            raise NoChange
        if one.position > position and value != former and way.own(one.event):
            last = one.position
    if last != position:
        raise AlreadyUndone(last) if value == before else Overtaken(last)
    return way.back(before, state)


def _must_stand_alone(history: Sequence[Recorded], fact: Recorded) -> None:
    """
    Raises:
        PartOf, WholeSave: it was recorded with others, which are to be taken back instead.
    """
    if not isinstance(fact.event, SecretSlotDeclared | SecretSlotRetired | SettingsFileImported):
        return
    beside = [one for one in history if one.at == fact.at and one.meta == fact.meta]
    if isinstance(fact.event, SettingsFileImported):
        raise WholeSave(min(one.position for one in beside) - 1)
    for one in sorted(beside, key=lambda one: abs(one.position - fact.position)):
        if isinstance(one.event, ServerFact) and one.event.server_id == fact.event.server_id:
            raise PartOf(one.position)
    raise NoChange


def _way(event: Event, history: Sequence[Recorded], undoing: Undoing) -> Way:
    match event:
        case UserActivated() | UserDeactivated() | UserDeleted() | UserRestored():
            return _life(event, undoing.by)
        case AdminGranted(user_id=user) | AdminRevoked(user_id=user):
            return Way(lambda state: _user(state, user).admin, lambda before, _: lambda: SetAdmin(user, before))
        case AuditorGranted(user_id=user) | AuditorRevoked(user_id=user):
            return Way(lambda state: _user(state, user).auditor, lambda before, _: lambda: SetAuditor(user, before))
        case UserPreferencesChanged():
            return _preferences(event)
        case KeyRenamed() | KeyExtended():
            return _key(event, undoing.now)
        case ServiceTokenSaved():
            return _stored(
                lambda state: state.credentials_of(event.user_id, event.server_id).get(event.variable),
                lambda: SaveValues(event.user_id, [], [(event.server_id, event.variable)]),
            )
        case HubVariableSet(name=name):
            return _stored(lambda state: state.hub_variables.stored.get(name), lambda: RemoveHubVariable(name))
        case GroupCreated() | GroupChanged() | GroupActivated() | GroupDeactivated() | GroupDeleted():
            return _group(event)
        case EnvSchedulerConfigured():
            return Way(
                lambda state: state.env_checks.schedule, lambda before, _: lambda: ConfigureEnvScheduler(asdict(before))
            )
        case SystemConfigChanged():
            return Way(lambda state: state.settings.system_config, lambda before, now: _system(before, now, undoing))
        case ServerAdded() | ServerRemoved():
            return _presence(event, history, undoing)
        case ServerRenamed(server_id=server):
            return Way(
                lambda state: _of_server(state, server, lambda found: found.name),
                lambda before, now: lambda: RenameServer(now.servers[server].name, before),
            )
    if isinstance(event, ServerFact):
        return _configuration(event, undoing)
    raise NoChange


# users


def _user(state: AccessModel, user_id: str) -> User:
    return state.users.get(user_id) or User(user_id)


def _life(event: UserActivated | UserDeactivated | UserDeleted | UserRestored, by: str) -> Way:
    """A place is (erased, deleted, active, ever active)."""
    user_id = event.user_id

    def place(state: AccessModel) -> tuple[bool, bool, bool, bool]:
        user = _user(state, user_id)
        return user.erased, user.deleted, user.active, user.was_active

    def back(before: tuple[bool, bool, bool, bool], now: AccessModel) -> Build:
        _, _, active, was_active = before
        digest = now.users[user_id].name_digest
        match event:
            case UserDeleted():
                return lambda: RestoreUser(user_id, name_digest=digest, active=active)
            case UserRestored():
                return lambda: DeleteUser(user_id, by=by, name_digest=digest)
        return lambda: SetUserActive(user_id, active, by=by, cause="" if was_active else UNDONE)

    return Way(place, back)


class _Preferences:
    """What a user prefers; the access model keeps a part of it."""

    def __init__(self) -> None:
        self.now: dict[str, Any] = dict.fromkeys(ChangePreferences.FIELDS, "") | PREFERRED

    def apply(self, recorded: Recorded) -> None:
        match recorded.event:
            case UserPreferencesChanged() as event:
                self.now |= {name: getattr(event, name) for name in _said(event, ChangePreferences.FIELDS)}
            case UserErased():
                self.now.clear()


def _preferences(event: UserPreferencesChanged) -> Way:
    said = _said(event, ChangePreferences.FIELDS)

    def place(state: _Preferences) -> dict[str, Any]:
        return {name: state.now.get(name) for name in said}

    return Way(place, lambda before, _: lambda: ChangePreferences(event.user_id, **before), state=_Preferences)


# keys and values


def _key(event: KeyRenamed | KeyExtended, now: datetime) -> Way:
    """A place is what the fact says of the key; None when the key, or its owner, is no more."""
    user_id, key_id = event.user_id, event.key_id
    said = _said(event, ("name", "description", "header_only", "scope")) if isinstance(event, KeyRenamed) else []
    members = said or ["expires_at"]

    def place(state: AccessModel) -> dict[str, Any] | None:
        key = state.keys.get(key_id)
        return None if key is None or key.revoked else {name: getattr(key, name) for name in members}

    def back(before: dict[str, Any], _: AccessModel) -> Build:
        if said:
            return lambda: ChangeKey(user_id, key_id, now, **before)
        until = before["expires_at"]
        if until <= now:
            raise KeyIsOver
        return lambda: ExtendKey(user_id, key_id, now, until=until)

    return Way(place, back)


def _stored(place: Callable[[AccessModel], Any], forget: Build) -> Way:
    """A sealed value. Of one that replaced another the former is destroyed."""

    def back(before: Any, _: AccessModel) -> Build:
        if before is not None:
            raise ValueGone
        return forget

    return Way(place, back)


# groups


def _group(event: GroupFact) -> Way:
    """A place is what the fact says of the group; None when there is none."""
    user_id, group_id = event.user_id, event.group_id
    match event:
        case GroupChanged():
            members = _said(event, ("name", "slug", "description", "servers"))
        case GroupActivated() | GroupDeactivated():
            members = ["active"]
        case _:
            members = ["name", "slug", "description", "servers", "active", "created_at"]

    def place(state: AccessModel) -> dict[str, Any] | None:
        group = state.groups_of.get(user_id, {}).get(group_id)
        if group is None:
            return None
        named = state.named_by(group)
        return {name: named if name == "servers" else getattr(group, name) for name in members}

    def back(before: dict[str, Any] | None, now: AccessModel) -> Build:
        if before is None:
            return lambda: DeleteGroup(user_id, group_id)
        servers = [_as_called_now(ref, now) for ref in before.pop("servers", [])]
        match event:
            case GroupActivated() | GroupDeactivated():
                return lambda: SetGroupActive(user_id, group_id, before["active"])
            case GroupDeleted():
                made = before.pop("created_at")
                return lambda: CreateGroup(user_id, group_id, servers=servers, made=made, **before)
        wanted = servers if "servers" in members else UNSET
        return lambda: ChangeGroup(user_id, group_id, servers=wanted, **before)

    return Way(place, back, lambda one: getattr(one, "group_id", "") == group_id)


def _as_called_now(ref: ServerRef, now: AccessModel) -> ServerRef:
    server = now.servers.get(ref.server_id)
    return ref if server is None else ServerRef(server.server_id, server.name)


# servers


def _of_server(state: AccessModel, server_id: str, read: Callable[[ServerState], Any]) -> Any:
    """None when there is no such server."""
    server = state.servers.get(server_id)
    return None if server is None else read(server)


def _presence(event: ServerAdded | ServerRemoved, history: Sequence[Recorded], undoing: Undoing) -> Way:
    server_id = event.server_id

    def back(before: tuple[str, str, Document] | None, now: AccessModel) -> Build:
        if before is None:
            return lambda: RemoveServer(now.servers[server_id].name)
        name, slug, former = before
        config = undoing.mend({"mcpServers": {name: former}}, {"mcpServers": {}})["mcpServers"][name]
        made = next(
            one.event.made or one.at
            for one in history
            if isinstance(one.event, ServerAdded) and one.event.server_id == server_id
        )
        follows = _stood_behind(event, history, now)
        return lambda: AddServer(server_id, name, config, policy=undoing.policy, slug=slug, made=made, follows=follows)

    return Way(
        lambda state: _of_server(state, server_id, lambda found: (found.name, found.slug, found.config)),
        back,
        lambda one: getattr(one, "server_id", "") == server_id,
    )


def _stood_behind(removed: ServerAdded | ServerRemoved, history: Sequence[Recorded], now: AccessModel) -> str | None:
    """Id of the nearest server in front of one that was removed which is there now; see ServerAdded."""
    state = SettingsState()
    for one in history:
        if one.event is removed:
            break
        state.apply(one.event, one.position)
    order = list(state.order)
    in_front = order[: order.index(removed.server_id)]
    nearest = next((other for other in reversed(in_front) if other in now.servers), "")
    return nearest if nearest != next(reversed(now.settings.order), "") else None


@dataclass(frozen=True, eq=False)
class _Configured:
    """One member of a server's entry, compared by that member alone; what stands around it comes along.

    Args:
        path: in the entry; () for all of it.
        config: the entry; None when there is no such server.
    """

    path: tuple[str, ...]
    config: Document | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Configured) and self._known() == other._known()

    def __hash__(self) -> int:
        return hash(self.path)

    def _known(self) -> Any:
        """As text, in which 1 is not true; UNSET for what is not there, None without a server."""
        if self.config is None:
            return None
        value: Any = self.config
        for name in self.path:
            value = value.get(name, UNSET) if isinstance(value, dict) else UNSET
        return value if value is UNSET else compact(value)


def _configuration(event: ServerFact, undoing: Undoing) -> Way:
    server_id = event.server_id
    path: tuple[str, ...]
    match event:
        case ServerEnabled() | ServerDisabled():
            path = ("enabled",)
        case ServerAudienceChanged():
            path = ("mcphub", "audience")
        case ToolEnabled() | ToolDisabled():
            path = (event.kind, event.tool, "enabled")
        case ToolDescriptionOverridden() | ToolOverrideReset():
            path = (event.kind, event.tool, "description")
        case ToolRenamed() | ToolNameReset():
            path = (event.kind, event.tool, "name")
        case _:
            path = ()

    def back(before: _Configured, now: AccessModel) -> Build:
        server = now.servers[server_id]
        name, former, present = server.name, before.config or {}, server.config
        wanted = _put_back(present, former, path) if path else former
        mended = undoing.mend({"mcpServers": {name: wanted}}, {"mcpServers": {name: present}})["mcpServers"][name]
        return lambda: ChangeServer(name, config=mended, policy=undoing.policy)

    return Way(
        lambda state: _Configured(path, _of_server(state, server_id, lambda found: found.config)),
        back,
        lambda one: getattr(one, "server_id", "") == server_id,
    )


def _put_back(now: Document, former: Document, path: tuple[str, ...]) -> Document:
    """What is there now, with the member at `path` as it was; what was made to hold it goes with it."""
    name, *rest = path
    out = {key: value for key, value in now.items() if key != name}
    if rest:
        inner, before = now.get(name), former.get(name)
        member: Any = _put_back(
            inner if isinstance(inner, dict) else {}, before if isinstance(before, dict) else {}, tuple(rest)
        )
        if not member and name not in former:
            member = UNSET
    else:
        member = former.get(name, UNSET)
    if member is UNSET:
        return out
    out[name] = member
    order = former if out.keys() == former.keys() else now if name in now else out
    return {key: out[key] for key in order}


def _system(before: Document | None, now: AccessModel, undoing: Undoing) -> Build:
    if before is None:
        return lambda: ChangeSystemConfig(None)
    present = now.settings.system
    mended = undoing.mend({"systemConfig": before}, {"systemConfig": present})["systemConfig"]
    return lambda: ChangeSystemConfig(mended)


def _said(event: Event, members: Iterable[str]) -> list[str]:
    """The members of a fact that says only what changed."""
    return [name for name in members if getattr(event, name) is not UNSET]
