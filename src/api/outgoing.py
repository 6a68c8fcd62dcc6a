"""HTTP of the hub's own, sign-in providers first: one guard in front of every dial.

Promises:
- a name is resolved once, every answer is checked, and only what was checked is dialled; TLS still asks for the name;
- hosts that the operator wrote into the environment may be anywhere but at cloud metadata; hosts that others name may
  not be in private networks;
- https, except to this machine; no redirects, no proxy of the environment, no answer larger than a mebibyte.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from mcphub.domain import egress
from mcphub.gateway.upstream.transport import ANYWHERE, EgressDenied, Lookup, look_up
from mcphub.gateway.way_out import WayOut
from mcphub.settings import LOOPBACK, Settings

CONNECT_SECONDS = 10.0  # for all addresses of a name together
SECONDS = 10.0  # without a byte
MOST_ANSWER = 1024 * 1024  # bytes


class Dialler(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only.

    Args:
        allow: CIDRs the operator opened for hosts that others name.
        named: hosts the operator named.
        inner: opens the sockets.
    """

    def __init__(
        self,
        allow: tuple[str, ...],
        named: frozenset[str],
        *,
        inner: httpcore2.AsyncNetworkBackend | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        self._allow = allow
        self._named = named
        self._inner = inner or httpcore2.AnyIOBackend()
        self._lookup = lookup

    def check(self, address: egress.Address, host: str) -> None:
        """
        Raises:
            EgressDenied: the hub does not dial it.
        """
        allow = ANYWHERE if host in self._named else self._allow
        if egress.denied(address, allow, loopback=host in self._named):
            raise EgressDenied(host)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failed: Exception = httpcore2.ConnectError(f"the name {host} does not resolve")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for address in await self._addresses(host.lower(), port):
                    try:
                        return await self._inner.connect_tcp(
                            address, port, timeout, local_address=local_address, socket_options=socket_options
                        )
                    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                        failed = error
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"no connection to {host} within {CONNECT_SECONDS:g} s") from None
        except OSError:
            pass  # it does not resolve
        raise failed

    async def _addresses(self, host: str, port: int) -> list[str]:
        literal = egress.literal(host)
        if literal is not None:
            self.check(literal, host)
            return [str(literal)]
        found = [str(where[0]).partition("%")[0] for *_, where in await self._lookup(host, port, 0)]
        for address in found:
            self.check(ip_address(address), host)
        return list(dict.fromkeys(found))

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise EgressDenied("a local socket")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """What a client of this module sends with; made for one errand, closed with its client.

    Args:
        allow, named: as for Dialler.
        dialler: of the direct connections; the proxy's own is never asked for another host.
    """

    def __init__(
        self,
        way_out: WayOut,
        allow: tuple[str, ...] = (),
        named: Iterable[str] = (),
        *,
        dialler: Dialler | None = None,
    ) -> None:
        self._way_out = way_out
        self._dialler = dialler or Dialler(allow, frozenset(host.lower() for host in named))
        self._direct = _connections(self._dialler, way_out)
        self._by_proxy: httpx2.AsyncHTTPTransport | None = None
        if way_out.proxy:
            host = httpx2.URL(way_out.proxy).host.lower()
            self._by_proxy = _connections(Dialler((), frozenset({host})), way_out, way_out.proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """
        Raises:
            EgressDenied: the hub sends nothing there.
            httpx2.HTTPError: it failed.
        """
        host = request.url.host.lower()
        if request.url.scheme != "https" and not (request.url.scheme == "http" and host in LOOPBACK):
            raise EgressDenied(f"{host} without https")
        if request.url.port == 0 or request.url.userinfo:
            raise EgressDenied(host)
        literal = egress.literal(host)
        if literal is not None:
            self._dialler.check(literal, host)
        # A small answer could unpack to a large one.
        request.headers["accept-encoding"] = "identity"
        by_proxy = self._by_proxy if self._way_out.proxied(host) else None
        response = await (by_proxy or self._direct).handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is packed although that was not asked for", request=request)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Limited(response, request),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._direct.aclose()
        if self._by_proxy is not None:
            await self._by_proxy.aclose()


class _Limited(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, request: httpx2.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = 0
        async for piece in self._response.aiter_raw():
            total += len(piece)
            if total > MOST_ANSWER:
                raise httpx2.ReadError(f"the answer has more than {MOST_ANSWER} bytes", request=self._request)
            yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


def client_options(transport: httpx2.AsyncBaseTransport) -> dict[str, Any]:
    """For every client: what it sends with, and that it does nothing by itself."""
    return {"transport": transport, "timeout": SECONDS, "follow_redirects": False, "trust_env": False}


def _connections(dialler: Dialler, way_out: WayOut, proxy: str | None = None) -> httpx2.AsyncHTTPTransport:
    known = httpx2.Proxy(proxy, ssl_context=way_out.tls if proxy.startswith("https:") else None) if proxy else None
    transport = httpx2.AsyncHTTPTransport(verify=way_out.tls, trust_env=False, proxy=known)
    # The constructor takes no network backend; tests/unit/test_outgoing.py notices when this is no longer the place.
    transport._pool._network_backend = dialler
    return transport


def guarded_client(settings: Settings, named: Iterable[str] = ()) -> httpx2.AsyncClient:
    """For answers that are waited for as long as whoever asks likes.

    Args:
        named: hosts the operator named.
    """
    return httpx2.AsyncClient(
        transport=GuardedTransport(WayOut.of(settings), settings.egress_allow, named), timeout=None, trust_env=False
    )
