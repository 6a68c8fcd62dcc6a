"""Read model `audit`: one row per fact, found by who did it, to whom, and what kind of thing it was.

The fact itself stays in the ledger; a page joins the two by position.
"""

from datetime import datetime

from msgspec import Struct

from mcphub.domain.codec import Recorded
from mcphub.domain.events import EVENT_TYPES
from mcphub.projections.projection import Projection

CATEGORIES = {
    "User": "users",
    "Admin": "users",
    "Password": "sign-in",
    "Signed": "sign-in",
    "Key": "keys",
    "ServiceToken": "values",
    "Group": "groups",
    "Server": "servers",
    "SecretSlot": "servers",
    "Tool": "servers",
    "SystemConfig": "settings",
    "SettingsFile": "settings",
}


def category(type_: str) -> str:
    """The category of an event type; the longest prefix wins."""
    prefixes = [prefix for prefix in CATEGORIES if type_.startswith(prefix)]
    return CATEGORIES[max(prefixes, key=len)] if prefixes else "other"


CATEGORY_OF = {type_: category(type_) for type_ in EVENT_TYPES}


class AuditRow(Struct, frozen=True, kw_only=True):
    position: int
    at: datetime
    type: str
    category: str
    actor: str
    actor_kind: str
    source: str
    command: str
    request_id: str
    correlation_id: str
    user_id: str  # whom it concerns, '' for nobody
    tags: list[str]


class Audit(Projection[AuditRow]):
    name = "audit"
    row = AuditRow
    key_columns = ("position",)
    handles = ()
    ddl = """
        create table audit (
            position       bigint      primary key,
            at             timestamptz not null,
            type           text        not null,
            category       text        not null,
            actor          text        not null,
            actor_kind     text        not null,
            source         text        not null,
            command        text        not null,
            request_id     text        not null,
            correlation_id text        not null,
            user_id        text        not null,
            tags           text[]      not null
        );
        create index audit_actor on audit (actor, position desc);
        create index audit_user on audit (user_id, position desc);
        create index audit_category on audit (category, position desc);
    """

    def key(self, recorded: Recorded) -> tuple[int]:
        return (recorded.position,)

    def evolve(self, row: AuditRow | None, recorded: Recorded) -> AuditRow | None:
        meta, type_ = recorded.meta, type(recorded.event).__name__
        return AuditRow(
            position=recorded.position,
            at=recorded.at,
            type=type_,
            category=CATEGORY_OF[type_],
            actor=meta.actor,
            actor_kind=meta.actor_kind,
            source=meta.source,
            command=meta.command,
            request_id=meta.request_id,
            correlation_id=meta.correlation_id,
            user_id=getattr(recorded.event, "user_id", ""),
            tags=list(recorded.tags),
        )
