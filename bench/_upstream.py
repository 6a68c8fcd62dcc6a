"""The server behind everything measured: MCP over Streamable HTTP with `echo` and dummies.

python _upstream.py PORT [DUMMIES]
"""

import asyncio
import json
import sys

import uvloop
from _http import Answering

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def dummy(number: int) -> dict[str, object]:
    """About a kilobyte, like a real tool's definition."""
    text = f"Parameter of dummy tool {number}. " + "detail " * 12
    properties = {f"parameter_{n}": {"type": "string", "description": text} for n in range(4)}
    return {
        "name": f"dummy_{number:04}",
        "description": "A tool that does nothing. " * 8,
        "inputSchema": {"type": "object", "properties": properties},
    }


class Echo:
    def __init__(self, tools: int) -> None:
        echo = {"name": "echo", "description": "Returns its text.", "inputSchema": SCHEMA}
        self.tools = [echo, *map(dummy, range(tools))]

    def __call__(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"POST"):
            return response(405, b"")
        request = json.loads(body)
        if "id" not in request or "method" not in request:
            return response(202, b"")
        params = request.get("params") or {}
        match request["method"]:
            case "initialize":
                result: object = {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "bench", "version": "1"},
                }
            case "tools/list":
                result = {"tools": self.tools}
            case "tools/call":
                result = {"content": [{"type": "text", "text": params["arguments"]["text"]}], "isError": False}
            case _:
                result = {}
        return response(200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())


def response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


async def main(port: int, tools: int) -> None:
    echo = Echo(tools)
    server = await asyncio.get_running_loop().create_server(lambda: Answering(echo), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
