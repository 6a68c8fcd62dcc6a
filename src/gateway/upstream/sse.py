"""One conversation over HTTP with SSE, the transport of revision 2024-11-05: a stream brings everything, POSTs say it.

Promises:
- what the upstream sends reaches the caller as the bytes it came in;
- messages go only to an endpoint of the stream's own origin;
- a stream that is lost ends the runtime: calls in it end, the next one opens a new stream, nothing is sent again.

Spec: MCP 2024-11-05, Transports, HTTP with SSE.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from multidict import CIMultiDict
from yarl import URL

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.upstream import frames, handshake
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.context import EVENTS, RequestHeaders, for_stream
from mcphub.gateway.upstream.dialogue import Dialogue
from mcphub.gateway.upstream.events import EventStream, EventTooLarge
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    Listener,
    Reply,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.transport import HttpResponse, HttpTransport, url_of
from mcphub.gateway.wire import Unreadable

log = structlog.get_logger()

INITIALIZE_SECONDS = 30.0
AFTERTHOUGHT_SECONDS = 5.0  # for what nobody waits for
PING_SECONDS = 10.0
MOST_ERROR = 64 * 1024  # bytes of an error's body that are looked at
MOST_ENDPOINT = 8192  # bytes
ENDPOINT = b"endpoint"
JSON = "application/json"


class SseRuntime:
    """Implements Runtime.

    Args:
        session_id: of the only downstream session it serves.
        over: told once when the stream ends by itself.
    """

    modern = False
    kind = "sse"
    pid: int | None = None
    in_session = True  # the stream is one

    def __init__(
        self,
        spec: ServerSpec,
        identity: Identity,
        injected: Injected,
        transport: HttpTransport,
        listener: Listener,
        *,
        user_id: str | None,
        session_id: str = "",
        hub_version: str,
        over: Callable[["SseRuntime"], None],
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
        self.ended = ""  # why, once it is
        self.trouble = ""
        self.pinged = 0.0
        self.noise = 0  # events that were no message
        self._own = identity if user_id is not None else None  # in whose name it does what belongs to no call
        self._url = url_of(injected.url)
        self._http = transport
        self._params = handshake.initialize_params(identity, hub_version)
        self._headers = RequestHeaders(spec, injected, f"mcphub/{hub_version}")
        self._over = over
        self._dialogue = Dialogue(self, listener, self._say)
        self._endpoint: asyncio.Future[URL] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """
        Raises:
            UpstreamFailed: `close` still has to be called.
        """
        clock = Clock(INITIALIZE_SECONDS, INITIALIZE_SECONDS, False)
        with clock:
            response = await self._http.send("GET", self._url, for_stream(self._headers.first(self._own)), None)
            if response.status != 200 or response.kind != EVENTS:
                raise await _refused(response, "; it may be a streamable-http server")
            self._reading = asyncio.create_task(self._read(response), name=f"stream-{self.slug}")
            try:
                await asyncio.shield(self._endpoint)
            except UpstreamUnreachable as error:
                raise UpstreamUnreachable(str(error), sent=False) from None
        reply = await self._ask(
            "initialize", self._params, None, Clock(INITIALIZE_SECONDS, INITIALIZE_SECONDS, False), self._own
        )
        if reply.result is None:
            raise UpstreamBroken(f"it refused initialize: {frames.said(reply.error or b'')}")
        handshake.agreed_version(reply.result)
        self.initialize_result = reply.result
        await self._say(handshake.INITIALIZED)

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
        who = self._own if identity is None else identity
        return await self._ask(method, params, caller, Clock(timeout, max_total, reset_on_progress), who)

    async def ping(self) -> None:
        """A sign that somebody is still here. A stream that brings no answer is lost, whatever the connection says."""
        try:
            await self.call("ping", b"{}", None, timeout=PING_SECONDS, reset_on_progress=False, max_total=PING_SECONDS)
        except UpstreamTimeout:
            self._end("its stream does not answer any more")
        except UpstreamFailed as error:
            log.info("ping_failed", server=self.slug, why=str(error))

    async def notify(self, method: str, params: bytes) -> None:
        await self._say(wire.notification(method, params))

    async def close(self, reason: str, *, at_once: bool = False) -> None:
        """
        Args:
            at_once: nothing is said at the end anyway: the stream's end is the session's.
        """
        self.ended = self.ended or reason
        self._dialogue.fail(UpstreamUnreachable(self.ended, sent=True))
        await self._dialogue.close()
        tasks = [*self._tasks, *([self._reading] if self._reading is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._endpoint.cancel()
        if not self._endpoint.cancelled():
            self._endpoint.exception()  # nobody waits for it any more

    # what it is told

    async def _ask(
        self, method: str, params: bytes, caller: Caller | None, clock: Clock, who: Identity | None
    ) -> Reply:
        headers = self._headers.of(who, caller)
        posting: list[asyncio.Task[None]] = []

        async def put(id_: bytes, frame: bytes) -> None:
            if self.ended:
                raise UpstreamUnreachable(self.ended, sent=False)
            # The answer may come before the POST is through, and some servers end the one with the other.
            task = asyncio.create_task(self._posted(id_, frame, headers), name=f"post-{self.slug}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            posting.append(task)

        try:
            return await self._dialogue.ask(method, params, caller, clock, put)
        finally:
            for task in posting:
                if not task.done():
                    asyncio.get_running_loop().call_later(AFTERTHOUGHT_SECONDS, task.cancel)

    async def _posted(self, id_: bytes, frame: bytes, headers: CIMultiDict[str]) -> None:
        """A request on its way; what goes wrong ends it."""
        try:
            response = await self._http.send("POST", self._endpoint.result(), headers, frame)
            if response.status >= 300:
                await self._refusal(id_, response)
            elif response.kind == EVENTS:
                await self._streamed(response)
            else:
                self._inline(await response.read() if response.kind == JSON else await response.read(MOST_ERROR))
        except UpstreamFailed as error:
            self._dialogue.fail(error, id_)

    async def _refusal(self, id_: bytes, response: HttpResponse) -> None:
        """
        Raises:
            UpstreamFailed: there is no JSON-RPC error in it.
        """
        if response.status == 404:  # the session is unknown: the server began anew, and this stream hangs in the air
            response.close()
            self._dialogue.fail(UpstreamUnreachable("it does not know the session any more", sent=False), id_)
            self._end("it does not know the session any more")
            return
        error = b""
        if response.kind == JSON:
            with suppress(Unreadable, RecursionError, UpstreamBroken):
                error = bytes(wire.members(await response.read(MOST_ERROR)).get("error", b""))
        if error.startswith(b"{"):
            response.close()
            message = frames.read(wire.failure(id_, error))
            self._dialogue.heard(b"", message)
            return
        raise await _refused(response)

    async def _streamed(self, response: HttpResponse) -> None:
        """An answer by a stream of its own, as later revisions have it."""
        parser = EventStream()
        try:
            async for chunk in response.chunks():
                for data in parser.feed(chunk):
                    self._inline(data)
        except EventTooLarge as error:
            raise UpstreamBroken(str(error)) from None
        finally:
            response.close()

    def _inline(self, body: bytes) -> None:
        """Most servers say "Accepted" here, some the answer itself."""
        if body.lstrip()[:1] in (b"{", b"["):
            self._data(body)

    async def _say(self, frame: bytes) -> None:
        """A notification or a reply: nothing comes back.

        Raises:
            UpstreamFailed: it did not arrive.
        """
        if self.ended or not self._endpoint.done():
            raise UpstreamUnreachable(self.ended or "it has not said where messages go", sent=False)
        headers = self._headers.of(self._own, None)
        with Clock(AFTERTHOUGHT_SECONDS, AFTERTHOUGHT_SECONDS, False):
            response = await self._http.send("POST", self._endpoint.result(), headers, frame)
            response.close() if response.kind == EVENTS else await response.read(MOST_ERROR)
        if response.status >= 500:
            raise UpstreamUnreachable(f"it answered HTTP {response.status}", sent=True)

    # what it says

    async def _read(self, response: HttpResponse) -> None:
        parser = EventStream(other=self._named)
        why = "it closed the stream"
        try:
            async for chunk in response.chunks():
                for data in parser.feed(chunk):
                    self._data(data)
        except (UpstreamFailed, EventTooLarge) as error:
            why = str(error)
        finally:
            response.close()
        self._end(why)

    def _named(self, kind: bytes, data: bytes) -> None:
        """The first event says where messages go; later ones change nothing."""
        if kind != ENDPOINT or self._endpoint.done():
            return
        try:
            self._endpoint.set_result(self._within_origin(data))
        except UpstreamBroken as error:
            self._endpoint.set_exception(error)

    def _within_origin(self, data: bytes) -> URL:
        """
        Raises:
            UpstreamBroken: messages, and the user's values with them, would go somewhere else.
        """
        try:
            text = data.decode("ascii").strip()
            target = self._url.join(URL(text, encoded=True)) if 0 < len(text) <= MOST_ENDPOINT else None
            usable = target is not None and target.raw_user is None and target.raw_password is None
            if target is not None and usable and target.origin() == self._url.origin():
                return target.with_fragment(None)
        except ValueError:
            pass
        raise UpstreamBroken("the endpoint it names for messages is no address of its own origin")

    def _data(self, data: bytes) -> None:
        try:
            for frame, message in frames.messages(data):
                self._dialogue.heard(frame, message)
        except Unreadable:
            self.noise += 1
            self._dialogue.unreadable(data)

    def _end(self, why: str) -> None:
        """Fails what is under way; the first reason stays."""
        first = not self.ended
        self.ended = self.ended or why
        gone = UpstreamUnreachable(self.ended, sent=True)
        if not self._endpoint.done():
            self._endpoint.set_exception(gone)
        self._dialogue.fail(gone)
        if first:
            self._over(self)


async def _refused(response: HttpResponse, perhaps: str = "") -> UpstreamFailed:
    """Why an answer is none, from its head alone.

    Args:
        perhaps: what a status could mean that says nothing else.
    """
    status, kind = response.status, response.kind
    response.close()
    if status in (401, 403):
        return UpstreamRefused(f"it answered HTTP {status}: the values saved for it may be wrong or expired")
    if status >= 500:
        return UpstreamUnreachable(f"it answered HTTP {status}", sent=True)
    if status == 200:
        return UpstreamBroken(f"it answered with {kind[:64] or 'no content type'} where a stream of events is expected")
    return UpstreamBroken(f"it answered HTTP {status}{perhaps}")
