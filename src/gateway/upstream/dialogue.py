"""Requests and answers over one line that carries everything: a process's pipes, or the stream of an HTTP+SSE server.

Promises:
- progress tokens are the hub's own on the line, so that calls of different sessions never meet on it;
- nobody waits for a slow client in the reader: what a call is told goes to a queue that is bounded elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from mcphub.gateway import wire
from mcphub.gateway.tasks import promised
from mcphub.gateway.upstream import frames
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.frames import Flight
from mcphub.gateway.upstream.runtime import (
    Caller,
    Listener,
    Reply,
    Runtime,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamUnreachable,
)
from mcphub.gateway.wire import Msg, Unreadable

MOST_QUESTIONS = 64  # of an upstream at once
MOST_UNREAD = 2 * MOST_QUESTIONS  # of which it may leave the answers unread
MOST_PROMISED = 256  # tasks whose progress goes on

Put = Callable[[bytes, bytes], Awaitable[None]]  # (id of the request, its frame)
Write = Callable[[bytes], Awaitable[None]]  # a frame that nobody answers


class Dialogue:
    """
    Args:
        runtime: in whose name the listener is told.
        write: raises UpstreamFailed.
    """

    def __init__(self, runtime: Runtime, listener: Listener, write: Write) -> None:
        self._runtime = runtime
        self._listener = listener
        self._write = write
        self._ids = 0
        self._flights: dict[bytes, tuple[Flight, asyncio.Future[Reply]]] = {}
        self._tokens: dict[bytes, tuple[bytes, Flight]] = {}  # the hub's → the client's
        self._promised: dict[bytes, bytes] = {}  # the same, of tasks whose calls are answered already
        self._answering: dict[bytes, asyncio.Task[None]] = {}
        self._open = 0  # questions, also those that share an id
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, method: str, params: bytes, caller: Caller | None, clock: Clock, put: Put) -> Reply:
        """
        Args:
            put: sends the request, or begins to; raises UpstreamFailed.

        Raises:
            UpstreamFailed: of `put`, of the clock, or what `fail` said.
        """
        self._ids += 1
        flight = Flight(b"%d" % self._ids, params, caller, clock)
        token = frames.wanted_token(params)
        if token:
            params = frames.with_meta(params, {"progressToken": flight.id})
            self._tokens[flight.id] = (token, flight)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._flights[flight.id] = (flight, future)
        sent = False
        try:
            with clock:
                await put(flight.id, wire.request(flight.id, method, params))
                sent = True
                reply = await future
            if token and promised(reply.result or b""):
                self._promise(flight.id, token)
            return reply
        except UpstreamUnreachable:
            raise
        except (UpstreamFailed, asyncio.CancelledError) as error:
            waited = future.cancelled() or not future.done()  # else it ended with an answer, or `fail` ended it
            if sent and waited and method != "initialize":
                why = "timed out" if isinstance(error, UpstreamFailed) else "cancelled"
                self._spawn(self._cancelled(flight.id, why), "cancel")
            raise
        finally:
            self._flights.pop(flight.id, None)
            self._tokens.pop(flight.id, None)

    def unreadable(self, text: bytes) -> None:
        """Something that is no message: whoever seems to wait for it is not to wait in vain."""
        self.fail(UpstreamBroken("its answer is no JSON-RPC message"), frames.meant_for(text))

    def fail(self, error: UpstreamFailed, id_: bytes | None = None) -> None:
        """Ends the request of this id with an error, or everything under way."""
        found = list(self._flights.values()) if id_ is None else [self._flights[id_]] if id_ in self._flights else []
        for _, future in found:
            if not future.done():
                future.set_exception(error)

    async def close(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # what the upstream says

    def heard(self, frame: bytes, message: Msg) -> None:
        method, id_ = message.method, bytes(message.id)
        if not method:
            known = self._flights.get(id_) or self._flights.get(id_.strip(b'"'))
            if known is not None and not known[1].done():
                try:
                    known[1].set_result(frames.reply_of(message))
                except UpstreamBroken as error:
                    known[1].set_exception(error)
        elif id_:
            if self._open < MOST_UNREAD:  # else it asks and asks, and does not read what it is told
                self._open += 1
                task = self._answering[id_] = self._spawn(self._answer(message), "answer")
                task.add_done_callback(lambda _: self._answered(id_))
        elif method == frames.PROGRESS:
            self._progress(message)
        elif method == frames.CANCELLED:
            self._withdrawn(message)
        elif method == "notifications/message" and (newest := self._newest()) is not None:
            assert newest.caller is not None
            newest.caller.notify(frame)
        else:
            self._listener.server_notification(self._runtime, method, frame)

    def _answered(self, question: bytes) -> None:
        self._open -= 1
        self._answering.pop(question, None)

    def _progress(self, message: Msg) -> None:
        own = frames.progress_token(message.params)
        known = self._tokens.get(own)
        if known is None:
            if (token := self._promised.get(own)) is not None:
                params = wire.joined({**wire.members(message.params), "progressToken": token})
                self._listener.server_notification(
                    self._runtime, message.method, wire.notification(message.method, params)
                )
            return
        token, flight = known
        flight.clock.sign_of_life()
        if flight.caller is not None:
            params = wire.joined({**wire.members(message.params), "progressToken": token})
            flight.caller.notify(wire.notification(message.method, params))

    def _promise(self, own: bytes, token: bytes) -> None:
        """The call is answered with a task, and its progress goes on; heard where only one session can be meant."""
        if self._runtime.session_id:
            self._promised[own] = token
            if len(self._promised) > MOST_PROMISED:
                del self._promised[next(iter(self._promised))]

    def _withdrawn(self, message: Msg) -> None:
        """A question it no longer wants answered."""
        with suppress(Unreadable):
            task = self._answering.get(bytes(wire.members(message.params).get("requestId", b"")))
            if task is not None:
                task.cancel()

    def _newest(self) -> Flight | None:
        """The line carries no sign of the call something belongs to; the newest is the best guess."""
        asking = (flight for flight, _ in reversed(self._flights.values()) if flight.caller is not None)
        return next(asking, None)

    async def _answer(self, message: Msg) -> None:
        id_, newest = bytes(message.id), self._newest()
        if message.method == "ping":
            reply = Reply(result=b"{}")
        elif self._open > MOST_QUESTIONS:
            reply = Reply(error=frames.NOBODY)
        elif newest is None or newest.caller is None:
            reply = await self._listener.server_asks(self._runtime, message.method, bytes(message.params) or b"{}")
        else:
            reply = await newest.caller.ask(message.method, bytes(message.params) or b"{}")
            newest.clock.sign_of_life()
        failed = reply.error is not None
        with suppress(UpstreamFailed):
            await self._write(
                wire.failure(id_, reply.error or b"") if failed else wire.result(id_, reply.result or b"{}")
            )

    async def _cancelled(self, id_: bytes, why: str) -> None:
        params = b'{"requestId":%b,"reason":%b}' % (id_, wire.encode(why))
        with suppress(UpstreamFailed):
            await self._write(wire.notification(frames.CANCELLED, params))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{name}-{self._runtime.slug}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
