"""Upstreams written by hand for one test, and the two sides that a runtime talks to, recorded.

They run in the test's own process (HTTP) or are a script of a few lines (stdio), so a test can make them do what no
library would.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from mcphub.domain.server_spec import ServerSpec, spec_of
from mcphub.domain.substitution import Injected, inject
from mcphub.gateway.upstream.runtime import Identity, Reply, Runtime

CLIENT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"sampling": {}, "roots": {}},
    "clientInfo": {"name": "test", "version": "1"},
}
RESULT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {"listChanged": True}},
    "serverInfo": {"name": "raw", "version": "1"},
}


def identity(user: str = "ann", session: str = "s-ann", *, version: str = "v1", key: str = "k") -> Identity:
    return Identity(user, session, key, ("team",), "2025-11-25", json.dumps(CLIENT).encode(), version)


def spec(name: str = "raw", **config: Any) -> ServerSpec:
    return spec_of(name, name, name, config)


def injecting(of: ServerSpec, **values: str) -> Callable[[], Injected]:
    return lambda: inject(of, values, {}, lambda _, sealed: sealed)


class Heard:
    """A Listener that remembers."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.frames: list[bytes] = []
        self.ended: list[str] = []
        self.asked: list[str] = []
        self.judged: list[tuple[str, bool]] = []  # (version of the values, refused)

    def server_notification(self, runtime: Runtime, method: str, frame: bytes) -> None:
        self.methods.append(method)
        self.frames.append(frame)

    async def server_asks(self, runtime: Runtime, method: str, params: bytes) -> Reply:
        self.asked.append(method)
        return Reply(error=b'{"code":-32601,"message":"nobody"}')

    def runtime_ended(self, runtime: Runtime, reason: str) -> None:
        self.ended.append(reason)

    def values_judged(self, server_id: str, identity: Identity, refused: bool) -> None:
        self.judged.append((identity.credential_version, refused))


class Asker:
    """A Caller that remembers; `answers` by method, an error for others."""

    traceparent = tracestate = ""
    log_level: str | None = ""

    def __init__(self, request_id: str = "req-1", **answers: dict[str, Any]) -> None:
        self.request_id = request_id
        self.headers: Mapping[str, str] = {}
        self.repeated: Mapping[str, str] = {}
        self.frames: list[bytes] = []
        self.asked: list[tuple[str, Any]] = []
        self.answers = answers
        self.hold: Callable[[], Awaitable[None]] | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.frames]

    def notify(self, frame: bytes) -> None:
        self.frames.append(frame)

    async def ask(self, method: str, params: bytes) -> Reply:
        self.asked.append((method, json.loads(params)))
        if self.hold is not None:
            await self.hold()
        answer = self.answers.get(method.replace("/", "_"))
        return Reply(error=b'{"code":-32601,"message":"no"}') if answer is None else Reply(json.dumps(answer).encode())


# HTTP

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class WebUpstream:
    """An MCP server over HTTP that answers `initialize` by itself; `on[method]` answers the rest.

    Attributes:
        seen: (HTTP method, headers in lower case, message) of everything that came.
        known: ids of the sessions it knows; None makes it one without sessions.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.on: dict[str, Answer] = {}
        self.known: set[str] | None = set()
        self.unknown_status = 404
        self.result: dict[str, Any] = RESULT
        self.url = ""
        self._sessions = 0

    def messages(self, method: str) -> list[dict[str, Any]]:
        return [message for _, _, message in self.seen if message.get("method") == method]

    def headers(self, method: str) -> dict[str, str]:
        """Of the latest message of this method."""
        return [headers for _, headers, message in self.seen if message.get("method") == method][-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        message = await request.json() if request.method == "POST" else {}
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, headers, message))
        method = message.get("method", "reply") if request.method == "POST" else request.method
        if method in self.on:
            return await self.on[method](request, message)
        if method == "initialize":
            return self.initialized(message)
        if self.known is not None and headers.get("mcp-session-id") not in self.known and "id" in message:
            error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": error}, status=self.unknown_status)
        if request.method == "GET":
            return web.Response(status=405)
        if "id" not in message or "method" not in message:
            return web.Response(status=202)
        return reply(message, {"echo": message.get("params")})

    def initialized(self, message: dict[str, Any]) -> web.Response:
        headers = {}
        if self.known is not None:
            self._sessions += 1
            self.known.add(f"up-{self._sessions}")
            headers["Mcp-Session-Id"] = f"up-{self._sessions}"
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": self.result}, headers=headers)


def reply(message: dict[str, Any], result: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})


async def streaming(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def event(stream: web.StreamResponse, message: Any, *, id_: str = "") -> None:
    head = f"id: {id_}\n" if id_ else ""
    await stream.write(f"{head}data: {json.dumps(message)}\n\n".encode())


@asynccontextmanager
async def web_upstream() -> AsyncIterator[WebUpstream]:
    upstream = WebUpstream()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", upstream.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    try:
        yield upstream
    finally:
        await runner.cleanup()


# stdio

PREAMBLE = f"""
import json, os, signal, subprocess, sys, time

RESULT = json.loads({json.dumps(json.dumps(RESULT))})

def say(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + chr(10))
    sys.stdout.flush()

def reply(message, result):
    say({{"jsonrpc": "2.0", "id": message["id"], "result": result}})

def messages():
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "initialize":
            reply(message, RESULT)
        elif message.get("method") != "notifications/initialized":
            yield message
"""


def script(folder: Path, body: str) -> dict[str, Any]:
    """The entry of a server that is this Python; `messages()` gives what comes after the beginning."""
    path = folder / f"server_{len(list(folder.iterdir()))}.py"
    path.write_text(PREAMBLE + body)
    return {"command": sys.executable, "args": ["-u", str(path)]}


def alive(pid: int) -> bool:
    """Is there such a process, and no zombie?"""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
