"""The one decision: may this principal use this capability now, and why.

`AccessModel` is a pure fold of the ledger held in dicts; `decide` and `visible_servers` read it.
The gateway's lists and calls, the simulator and questions about the past all use them, so nothing is listed that a call
would refuse, and the other way round.
When in doubt the answer is no.

The clock is part of each decision: keys expire without an event.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from msgspec import UNSET, Struct

from mcphub.domain.audience import Audience, users_named
from mcphub.domain.codec import Recorded
from mcphub.domain.env_schedule import EnvChecks
from mcphub.domain.events import (
    UNDONE,
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    EnvSchedulerConfigured,
    EnvVarsChecked,
    Event,
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    HubVariableRemoved,
    HubVariableSet,
    KeyExtended,
    KeyFirstUsed,
    KeyIssued,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    PasswordSet,
    Scope,
    ServerRef,
    ServerRemoved,
    ServerRenamed,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    SignedIn,
    SignedOut,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserMembershipsChanged,
    UserPreferencesChanged,
    UserRegistered,
    UserRestored,
    about,
)
from mcphub.domain.hub_variables import HubVariables
from mcphub.domain.server_refs import ServerRefs
from mcphub.domain.servers import ServerState, SettingsState
from mcphub.domain.tool_book import TOOL_FACTS, ToolBook, applied
from mcphub.domain.tool_names import KnownTools

Kind = Literal["tools", "prompts", "resources"]

UserFact = (
    UserRegistered
    | UserActivated
    | UserMembershipsChanged
    | UserDeactivated
    | UserDeleted
    | UserRestored
    | UserErased
    | AdminGranted
    | AdminRevoked
    | AuditorGranted
    | AuditorRevoked
    | PasswordSet
    | SignedIn
    | SignedOut
    | UserPreferencesChanged
)
KeyFact = KeyIssued | KeyRenamed | KeyExtended | KeyRotated | KeyRevoked | KeyFirstUsed
GroupFact = GroupCreated | GroupChanged | GroupActivated | GroupDeactivated | GroupDeleted
USER_FACTS, KEY_FACTS, GROUP_FACTS = (frozenset(get_args(facts)) for facts in (UserFact, KeyFact, GroupFact))


class User(Struct, gc=False):
    """What the gateway and the browser session check know of a user; names are sealed and not here."""

    user_id: str
    provider: str = "local"
    name_digest: str = ""  # of the `username:` tag: owner and audience lists are compared by it
    identity: str = ""  # keyed digest of issuer and subject, for somebody who signs in elsewhere
    issuer: str = ""
    memberships: frozenset[str] = frozenset()  # keyed digests of what the provider says the user belongs to
    active: bool = False
    was_active: bool = False
    admin: bool = False
    auditor: bool = False
    deleted: bool = False
    erased: bool = False
    exposure_mode: str = "auto"
    show_why: bool = False
    pinned_tools: tuple[str, ...] = ()
    language: str = ""
    auth_version: int = 0  # position of the last fact that ended all his sessions
    password: str = ""  # sealed argon2id hash of a local account
    sessions: dict[str, int] = {}  # living browser and script sessions: id → position of SignedIn


class Key(Struct, gc=False):
    key_id: str
    user_id: str
    name: str
    digest: str
    prefix: str
    last4: str
    issued_at: datetime
    expires_at: datetime
    description: str = ""
    header_only: bool = False
    scope: Scope | None = None
    revoked: bool = False
    grace_until: datetime | None = None
    used: bool = False

    def usable(self, at: datetime) -> bool:
        """Not revoked, not expired, and, once rotated, within its grace."""
        return not self.revoked and at < self.expires_at and (self.grace_until is None or at < self.grace_until)

    def ends_soon(self, at: datetime) -> bool:
        """Is this the last week of a key that still opens something?"""
        return self.usable(at) and self.expires_at - at <= WARNED


WARNED = timedelta(days=7)  # how long before its end a key's owner is told
MOST_REMEMBERED = 2000  # users whose visible servers are kept


class Group(Struct, gc=False):
    group_id: str
    user_id: str
    name: str
    slug: str
    description: str
    refs: tuple[int, ...]  # the servers it names, see AccessModel.refs
    active: bool
    created_at: datetime
    updated_at: datetime
    position: int


class Credential(Struct, frozen=True, gc=False):
    """A user's stored value for one slot. `position` is its version."""

    sealed: str
    data_key: str
    mask: str
    fingerprint: str
    position: int
    saved_at: datetime


class View(Struct, frozen=True):
    """What one MCP URL shows: everything, one server, or one own group."""

    kind: Literal["all", "server", "group"] = "all"
    id: str = ""

    def __str__(self) -> str:
        return self.kind if self.kind == "all" else f"{self.kind}:{self.id}"


ALL = View()


class Principal(Struct, frozen=True):
    """Who asks: a user, by a key (scope and expiry count) or, with no key, through the browser."""

    user_id: str
    key_id: str = ""


class Capability(Struct, frozen=True):
    """Something of a server that may be used: a tool, a prompt or a resource, by its upstream name.

    Args:
        definition: hash of what the user's own latest list says of a tool; '' when that is not known.
    """

    server_id: str
    kind: Kind = "tools"
    name: str = ""
    definition: str = ""


Reason = Literal[
    "allowed",
    "unknown_user",
    "user_inactive",
    "key_unusable",
    "unknown_server",
    "server_disabled",
    "not_in_audience",
    "outside_key_scope",
    "outside_view",
    "no_active_group",
    "not_in_active_group",
    "switched_off",
    "quarantined",
]


class Decision(Struct, frozen=True):
    allowed: bool
    reason: Reason


YES = Decision(True, "allowed")


class AccessModel:
    """Key digest → key → user → active groups → servers, in dicts; one live instance a process, kept fresh by the Tail.

    Not thread-safe: fold and decide on the same thread.

    Args:
        name_digest: the vault's keyed digest of a user name; owners and audiences of servers are written as names.
        membership_digest: the vault's keyed digest of a membership: user id, issuer, kind and name.
    """

    def __init__(
        self,
        name_digest: Callable[[str], str] = lambda name: name,
        membership_digest: Callable[[str, str, str, str], str] = lambda *parts: " ".join(parts),
    ) -> None:
        self.position = 0
        self.users: dict[str, User] = {}
        self.user_by_name: dict[str, str] = {}  # digest of the name → user id; erased users leave it
        self.user_by_identity: dict[str, str] = {}  # digest of issuer and subject → user id; erased users leave it
        self.keys: dict[str, Key] = {}
        self.key_by_digest: dict[str, Key] = {}
        self.keys_of: dict[str, dict[str, Key]] = {}
        self.groups_of: dict[str, dict[str, Group]] = {}
        self.refs = ServerRefs()
        self.credentials: dict[str, dict[str, dict[str, Credential]]] = {}  # user → server → variable
        self.settings = SettingsState()
        self.tools: dict[str, ToolBook] = {}  # server → what its lists brought; none before the first one
        self.hub_variables = HubVariables()
        self.env_checks = EnvChecks()
        self._name_digest = name_digest
        self._membership_digest = membership_digest
        # (user, server) → of which audience and memberships it was found out, and what
        self._meant: dict[tuple[str, str], tuple[Audience, frozenset[str], bool]] = {}
        # user → (key, view) → what `reasons` found; of the users who asked last
        self._visible: dict[str, dict[tuple[str, View], dict[str, Reason]]] = {}
        self._latest_of: dict[str, int] = {}  # user → position of the last fact about them
        self._latest_of_all = 0  # of the last fact about no user

    @property
    def servers(self) -> dict[str, ServerState]:
        return self.settings.servers

    # fold

    def apply(self, recorded: Recorded) -> None:
        """Folds one fact in. Facts come in order; one already folded is passed over, so a tail may start again."""
        if recorded.position <= self.position:
            return
        self.position = position = recorded.position
        event = recorded.event
        if user_id := about(event):
            if self._visible:
                self._visible.pop(user_id, None)
            self._latest_of[user_id] = position
        else:
            self._visible.clear()
            self._latest_of_all = position
        self.fold((recorded,))

    def fold(self, facts: Iterable[Recorded]) -> None:
        """Folds facts into a model that nobody has asked yet: in order, each once, and `position` is the caller's."""
        for recorded in facts:
            event = recorded.event
            # By area first: each of a million facts would be compared with forty types. And there by `is`: a pattern
            # that does not match costs four times as much.
            AREAS.get(type(event), AccessModel._other)(self, event, recorded)

    def _person(self, event: UserFact, recorded: Recorded) -> None:
        if type(event) is UserPreferencesChanged:
            user = self._user(event.user_id)
            if event.exposure_mode is not UNSET:
                user.exposure_mode = event.exposure_mode
            if event.show_why is not UNSET:
                user.show_why = event.show_why
            if event.pinned_tools is not UNSET:
                user.pinned_tools = tuple(event.pinned_tools)
            if event.language is not UNSET:
                user.language = event.language
        elif type(event) is UserRegistered:
            digest = next((tag[9:] for tag in recorded.tags if tag.startswith("username:")), "")
            self.users[event.user_id] = User(
                event.user_id,
                provider=event.provider,
                name_digest=digest,
                identity=event.identity,
                issuer=event.issuer,
            )
            self.user_by_name[digest] = event.user_id
            if event.identity:
                self.user_by_identity[event.identity] = event.user_id
        elif type(event) is UserActivated:
            user = self._user(event.user_id)
            user.active = user.was_active = True
        elif type(event) is UserMembershipsChanged:
            self._user(event.user_id).memberships = frozenset(event.memberships)
        elif type(event) is UserDeactivated:
            user = self._user(event.user_id)
            user.active, user.memberships = False, frozenset()
            user.was_active = user.was_active and event.cause != UNDONE
            self._end_sessions(event.user_id, recorded.position)
        elif type(event) is UserDeleted:
            user = self._user(event.user_id)
            user.active, user.deleted, user.memberships = False, True, frozenset()
            self._end_sessions(event.user_id, recorded.position)
        elif type(event) is UserRestored:
            self._user(event.user_id).deleted = False
        elif type(event) is UserErased:
            self._erase(event.user_id, recorded.position)
        elif type(event) is AdminGranted:
            self._user(event.user_id).admin = True
        elif type(event) is AdminRevoked:
            self._user(event.user_id).admin = False
        elif type(event) is AuditorGranted:
            self._user(event.user_id).auditor = True
        elif type(event) is AuditorRevoked:
            self._user(event.user_id).auditor = False
        elif type(event) is PasswordSet:
            self._user(event.user_id).password = event.sealed
            self._end_sessions(event.user_id, recorded.position)
        elif type(event) is SignedIn:
            self._user(event.user_id).sessions[event.session_id] = recorded.position
        elif type(event) is SignedOut and event.session_id == "":
            self._end_sessions(event.user_id, recorded.position)
        elif type(event) is SignedOut:
            self._user(event.user_id).sessions.pop(event.session_id, None)

    def _key(self, event: KeyFact, recorded: Recorded) -> None:
        if type(event) is KeyIssued:
            self._issue(event, recorded.at)
        elif type(event) is KeyFirstUsed:
            self.keys[event.key_id].used = True
        elif type(event) is KeyExtended:
            self.keys[event.key_id].expires_at = event.expires_at
        elif type(event) is KeyRotated:
            self.keys[event.key_id].grace_until = event.grace_until
        elif type(event) is KeyRevoked:
            self.keys[event.key_id].revoked = True
        elif type(event) is KeyRenamed:
            key = self.keys[event.key_id]
            for name in ("name", "description", "header_only", "scope"):
                if (value := getattr(event, name)) is not UNSET:
                    setattr(key, name, value)

    def _save_value(self, event: ServiceTokenSaved, recorded: Recorded) -> None:
        of_user = self.credentials.get(event.user_id)
        if of_user is None:
            of_user = self.credentials[event.user_id] = {}
        values = of_user.get(event.server_id)
        if values is None:
            values = of_user[event.server_id] = {}
        values[event.variable] = Credential(
            event.sealed, event.data_key, event.mask, event.fingerprint, recorded.position, recorded.at
        )

    def _remove_value(self, event: ServiceTokenRemoved, _: Recorded) -> None:
        self.credentials.get(event.user_id, {}).get(event.server_id, {}).pop(event.variable, None)

    def _tool(self, event: Any, recorded: Recorded) -> None:
        self.tools[event.server_id] = applied(self.tools.get(event.server_id), event, recorded.position)

    def _other(self, event: Event, recorded: Recorded) -> None:
        match event:
            case HubVariableSet() | HubVariableRemoved():
                self.hub_variables.apply(recorded)
            case EnvSchedulerConfigured() | EnvVarsChecked():
                self.env_checks.apply(recorded)
            case ServerRenamed():
                self._rename_in_groups(event)
                self.settings.apply(event, recorded.position)
            case ServerRemoved():
                self._meant.clear()  # what is known of its tools stays: it may come back
                self.settings.apply(event, recorded.position)
            case _:
                self.settings.apply(event, recorded.position)

    def _user(self, user_id: str) -> User:
        user = self.users.get(user_id)
        if user is None:
            user = self.users[user_id] = User(user_id)
        return user

    def _end_sessions(self, user_id: str, position: int) -> None:
        user = self._user(user_id)
        user.sessions.clear()
        user.auth_version = position

    def _erase(self, user_id: str, position: int) -> None:
        for key_id in self.keys_of.pop(user_id, {}):
            key = self.keys.pop(key_id)
            self.key_by_digest.pop(key.digest, None)
        self._meant.clear()
        self.groups_of.pop(user_id, None)
        self.credentials.pop(user_id, None)
        user = self._user(user_id)
        for known, digest in ((self.user_by_name, user.name_digest), (self.user_by_identity, user.identity)):
            if known.get(digest) == user_id:
                del known[digest]
        self.users[user_id] = User(user_id, erased=True, deleted=True, auth_version=position)

    def _issue(self, event: KeyIssued, at: datetime) -> None:
        key = Key(
            key_id=event.key_id,
            user_id=event.user_id,
            name=event.name,
            digest=event.digest,
            prefix=event.prefix,
            last4=event.last4,
            issued_at=at,
            expires_at=event.expires_at,
            description=event.description,
            header_only=event.header_only,
            scope=event.scope,
        )
        self.keys[key.key_id] = self.key_by_digest[key.digest] = key
        self.keys_of.setdefault(key.user_id, {})[key.key_id] = key

    def _group(self, event: GroupFact, recorded: Recorded) -> None:
        groups = self.groups_of.get(event.user_id)
        if groups is None:
            groups = self.groups_of[event.user_id] = {}
        if type(event) is GroupCreated:
            groups[event.group_id] = Group(
                event.group_id,
                event.user_id,
                event.name,
                event.slug,
                event.description,
                self.refs.numbers(event.servers),
                True,
                event.made or recorded.at,
                recorded.at,
                recorded.position,
            )
            return
        elif type(event) is GroupDeleted:
            groups.pop(event.group_id, None)
            return
        group = groups[event.group_id]
        group.updated_at, group.position = recorded.at, recorded.position
        if type(event) is GroupChanged:
            for name in ("name", "slug", "description"):
                if (value := getattr(event, name)) is not UNSET:
                    setattr(group, name, value)
            if event.servers is not UNSET:
                group.refs = self.refs.numbers(event.servers)
        elif type(event) is GroupActivated:
            group.active = True
        elif type(event) is GroupDeactivated:
            group.active = False

    def _rename_in_groups(self, event: ServerRenamed) -> None:
        """Into every group that means the server, by its id or because it took the name of one that is gone."""
        former = self.servers[event.server_id].name
        self.refs.rename(former, ServerRef(event.server_id, event.name), self.servers)

    # questions

    def authenticate(self, digest: str, at: datetime) -> Principal | None:
        """The principal behind a key's digest; None for an unknown, expired or revoked key or a locked-out owner."""
        key = self.key_by_digest.get(digest)
        if key is None or not key.usable(at):
            return None
        user = self.users.get(key.user_id)
        if user is None or not user.active:
            return None
        return Principal(key.user_id, key.key_id)

    def alive(self, principal: Principal, at: datetime) -> bool:
        """Does the principal still exist for the gateway: user active, key usable?"""
        return self._standing(principal, at) == "allowed"

    def stood_at(self, user_id: str) -> int:
        """Position of the last fact that what the user sees may depend on."""
        return max(self._latest_of.get(user_id, 0), self._latest_of_all)

    def credentials_of(self, user_id: str, server_id: str) -> dict[str, Credential]:
        """Canonical variable name → stored value; empty when nothing is saved."""
        return self.credentials.get(user_id, {}).get(server_id, {})

    def credential_version(self, user_id: str, server_id: str) -> str:
        """Names the state of a user's values for a server without holding any: it is part of the runtime's key."""
        stored = self.credentials_of(user_id, server_id)
        return ",".join(f"{name}@{stored[name].position}" for name in sorted(stored))

    def named_by(self, group: Group) -> list[ServerRef]:
        """The servers of a group, by the names they have now, or had last."""
        return self.refs.of(group.refs)

    def resolve(self, ref: ServerRef) -> ServerState | None:
        """The living server a group means: by id, else another server that carries the name now."""
        return self.servers.get(ref.server_id) or self.settings.by_name(ref.name)

    def active_groups(self, user_id: str) -> list[Group]:
        return [group for group in self.groups_of.get(user_id, {}).values() if group.active]

    def group_by_slug(self, user_id: str, slug: str) -> Group | None:
        return next((group for group in self.groups_of.get(user_id, {}).values() if group.slug == slug), None)

    def entitled(self, user_id: str, server: ServerState) -> bool:
        """Is the server meant for the user? Groups, keys and its switch are not asked."""
        user = self.users.get(user_id)
        return user is not None and user.active and self._in_audience(user, server)

    def reach(self, audience: Audience, users: Iterable[User]) -> set[str]:
        """Ids of those of these users whom an audience takes in, whether or not a server has it."""
        if audience.everyone:
            return {user.user_id for user in users}
        names = {self._name_digest(name) for name in audience.users}
        members = Audience(memberships=audience.memberships)
        return {user.user_id for user in users if user.name_digest in names or self._matches(user, members)}

    def reasons(
        self, principal: Principal, view: View, at: datetime, as_if: Collection[str] | None = None
    ) -> dict[str, Reason]:
        """Server id → why it is, or is not, visible. The one place that knows the rules; cached until the next fact
        about the user or about all.

        Args:
            as_if: ids of the user's groups to take for the active ones; only a preview says so.
        """
        standing = self._standing(principal, at)
        if standing != "allowed":
            return dict.fromkeys(self.servers, standing)
        if as_if is not None:
            return self._decide_servers(principal, view, self._own(principal.user_id, as_if))
        known = self._visible.get(principal.user_id)
        if known is None:
            if len(self._visible) >= MOST_REMEMBERED:
                del self._visible[next(iter(self._visible))]
            known = self._visible[principal.user_id] = {}
        cached = known.get((principal.key_id, view))
        if cached is None:
            cached = self._decide_servers(principal, view, self.active_groups(principal.user_id))
            known[principal.key_id, view] = cached
        return cached

    def governed(self, server: ServerState) -> bool:
        """May definitions of the server's tools have to wait?"""
        book = self.tools.get(server.server_id)
        return server.strict or (book is not None and book.closed is not None)

    def known_tools(self, name: str) -> KnownTools:
        """What is known of the tools of the server that has this name; nothing when there is none."""
        server = self.settings.by_name(name)
        if server is None:
            return KnownTools()
        book = self.tools.get(server.server_id)
        listed = list(book.tools.items()) if book is not None else []  # whole, as documents are checked in threads
        return KnownTools(server.slug, [tool for tool, one in listed if not one.withdrawn], server.given_names)

    def offered(self, server: ServerState, kind: Kind, name: str, definition: str) -> Reason:
        """May a thing of a visible server be seen and used by who has it in this form?"""
        if not server.switched_on(kind, name):
            return "switched_off"
        book = self.tools.get(server.server_id)
        if kind == "tools" and book is not None and book.withholds(name, definition, strict=server.strict):
            return "quarantined"
        return "allowed"

    def spoken_for(self) -> dict[str, list[str]]:
        """Digest of a user name → the servers that name it as owner or in their audience, whether or not it exists."""
        found: dict[str, list[str]] = {}
        for server in self.servers.values():
            for digest in {self._name_digest(name) for _, name in users_named(server.config)}:
                found.setdefault(digest, []).append(server.name)
        return found

    def _standing(self, principal: Principal, at: datetime) -> Reason:
        user = self.users.get(principal.user_id)
        if user is None or user.erased:
            return "unknown_user"
        if not user.active:
            return "user_inactive"
        if principal.key_id:
            key = self.keys.get(principal.key_id)
            if key is None or key.user_id != principal.user_id or not key.usable(at):
                return "key_unusable"
        return "allowed"

    def _own(self, user_id: str, group_ids: Collection[str]) -> list[Group]:
        return [group for group in self.groups_of.get(user_id, {}).values() if group.group_id in group_ids]

    def _decide_servers(self, principal: Principal, view: View, active: list[Group]) -> dict[str, Reason]:
        user = self.users[principal.user_id]
        scope = self.keys[principal.key_id].scope if principal.key_id else None
        grouped = self._grouped(user.user_id, active)
        scoped = self._scoped(user.user_id, scope)
        viewed = self._viewed(view, active)
        out: dict[str, Reason] = {}
        for server_id, server in self.servers.items():
            reason: Reason = "allowed"
            if not server.enabled:
                reason = "server_disabled"
            elif not self._in_audience(user, server):
                reason = "not_in_audience"
            elif grouped is not None and server_id not in grouped:
                reason = "not_in_active_group" if active else "no_active_group"
            elif scoped is not None and server_id not in scoped:
                reason = "outside_key_scope"
            elif viewed is not None and server_id not in viewed:
                reason = "outside_view"
            out[server_id] = reason
        return out

    def _grouped(self, user_id: str, active: list[Group]) -> set[str] | None:
        """Servers of the active groups; None when the user has no group at all, which narrows nothing."""
        return self._members(active) if self.groups_of.get(user_id) else None

    def _members(self, groups: Iterable[Group]) -> set[str]:
        found = (self.resolve(ref) for group in groups for ref in self.named_by(group))
        return {server.server_id for server in found if server is not None}

    def _scoped(self, user_id: str, scope: Scope | None) -> set[str] | None:
        """An empty list means nothing; both lists together mean what is in both."""
        if scope is None or (scope.servers is None and scope.groups is None):
            return None
        allowed: set[str] | None = None
        if scope.servers is not None:
            allowed = set(scope.servers)
        if scope.groups is not None:
            own = self.groups_of.get(user_id, {})
            members = self._members(own[group] for group in scope.groups if group in own)
            allowed = members if allowed is None else allowed & members
        return allowed

    def _viewed(self, view: View, active: list[Group]) -> set[str] | None:
        match view.kind:
            case "all":
                return None
            case "server":
                return {view.id}
            case "group":
                return self._members(group for group in active if group.group_id == view.id)

    def _in_audience(self, user: User, server: ServerState) -> bool:
        """Is the server meant for the user? Asked again only when its audience or the user's memberships are others."""
        audience = server.audience
        if audience.everyone:
            return True
        known = self._meant.get((user.user_id, server.server_id))
        if known is None or known[0] is not audience or known[1] is not user.memberships:
            known = audience, user.memberships, self._matches(user, audience)
            self._meant[user.user_id, server.server_id] = known
        return known[2]

    def _matches(self, user: User, audience: Audience) -> bool:
        if any(self._name_digest(name) == user.name_digest for name in audience.users):
            return True
        return bool(user.memberships) and any(
            self._membership_digest(user.user_id, user.issuer, one.kind, one.name) in user.memberships
            for one in audience.memberships
        )


AREAS: dict[type[Event], Callable[[AccessModel, Any, Recorded], None]] = {
    **dict.fromkeys(USER_FACTS, AccessModel._person),
    **dict.fromkeys(KEY_FACTS, AccessModel._key),
    **dict.fromkeys(GROUP_FACTS, AccessModel._group),
    **dict.fromkeys(TOOL_FACTS, AccessModel._tool),
    ServiceTokenSaved: AccessModel._save_value,
    ServiceTokenRemoved: AccessModel._remove_value,
}


def decide(
    model: AccessModel,
    principal: Principal,
    capability: Capability,
    at: datetime,
    view: View = ALL,
    as_if: Collection[str] | None = None,
) -> Decision:
    """May this principal use this capability now, through this view? Pure; the lists use it too.

    Args:
        as_if: see `AccessModel.reasons`.
    """
    reason = model.reasons(principal, view, at, as_if).get(capability.server_id, "unknown_server")
    if reason != "allowed":
        return Decision(False, reason)
    if capability.name:
        server = model.servers[capability.server_id]
        reason = model.offered(server, capability.kind, capability.name, capability.definition)
    return YES if reason == "allowed" else Decision(False, reason)


def visible_servers(model: AccessModel, principal: Principal, at: datetime, view: View = ALL) -> list[ServerState]:
    """The servers whose capabilities the principal may use, by slug."""
    reasons = model.reasons(principal, view, at)
    seen = [model.servers[server_id] for server_id, reason in reasons.items() if reason == "allowed"]
    return sorted(seen, key=lambda server: server.slug)


def explain(model: AccessModel, principal: Principal, at: datetime, view: View = ALL) -> dict[str, Reason]:
    """Server name → why it is visible or hidden: what the simulator and `why` show."""
    reasons = model.reasons(principal, view, at)
    return {model.servers[server_id].name: reason for server_id, reason in reasons.items()}
