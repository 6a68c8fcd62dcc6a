"""Cursor, Claude Code and VS Code as they behave on the wire, each with its own way of taking a server for broken.

Where it is known from: VS Code's `extHostMcp.ts` and `mcpServerRequestHandler.ts`; the TypeScript SDK's
`streamableHttp.ts`, which Cursor and Claude Code are built on; recorded requests of Claude Code 2.1.233; for Cursor
what its users report.
"""

import asyncio
import itertools
import json
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx

from tests.support.ide import BOTH, Ide
from tests.support.waiting import until

PACE = 0.2  # a second of a client's patience is that long here
EVENTS = "text/event-stream"


class GivesUp(Exception):
    """What the client's user sees as a broken server."""


class Editor(Ide):
    """One window of one client. As a context it is started like the client, and ended like it.

    Args:
        url: of the MCP endpoint.
        key: an MCPHub key, in the header its configuration names.
    """

    label: ClassVar[str]
    info: ClassVar[dict[str, Any]]
    asks: ClassVar[str]  # the revision of its initialize
    declares: ClassVar[dict[str, Any]]
    accepts: ClassVar[str] = BOTH
    prefix: ClassVar[str]  # what it puts before a tool's name, for a server configured as `mcphub`
    longest: ClassVar[int]  # what is longer, prefix included, it drops
    attempts: ClassVar[float]  # to open a broken stream again

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key, version=self.asks, name=str(self.info["name"]))
        self.hears = False  # its GET stream is open
        self.broken = ""  # why it gave up what it does in the background
        self.sent: list[tuple[str, str]] = []  # HTTP method, and the JSON-RPC method of a POST
        self._last_event = ""
        self._retry = 0.0

    async def __aenter__(self) -> "Editor":
        try:
            await self.start()
        except BaseException:
            await self.http.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Everything it does by itself when it is opened."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Its window is closed: connections break, and nobody says goodbye."""
        await self._deafen()
        await self.http.aclose()

    async def close(self) -> None:
        await self.stop()

    def shown(self, tool: str) -> str:
        """The tool's name as the model gets it; '' when the client drops it."""
        name = self.prefix + tool
        return name if len(name) <= self.longest else ""

    # what it sends

    async def initialize(self) -> dict[str, Any]:
        return await self.request(
            "initialize",
            {"protocolVersion": self.asks, "capabilities": self.declares, "clientInfo": self.info},
        )

    def _headers(self) -> dict[str, str]:
        return {**super()._headers(), "Accept": self.accepts}

    async def post(self, message: Any, **headers: str) -> httpx.Response:
        method = str(message.get("method", ""))
        self.sent.append(("POST", method))
        response = await super().post(message, **headers)
        if response.status_code >= 400:
            raise GivesUp(f"{method}: {response.status_code}, so it {self._conclusion(method, response.status_code)}")
        if "id" in message and method:
            kind = response.headers.get("content-type", "")
            if not kind.startswith((EVENTS, "application/json")):
                raise GivesUp(f"{method}: answered with {kind!r}")
        return response

    def _conclusion(self, method: str, status: int) -> str:
        if method == "initialize" and status not in (401, 403):
            return "falls back to the transport of 2024-11-05"
        return "shows the server as failed"

    # what it hears

    async def hear(self) -> None:
        """Opens the GET stream and keeps it, as patiently as this client is."""
        self._following = asyncio.create_task(self._keep_hearing())
        await self._until_it_hears()

    async def hear_again(self) -> None:
        """After the stream broke: by itself, or once its user reloads the server where it gave up by itself."""
        if self._following is None or self._following.done():
            await self.hear()
        await self._until_it_hears()

    async def _until_it_hears(self) -> None:
        await until(lambda: self.hears or self.broken, within=60, what=f"{self.label} hears the hub")
        if self.broken:
            raise GivesUp(self.broken)

    async def _deafen(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        self.hears = False

    async def _keep_hearing(self) -> None:
        failed = 0
        while True:
            self.sent.append(("GET", ""))
            try:
                async with self.http.stream(
                    "GET", self.url, headers=self._stream_headers(), timeout=httpx.Timeout(None, connect=10)
                ) as response:
                    if response.status_code != 200 or not response.headers["content-type"].startswith(EVENTS):
                        self.broken = f"its stream was answered with {response.status_code}"
                        return
                    failed, self.hears = 0, True
                    await self._read(response)
            except httpx.TransportError:
                pass  # an end like any other
            self.hears = False
            if failed >= self.attempts:
                return
            await asyncio.sleep((self._retry or self._pause(failed)) * PACE)
            failed += 1

    def _pause(self, failed: int) -> float:
        """Seconds before it tries once more; the SDK's."""
        return float(min(1.0 * 1.5**failed, 30))

    def _stream_headers(self) -> dict[str, str]:
        headers = {**self._headers(), "Accept": EVENTS}
        del headers["Content-Type"]
        if self._last_event:
            headers["Last-Event-ID"] = self._last_event
        return headers

    async def _read(self, response: httpx.Response) -> None:
        data: list[str] = []
        async for line in response.aiter_lines():
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                self._last_event = value
            elif field == "retry":
                self._retry = int(value) / 1000
            elif field == "data":
                data.append(value)
            elif not line and data:
                joined, data = "\n".join(data), []
                if joined:
                    await self._heard(json.loads(joined))

    async def _heard(self, frame: dict[str, Any]) -> None:
        self.messages.append((time.monotonic(), frame))
        if frame.get("method") == "ping" and "id" in frame:
            await self.post({"jsonrpc": "2.0", "id": frame["id"], "result": {}})


class Cursor(Editor):
    """Looks for OAuth first, keeps a session id for ever, and is quiet about nothing but 405 on its stream."""

    label = "Cursor"
    info: ClassVar = {"name": "cursor-vscode", "version": "1.0.0"}
    asks = "2025-06-18"
    declares: ClassVar = {
        "elicitation": {},
        "roots": {"listChanged": False},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}},
    }
    prefix = "mcphub"  # it counts the server's name with the tool's
    longest = 60
    attempts = 2

    async def start(self) -> None:
        await self._look_for_oauth()
        await self.initialize()
        await self.notify("notifications/initialized")
        await self.hear()
        await self.offerings()

    async def offerings(self) -> tuple[list[str], int, int]:
        """What its log calls "listOfferings", at its start and whenever its page of tools is opened."""
        tools = await self.tool_names()
        prompts = await self.request("prompts/list")
        resources = await self.request("resources/list")
        return [tool for tool in tools if self.shown(tool)], len(prompts["prompts"]), len(resources["resources"])

    async def _look_for_oauth(self) -> None:
        place = urlsplit(self.url)
        async with httpx.AsyncClient(trust_env=False) as nobody:
            for path in (place.path, ""):
                address = f"{place.scheme}://{place.netloc}/.well-known/oauth-protected-resource{path}"
                answer = await nobody.get(address, headers={"MCP-Protocol-Version": self.asks})
                if answer.status_code != 404 or "json" not in answer.headers["content-type"]:
                    raise GivesUp(f"{address}: {answer.status_code}, so it wants OAuth and drops its own headers")


class ClaudeCode(Editor):
    """Numbers from 0, lists again when it hears of a change, and defers tools: the model gets their names, and looks a
    schema up when it wants to call.
    """

    label = "Claude Code"
    info: ClassVar = {
        "name": "claude-code",
        "title": "Claude Code",
        "version": "2.1.233",
        "description": "Anthropic's agentic coding tool",
        "websiteUrl": "https://claude.com/claude-code",
    }
    asks = "2025-11-25"
    declares: ClassVar = {"roots": {"listChanged": True}, "elicitation": {}}
    prefix = "mcp__mcphub__"
    longest = 128
    attempts = 2

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self._numbers = itertools.count(0)
        self._deferred: dict[str, dict[str, Any]] = {}
        self._listed_at = 0  # after so many changes
        self.http.headers["User-Agent"] = f"claude-code/{self.info['version']} (cli)"

    async def start(self) -> None:
        await self.initialize()
        await self.notify("notifications/initialized")
        await self.hear()
        await self.tools()
        await self.request("prompts/list")
        await self.request("resources/list")

    async def tools(self) -> list[dict[str, Any]]:
        self._listed_at = self._changes
        found = await super().tools()
        self._deferred = {self.shown(tool["name"]): tool for tool in found if self.shown(tool["name"])}
        return found

    @property
    def _changes(self) -> int:
        return len(self.heard("notifications/tools/list_changed"))

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """As the model does it: looks the tool up by the name it was given, then calls it."""
        while self.shown(tool) not in self._deferred:  # of a server that was late for the list
            await until(lambda: self._changes > self._listed_at, within=30, what=f"it hears of {tool}")
            await self.tools()
        known = self._deferred[self.shown(tool)]
        meta = {"claudecode/toolUseId": f"toolu_{next(self._numbers):024}", "progressToken": next(self._numbers)}
        return await self.request("tools/call", {"name": known["name"], "arguments": arguments, "_meta": meta})


class VSCode(Editor):
    """Never names the revision in a header, listens before it says `initialized`, and deletes its session at the end.

    A session it is refused (400, 404) it replaces by a new one; a stream that is refused it never asks for again.
    """

    label = "VS Code"
    info: ClassVar = {"name": "Visual Studio Code", "version": "1.128.0"}
    asks = "2025-11-25"
    declares: ClassVar = {
        "roots": {"listChanged": True},
        "sampling": {},
        "elicitation": {"form": {}, "url": {}},
    }
    accepts = f"{EVENTS}, application/json"
    prefix = "mcp_mcphub_"
    longest = 64
    attempts = float("inf")

    async def start(self) -> None:
        await self.initialize()
        await self.hear()
        await self.notify("notifications/initialized")
        await self.tools()
        await self.request("prompts/list")

    async def stop(self) -> None:
        await self._deafen()
        if self.session:
            self.sent.append(("DELETE", ""))
            await self.http.delete(self.url, headers={"Mcp-Session-Id": self.session})
        await self.http.aclose()

    def _headers(self) -> dict[str, str]:
        headers = super()._headers()
        headers.pop("MCP-Protocol-Version", None)
        return headers

    def _conclusion(self, method: str, status: int) -> str:
        if method != "initialize" and self.session and status in (400, 404):
            return "begins a new session"
        return super()._conclusion(method, status)

    def _pause(self, failed: int) -> float:
        return float(min(failed + 1, 30))


EDITORS: list[type[Editor]] = [Cursor, ClaudeCode, VSCode]
