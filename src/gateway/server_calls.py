"""A call of a server tool: which of the server's own tools is meant, and whether its arguments fit it.

Nothing reaches the server but a call whose arguments satisfy the tool's own schema; the rest is answered here, in a way
that a model can go on from. The answers name what the caller may see and nothing else.

Spec: the contract of this hub, section 7.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches

from msgspec import Raw, Struct

from mcphub.domain.access import AccessModel, Capability, decide
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import wire
from mcphub.gateway.arguments import Violation
from mcphub.gateway.checker import Checker
from mcphub.gateway.errors import CallRefused, UnknownName
from mcphub.gateway.router import Router
from mcphub.gateway.server_list import ServerList
from mcphub.gateway.server_tools import PREFIX, Inner, OneTool, lines
from mcphub.gateway.session import Asker
from mcphub.gateway.traffic import Request

ALIAS = "toolName"
NEAREST = 3
LONGEST_NAME = 200  # characters of a name that is looked for among others
NOTHING = b"{}"


class Told(Struct, frozen=True):
    """The hub answers by itself. `why` says so in the row."""

    result: bytes
    why: str


class Forwarded(Struct, frozen=True):
    """The call as the server gets it."""

    server: ServerState
    params: bytes


class Wanted(Struct):
    """What the caller put into the server tool. `arguments` None: none were given; `wrong`: what does not belong."""

    name: str = ""
    arguments: bytes | None = None
    describe: bool = False
    wrong: list[Violation] = []

    @property
    def asks_for_names(self) -> bool:
        return self.name in ("", "?")

    @property
    def calls(self) -> bool:
        """Is it a call, and no question about one?"""
        return self.arguments is not None and not self.describe and not self.asks_for_names

    @property
    def given(self) -> bytes:
        return NOTHING if self.arguments is None else self.arguments


class ServerCalls:
    """Takes calls of server tools apart; one for all sessions."""

    def __init__(self, model: AccessModel, router: Router) -> None:
        self._model = model
        self._router = router
        self.checker = Checker()

    async def read(self, asker: Asker, request: Request, params: wire.Members, at: datetime) -> Told | Forwarded:
        """
        Args:
            request: gets the server and its own tool's name, as far as they are known.

        Raises:
            UnknownName: no such server tool, or not for this caller.
            CallRefused: the server was not asked, and why.
            Answer: the server's list cannot be had.
        """
        shown_as = wire.text(params, "name") or ""
        server = self._server(asker, shown_as, at)
        wanted = _wanted(bytes(params.get("arguments", Raw())))
        request.server, request.tool = server.slug, "" if wanted.asks_for_names else wanted.name
        found, tools = await self._known(asker, server, wanted)
        if tools is None:
            raise UnknownName("tool", shown_as, "no_visible_tool")
        if wanted.wrong:
            raise misfit(tools.definition, wanted.wrong, f"{shown_as} was called wrongly")
        if wanted.asks_for_names:
            return Told(_names(tools), "listed")
        found, tools, wrong = await self._checked(asker, server, found, tools, wanted)
        # Decided last: nothing is waited for between the decision and the call.
        tool = tools.inner.get(wanted.name)
        item = found.by_name.get(tool.own) if tool is not None else found.by_shown.get(wanted.name)
        name, hash = (item.name, item.hash) if item is not None else (wanted.name, "")
        request.tool = name
        own = Capability(server.server_id, "tools", name, hash)
        decision = decide(self._model, asker.principal, own, at, asker.view)
        if tool is None or not decision.allowed:
            unheard_of = item is None or decision.allowed
            raise _unknown(server, wanted.name, tools, "unknown_tool" if unheard_of else decision.reason)
        if wanted.describe:
            return Told(_described(tool), "described")
        if wrong and wanted.arguments is None:
            return Told(_described(tool, "Arguments needed: call again with `arguments`."), "arguments_needed")
        if wrong:
            raise misfit(tool.described, wrong, f"The arguments do not fit the tool {tool.name!r}")
        named: dict[str, Raw | bytes] = dict(params)
        named["name"], named["arguments"] = wire.encode(tool.own), wanted.given
        return Forwarded(server, wire.joined(named))

    def _server(self, asker: Asker, shown_as: str, at: datetime) -> ServerState:
        server = self._model.settings.by_slug(shown_as.removeprefix(PREFIX))
        if server is None:
            raise UnknownName("tool", shown_as, "unknown_tool")
        decision = decide(self._model, asker.principal, Capability(server.server_id), at, asker.view)
        if not decision.allowed:
            raise UnknownName("tool", shown_as, decision.reason)
        return server

    async def _known(self, asker: Asker, server: ServerState, wanted: Wanted) -> tuple[ServerList, OneTool | None]:
        """The server's tools, asked for anew when the one that is wanted is not among them."""
        # Who asks for a description gets the one of now; a call is not to wait for a list.
        found = await (self._router.own_list if wanted.calls else self._router.listed)(asker, server)
        tools = self._router.as_one(server, found)
        known = wanted.asks_for_names or (tools is not None and wanted.name in tools.inner)
        if not known and (anew := await self._router.known_again(asker, server, found)) is not None:
            return anew, self._router.as_one(server, anew)
        return found, tools

    async def _checked(
        self, asker: Asker, server: ServerState, found: ServerList, tools: OneTool, wanted: Wanted
    ) -> tuple[ServerList, OneTool, list[Violation]]:
        """What is wrong with the arguments, by the schema as it is now if the held one refuses them."""
        wrong = await self._violations(tools, wanted)
        if wrong and (anew := await self._router.listed(asker, server)) is not found:
            found, tools = anew, self._router.as_one(server, anew) or tools
            wrong = await self._violations(tools, wanted)
        return found, tools, wrong

    async def _violations(self, tools: OneTool, wanted: Wanted) -> list[Violation]:
        tool = tools.inner.get(wanted.name)
        return [] if tool is None or wanted.describe else await self.checker.violations(tool.schema, wanted.given)

    async def close(self) -> None:
        await self.checker.close()


# in


def _wanted(raw: bytes) -> Wanted:
    """Never fails: what is wrong is noted, for who may hear of it."""
    try:
        found = wire.members(raw)
    except wire.Unreadable:
        return Wanted(wrong=[("", "it is not an object")])
    wanted = Wanted(wrong=[])
    for member, value in found.items():
        match member:
            case "tool_name" | "toolName":
                name = wire.text(found, member)
                if name is None:
                    wanted.wrong.append((f"/{member}", "it is not a text"))
                elif member == ALIAS and "tool_name" in found and name != wire.text(found, "tool_name"):
                    wanted.wrong.append((f"/{member}", "it names another tool than tool_name"))
                else:
                    wanted.name = name
            case "describe":
                wanted.describe = bytes(value) == b"true"
                if bytes(value) not in (b"true", b"false", b"null"):
                    wanted.wrong.append(("/describe", "it is neither true nor false"))
            case "arguments":
                wanted.arguments = _object(bytes(value), wanted.wrong)
            case _:
                wanted.wrong.append(
                    (f"/{member[:LONGEST_NAME]}", "it does not belong here; a tool's own arguments go into `arguments`")
                )
    return wanted


def _object(raw: bytes, wrong: list[Violation]) -> bytes | None:
    """The arguments as an object; models send its text as a string now and then, which is read once."""
    text = wire.text({"": Raw(raw)}, "") if raw.startswith(b'"') else None
    given = raw if text is None else text.strip().encode()
    if given == b"null":
        return None
    try:
        fits = given.startswith(b"{") and not wire.too_deep(given) and isinstance(json.loads(given), dict)
    except ValueError:
        fits = False
    if not fits:
        wrong.append(("/arguments", "it is not an object"))
        return None
    return given


# out


def _names(tools: OneTool) -> bytes:
    said = "\n".join(lines(tools.inner))
    listed = [{"name": tool.name, "description": tool.gist} for tool in tools.inner.values()]
    return wire.encode({"content": [_text(said)], "structuredContent": {"tools": listed}})


def _described(tool: Inner, note: str = "") -> bytes:
    said = tool.described.decode()
    content = [*([_text(note)] if note else []), _text(said)]
    return wire.joined({"content": wire.encode(content), "structuredContent": tool.described})


def _unknown(server: ServerState, name: str, tools: OneTool, reason: str) -> CallRefused:
    """One answer for what does not exist and for what this caller may not use."""
    near = _nearest(name, tools)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    message = f"Server '{server.slug}' has no tool {name[:LONGEST_NAME]!r}.{hint} Available: {', '.join(tools.inner)}."
    data = {"nearest": near, "available": list(tools.inner)}
    return CallRefused(message, reason=reason, denied=True, data=data)


def _nearest(name: str, tools: OneTool) -> list[str]:
    spelled = {tool.lower(): tool for tool in tools.inner}
    return [spelled[found] for found in get_close_matches(name[:LONGEST_NAME].lower(), spelled, NEAREST, 0.5)]


def misfit(definition: bytes, wrong: Sequence[Violation], what: str) -> CallRefused:
    """What is wrong with arguments, and the schema they have to fit."""
    schema = bytes(wire.members(definition).get("inputSchema", Raw(b"{}")))
    said = "\n".join(f"- {pointer or '(the whole)'}: {detail}" for pointer, detail in wrong)
    message = f"{what}; nothing was sent.\n{said}\ninputSchema: {schema.decode()}"
    violations = [{"pointer": pointer, "detail": detail} for pointer, detail in wrong]
    return CallRefused(message, reason="bad_arguments", data={"violations": violations, "inputSchema": Raw(schema)})


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
