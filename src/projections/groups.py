"""Read model `groups`: one row per living group; a server's new name follows into it."""

from datetime import datetime

from msgspec import UNSET, Struct
from msgspec.structs import replace

from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    ServerRef,
    ServerRenamed,
    UserErased,
)
from mcphub.projections.projection import Naming, Projection, Rows

CHANGEABLE = ("name", "slug", "description", "servers")


class GroupRow(Struct, frozen=True, kw_only=True, gc=False):
    group_id: str
    user_id: str
    name: str
    slug: str
    description: str
    servers: list[ServerRef]
    active: bool
    created_at: datetime
    updated_at: datetime
    position: int


class Groups(Projection[GroupRow]):
    name = "groups"
    version = 2
    row = GroupRow
    key_columns = ("group_id",)
    naming = "servers"
    handles = (GroupCreated, GroupChanged, GroupActivated, GroupDeactivated, GroupDeleted, ServerRenamed, UserErased)
    ddl = """
        create table groups (
            group_id    text        primary key,
            user_id     text        not null,
            name        text        not null,
            slug        text        not null,
            description text        not null,
            servers     json        not null,
            active      boolean     not null,
            created_at  timestamptz not null,
            updated_at  timestamptz not null,
            position    bigint      not null
        );
    """
    indexes = "create index groups_user on groups (user_id);"

    def key(self, recorded: Recorded) -> tuple[str] | Rows | Naming:
        event = recorded.event
        if type(event) is UserErased:
            return Rows("user_id", event.user_id)
        if type(event) is ServerRenamed:
            return Naming(lambda ref: _means(ref, event))
        return (event.group_id,)  # type: ignore[attr-defined]

    def evolve(self, row: GroupRow | None, recorded: Recorded) -> GroupRow | None:
        event, at, position = recorded.event, recorded.at, recorded.position
        if type(event) is GroupCreated:
            return GroupRow(
                group_id=event.group_id,
                user_id=event.user_id,
                name=event.name,
                slug=event.slug,
                description=event.description,
                servers=list(event.servers),
                active=True,
                created_at=event.made or at,
                updated_at=at,
                position=position,
            )
        if row is None or type(event) is GroupDeleted or type(event) is UserErased:
            return None
        if type(event) is GroupChanged:
            changed = {name: value for name in CHANGEABLE if (value := getattr(event, name)) is not UNSET}
            return replace(row, **changed, updated_at=at, position=position)
        if type(event) is ServerRenamed:
            named = ServerRef(event.server_id, event.name)
            servers = [named if _means(ref, event) else ref for ref in row.servers]
            return replace(row, servers=servers) if named in servers else row
        return replace(row, active=type(event) is GroupActivated, updated_at=at, position=position)


def _means(ref: ServerRef, event: ServerRenamed) -> bool:
    """By its id, or because the server took the name of one that is gone: no two living ones share a name."""
    return ref.server_id == event.server_id or ref.name == event.old_name
