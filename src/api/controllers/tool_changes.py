"""How servers' tools change, and an administrator's word on it."""

from typing import Annotated, Literal

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from mcphub.api.caller import ADMIN, AUDITOR, Caller
from mcphub.api.catalog import Catalog, ToolView
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.schemas import Envelope, Page, Schema
from mcphub.api.services import Services
from mcphub.api.tool_changes import ToolChanges, changes, floods, shown
from mcphub.domain.errors import UnknownServerId
from mcphub.domain.tools import ApproveTool

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Approval(Schema, kw_only=True):
    """`newest` is needed only for a definition that is not the newest that waits: the one that was seen to be."""

    hash: Hash
    newest: Hash | UnsetType = UNSET


class ToolChangesAnswer(Envelope, kw_only=True):
    data: ToolChanges
    page: Page


class ApprovedAnswer(Envelope, kw_only=True):
    data: ToolView


class ToolChangesController(Controller):
    path = "/api"
    tags = ("Servers",)

    @get(
        "/admin/tool-changes",
        operation_id="toolChanges",
        summary="What waits for approval, field by field, newest first",
        who=AUDITOR,
    )
    async def tool_changes(
        self,
        services: NamedDependency[Services],
        which: Annotated[Literal["waiting", "all"], QueryParameter(name="state")] = "waiting",
        server: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> ToolChangesAnswer:
        """`state=all`: every change since each server's first list, also those that were accepted. A cursor is a
        position. `floods` are servers that brought more than is recorded.
        """
        if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
            raise bad_cursor()
        found = changes(services.model, every=which == "all", server=server)
        if after:
            found = [change for change in found if change.known.position < int(after)]
        size = size_of(limit)
        page = found[:size]
        following = str(page[-1].known.position) if len(found) > size else None
        data = ToolChanges(changes=await shown(services.read, page), floods=floods(services.model, server))
        return ToolChangesAnswer(data=data, page=Page(next=following, limit=size))

    @post(
        "/servers/{name:str}/tools/{tool:str}/approve",
        operation_id="approveTool",
        summary="Let a new or changed tool be used",
        status_code=200,
        who=ADMIN,
    )
    async def approve(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        data: JSONBody[Approval],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ApprovedAnswer:
        """It is listed and callable from the next request on, for everybody whose list has it in this form. When
        another definition waits by now, nothing is approved.
        """
        server = services.model.settings.by_name(name)
        if server is None:
            raise UnknownServerId(name)
        newest = data.newest if isinstance(data.newest, str) else ""
        done = await services.commands.run(lambda: ApproveTool(server.server_id, tool, data.hash, newest))
        done.must_show()
        known = next((view for view in catalog.tools(caller, server) if view.name == tool), None)
        return ApprovedAnswer(data=known or catalog.unlisted(server, tool), position=done.position)
