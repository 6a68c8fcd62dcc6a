"""A request under way: whose it is, what its client can take, and what comes of it on the way."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from mcphub.gateway import errors, log_levels, tasks, wire
from mcphub.gateway.envelope import notification_without_reserved, without_reserved
from mcphub.gateway.errors import Answer, NotSupported
from mcphub.gateway.session import Asker, Session, passed_back, withdrawn
from mcphub.gateway.traffic import Request, Status
from mcphub.gateway.upstream.runtime import Reply
from mcphub.logging import log_often
from mcphub.tracing import Trace

log = structlog.get_logger()

TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
LOG_MESSAGE = b'"notifications/message"'


class Answerer(Protocol):
    """Where an answer goes: an exchange, or a part of a batch."""

    def put(self, frame: bytes, *, droppable: bool = False) -> None: ...

    async def finish(self, frame: bytes) -> None: ...


class Call:
    """A request under way; to the upstream it is the caller, to its session something that can be cancelled.

    Args:
        session: None for a one-shot request.
        can_ask: may the upstream ask the client something before it answers?
        headers: inbound, lower case; only for the server's `passthroughHeaders`.
    """

    __slots__ = (
        "_asking", "_task", "answerer", "asker", "can_ask", "cancelled", "headers", "message", "note", "refused",
        "repeated", "request", "session", "trace", "traced", "traceparent", "tracestate", "untouched", "upstream_ms",
        "wait_ms",
    )  # fmt: skip

    def __init__(
        self,
        message: wire.Msg,
        asker: Asker,
        session: Session | None,
        request: Request,
        answerer: Answerer,
        *,
        headers: Mapping[str, str],
        can_ask: bool,
    ) -> None:
        self.message = message
        self.asker = asker
        self.session = session
        self.request = request
        self.answerer = answerer
        self.headers = headers
        self.traceparent, self.tracestate = trace_of(headers, message)
        self.traced = bool(self.traceparent)  # by the client
        self.trace: Trace | None = None
        if not self.traced:
            self.traceparent = _begun_by(request)
        self.can_ask = can_ask
        self.untouched = False  # are the two sides neighbours in all but the hub, as far as it is known by now?
        self.repeated: Mapping[str, str] = {}
        self.cancelled = ""  # why, once it is
        self.refused: Answer | None = None  # what the hub itself answered in the server's place
        self.note = ""  # for the row of a call that ends well
        self.wait_ms: float | None = None
        self.upstream_ms: float | None = None
        self._asking: dict[bytes, asyncio.Future[Reply]] = {}  # questions the client has not answered
        self._task = asyncio.current_task()

    @property
    def request_id(self) -> str:
        return self.request.public_id

    @property
    def log_level(self) -> str | None:
        """The least of what a server logs that the client wants to hear; '' for everything, None for nothing."""
        return self.session.log_level if self.session is not None else ""

    @property
    def opens_urls(self) -> bool:
        """Can the client take its user to an address instead of an answer?"""
        session = self.session
        return session is not None and session.client.opens_urls and session.asker.protocol >= "2025-11-25"

    @property
    def repeats(self) -> Mapping[str, str] | None:
        """The client's own headers that repeat arguments; None for a client that knows of no such thing."""
        return None

    def outgoing(self, params: bytes, *, modern: bool) -> bytes:
        """The parameters as a runtime of that era takes them.

        Raises:
            Answer: it takes no such request.
        """
        self.untouched = self.asker.verbatim and not modern
        if self.untouched:
            return params
        if self.message.method in tasks.METHODS:
            raise NotSupported(self.message.method)
        return without_reserved(tasks.plain(params) if self.message.method == "tools/call" else params)

    def incoming(self, result: bytes) -> bytes:
        """A result as the client may have it: no upstream speaks in the hub's place."""
        return result if self.untouched else without_reserved(result)

    def notify(self, frame: bytes) -> None:
        if LOG_MESSAGE in frame[:200]:
            level = self.log_level
            if level is None or (level and log_levels.below(frame, level)):
                return
        self.answerer.put(frame if self.untouched else notification_without_reserved(frame), droppable=True)

    async def ask(self, method: str, params: bytes) -> Reply:
        session = self.session
        if not self.can_ask or session is None or session.closed or not session.answers(method):
            return Reply(error=wire.error(errors.METHOD_NOT_FOUND, f"The client does not take {method[:64]}."))
        id_, future = session.question()
        self._asking[id_] = future
        if not self.untouched:
            params = session.reporting(id_, self.request.server, without_reserved(params))
        self.answerer.put(wire.request(id_, method, params))
        try:
            reply = await future
        except asyncio.CancelledError:  # the upstream does not want to know any more
            if self._asking.pop(id_, None) is not None:
                self.answerer.put(withdrawn(id_))
            raise
        finally:
            self._asking.pop(id_, None)
            session.questions.pop(id_, None)
            session.reports.pop(id_, None)
        return reply if self.untouched else passed_back(reply)

    def over(self) -> None:
        """It is about to be answered: nothing that was asked for its sake waits for the client any longer."""
        for id_, future in self._asking.items():
            if not future.done():
                self.answerer.put(withdrawn(id_))
                future.set_result(Reply(error=wire.error(errors.CONNECTION_CLOSED, "The call is over.")))
        self._asking.clear()

    def cancel(self, reason: str) -> None:
        if not self.cancelled and self._task is not None:
            self.cancelled = reason
            self._task.cancel()

    def uncancel(self) -> None:
        """The cancellation was meant for the call, not for the task that answers."""
        if self._task is not None:
            self._task.uncancel()


def log_ended(request: Request, status: Status, took: float, reason: str) -> None:
    """The one line of a request."""
    fields = {
        "request_id": request.public_id,
        "user_id": request.session.user_id,
        "session_id": request.session.session_id,
        "method": request.method,
        "server": request.server,
        "tool": request.tool,
        "status": status,
        "ms": round(took, 2),
        "position": request.ledger_position,
    }
    if request.trace_id:
        fields["trace_id"] = request.trace_id
    if reason:
        fields["why"] = reason
    foreign = f"{request.method} {request.server} {request.tool} {reason}"  # the rest are numbers, and ids of the hub
    log_often(log, __name__, "mcp_request", fields, foreign)


def trace_of(headers: Mapping[str, str], message: wire.Msg) -> tuple[str, str]:
    """(traceparent, tracestate): of the client's headers, else of its `_meta`; '' when it has none.

    W3C Trace Context, sections 3.2 and 3.3; what is none is as good as not sent.
    """
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    if not parent or not TRACEPARENT.fullmatch(parent):
        parent = state = ""
        if (params := bytes(message.params)).find(b"traceparent") >= 0:
            with suppress(wire.Unreadable):
                meta = wire.members(wire.members(params).get("_meta", b""))
                parent, state = wire.text(meta, "traceparent") or "", wire.text(meta, "tracestate") or ""
    if parent and TRACEPARENT.fullmatch(parent):
        return parent, state if TRACESTATE.fullmatch(state) else ""
    return "", ""


def _begun_by(request: Request) -> str:
    """The trace of a client that has none, where none is sent: its servers may know the request by it."""
    number = request.id.hex
    return f"00-{number}-{number[16:]}-01"
