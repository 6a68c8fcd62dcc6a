"""A tool's call as its server wants it: with arguments repeated in headers, or as a task, where the client knows of
neither.

Spec: MCP 2026-07-28, Transports, Custom headers; 2025-11-25, Tasks.
"""

import asyncio
import re
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

from msgspec import json

from mcphub.domain.settings_state import ServerState
from mcphub.gateway import bridge, tasks, wire
from mcphub.gateway.errors import Answer, HeaderMismatch
from mcphub.gateway.param_headers import MARK, disagreement, repetitions
from mcphub.gateway.protocol import HEADER_MISMATCH
from mcphub.gateway.router import Router
from mcphub.gateway.server_list import Item
from mcphub.gateway.session import Asker
from mcphub.gateway.traffic import Request
from mcphub.gateway.upstream.runtime import Caller, Reply, Runtime, UpstreamFailed, UpstreamTimeout

CANCEL_SECONDS = 5.0
TELLING_SECONDS = 0.5  # that the end of a call waits for its server to hear of it
MARKED = MARK.encode()
SAYS_ERROR = b'"isError"'
LAST_SAYS_ERROR = re.compile(rb'"isError"\s*:\s*(true|false)\s*\}\s*\Z')


class ToolCall(Caller, Protocol):
    """What is asked here of `relay.Call`."""

    asker: Asker
    request: Request
    repeated: Mapping[str, str]

    @property
    def repeats(self) -> Mapping[str, str] | None:
        """The client's own headers that repeat arguments; None for a client that knows of no such thing."""

    @property
    def untouched(self) -> bool:
        """Do client and server settle it between themselves?"""


class ToolCalls:
    """One for all sessions."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._afterwards: set[asyncio.Task[None]] = set()

    async def ask(self, call: ToolCall, server: ServerState, runtime: Runtime, params: bytes) -> Reply:
        """
        Raises:
            HeaderMismatch: the client's headers say something else than its arguments, and the server would not notice.
            UpstreamFailed: see Runtime.call.
        """
        if runtime.modern:
            return await self._repeating(call, server, runtime, params)
        if call.untouched:
            return await _ask(runtime, "tools/call", params, call, server)
        item = self._known(call, server)
        marked = item is not None and item.raw.find(MARKED) >= 0
        if item is not None and marked and call.repeats is not None:
            why = disagreement(*_schema_and_arguments(item.raw, params), call.repeats)
            if why:
                raise HeaderMismatch(why)
        if item is not None and tasks.only_as_task(item.raw):
            return await self._as_task(call, server, runtime, params)
        return await _ask(runtime, "tools/call", params, call, server)

    def _known(self, call: ToolCall, server: ServerState) -> Item | None:
        found = self._router.cached(call.asker, server)
        return found.by_name.get(call.request.tool) if found is not None else None

    # headers

    async def _repeating(self, call: ToolCall, server: ServerState, runtime: Runtime, params: bytes) -> Reply:
        if call.repeats is not None:
            call.repeated = call.repeats
            return await _ask(runtime, "tools/call", params, call, server)
        call.repeated = await self._repetitions(call, server, params)
        reply = await _ask(runtime, "tools/call", params, call, server)
        if reply.error is None or bridge.code_of(reply.error) != HEADER_MISMATCH:
            return reply
        # Refused before anything was done, as the schema that is known here may be an old one.
        before, call.repeated = call.repeated, await self._repetitions(call, server, params, anew=True)
        return reply if call.repeated == before else await _ask(runtime, "tools/call", params, call, server)

    async def _repetitions(
        self, call: ToolCall, server: ServerState, params: bytes, *, anew: bool = False
    ) -> Mapping[str, str]:
        """What a client of this revision would say in headers; nothing of a tool whose schema cannot be had."""
        try:
            if anew:
                found = await self._router.listed(call.asker, server, anew=True)
            else:
                found = await self._router.own_list(call.asker, server)
        except Answer:
            return {}
        item = found.by_name.get(call.request.tool)
        if item is None or item.raw.find(MARKED) < 0:
            return {}
        return repetitions(*_schema_and_arguments(item.raw, params))

    # tasks

    async def _as_task(self, call: ToolCall, server: ServerState, runtime: Runtime, params: bytes) -> Reply:
        """A tool that answers with a promise only, answered with what was promised."""
        reply = await _ask(runtime, "tools/call", tasks.as_task(params), call, server)
        task = tasks.promised(reply.result) if reply.result is not None else ""
        if not task:
            return reply
        whose = b'{"taskId":%b}' % wire.encode(task)
        try:
            return await _ask(runtime, "tasks/result", whose, call, server)
        except (asyncio.CancelledError, UpstreamTimeout):
            given_up = asyncio.create_task(_given_up(runtime, whose), name=f"cancel-{server.slug}")
            self._afterwards.add(given_up)
            given_up.add_done_callback(self._afterwards.discard)
            # The client may end its session next, and a connection of that session's own with it.
            await asyncio.wait({given_up}, timeout=TELLING_SECONDS)
            raise


def reports_error(result: bytes) -> bool:
    """Does the result say that the tool failed? Looks at no more of it than it has to: under 1 ms for a megabyte.

    Inside of a string the quotes would be escaped, so what is found is a member or a whole string; one that ends the
    result is a member of it. Only for another, first or further down, the result is taken apart.

    Spec: MCP 2025-11-25, Tools, Error handling.
    """
    at = result.rfind(SAYS_ERROR)
    if at < 0:
        return False
    if last := LAST_SAYS_ERROR.match(result, at):
        return last[1] == b"true"
    try:
        return bytes(wire.members(result).get("isError", b"")) == b"true"
    except wire.Unreadable:
        return False


def _ask(runtime: Runtime, method: str, params: bytes, call: Caller, server: ServerState) -> Coroutine[Any, Any, Reply]:
    spec = server.spec
    return runtime.call(
        method,
        params,
        call,
        timeout=spec.timeout_ms / 1000,
        reset_on_progress=spec.reset_on_progress,
        max_total=spec.max_total_ms / 1000,
    )


async def _given_up(runtime: Runtime, whose: bytes) -> None:
    """Nobody waits for the task any more."""
    with suppress(UpstreamFailed):
        await runtime.call(
            "tasks/cancel", whose, None, timeout=CANCEL_SECONDS, reset_on_progress=False, max_total=CANCEL_SECONDS
        )


def _schema_and_arguments(definition: bytes, params: bytes) -> tuple[object, object]:
    """Of a tool and a call of it."""
    arguments = bytes(wire.members(params).get("arguments", b"{}"))
    return json.decode(definition).get("inputSchema"), json.decode(arguments)
