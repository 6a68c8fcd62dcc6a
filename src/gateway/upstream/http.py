"""One conversation with an upstream over Streamable HTTP, revisions up to 2025-11-25.

Promises:
- a request that may have been carried out is not sent again; only one for a session the upstream does not know is;
- what the upstream sends reaches the caller as the bytes it came in;
- no answer, event or stream of an upstream makes the hub hold more of it than the limits say.

Spec: MCP 2025-11-25, Transports, Streamable HTTP.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from multidict import CIMultiDict

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.upstream import frames, handshake
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.context import EVENTS, RequestHeaders, for_stream
from mcphub.gateway.upstream.events import EventStream, EventTooLarge
from mcphub.gateway.upstream.frames import Flight
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    InitializeRefused,
    Listener,
    Reply,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.streamed import StreamedAnswer
from mcphub.gateway.upstream.transport import HttpResponse, HttpTransport, url_of
from mcphub.gateway.wire import Msg, Unreadable

log = structlog.get_logger()

INITIALIZE_SECONDS = 30.0
AFTERTHOUGHT_SECONDS = 5.0  # for what nobody waits for: cancellations, answers, notifications
GOODBYE_SECONDS = 2.0
MOST_ERROR = 64 * 1024  # bytes of an error's body that are looked at
PING_SECONDS = 10.0
LISTEN_AGAIN = (0.5, 10.0)  # seconds: first and longest pause
LISTEN_TRIES = 8  # failures in a row after which a stream of its own is given up
SESSION_HEADER = "Mcp-Session-Id"
JSON = "application/json"
MOST_SESSION_ID = 1024
MOST_QUESTIONS = 64  # of an upstream at once
MOST_UNREAD = 2 * MOST_QUESTIONS  # of which it may leave the answers unread
KEPT = {"resources/subscribe", "resources/unsubscribe", "logging/setLevel"}  # what a session holds of a client's wishes


class SessionGone(Exception):
    """The upstream does not know the session; it did nothing."""


class HttpRuntime:
    """Implements Runtime.

    Args:
        listens: it may hold a stream of its own for what belongs to no call.
        session_id: of the only downstream session it serves.
    """

    modern = False
    kind = "streamable-http"
    pid: int | None = None
    ended = ""  # a conversation does not end by itself: a lost session is opened anew

    def __init__(
        self,
        spec: ServerSpec,
        identity: Identity,
        injected: Injected,
        transport: HttpTransport,
        listener: Listener,
        *,
        user_id: str | None,
        hub_version: str,
        listens: bool,
        session_id: str = "",
    ) -> None:
        """
        Raises:
            UpstreamBroken: its address cannot be dialled.
        """
        self.server_id = spec.server_id
        self.slug = spec.slug
        self.user_id = user_id
        self.session_id = session_id
        self.initialize_result = b""
        self.log_level = ""
        self.trouble = ""  # why the latest request did not reach it
        self.pinged = 0.0
        self._identity = identity
        self._own = identity if user_id is not None else None  # in whose name it does what belongs to no call
        self._url = url_of(injected.url)
        self._http = transport
        self._listener = listener
        self._params = handshake.initialize_params(identity, hub_version)
        self._headers = RequestHeaders(spec, injected, f"mcphub/{hub_version}")
        self._may_listen = listens
        self._listens = False  # it may, and the upstream promises something to listen for
        self._listening: asyncio.Task[None] | None = None
        self._session = ""
        self._life = 0  # counts the sessions the upstream gave
        self._reopening = asyncio.Lock()
        self._wishes: dict[bytes, tuple[str, bytes]] = {}
        self._ids = 0
        self._flights: dict[bytes, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._questions: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """
        Raises:
            UpstreamFailed: and then it is as it was before.
        """
        flight = Flight(self._next_id(), self._params, None, Clock(INITIALIZE_SECONDS, INITIALIZE_SECONDS, False))
        with flight.clock:
            try:
                reply, session = await self._exchange(flight, "initialize", self._headers.first(self._own))
            except SessionGone:
                raise UpstreamBroken("it asks for a session before there is one") from None
            if reply.result is None:
                raise InitializeRefused(f"it refused initialize: {frames.said(reply.error or b'')}")
            version = handshake.agreed_version(reply.result)
            self._session = session
            self._life += 1
            self._headers.conversation(session, version)
            self.initialize_result = reply.result
            self._listens = self._may_listen and handshake.announces(reply.result)
            await self._post(handshake.INITIALIZED)

    # Runtime

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109
        reset_on_progress: bool,
        max_total: float,
        identity: Identity | None = None,
    ) -> Reply:
        """
        Args:
            identity: for whom, when it is not the one this was opened for.
        """
        if caller is not None and self._headers.says_who:
            params = frames.with_meta(params, {}, caller)
        clock = Clock(timeout, max_total, reset_on_progress)
        flight = Flight(self._next_id(), params, caller, clock)
        self._flights[flight.id] = flight
        who = self._own if identity is None else identity
        try:
            with clock:
                life = self._life
                try:
                    reply, _ = await self._exchange(flight, method, self._headers.of(who, caller))
                except SessionGone:
                    await self._reopen(life)
                    reply, _ = await self._exchange(flight, method, self._headers.of(who, caller))
        except SessionGone:
            raise UpstreamBroken("it forgets its sessions as soon as they are opened") from None
        except UpstreamUnreachable as error:
            self.trouble = "" if error.sent else str(error)
            raise
        except UpstreamTimeout:
            self._soon(self._cancelled(flight.id, "timed out"))
            raise
        except asyncio.CancelledError:
            self._soon(self._cancelled(flight.id, "cancelled"))
            raise
        finally:
            del self._flights[flight.id]
        self.trouble = ""
        if method in KEPT and reply.error is None:
            self._keep(method, params)
        if self._listens and self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name=f"listen-{self.slug}")
        return reply

    async def ping(self) -> None:
        """A sign that somebody is still here; it also finds out that a lost upstream is back."""
        with suppress(UpstreamFailed):
            await self.call("ping", b"{}", None, timeout=PING_SECONDS, reset_on_progress=False, max_total=PING_SECONDS)

    @property
    def in_session(self) -> bool:
        return bool(self._session)

    async def notify(self, method: str, params: bytes) -> None:
        await self._post(wire.notification(method, params))

    async def close(self, reason: str, *, at_once: bool = False) -> None:
        """
        Args:
            at_once: the user or the session is gone: calls end now, and the upstream is not waited for as long.
        """
        for flight in list(self._flights.values()):
            flight.clock.stop(UpstreamUnreachable(reason, sent=True))
        tasks = [*self._tasks, *self._questions, *([self._listening] if self._listening is not None else [])]
        for task in tasks:
            if not at_once or task is self._listening:
                task.cancel()
        if self._session:
            headers = self._headers.of(self._own, None)
            with suppress(UpstreamFailed, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS / 4 if at_once else GOODBYE_SECONDS):
                    (await self._http.send("DELETE", self._url, headers, None)).close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # requests

    def _next_id(self) -> bytes:
        self._ids += 1
        return b"%d" % self._ids

    async def _exchange(self, flight: Flight, method: str, headers: CIMultiDict[str]) -> tuple[Reply, str]:
        """One request and its reply, with the session the upstream named.

        Raises:
            SessionGone: see there.
        """
        response = await self._http.send("POST", self._url, headers, wire.request(flight.id, method, flight.params))
        kind = response.kind
        if response.status >= 300:
            return Reply(error=await self._refusal(response)), ""
        session = response.headers.get(SESSION_HEADER, "")[:MOST_SESSION_ID]
        if kind == JSON:
            return self._reply(await response.read(), flight.id), session
        if kind == EVENTS:
            return await StreamedAnswer(flight, self._hear, lambda last: self._resume(headers, last)).reply(
                response
            ), session
        response.close()
        raise UpstreamBroken(f"it answered HTTP {response.status} with {kind[:64] or 'no content type'}")

    def _reply(self, body: bytes, id_: bytes) -> Reply:
        try:
            messages = frames.messages(body)
        except Unreadable:
            raise UpstreamBroken("its answer is no JSON-RPC message") from None
        for _, message in messages:
            if not message.method and (frames.is_id(bytes(message.id), id_) or bytes(message.error)):
                return frames.reply_of(message)
        raise UpstreamBroken("its answer is for another request")

    async def _refusal(self, response: HttpResponse) -> bytes:
        """The JSON-RPC error in an answer of another status.

        Raises:
            SessionGone: it was about the session.
            UpstreamFailed: there is none.
        """
        status, error = response.status, b""
        if response.kind == JSON:
            with suppress(Unreadable, RecursionError, UpstreamBroken):
                error = bytes(wire.members(await response.read(MOST_ERROR)).get("error", b""))
        response.close()
        # Some servers, after a restart, call an unknown session a bad request. They look at it before the request.
        unknown = status == 404 or (status == 400 and b"session" in error.lower())
        if unknown and self._session:
            raise SessionGone
        if status == 401 or (status == 403 and not error.startswith(b"{")):
            raise UpstreamRefused(f"it answered HTTP {status}: the values saved for it may be wrong or expired")
        if error.startswith(b"{"):
            return error
        if status >= 500:
            raise UpstreamUnreachable(f"it answered HTTP {status}", sent=True)
        raise UpstreamBroken(f"it answered HTTP {status}")

    async def _reopen(self, life: int) -> None:
        """A new session in the place of one the upstream does not know; once for all who found out."""
        async with self._reopening:
            if self._life != life:
                return
            await self.open()
            log.info("upstream_reopened", server=self.slug, user_id=self.user_id)
            if self._listening is not None:
                self._listening.cancel()
                self._listening = None
            for method, params in self._wishes.values():
                self._soon(self._wish(method, params))

    def _keep(self, method: str, params: bytes) -> None:
        """What the client asked of the session, to be asked again of its successor."""
        if method == "resources/unsubscribe":
            self._wishes.pop(params, None)
        else:
            self._wishes[b"" if method == "logging/setLevel" else params] = (method, params)

    async def _wish(self, method: str, params: bytes) -> None:
        seconds = AFTERTHOUGHT_SECONDS
        await self.call(method, params, None, timeout=seconds, reset_on_progress=False, max_total=seconds)

    async def _post(self, frame: bytes) -> None:
        """A notification or a reply: nothing comes back."""
        headers = self._headers.of(self._own, None)
        response = await self._http.send("POST", self._url, headers, frame)
        response.close() if response.kind == EVENTS else await response.read(MOST_ERROR)
        if response.status >= 500:
            raise UpstreamUnreachable(f"it answered HTTP {response.status}", sent=True)

    async def _cancelled(self, id_: bytes, why: str) -> None:
        params = b'{"requestId":%b,"reason":%b}' % (id_, wire.encode(why))
        await self._post(wire.notification(frames.CANCELLED, params))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Something nobody waits for; it may fail."""

        async def bounded() -> None:
            with suppress(UpstreamFailed, TimeoutError):
                async with asyncio.timeout(AFTERTHOUGHT_SECONDS):
                    await work

        task = asyncio.create_task(bounded(), name=f"afterthought-{self.slug}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what the upstream says by itself

    def _hear(self, frame: bytes, message: Msg, flight: Flight | None) -> "asyncio.Task[None] | None":
        """A notification or a question of the upstream, on the stream of a call or on its own.

        Returns:
            The task that answers a question.
        """
        if bytes(message.id):
            if len(self._questions) >= MOST_UNREAD:
                return None
            task = asyncio.create_task(self._answer(message, flight or self._newest()), name=f"answer-{self.slug}")
            self._questions.add(task)
            task.add_done_callback(self._questions.discard)
            return task
        method = message.method
        if method == frames.PROGRESS:
            about = flight or self._by_token(message)
            if about is not None:
                about.clock.sign_of_life()
                if about.caller is not None:
                    about.caller.notify(frame)
            elif self.session_id:  # of a task whose call is answered already
                self._listener.server_notification(self, method, frame)
        elif method in frames.ANNOUNCED or flight is None or flight.caller is None:
            self._listener.server_notification(self, method, frame)
        else:
            flight.caller.notify(frame)
        return None

    def _newest(self) -> Flight | None:
        asking = [flight for flight in self._flights.values() if flight.caller is not None]
        return asking[-1] if asking else None

    def _by_token(self, message: Msg) -> Flight | None:
        token = frames.progress_token(message.params)
        for flight in self._flights.values():
            if token and frames.wanted_token(flight.params) == token:
                return flight
        return None

    async def _answer(self, message: Msg, flight: Flight | None) -> None:
        id_ = bytes(message.id)
        if message.method == "ping":
            reply = Reply(result=b"{}")
        elif len(self._questions) > MOST_QUESTIONS:
            reply = Reply(error=frames.NOBODY)
        elif flight is None or flight.caller is None:
            reply = await self._listener.server_asks(self, message.method, bytes(message.params) or b"{}")
        else:
            reply = await flight.caller.ask(message.method, bytes(message.params) or b"{}")
            flight.clock.sign_of_life()
        failed = reply.error is not None
        frame = wire.failure(id_, reply.error or b"") if failed else wire.result(id_, reply.result or b"{}")
        with suppress(UpstreamFailed):
            await self._post(wire.one_line(frame))

    async def _listen(self) -> None:
        """Its own stream: opened again when it ends, given up where there is none."""
        parser = EventStream()
        pause, failures = LISTEN_AGAIN[0], 0
        while failures < LISTEN_TRIES:
            headers = for_stream(self._headers.of(self._own, None), parser.last_id)
            parser = parser.next()
            heard = False
            try:
                response = await self._http.send("GET", self._url, headers, None)
                if response.status != 200 or response.kind != EVENTS:
                    response.close()
                    if 400 <= response.status < 500 and response.status not in (408, 429):
                        return  # 405: it has none; 404: the next call opens a new session
                    failures += 1
                else:
                    failures = 0
                    try:
                        async for chunk in response.chunks():
                            for frame in parser.feed(chunk):
                                heard = True
                                self._heard_outside(frame)
                    finally:
                        response.close()
            except (UpstreamFailed, EventTooLarge):
                failures += 1
            pause = LISTEN_AGAIN[0] if heard else min(pause * 2, LISTEN_AGAIN[1])
            await asyncio.sleep(max(pause, parser.retry or 0.0))

    def _heard_outside(self, data: bytes) -> None:
        with suppress(Unreadable):
            for frame, message in frames.messages(data):
                if message.method:
                    self._hear(frame, message, None)

    async def _resume(self, headers: CIMultiDict[str], last_id: str) -> HttpResponse:
        return await self._http.send("GET", self._url, for_stream(headers.copy(), last_id), None)
