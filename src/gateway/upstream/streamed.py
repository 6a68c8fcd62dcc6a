"""The answer to one request as an event stream: what comes before the reply, and the way back when it breaks.

Spec: MCP 2025-11-25, Transports, Resumability and Redelivery.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mcphub.gateway import wire
from mcphub.gateway.upstream import frames
from mcphub.gateway.upstream.context import EVENTS
from mcphub.gateway.upstream.events import EventStream, EventTooLarge
from mcphub.gateway.upstream.frames import Flight
from mcphub.gateway.upstream.runtime import Reply, UpstreamBroken, UpstreamUnreachable
from mcphub.gateway.upstream.transport import HttpResponse
from mcphub.gateway.wire import Msg, Unreadable

RESUMES = 3  # without anything new in between
RESUME_AFTER = 1.0  # seconds, unless the upstream says otherwise

Hear = Callable[[bytes, Msg, Flight | None], "asyncio.Task[None] | None"]


class StreamedAnswer:
    """
    Args:
        hear: takes what is no reply; returns the task that answers a question.
        resume: (last event id) → the rest of the stream.
    """

    def __init__(self, flight: Flight, hear: Hear, resume: Callable[[str], Awaitable[HttpResponse]]) -> None:
        self._flight = flight
        self._hear = hear
        self._resume = resume
        self._answering: dict[bytes, asyncio.Task[None]] = {}
        self._unreadable = False  # something on the stream was no message

    async def reply(self, response: HttpResponse) -> Reply:
        """
        Raises:
            UpstreamUnreachable: the stream ended for good before the reply.
            UpstreamBroken: it cannot be read.
        """
        parser, resumes = EventStream(), 0
        try:
            while True:
                last_id, broke = parser.last_id, "the stream ended before the answer"
                try:
                    found = await self._reply_in(response, parser)
                    if found is not None:
                        return found
                except UpstreamUnreachable as error:
                    broke = str(error)
                resumes = 1 if parser.last_id != last_id else resumes + 1
                if not parser.last_id or resumes > RESUMES:
                    if self._unreadable:
                        raise Unreadable(-32700, "this is no JSON-RPC message")
                    raise UpstreamUnreachable(broke, sent=True)
                await asyncio.sleep(RESUME_AFTER if parser.retry is None else parser.retry)
                parser = parser.next()
                response = await self._resume(parser.last_id)
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

    async def _reply_in(self, response: HttpResponse, parser: EventStream) -> Reply | None:
        """None when the stream ended without it."""
        try:
            async for chunk in response.chunks():
                for data in parser.feed(chunk):
                    found = self._taken(data)
                    if found is not None:
                        response.done()
                        return found
        except BaseException:
            response.close()
            raise
        return None

    def _taken(self, data: bytes) -> Reply | None:
        found = None
        try:
            messages = frames.messages(data)
        except Unreadable:
            self._unreadable = True
            if frames.meant_for(data) == self._flight.id:
                raise
            return None  # noise between messages is no reason to give up on the answer
        for frame, message in messages:
            if message.method:
                self._heard(frame, message)
            elif frames.is_id(bytes(message.id), self._flight.id):
                found = frames.reply_of(message)
        return found

    def _heard(self, frame: bytes, message: Msg) -> None:
        id_ = bytes(message.id)
        if message.method == frames.CANCELLED and not id_:
            self._withdrawn(message)
            return
        task = self._hear(frame, message, self._flight)
        if task is not None:
            self._answering[id_] = task
            task.add_done_callback(lambda _: self._answering.pop(id_, None))

    def _withdrawn(self, message: Msg) -> None:
        """A question it no longer wants answered."""
        with suppress(Unreadable):
            task = self._answering.get(bytes(wire.members(message.params).get("requestId", b"")))
            if task is not None:
                task.cancel()
