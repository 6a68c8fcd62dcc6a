"""Read model `groups`: one row per living group; a server's new name follows into it."""

from collections.abc import Collection
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


class GroupRow(Struct, frozen=True, kw_only=True):
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
        match recorded.event:
            case UserErased(user_id=user):
                return Rows("user_id", user)
            case ServerRenamed(server_id=server, old_name=name):
                return Naming((server, name))
            case event:
                return (event.group_id,)  # type: ignore[attr-defined]

    def names(self, row: GroupRow) -> Collection[str]:
        return [name for ref in row.servers for name in (ref.server_id, ref.name)]

    def evolve(self, row: GroupRow | None, recorded: Recorded) -> GroupRow | None:
        event, at, position = recorded.event, recorded.at, recorded.position
        if isinstance(event, GroupCreated):
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
        if row is None:
            return None
        match event:
            case GroupChanged():
                changed = {name: value for name in CHANGEABLE if (value := getattr(event, name)) is not UNSET}
                return replace(row, **changed, updated_at=at, position=position)
            case GroupActivated():
                return replace(row, active=True, updated_at=at, position=position)
            case GroupDeactivated():
                return replace(row, active=False, updated_at=at, position=position)
            case GroupDeleted():
                return None
            case UserErased():
                return None
            case ServerRenamed():
                named = ServerRef(event.server_id, event.name)
                servers = [named if _means(ref, event) else ref for ref in row.servers]
                return replace(row, servers=servers) if named in servers else row
        return row


def _means(ref: ServerRef, event: ServerRenamed) -> bool:
    """By its id, or because the server took the name of one that is gone: no two living ones share a name."""
    return ref.server_id == event.server_id or ref.name == event.old_name
