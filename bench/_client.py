"""An MCP session of a bench, over connections made by hand; every answer is checked against its question."""

import asyncio
import itertools
import json
from typing import Any
from urllib.parse import urlsplit

from _http import Asking, header

VERSION = "2025-11-25"


class Failed(Exception):
    """No answer, or not the one to this question.

    Args:
        kind: a word to count by.
        retry_after: seconds the hub asked to wait.
    """

    def __init__(self, kind: str, detail: str = "", retry_after: float = 0.0) -> None:
        super().__init__(f"{kind}: {detail[:500]}")
        self.kind = kind
        self.retry_after = retry_after


class Session:
    """One MCP session. Each connection carries one request at a time.

    Args:
        url: with `?mode=…` where it matters.
    """

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), parts.port or 80
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nAuthorization: Bearer {key}\r\n"
        ).encode()
        self.numbers = itertools.count(1)
        self.connections: list[Asking] = []

    async def open(self, connections: int = 1) -> None:
        for _ in range(connections):
            self.connections.append(await self.connection())
        client = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        head, _, _ = await self.request("initialize", client)
        if session := header(head, b"mcp-session-id"):
            self.head += b"Mcp-Session-Id: %b\r\nMCP-Protocol-Version: %b\r\n" % (session, VERSION.encode())
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def connection(self) -> Asking:
        _, made = await asyncio.get_running_loop().create_connection(Asking, self.host, self.port)
        return made

    async def post(self, frame: dict[str, Any], line: int = 0) -> tuple[bytes, bytes]:
        body = json.dumps(frame).encode()
        try:
            if self.connections[line].closed:
                self.connections[line] = await self.connection()
            return await self.connections[line].ask(b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body))
        except OSError as error:
            raise Failed("connection", str(error)) from None

    async def request(
        self, method: str, params: dict[str, Any], line: int = 0
    ) -> tuple[bytes, dict[str, Any], list[dict[str, Any]]]:
        """(head, result, notifications that came before it).

        Args:
            line: which connection.
        """
        number = next(self.numbers)
        head, body = await self.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, line)
        status = head[9:12].decode()
        if status != "200":
            raise Failed(f"http {status}", body.decode(errors="replace"), float(header(head, b"retry-after") or 0))
        *before, answer = frames(head, body)
        if answer.get("id") != number:
            raise Failed("another's answer", str(answer))
        if "result" not in answer:
            raise Failed("error", str(answer))
        return head, answer["result"], before

    async def tools(self, line: int = 0) -> list[str]:
        _, listed, _ = await self.request("tools/list", {}, line)
        return [tool["name"] for tool in listed["tools"]]

    async def text(
        self, tool: str, arguments: dict[str, Any], *, progress: bool = False, line: int = 0
    ) -> tuple[str, list[str]]:
        """(text of the result, messages of its progress)."""
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        token = f"{id(self)}-{next(self.numbers)}"
        if progress:
            params["_meta"] = {"progressToken": token}
        _, result, before = await self.request("tools/call", params, line)
        text = result["content"][0]["text"]
        if result.get("isError"):
            raise Failed("tool error", text)
        told = [note["params"] for note in before if note.get("method") == "notifications/progress"]
        if any(params["progressToken"] != token for params in told):
            raise Failed("another's progress", str(told))
        return text, [params["message"] for params in told]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def frames(head: bytes, body: bytes) -> list[dict[str, Any]]:
    """Of a JSON answer or of a whole event stream."""
    if b"text/event-stream" not in header(head, b"content-type"):
        return [json.loads(body)]
    lines = (line[5:].strip() for line in body.split(b"\n") if line.startswith(b"data:"))
    return [json.loads(line) for line in lines if line]
