"""Many MCP servers in one process, which only list their tools: python _catalog_upstream.py PORT CATALOG

CATALOG is a JSON file `{"tools": [{"server", "name", …}]}`; each server is at /{server}. A call echoes its arguments.
"""

import asyncio
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import uvloop
from _http import Answering
from _upstream import response


class Catalog:
    def __init__(self, tools: list[dict[str, Any]]) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for tool in tools:
            self.lists[tool["server"]].append({name: value for name, value in tool.items() if name != "server"})

    def __call__(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"POST"):
            return response(405, b"")
        server = head.split(b" ", 2)[1].decode().strip("/")
        request = json.loads(body)
        if "id" not in request:
            return response(202, b"")
        match request["method"]:
            case "initialize":
                info = {"name": server, "version": "1"}
                result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                result = {"tools": self.lists[server]}
            case "tools/call":
                result = {"content": [{"type": "text", "text": json.dumps(request["params"])}]}
            case _:
                error = {"code": -32601, "message": "no such method"}
                return response(200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode())
        return response(200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())


async def main(port: int, answers: Catalog) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(answers), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Catalog(json.loads(Path(sys.argv[2]).read_text())["tools"])))
