"""What must hold of the HTTP edge, whatever library it stands on: raw bytes in, raw bytes out."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from mcphub import http_server
from mcphub.http_server import HttpServer, PortUnusable, close_all, listen
from tests.support.running import free_port
from tests.support.waiting import until

MARK: ContextVar[str] = ContextVar("MARK", default="")


class Echo:
    """Answers with what it saw of a request; `/stream` sends until the client leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        seen = {"mark": MARK.get(), "headers": {name.decode(): value.decode() for name, value in scope["headers"]}}
        MARK.set("somebody")
        if scope["path"] == "/stream":
            await self._stream(receive, send)
            return
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            size += len(message["body"])
            more = message["more_body"]
        if scope["path"] == "/wait":
            self.begun.set()
            await self.go_on.wait()
        body = json.dumps({**seen, "size": size}).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        self.begun.set()
        assert (await receive())["type"] == "http.disconnect"
        self.left.set()


@asynccontextmanager
async def serving(app: Callable[..., Any]) -> AsyncIterator[tuple[HttpServer, int]]:
    port = free_port()
    server = HttpServer(app)
    await server.start(listen("127.0.0.1", port))
    try:
        yield server, port
    finally:
        await server.close()


async def exchange(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """Sends the pieces one after the other and reads until the server closes; (status, body)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def post(path: str, body: bytes, *headers: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: x", b"Connection: close", *headers]
    return b"\r\n".join([*lines, f"Content-Length: {len(body)}".encode(), b"", body])


@pytest.mark.parametrize(
    ("name", "value", "body"),
    [
        (b"x-value", b"a\r\nset-cookie: theirs", b"{}"),
        (b"x-value\nset-cookie", b"theirs", b"{}"),
        (b"x-value", b"a\0b", b"{}"),
        (b"x-value", b"a", b"{} and more"),
    ],
)
async def test_an_answer_that_could_be_read_as_another_is_not_sent(name: bytes, value: bytes, body: bytes) -> None:
    async def answering(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"2"), (name, value)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with serving(answering) as (_, port):
        answered = await exchange(port, post("/", b""))

    assert answered == (500, b"Internal Server Error")


async def test_an_answer_in_pieces_and_one_to_head_have_the_length_they_say() -> None:
    async def answering(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        await send({"type": "http.response.body", "body": b"}"})

    async with serving(answering) as (_, port):
        assert await exchange(port, post("/", b"")) == (200, b"{}")
        assert await exchange(port, post("/", b"").replace(b"POST", b"HEAD")) == (200, b"")


async def test_a_body_of_four_megabytes_arrives_whole() -> None:
    async with serving(Echo()) as (_, port):
        status, body = await exchange(port, post("/", b"x" * (4 << 20)))

    assert status == 200
    assert json.loads(body)["size"] == 4 << 20


async def test_a_body_in_pieces_arrives_whole() -> None:
    request = post("/", b"abcdef")

    async with serving(Echo()) as (_, port):
        _, body = await exchange(port, request[:-4], request[-4:-1], request[-1:])

    assert json.loads(body)["size"] == 6


async def test_blanks_around_a_header_value_are_no_part_of_it() -> None:
    async with serving(Echo()) as (_, port):
        _, body = await exchange(port, post("/", b"", b"X-Value: \t two words \t "))

    assert json.loads(body)["headers"]["x-value"] == "two words"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"X-Name : value\r\n\r\n",
        b"X-Long: a\r\n b\r\n\r\n",
        b"X-Bare: line\nX-Feed: 1\r\n\r\n",
    ],
)
async def test_what_two_parties_could_read_differently_is_refused(head: bytes) -> None:
    async with serving(Echo()) as (_, port):
        status, _ = await exchange(port, b"POST / HTTP/1.1\r\nHost: x\r\n" + head)

    assert status == 400


async def test_headers_too_large_to_be_any_clients_are_refused() -> None:
    async with serving(Echo()) as (_, port):
        status, _ = await exchange(port, post("/", b"", b"X-Much: " + b"y" * http_server.HEAD_BYTES))

    assert status == 400


async def test_a_head_that_never_ends_is_refused_once_it_is_too_large() -> None:
    async with serving(Echo()) as (_, port):
        status, _ = await exchange(port, b"POST / HTTP/1.1\r\n", b"X-Much: " + b"y" * (http_server.HEAD_BYTES + 1))

    assert status == 400


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


async def test_what_stands_behind_a_body_is_no_header() -> None:
    """A proxy that says who the client is says it in the head, and takes out there what the client says."""
    async with serving(Echo()) as (_, port):
        status, body = await exchange(port, CHUNKED + b"0\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")

    assert (status, json.loads(body)["size"]) == (200, 3)
    assert "x-forwarded-for" not in json.loads(body)["headers"]


async def test_a_line_behind_a_body_that_never_ends_is_not_listened_to() -> None:
    echo = Echo()
    async with serving(echo) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED + b"0\r\nX-Much: " + b"y" * 16 * http_server.HEAD_BYTES)

        await asyncio.wait_for(echo.left.wait(), 10)
        writer.close()


@pytest.mark.parametrize("begin", [b"", b"POST / HTTP/1.1\r\nHos", post("/", b"abc")[:-1]])
async def test_a_client_that_does_not_go_on_is_let_go(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "SWEEP_SECONDS"):
        monkeypatch.setattr(http_server, name, 0.05)

    async with serving(Echo()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begin)

        try:
            answer = await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            answer = b""
        writer.close()

    assert answer == b""


async def test_a_client_that_waits_for_its_answer_is_not_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "SWEEP_SECONDS"):
        monkeypatch.setattr(http_server, name, 0.02)
    app, sweeps = Echo(), []
    monkeypatch.setattr(HttpServer, "_tick", lambda _: sweeps.append(1))

    async with serving(app) as (_, port):
        answer = asyncio.create_task(exchange(port, post("/wait", b"")))
        await app.begun.wait()
        await until(lambda: len(sweeps) > 10, within=5, what="the connection was looked at many times")
        app.go_on.set()

        assert (await answer)[0] == 200


async def test_a_connection_nobody_uses_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(http_server, "SWEEP_SECONDS", 0.02)

    async with serving(Echo()) as (_, port):
        status, _ = await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status == 200


async def test_a_connection_that_is_used_again_and_again_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "KEEP_ALIVE_SECONDS", 0.2)
    monkeypatch.setattr(http_server, "SWEEP_SECONDS", 0.02)

    async with serving(Echo()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(8):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            await asyncio.sleep(0.05)
        writer.close()


async def test_the_application_hears_that_a_client_of_a_stream_left() -> None:
    app = Echo()

    async with serving(app) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.begun.wait()
        writer.close()

        await asyncio.wait_for(app.left.wait(), 5)


async def test_the_application_hears_that_a_client_left_in_its_body() -> None:
    app = Echo()

    async with serving(app) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/", b"abc")[:-1])
        await writer.drain()
        writer.close()

        await asyncio.wait_for(app.left.wait(), 5)


async def test_a_request_knows_nothing_of_the_one_before_on_its_connection() -> None:
    keep = post("/", b"x" * 200_000).replace(b"Connection: close", b"Connection: keep-alive")

    async with serving(Echo()) as (_, port):
        _, body = await exchange(port, keep, keep, post("/", b""))

    assert body.count(b'"mark": ""') == 3


async def test_a_call_under_way_is_counted_and_a_stream_is_not() -> None:
    app = Echo()

    async with serving(app) as (server, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.begun.wait()
        app.begun.clear()
        assert server.calls == 0
        answer = asyncio.create_task(exchange(port, post("/wait", b"")))
        await app.begun.wait()
        assert server.calls == 1
        app.go_on.set()
        await answer
        assert server.calls == 0
        writer.close()


async def test_after_the_door_is_closed_the_call_under_way_still_gets_its_answer() -> None:
    app = Echo()

    async with serving(app) as (server, port):
        answer = asyncio.create_task(exchange(port, post("/wait", b"")))
        await app.begun.wait()
        server.stop_accepting()
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
        app.go_on.set()

        assert (await answer)[0] == 200


async def test_while_it_leaves_each_answer_says_that_its_connection_ends() -> None:
    """A proxy that is not told sends its next request on a connection that is being closed, and cannot repeat it."""
    app = Echo()

    async with serving(app) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"connection: close" not in (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readuntil(b"}")

        server.leave()
        writer.write(b"GET /two HTTP/1.1\r\nHost: x\r\n\r\n")

        assert b"connection: close" in (await reader.read()).lower()
        assert (await exchange(port, post("/echo", b"new")))[0] == 200
        writer.close()


async def test_a_connection_the_kernel_has_taken_is_served_after_the_door_is_closed() -> None:
    app = Echo()

    async with serving(app) as (server, port):
        # In this thread: the loop has no turn in between in which it could accept.
        late = socket.create_connection(("127.0.0.1", port))
        late.settimeout(10)
        late.sendall(post("/echo", b"late"))
        server.stop_accepting()

        assert b"200 OK" in await asyncio.to_thread(late.recv, 4096)
        late.close()


async def test_closing_ends_what_does_not_end_by_itself() -> None:
    app = Echo()

    async with serving(app) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await app.begun.wait()
        await server.close()

        assert b"hello" in await asyncio.wait_for(reader.read(), 5)
        writer.close()


def test_a_port_somebody_listens_on_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(PortUnusable, match=rf"port {port} on 127.0.0.1 is in use.*--port"):
            listen("127.0.0.1", port)


def test_a_port_whose_sharing_somebody_allows_is_refused_all_the_same() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()

        with pytest.raises(PortUnusable, match="in use"):
            listen("127.0.0.1", other.getsockname()[1])


def test_nobody_can_take_the_hubs_port_as_well() -> None:
    mine = listen("127.0.0.1", free_port())

    with pytest.raises(PortUnusable):
        listen("127.0.0.1", mine[0].getsockname()[1])
    close_all(mine)


def test_a_host_that_is_no_address_of_this_machine_is_refused() -> None:
    with pytest.raises(PortUnusable, match="--host"):
        listen("192.0.2.1", free_port())


async def test_a_computing_thread_does_not_keep_requests_waiting_long() -> None:
    """Projector and password hashing are such threads; a request takes the interpreter back once, not several times."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            json.loads(json.dumps(list(range(500))))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        async with serving(Echo()) as (_, port):
            begun = asyncio.get_running_loop().time()
            for _ in range(20):
                await exchange(port, post("/", b""))
            took = asyncio.get_running_loop().time() - begun
    finally:
        stop.set()
        thread.join()

    assert took / 20 < 0.05
