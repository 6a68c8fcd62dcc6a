"""Read model `keys`: one row per key ever issued to a living user; digests only, never a key."""

from datetime import datetime

from msgspec import UNSET, Struct
from msgspec.structs import replace

from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    KeyExpired,
    KeyExtended,
    KeyFirstUsed,
    KeyIssued,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    Scope,
    UserErased,
)
from mcphub.projections.projection import Projection, Rows

CHANGEABLE = ("name", "description", "header_only", "scope")


class KeyRow(Struct, frozen=True, kw_only=True, gc=False):
    key_id: str
    user_id: str
    name: str
    description: str
    digest: str
    prefix: str
    last4: str
    header_only: bool
    scope: Scope | None
    issued_at: datetime
    expires_at: datetime
    grace_until: datetime | None = None
    successor: str = ""
    revoked_at: datetime | None = None
    expiry_noted: bool = False
    first_used_at: datetime | None = None
    position: int


class KeyTable(Projection[KeyRow]):
    name = "keys"
    row = KeyRow
    key_columns = ("key_id",)
    handles = (KeyIssued, KeyRenamed, KeyExtended, KeyRotated, KeyRevoked, KeyExpired, KeyFirstUsed, UserErased)
    ddl = """
        create table keys (
            key_id        text        primary key,
            user_id       text        not null,
            name          text        not null,
            description   text        not null,
            digest        text        not null,
            prefix        text        not null,
            last4         text        not null,
            header_only   boolean     not null,
            scope         json,
            issued_at     timestamptz not null,
            expires_at    timestamptz not null,
            grace_until   timestamptz,
            successor     text        not null,
            revoked_at    timestamptz,
            expiry_noted  boolean     not null,
            first_used_at timestamptz,
            position      bigint      not null
        );
    """
    indexes = "create index keys_user on keys (user_id);"

    def key(self, recorded: Recorded) -> tuple[str] | Rows:
        event = recorded.event
        return Rows("user_id", event.user_id) if type(event) is UserErased else (event.key_id,)  # type: ignore[attr-defined]

    def evolve(self, row: KeyRow | None, recorded: Recorded) -> KeyRow | None:
        event, position = recorded.event, recorded.position
        if type(event) is KeyIssued:
            return KeyRow(
                key_id=event.key_id,
                user_id=event.user_id,
                name=event.name,
                description=event.description,
                digest=event.digest,
                prefix=event.prefix,
                last4=event.last4,
                header_only=event.header_only,
                scope=event.scope,
                issued_at=recorded.at,
                expires_at=event.expires_at,
                position=position,
            )
        if row is None or type(event) is UserErased:
            return None
        if type(event) is KeyFirstUsed:
            return replace(row, first_used_at=recorded.at, position=position)
        if type(event) is KeyExtended:
            return replace(row, expires_at=event.expires_at, expiry_noted=False, position=position)
        if type(event) is KeyRenamed:
            changed = {name: value for name in CHANGEABLE if (value := getattr(event, name)) is not UNSET}
            return replace(row, **changed, position=position)
        if type(event) is KeyExpired:
            return replace(row, expiry_noted=True, position=position)
        if type(event) is KeyRotated:
            return replace(row, grace_until=event.grace_until, successor=event.successor, position=position)
        if type(event) is KeyRevoked:
            return replace(row, revoked_at=recorded.at, position=position)
        return row
