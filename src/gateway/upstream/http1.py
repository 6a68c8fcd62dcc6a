"""HTTP/1.1 to upstreams: connections that are kept, one request at a time on each.

Promises:
- what a connection says is the answer to the one request under way on it; a connection that said anything else, broke a
  rule of the protocol, or whose request was given up is closed, so no answer ever reaches another request;
- a request is sent once. Only a GET whose kept connection turned out to be closed goes out again;
- an answer nobody takes is not read on.

A general client does far more for a request than is wanted here: docs/decisions/0010-http-client.md has the figures.

Spec: RFC 9112.
"""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httptools
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from mcphub.gateway.upstream.runtime import UpstreamBroken, UpstreamUnreachable

HEAD_BYTES = 64 * 1024
UNREAD_BYTES = 256 * 1024  # of an answer held for its reader before reading pauses
UNPACKED_BYTES = 64 * 1024  # of a compressed answer at once
PACKED = {"gzip", "x-gzip", "deflate"}  # what is unpacked though the hub asks for none
# Node and uvicorn close an unused connection after 5 s; one that closes while a request is written loses that request.
UNUSED_SECONDS = 4.0
END_SECONDS = 1.0  # for the end of a stream whose answer was read: with it the connection can be used again
MOST_RESULT = 64 * 1024 * 1024  # bytes

Origin = tuple[str, str, int]  # scheme, host, port
Dial = Callable[[URL, Callable[[], asyncio.Protocol]], Awaitable[asyncio.Protocol]]


class Closed(Exception):
    """The connection ended before an answer began."""


class Unasked(Exception):
    """A second answer to one request."""


class HeadTooLarge(Exception):
    """Of an answer."""


class Answer:
    """Implements HttpResponse."""

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: CIMultiDictProxy[str] = NO_HEADERS
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._error = ""  # why the rest does not come
        self._over = False
        self._waiting: asyncio.Future[None] | None = None

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    async def read(self, most: int = MOST_RESULT) -> bytes:
        if self._over and not self._error and self._unread <= most and "Content-Encoding" not in self.headers:
            return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        pieces, total = [], 0
        try:
            async for piece in self.chunks():
                total += len(piece)
                if total > most:
                    raise UpstreamBroken(f"its answer is larger than {most} bytes")
                pieces.append(piece)
        except BaseException:
            self.close()
            raise
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        coding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if coding != "identity" and coding not in PACKED:
            raise UpstreamBroken("its answer is compressed in a way nobody asked for")
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if coding in PACKED else None  # | 32: either header
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._unread -= len(piece)
                if unpack is None:
                    yield piece
                else:
                    for unpacked in _unpacked(unpack, piece):
                        yield unpacked
            if self._error:
                raise UpstreamUnreachable(f"the answer broke off ({self._error})", sent=True)
            if self._over:
                return
            self._connection.read_on()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def close(self) -> None:
        if not self._over:
            self._connection.drop("given up")

    def done(self) -> None:
        if not self._over:
            asyncio.get_running_loop().call_later(END_SECONDS, self.close)

    # what its connection tells

    def piece(self, data: bytes) -> bool:
        """Is there room for more?"""
        self._pieces.append(data)
        self._unread += len(data)
        self._wake()
        return self._unread < UNREAD_BYTES

    def end(self, error: str = "") -> None:
        if not self._over:
            self._over, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _unpacked(unpack: Any, piece: bytes) -> Iterator[bytes]:
    """In bounded pieces: a kilobyte may hold a megabyte.

    Raises:
        UpstreamBroken: it cannot be unpacked.
    """
    try:
        while piece and (unpacked := unpack.decompress(piece, UNPACKED_BYTES)):
            yield unpacked
            piece = unpack.unconsumed_tail
    except zlib.error:
        raise UpstreamBroken("its answer cannot be unpacked") from None


NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Connection(asyncio.Protocol):
    """One connection and the request under way on it.

    Args:
        free: called when the next request may be sent.
    """

    def __init__(self, free: Callable[["Connection"], None]) -> None:
        self.origin: Origin = ("", "", 0)
        self.used = False  # for a request before this one
        self.closed = False
        self.silent = True  # not a byte came since the request was sent
        self.since = 0.0  # monotonic seconds it has been unused
        self._free = free
        self._transport: asyncio.Transport
        self._parser: Any = httptools.HttpResponseParser(self)
        self._begun: asyncio.Future[None] | None = None  # waits for the head
        self._answer: Answer | None = None
        self._headers: list[tuple[str, str]] = []
        self._head = 0
        self._unfinished = 0  # bytes since the parser last had something whole
        self._bodiless = False
        self._interim = False
        self._paused = False

    async def ask(self, request: bytes, *, bodiless: bool = False) -> Answer:
        """The answer once its head is here.

        Args:
            bodiless: no body follows, whatever the head says of one.

        Raises:
            Closed: see there.
        """
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer = Answer(self)
        self._begun, self._answer, self._bodiless = begun, answer, bodiless
        self.silent, self._head = True, 0
        self._transport.write(request)
        try:
            await begun
        except BaseException:
            answer.close()
            raise
        return answer

    def read_on(self) -> None:
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    def drop(self, why: str) -> None:
        """Ends it at once, and the answer under way."""
        self.closed = True
        self._transport.abort()
        self._end(why)

    def _end(self, why: str) -> None:
        answer, self._answer = self._answer, None
        begun, self._begun = self._begun, None
        if begun is not None and not begun.done():
            begun.set_exception(Closed(why))
        elif answer is not None:
            answer.end(why)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.drop("it spoke without being asked")
            return
        self.silent = False
        self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.drop("this is no HTTP" if isinstance(error, httptools.HttpParserError) else "it changes the protocol")
            return
        # The parser holds a line until it ends, in the head and behind a body, and copies it with every piece.
        if self._unfinished > HEAD_BYTES and not self.closed:
            self.drop("this is no HTTP")

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        headers = self._answer.headers if self._answer is not None else NO_HEADERS
        lasts = "Content-Length" not in headers and "Transfer-Encoding" not in headers
        # Without either the body ends where the connection does.
        self._end("" if error is None and self._begun is None and lasts else "the connection closed")

    # httptools

    def on_message_begin(self) -> None:
        self._headers = []
        if self._answer is None:
            raise Unasked

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unfinished = 0
        self._head += len(name) + len(value)
        if self._head > HEAD_BYTES:
            raise HeadTooLarge
        self._headers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape").strip(" \t")))

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        status = self._parser.get_status_code()
        self._interim = status < 200
        answer, begun = self._answer, self._begun
        if self._interim or answer is None or begun is None:
            return
        answer.status = status
        answer.headers = CIMultiDictProxy(CIMultiDict(self._headers))
        self._begun = None
        if not begun.done():
            begun.set_result(None)
        if self._bodiless:
            answer.end()
            self.closed = True  # the parser would wait for a body
            self._transport.close()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        if self._answer is not None and not self._answer.piece(body) and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self._unfinished = 0
        if self._interim:
            return
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.end()
        self.read_on()
        if self._parser.should_keep_alive() and not self._transport.get_write_buffer_size():
            self.used = True
            self._free(self)
        else:
            self.closed = True
            self._transport.close()


class Connections:
    """Those that are open, by origin.

    Args:
        dial: opens one to the origin of an address.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._unused: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def request(self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None) -> Answer:
        """
        Raises:
            Closed: see there.
            ValueError: a header cannot be sent.
            Whatever `dial` raises.
        """
        request = _written(method, url, headers, body)
        origin = (url.scheme, url.raw_host or "", url.port or 0)
        while True:
            connection = self._kept(origin)
            if connection is None:
                connection = await self._dialled(origin, url)
            try:
                return await connection.ask(request, bodiless=method == "HEAD")
            except Closed:
                if not (method == "GET" and connection.used and connection.silent):
                    raise

    def close(self) -> None:
        for connection in list(self._open):
            connection.drop("the hub is stopping")
        self._unused.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def _dialled(self, origin: Origin, url: URL) -> Connection:
        made = await self._dial(url, lambda: Connection(self._freed))
        assert isinstance(made, Connection)
        made.origin = origin
        self._open.add(made)
        self._sweep_later()  # also when none is ever kept
        return made

    def _kept(self, origin: Origin) -> Connection | None:
        """The one that was used last."""
        unused = self._unused.get(origin)
        oldest = time.monotonic() - UNUSED_SECONDS
        while unused:
            connection = unused.pop()
            if not connection.closed and connection.since >= oldest:
                return connection
            connection.drop("unused")
        return None

    def _freed(self, connection: Connection) -> None:
        connection.since = time.monotonic()
        self._unused.setdefault(connection.origin, []).append(connection)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(UNUSED_SECONDS, self._sweep)

    def _sweep(self) -> None:
        oldest = time.monotonic() - UNUSED_SECONDS
        for origin, unused in list(self._unused.items()):
            for connection in unused:
                if connection.since < oldest:
                    connection.drop("unused")
            left = [connection for connection in unused if not connection.closed]
            if left:
                self._unused[origin] = left
            else:
                del self._unused[origin]
        self._open = {connection for connection in self._open if not connection.closed}
        again = bool(self._open)
        self._sweeper = asyncio.get_running_loop().call_later(UNUSED_SECONDS / 2, self._sweep) if again else None


def _written(method: str, url: URL, headers: CIMultiDict[str], body: bytes | None) -> bytes:
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    text = "".join(lines)
    # A line break in a name or a value would begin a header of somebody else's making.
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError("a header holds a line break")
    return "\r\n".join([*lines, "\r\n"]).encode() + (body or b"")
