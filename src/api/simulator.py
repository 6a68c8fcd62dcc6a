"""What a client of a user would see at an address, and why something is hidden: by the decision the gateway takes."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel, Capability, Principal, View, decide
from mcphub.gateway.facade import Tool


class VisibleTool(Out, kw_only=True):
    name: str
    exposed_name: str
    reason: str


class VisibleServer(Out, kw_only=True):
    """`reason` is `allowed`, or why the server is hidden. Tools as far as they were listed to the user.

    `detail` is for administrators: whom a server is for that is `not_in_audience`.
    """

    server: str
    reason: str
    detail: str | UnsetType = UNSET
    tools: list[VisibleTool]


class Access(Out, kw_only=True):
    """`found` is false where a client would get 404."""

    url: str
    mode: str
    found: bool
    servers: list[VisibleServer]


class AccessAnswer(Envelope, kw_only=True):
    data: Access


def access_of(services: Services, user_id: str, url: str, *, whole: bool = True, groups: str | None = None) -> Access:
    """
    Args:
        url: an address of the hub, whole or only its path.
        whole: also name servers that are not meant for the user.
        groups: ids of groups of the user, with commas between: as if only these were active.

    Raises:
        Problem: 404, the user has no such group.
    """
    as_if = None if groups is None else frozenset(filter(None, groups.split(",")))
    if as_if is not None and not as_if <= set(services.model.groups_of.get(user_id, {})):
        raise not_found("There is no such group.")
    path, principal, now = urlsplit(url).path, Principal(user_id), datetime.now(UTC)
    at_mcp = path == "/mcp" or path.startswith("/mcp/")
    view = services.gateway.view_of(path.rstrip("/"), principal) if at_mcp else None
    shown = Access(url=path, mode="tools", found=view is not None, servers=[])
    if view is None:
        return shown
    model = services.model
    for server_id, reason in model.reasons(principal, view, now, as_if).items():
        server = model.servers[server_id]
        if whole or model.entitled(user_id, server):
            tools = services.gateway.known_tools(user_id, server_id) or []
            views = [_tool(model, principal, server_id, tool, view, now, as_if) for tool in tools]
            barred = whole and reason == "not_in_audience"
            detail = f"for {server.audience.described()}" if barred else UNSET
            shown.servers.append(VisibleServer(server=server.name, reason=reason, detail=detail, tools=views))
    return shown


def _tool(
    model: AccessModel,
    principal: Principal,
    server_id: str,
    tool: Tool,
    view: View,
    now: datetime,
    as_if: frozenset[str] | None,
) -> VisibleTool:
    decision = decide(model, principal, Capability(server_id, name=tool.name), now, view, as_if)
    return VisibleTool(name=tool.name, exposed_name=tool.exposed_name, reason=decision.reason)
