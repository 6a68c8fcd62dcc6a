"""`/metrics` at an address of its own, for whoever scrapes: with a token, or on this machine alone.

Nothing else is answered there. Without a token the request has to name this machine as its host: a page in a browser,
which can be made to ask any address, cannot.
"""

import hmac
from typing import Any

from mcphub.api.metrics import Scrape
from mcphub.settings import LOOPBACK, Settings

PATH = "/metrics"
Headers = list[tuple[bytes, bytes]]


class MetricsPort:
    """The ASGI application of that address."""

    def __init__(self, settings: Settings, scrape: Scrape) -> None:
        self._token = settings.metrics_token.encode()
        self._scrape = scrape

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        if scope["path"] != PATH:
            await _answer(send, 404, b"There is nothing but /metrics here.\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"Use GET.\n", [(b"allow", b"GET, HEAD")])
        elif not self._may(headers):
            await _answer(send, 401, b"Send the token as Authorization: Bearer.\n", [(b"www-authenticate", b"Bearer")])
        else:
            text, media_type = await self._scrape.text(headers.get(b"accept", b"").decode("latin-1"))
            await _answer(send, 200, text, media_type=media_type)

    def _may(self, headers: dict[bytes, bytes]) -> bool:
        if not self._token:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
            return name.strip("[]") in LOOPBACK
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


async def _answer(
    send: Any, status: int, body: bytes, more: Headers | None = None, *, media_type: str = "text/plain; charset=utf-8"
) -> None:
    headers: Headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *(more or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
