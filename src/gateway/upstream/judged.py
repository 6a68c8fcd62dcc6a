"""What an upstream thinks of the values a request carried, told by the status of its answer and nothing else."""

from collections.abc import Callable

from multidict import CIMultiDict
from yarl import URL

from mcphub.gateway.upstream.transport import HttpResponse, HttpTransport

REFUSED = {401, 403}

Judged = Callable[[bool], None]  # told whether it refused them


def judge(status: int, judged: Judged) -> None:
    """Other failures than these two say nothing about the values."""
    if status in REFUSED:
        judged(True)
    elif 200 <= status < 300:
        judged(False)


class JudgedTransport:
    """Implements HttpTransport: every request through it carries one user's values."""

    def __init__(self, inner: HttpTransport, judged: Judged) -> None:
        self._inner = inner
        self._judged = judged

    async def send(self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None) -> HttpResponse:
        response = await self._inner.send(method, url, headers, body)
        judge(response.status, self._judged)
        return response

    async def close(self) -> None:
        await self._inner.close()
