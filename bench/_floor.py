"""The least a gateway in Python can cost: look the key up, put the user's token on, pass the bytes. No isolation, no
history. python _floor.py PORT UPSTREAM_URL
"""

import sys
from typing import Any

import aiohttp
import uvicorn

TOKENS = {b"Bearer floor": "secret-of-user-1-end"}


class Floor:
    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.http: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        token = TOKENS.get(dict(scope["headers"]).get(b"authorization", b""))
        if token is None or scope["method"] != "POST":
            status, kind, out = 401 if token is None else 405, "application/json", b"{}"
        else:
            status, kind, out = await self.forward(body, token)
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(out))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    async def forward(self, body: bytes, token: str) -> tuple[int, str, bytes]:
        if self.http is None:
            self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        headers = {"Content-Type": "application/json", "X-Service-Token": token}
        async with self.http.post(self.upstream, data=body, headers=headers) as answer:
            return answer.status, answer.headers["content-type"], await answer.read()


if __name__ == "__main__":
    options = {"log_level": "error", "access_log": False, "lifespan": "off", "loop": "uvloop", "http": "httptools"}
    uvicorn.run(Floor(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), **options)
