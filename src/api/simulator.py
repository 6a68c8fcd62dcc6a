"""What a client of a user would see at an address, and why something is hidden: by the decision the gateway takes."""

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from mcphub.api.problems import Problem, not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel, Capability, Principal, User, View, decide
from mcphub.domain.audience import Audience
from mcphub.gateway.exposure import Asked, Shown, UnknownMode, asked_in, choice, settled
from mcphub.gateway.facade import Tool
from mcphub.gateway.server_tools import tool_name


class VisibleTool(Out, kw_only=True):
    """`exposedName` is what a call at this address names it by."""

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
    """`found` is false where a client would get 404; `listed` are the names of `tools/list` as they are sent."""

    url: str
    mode: Shown
    found: bool
    listed: list[str]
    servers: list[VisibleServer]


class AccessAnswer(Envelope, kw_only=True):
    data: Access


def access_of(
    services: Services, user_id: str, url: str, *, whole: bool = True, groups: str | None = None, key_id: str = ""
) -> Access:
    """
    Args:
        url: an address of the hub, whole or only its path.
        whole: also name servers that are not meant for the user.
        groups: ids of groups of the user, with commas between: as if only these were active.
        key_id: of a key of the user that the client comes with; '' for one without a scope.

    Raises:
        Problem: 404, the user has no such group or key; 422, the address is none, or asks for a mode that is not there.
    """
    as_if = None if groups is None else frozenset(filter(None, groups.split(",")))
    if as_if is not None and not as_if <= set(services.model.groups_of.get(user_id, {})):
        raise not_found("There is no such group.")
    if key_id and key_id not in services.model.keys_of.get(user_id, {}):
        raise not_found("There is no such key.")
    (path, asked), principal, now = _address(url), Principal(user_id, key_id), datetime.now(UTC)
    at_mcp = path == "/mcp" or path.startswith("/mcp/")
    view = services.gateway.view_of(path.rstrip("/"), principal) if at_mcp else None
    shown = Access(url=path, mode="tools", found=view is not None, listed=[], servers=[])
    if view is None:
        return shown
    model = services.model
    chosen = choice(model, principal, view, asked)
    sent: dict[str, list[str]] = {}  # slug → names of the visible tools
    for server_id, reason in model.reasons(principal, view, now, as_if).items():
        server = model.servers[server_id]
        if whole or model.entitled(user_id, server):
            tools = services.gateway.known_tools(user_id, server_id) or []
            seen = Seen(model, principal, server_id, view, now, as_if, verbatim=chosen == "verbatim")
            views = [seen.tool(tool) for tool in tools]
            barred = whole and reason == "not_in_audience"
            detail = _whom_for(model.users[user_id], server.audience) if barred else UNSET
            shown.servers.append(VisibleServer(server=server.name, reason=reason, detail=detail, tools=views))
            sent[server.slug] = [tool.exposed_name for tool in views if tool.reason == "allowed"]
    shown.mode = settled(chosen, sum(map(len, sent.values())))
    if shown.mode == "servers":
        shown.listed = [tool_name(slug) for slug in sorted(sent) if sent[slug]]
    else:
        shown.listed = [name for slug in sorted(sent) for name in sent[slug]]
    return shown


def _whom_for(user: User, audience: Audience) -> str:
    unknown = bool(audience.memberships) and not user.memberships
    return f"for {audience.described()}" + ("; the user is not known to belong to anything" if unknown else "")


def _address(url: str) -> tuple[str, Asked]:
    try:
        found = urlsplit(url)
        return found.path, asked_in(found.query.encode("utf-8", "replace"))
    except UnknownMode as unknown:
        raise Problem(422, unknown.code, str(unknown), "Name one of the modes, or leave `mode` out.") from None
    except ValueError:
        raise Problem(422, "invalid_request", "The url is none.", "Give an address of this hub's /mcp.") from None


class Seen(NamedTuple):
    """A server's tools as somebody sees them at an address."""

    model: AccessModel
    principal: Principal
    server_id: str
    view: View
    now: datetime
    as_if: frozenset[str] | None
    verbatim: bool

    def tool(self, tool: Tool) -> VisibleTool:
        capability = Capability(self.server_id, name=tool.name, definition=tool.hash)
        decision = decide(self.model, self.principal, capability, self.now, self.view, self.as_if)
        name = (tool.shown_name or tool.name) if self.verbatim else tool.exposed_name
        return VisibleTool(name=tool.name, exposed_name=name, reason=decision.reason)
