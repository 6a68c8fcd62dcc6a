"""HTTP to upstreams: one client for all of them, and no address dialled that the egress rules deny."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from mcphub.domain.egress import denied, literal

CONNECT_SECONDS = 10.0


class EgressDenied(OSError):
    """The address must not be dialled; nothing was."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is an address this hub does not dial")


class GuardedResolver(AbstractResolver):
    """Resolves once and hands on only what may be dialled; one denied answer refuses all."""

    def __init__(self, allow: Sequence[str]) -> None:
        self._allow = tuple(allow)
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            check_host(result["host"], self._allow)
        return found

    async def close(self) -> None:
        await self._inner.close()


def check_host(host: str, allow: Sequence[str]) -> None:
    """
    Raises:
        EgressDenied: it spells out an address that is denied.
    """
    address = literal(host)
    if address is not None and denied(address, allow):
        raise EgressDenied(host)


class AioHttp:
    """The one client of the process; opened on first use, on the loop it is used on."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allow = tuple(allow)
        self._session: aiohttp.ClientSession | None = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=GuardedResolver(self._allow), ttl_dns_cache=10),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                trust_env=False,
                raise_for_status=False,
                read_bufsize=1 << 20,
            )
        return self._session

    @asynccontextmanager
    async def stream(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, its answer unread. The connector does not resolve literals, so they are checked here.

        Raises:
            EgressDenied, aiohttp.ClientError, TimeoutError, OSError: no answer began.
        """
        check_host(url.host or "", self._allow)
        async with self._client().request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            yield response

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def why(error: BaseException) -> str:
    """A failure to connect in few words, without the address's query."""
    match error:
        case EgressDenied():
            return str(error)
        case aiohttp.ClientConnectorDNSError():
            return "its host name is not known"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "its certificate is not accepted"
        case aiohttp.ClientConnectorError():
            return (error.os_error.strerror or type(error.os_error).__name__).lower()
        case TimeoutError() | asyncio.TimeoutError():
            return "it did not accept the connection in time"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection"
    return type(error).__name__
