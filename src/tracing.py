"""Traces: one of each request, from its client through the hub to the server, sent by OTLP over HTTP.

Only where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to; without it nothing of OpenTelemetry's SDK is imported, and a
trace that a client began goes on at the server as it came. Everything else is said by OpenTelemetry's own variables:
sampling, limits, headers of the exporter, names of the service.

Attributes are ids, names and codes, never arguments, results or values. Whatever belongs to no server is not named: it
is what the client wrote.

Spec: W3C Trace Context; OpenTelemetry semantic conventions for MCP.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any

import structlog

from mcphub.logging import redacted
from mcphub.metrics import KINDS, OTHER, TOOL_ERROR
from mcphub.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

log = structlog.get_logger()

SHORTEST_WAIT_S = 0.001  # what was open already is lent in microseconds
LAST_SECONDS = 3.0  # that the end of the hub waits for what is not sent yet
LONGEST_NAME = 128
QUIET_S = 60.0
FAILURES = {"Failed", "TimedOut", "Interrupted"}
# Of these the name is part of what a span is called; an address of a resource may hold anything.
WITH_TOOL, WITH_PROMPT = "tools/call", "prompts/get"
METHOD, TOOL, PROMPT, ERROR = "mcp.method.name", "gen_ai.tool.name", "gen_ai.prompt.name", "error.type"
SESSION, REVISION = "mcp.session.id", "mcp.protocol.version"
SERVER, REQUEST, OUTCOME = "mcphub.server", "mcphub.request.id", "mcphub.outcome"


class Seldom(logging.Filter):
    """One line a minute: a collector that is away would be told at each try, four times in ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._told = -QUIET_S

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._told < QUIET_S:
            return False
        self._told = now
        return True


class Tracing:
    """Begins traces, and sends what they became in a thread of the SDK."""

    def __init__(self, provider: "TracerProvider", exporter: "SpanExporter", version: str) -> None:
        self._provider = provider
        self._exporter = exporter
        self._tracer = provider.get_tracer("mcphub", version)

    def begins(self, method: str, parent: str, state: str, came_in: float) -> "Trace":
        """
        Args:
            parent: a valid traceparent of the client, or '' for a trace that begins here.
            state: its tracestate.
            came_in: when the request did, by `time.perf_counter`.
        """
        return Trace(self._tracer, method, _context(parent, state), came_in)

    async def stop(self) -> None:
        """Sends what waits; when nobody takes it, not for the half minute the SDK would try."""
        last = Thread(target=self._provider.shutdown, name="traces-last", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, LAST_SECONDS)
        if last.is_alive():
            log.warning("traces_not_sent", why="nobody took them")
            self._exporter.shutdown()


class Trace:
    """The hub's part of one trace: a span for the request, and inside of it the waits and what the server did."""

    __slots__ = ("_context", "_method", "_out", "_span", "_started", "_tracer", "trace_id")

    def __init__(self, tracer: "Tracer", method: str, parent: "Context", came_in: float) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context

        self._tracer = tracer
        method = self._method = method if method in KINDS else OTHER
        self._started = time.time_ns() - time.perf_counter_ns()  # what turns the one clock into the other
        self._span = tracer.start_span(method, parent, SpanKind.SERVER, {METHOD: method}, start_time=self._at(came_in))
        self._context = set_span_in_context(self._span, parent)
        self._out: Span | None = None
        self.trace_id = f"{self._span.get_span_context().trace_id:032x}"
        self.waited("queue", came_in, time.perf_counter())

    def waited(self, what: str, begin: float, end: float) -> None:
        """For its turn, or for a connection; what took no time was no wait."""
        if end - begin >= SHORTEST_WAIT_S:
            span = self._tracer.start_span(what, self._context, start_time=self._at(begin))
            span.end(self._at(end))

    def goes_out(self, server: str, tool: str) -> tuple[str, str]:
        """The server is about to be asked. Returns (traceparent, tracestate) for it."""
        from opentelemetry.trace import SpanKind

        self._out = self._tracer.start_span(
            _named(self._method, tool), self._context, SpanKind.CLIENT, _attributes(self._method, server, tool)
        )
        context = self._out.get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return parent, context.trace_state.to_header()

    def came_back(self) -> None:
        """The server has answered."""
        if self._out is not None:
            self._out.end()
            self._out = None

    def ended(self, status: str, reason: str, server: str, tool: str, more: Mapping[str, str]) -> None:
        """
        Args:
            server: its slug; '' when none was asked, and then the tool is what the client wrote.
            reason: the hub's own code.
        """
        failed = status in FAILURES or reason == TOOL_ERROR
        if self._out is not None:
            _fail(self._out, reason or status)
            self._out.end()
        span = self._span
        if span.is_recording():
            tool = tool if server else ""
            span.update_name(_named(self._method, tool))
            said = {**_attributes(self._method, server, tool), **more, OUTCOME: status}
            span.set_attributes({name: value for name, value in said.items() if value})
            if reason:
                span.set_attribute(ERROR, reason)
            if failed:
                _fail(span, reason or status)
        span.end()

    def _at(self, moment: float) -> int:
        return self._started + int(moment * 1e9)


def _named(method: str, tool: str) -> str:
    name = _name(method, tool)
    return f"{method} {name}" if name else method


def _name(method: str, tool: str) -> str:
    return str(redacted(tool[:LONGEST_NAME])) if method in (WITH_TOOL, WITH_PROMPT) else ""


def _attributes(method: str, server: str, tool: str) -> dict[str, str]:
    found = {METHOD: method, SERVER: server}
    if name := _name(method, tool):
        found[TOOL if method == WITH_TOOL else PROMPT] = name
    return {name: value for name, value in found.items() if value}


def _fail(span: "Span", why: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute(ERROR, why)
    span.set_status(StatusCode.ERROR)


def _context(parent: str, state: str) -> "Context":
    """Of a span that lives elsewhere; empty for none, whatever else is under way in this task."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

    if not parent:
        return Context()
    _, trace_id, span_id, flags = parent.split("-")
    remote = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16) & TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([state] if state else []),
    )
    return set_span_in_context(NonRecordingSpan(remote), Context())


def tracing_of(settings: Settings, version: str) -> Tracing | None:
    """What sends traces; None where nobody asked for them, or the SDK is not installed."""
    if not settings.traces:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.error("traces_not_sent", why="the SDK is not installed", remedy="pip install 'mcphub[otel]'")
        return None
    own: dict[str, Any] = {
        "service.name": "mcphub",
        "service.version": version,
        "service.instance.id": settings.node,
    }
    provider = TracerProvider(
        resource=Resource.create(own).merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,  # the hub ends it in its turn
    )
    exporter = OTLPSpanExporter(endpoint=settings.traces)
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(Seldom())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider, exporter, version)
