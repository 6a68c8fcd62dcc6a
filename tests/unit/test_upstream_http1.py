"""HTTP/1.1 to upstreams, against servers that answer byte by byte as a test says."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict
from yarl import URL

from mcphub.gateway.upstream import http1
from mcphub.gateway.upstream.http1 import Answer, Closed, Connections
from mcphub.gateway.upstream.runtime import UpstreamBroken, UpstreamUnreachable
from tests.support.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"


class Server:
    """Says `answers` one after the other, one a request; b"" closes, None waits for the client to leave."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.left = asyncio.Event()
        self.url = URL()
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writer = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer == b"":
                    return
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def talking(*answers: bytes | None) -> AsyncIterator[tuple[Server, Callable[..., "asyncio.Task[Answer]"]]]:
    """A server, and what sends it a request."""
    server = Server(*answers)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]

    async def dial(url: URL, protocol: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        _, made = await asyncio.get_running_loop().create_connection(protocol, host, port)
        return made

    connections = Connections(dial)
    server.url = URL(f"http://{host}:{port}/mcp?a=%2F", encoded=True)

    def send(method: str = "POST", body: bytes | None = b"{}", **headers: str) -> "asyncio.Task[Answer]":
        request = connections.request(method, server.url, CIMultiDict(headers), body)
        return asyncio.ensure_future(asyncio.wait_for(request, 20))

    yield server, send
    connections.close()
    listening.close()
    await listening.wait_closed()


async def test_a_request_is_written_as_it_was_given_and_its_connection_is_used_again() -> None:
    async with talking(OK, OK) as (server, send):
        for _ in range(2):
            answer = await send(Name="v\u00e4lue")
            assert (answer.status, answer.kind, await answer.read()) == (200, "application/json", b"{}")

        where = f"{server.url.host}:{server.url.port}"
        head = f"POST /mcp?a=%2F HTTP/1.1\r\nHost: {where}\r\nName: v\u00e4lue\r\nContent-Length: 2\r\n\r\n{{}}"
        assert server.requests == [head.encode()] * 2
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_an_answer_of_any_framing_is_read(answer: bytes) -> None:
    async with talking(answer, OK) as (_, send):
        first = await send()
        assert (first.status, await first.read()) == (200, b"{}")

        assert await (await send()).read() == b"{}"


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with talking(b"HTTP/1.1 200 OK\r\n\r\n{}") as (server, send):
        answer = await send()
        server.writer.close()

        assert await answer.read() == b"{}"


@pytest.mark.parametrize("more", [OK, b"x", b"HTTP/1.1 200 OK\r\n"])
async def test_what_nobody_asked_for_is_no_answer_to_the_next_request(more: bytes) -> None:
    secret = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
    async with talking(secret + more, OK) as (server, send):
        assert await (await send()).read() == b"secret"

        assert await (await send()).read() == b"{}"

        assert server.connections == 2


async def test_what_comes_later_and_unasked_closes_the_connection() -> None:
    async with talking(OK, OK) as (server, send):
        answer = await send()
        assert await answer.read() == b"{}"
        server.writer.write(OK)
        await until(lambda: answer._connection.closed, within=20, what="it stayed open")

        assert await (await send()).read() == b"{}"

        assert server.connections == 2


async def test_the_connection_of_a_request_that_was_given_up_is_closed() -> None:
    async with talking(None, OK) as (server, send):
        given_up = send()
        await until(lambda: len(server.requests) == 1, within=20, what="no request")
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)

        assert await (await send()).read() == b"{}"

        await asyncio.wait_for(server.left.wait(), 20)
        assert server.connections == 2


async def test_a_stream_that_is_closed_takes_its_connection_with_it() -> None:
    async with talking(SSE, OK) as (server, send):
        stream = await send()
        chunks = stream.chunks()
        assert await anext(chunks) == b"first"
        stream.close()

        with pytest.raises(UpstreamUnreachable, match="given up"):
            await anext(chunks)
        assert await (await send()).read() == b"{}"
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the connection closed"),
        (b"SSH-2.0-x\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * http1.HEAD_BYTES + b"\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 16 * http1.HEAD_BYTES, "no HTTP"),  # and it never ends
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
    ],
)
async def test_what_is_no_answer_is_said(answer: bytes, why: str) -> None:
    async with talking(answer) as (server, send):
        with pytest.raises(Closed, match=why):
            await send()

        assert len(server.requests) == 1


async def test_a_line_behind_a_body_that_never_ends_is_given_up() -> None:
    async with talking(SSE + b"0\r\nA: " + b"a" * 16 * http1.HEAD_BYTES) as (_, send):
        with pytest.raises(UpstreamUnreachable, match="no HTTP"):
            await asyncio.wait_for((await send()).read(), 20)


async def test_an_answer_that_breaks_off_is_none() -> None:
    async with talking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}") as (server, send):
        answer = await send()
        server.writer.close()

        with pytest.raises(UpstreamUnreachable, match="broke off"):
            await answer.read()


@pytest.mark.parametrize(("method", "sent"), [("GET", 3), ("POST", 2), ("DELETE", 2)])
async def test_only_a_get_goes_out_again_when_a_kept_connection_was_closed(method: str, sent: int) -> None:
    async with talking(OK, b"", OK) as (server, send):
        assert await (await send(method, None)).read() == b"{}"

        (second,) = await asyncio.gather(send(method, None), return_exceptions=True)

        assert len(server.requests) == sent
        assert isinstance(second, Closed) == (sent == 2)


@pytest.mark.parametrize("value", ["a\r\nX-MCPHub-User-Id: other", "a\nb", "a\rb", "a\0b"])
async def test_a_value_that_would_begin_another_header_is_not_sent(value: str) -> None:
    async with talking(OK) as (server, send):
        with pytest.raises(ValueError, match="line break"):
            await send(Token=value)

        assert server.connections == 0


async def test_an_answer_nobody_takes_is_not_read_on() -> None:
    size = 64 * 1024 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    async with talking(head + bytes(size)) as (_, send):
        answer = await send()
        await until(lambda: answer._connection._paused, within=20, what="it reads on")
        assert answer._unread < 2 * 1024 * 1024

        assert len(await answer.read(size)) == size


async def test_an_answer_compressed_in_an_unknown_way_is_refused() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: br\r\n\r\n{}"
    async with talking(head) as (_, send):
        with pytest.raises(UpstreamBroken, match="compressed"):
            await (await send()).read()


async def test_the_answer_to_head_has_no_body() -> None:
    async with talking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as (_, send):
        answer = await send("HEAD", None)

        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_connection_that_was_not_used_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "UNUSED_SECONDS", 0.05)
    async with talking(OK, OK) as (server, send):
        assert await (await send()).read() == b"{}"

        await asyncio.wait_for(server.left.wait(), 20)

        assert await (await send()).read() == b"{}"
        assert server.connections == 2


async def test_connections_that_are_never_kept_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "UNUSED_SECONDS", 0.05)
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with talking(last, last) as (server, send):
        made = [weakref.ref((await send())._connection) for _ in range(2)]

        def forgotten() -> bool:
            gc.collect()
            return not any(connection() for connection in made)

        await until(forgotten, within=5, what="a closed connection is still held")
        assert server.connections == 2
