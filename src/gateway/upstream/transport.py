"""HTTP to upstreams, and the guard in front of every dial.

Promises:
- an address is dialled only after it was checked: a literal before the request, every resolved one, and again the very
  address a socket is made for, because the connector never asks a resolver about literals;
- a redirect is followed only within the origin and only as 307 or 308, with the same headers;
- no proxy but the operator's, no netrc, no cookies, no decompression the hub did not ask for. By the proxy an address
  that is written out is checked here; names are resolved there, and what they lead to is the proxy's to decide.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any, Protocol

import aiohttp
from aiohappyeyeballs import start_connection
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from mcphub.domain import egress
from mcphub.domain.server_spec import ServerSpec
from mcphub.gateway.upstream.http1 import END_SECONDS, MOST_RESULT, UNUSED_SECONDS, Closed, Connections
from mcphub.gateway.upstream.runtime import UpstreamBroken, UpstreamUnreachable
from mcphub.gateway.way_out import WayOut
from mcphub.settings import LOOPBACK

CONNECT_SECONDS = 10.0  # for all addresses of a name together
SECOND_TRY = 0.25  # seconds until another address of a name is tried beside the one before; RFC 8305
NAMES_SECONDS = 30.0  # how long a name's addresses are believed
MOST_REDIRECTS = 3
ANYWHERE = ("0.0.0.0/0", "::/0")  # cloud metadata stays closed all the same
MOST_HOSTS = 1000  # whose check is remembered
FOLLOWED = {307, 308}
REDIRECTS = {301, 302, 303, 307, 308}


class EgressDenied(Exception):
    """The hub does not dial this address."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is not an address this hub may dial")


class HttpResponse(Protocol):
    """The head of an answer; its body is read or the response is closed."""

    status: int

    @property
    def headers(self) -> CIMultiDictProxy[str]: ...

    @property
    def kind(self) -> str:
        """Media type, lower case, without parameters."""

    async def read(self, most: int = MOST_RESULT) -> bytes:
        """
        Raises:
            UpstreamUnreachable: the connection broke.
            UpstreamBroken: there is more than that.
        """

    def chunks(self) -> AsyncIterator[bytes]:
        """
        Raises:
            UpstreamUnreachable: the connection broke.
        """

    def close(self) -> None:
        """Gives up what was not read, and the connection with it."""

    def done(self) -> None:
        """Nothing more is wanted; the connection is kept when the end comes soon."""


class HttpTransport(Protocol):
    async def send(self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None) -> HttpResponse:
        """
        Raises:
            UpstreamUnreachable: see there.
            UpstreamBroken: it redirects to where the hub does not follow.
        """

    async def close(self) -> None: ...


def url_of(text: str) -> URL:
    """An address as it will be dialled.

    Raises:
        UpstreamBroken: it is none the hub dials.
    """
    if egress.dialled_host(text) is None:
        raise UpstreamBroken("its address is no http or https address")
    try:
        url = URL(text, encoded=text.isascii())
    except ValueError:
        raise UpstreamBroken("its address is no http or https address") from None
    if url.raw_user is not None or url.raw_password is not None or not url.raw_host:
        raise UpstreamBroken("its address carries a user or a password")
    return url.with_fragment(None) if url.raw_fragment else url


AddressInfo = tuple[Any, ...]  # as getaddrinfo gives it


def open_socket(info: AddressInfo) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


class Guard:
    """Decides what is dialled.

    Args:
        allow: CIDRs the operator opened.
        loopback: this machine may be dialled.
        opener: makes the socket of an address that passed.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        loopback: bool = True,
        opener: Callable[[AddressInfo], socket.socket] = open_socket,
    ) -> None:
        self._allow = tuple(allow)
        self._loopback = loopback
        self._opener = opener
        self._passed: set[str] = set()

    def check(self, address: egress.Address, host: str) -> None:
        """
        Raises:
            EgressDenied: see there.
        """
        if egress.denied(address, self._allow, loopback=self._loopback):
            raise EgressDenied(host)

    def check_host(self, host: str) -> None:
        """A name passes here; its addresses are checked when they are known.

        Raises:
            EgressDenied: see there.
        """
        if host in self._passed:  # the same text is the same address for ever
            return
        address = egress.literal(host)
        if address is not None:
            self.check(address, host)
        if len(self._passed) < MOST_HOSTS:
            self._passed.add(host)

    def make_socket(self, info: AddressInfo) -> socket.socket:
        """The connector's socket factory: the last look before a dial.

        Raises:
            EgressDenied: see there.
        """
        if info[0] not in (socket.AF_INET, socket.AF_INET6):
            raise EgressDenied("a local socket")
        address = str(info[4][0]).partition("%")[0]
        self.check(ip_address(address), address)
        return self._opener(info)


Lookup = Callable[[str, int, int], Awaitable[Sequence[AddressInfo]]]


async def look_up(host: str, port: int, family: int) -> Sequence[AddressInfo]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)


class GuardedResolver(AbstractResolver):
    """Names to addresses; one address that may not be dialled refuses them all."""

    def __init__(self, guard: Guard, lookup: Lookup = look_up) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = []
        for kind, _, protocol, _, where in await self._lookup(host, port, family):
            address = str(where[0])
            self._guard.check(ip_address(address.partition("%")[0]), host)
            found.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=int(where[1]),
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return found

    async def close(self) -> None:
        pass


class GuardedTransport:
    """Implements HttpTransport. Connections are kept by address and carry requests of all users, never state of one."""

    def __init__(self, guard: Guard, resolver: AbstractResolver | None = None, way_out: WayOut | None = None) -> None:
        self._guard = guard
        self._resolver = resolver or GuardedResolver(guard)
        self._way_out = way_out or WayOut()
        self._direct = Connections(self._dial)
        self._by_proxy: aiohttp.ClientSession | None = None
        self._names: dict[tuple[str, int], tuple[float, list[AddressInfo]]] = {}  # → (until, addresses)

    async def send(self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None) -> HttpResponse:
        host = url.raw_host or ""
        try:
            self._guard.check_host(host)
            send = self._sent_by_proxy if self._way_out.proxied(host) else self._direct.request
            response: HttpResponse = await send(method, url, headers, body)
            if response.status in REDIRECTS:
                response = await _followed(send, method, url, response, headers, body)
        except EgressDenied as error:
            raise UpstreamUnreachable(str(error), sent=False) from None
        except Closed as error:
            raise UpstreamUnreachable(f"{host} closed the connection ({error})", sent=True) from None
        except aiohttp.ClientError as error:
            raise _unreachable(error, host) from None
        except ValueError:  # a header it does not take; its text may repeat the value
            raise UpstreamUnreachable("its headers cannot be sent", sent=False) from None
        except (TimeoutError, OSError) as error:
            raise UpstreamUnreachable(f"the request to {host} failed ({type(error).__name__})", sent=True) from None
        return response

    async def _dial(self, url: URL, protocol: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """
        Raises:
            EgressDenied: see there.
            UpstreamUnreachable: nothing was sent.
        """
        host, why = url.raw_host or "", ""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                try:
                    addresses = await self._addresses(host, url.port or 0)
                except OSError:
                    raise UpstreamUnreachable(f"the name {host} does not resolve", sent=False) from None
                made = await start_connection(
                    addresses,
                    happy_eyeballs_delay=SECOND_TRY,
                    interleave=1,
                    socket_factory=self._guard.make_socket,
                )
                tls = self._way_out.tls if url.scheme == "https" else None
                try:
                    _, connection = await asyncio.get_running_loop().create_connection(
                        protocol, sock=made, ssl=tls, server_hostname=host.rstrip(".") if tls else None
                    )
                except BaseException:
                    made.close()
                    raise
                return connection
        except TimeoutError:
            why = f"no connection to {host} within {CONNECT_SECONDS:g} s"
        except ssl.SSLCertVerificationError as error:
            why = f"no trusted connection to {host}: {error.verify_message}"
        except ssl.SSLError:
            why = f"no trusted connection to {host}: TLS failed"
        except OSError as error:
            self._names.pop((host, url.port or 0), None)
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            why = f"{host} cannot be connected: {reason}"
        raise UpstreamUnreachable(why, sent=False) from None

    async def _addresses(self, host: str, port: int) -> list[AddressInfo]:
        """
        Raises:
            OSError: the name does not resolve.
            EgressDenied: see there.
        """
        try:
            family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
        except ValueError:
            pass
        until, known = self._names.get((host, port), (0.0, []))
        if known and time.monotonic() < until:
            return known
        found: list[AddressInfo] = [
            (one["family"], socket.SOCK_STREAM, one["proto"], "", (one["host"], one["port"]))
            for one in await self._resolver.resolve(host, port)
        ]
        if not found:
            raise OSError("no address")
        if len(self._names) >= MOST_HOSTS:
            self._names.clear()
        self._names[host, port] = (time.monotonic() + NAMES_SECONDS, found)
        return found

    async def _sent_by_proxy(
        self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None
    ) -> "ProxiedResponse":
        if self._by_proxy is None:
            # It dials the proxy and nothing else, and the proxy is where the operator says, inside the network or not.
            trusted = Guard(ANYWHERE)
            connector = aiohttp.TCPConnector(
                limit=0,
                ttl_dns_cache=30,
                resolver=GuardedResolver(trusted),
                socket_factory=trusted.make_socket,
                keepalive_timeout=UNUSED_SECONDS,
                ssl=self._way_out.own_tls or True,
            )
            self._by_proxy = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS),
                trust_env=False,
                proxy=self._way_out.proxy,
            )
        return ProxiedResponse(
            await self._by_proxy.request(method, url, data=body, headers=headers, allow_redirects=False)
        )

    async def close(self) -> None:
        self._direct.close()
        if self._by_proxy is not None:
            await self._by_proxy.close()
        self._by_proxy = None


Send = Callable[[str, URL, CIMultiDict[str], bytes | None], Awaitable[HttpResponse]]


async def _followed(
    send: Send, method: str, url: URL, response: HttpResponse, headers: CIMultiDict[str], body: bytes | None
) -> HttpResponse:
    for _ in range(MOST_REDIRECTS):
        if response.status not in REDIRECTS:
            return response
        response.close()
        target = _target(url, response)
        if target is None or response.status not in FOLLOWED or target.origin() != url.origin():
            where = "" if target is None else f" to {target.host}"
            raise UpstreamBroken(
                f"it redirects{where} (HTTP {response.status}); only a 307 or 308 within its own origin is followed"
            )
        response, url = await send(method, target, headers, body), target
    if response.status in REDIRECTS:
        response.close()
        raise UpstreamBroken(f"it redirects more than {MOST_REDIRECTS} times")
    return response


class ProxiedResponse:
    """Implements HttpResponse."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    async def read(self, most: int = MOST_RESULT) -> bytes:
        response = self._response
        try:
            size = response.content_length
            if size is not None and size <= most and "Content-Encoding" not in self.headers:
                return await response.read()
            pieces, total = [], 0
            async for piece in response.content.iter_any():
                total += len(piece)
                if total > most:
                    raise UpstreamBroken(f"its answer is larger than {most} bytes")
                pieces.append(piece)
            return b"".join(pieces)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            response.close()
            raise UpstreamUnreachable(f"the answer broke off ({type(error).__name__})", sent=True) from None
        except BaseException:
            response.close()
            raise

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UpstreamUnreachable(f"the stream broke off ({type(error).__name__})", sent=True) from None

    def close(self) -> None:
        self._response.close()

    def done(self) -> None:
        if not self._response.content.is_eof():
            asyncio.get_running_loop().call_later(END_SECONDS, self._response.close)


class Transports:
    """One transport for addresses an administrator wrote, one for hosts that users name: those never lead to this
    machine itself.
    """

    def __init__(self, allow: Sequence[str] = (), way_out: WayOut | None = None) -> None:
        self._by_administrators: HttpTransport = GuardedTransport(Guard(allow), way_out=way_out)
        self._by_users: HttpTransport = GuardedTransport(Guard(allow, loopback=False), way_out=way_out)

    def for_server(self, spec: ServerSpec) -> HttpTransport:
        return self._by_users if spec.user_hosts else self._by_administrators

    def named_by(self, source: str, spec: ServerSpec) -> HttpTransport:
        """For an address that stands in what was read from `source`: only what lies on this machine may lead back to
        it.
        """
        host = egress.dialled_host(source) or ""
        address = egress.literal(host)
        here = host in LOOPBACK or (address is not None and address.is_loopback)
        return self.for_server(spec) if here else self._by_users

    async def close(self) -> None:
        await self._by_administrators.close()
        await self._by_users.close()


def _target(url: URL, response: HttpResponse) -> URL | None:
    location = response.headers.get("Location", "")
    try:
        target = url.join(URL(location, encoded=location.isascii()))
        usable = location and target.scheme in {"http", "https"} and target.raw_host and target.raw_user is None
        return target.with_fragment(None) if usable else None
    except ValueError:
        return None


def _unreachable(error: aiohttp.ClientError, host: str) -> UpstreamUnreachable:
    """Why, without the address: its query may carry a value."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return UpstreamUnreachable(f"the proxy does not lead to {host}: HTTP {error.status}", sent=False)
        case aiohttp.ClientProxyConnectionError():
            return UpstreamUnreachable("the proxy of this hub cannot be connected", sent=False)
        case aiohttp.ClientConnectorDNSError():
            return UpstreamUnreachable(f"the name {host} does not resolve", sent=False)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            cause = error.__cause__
            why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "TLS failed"
            return UpstreamUnreachable(f"no trusted connection to {host}: {why}", sent=False)
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            why = os.strerror(number) if number else type(error.os_error).__name__
            return UpstreamUnreachable(f"{host} cannot be connected: {why}", sent=False)
        case aiohttp.ConnectionTimeoutError():
            return UpstreamUnreachable(f"no connection to {host} within {CONNECT_SECONDS:g} s", sent=False)
        case aiohttp.InvalidURL():
            return UpstreamUnreachable("its address is no http or https address", sent=False)
    return UpstreamUnreachable(f"{host} closed the connection ({type(error).__name__})", sent=True)
