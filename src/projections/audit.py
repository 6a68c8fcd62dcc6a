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
    "Auditor": "users",
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
    "Day": "history",
    "Backup": "history",
    "MasterKey": "settings",
    "HubRestored": "history",
    "Env": "values",
    "HubVariable": "settings",
}


def category(type_: str) -> str:
    """The category of an event type; the longest prefix wins."""
    prefixes = [prefix for prefix in CATEGORIES if type_.startswith(prefix)]
    return CATEGORIES[max(prefixes, key=len)] if prefixes else "other"


CATEGORY_OF = {type_: category(type_) for type_ in EVENT_TYPES}
USER = "user:"
SEPARATOR = r"e'\x1f'"  # in no tag (domain/codec.py)


class AuditRow(Struct, frozen=True, kw_only=True):
    position: int
    at: datetime
    type: str
    category: str
    actor: str
    user_id: str  # whom it concerns, by its tag; '' for nobody


class Audit(Projection[AuditRow]):
    name = "audit"
    version = 2
    row = AuditRow
    key_columns = ("position",)
    handles = ()
    ddl = """
        create table audit (
            position bigint      primary key,
            at       timestamptz not null,
            type     text        not null,
            category text        not null,
            actor    text        not null,
            user_id  text        not null
        );
    """
    indexes = """
        create index audit_actor on audit (actor, position desc) where actor <> user_id;
        create index audit_user on audit (user_id, position desc);
        create index audit_type on audit (type, position desc);
    """
    fill = f"""
        insert into audit
        select position, recorded_at, type, coalesce(category, 'other'), meta ->> 'actor',
               split_part(split_part({SEPARATOR} || array_to_string(tags, {SEPARATOR}), {SEPARATOR} || '{USER}', 2),
                          {SEPARATOR}, 1)
        from public.ledger
        left join (values {", ".join(f"('{type_}', '{kind}')" for type_, kind in CATEGORY_OF.items())})
            as known(type, category) using (type)
        where position <= %(upto)s
    """

    def key(self, recorded: Recorded) -> tuple[int]:
        return (recorded.position,)

    def evolve(self, row: AuditRow | None, recorded: Recorded) -> AuditRow | None:
        type_ = type(recorded.event).__name__
        return AuditRow(
            position=recorded.position,
            at=recorded.at,
            type=type_,
            category=CATEGORY_OF[type_],
            actor=recorded.meta.actor,
            user_id=next((tag[len(USER) :] for tag in recorded.tags if tag.startswith(USER)), ""),
        )
