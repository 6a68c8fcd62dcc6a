"""The least HTTP/1.1 that a bench needs, by hand, so that its own cost is small and the same for everybody measured."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


def message(data: bytes) -> tuple[bytes, bytes, int] | None:
    """(head, body, length of both) of the first whole message in `data`; None when more is needed."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, start = data[:end], end + 4
    low = head.lower()
    at = low.find(b"content-length:")
    if at >= 0:
        size = int(low[at + 15 :].split(b"\r\n", 1)[0])
        return (head, data[start : start + size], start + size) if len(data) >= start + size else None
    if b"transfer-encoding: chunked" in low:
        return chunked(head, data, start)
    return head, b"", start


def chunked(head: bytes, data: bytes, at: int) -> tuple[bytes, bytes, int] | None:
    body = []
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(data[at:line].split(b";")[0], 16)
        if len(data) < line + 2 + size + 2:
            return None
        body.append(data[line + 2 : line + 2 + size])
        at = line + 2 + size + 2
        if size == 0:
            return head, b"".join(body), at


def header(head: bytes, name: bytes) -> bytes:
    """The value of a header as it was sent; `name` in lower case. Empty when it is missing."""
    at = head.lower().find(b"\r\n" + name + b":")
    return b"" if at < 0 else head[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip()


class Asking(asyncio.Protocol):
    """A client's connection with one request under way."""

    def __init__(self) -> None:
        self._data = b""
        self._answer: asyncio.Future[tuple[bytes, bytes]] | None = None
        self._transport: Any = None
        self.closed = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        got = message(self._data)
        if got is not None and self._answer is not None and not self._answer.done():
            self._data = self._data[got[2] :]
            self._answer.set_result(got[:2])

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(str(error or "closed")))

    def ask(self, request: bytes) -> "asyncio.Future[tuple[bytes, bytes]]":
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        self.closed = True
        self._transport.close()


class Answering(asyncio.Protocol):
    """A server's connection; `answer` makes the whole response of a request, at once or later."""

    def __init__(self, answer: Callable[[bytes, bytes], bytes | Awaitable[bytes]]) -> None:
        self._respond = answer
        self._data = b""
        self._transport: Any = None
        self._later: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (got := message(self._data)) is not None:
            self._data = self._data[got[2] :]
            answer = self._respond(got[0], got[1])
            if isinstance(answer, bytes):
                self._transport.write(answer)
                continue
            task = asyncio.ensure_future(self._write(answer))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def _write(self, answer: Awaitable[bytes]) -> None:
        self._transport.write(await answer)
