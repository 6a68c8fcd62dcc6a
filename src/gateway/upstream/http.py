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
from multidict import CIMultiDict, istr

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.upstream import frames, handshake
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.context import RequestHeaders
from mcphub.gateway.upstream.events import EventStream, EventTooLarge
from mcphub.gateway.upstream.frames import Flight
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    Listener,
    Reply,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.transport import HttpResponse, HttpTransport, url_of
from mcphub.gateway.wire import Msg, Unreadable

log = structlog.get_logger()

INITIALIZE_SECONDS = 30.0
AFTERTHOUGHT_SECONDS = 5.0  # for what nobody waits for: cancellations, answers, notifications
GOODBYE_SECONDS = 2.0
MOST_ERROR = 64 * 1024  # bytes of an error's body that are looked at
RESUMES = 3  # without anything new in between
RESUME_AFTER = 1.0  # seconds, unless the upstream says otherwise
LISTEN_AGAIN = (0.5, 10.0)  # seconds: first and longest pause
LISTEN_TRIES = 8  # failures in a row after which a stream of its own is given up
SESSION_HEADER, LAST_EVENT_ID, ACCEPT = "Mcp-Session-Id", istr("Last-Event-ID"), istr("Accept")
JSON, EVENTS = "application/json", "text/event-stream"
MOST_SESSION_ID = 1024


class SessionGone(Exception):
    """The upstream does not know the session; it did nothing."""


class HttpRuntime:
    """Implements Runtime.

    Args:
        listens: it may hold a stream of its own for what belongs to no call.
    """

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
    ) -> None:
        """
        Raises:
            UpstreamBroken: its address cannot be dialled.
        """
        self.server_id = spec.server_id
        self.slug = spec.slug
        self.user_id = user_id
        self.initialize_result = b""
        self.trouble = ""  # why the latest request did not reach it
        self._identity = identity
        self._url = url_of(injected.url)
        self._http = transport
        self._listener = listener
        self._params = handshake.initialize_params(identity, hub_version)
        self._headers = RequestHeaders(spec, injected, f"mcphub/{hub_version}")
        self._listens = listens
        self._listening: asyncio.Task[None] | None = None
        self._session = ""
        self._reopening = asyncio.Lock()
        self._ids = 0
        self._flights: dict[bytes, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """
        Raises:
            UpstreamFailed: and then nothing is left open.
        """
        self._headers.conversation("", "")
        id_ = self._next_id()
        flight = Flight(id_, self._params, None, Clock(INITIALIZE_SECONDS, INITIALIZE_SECONDS, False))
        with flight.clock:
            reply, session = await self._exchange(flight, "initialize", self._identity)
            if reply.result is None:
                raise UpstreamBroken(f"it refused initialize: {_said(reply.error or b'')}")
            version = handshake.agreed_version(reply.result)
            self._session = session
            self._headers.conversation(session, version)
            self.initialize_result = reply.result
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
        if caller is not None and caller.traceparent:
            params = frames.with_meta(params, {"traceparent": wire.encode(caller.traceparent)})
        clock = Clock(timeout, max_total, reset_on_progress)
        flight = Flight(self._next_id(), params, caller, clock)
        self._flights[flight.id] = flight
        who = identity or self._identity
        try:
            with clock:
                session = self._session
                try:
                    reply, _ = await self._exchange(flight, method, who)
                except SessionGone:
                    await self._reopen(session)
                    reply, _ = await self._exchange(flight, method, who)
        except SessionGone:
            raise UpstreamBroken("it forgets its sessions as soon as they are opened") from None
        except UpstreamUnreachable as error:
            self.trouble = "" if error.sent else str(error)
            raise
        except (UpstreamFailed, asyncio.CancelledError) as error:
            self._soon(self._cancelled(flight.id, type(error).__name__))
            raise
        finally:
            del self._flights[flight.id]
        self.trouble = ""
        if self._listens and self._listening is None and handshake.announces(self.initialize_result):
            self._listening = asyncio.create_task(self._listen(), name=f"listen-{self.slug}")
        return reply

    async def notify(self, method: str, params: bytes) -> None:
        await self._post(wire.notification(method, params))

    async def close(self, reason: str, *, at_once: bool = False) -> None:
        """
        Args:
            at_once: the user or the session is gone: calls end now, and the upstream is not waited for as long.
        """
        for flight in list(self._flights.values()):
            flight.clock.stop(UpstreamUnreachable(reason, sent=True))
        tasks = [*self._tasks, *([self._listening] if self._listening is not None else [])]
        for task in tasks:
            if not at_once or task is self._listening:
                task.cancel()
        if self._session:
            headers = self._headers.of(self._identity, None)
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

    async def _exchange(self, flight: Flight, method: str, identity: Identity) -> tuple[Reply, str]:
        """One request and its reply, with the session the upstream named.

        Raises:
            SessionGone: see there.
        """
        headers = self._headers.of(identity, flight.caller)
        response = await self._http.send("POST", self._url, headers, wire.request(flight.id, method, flight.params))
        kind = response.kind
        if response.status >= 300:
            return Reply(error=await self._refusal(response)), ""
        session = response.headers.get(SESSION_HEADER, "")[:MOST_SESSION_ID]
        if kind == JSON:
            return self._reply(await response.read(), flight.id), session
        if kind == EVENTS:
            return await _Answer(self, flight, headers).of(response), session
        response.close()
        raise UpstreamBroken(f"it answered HTTP {response.status} with {kind[:64] or 'no content type'}")

    def _reply(self, body: bytes, id_: bytes) -> Reply:
        try:
            parts = frames.split(body)
            messages = [frames.read(part) for part in parts]
        except Unreadable:
            raise UpstreamBroken("its answer is no JSON-RPC message") from None
        for message in messages:
            if not message.method and (bytes(message.id) == id_ or bytes(message.error)):
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
        if error.startswith(b"{"):
            return error
        if status in (401, 403):
            raise UpstreamBroken(f"it answered HTTP {status}: the values saved for it may be wrong or expired")
        if status >= 500:
            raise UpstreamUnreachable(f"it answered HTTP {status}", sent=True)
        raise UpstreamBroken(f"it answered HTTP {status}")

    async def _reopen(self, lost: str) -> None:
        """A new session in the place of one the upstream does not know; once for all who found out."""
        async with self._reopening:
            if self._session == lost:
                self._session = ""
                log.info("upstream_reopened", server=self.slug, user_id=self.user_id)
                await self.open()
                if self._listening is not None:
                    self._listening.cancel()
                    self._listening = None

    async def _post(self, frame: bytes) -> None:
        """A notification or a reply: nothing comes back."""
        headers = self._headers.of(self._identity, None)
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

    def heard(self, frame: bytes, message: Msg, flight: Flight | None) -> "asyncio.Task[None] | None":
        """A notification or a request of the upstream, on the stream of a call or on its own.

        Returns:
            The task that answers a request.
        """
        if message.id:
            asked = flight or self._newest()
            return asyncio.create_task(self._answer(message, asked), name=f"answer-{self.slug}")
        method = message.method
        if method == frames.PROGRESS:
            about = flight or self._by_token(message)
            if about is not None:
                about.clock.sign_of_life()
                if about.caller is not None:
                    about.caller.notify(frame)
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
        elif flight is None or flight.caller is None:
            reply = Reply(error=frames.NOBODY)
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
            headers = _for_stream(self._headers.of(self._identity, None), parser.last_id)
            parser = _next_stream(parser)
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
            for frame in frames.split(data):
                message = frames.read(frame)
                if not message.method:
                    continue
                task = self.heard(frame, message, None)
                if task is not None:
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def fetch_stream(self, headers: CIMultiDict[str], last_id: str) -> HttpResponse:
        return await self._http.send("GET", self._url, _for_stream(headers.copy(), last_id), None)


class _Answer:
    """The answer to one request as an event stream: what comes before the reply, and the way back when it breaks."""

    def __init__(self, runtime: HttpRuntime, flight: Flight, headers: CIMultiDict[str]) -> None:
        self._runtime = runtime
        self._flight = flight
        self._headers = headers
        self._answering: dict[bytes, asyncio.Task[None]] = {}

    async def of(self, response: HttpResponse) -> Reply:
        parser = EventStream()
        resumes = 0
        try:
            while True:
                last_id, broke = parser.last_id, "the stream ended before the answer"
                try:
                    async for chunk in response.chunks():
                        for data in parser.feed(chunk):
                            reply = self._reply_in(data)
                            if reply is not None:
                                response.done()
                                return reply
                except UpstreamUnreachable as error:
                    broke = str(error)
                except BaseException:
                    response.close()
                    raise
                resumes = 1 if parser.last_id != last_id else resumes + 1
                if not parser.last_id or resumes > RESUMES:
                    raise UpstreamUnreachable(broke, sent=True)
                await asyncio.sleep(RESUME_AFTER if parser.retry is None else parser.retry)
                parser = _next_stream(parser)
                response = await self._runtime.fetch_stream(self._headers, parser.last_id)
                if response.status != 200 or response.kind != EVENTS:
                    response.close()
                    raise UpstreamUnreachable(broke, sent=True)
        except UpstreamUnreachable as error:
            raise UpstreamUnreachable(str(error), sent=True) from None
        except EventTooLarge as error:
            raise UpstreamBroken(str(error)) from None
        except Unreadable:
            raise UpstreamBroken("its stream holds something that is no JSON-RPC message") from None
        finally:
            for task in self._answering.values():
                task.cancel()

    def _reply_in(self, data: bytes) -> Reply | None:
        found = None
        for frame in frames.split(data):
            message = frames.read(frame)
            if message.method:
                self._heard(frame, message)
            elif bytes(message.id) == self._flight.id:
                found = frames.reply_of(message)
        return found

    def _heard(self, frame: bytes, message: Msg) -> None:
        if message.method == frames.CANCELLED and not message.id:
            with suppress(Unreadable):
                asked = bytes(wire.members(message.params).get("requestId", b""))
                task = self._answering.pop(asked, None)
                if task is not None:
                    task.cancel()
            return
        task = self._runtime.heard(frame, message, self._flight)
        if task is not None:
            id_ = bytes(message.id)
            self._answering[id_] = task
            task.add_done_callback(lambda _: self._answering.pop(id_, None))


def _next_stream(parser: EventStream) -> EventStream:
    """For the stream that goes on where another one ended."""
    made = EventStream()
    made.last_id, made.retry = parser.last_id, parser.retry
    return made


def _for_stream(headers: CIMultiDict[str], last_id: str) -> CIMultiDict[str]:
    headers[ACCEPT] = EVENTS
    headers.pop("Content-Type", None)
    if last_id:
        headers[LAST_EVENT_ID] = last_id
    return headers


def _said(error: bytes) -> str:
    """The message of an error object, short."""
    try:
        return (wire.text(wire.members(error), "message") or "no reason given")[:200]
    except (Unreadable, RecursionError):
        return "no reason given"
