# mypy: disable-error-code="misc"
# The library's Decision is a mutable struct; ours are frozen, which holds at run time and which the checker refuses.
"""Every fact the hub records, as one tagged union: the closed registry.

An event is past tense, immutable, and carries only what changed.
Time, actor and request are the envelope's. Personal data and secrets appear sealed only (`vault.py`).
A new field has a default; a new meaning is a new class; a retired class moves to `legacy.py`, decodable for ever.
"""

from datetime import date, datetime
from typing import Any, ClassVar

from eventsourcing.dcb.msgpack import Decision
from msgspec import UNSET, Raw, Struct, UnsetType


class Event(Decision, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=True):
    """One immutable fact. The class name is the stored type name and never changes."""

    TOPIC: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # The library would store "module:Class"; a short stable name survives every move of the module.
        cls.TOPIC = cls.__name__

    def mutate(self, obj: Any) -> Any:
        obj.evolve(self)
        return obj


class ServerRef(Struct, frozen=True, gc=False):
    """A server as a group names it: the id it had, and the name, which counts again when another server takes it."""

    server_id: str
    name: str


class Scope(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a key is narrowed to. None means not narrowed; an empty list means nothing."""

    servers: list[str] | None = None  # server ids
    groups: list[str] | None = None  # group ids
    mode: str | None = None  # tools | servers | search | auto


# users


class UserRegistered(Event, frozen=True, kw_only=True):
    """A person is known; not yet let in: that is UserActivated. Tags: user, username, identity.

    The user name is the hub's and stays; the login is the provider's, who may give it to somebody else.
    """

    user_id: str
    username: str  # sealed, purpose profile.username
    display_name: str = ""  # sealed, purpose profile.display_name
    email: str = ""  # sealed, purpose profile.email
    provider: str = "local"  # local | github | oidc
    # Of somebody who signs in elsewhere:
    identity: str = ""  # keyed digest of issuer and subject
    issuer: str = ""
    subject: str = ""  # sealed, purpose profile.subject
    login: str = ""  # sealed, purpose profile.login
    avatar_url: str = ""  # sealed, purpose profile.avatar_url
    profile_url: str = ""  # sealed, purpose profile.profile_url


class UserProfileSynced(Event, frozen=True, kw_only=True):
    """The provider says something else of the person than before; only the fields that changed, sealed. Tags: user."""

    user_id: str
    display_name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    login: str | UnsetType = UNSET
    avatar_url: str | UnsetType = UNSET
    profile_url: str | UnsetType = UNSET


class UserMembershipsChanged(Event, frozen=True, kw_only=True):
    """What the provider says the user belongs to now: all of it, sorted. Tags: user.

    Who is locked out or deleted belongs to nothing until the provider says so again.
    """

    user_id: str
    memberships: list[str]  # the vault's keyed digests of user, issuer, kind and name: the same team differs by user


class UserActivated(Event, frozen=True, kw_only=True):
    """The user may sign in and use keys. Tags: user."""

    user_id: str


class UserDeactivated(Event, frozen=True, kw_only=True):
    """The user may no longer sign in, call a tool or use a key. Tags: user."""

    user_id: str
    reason: str = ""
    cause: str = ""  # MEMBERSHIP, UNDONE, or '' for somebody's decision


class AdminGranted(Event, frozen=True, kw_only=True):
    """Tags: user, admins."""

    user_id: str


class AdminRevoked(Event, frozen=True, kw_only=True):
    """Tags: user, admins."""

    user_id: str


class AuditorGranted(Event, frozen=True, kw_only=True):
    """The user may read everybody's audit, requests and exports. Tags: user."""

    user_id: str


class AuditorRevoked(Event, frozen=True, kw_only=True):
    """Tags: user."""

    user_id: str


class UserDeleted(Event, frozen=True, kw_only=True):
    """Soft: hidden and locked out, keys revoked, restorable. Tags: user, username."""

    user_id: str


class UserRestored(Event, frozen=True, kw_only=True):
    """A soft-deleted user is back, inactive. Tags: user, username."""

    user_id: str


class UserErased(Event, frozen=True, kw_only=True):
    """Hard: the user's data keys are destroyed and nothing of theirs opens again. Tags: user, username, identity."""

    user_id: str


class UserKeyDestroyed(Event, frozen=True, kw_only=True):
    """The certificate of an erasure: this many data keys of the user were destroyed. Tags: user."""

    user_id: str
    data_keys: int


class UserInvited(Event, frozen=True, kw_only=True):
    """A new link was made for a local account that has no password yet; older ones work no longer. Tags: user."""

    user_id: str


class PasswordSet(Event, frozen=True, kw_only=True):
    """A local account's password, as a sealed argon2id hash. Ends the account's other sessions. Tags: user."""

    user_id: str
    sealed: str  # purpose password


class SignedIn(Event, frozen=True, kw_only=True):
    """A browser session, or a script token's session, began. Tags: user, session."""

    user_id: str
    session_id: str
    kind: str = "browser"  # browser | script


class SignedOut(Event, frozen=True, kw_only=True):
    """One session of the user ended, or with no session named all of them. Tags: user, session."""

    user_id: str
    session_id: str = ""


class UserPreferencesChanged(Event, frozen=True, kw_only=True):
    """How the hub looks and behaves for this user; only the fields that changed. Tags: user."""

    user_id: str
    language: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    theme: str | UnsetType = UNSET
    density: str | UnsetType = UNSET
    exposure_mode: str | UnsetType = UNSET
    show_why: bool | UnsetType = UNSET
    pinned_tools: list[str] | UnsetType = UNSET  # by their names on the aggregate


# keys


class KeyIssued(Event, frozen=True, kw_only=True):
    """A user holds a new key. The key itself is in no event: only its keyed digest. Tags: user, key."""

    key_id: str
    user_id: str
    name: str
    digest: str  # hex of HMAC-SHA256 with the hub's pepper
    prefix: str  # first 4 characters after `mcphub_`
    last4: str
    expires_at: datetime
    description: str = ""
    header_only: bool = False
    scope: Scope | None = None


class KeyRenamed(Event, frozen=True, kw_only=True):
    """Name, description, header-only or scope changed; only the fields that changed. Tags: user, key."""

    key_id: str
    user_id: str
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    header_only: bool | UnsetType = UNSET
    scope: Scope | UnsetType | None = UNSET


class KeyExtended(Event, frozen=True, kw_only=True):
    """Tags: user, key."""

    key_id: str
    user_id: str
    expires_at: datetime


class KeyRotated(Event, frozen=True, kw_only=True):
    """`successor` takes over; the old key works until `grace_until`. Tags: user, key (both)."""

    key_id: str
    user_id: str
    successor: str
    grace_until: datetime


class KeyRevoked(Event, frozen=True, kw_only=True):
    """At once and final. Tags: user, key."""

    key_id: str
    user_id: str


class KeyExpired(Event, frozen=True, kw_only=True):
    """Written after the fact for the audit line; what counts is the clock at each use. Tags: user, key."""

    key_id: str
    user_id: str


class KeyFirstUsed(Event, frozen=True, kw_only=True):
    """Tags: user, key."""

    key_id: str
    user_id: str


# values users save for servers


class ServiceTokenSaved(Event, frozen=True, kw_only=True):
    """The user's value for one slot of one server, sealed under a data key of its own. Tags: user, server."""

    user_id: str
    server_id: str
    variable: str  # canonical name
    data_key: str  # id of the data key; destroying it erases the value, here too
    sealed: str  # purpose token
    mask: str
    fingerprint: str  # keyed digest: "same value again" without opening


class ServiceTokenRemoved(Event, frozen=True, kw_only=True):
    """Cleared, or purged with its server. The data key is destroyed: not reversible. Tags: user, server."""

    user_id: str
    server_id: str
    variable: str
    data_key: str


# groups


class GroupCreated(Event, frozen=True, kw_only=True):
    """A user's own group, active from the start. Tags: user, group.

    `made` is when it was made first, of one that was deleted and is back.
    """

    group_id: str
    user_id: str
    name: str
    slug: str
    description: str = ""
    servers: list[ServerRef] = []  # noqa: RUF012  msgspec copies an empty default
    made: datetime | None = None


class GroupChanged(Event, frozen=True, kw_only=True):
    """Only the fields that changed. Tags: user, group."""

    group_id: str
    user_id: str
    name: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    servers: list[ServerRef] | UnsetType = UNSET


class GroupActivated(Event, frozen=True, kw_only=True):
    """Tags: user, group."""

    group_id: str
    user_id: str


class GroupDeactivated(Event, frozen=True, kw_only=True):
    """Tags: user, group."""

    group_id: str
    user_id: str


class GroupDeleted(Event, frozen=True, kw_only=True):
    """Tags: user, group."""

    group_id: str
    user_id: str


# servers: what mcp_settings.json says


class ServerAdded(Event, frozen=True, kw_only=True):
    """A server of the settings document. The slug never changes. Tags: server, servers.

    With the id of one that was removed, it is that server again, with what users saved for it; `made` is when it was
    added first, `follows` the id of the server it stands behind in the document: '' for the first place, None for the
    last.
    """

    server_id: str
    name: str
    slug: str
    config: Raw  # the document's JSON object as written, literal secrets replaced by {"$sealed": "…"}
    made: datetime | None = None
    follows: str | None = None


class ServerChanged(Event, frozen=True, kw_only=True):
    """The server's whole configuration as it is now. Tags: server, servers."""

    server_id: str
    config: Raw


class ServerRenamed(Event, frozen=True, kw_only=True):
    """Tags: server, servers."""

    server_id: str
    old_name: str
    name: str


class ServerEnabled(Event, frozen=True, kw_only=True):
    """Sets `enabled: true` in the configuration. Tags: server, servers."""

    server_id: str


class ServerDisabled(Event, frozen=True, kw_only=True):
    """Sets `enabled: false` in the configuration. Tags: server, servers."""

    server_id: str


class ServerAudienceChanged(Event, frozen=True, kw_only=True):
    """Sets `mcphub.audience` in the configuration; null takes it out, which means everyone. Tags: server, servers."""

    server_id: str
    audience: Raw


class ServerRemoved(Event, frozen=True, kw_only=True):
    """The values users saved for it become orphans. Tags: server, servers."""

    server_id: str
    name: str


class SecretSlotDeclared(Event, frozen=True, kw_only=True):
    """The server asks each user for this variable; declared again when the form changed. Tags: server, servers."""

    server_id: str
    variable: str  # canonical name
    name: str  # as written in the document
    placements: list[str]  # env | header | url | arg | openapi
    label: str = ""
    description: str = ""
    help_url: str = ""
    placeholder: str = ""
    pattern: str = ""
    required: bool = True
    secret: bool = True
    sort_order: int = 0


class SecretSlotRetired(Event, frozen=True, kw_only=True):
    """The server no longer asks for this variable. Tags: server, servers."""

    server_id: str
    variable: str


class ToolEnabled(Event, frozen=True, kw_only=True):
    """`kind` is the member of the configuration: tools, prompts or resources. Tags: server, servers."""

    server_id: str
    tool: str
    kind: str = "tools"


class ToolDisabled(Event, frozen=True, kw_only=True):
    """Neither listed nor callable. The description override, if any, is kept. Tags: server, servers."""

    server_id: str
    tool: str
    kind: str = "tools"


class ToolDescriptionOverridden(Event, frozen=True, kw_only=True):
    """Tags: server, servers."""

    server_id: str
    tool: str
    description: str
    kind: str = "tools"


class ToolOverrideReset(Event, frozen=True, kw_only=True):
    """The upstream's own description counts again. Tags: server, servers."""

    server_id: str
    tool: str
    kind: str = "tools"


class ToolRenamed(Event, frozen=True, kw_only=True):
    """A tool is shown to clients, and called by them, as `name`; all else here goes by the upstream's. Tags: server,
    servers.
    """

    kind: ClassVar[str] = "tools"
    server_id: str
    tool: str
    name: str


class ToolNameReset(Event, frozen=True, kw_only=True):
    """The upstream's own name counts again. Tags: server, servers."""

    kind: ClassVar[str] = "tools"
    server_id: str
    tool: str


# what servers offer: the tools as they list them


class ToolDiscovered(Event, frozen=True, kw_only=True):
    """A server lists a tool nobody knew of it, or one again that it had withdrawn. Tags: server.

    `definition` is what it says of the tool, canonically; null when that is not kept: it is too large, holds a value of
    a user, or was recorded before. `seen` is when the list came in: how much an hour may bring is counted by it.
    """

    server_id: str
    tool: str
    hash: str  # SHA-256 of the canonical definition, hex
    seen: datetime
    definition: Raw = Raw(b"null")


class ToolChanged(Event, frozen=True, kw_only=True):
    """A server says something else of a tool than it ever did. Tags: server."""

    server_id: str
    tool: str
    hash: str
    former: str  # the hash of the definition that was in force
    seen: datetime
    definition: Raw = Raw(b"null")


class ToolWithdrawn(Event, frozen=True, kw_only=True):
    """No user's latest list has the tool any more. Tags: server."""

    server_id: str
    tool: str
    seen: datetime


class ToolQuarantined(Event, frozen=True, kw_only=True):
    """A definition waits until an administrator approves it. Tags: server.

    Without a tool: the server brought more new definitions than an hour may record; `left_out` of them, and whatever
    else is not on the record, wait until it is.
    """

    server_id: str
    seen: datetime
    tool: str = ""
    hash: str = ""
    left_out: int = 0


class ToolApproved(Event, frozen=True, kw_only=True):
    """An administrator took a definition that waited. Tags: server."""

    server_id: str
    tool: str
    hash: str


class SystemConfigChanged(Event, frozen=True, kw_only=True):
    """The document's `systemConfig` as it is now, secrets sealed; null when the document has none. Tags: servers."""

    config: Raw


class SettingsFileImported(Event, frozen=True, kw_only=True):
    """A whole document was saved: its digest, what is kept unapplied, the order to export. Tags: servers."""

    sha256: str
    members: list[str]  # top-level keys in document order
    order: list[str]  # server ids in document order
    preserved: Raw = Raw(b"{}")  # top-level members other than mcpServers and systemConfig, secrets sealed


# the logs that are no ledger


class DaySealed(Event, frozen=True, kw_only=True):
    """A finished day of a log as its rows are; whoever changes one afterwards is found out. Tags: the day's seal."""

    log: str  # access | traffic
    day: date  # UTC
    rows: int
    sha256: str  # hex; postgres/days.py says of what
    first: int  # position in that log
    last: int
    form: int = 1  # how a row is written to be hashed: which columns (postgres/days.py)


class DayDropped(Event, frozen=True, kw_only=True):
    """A sealed day left retention, and its rows with it. Tags: the day's seal."""

    log: str
    day: date


# the master key ring


class MasterKeyRotated(Event, frozen=True, kw_only=True):
    """Another master key wraps every data key now, and no row needs the former ones. Tags: master-keys.

    Backups made before still need them.
    """

    key_id: str  # as in the ring
    retired: list[str]
    rewrapped: int  # data keys


# backups


class BackupMade(Event, frozen=True, kw_only=True):
    """The whole hub was written into a directory. Not in that backup itself. Tags: backups."""

    upto: int  # position of the last fact in it
    hash: str  # of the chain there, as hex
    rows: int  # in all tables
    with_keys: bool  # the master key ring is in it
    made_at: datetime


class HubRestored(Event, frozen=True, kw_only=True):
    """This hub was made of a backup. What was recorded behind `upto` is not here. Tags: backups.

    Checkpoints say up to `known_upto` who was erased and what was cleared since; that is done again, because of this.
    """

    upto: int  # as the backup has it
    hash: str
    made_at: datetime  # the backup
    known_upto: int


# the check of users' values, and the hub's own variables


class EnvSchedulerConfigured(Event, frozen=True, kw_only=True):
    """How the check of users' values repeats: all of it, as it is now. Tags: env-scheduler."""

    enabled: bool
    interval_hours: int
    auto_cleanup: bool
    max_orphaned_keys: int
    scheduled_time: str  # HH:MM, UTC


class EnvVarsChecked(Event, frozen=True, kw_only=True):
    """Users' values were looked over: how many issues of each code, what was purged. Tags: env-scheduler, env-check.

    The tag names the time it was due, so that a second hub finds the round taken.
    """

    issues: dict[str, int]
    orphaned: int
    removed: int = 0
    due: datetime | None = None  # None: somebody asked


class HubVariableSet(Event, frozen=True, kw_only=True):
    """The hub's value for `${NAME}` in servers' configurations, under a data key of its own. Tags: hub-variable."""

    name: str
    data_key: str
    sealed: str  # purpose hub_variable
    mask: str
    fingerprint: str


class HubVariableRemoved(Event, frozen=True, kw_only=True):
    """The hub's environment counts again, if it has the name. The data key is destroyed. Tags: hub-variable."""

    name: str
    data_key: str


AnyEvent = (
    UserRegistered
    | UserProfileSynced
    | UserMembershipsChanged
    | UserActivated
    | UserDeactivated
    | AdminGranted
    | AdminRevoked
    | AuditorGranted
    | AuditorRevoked
    | UserDeleted
    | UserRestored
    | UserErased
    | UserKeyDestroyed
    | UserInvited
    | PasswordSet
    | SignedIn
    | SignedOut
    | UserPreferencesChanged
    | KeyIssued
    | KeyRenamed
    | KeyExtended
    | KeyRotated
    | KeyRevoked
    | KeyExpired
    | KeyFirstUsed
    | ServiceTokenSaved
    | ServiceTokenRemoved
    | GroupCreated
    | GroupChanged
    | GroupActivated
    | GroupDeactivated
    | GroupDeleted
    | ServerAdded
    | ServerChanged
    | ServerRenamed
    | ServerEnabled
    | ServerDisabled
    | ServerAudienceChanged
    | ServerRemoved
    | SecretSlotDeclared
    | SecretSlotRetired
    | ToolEnabled
    | ToolDisabled
    | ToolDescriptionOverridden
    | ToolOverrideReset
    | ToolRenamed
    | ToolNameReset
    | ToolDiscovered
    | ToolChanged
    | ToolWithdrawn
    | ToolQuarantined
    | ToolApproved
    | SystemConfigChanged
    | SettingsFileImported
    | DaySealed
    | DayDropped
    | MasterKeyRotated
    | BackupMade
    | HubRestored
    | EnvSchedulerConfigured
    | EnvVarsChecked
    | HubVariableSet
    | HubVariableRemoved
)

EVENT_TYPES: dict[str, type[Event]] = {cls.__name__: cls for cls in AnyEvent.__args__}

# Tags: what a fact is about. Boundaries select by them, the audit finds by them.
ADMINS = "admins"
SERVERS = "servers"
ENV_SCHEDULER = "env-scheduler"
MASTER_KEYS = "master-keys"
BACKUPS = "backups"

# Why a user was deactivated: the provider's allow-list names them no longer. A sign-in that it fits lets them in again.
MEMBERSHIP = "membership"
# Somebody took back that the user was let in for the first time: they wait again, as if it had not been.
UNDONE = "undone"


def about(event: Event) -> str:
    """The user whom a fact is about, and whose view alone it can change; '' for one that may change everybody's."""
    user_id: str = getattr(event, "user_id", "")
    return user_id


def user_tag(user_id: str) -> str:
    return f"user:{user_id}"


def key_tag(key_id: str) -> str:
    return f"key:{key_id}"


def group_tag(group_id: str) -> str:
    return f"group:{group_id}"


def server_tag(server_id: str) -> str:
    return f"server:{server_id}"


def session_tag(session_id: str) -> str:
    return f"session:{session_id}"


def username_tag(digest: str) -> str:
    """`digest` is the vault's keyed digest of the lower-cased name, so uniqueness works on sealed data."""
    return f"username:{digest}"


def identity_tag(digest: str) -> str:
    """`digest` is the vault's keyed digest of issuer and subject: who somebody is elsewhere, without saying it."""
    return f"identity:{digest}"


def seal_tag(log: str, day: date) -> str:
    return f"{log}-seal:{day.isoformat()}"


def env_check_tag(due: datetime) -> str:
    return f"env-check:{due:%Y-%m-%dT%H:%M}Z"


def hub_variable_tag(name: str) -> str:
    return f"hub-variable:{name}"
