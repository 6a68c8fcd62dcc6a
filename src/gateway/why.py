"""`hub_why`: why a tool is not in somebody's list, answered from the decision that left it out.

It explains what is the caller's own (groups, key, address, values, mode) and how servers are that are meant for the
caller. Of everything else it says what a call of an unknown tool says: that there is something to hide is hidden, too.
An administrator hears about every server, as in the list of servers.

Spec: the contract of this hub, section 7.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from mcphub.domain.access import AccessModel, Capability, Reason, decide
from mcphub.domain.names import SEPARATOR, tool_map
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import wire
from mcphub.gateway.errors import Answer, UnknownName
from mcphub.gateway.exposure import choice, settled
from mcphub.gateway.kinds import TOOLS
from mcphub.gateway.router import Router
from mcphub.gateway.server_list import Item, ServerList
from mcphub.gateway.server_tools import PREFIX, tool_name
from mcphub.gateway.session import Asker
from mcphub.gateway.upstream.runtime import ServerStatus

WHY = "hub_why"
ABOUT = "Why is a tool of one of your servers not in the list? Says what stands in the way, and what to do."
DEFINITION = wire.encode(
    {
        "name": WHY,
        "description": ABOUT,
        "inputSchema": {
            "type": "object",
            "properties": {
                "tool": {"type": "string", "description": "A name like server__tool, server_name, or a server's name."}
            },
            "required": ["tool"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True},
    }
)
OFF: dict[Reason, str] = {  # what administrators are told
    "switched_off": "An administrator switched {} off.",
    "quarantined": "{} is new or says something else than before. It waits until an administrator approves it.",
}
UNREADABLE = (
    "What server '{1}' says of {0} is no definition that clients can read: its inputSchema describes no object. Among"
    " several servers it is left out, as some clients would show no tool at all; at /mcp/{1} its list is its own."
)
PROMPT = wire.encode(
    {
        "name": WHY,
        "description": ABOUT,
        "arguments": [{"name": "tool", "description": "A name like server__tool.", "required": True}],
    }
)


class Explained(Struct, frozen=True):
    """`reason` is stable; `said` is for people and models."""

    reason: str
    said: str
    server: str
    visible: bool = False

    def as_tool(self, tool: str) -> bytes:
        structured = {"tool": tool, "visible": self.visible, "reason": self.reason, "server": self.server}
        return wire.encode({"content": [{"type": "text", "text": self.said}], "structuredContent": structured})

    def as_prompt(self, tool: str) -> bytes:
        text = f"I asked my MCP hub why I do not see the tool {tool}. It says: {self.said} Tell me what to do."
        return wire.encode({"messages": [{"role": "user", "content": {"type": "text", "text": text}}]})


class Why:
    """
    Args:
        status: how a server is doing.
        public_url: of the hub's pages.
    """

    def __init__(
        self, model: AccessModel, router: Router, status: Callable[[str], ServerStatus], public_url: str
    ) -> None:
        self._model = model
        self._router = router
        self._status = status
        self._public_url = public_url

    async def explain(self, asker: Asker, name: str, at: datetime) -> Explained:
        """
        Args:
            name: a qualified name, a server tool's, or a server's slug or name.

        Raises:
            UnknownName: nothing by that name is this caller's business.
        """
        server, exposed = self._meant(name)
        admin = self._model.users[asker.principal.user_id].admin
        if server is None or not (admin or self._model.entitled(asker.principal.user_id, server)):
            raise UnknownName("tool", name, "unknown_tool")
        decision = decide(self._model, asker.principal, Capability(server.server_id), at, asker.view)
        if not decision.allowed:
            return Explained(decision.reason, self._hidden(asker, server, decision.reason), server.slug)
        try:
            found = await self._router.listed(asker, server)
        except Answer as failed:  # values the caller has to enter, or a server that cannot be reached
            return Explained(failed.reason, str(failed), server.slug)
        item = found.by_exposed.get(exposed)
        former = self._renamed(server, found, exposed) if exposed and item is None else None
        item = item or former
        if exposed and item is None:
            if any(each.exposed == exposed for each in self._router.unreadable(server, found)):
                return Explained("unreadable", UNREADABLE.format(exposed, server.slug), server.slug)
            raise UnknownName("tool", name, "unknown_tool")
        if item is not None:
            own = Capability(server.server_id, "tools", item.name, item.hash)
            decision = decide(self._model, asker.principal, own, at, asker.view)
            if not decision.allowed and not admin:
                raise UnknownName("tool", name, decision.reason)
            if not decision.allowed:
                return Explained(decision.reason, OFF[decision.reason].format(item.exposed), server.slug)
        there = await self._there(asker, server, item, at)
        if former is None:
            return there
        said = f"An administrator gave {exposed} the name {former.exposed}. {there.said}"
        return Explained("renamed", said, server.slug, visible=True)

    def _renamed(self, server: ServerState, found: ServerList, exposed: str) -> Item | None:
        """The tool that would be exposed by this name, had nobody given it another one."""
        return found.by_name.get(tool_map(server.slug, found.by_name).get(exposed, "")) if found.given else None

    def _meant(self, name: str) -> tuple[ServerState | None, str]:
        """(the server, the qualified name of the tool; '' when the server itself is asked about)"""
        settings = self._model.settings
        if SEPARATOR in name and (server := settings.by_slug(name.partition(SEPARATOR)[0])) is not None:
            return server, name
        return settings.by_slug(name.removeprefix(PREFIX)) or settings.by_name(name), ""

    def _hidden(self, asker: Asker, server: ServerState, reason: Reason) -> str:
        slug, pages = server.slug, self._public_url
        match reason:
            case "server_disabled":
                return f"Server '{slug}' is switched off. An administrator can switch it on."
            case "not_in_audience":
                return f"Server '{slug}' is not meant for you: its audience in the settings names others."
            case "no_active_group":
                return f"None of your groups is active, so you see no server. Activate one at {pages}/user-groups."
            case "not_in_active_group":
                names = ", ".join(group.name for group in self._model.active_groups(asker.principal.user_id))
                return (
                    f"Server '{slug}' is in none of your active groups ({names}). Add it to one, or activate one that"
                    f" has it, at {pages}/user-groups."
                )
            case "outside_key_scope":
                key = self._model.keys[asker.principal.key_id]
                return (
                    f"The MCPHub key in use ({key.name}) is narrowed to other servers than '{slug}'. Use another key,"
                    f" or change the scope of this one at {pages}/connect."
                )
            case "outside_view":
                what = "one server" if asker.view.kind == "server" else "one group"
                return f"The address in use shows {what} only, without '{slug}'. Use {pages}/mcp for all you have."
        return f"Server '{slug}' is not visible to you now ({reason})."

    async def _there(self, asker: Asker, server: ServerState, item: Item | None, at: datetime) -> Explained:
        """Nothing hides it; what is left is how it is listed, and how its server is."""
        mode = choice(self._model, asker.principal, asker.view, asker.asked)
        gathered = await self._router.gather(asker, TOOLS, at)
        tools = gathered.shown
        shown, one = settled(self._model, mode, tools, len(gathered.chunks)), tool_name(server.slug)
        what = item.exposed if item is not None else f"server '{server.slug}'"
        if shown == "servers":
            said = (
                f"Nothing hides {what}. With {tools} visible tools and mode {mode}, the list holds one tool for each"
                f" server: call {one}{f' with tool_name {item.shown!r}' if item is not None else ''}, or a tool by its"
                f" qualified name. Add ?mode=tools to the address to have every tool listed."
            )
            reason = "inside_server_tool"
        elif shown == "search":
            said = (
                f"Nothing hides {what}. With {tools} visible tools and mode {mode}, the list holds tools to search"
                f" with: search_tools finds it, and call_tool"
                f"{f' with tool {item.exposed!r}' if item is not None else ''} calls it."
                f" Add ?mode=tools to the address to have every tool listed."
            )
            reason = "found_by_search"
        else:
            said = (
                f"Nothing hides {what}: it is in the list. If you do not see it, let the client load its tools again."
            )
            reason = "listed"
        return Explained(reason, said + self._state(server), server.slug, visible=True)

    def _state(self, server: ServerState) -> str:
        status = self._status(server.server_id)
        if status.state != "error":
            return ""
        again = ""
        if status.next_retry_at is not None:
            again = f" The next attempt is at {datetime.fromtimestamp(status.next_retry_at, UTC):%H:%M:%S} UTC."
        return f" But the server is not available right now: {status.error}.{again}"
