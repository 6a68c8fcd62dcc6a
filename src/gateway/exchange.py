"""How one POST is answered: as JSON when the answer is there soon and alone, else as a stream.

The answer becomes a stream with the first notification, or when the time to commit is over. A client that goes away
does not end the request: what comes is kept in the session's ring until it is fetched.

Spec: MCP 2025-11-25, Transports, Sending Messages to the Server.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from mcphub.gateway import wire
from mcphub.gateway.session import Ring, Send, Stream

Header = tuple[bytes, bytes]

JSON_TYPE = (b"content-type", b"application/json")
STREAM_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


async def respond(
    send: Send, status: int, body: bytes = b"", headers: Iterable[Header] = (), *, json: bool = True
) -> None:
    """A whole HTTP response."""
    known: list[Header] = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    if body and json:
        known.append(JSON_TYPE)
    await send({"type": "http.response.start", "status": status, "headers": [*known, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def begin_stream(send: Send, headers: Iterable[Header] = ()) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]})


class Exchange:
    """The answer to one request.

    Args:
        make_stream: called when it becomes a stream.
        commit_after: seconds until it does without a notification.
        primed: the client can resume (2025-11-25), so the stream begins with an event id and no data.
    """

    __slots__ = ("_carrier", "_headers", "_make", "_ping", "_primed", "_send", "_stream", "_timer")

    def __init__(
        self,
        send: Send,
        headers: list[Header],
        make_stream: Callable[[], Stream],
        *,
        commit_after: float,
        ping: float,
        primed: bool,
    ) -> None:
        self._send = send
        self._headers = headers
        self._make = make_stream
        self._ping = ping
        self._primed = primed
        self._stream: Stream | None = None
        self._carrier: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(commit_after, self.commit)

    def commit(self) -> Stream:
        """From now on the answer is a stream."""
        if self._stream is None:
            self._timer.cancel()
            self._stream = self._make()
            self._carrier = asyncio.create_task(self._carry(self._stream), name="answer-stream")
        return self._stream

    def put(self, frame: bytes, *, droppable: bool = False) -> None:
        self.commit().put(frame, droppable=droppable)

    async def finish(self, frame: bytes, *, status: int = 200) -> None:
        """The answer itself; nothing comes after it. A stream that has begun is a 200, whatever it ends with."""
        if self._stream is None:
            self._timer.cancel()
            await respond(self._send, status, frame, self._headers)
            return
        self._stream.put(frame)
        self._stream.finish()
        if self._carrier is not None:
            await self._carrier

    async def _carry(self, stream: Stream) -> None:
        try:
            await begin_stream(self._send, self._headers)
            if self._primed:
                await self._send({"type": "http.response.body", "body": stream.prime(), "more_body": True})
        except OSError:
            return  # the client left; the ring keeps what comes
        await stream.carry(self._send, self._ping)


class Part:
    """The answer to one request of a batch (2025-03-26): only its last frame counts."""

    def __init__(self) -> None:
        self.frame = b""

    def put(self, frame: bytes, *, droppable: bool = False) -> None:
        """A batch is answered at once, so there is no place for what comes before the answer."""

    async def finish(self, frame: bytes) -> None:
        self.frame = frame


def loose_stream() -> Stream:
    """A stream of no session: it cannot be taken up again."""
    return Stream(Ring(), 1, resumable=False)


def failed(id_: bytes, code: int, message: str, data: Any = None) -> bytes:
    """A whole error answer of the hub."""
    return wire.failure(id_, wire.error(code, message, data))
