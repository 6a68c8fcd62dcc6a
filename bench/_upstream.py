"""The server behind everything measured: MCP over Streamable HTTP.

python _upstream.py PORT TOOLS [FILE]; into FILE goes the hub's request id of each call, when it comes in.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable

import uvloop
from _http import Answering, header
from _tools import Tools


class Answers:
    """Of a request: JSON, or an event stream when there is progress to tell."""

    def __init__(self, tools: Tools, noted: int | None = None) -> None:
        self.tools = tools
        self.noted = noted  # descriptor of a file

    def __call__(self, head: bytes, body: bytes) -> bytes | Awaitable[bytes]:
        if not head.startswith(b"POST"):
            return response(405, b"")
        request = json.loads(body)
        if self.noted is not None and request.get("method") == "tools/call":
            os.write(self.noted, header(head, b"x-mcphub-request-id") + b"\n")
        frames = self.tools.frames(request, header(head, b"x-service-token").decode())
        if not frames:
            return response(202, b"")
        encoded = [json.dumps(frame).encode() for frame in frames]
        if len(encoded) == 1:
            answer = response(200, encoded[0])
        else:
            answer = response(200, b"".join(b"data: %b\n\n" % frame for frame in encoded), b"text/event-stream")
        seconds = self.tools.pause(request)
        return later(answer, seconds) if seconds else answer


async def later(answer: bytes, seconds: float) -> bytes:
    await asyncio.sleep(seconds)
    return answer


def response(status: int, body: bytes, kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
    return head + body


async def main(port: int, tools: int, noted: str = "") -> None:
    answers = Answers(Tools(tools), os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if noted else None)
    server = await asyncio.get_running_loop().create_server(lambda: Answering(answers), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
