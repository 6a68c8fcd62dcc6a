"""Servers one by one: what the caller sees of them, and an administrator's changes."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Raw, UnsetType

from mcphub.api.caller import ADMIN, USER, Caller
from mcphub.api.catalog import AudienceNames, Catalog, ServerView, ToolView
from mcphub.api.controllers.settings_file import SettingsWarning, outdated, version_of, warnings_of
from mcphub.api.idempotent import IdempotencyKey, id_for
from mcphub.api.literals import Literals, document_of, policy_of
from mcphub.api.problems import Problem, invalid, not_found, not_visible
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Committed, Services
from mcphub.domain.access import Principal
from mcphub.domain.audience import audience_of, faults, users_named
from mcphub.domain.errors import Outdated, Refused, UnknownServerId
from mcphub.domain.findings import Notes, Report, pointer
from mcphub.domain.literal_secrets import seal_server
from mcphub.domain.server_check import check_server, unknown_users
from mcphub.domain.servers import (
    AddServer,
    ChangeServer,
    RemoveServer,
    SetServerAudience,
    SetServerEnabled,
    SetToolDescription,
    SetToolEnabled,
    SetToolName,
)
from mcphub.domain.settings_file import Document, objects
from mcphub.domain.settings_state import ServerState
from mcphub.domain.tool_names import FORM, PATTERN
from mcphub.gateway.errors import Answer, ValuesMissing
from mcphub.gateway.load import TooBusy

MOST_LOST = 20  # names in the answer to a preview
Description = Annotated[str, Meta(min_length=1, max_length=4000)]
ToolName = Annotated[str, Meta(pattern=PATTERN, description=f"{FORM}; beside a slug it may have to be cut.")]


class NewServer(Schema, kw_only=True):
    name: str
    config: Raw


class ServerChange(Schema, kw_only=True):
    config: Raw | UnsetType = UNSET
    name: str | UnsetType = UNSET


class Switch(Schema, kw_only=True):
    enabled: bool


class ServerAudience(Schema, kw_only=True):
    """Whom a server is for, as `mcphub.audience` of the settings document says it."""

    audience: Literal["everyone"] | AudienceNames


class Reach(Out, kw_only=True):
    """Whom a server would be for, of `of` active users: how many, how many of them gain it, and how many would lose it.
    `lost` names some of those. `unknownUsers`: names nobody has. `private`: its owner's alone, whatever the audience.
    """

    reaches: int
    of: int
    gains: int
    loses: int
    lost: list[str]
    unknown_users: list[str]
    private: bool


class ReachAnswer(Envelope, kw_only=True):
    data: Reach


class ToolDescription(Schema, kw_only=True):
    description: Description


class GivenName(Schema, kw_only=True):
    name: ToolName


class TryTool(Schema, kw_only=True):
    """`arguments` is a JSON object, passed on as it is."""

    arguments: Raw | UnsetType = UNSET


class Tried(Out, kw_only=True):
    """The server's own result, or the JSON-RPC error it answered."""

    result: Any | UnsetType = UNSET
    error: Any | UnsetType = UNSET
    request_id: str
    duration_ms: float


class TriedAnswer(Envelope, kw_only=True):
    data: Tried


class ListedTools(Out, kw_only=True):
    """What the server listed, or why it did not."""

    tools: list[ToolView]
    error: str | UnsetType = UNSET


class ListedToolsAnswer(Envelope, kw_only=True):
    data: ListedTools


class ServersAnswer(Envelope, kw_only=True):
    data: list[ServerView]


class ServerAnswer(Envelope, kw_only=True):
    data: ServerView
    warnings: list[SettingsWarning] | UnsetType = UNSET


class ToolsAnswer(Envelope, kw_only=True):
    data: list[ToolView]


class ToolAnswer(Envelope, kw_only=True):
    data: ToolView


class ServersController(Controller):
    path = "/api"
    tags = ("Servers",)

    @get(
        "/servers",
        operation_id="servers",
        summary="The servers the caller may see; an administrator sees all",
        who=USER,
    )
    async def servers(
        self,
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        status: Annotated[str, QueryParameter()] = "",
        q: Annotated[str, QueryParameter()] = "",
        every: Annotated[bool, QueryParameter(name="all")] = False,
    ) -> ServersAnswer:
        """`all=true` shows a user also what no active group shows and what is switched off, to choose from."""
        if caller.admin:
            wanted = catalog.in_order()
        else:
            wanted = catalog.entitled(caller.user_id) if every else catalog.visible(caller.user_id)
        needle = q.casefold()
        wanted = [server for server in wanted if needle in server.name.casefold() or needle in server.slug]
        views = await catalog.servers(caller, wanted)
        return ServersAnswer(data=[view for view in views if not status or view.status == status])

    @get("/servers/{name:str}", operation_id="server", summary="One server", who=USER)
    async def server(
        self,
        name: FromPath[str],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ServerAnswer:
        return await _answer(services, catalog, caller, name)

    @post("/servers", operation_id="addServer", summary="Add a server", own_text_rules=True, who=ADMIN)
    async def add(
        self,
        data: JSONBody[NewServer],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
        idempotency_key: IdempotencyKey = None,
    ) -> ServerAnswer:
        name, policy = data.name, policy_of(services)
        server_id = id_for(caller.user_id, "addServer", idempotency_key)
        config, report = await asyncio.to_thread(_checked, name, data.config, services)
        literals = Literals(services.vault)
        try:
            sealed = await asyncio.to_thread(seal_server, name, config, None, literals.seal, literals.same)
            done = await services.commands.run(lambda: AddServer(server_id, name, sealed, policy=policy))
        except Refused:
            await asyncio.to_thread(literals.discard)
            raise
        if not done.changed:
            await asyncio.to_thread(literals.discard)
            name = done.command.state.servers[server_id].name
        return await _answer(services, catalog, caller, name, done, report)

    @put(
        "/servers/{name:str}",
        operation_id="changeServer",
        summary="Configure or rename a server",
        own_text_rules=True,
        who=ADMIN,
    )
    async def change(
        self,
        name: FromPath[str],
        data: JSONBody[ServerChange],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
    ) -> ServerAnswer:
        server, policy, seen = _named(services, name), policy_of(services), version_of(if_match)
        if seen is not None and seen not in (server.changed_at, services.model.settings.version):
            raise outdated(services, seen)
        new_name = data.name if isinstance(data.name, str) else None
        based_on = services.model.settings.version if seen is not None else None
        literals, report = Literals(services.vault), Report()
        try:
            sealed = None
            if data.config is not UNSET:
                config, report = await asyncio.to_thread(_checked, name, data.config, services)
                sealed = await asyncio.to_thread(seal_server, name, config, server.config, literals.seal, literals.same)
            done = await services.commands.run(
                lambda: ChangeServer(name, config=sealed, new_name=new_name, policy=policy), if_match=based_on
            )
        except Outdated as error:
            await asyncio.to_thread(literals.discard)
            raise outdated(services, seen or 0) from error
        except Refused:
            await asyncio.to_thread(literals.discard)
            raise
        return await _answer(services, catalog, caller, new_name or name, done, report)

    @delete("/servers/{name:str}", operation_id="removeServer", summary="Remove a server", who=ADMIN)
    async def remove(self, name: FromPath[str], services: NamedDependency[Services]) -> None:
        """The values users saved for it become orphans."""
        await services.commands.run(lambda: RemoveServer(name))

    @post(
        "/servers/{name:str}/toggle",
        operation_id="setServerEnabled",
        summary="Switch a server on or off",
        status_code=200,
        who=ADMIN,
    )
    async def toggle(
        self,
        name: FromPath[str],
        data: JSONBody[Switch],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ServerAnswer:
        done = await services.commands.run(lambda: SetServerEnabled(name, data.enabled))
        return await _answer(services, catalog, caller, name, done)

    @put(
        "/servers/{name:str}/audience",
        operation_id="setServerAudience",
        summary="Say whom a server is for",
        who=ADMIN,
    )
    async def set_audience(
        self,
        name: FromPath[str],
        data: JSONBody[ServerAudience],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
    ) -> ServerAnswer:
        """Whoever matches any of the names may use it, from the next request on; nothing named is nobody. Who may not
        any more is answered as if it did not exist, and what runs for them ends.
        """
        server, seen = _named(services, name), version_of(if_match)
        if seen is not None and seen not in (server.changed_at, services.model.settings.version):
            raise outdated(services, seen)
        based_on = services.model.settings.version if seen is not None else None
        audience = msgspec.to_builtins(data.audience)
        try:
            done = await services.commands.run(lambda: SetServerAudience(name, audience), if_match=based_on)
        except Outdated as error:
            raise outdated(services, seen or 0) from error
        notes = Notes(("mcpServers", name))
        unknown_users({"mcphub": {"audience": audience}}, policy_of(services), notes)
        return await _answer(services, catalog, caller, name, done, notes.report())

    @post(
        "/servers/{name:str}/audience/preview",
        operation_id="previewServerAudience",
        summary="Say how many users an audience would take in",
        status_code=200,
        who=ADMIN,
    )
    async def preview_audience(
        self,
        name: FromPath[str],
        data: JSONBody[ServerAudience],
        services: NamedDependency[Services],
    ) -> ReachAnswer:
        """Nothing is saved. The audience the server has now gains and loses nobody."""
        server = _named(services, name)
        audience = msgspec.to_builtins(data.audience)
        found = [(f"/audience{pointer(path)}", "bad_audience", why) for path, why in faults(audience)]
        if found:
            raise invalid("This is no audience.", *found)
        config = {**server.config, "mcphub": {**objects(server.config, "mcphub"), "audience": audience}}
        wanted = audience_of(config)
        active = [user for user in services.model.users.values() if user.active]
        # Many digests, and of nothing that changes: the users of now are in the list.
        after = await asyncio.to_thread(services.model.reach, wanted, active)
        before = await asyncio.to_thread(services.model.reach, server.audience, active)
        lost = sorted(before - after)
        names = await services.directory.names(lost[:MOST_LOST])
        policy = policy_of(services)
        return ReachAnswer(
            data=Reach(
                reaches=len(after),
                of=len(active),
                gains=len(after - before),
                loses=len(lost),
                lost=sorted(names[user_id].username for user_id in lost[:MOST_LOST]),
                unknown_users=[user for _, user in users_named(config) if not policy.user_exists(user)],
                private=wanted.owned or config.get("visibility", "public") != "public",
            )
        )

    @post(
        "/servers/{name:str}/reload",
        operation_id="reloadServer",
        summary="Connect to a server anew",
        status_code=200,
        who=ADMIN,
    )
    async def reload(
        self,
        name: FromPath[str],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ServerAnswer:
        await services.gateway.reload(_named(services, name).server_id)
        return await _answer(services, catalog, caller, name)

    @post(
        "/servers/{name:str}/tools",
        operation_id="listServerTools",
        summary="Ask a server for its tools, with the caller's own values",
        status_code=200,
        who=USER,
    )
    async def list_tools(
        self,
        name: FromPath[str],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ListedToolsAnswer:
        """As a client of the caller's would, and by now: a list that is kept is asked for again."""
        server = services.model.settings.by_name(name)
        if server is None or server not in catalog.visible(caller.user_id):
            raise not_visible()
        try:
            await services.gateway.list_tools(caller.principal, server.server_id)
        except ValuesMissing as missing:
            raise Problem(409, "variables_missing", "The server needs a value first.", str(missing)) from None
        except Answer as failed:
            return ListedToolsAnswer(data=ListedTools(tools=catalog.tools(caller, server), error=str(failed)))
        return ListedToolsAnswer(data=ListedTools(tools=catalog.tools(caller, server)))

    @post(
        "/servers/{name:str}/tools/{tool:str}/toggle",
        operation_id="setToolEnabled",
        summary="Switch a tool on or off",
        status_code=200,
        who=ADMIN,
    )
    async def toggle_tool(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        data: JSONBody[Switch],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ToolAnswer:
        """Its description override, if any, is kept."""
        _must_have(services, caller, name, tool)
        done = await services.commands.run(lambda: SetToolEnabled(name, tool, data.enabled))
        return _tool_answer(services, catalog, caller, name, tool, done)

    @post(
        "/servers/{name:str}/tools/{tool:str}/try",
        operation_id="tryTool",
        summary="Call a tool as the caller's client would",
        status_code=200,
        own_text_rules=True,
        who=USER,
    )
    async def try_tool(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        data: JSONBody[TryTool],
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
    ) -> TriedAnswer:
        """Decided, limited and recorded like a call through /mcp; whoever goes away has cancelled it."""
        arguments = bytes(data.arguments) if isinstance(data.arguments, Raw) else b"{}"
        if not arguments.lstrip().startswith(b"{"):
            raise invalid("The arguments have to be an object.", ("/arguments", "invalid_value", "not an object"))
        server = services.model.settings.by_name(name)
        if server is None:
            raise not_visible()
        try:
            tried = await services.gateway.try_tool(
                Principal(caller.user_id), server.server_id, tool, arguments, lambda: _gone(request)
            )
        except TooBusy as busy:
            raise Problem(429, "too_busy", str(busy), retry_after=busy.retry_after) from None
        if tried.refused == "not_visible":
            raise not_visible()
        if tried.refused:
            raise Problem(409, "variables_missing", "The server needs a value first.", tried.why)
        return TriedAnswer(
            data=Tried(
                result=UNSET if tried.result is None else Raw(tried.result),
                error=UNSET if tried.error is None else Raw(tried.error),
                request_id=tried.request_id,
                duration_ms=tried.duration_ms,
            )
        )

    @put(
        "/servers/{name:str}/tools/{tool:str}/description",
        operation_id="describeTool",
        summary="Say in other words what a tool does",
        who=ADMIN,
    )
    async def describe_tool(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        data: JSONBody[ToolDescription],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ToolAnswer:
        _must_have(services, caller, name, tool)
        done = await services.commands.run(lambda: SetToolDescription(name, tool, data.description))
        return _tool_answer(services, catalog, caller, name, tool, done)

    @delete(
        "/servers/{name:str}/tools/{tool:str}/description",
        operation_id="resetToolDescription",
        summary="Let the upstream's own description count again",
        status_code=200,
        who=ADMIN,
    )
    async def reset_tool(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ToolAnswer:
        _must_have(services, caller, name, tool)
        done = await services.commands.run(lambda: SetToolDescription(name, tool, None))
        return _tool_answer(services, catalog, caller, name, tool, done)

    @put(
        "/servers/{name:str}/tools/{tool:str}/name",
        operation_id="renameTool",
        summary="Give a tool another name",
        who=ADMIN,
    )
    async def rename_tool(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        data: JSONBody[GivenName],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ToolAnswer:
        """Clients see and call it by this name, from the next request on, and by no other; here it keeps its own."""
        _must_have(services, caller, name, tool)
        listed = services.model.known_tools(name).listed
        done = await services.commands.run(lambda: SetToolName(name, tool, data.name, listed))
        return _tool_answer(services, catalog, caller, name, tool, done)

    @delete(
        "/servers/{name:str}/tools/{tool:str}/name",
        operation_id="resetToolName",
        summary="Let the upstream's own name count again",
        status_code=200,
        who=ADMIN,
    )
    async def reset_tool_name(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> ToolAnswer:
        _must_have(services, caller, name, tool)
        done = await services.commands.run(lambda: SetToolName(name, tool, None))
        return _tool_answer(services, catalog, caller, name, tool, done)

    @get("/tools", operation_id="tools", summary="The tools the caller may use, as far as they were listed", who=USER)
    async def tools(
        self,
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
        server: Annotated[str, QueryParameter()] = "",
        q: Annotated[str, QueryParameter()] = "",
    ) -> ToolsAnswer:
        """With `q`, those that fit it best come first, then others that have it in their name or description."""
        needle = q.casefold()
        best = await _found(services, catalog, caller, server, q) if q else []
        found = [
            tool
            for state in catalog.visible(caller.user_id)
            if server in ("", state.name, state.slug)
            for tool in catalog.tools(caller, state)
            if any(needle in text.casefold() for text in (tool.name, tool.display_name or "", tool.description))
        ]
        ahead = {(tool.server, tool.name) for tool in best}
        return ToolsAnswer(data=[*best, *(tool for tool in found if (tool.server, tool.name) not in ahead)])


async def _found(services: Services, catalog: Catalog, caller: Caller, server: str, query: str) -> list[ToolView]:
    """By the search that clients of mode `search` use."""
    settings = services.model.settings
    only = settings.by_name(server) or settings.by_slug(server)
    if server and only is None:
        return []
    try:
        hits = await services.gateway.find_tools(caller.principal, query, only.server_id if only is not None else "")
    except Answer:
        return []
    servers = services.model.servers
    return [catalog.tool(servers[hit.server_id], hit.tool) for hit in hits if hit.server_id in servers]


async def _gone(request: Request[Any, Any, Any]) -> None:
    """Returns when the caller does not wait any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _named(services: Services, name: str) -> ServerState:
    """
    Raises:
        UnknownServerId: no living server has the name.
    """
    server = services.model.settings.by_name(name)
    if server is None:
        raise UnknownServerId(name)
    return server


async def _answer(
    services: Services,
    catalog: Catalog,
    caller: Caller,
    name: str,
    done: Committed[Any] | None = None,
    report: Report | None = None,
) -> ServerAnswer:
    """The server as the caller may see it.

    Raises:
        UnknownServerId: it does not exist, or is not for the caller to know.
        Accepted: it was just made, and the read tables do not show it yet.
    """
    if done is not None:
        done.must_show()
    server = _named(services, name)
    if not caller.admin and not services.model.entitled(caller.user_id, server):
        raise UnknownServerId(name)
    (view,) = await catalog.servers(caller, [server])
    return ServerAnswer(
        data=view,
        warnings=warnings_of(report.warnings) if report is not None else UNSET,
        position=done.position if done is not None else UNSET,
    )


def _checked(name: str, raw: Raw | UnsetType, services: Services) -> tuple[Document, Report]:
    """
    Raises:
        DocumentRefused: it is no server's entry, with every error it has.
    """
    config = document_of(raw)
    report = check_server(name, config, policy_of(services))
    report.refuse()
    return config, report


def _must_have(services: Services, caller: Caller, name: str, tool: str) -> None:
    """A tool may be switched before anybody has listed it; once listed to the caller, its name has to be among them.

    Raises:
        UnknownServerId: there is no such server.
        Problem: 404, no such tool.
    """
    server = _named(services, name)
    known = services.gateway.known_tools(caller.user_id, server.server_id)
    if known is not None and all(found.name != tool for found in known) and not server.override("tools", tool):
        raise not_found(f"Server {name!r} has no tool {tool!r}.")


def _tool_answer(
    services: Services, catalog: Catalog, caller: Caller, name: str, tool: str, done: Committed[Any]
) -> ToolAnswer:
    done.must_show()
    server = _named(services, name)
    known = next((view for view in catalog.tools(caller, server) if view.name == tool), None)
    return ToolAnswer(data=known or catalog.unlisted(server, tool), position=done.position)
