"""The HTTP edge: uvicorn's protocol in the hub's own event loop, stricter about what comes before a request is known.

A request costs one switch to Python and none to another thread; docs/decisions/0005-http-server.md has the figures.
The socket is the hub's alone: a port somebody else listens on is refused, never shared.

Not ASGI lifespan: what the application needs is started and stopped by `serve`.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0  # from the first byte, or from connecting, until the headers are complete
BODY_SECONDS = 30.0  # between two pieces of a body the application waits for
KEEP_ALIVE_SECONDS = 75  # longer than a proxy keeps its side open, so that the proxy is the one who closes
BACKLOG = 1024
CLOSE_WITHIN_S = 1.0
FLUSH_S = 0.05  # for the last bytes of answers
PROXY_KEEPS_S = 4.5  # an unused connection: deploy/nginx-nodes.conf says four seconds
SWEEP_SECONDS = 1.0
LINE_FEED, CARRIAGE_RETURN = b"\n\r"  # numbers: what `in` finds at once


class PortUnusable(Exception):
    """The address cannot be listened on; the message says which and what to do."""


class HeadTooLarge(Exception):
    """Makes the parser give up; the client gets a 400."""


class Cycle(RequestResponseCycle):
    """One request and its answer. A head that says how long the body is waits for it, so that most answers are one
    write, and the client wakes up once.
    """

    _start: Any = None

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if not self.response_started and any(name == b"content-length" for name, _ in message.get("headers", ())):
                self._start = message
                return
        elif self._start is not None:
            start, self._start = self._start, None
            if self.scope["method"] != "HEAD" and not message.get("more_body", False):
                await self._whole(start["status"], start["headers"], message.get("body", b""))
                return
            await super().send(start)
        await super().send(message)

    async def _whole(self, status: int, headers: Any, body: bytes) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        lines: list[bytes] = []
        length, closing = -1, False
        for given, value in (*self.default_headers, *headers):
            name = given.lower()
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive, closing = False, True
            lines.append(b"%b: %b" % (name, value))
        text = b"".join(lines)
        # A line break in a name or a value would begin a header, or a body, of somebody else's making.
        if LINE_FEED in text or CARRIAGE_RETURN in text or 0 in text:
            raise RuntimeError("a header of this answer holds a line break")
        if length != len(body):
            raise RuntimeError("this answer's body is not as long as its head says")
        if not self.keep_alive and not closing:
            lines.append(b"connection: close")
        self.waiting_for_100_continue = False
        self.response_started = self.response_complete = True
        self.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[status], b"\r\n".join(lines), body))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class State(ServerState):
    """What the connections of a server share."""

    leaving = False  # each connection ends with its next answer


class Connection(HttpToolsProtocol):
    """One connection: limits on the head of a request, and header values without the blanks around them."""

    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.heard = self.loop.time()  # since when the client owes us something
        self._in_head = True
        self._head = 0
        self._unfinished = 0  # bytes since the parser last had something whole

    def data_received(self, data: bytes) -> None:
        if not self._in_head:
            self.heard = self.loop.time()
        self._unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade:
            pass  # to nothing; the request was taken like any other
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's headers are too large.")
        elif self._unfinished > HEAD_BYTES and not self.transport.is_closing():
            # The parser holds a line until it ends, and copies it with every piece: behind a body, too.
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._unfinished = 0
        self.heard = self.loop.time()
        self._in_head = True
        self._head = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """RFC 9110 §5.5: blanks around a value are not part of it; the parser leaves those behind it.

        §6.5.1: what stands behind a body is no header. A proxy that takes out who a client says to be does so before.
        """
        self._unfinished = 0
        self._head += len(name) + len(value)
        if self._head > HEAD_BYTES:
            raise HeadTooLarge
        if self._in_head:
            name, value = name.lower(), value.rstrip(b" \t")
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unfinished = 0
        super().on_headers_complete()
        self.cycle.__class__ = Cycle  # its task has not begun yet
        if self.server_state.leaving:
            self.cycle.keep_alive = False  # the answer says so: a proxy sends nothing more on this connection

    def leave(self) -> None:
        """The answer under way is the last one; when it has begun without saying so, or there is none, the next is."""
        if self.answering and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An unused connection is closed by the sweeper: that needs no timer for each answer."""
        self.heard = self.loop.time()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    @property
    def answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def calling(self) -> bool:
        return self.answering and self.cycle.scope.get("method") != "GET"

    @property
    def promised(self) -> bool:
        """May a request be on its way because nothing was said against it: a new connection, or a kept one?"""
        return not self.answering and self.loop.time() - self.heard < PROXY_KEEPS_S

    def unused(self, now: float) -> bool:
        """Has no request been under way for long, and none begun?"""
        return not self._in_head and not self.answering and now - self.heard > KEEP_ALIVE_SECONDS

    def overdue(self, now: float) -> bool:
        """Does the client keep the hub waiting for the rest of a head or of a body?"""
        if self.flow.read_paused:
            return False  # the hub keeps the client waiting
        if self._in_head:
            return now - self.heard > HEAD_SECONDS
        return self.answering and self.cycle.more_body and now - self.heard > BODY_SECONDS


class HttpServer:
    """Listens, serves an ASGI application, and stops in steps.

    Args:
        app: called for each request; its exceptions are logged and answered with 500.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # garbage from the network is no news
        self._config = Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the application knows which proxies to believe
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            # A connection outlives its requests; without this the next one would begin as the actor of the one before.
            reset_contextvars=True,
        )
        self._config.load()
        self._state = State()
        self._sockets: list[socket.socket] = []
        self._late: set[asyncio.Task[Any]] = set()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, sockets: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        self._tick()
        self._sockets = sockets
        for listening in sockets:
            self._servers.append(await loop.create_server(self._connection, sock=listening, backlog=BACKLOG))
        self._sweeper = asyncio.create_task(self._sweep(), name="http-sweeper")

    def leave(self) -> None:
        """Every connection ends with its next answer; new ones are taken still."""
        self._state.leaving = True
        for connection in self._open():
            connection.leave()

    def stop_accepting(self) -> None:
        """No new connections, and each open one ends with the answer it waits for.

        Those the kernel has taken already are served: closing its queue would cut them off. While it leaves, so are
        those that a proxy keeps.
        """
        waiting = [accepted for listening in self._sockets for accepted in _waiting(listening)]
        for server in self._servers:
            server.close()
        self._sockets = []
        if not self._state.leaving:
            for connection in self._open():
                connection.shutdown()
        for accepted in waiting:
            task = asyncio.create_task(
                asyncio.get_running_loop().connect_accepted_socket(self._connection, accepted), name="http-late"
            )
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    @property
    def calls(self) -> int:
        """Requests under way that may change something; streams are opened by GET and end when told to."""
        kept = self._state.leaving and sum(connection.promised for connection in self._open())
        return len(self._late) + kept + sum(connection.calling for connection in self._open())

    async def close(self) -> None:
        """Ends what is left."""
        self.stop_accepting()
        for connection in self._open():
            connection.shutdown()
        tasks = set(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_WITHIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in self._open():
            connection.transport.close()
        await asyncio.sleep(FLUSH_S)
        for connection in self._open():
            connection.transport.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def _open(self) -> list[Connection]:
        return [connection for connection in self._state.connections if isinstance(connection, Connection)]

    def _connection(self) -> asyncio.Protocol:
        return Connection(config=self._config, server_state=self._state, app_state={})

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._tick()
            now = asyncio.get_running_loop().time()
            for connection in self._open():
                if connection.overdue(now):
                    connection.transport.abort()
                elif connection.unused(now):
                    connection.transport.close()

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of the host; connections wait until a server accepts them.

    Raises:
        PortUnusable: somebody else listens there, or this user may not.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PortUnusable(f"{host} is no address of this machine: {error.strerror}. Give another --host.") from None
    made: list[socket.socket] = []
    refused: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            made.append(_listening(family, address))
        except OSError as error:
            # `localhost` may have an IPv6 address that no interface carries.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                close_all(made)
                raise PortUnusable(_why(host, port, error)) from None
            refused = error
    if not made:
        raise PortUnusable(_why(host, port, refused or OSError(errno.EADDRNOTAVAIL, "no address")))
    return made


def _waiting(listening: socket.socket) -> Iterator[socket.socket]:
    """Connections that nobody has accepted yet."""
    with contextlib.suppress(OSError):  # among them: no more, and closed already
        while True:
            accepted, _ = listening.accept()
            accepted.setblocking(False)
            yield accepted


def close_all(sockets: list[socket.socket]) -> None:
    for listening in sockets:
        listening.close()


def _listening(family: int, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not REUSEPORT: that would share it
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _why(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use by another program. Stop it, or give another --port."
        case errno.EACCES:
            return f"port {port} on {host} needs rights this user does not have. Give a --port above 1023."
        case _:
            return f"{host} port {port} cannot be listened on: {error.strerror}. Give another --host or --port."
