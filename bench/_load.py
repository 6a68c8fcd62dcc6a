"""The client of a bench: sessions that call `echo` one after the other, every answer checked.

python _load.py URL KEY SESSIONS CALLS: prints a JSON line when all sessions are open and warm, and works when a line
comes on stdin; then prints the figures and waits for another line before it closes.
"""

import asyncio
import itertools
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import uvloop
from _http import Asking, header

VERSION = "2025-11-25"
WARM = 5


class Session:
    """One MCP session on one connection."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), parts.port or 80
        self.head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nAuthorization: Bearer {key}\r\n"
        ).encode()
        self.numbers = itertools.count(1)
        self.tool = ""
        self.connection: Asking

    async def open(self) -> None:
        _, self.connection = await asyncio.get_running_loop().create_connection(Asking, self.host, self.port)
        client = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        head, _ = await self.request("initialize", client)
        if session := header(head, b"mcp-session-id"):
            self.head += b"Mcp-Session-Id: %b\r\nMCP-Protocol-Version: %b\r\n" % (session, VERSION.encode())
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        _, listed = await self.request("tools/list", {})
        self.tool = next(tool["name"] for tool in listed["tools"] if tool["name"].endswith("echo"))
        for _ in range(WARM):
            await self.call()

    async def post(self, frame: dict[str, Any]) -> tuple[bytes, bytes]:
        body = json.dumps(frame).encode()
        return await self.connection.ask(b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body))

    async def request(self, method: str, params: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
        number = next(self.numbers)
        head, body = await self.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answer = json.loads(body)
        if answer.get("id") != number or "result" not in answer:
            raise SystemExit(f"{method}: {head[:200]!r} {body[:500]!r}")
        return head, answer["result"]

    async def call(self) -> None:
        nonce = f"{id(self)}-{next(self.numbers)}"
        _, result = await self.request("tools/call", {"name": self.tool, "arguments": {"text": nonce}})
        if result["content"][0]["text"] != nonce:
            raise SystemExit(f"asked with {nonce}, answered {result}")


async def main(url: str, key: str, sessions: int, calls: int) -> None:
    made = [Session(url, key) for _ in range(sessions)]
    for session in made:
        await session.open()
    took: list[float] = []

    async def work(session: Session) -> None:
        for _ in range(calls // sessions):
            begun = time.perf_counter()
            await session.call()
            took.append((time.perf_counter() - begun) * 1000)

    print(json.dumps({"open": sessions}), flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    await asyncio.gather(*(work(session) for session in made))
    seconds = time.perf_counter() - begun
    took.sort()
    at = {name: took[min(len(took) - 1, int(len(took) * part))] for name, part in (("p50_ms", 0.5), ("p99_ms", 0.99))}
    print(json.dumps({"calls": len(took), "per_second": len(took) / seconds, **at}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
