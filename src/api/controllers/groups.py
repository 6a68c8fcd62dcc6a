"""The caller's own groups of servers."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from mcphub.api.caller import USER, Caller
from mcphub.api.catalog import Catalog
from mcphub.api.idempotent import IdempotencyKey, id_for
from mcphub.api.problems import invalid
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Committed, Services
from mcphub.domain.access import Group
from mcphub.domain.errors import UnknownGroup
from mcphub.domain.events import ServerRef
from mcphub.domain.groups import ChangeGroup, CreateGroup, DeleteGroup, SetGroupActive

Description = Annotated[str, Meta(max_length=500)]


class NewGroup(Schema, kw_only=True):
    name: str
    description: Description = ""
    servers: list[str]


class GroupChange(Schema, kw_only=True):
    name: str | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    servers: list[str] | UnsetType = UNSET


class GroupSwitch(Schema, kw_only=True):
    is_active: bool


class GroupView(Out, kw_only=True):
    """`missingServers` have no effect until a server of that name exists again."""

    id: str
    name: str
    slug: str
    description: str
    servers: list[str]
    missing_servers: list[str]
    is_active: bool
    created_at: datetime
    updated_at: datetime


class GroupAnswer(Envelope, kw_only=True):
    data: GroupView


class GroupsAnswer(Envelope, kw_only=True):
    data: list[GroupView]


class GroupsController(Controller):
    path = "/api/user/groups"
    tags = ("Groups",)

    @get("/", operation_id="groups", summary="The caller's groups, newest change first", who=USER)
    async def groups(self, caller: NamedDependency[Caller], services: NamedDependency[Services]) -> GroupsAnswer:
        """No group at all shows everything; groups of which none is active show nothing."""
        own = services.model.groups_of.get(caller.user_id, {}).values()
        newest = sorted(own, key=lambda group: group.position, reverse=True)
        return GroupsAnswer(data=[group_view(services, group) for group in newest])

    @post("/", operation_id="createGroup", summary="Make a group, active at once", who=USER)
    async def create(
        self,
        data: JSONBody[NewGroup],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        catalog: NamedDependency[Catalog],
        idempotency_key: IdempotencyKey = None,
    ) -> GroupAnswer:
        group_id = id_for(caller.user_id, "createGroup", idempotency_key)
        refs = _refs(catalog, caller, data.servers)
        done = await services.commands.run(
            lambda: CreateGroup(caller.user_id, group_id, name=data.name, description=data.description, servers=refs)
        )
        return _answer(services, caller, group_id, done)

    @put("/{group_id:str}", operation_id="changeGroup", summary="Change a group", who=USER)
    async def change(
        self,
        group_id: FromPath[str],
        data: JSONBody[GroupChange],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        catalog: NamedDependency[Catalog],
    ) -> GroupAnswer:
        refs: list[ServerRef] | UnsetType = UNSET
        if data.servers is not UNSET:
            present = _own(services, caller, group_id)
            refs = _refs(catalog, caller, data.servers, {ref.name: ref for ref in services.model.named_by(present)})
        done = await services.commands.run(
            lambda: ChangeGroup(caller.user_id, group_id, name=data.name, description=data.description, servers=refs)
        )
        return _answer(services, caller, group_id, done)

    @delete("/{group_id:str}", operation_id="deleteGroup", summary="Delete a group", who=USER)
    async def remove(
        self, group_id: FromPath[str], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> None:
        await services.commands.run(lambda: DeleteGroup(caller.user_id, group_id))

    @patch("/{group_id:str}/active", operation_id="setGroupActive", summary="Switch a group on or off", who=USER)
    async def set_active(
        self,
        group_id: FromPath[str],
        data: JSONBody[GroupSwitch],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
    ) -> GroupAnswer:
        done = await services.commands.run(lambda: SetGroupActive(caller.user_id, group_id, data.is_active))
        return _answer(services, caller, group_id, done)


def _own(services: Services, caller: Caller, group_id: str) -> Group:
    """
    Raises:
        UnknownGroup: the caller has no such group.
    """
    group = services.model.groups_of.get(caller.user_id, {}).get(group_id)
    if group is None:
        raise UnknownGroup(group_id)
    return group


def _refs(
    catalog: Catalog, caller: Caller, names: list[str], kept: dict[str, ServerRef] | None = None
) -> list[ServerRef]:
    """
    Args:
        kept: what the group names already, and may go on naming though the server is gone.

    Raises:
        Problem: 422, the caller has no server of that name.
    """
    entitled = {server.name: ServerRef(server.server_id, server.name) for server in catalog.entitled(caller.user_id)}
    known = {**(kept or {}), **entitled}
    wrong = [
        (f"/servers/{index}", "unknown_server", f"you have no server named {name!r}")
        for index, name in enumerate(names)
        if name not in known
    ]
    if wrong:
        raise invalid("The group names servers that you do not have.", *wrong, code="unknown_server")
    return [known[name] for name in names]


def _answer(services: Services, caller: Caller, group_id: str, done: Committed[Any]) -> GroupAnswer:
    done.must_show()
    return GroupAnswer(data=group_view(services, _own(services, caller, group_id)), position=done.position)


def group_view(services: Services, group: Group) -> GroupView:
    found = [(ref, services.model.resolve(ref)) for ref in services.model.named_by(group)]
    return GroupView(
        id=group.group_id,
        name=group.name,
        slug=group.slug,
        description=group.description,
        servers=[server.name for _, server in found if server is not None],
        missing_servers=[ref.name for ref, server in found if server is None],
        is_active=group.active,
        created_at=group.created_at,
        updated_at=group.updated_at,
    )
