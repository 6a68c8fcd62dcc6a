"""An HTTP+SSE server written by hand for one test: a stream that says everything, and a place to POST to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.raw_upstreams import RESULT

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse | None]]


class SseUpstream:
    """Answers `initialize` by itself and echoes the rest; `on[method]` answers instead, None for 202.

    Attributes:
        endpoint: what the first event says; `{n}` is the number of the stream.
        opening: what a GET is answered with instead of a stream.
        seen: (HTTP method, path and query, headers in lower case, message) of everything that came.
    """

    def __init__(self) -> None:
        self.url = ""
        self.endpoint = "/messages/?session_id={n}"
        self.opening: Callable[[web.Request], web.StreamResponse] | None = None
        self.on: dict[str, Answer] = {}
        self.seen: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        self.streams: list[web.StreamResponse] = []
        self._open = 0
        self._ends: list[asyncio.Event] = []

    def messages(self, method: str) -> list[dict[str, Any]]:
        return [message for _, _, _, message in self.seen if message.get("method") == method]

    def headers(self, method: str) -> dict[str, str]:
        """Of the latest message of this method; GET is a stream."""
        return [heads for verb, _, heads, message in self.seen if method in (message.get("method"), verb)][-1]

    def targets(self, verb: str) -> list[str]:
        return [target for found, target, _, _ in self.seen if found == verb]

    @property
    def open_streams(self) -> int:
        return self._open

    async def say(self, frame: dict[str, Any] | str, kind: str = "message", *, on: int = 0) -> None:
        """On the stream of this number, or on the newest."""
        data = frame if isinstance(frame, str) else json.dumps(frame)
        await self.streams[on - 1].write(f"event: {kind}\r\ndata: {data}\r\n\r\n".encode())

    def cut(self) -> None:
        for end in self._ends:
            end.set()

    async def get(self, request: web.Request) -> web.StreamResponse:
        self._note(request, {})
        if self.opening is not None:
            return self.opening(request)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        self.streams.append(stream)
        end = asyncio.Event()
        self._ends.append(end)
        self._open += 1
        try:
            await stream.write(b": welcome\r\n\r\n")
            if self.endpoint:
                await self.say(self.endpoint.format(n=len(self.streams)), "endpoint")
            await end.wait()
        finally:
            self._open -= 1
        return stream

    async def post(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        self._note(request, message)
        method = message.get("method", "reply")
        if method in self.on:
            answer = await self.on[method](request, message)
            return answer if answer is not None else web.Response(status=202, text="Accepted")
        if "id" not in message or "method" not in message:
            return web.Response(status=202, text="Accepted")
        result = RESULT if method == "initialize" else {"echo": message.get("params")}
        frame = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        await self.say(frame, on=int(request.query.get("session_id", 0)))
        return web.Response(status=202, text="Accepted")

    def _note(self, request: web.Request, message: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, str(request.rel_url), headers, message))


@asynccontextmanager
async def sse_upstream() -> AsyncIterator[SseUpstream]:
    upstream = SseUpstream()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/{path:.*}", upstream.get)
    app.router.add_post("/{path:.*}", upstream.post)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sse"
    try:
        yield upstream
    finally:
        upstream.cut()
        await runner.cleanup()
