"""The outermost door: what every request passes before anything of the hub looks at it, and every answer after.

A key in the address is taken out before any log line, trace or error could hold it. `/mcp` goes straight to the
gateway, which keeps its own rules of host and origin; everything else goes to the management API.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote_plus

import msgspec
import structlog

from mcphub.api.access_log import AccessLog
from mcphub.api.incoming import INCOMING, Incoming
from mcphub.api.problems import MEDIA_TYPE, Problem, problem_of
from mcphub.domain.actor import ACTOR
from mcphub.domain.ids import new_id
from mcphub.settings import Settings

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

KEY_IN_SCOPE = "mcphub.key"  # where the gateway finds the `?key=` of a request
MOST_HEADERS = 32 * 1024  # bytes
BODY_WITHIN = 15.0  # seconds, from the first look at the body to its end
PREFLIGHT_SECONDS = 600
EXPOSED = b"ETag, Retry-After, X-MCPHub-Position, X-Request-Id"
ALLOWED = (
    b"Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID,"
    b" X-Auth-Token, X-CSRF-Token, X-MCPHub-Min-Position"
)
# Probes come by address, from whoever runs the container; what they are told is one word.
ANY_HOST = {"/livez", "/readyz"}
PERCENT, QUESTION_MARK = b"%?"  # numbers: what `in` finds at once


class Door:
    """The ASGI application the server runs.

    Args:
        gateway: the application behind `/mcp`.
        api: the application behind everything else.
        access_log: told what requests noted, before their answers go out.
    """

    def __init__(self, settings: Settings, gateway: ASGIApp, api: ASGIApp, access_log: AccessLog) -> None:
        self._gateway = gateway
        self._api = api
        self._access_log = access_log
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = frozenset(origin.lower() for origin in settings.allowed_origins)
        self._proxies = [ip_network(proxy, strict=False) for proxy in settings.trusted_proxies]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What the application behind the door returns; no coroutine of its own, as every call comes through here."""
        if scope["type"] == "lifespan":
            return self._api(scope, receive, send)
        if scope["type"] != "http":
            return send({"type": "websocket.close", "code": 1008})
        key = _take_key(scope)
        path = scope["path"]
        if path == "/mcp" or path.startswith("/mcp/"):
            if key:
                scope[KEY_IN_SCOPE] = key
            return self._gateway(scope, receive, send)
        return self._http(scope, receive, send, key_presented=bool(key))

    async def _http(self, scope: Scope, receive: Receive, send: Send, *, key_presented: bool) -> None:
        headers = dict(scope["headers"])
        request = Incoming(
            new_id(),
            ip=self._client(scope, headers),
            agent=headers.get(b"user-agent", b"").decode("latin-1")[:500],
            accept_language=headers.get(b"accept-language", b"").decode("latin-1")[:200],
            key_presented=key_presented,
        )
        token, nobody = INCOMING.set(request), ACTOR.set(None)
        try:
            with structlog.contextvars.bound_contextvars(request_id=request.request_id):
                await self._answer(scope, headers, request, _BodyInTime(receive), send)
        finally:
            structlog.contextvars.unbind_contextvars("user_id")
            ACTOR.reset(nobody)
            INCOMING.reset(token)

    async def _answer(
        self, scope: Scope, headers: dict[bytes, bytes], request: Incoming, receive: Receive, send: Send
    ) -> None:
        path, method, began = scope["path"], scope["method"], time.perf_counter()
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        shared = origin if origin in self._origins and path.startswith("/api/") else ""
        status = 0

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                if request.notes:
                    await self._access_log.noted(request, method, scope.get("path_template", ""))
                status = 202 if request.pending and message["status"] in {200, 201, 204} else message["status"]
                message = {**message, "status": status, "headers": _completed(message["headers"], request, shared)}
            await send(message)

        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
                raise Problem(431, "headers_too_large", "The request's headers are too large.", "Send fewer cookies.")
            if path not in ANY_HOST and not self._is_host(headers.get(b"host", b"").decode("latin-1")):
                raise Problem(
                    403, "host_not_allowed", "This hub does not answer for that host.", "Use its own address."
                )
            if method == "HEAD" and not path.endswith("/stream"):
                scope = {**scope, "method": "GET"}  # the server keeps the body back
            if method == "OPTIONS" and shared and b"access-control-request-method" in headers:
                await _preflight(finish)
            else:
                await self._api(scope, receive, finish)
        except Exception as error:
            if status:  # the answer is under way; only cutting it off tells the client
                log.error("answer_broke_off", path=path, method=method, exc_info=error)
                raise
            await _refuse(problem_of(error), path, finish)
        finally:
            took = round((time.perf_counter() - began) * 1000, 1)
            log.debug("request_answered", method=method, path=path, status=status, duration_ms=took)

    def _is_host(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        return (name if colon and port.isdecimal() else host).lower() in self._hosts

    def _client(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """The address the request came from: the last one in X-Forwarded-For that no proxy of ours has written."""
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if not self._proxies or (address and not self._is_proxy(address)):
            return address
        hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
            address = hop
            if not self._is_proxy(hop):
                break
        return address[:64]

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


# in


def _take_key(scope: Scope) -> str:
    """Removes `key` from the query, the raw path and Referer; returns what stood in the query.

    Several different ones come out joined, which fits no key.
    """
    scope["query_string"], found = _without_key(scope.get("query_string") or b"")
    raw_path = scope.get("raw_path")
    if raw_path and QUESTION_MARK in raw_path:
        path, _, query = raw_path.partition(b"?")
        left = _without_key(query)[0]
        scope["raw_path"] = path + b"?" + left if left else path
    headers = scope["headers"]
    for name, value in headers:
        if name == b"referer" and QUESTION_MARK in value:
            scope["headers"] = [(name, _referer(value) if name == b"referer" else value) for name, value in headers]
            break
    return ",".join(dict.fromkeys(found))


def _without_key(query: bytes) -> tuple[bytes, list[str]]:
    """(the query, byte for byte, without its keys; the keys)"""
    if PERCENT not in query and query.lower().find(b"key") < 0:
        return query, []  # with an escape in it, a name can be spelt in many ways
    kept, found = [], []
    for piece in query.split(b"&"):
        name, _, value = piece.partition(b"=")
        if unquote_plus(name.decode("latin-1")).lower() == "key":
            found.append(unquote_plus(value.decode("latin-1")))
        else:
            kept.append(piece)
    return b"&".join(kept), [key for key in found if key]


def _referer(value: bytes) -> bytes:
    address, _, query = value.partition(b"?")
    query, hash_, fragment = query.partition(b"#")
    left = _without_key(query)[0]
    return address + (b"?" + left if left else b"") + hash_ + fragment


class _BodyInTime:
    """`receive` that gives a body up when it does not arrive; waiting for the end of the connection has no limit."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._until: float | None = None
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + BODY_WITHIN
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                408,
                "body_too_slow",
                "The request's body did not arrive in time.",
                "Send it again.",
                headers={"Connection": "close"},
            ) from None
        if message["type"] == "http.disconnect":
            raise Problem(400, "malformed_json", "The request's body broke off.")
        self._whole = not message.get("more_body", False)
        return message


# out


def _completed(headers: Iterable[tuple[bytes, bytes]], request: Incoming, shared: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers with what every answer carries; what the handler said itself stays."""
    out = [(bytes(name).lower(), bytes(value)) for name, value in headers]
    given = {name for name, _ in out}
    out.append((b"x-request-id", request.request_id.encode()))
    out.append((b"x-content-type-options", b"nosniff"))
    out.append((b"referrer-policy", b"no-referrer"))
    if b"cache-control" not in given:
        out.append((b"cache-control", b"no-store"))
    if request.position:
        out.append((b"x-mcphub-position", b"%d" % request.position))
    out += [(b"set-cookie", cookie.encode()) for cookie in request.cookies]
    out.append((b"vary", b"Origin"))
    if shared:
        out.append((b"access-control-allow-origin", shared.encode()))
        out.append((b"access-control-allow-credentials", b"true"))
        out.append((b"access-control-expose-headers", EXPOSED))
    return out


async def _preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", ALLOWED),
        (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(problem: Problem, path: str, send: Send) -> None:
    body = msgspec.json.encode(problem.details(path))
    headers = [(name.encode(), value.encode()) for name, value in problem.sent_headers().items()]
    headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
