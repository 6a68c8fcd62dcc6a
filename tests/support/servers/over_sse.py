"""The test server over HTTP+SSE, one MCP session a stream; prints its port when it listens.

python -m tests.support.servers.over_sse --name N --recorder PORT [--port PORT] [--tool EXTRA]…

Spec: MCP 2024-11-05, Transports (HTTP with SSE).
"""

import argparse
import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent))

from behaviour import Behaviour, Link, wired  # type: ignore[import-not-found]


class Over:
    """The streams of one server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.behaviour = Behaviour(options.name, options.recorder, self.announce, options.tool)
        self.state: dict[str, dict[str, Any]] = {}
        self.streams: dict[str, web.StreamResponse] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def announce(self, message: dict[str, Any]) -> None:
        for stream in list(self.streams.values()):
            await write(stream, wired(message))

    async def get(self, request: web.Request) -> web.StreamResponse:
        session = uuid.uuid4().hex
        facts = {name.lower(): value for name, value in request.headers.items()}
        self.behaviour.tell("stream", Link(session, {}, facts, self.announce, target=str(request.rel_url)))
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await stream.prepare(request)
        self.state[session], self.streams[session] = {}, stream
        try:
            await write(stream, f"/messages/?session_id={session}", "endpoint")
            while True:
                await asyncio.sleep(10)
                await stream.write(b": here\n\n")
        finally:
            del self.state[session], self.streams[session]

    async def post(self, request: web.Request) -> web.StreamResponse:
        session = request.query.get("session_id", "")
        if session not in self.streams:
            return web.Response(status=404, text="Could not find session")
        facts = {name.lower(): value for name, value in request.headers.items()}

        async def send(out: dict[str, Any]) -> None:
            if session in self.streams:
                await write(self.streams[session], wired(out))

        link = Link(session, self.state[session], facts, send, target=str(request.rel_url))
        message = await request.json()

        async def answer() -> None:
            found = await self.behaviour.handle(message, link)
            if found is not None:
                await send(found)

        task = asyncio.create_task(answer())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return web.Response(status=202, text="Accepted")


async def write(stream: web.StreamResponse, data: str, kind: str = "message") -> None:
    await stream.write(f"event: {kind}\ndata: {data}\n\n".encode())


async def serve(options: argparse.Namespace) -> None:
    over = Over(options)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/sse", over.get)
    app.router.add_post("/messages/", over.post)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--recorder", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tool", action="append", default=[])
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
