"""An MCP client reduced to what is on the wire: raw status codes, raw messages, many sessions, exact times.

The official clients are in peers.py; this one is for what they hide.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

BOTH = "application/json, text/event-stream"


class RpcError(Exception):
    """A JSON-RPC error in a 200."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.code = error.get("code")
        self.message = error.get("message", "")


class HttpError(Exception):
    """Anything that is no JSON-RPC answer to our request."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:500]}")
        self.status = status
        self.body = body


class Ide:
    """One MCP session.

    Args:
        url: of the MCP endpoint.
        key: an MCPHub key; '' sends none.
    """

    def __init__(self, url: str, key: str, *, version: str = "2025-11-25", name: str = "ide") -> None:
        self.url = url
        self.version = version
        self.name = name
        self.session = ""
        self.request_ids: list[str] = []
        self.messages: list[tuple[float, dict[str, Any]]] = []  # of the GET stream: when, what
        self.stream_ended = 0.0
        self._numbers = itertools.count(1)
        self._following: asyncio.Task[None] | None = None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.AsyncClient(headers=headers, timeout=90, trust_env=False)

    async def __aenter__(self) -> "Ide":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, capabilities: dict[str, Any] | None = None) -> dict[str, Any]:
        """Initialize and say so; returns the InitializeResult."""
        result = await self.request(
            "initialize",
            {
                "protocolVersion": self.version,
                "capabilities": capabilities or {},
                "clientInfo": {"name": self.name, "version": "1"},
            },
        )
        self.version = result["protocolVersion"]
        await self.notify("notifications/initialized")
        return result

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        if self.session:
            with contextlib.suppress(httpx.TransportError):  # a hub that is gone has no sessions
                await self.http.delete(self.url, headers=self._headers())
        await self.http.aclose()

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": BOTH, "Content-Type": "application/json"}
        if self.session:
            headers |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": self.version}
        return headers

    async def post(self, message: Any, **headers: str) -> httpx.Response:
        return await self.http.post(self.url, json=message, headers={**self._headers(), **headers})

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        response = await self.post({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})})
        if response.status_code != 202:
            raise HttpError(response.status_code, response.text)

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result.

        Raises:
            RpcError, HttpError, httpx.TransportError
        """
        result, _ = await self.exchange(method, params)
        return result

    async def exchange(
        self, method: str, params: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The result, and the notifications that came before it; questions are left unanswered."""
        number = next(self._numbers)
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        response = await self.post(message)
        if method == "initialize":
            self.session = response.headers.get("mcp-session-id", "")
        if "x-mcphub-request-id" in response.headers:
            self.request_ids.append(response.headers["x-mcphub-request-id"])
        frames = frames_of(response)
        answer = next((frame for frame in frames if frame.get("id") == number and "method" not in frame), None)
        if answer is None:
            raise HttpError(response.status_code, response.text)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"], [frame for frame in frames if frame is not answer]

    async def tools(self) -> list[dict[str, Any]]:
        """All pages of tools/list."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            result = await self.request("tools/list", cursor)
            found += result["tools"]
            if "nextCursor" not in result:
                return found
            cursor = {"cursor": result["nextCursor"]}

    async def tool_names(self) -> list[str]:
        return [tool["name"] for tool in await self.tools()]

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        return await self.request("tools/call", {"name": tool, "arguments": arguments})

    async def text(self, tool: str, /, **arguments: Any) -> str:
        """The text of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.get("isError"), result
        return str(result["content"][0]["text"])

    async def follow(self) -> None:
        """Opens the GET stream and keeps what comes, until the hub ends it; returns once it is open."""
        opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._following = asyncio.create_task(self._follow(opened))
        status = await opened
        if status != 200:
            raise HttpError(status, "")

    async def _follow(self, opened: "asyncio.Future[int]") -> None:
        try:
            async with self.http.stream("GET", self.url, headers=self._headers(), timeout=None) as response:
                opened.set_result(response.status_code)
                async for frame in events(response):
                    self.messages.append((time.monotonic(), frame))
        except httpx.TransportError:
            pass  # an end like any other; what matters is when
        finally:
            self.stream_ended = time.monotonic()
            if not opened.done():
                opened.set_result(0)

    def heard(self, method: str, since: float = 0.0) -> list[float]:
        """When notifications of this method came on the GET stream."""
        return [at for at, frame in self.messages if frame.get("method") == method and at >= since]


def frames_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The JSON-RPC messages of a JSON or an SSE body."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        frames = []
        for event in response.text.replace("\r\n", "\n").split("\n\n"):
            data = "\n".join(line[5:].lstrip() for line in event.split("\n") if line.startswith("data:"))
            if data:
                frames.append(json.loads(data))
        return frames
    try:
        body = response.json()
    except ValueError:
        return []
    return [body] if isinstance(body, dict) else body


async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each SSE event that has some."""
    data: list[str] = []
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            data.append(line[5:].lstrip())
        elif not line and data:
            joined, data = "\n".join(data), []
            if joined:
                yield json.loads(joined)


@asynccontextmanager
async def sessions(url: str, keys: list[str]) -> AsyncIterator[list[Ide]]:
    """Open sessions, one a key."""
    made = [Ide(url, key) for key in keys]
    try:
        await asyncio.gather(*(ide.open() for ide in made))
        yield made
    finally:
        await asyncio.gather(*(ide.close() for ide in made), return_exceptions=True)
