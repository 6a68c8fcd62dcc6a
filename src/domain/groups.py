"""A user's own groups of servers: they choose what the IDE shows, and only ever narrow it.

Rules held here: a name is 1 to 100 characters and unique among the user's groups, whatever its case.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from eventsourcing.dcb.domain import Selector
from msgspec import UNSET, Struct, UnsetType

from mcphub.domain.errors import BadName, GroupNameTaken, UnknownGroup, UserIsErased
from mcphub.domain.events import (
    Event,
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    ServerRef,
    UserErased,
    group_tag,
    user_tag,
)
from mcphub.domain.hub import Command
from mcphub.domain.names import slug_for

MOST_NAME = 100


class GroupState(Struct):
    name: str
    slug: str
    description: str
    servers: list[ServerRef]
    active: bool = True


class GroupCommand(Command):
    """All groups of one user, because names are unique among them."""

    def __init__(self, user_id: str, group_id: str) -> None:
        self.user_id = user_id
        self.group_id = group_id
        self.groups: dict[str, GroupState] = {}
        self.erased = False

    def consistency_boundary(self) -> Sequence[Selector]:
        types: list[type[Event]] = [
            GroupCreated,
            GroupChanged,
            GroupActivated,
            GroupDeactivated,
            GroupDeleted,
            UserErased,
        ]
        return [Selector(types=types, tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case GroupCreated():
                self.groups[event.group_id] = GroupState(event.name, event.slug, event.description, list(event.servers))
            case GroupChanged():
                for name in ("name", "slug", "description", "servers"):
                    if (value := getattr(event, name)) is not UNSET:
                        setattr(self.groups[event.group_id], name, value)
            case GroupActivated():
                self.groups[event.group_id].active = True
            case GroupDeactivated():
                self.groups[event.group_id].active = False
            case GroupDeleted():
                self.groups.pop(event.group_id, None)
            case UserErased():
                self.erased = True
                self.groups.clear()

    def group(self) -> GroupState:
        try:
            return self.groups[self.group_id]
        except KeyError:
            raise UnknownGroup(self.group_id) from None

    def tags(self) -> list[str]:
        return [user_tag(self.user_id), group_tag(self.group_id)]

    def must_be_free(self, name: str) -> None:
        others = (group.name for group_id, group in self.groups.items() if group_id != self.group_id)
        if any(other.casefold() == name.casefold() for other in others):
            raise GroupNameTaken(name)

    def slug(self, name: str, former: str = "") -> str:
        """
        Args:
            former: the one it had under this name, which it has again as far as that is free.
        """
        taken = [group.slug for key, group in self.groups.items() if key != self.group_id]
        return former if former and former not in taken else slug_for(name, taken)


def checked_name(name: str) -> str:
    """NFC, trimmed.

    Raises:
        BadName: empty, too long, or with control characters.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadName("group", MOST_NAME)
    return name


class CreateGroup(GroupCommand):
    """Make a group, active at once. An id that exists already writes nothing.

    Args:
        slug, active, made: of a group that was deleted and comes back: its slug, as far as that is free; whether it
            was active; when it was made first.

    Raises:
        BadName, GroupNameTaken: see there.
        UserIsErased: nobody to own it.
    """

    def __init__(
        self,
        user_id: str,
        group_id: str,
        *,
        name: str,
        servers: Sequence[ServerRef],
        description: str = "",
        slug: str = "",
        active: bool = True,
        made: datetime | None = None,
    ) -> None:
        super().__init__(user_id, group_id)
        self.name = checked_name(name)
        self.servers = _unique(servers)
        self.description = description
        self.former_slug = slug
        self.active = active
        self.made = made

    def execute(self) -> None:
        if self.erased:
            raise UserIsErased(self.user_id)
        if self.group_id in self.groups:
            return  # the same request, sent again
        self.must_be_free(self.name)
        self.trigger_event(
            GroupCreated,
            self.tags(),
            group_id=self.group_id,
            user_id=self.user_id,
            name=self.name,
            slug=self.slug(self.name, self.former_slug),
            description=self.description,
            servers=self.servers,
            made=self.made,
        )
        if not self.active:
            self.trigger_event(GroupDeactivated, self.tags(), group_id=self.group_id, user_id=self.user_id)


class ChangeGroup(GroupCommand):
    """Record what differs; the slug follows the name.

    Args:
        slug: see `GroupCommand.slug`.

    Raises:
        UnknownGroup, BadName, GroupNameTaken: see there.
    """

    def __init__(
        self,
        user_id: str,
        group_id: str,
        *,
        name: str | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        servers: Sequence[ServerRef] | UnsetType = UNSET,
        slug: str = "",
    ) -> None:
        super().__init__(user_id, group_id)
        self.former_slug = slug
        self.name = name
        self.description = description
        self.servers = servers

    def execute(self) -> None:
        group = self.group()
        changed: dict[str, Any] = {}
        if self.name is not UNSET and (name := checked_name(self.name)) != group.name:
            self.must_be_free(name)
            changed["name"] = name
            if (slug := self.slug(name, self.former_slug)) != group.slug:
                changed["slug"] = slug
        if self.description is not UNSET and self.description != group.description:
            changed["description"] = self.description
        if self.servers is not UNSET and (servers := _unique(self.servers)) != group.servers:
            changed["servers"] = servers
        if changed:
            self.trigger_event(GroupChanged, self.tags(), group_id=self.group_id, user_id=self.user_id, **changed)


class SetGroupActive(GroupCommand):
    """Switch a group on or off; asking for the present state writes nothing.

    Raises:
        UnknownGroup: the user has no such group.
    """

    def __init__(self, user_id: str, group_id: str, active: bool) -> None:
        super().__init__(user_id, group_id)
        self.wanted = active

    def execute(self) -> None:
        if self.group().active != self.wanted:
            fact = GroupActivated if self.wanted else GroupDeactivated
            self.trigger_event(fact, self.tags(), group_id=self.group_id, user_id=self.user_id)


class DeleteGroup(GroupCommand):
    """
    Raises:
        UnknownGroup: the user has no such group.
    """

    def execute(self) -> None:
        self.group()
        self.trigger_event(GroupDeleted, self.tags(), group_id=self.group_id, user_id=self.user_id)


def _unique(servers: Sequence[ServerRef]) -> list[ServerRef]:
    return list(dict.fromkeys(servers))
