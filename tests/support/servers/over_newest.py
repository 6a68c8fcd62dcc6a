"""A server that speaks MCP 2026-07-28 and nothing else; prints its port when it listens.

python -m tests.support.servers.over_newest --name N --recorder PORT [--port PORT]

Tools: `echo`, `whoami` (the headers that arrived), `greet` (asks for a name before it answers), `deploy` (wants its
argument in a header, too), `job` (answers with a task of the extension).
Spec: MCP 2026-07-28, Transports (Streamable HTTP).
"""

import argparse
import asyncio
import json
from typing import Any

from aiohttp import web

from tests.support.servers.behaviour import TEXT, Behaviour, Link, text, tool

VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
TASKS = META + "tasks"
JOB = {"taskId": "job-1", "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttlMs": 60000}
TOOLS = [
    tool("echo", "The text, unchanged.", text=TEXT),
    tool("whoami", "What reached this server."),
    tool("greet", "Asks for a name, then greets."),
    tool("job", "Runs as a task."),
    tool("deploy", "Wants to be routed by region.", region={**TEXT, "x-mcp-header": "Region"}),
]
QUESTION = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "What is your name?",
        "requestedSchema": {"type": "object", "properties": {"name": TEXT}, "required": ["name"]},
    },
}


class Over:
    def __init__(self, options: argparse.Namespace) -> None:
        self._name = options.name
        self._behaviour = Behaviour(options.name, options.recorder, self._nobody)

    async def _nobody(self, message: dict[str, Any]) -> None:
        """There is no stream to announce on."""

    async def post(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        method, params = message.get("method"), message.get("params") or {}
        meta = params.get("_meta") or {}
        facts = {name.lower(): value for name, value in request.headers.items()}
        if meta.get(META + "protocolVersion") != VERSION or facts.get("mcp-protocol-version") != VERSION:
            return self._failed(message, 400, -32022, "Only 2026-07-28.", {"supported": [VERSION], "requested": ""})
        named = params.get("taskId" if method.startswith("tasks/") else "name", "")
        if facts.get("mcp-method") != method or named != facts.get("mcp-name", ""):
            return self._failed(message, 400, -32020, "The headers say something else.")
        region = (params.get("arguments") or {}).get("region")
        if params.get("name") == "deploy" and facts.get("mcp-param-region") != region:
            return self._failed(message, 400, -32020, "The region is another one in the headers.")
        if method == "tools/call":
            link = Link("", {}, facts, self._nobody, target=request.raw_path)
            arguments = params.get("arguments") or {}
            self._behaviour.tell("call", link, method=method, tool=params["name"], arguments=arguments, meta=meta)
        knows = TASKS in (meta.get(META + "clientCapabilities") or {}).get("extensions", {})
        if not knows and (method.startswith("tasks/") or params.get("name") == "job"):
            needed = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
            return self._failed(message, 400, -32021, "You know no tasks.", needed)
        result = self._result(method, params, meta, facts)
        if result is None:
            return self._failed(message, 404, -32601, f"no method {method}")
        found = {
            "resultType": "complete",
            **result,
            "_meta": {META + "serverInfo": {"name": self._name, "version": "1"}},
        }
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": found})

    def _result(
        self, method: str, params: dict[str, Any], meta: dict[str, Any], facts: dict[str, str]
    ) -> dict[str, Any] | None:
        cached = {"ttlMs": 1000, "cacheScope": "public"}
        match method, params.get("name"):
            case "server/discover", _:
                return {
                    "supportedVersions": [VERSION],
                    "capabilities": {"tools": {}, "extensions": {TASKS: {}}},
                    **cached,
                }
            case "tools/list", _:
                return {"tools": TOOLS, **cached}
            case "tools/call", "echo":
                return text(params.get("arguments", {}).get("text", ""))
            case "tools/call", "whoami":
                return text(json.dumps({"facts": facts, "meta": meta}))
            case "tools/call", "job":
                return {"resultType": "task", **JOB, "status": "working"}
            case "tasks/get", _:
                return {**JOB, "taskId": params["taskId"], "status": "completed", "result": text("done")}
            case "tools/call", "deploy":
                return text(f"deployed to {params['arguments']['region']}")
            case "tools/call", "greet":
                given = (params.get("inputResponses") or {}).get("who")
                if given is None or params.get("requestState") != "asked":
                    return {"resultType": "input_required", "inputRequests": {"who": QUESTION}, "requestState": "asked"}
                return text(f"Hello, {given['content']['name']}!")
            case "tools/call", name:
                return text(f"no tool {name}", error=True)
        return None

    def _failed(self, message: Any, status: int, code: int, why: str, data: Any = None) -> web.Response:
        error = {"code": code, "message": why, **({"data": data} if data else {})}
        return web.json_response({"jsonrpc": "2.0", "id": message.get("id"), "error": error}, status=status)


async def serve(options: argparse.Namespace) -> None:
    app = web.Application()
    app.router.add_post("/mcp", Over(options).post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
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
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
