"""The test server over Streamable HTTP, one MCP session an `initialize`; prints its port when it listens.

python -m tests.support.servers.over_http --name N --recorder PORT [--port PORT] [--tool EXTRA]… [--moved LOCATION]

`--moved` makes it answer /mcp/ with a redirect to there.

Spec: MCP 2025-11-25, Transports (Streamable HTTP).
"""

import argparse
import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent))

from behaviour import STREAMED, Behaviour, Link, wired  # type: ignore[import-not-found]

STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


class Over:
    """The sessions of one server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.behaviour = Behaviour(options.name, options.recorder, self.announce, options.tool)
        self.state: dict[str, dict[str, Any]] = {}
        self.streams: dict[str, web.StreamResponse] = {}

    async def announce(self, message: dict[str, Any]) -> None:
        for stream in list(self.streams.values()):
            await write(stream, message)

    async def post(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        session = request.headers.get("Mcp-Session-Id", "")
        if message.get("method") == "initialize":
            session = uuid.uuid4().hex
            self.state[session] = {}
        elif session not in self.state:
            return web.json_response(
                {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "gone"}}, status=404
            )
        facts = {name.lower(): value for name, value in request.headers.items()}
        stream: web.StreamResponse | None = None
        if (message.get("params") or {}).get("name") in STREAMED:
            stream = web.StreamResponse(headers=STREAM)
            await stream.prepare(request)

        async def send(out: dict[str, Any]) -> None:
            if stream is not None:
                await write(stream, out)

        async def aside(out: dict[str, Any]) -> None:
            while session in self.state and session not in self.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            if session in self.streams:
                await write(self.streams[session], out)

        link = Link(session, self.state[session], facts, send, target=request.raw_path, aside=aside)
        answer = await self.behaviour.handle(message, link)
        if stream is not None:
            if answer is not None:
                await write(stream, answer)
            return stream
        if answer is None:
            return web.Response(status=202)
        return web.Response(text=wired(answer), content_type="application/json", headers={"Mcp-Session-Id": session})

    async def get(self, request: web.Request) -> web.StreamResponse:
        session = request.headers.get("Mcp-Session-Id", "")
        if session not in self.state:
            return web.Response(status=404)
        stream = web.StreamResponse(headers=STREAM)
        await stream.prepare(request)
        self.streams[session] = stream
        try:
            while True:
                await asyncio.sleep(10)
                await stream.write(b": here\n\n")
        finally:
            self.streams.pop(session, None)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        session = request.headers.get("Mcp-Session-Id", "")
        known = self.state.pop(session, None)
        facts = {name.lower(): value for name, value in request.headers.items()}
        self.behaviour.tell("delete", Link(session, {}, facts, self.announce))
        return web.Response(status=404 if known is None else 204)


async def write(stream: web.StreamResponse, message: dict[str, Any]) -> None:
    await stream.write(b"event: message\ndata: " + wired(message).encode() + b"\n\n")


async def serve(options: argparse.Namespace) -> None:
    over = Over(options)
    app = web.Application(client_max_size=1 << 26)
    if options.moved:

        async def moved(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": options.moved})

        app.router.add_route("*", "/mcp/", moved)
    for method, handler in (("POST", over.post), ("GET", over.get), ("DELETE", over.delete)):
        app.router.add_route(method, "/mcp{below:(/.*)?}", handler)
    # A caller that hangs up is noticed while the tool still works.
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
    parser.add_argument("--moved", default="")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
