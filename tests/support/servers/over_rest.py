"""A REST service that says what reached it, and the OpenAPI document that describes it; prints its port when it runs.

python -m tests.support.servers.over_rest --name N --recorder PORT [--port PORT] [--document FILE] [--tool EXTRA]…

`--document` is served in the place of its own; an EXTRA is one more operation. Whatever is asked under any path is told
to the recorder and answered with what came, /fail/{status} with that status, /token with a token.
"""

import argparse
import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent))

from behaviour import Recording  # type: ignore[import-not-found]

TEXT = {"type": "string"}


def operation(name: str, summary: str, **more: Any) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": {"200": {"description": "ok"}}, **more}


def query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": TEXT}


def token_for(authorization: str) -> str:
    """What a client that shows this is given, so that a test knows it, too."""
    return hashlib.sha256(authorization.encode()).hexdigest()


def own_document(extra: list[str]) -> dict[str, Any]:
    node = {"type": "object", "properties": {"text": TEXT, "children": {"type": "array"}}}
    node["properties"]["children"]["items"] = {"$ref": "#/components/schemas/Node"}  # type: ignore[index]
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    paths = {
        "/whoami": {"get": operation("whoami", "What reached this service.", parameters=[query("nonce")])},
        "/echo": {"post": operation("echo", "The body, unchanged.", requestBody=body)},
        "/fail/{status}": {"get": operation("fail", "Answers with this status.")},
        "/now": {"get": operation("now", "The time.", parameters=[query("tz")])},
    }
    paths |= {f"/{name}": {"get": operation(name, "One more.")} for name in extra}
    return {
        "openapi": "3.1.0",
        "info": {"title": "rest", "version": "1"},
        "paths": paths,
        "components": {"schemas": {"Node": node}},
    }


class Over:
    def __init__(self, options: argparse.Namespace) -> None:
        self.name = options.name
        self.recording = Recording(options.recorder)
        self.document = options.document.read_text() if options.document else json.dumps(own_document(options.tool))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        described = request.path in ("/openapi.json", "/spec")
        facts = {name.lower(): value for name, value in request.headers.items()}
        self.recording.tell(
            server=self.name,
            event="document" if described else "token" if request.path == "/token" else "call",
            method=request.method,
            tool=request.path.strip("/"),
            facts=facts,
            target=request.raw_path,
            params={"body": body},
            pid=os.getpid(),
        )
        if described:
            return web.Response(text=self.document)
        if request.path == "/token":
            return web.json_response({"access_token": token_for(facts["authorization"]), "expires_in": 600})
        if request.path.startswith("/fail/"):
            told = f"refused {facts.get('x-key', '')} {facts.get('authorization', '')}"
            return web.Response(status=int(request.path.rpartition("/")[2]), text=told)
        if request.path == "/echo":
            return web.Response(text=body, content_type="application/json")
        return web.json_response({"target": request.raw_path, "method": request.method, "facts": facts, "body": body})


async def serve(options: argparse.Namespace) -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", Over(options).handle)
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
    parser.add_argument("--document", type=Path)
    parser.add_argument("--tool", action="append", default=[])
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
