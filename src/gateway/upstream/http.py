"""A line to one upstream over Streamable HTTP, for one downstream session of one user.

Payloads stay bytes. A request is repeated only when the upstream cannot have carried it out.

Spec: MCP 2025-11-25, Transports, Streamable HTTP.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

import aiohttp
import structlog
from yarl import URL

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.upstream.context import call_headers, fixed_headers
from mcphub.gateway.upstream.events import EventTooLarge, ServerEvent, events
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    Listener,
    Reply,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.transport import AioHttp, why

log = structlog.get_logger()

OPEN_SECONDS = 30.0
DELETE_SECONDS = 2.0
RESUMES = 3
RESUME_MS = 1000
MOST_RESULT = 64 * 1024 * 1024
LISTEN_BACKOFF = 10.0
FAILED = (aiohttp.ClientError, OSError, TimeoutError)
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class Clock:
    """When a call has taken too long: `timeout` after the last sign of life, `total` after its beginning."""

    def __init__(self, seconds: float, reset: bool, total: float) -> None:
        loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._reset = reset
        self._latest = loop.time() + total
        self.scope = asyncio.timeout_at(min(loop.time() + seconds, self._latest))

    def progressed(self) -> None:
        if self._reset:
            self.scope.reschedule(min(asyncio.get_running_loop().time() + self._seconds, self._latest))


class HttpRuntime:
    """One upstream session."""

    kind = "streamable-http"
    pid = None

    def __init__(
        self, spec: ServerSpec, identity: Identity, injected: Injected, http: AioHttp, listener: Listener
    ) -> None:
        self.server_id = spec.server_id
        self.slug = spec.slug
        self.user_id: str | None = None if spec.isolation == "shared" else identity.user_id
        self.initialize_result = b"{}"
        self._spec = spec
        self._identity = identity
        self._http = http
        self._listener = listener
        self._url = URL(injected.url, encoded=True)
        self._headers = {
            **fixed_headers(spec, identity, injected),
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "User-Agent": "mcphub",
        }
        self._ids = 0
        self._session_id = ""
        self._opening = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """
        Raises:
            UpstreamUnreachable, UpstreamBroken: it could not be opened.
        """
        self._session_id = ""
        self._headers.pop("Mcp-Session-Id", None)
        self._headers.pop("MCP-Protocol-Version", None)
        params = self._identity.client_params
        if params in (b"", b"{}"):
            params = wire.encode(
                {
                    "protocolVersion": self._identity.protocol_version,
                    "capabilities": {},
                    "clientInfo": {"name": "mcphub", "version": "1"},
                }
            )
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                reply = await self._exchange("initialize", params, None, Clock(OPEN_SECONDS, False, OPEN_SECONDS))
        except TimeoutError:
            raise UpstreamUnreachable("it did not answer initialize in time", sent=False) from None
        if reply.result is None:
            raise UpstreamBroken("it refused initialize")
        self.initialize_result = reply.result
        if self._session_id:
            self._headers["Mcp-Session-Id"] = self._session_id
        version = wire.text(wire.members(reply.result), "protocolVersion")
        if version:
            self._headers["MCP-Protocol-Version"] = version
        await self.notify("notifications/initialized", b"")
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name=f"listen-{self.slug}")

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109
        reset_on_progress: bool,
        max_total: float,
    ) -> Reply:
        clock = Clock(timeout, reset_on_progress, max_total)
        number = self._ids + 1
        try:
            async with clock.scope:
                try:
                    return await self._exchange(method, params, caller, clock)
                except _SessionGone:
                    # An upstream that does not know the session has not carried the request out.
                    await self._reopen()
                    return await self._exchange(method, params, caller, clock)
        except TimeoutError:
            self._cancel_there(number, "timed out")
            raise UpstreamTimeout(self.slug) from None
        except asyncio.CancelledError:
            self._cancel_there(number, "cancelled")
            raise
        except _SessionGone:
            raise UpstreamUnreachable("it forgets its sessions", sent=False) from None

    async def _reopen(self) -> None:
        seen = self._session_id
        async with self._opening:
            if self._session_id == seen:
                log.info("upstream_reopened", server=self.slug, why="session_unknown_there")
                await self.open()

    async def _exchange(self, method: str, params: bytes, caller: Caller | None, clock: Clock) -> Reply:
        self._ids += 1
        id_ = b"%d" % self._ids
        body = wire.request(id_, method, params)
        headers = {**self._headers, **call_headers(self._spec, caller)}
        try:
            async with self._http.stream("POST", self._url, headers, body) as response:
                if response.status == 404 and self._session_id:
                    raise _SessionGone
                if response.status >= 300:
                    return await self._refused(response)
                if method == "initialize":
                    self._session_id = response.headers.get("Mcp-Session-Id", "")
                if response.content_type == "application/json":
                    raw = await response.read()
                    return self._reply(raw, id_)
                if response.content_type != "text/event-stream":
                    raise UpstreamBroken(f"it answered {response.status} with {response.content_type[:60]}")
                return await self._streamed(response, id_, caller, clock)
        except NOT_SENT as error:
            raise UpstreamUnreachable(why(error), sent=False) from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise UpstreamUnreachable(why(error), sent=True) from None

    async def _refused(self, response: aiohttp.ClientResponse) -> Reply:
        body = (await response.content.read(65536)) if response.status < 600 else b""
        try:
            message = wire.read(body)
            if not isinstance(message, list) and bytes(message.error):
                return Reply(error=bytes(message.error))
        except wire.Unreadable:
            pass
        if response.status in (301, 302, 303, 307, 308):
            raise UpstreamBroken(f"it redirects ({response.status}), which is not followed")
        raise UpstreamUnreachable(f"it answered HTTP {response.status}", sent=response.status >= 500)

    def _reply(self, raw: bytes, id_: bytes) -> Reply:
        if len(raw) > MOST_RESULT:
            raise UpstreamBroken("its answer is larger than 64 MiB")
        try:
            message = wire.read_reply(raw)
        except wire.Unreadable:
            raise UpstreamBroken("its answer is no JSON-RPC message") from None
        if bytes(message.id) != id_:
            raise UpstreamBroken("its answer belongs to no request")
        return _reply_of(message)

    async def _streamed(
        self, response: aiohttp.ClientResponse, id_: bytes, caller: Caller | None, clock: Clock
    ) -> Reply:
        last, retry, tries = "", RESUME_MS, 0
        source: Any = response.content.iter_any()
        while True:
            progressed = False
            try:
                async for event in events(source):
                    progressed = True
                    last = event.id if event.id is not None else last
                    retry = event.retry if event.retry is not None else retry
                    if event.data and (reply := self._heard(event, id_, caller, clock)) is not None:
                        return reply
            except EventTooLarge:
                raise UpstreamBroken("one event of its answer is larger than 16 MiB") from None
            except (aiohttp.ClientError, OSError) as error:
                if not last or isinstance(error, TimeoutError):
                    raise
            tries = 0 if progressed else tries + 1
            if not last or tries >= RESUMES:
                raise UpstreamUnreachable("its answer broke off", sent=True)
            await asyncio.sleep(retry / 1000)
            source = self._resumed(last)

    async def _resumed(self, last: str) -> Any:
        headers = {**self._headers, "Last-Event-ID": last, "Accept": "text/event-stream"}
        headers.pop("Content-Type", None)
        async with self._http.stream("GET", self._url, headers, None) as response:
            if response.status != 200:
                return
            async for chunk in response.content.iter_any():
                yield chunk

    def _heard(self, event: ServerEvent, id_: bytes, caller: Caller | None, clock: Clock) -> Reply | None:
        """One message on a call's stream; the answer when it is the answer."""
        try:
            message = wire.read_reply(event.data)
        except wire.Unreadable:
            raise UpstreamBroken("its stream holds something that is no JSON-RPC message") from None
        if not message.method:
            return _reply_of(message) if bytes(message.id) == id_ else None
        if bytes(message.id):
            self._spawn(self._answer(message, caller))
        elif message.method.endswith("/list_changed") or message.method == "notifications/resources/updated":
            self._listener.server_notification(self, message.method, event.data)
        elif caller is not None:
            clock.progressed()
            caller.notify(event.data)
        return None

    async def _answer(self, message: wire.Msg, caller: Caller | None) -> None:
        """A question of the upstream: asked of the client, and the answer sent back."""
        if message.method == "ping":
            reply = Reply(result=b"{}")
        elif caller is None:
            reply = Reply(error=wire.error(-32601, f"Nobody here answers {message.method[:64]}."))
        else:
            reply = await caller.ask(message.method, bytes(message.params))
        id_ = bytes(message.id)
        frame = wire.failure(id_, reply.error) if reply.error is not None else wire.result(id_, reply.result or b"{}")
        await self._post_quietly(frame)

    async def notify(self, method: str, params: bytes) -> None:
        await self._post_quietly(wire.notification(method, params))

    async def _post_quietly(self, frame: bytes) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS), self._http.stream("POST", self._url, self._headers, frame) as got:
                await got.read()
        except FAILED as error:
            log.debug("upstream_notification_lost", server=self.slug, why=why(error))

    def _cancel_there(self, number: int, reason: str) -> None:
        params = wire.encode({"requestId": number, "reason": reason})
        self._spawn(self.notify("notifications/cancelled", params))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)

    async def _listen(self) -> None:
        """The upstream's own stream, for what belongs to no call; not every upstream has one."""
        delay = 0.5
        while not self._closed:
            began = time.monotonic()
            headers = {**self._headers, "Accept": "text/event-stream"}
            headers.pop("Content-Type", None)
            try:
                async with self._http.stream("GET", self._url, headers, None) as response:
                    if response.status != 200 or response.content_type != "text/event-stream":
                        return
                    async for event in events(response.content.iter_any()):
                        if event.data:
                            self._overheard(event.data)
            except (*FAILED, EventTooLarge):
                pass
            delay = 0.5 if time.monotonic() - began > LISTEN_BACKOFF else min(delay * 2, LISTEN_BACKOFF)
            await asyncio.sleep(delay)

    def _overheard(self, data: bytes) -> None:
        with suppress(wire.Unreadable):
            message = wire.read_reply(data)
            if message.method and not bytes(message.id):
                self._listener.server_notification(self, message.method, data)
            elif message.method:
                self._spawn(self._answer(message, None))

    async def close(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._session_id:
            headers = {key: value for key, value in self._headers.items() if key != "Content-Type"}
            with suppress(*FAILED):
                async with asyncio.timeout(DELETE_SECONDS), self._http.stream("DELETE", self._url, headers, None):
                    pass


_TASKS: set[asyncio.Task[Any]] = set()


class _SessionGone(Exception):
    """The upstream does not know the session any more."""


def _reply_of(message: wire.Msg) -> Reply:
    error = bytes(message.error)
    return Reply(error=error) if error else Reply(result=bytes(message.result))
