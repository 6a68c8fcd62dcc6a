# ruff: noqa: ASYNC109  the library's signatures
"""The hub's own HTTP: what would be dialled. Nothing here opens a socket; a recorder stands where the sockets are."""

import socket

import httpcore2
import httpx2
import pytest

from mcphub.api import outgoing
from mcphub.api.outgoing import Dialler, GuardedTransport, client_options
from mcphub.gateway.upstream.transport import EgressDenied
from mcphub.gateway.way_out import WayOut

PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Recorder(httpcore2.AsyncNetworkBackend):
    """Remembers what it was asked to dial and answers every request alike."""

    def __init__(self, *answers: bytes, fails: tuple[str, ...] = ()) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.names: list[str] = []  # that TLS asked for
        self.written = b""
        self._answers = list(answers) or [OK]
        self._fails = fails

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.dialled.append((host, port))
        if host in self._fails:
            raise httpcore2.ConnectError("refused")
        return Stream(self)

    def answer(self) -> bytes:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._left: bytes | None = None

    async def read(self, max_bytes, timeout=None):
        if self._left is None:
            self._left = self._recorder.answer()
        piece, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return piece

    async def write(self, buffer, timeout=None):
        self._recorder.written += buffer
        self._left = None

    async def aclose(self):
        pass

    async def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        self._recorder.names.append(server_hostname)
        return self

    def get_extra_info(self, info):
        return None


def names(**known: str | list[str]):
    """A resolver that knows these names, `_` for `.`; remembers who asked."""
    asked = []

    async def look_up(host, port, family):
        asked.append(host)
        found = known[host.replace(".", "_").replace("-", "__")]
        found = [found] if isinstance(found, str) else found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    look_up.asked = asked
    return look_up


def client(recorder, *, lookup=None, named=(), allow=(), way_out=None) -> httpx2.AsyncClient:
    dialler = Dialler(allow, frozenset(named), inner=recorder, lookup=lookup or names())
    transport = GuardedTransport(way_out or WayOut(), dialler=dialler)
    if transport._by_proxy is not None:
        transport._by_proxy._pool._network_backend._inner = recorder
        transport._by_proxy._pool._network_backend._lookup = lookup
    return httpx2.AsyncClient(**client_options(transport))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "2130706433", "0x7f.1", "017700000001", "169.254.169.254", "10.0.0.5", "172.20.1.1"),
        *("192.168.1.1", "100.64.0.1", "0.0.0.0", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1"),
        *("192.0.0.192", "198.18.0.1", "[fe80::1]", "[100::1]", "[::ffff:169.254.169.254]", "127.0.0.1.", "10.0.0.5."),
    ],
)
async def test_an_address_that_is_written_out_is_not_dialled(host):
    recorder = Recorder()

    with pytest.raises((EgressDenied, httpx2.InvalidURL)):
        await client(recorder).get(f"https://{host}/x")

    assert recorder.dialled == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "169.254.169.254", "::ffff:10.0.0.1"])
async def test_a_name_that_leads_into_the_network_is_not_dialled(address):
    recorder = Recorder()

    with pytest.raises(EgressDenied):
        await client(recorder, lookup=names(idp_example=address)).get("https://idp.example/x")

    assert recorder.dialled == []


async def test_one_bad_answer_of_a_name_refuses_them_all():
    recorder = Recorder()

    with pytest.raises(EgressDenied):
        await client(recorder, lookup=names(idp_example=[PUBLIC, "10.0.0.1"])).get("https://idp.example/x")

    assert recorder.dialled == []


async def test_a_name_is_asked_for_once_and_what_was_checked_is_dialled_under_its_name():
    recorder, lookup = Recorder(), names(idp_example=PUBLIC)

    answer = await client(recorder, lookup=lookup).get("https://idp.example/x")

    assert answer.status_code == 200
    assert lookup.asked == ["idp.example"]
    assert recorder.dialled == [(PUBLIC, 443)]
    assert recorder.names == ["idp.example"]
    assert b"host: idp.example\r\n" in recorder.written.lower()


async def test_the_next_address_is_tried_when_one_does_not_answer():
    recorder = Recorder(fails=(PUBLIC,))

    await client(recorder, lookup=names(idp_example=[PUBLIC, OTHER])).get("https://idp.example/x")

    assert recorder.dialled == [(PUBLIC, 443), (OTHER, 443)]


async def test_a_name_that_does_not_resolve_is_an_error_of_the_network():
    async def nowhere(host, port, family):
        raise socket.gaierror(-2, "unknown")

    with pytest.raises(httpx2.ConnectError):
        await client(Recorder(), lookup=nowhere).get("https://idp.example/x")


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1"])
async def test_what_the_operator_named_may_be_in_the_network(address):
    recorder = Recorder()

    await client(recorder, lookup=names(sso_corp=address), named=["sso.corp"]).get("https://sso.corp/x")

    assert recorder.dialled == [(address, 443)]


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254"])
async def test_cloud_metadata_is_never_dialled_whoever_named_it(address):
    recorder = Recorder()

    with pytest.raises(EgressDenied):
        await client(recorder, lookup=names(sso_corp=address), named=["sso.corp"]).get("https://sso.corp/x")

    assert recorder.dialled == []


async def test_what_the_operator_opened_is_dialled():
    recorder = Recorder()

    await client(recorder, lookup=names(idp_example="10.1.2.3"), allow=("10.1.0.0/16",)).get("https://idp.example/x")

    assert recorder.dialled == [("10.1.2.3", 443)]


@pytest.mark.parametrize(
    "url",
    [
        *("http://idp.example/x", "ftp://idp.example/x", "ws://idp.example/x", "https://idp.example:0/x"),
        *("https://user:password@idp.example/x", "https://user@idp.example/x"),
    ],
)
async def test_nothing_is_sent_without_https_or_with_a_user_in_the_address(url):
    recorder = Recorder()

    with pytest.raises((EgressDenied, httpx2.UnsupportedProtocol)):
        await client(recorder, lookup=names(idp_example=PUBLIC)).get(url)

    assert recorder.dialled == []


async def test_this_machine_needs_no_https_when_the_operator_named_it():
    recorder = Recorder()

    await client(recorder, named=["127.0.0.1"]).get("http://127.0.0.1:9/x")

    assert recorder.dialled == [("127.0.0.1", 9)]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status):
    moved = b"HTTP/1.1 %d Moved\r\nLocation: https://169.254.169.254/\r\nContent-Length: 0\r\n\r\n" % status
    recorder = Recorder(moved)

    answer = await client(recorder, lookup=names(idp_example=PUBLIC)).get("https://idp.example/x")

    assert answer.status_code == status
    assert recorder.dialled == [(PUBLIC, 443)]


async def test_an_answer_has_an_end(monkeypatch):
    monkeypatch.setattr(outgoing, "MOST_ANSWER", 1000)
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000

    with pytest.raises(httpx2.ReadError, match="1000 bytes"):
        await client(Recorder(big), lookup=names(idp_example=PUBLIC)).get("https://idp.example/x")


async def test_a_packed_answer_is_neither_asked_for_nor_unpacked():
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    recorder = Recorder(packed)

    with pytest.raises(httpx2.DecodingError):
        await client(recorder, lookup=names(idp_example=PUBLIC)).get("https://idp.example/x")

    assert b"accept-encoding: identity\r\n" in recorder.written.lower()


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://10.9.9.9:3128")
    monkeypatch.setenv("ALL_PROXY", "http://10.9.9.9:3128")
    recorder = Recorder()

    await client(recorder, lookup=names(idp_example=PUBLIC)).get("https://idp.example/x")

    assert recorder.dialled == [(PUBLIC, 443)]


# by the company's proxy


async def test_by_a_proxy_only_the_proxy_is_dialled_and_it_resolves_the_name():
    recorder = Recorder(b"HTTP/1.1 200 Connection established\r\n\r\n", OK)
    lookup = names(proxy_corp="10.0.0.9")

    answer = await client(recorder, lookup=lookup, way_out=WayOut("http://proxy.corp:3128")).get(
        "https://idp.example/x"
    )

    assert answer.status_code == 200
    assert recorder.dialled == [("10.0.0.9", 3128)]
    assert lookup.asked == ["proxy.corp"]
    assert recorder.written.startswith(b"CONNECT idp.example:443 HTTP/1.1\r\n")
    assert recorder.names == ["idp.example"]


async def test_a_forbidden_address_is_not_asked_of_the_proxy_either():
    recorder = Recorder()

    with pytest.raises(EgressDenied):
        await client(recorder, way_out=WayOut("http://proxy.corp:3128")).get("https://169.254.169.254/x")

    assert recorder.dialled == []


@pytest.mark.parametrize(
    ("host", "by_proxy"),
    [
        ("idp.example", True),
        ("corp.example", False),
        ("git.corp.example", False),
        ("notcorp.example", True),
        ("localhost", False),
        ("127.0.0.1", False),
        ("[::1]", False),
        ("GIT.Corp.Example.", False),
        ("10.0.0.1", True),
    ],
)
def test_hosts_of_the_company_are_reached_without_the_proxy(host, by_proxy):
    assert WayOut("http://proxy.corp:3128", ("corp.example",)).proxied(host) is by_proxy
    assert WayOut().proxied(host) is False
