"""One request's way: who may, what is meant, the row before it goes out, the upstream, the answer, the row after.

Promises:
- a request that may have been carried out is never sent again from here;
- what the upstream answers reaches the client byte for byte; only a tool's name is put back on the aggregate;
- each request ends in exactly one row, whatever happens to it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from msgspec import Raw

from mcphub.domain.access import AccessModel, Capability, decide
from mcphub.domain.left_out import LeftOut
from mcphub.domain.settings_state import ServerState
from mcphub.domain.tool_book import definition_of
from mcphub.gateway import errors, log_levels, wire
from mcphub.gateway.aside import Aside
from mcphub.gateway.call import Call, log_ended, trace_of
from mcphub.gateway.client_lists import WHY_OFFERED, ClientLists
from mcphub.gateway.envelope import with_trace
from mcphub.gateway.errors import (
    Answer,
    BadParams,
    Cancelled,
    NotSupported,
    ServerFailed,
    ToolError,
    UnknownName,
    ValuesMissing,
)
from mcphub.gateway.failures import code_of, explained, variables
from mcphub.gateway.injection import Injector
from mcphub.gateway.kinds import LISTED, NAMED, PROMPTS, RESOURCES, TOOLS, Offer
from mcphub.gateway.meta_tools import NAMES
from mcphub.gateway.payloads import Payloads
from mcphub.gateway.router import Router
from mcphub.gateway.server_calls import ServerCalls, Told
from mcphub.gateway.server_list import described, renamed
from mcphub.gateway.server_tools import PREFIX
from mcphub.gateway.session import Asker, Limits
from mcphub.gateway.telling import Tells, telling
from mcphub.gateway.tool_calls import ToolCalls, reports_error
from mcphub.gateway.tool_search import SearchParts, ToolSearch
from mcphub.gateway.traffic import NotRecorded, Request, Status, TrafficWriter
from mcphub.gateway.turns import Turns
from mcphub.gateway.upstream.runtime import (
    Pool,
    Reply,
)
from mcphub.gateway.upstream.stderr import secrets_of
from mcphub.gateway.why import WHY, Why
from mcphub.metrics import TOOL_ERROR
from mcphub.tracing import REQUEST, REVISION, SESSION, Trace, Tracing

log = structlog.get_logger()

CALLING = {"tools/call", "tasks/result"}  # what a tool's own result answers
SUBSCRIBING = {"resources/subscribe", "resources/unsubscribe"}
CONTROL_TOTAL = 600.0  # seconds a request that is no tool call may take with all its progress


class Relay:
    """Answers requests; one for all sessions."""

    def __init__(
        self,
        *,
        model: AccessModel,
        pool: Pool,
        injector: Injector,
        traffic: TrafficWriter,
        limits: Limits,
        payloads: Payloads | None = None,
        tracing: Tracing | None = None,
        search: SearchParts | None = None,
    ) -> None:
        self.aside = Aside(model, pool, injector, limits)
        self.router = Router(model, self.aside.everything, deadline=limits.list_deadline, page=limits.page)
        self.server_calls = ServerCalls(model, self.router)
        self._tool_calls = ToolCalls(self.router)
        self.search: ToolSearch | None = None
        if search is not None:
            self.search = ToolSearch(search, model, self.router, pool.status, self.server_calls.checker)
        self.lists = ClientLists(model, self.router, self.search)
        self._why = Why(model, self.router, pool.status, limits.public_url)
        self._model = model
        self._pool = pool
        self._injector = injector
        self._traffic = traffic
        self._limits = limits
        self._payloads = payloads
        self._tracing = tracing
        self._turns = Turns(limits.at_server)

    async def run(self, call: Call) -> None:
        """Answers the call and writes its row; raises only when the hub itself is being stopped."""
        status: Status = "Completed"
        code = reason = ""
        if self._tracing is not None:
            self._trace_begins(call, self._tracing)
        try:
            frame = await self._answer(call)
            reason = call.note
        except asyncio.CancelledError:
            if not call.cancelled:
                self._ended(call, "Interrupted", "interrupted", "hub_stopped", 0)
                raise
            call.uncancel()
            status, code, reason = "Cancelled", str(errors.REQUEST_CANCELLED), call.cancelled
            frame = wire.failure(bytes(call.message.id), Cancelled(call.cancelled).raw)
        except Answer as failure:
            answer = call.refused = self._own(call, failure)
            frame = self._failed(call, answer)
            status = _status(answer)
            code, reason = str(answer.code), answer.reason
            _cut_loose(failure)
        except Exception:
            log.exception("mcp_request_broke", request_id=call.request_id, method=call.request.method)
            frame = wire.failure(
                bytes(call.message.id),
                wire.error(errors.INTERNAL_ERROR, f"The hub failed to answer. (request {call.request_id})"),
            )
            status, code, reason = "Failed", str(errors.INTERNAL_ERROR), "internal_error"
        else:
            if isinstance(frame, _UpstreamError):
                status, code, reason = "Failed", frame.code, "upstream_error"
                frame = frame.frame
        self._ended(call, status, code, reason, len(frame))
        call.over()
        await call.answerer.finish(frame)

    def _trace_begins(self, call: Call, tracing: Tracing) -> None:
        request = call.request
        parent, state = (call.traceparent, call.tracestate) if call.traced else ("", "")
        call.trace = tracing.begins(request.method, parent, state, request.came_in)
        request.trace_id = call.trace.trace_id

    def begins(self, request: Request, headers: Mapping[str, str], message: wire.Msg) -> Trace | None:
        """The trace of a request that is answered past the relay; None where none is sent."""
        if self._tracing is None:
            return None
        trace = self._tracing.begins(request.method, *trace_of(headers, message), request.came_in)
        request.trace_id = trace.trace_id
        return trace

    def ends(
        self, request: Request, trace: Trace | None, status: Status, code: str = "", reason: str = "", size: int = 0
    ) -> None:
        """Its row, its line, and the end of its trace."""
        if trace is not None:
            ids = {REQUEST: request.public_id, SESSION: request.session.session_id, REVISION: request.session.era}
            trace.ended(status, reason, request.server, "", ids)
        took = self._traffic.ended(request, status, error_code=code, reason=reason, bytes_out=size)
        log_ended(request, status, took, reason)

    def _ended(self, call: Call, status: Status, code: str, reason: str, size: int) -> None:
        request = call.request
        if call.trace is not None:
            ids = {
                REQUEST: request.public_id,
                SESSION: request.session.session_id,
                REVISION: call.asker.protocol,
            }
            call.trace.ended(status, reason, request.server, request.tool, ids)
        took = self._traffic.ended(
            request,
            status,
            error_code=code,
            reason=reason,
            wait_ms=call.wait_ms,
            upstream_ms=call.upstream_ms,
            bytes_out=size,
        )
        log_ended(request, status, took, reason)

    def _own(self, call: Call, failure: Answer) -> Answer:
        """What went wrong while a list was asked for, on behalf of whoever waits for it, as a failure of this call."""
        if isinstance(failure, UnknownName) and failure.server:
            call.request.server, call.request.tool = failure.server, failure.own
        if not isinstance(failure, ServerFailed) or failure.told is None:
            return failure
        call.request.server = failure.server
        again = failure.told(call.request_id)
        return again if isinstance(again, Answer) else failure

    def _failed(self, call: Call, answer: Answer) -> bytes:
        id_ = bytes(call.message.id)
        if not isinstance(answer, ToolError) or call.message.method != "tools/call":
            return wire.failure(id_, answer.raw)
        if isinstance(answer, ValuesMissing) and call.opens_urls:
            page = str(call.request.id)
            if call.session is not None and (server := self._model.settings.by_slug(call.request.server)) is not None:
                call.session.sent_to(page, server.server_id)
            return wire.failure(id_, answer.elicitation(page))
        return wire.result(id_, answer.result)

    # answers

    async def _answer(self, call: Call) -> "bytes | _UpstreamError":
        method = call.message.method
        if method == "ping":
            return wire.result(bytes(call.message.id), b"{}")
        if call.asker.verbatim:
            return await self._one_server(call)
        if method in LISTED:
            return await self._list(call, LISTED[method])
        if method in NAMED:
            return await self._named(call, *NAMED[method])
        match method:
            case "completion/complete":
                return await self._complete(call)
            case "logging/setLevel":
                return self._set_level(call)
        raise NotSupported(method)

    async def _named(self, call: Call, offer: Offer, naming: str) -> "bytes | _UpstreamError":
        params = _members(call.message)
        name = wire.text(params, naming)
        if name is None:
            raise BadParams(f"{call.message.method} needs the {naming} of a {offer.what}.")
        call.request.tool = name
        call.request.ledger_position = self._model.position
        if name == WHY and offer in WHY_OFFERED:
            return await self._explained_why(call, offer, params)
        if offer is TOOLS and name in NAMES and self.search is not None and self.search.on:
            return await self._through_meta_tool(call, self.search, name, params)
        if offer is TOOLS and name.startswith(PREFIX):
            return await self._through_server_tool(call, params)
        server, own = await self.router.find(call.asker, offer, name, datetime.now(UTC))
        call.request.tool = own
        named: dict[str, Raw | bytes] = dict(params)
        named[naming] = wire.encode(own)
        answer = await self._forward(call, server, wire.joined(named))
        session = call.session
        if session is not None and isinstance(answer, bytes) and call.message.method in SUBSCRIBING:
            if call.message.method == "resources/subscribe":
                session.subscriptions[server.server_id, own] = name
            else:
                session.subscriptions.pop((server.server_id, own), None)
            session.asked_dirty = True
        return answer

    async def _list(self, call: Call, offer: Offer) -> bytes:
        params = _members(call.message)
        now = datetime.now(UTC)
        call.request.ledger_position = self._model.position
        gathered = await self.router.gather(call.asker, offer, now)
        cursor = wire.text(params, "cursor")
        if cursor is None and "cursor" in params:
            raise BadParams("The cursor is a text that a page gave out.")
        listing = self.lists.page(call.asker, gathered, cursor)
        call.request.ledger_position = gathered.position
        _counted(call.request, listing.shown, gathered.left_out)
        self._note_listed(call, offer)
        return wire.result(bytes(call.message.id), listing.result)

    async def _through_meta_tool(
        self, call: Call, search: ToolSearch, name: str, params: wire.Members
    ) -> "bytes | _UpstreamError":
        call.request.mode = "search"
        now = datetime.now(UTC)
        if name == "call_tool":
            meant = await search.meant(call.asker, call.request, params, now)
            return await self._forward(call, meant.server, meant.params)
        call.note = name
        return wire.result(bytes(call.message.id), await search.told(call.asker, call.request, name, params, now))

    async def _explained_why(self, call: Call, offer: Offer, params: wire.Members) -> bytes:
        try:
            tool = wire.text(wire.members(params.get("arguments", Raw())), "tool")
        except wire.Unreadable:
            tool = None
        if not tool:
            raise BadParams(f'{WHY} needs the name of a tool: {{"tool": "server__tool"}}.')
        explained = await self._why.explain(call.asker, tool, datetime.now(UTC))
        call.request.server, call.note = explained.server, explained.reason
        answer = explained.as_tool(tool) if offer is TOOLS else explained.as_prompt(tool)
        return wire.result(bytes(call.message.id), answer)

    async def _through_server_tool(self, call: Call, params: wire.Members) -> "bytes | _UpstreamError":
        call.request.mode = "servers"
        read = await self.server_calls.read(call.asker, call.request, params, datetime.now(UTC))
        if isinstance(read, Told):
            call.note = read.why
            return wire.result(bytes(call.message.id), read.result)
        return await self._forward(call, read.server, read.params)

    def _note_listed(self, call: Call, offer: Offer) -> None:
        """From now on the client is told when this list becomes another one."""
        if call.session is not None:
            call.session.listed[offer.list_method] = self.lists.seen_by(call.asker, offer, datetime.now(UTC))

    async def _complete(self, call: Call) -> "bytes | _UpstreamError":
        params = _members(call.message)
        ref = wire.members(params.get("ref", b""))
        offer, naming = (PROMPTS, "name") if wire.text(ref, "type") == "ref/prompt" else (RESOURCES, "uri")
        name = wire.text(ref, naming)
        if name is None:
            raise BadParams("completion/complete needs a ref to a prompt or a resource.")
        call.request.ledger_position = self._model.position
        server, own = await self.router.find(call.asker, offer, name, datetime.now(UTC))
        named: dict[str, Raw | bytes] = dict(params)
        named["ref"] = wire.joined({**ref, naming: wire.encode(own)})
        return await self._forward(call, server, wire.joined(named))

    def _set_level(self, call: Call) -> bytes:
        level = wire.text(_members(call.message), "level") or ""
        if level not in log_levels.LEVELS:
            raise BadParams(f"The level is one of {', '.join(log_levels.LEVELS)}.")
        self._keep_level(call, level)
        return wire.result(bytes(call.message.id), b"{}")

    def _keep_level(self, call: Call, level: str) -> None:
        """Its servers are told with the next call of each."""
        if call.session is not None:
            call.session.log_level = level
            call.session.asked_dirty = True

    async def _one_server(self, call: Call) -> "bytes | _UpstreamError":
        """Everything the upstream has, under its own names."""
        method = call.message.method
        server = self._model.servers.get(call.asker.view.id)
        capability = Capability(call.asker.view.id)
        call.request.ledger_position = self._model.position
        decision = decide(self._model, call.asker.principal, capability, datetime.now(UTC), call.asker.view)
        params, sent = _members(call.message), bytes(call.message.params)
        if method in NAMED:
            offer, naming = NAMED[method]
            name = wire.text(params, naming) or ""
            call.request.tool = name
            if server is None or not decision.allowed:
                raise UnknownName(offer.what, name, decision.reason)
            if name == WHY and offer in WHY_OFFERED and await self._is_ours(call.asker, server, offer):
                return await self._explained_why(call, offer, params)
            sent = await self._by_own_name(call, server, offer, params)
        elif server is None or not decision.allowed:
            if method in LISTED:
                _counted(call.request, 0, LeftOut(servers={decision.reason: 1}))
                return wire.result(bytes(call.message.id), LISTED[method].empty)
            raise NotSupported(method)
        answer = await self._forward(call, server, sent)
        if method in LISTED and isinstance(answer, bytes):
            whole = await self._heard(call, server, params, answer) if LISTED[method] is TOOLS else None
            self._note_listed(call, LISTED[method])
            return self._without_hidden(call, server, LISTED[method], answer, whole)
        return answer

    async def _by_own_name(self, call: Call, server: ServerState, offer: Offer, params: wire.Members) -> bytes:
        """The parameters as the server knows the thing; untouched unless an administrator gave it another name.

        Raises:
            Answer: it is not to be called by this name.
        """
        _, naming = NAMED[call.message.method]
        shown = call.request.tool
        own = call.request.tool = await self.router.own_name(call.asker, server, offer, shown)
        if own == shown:
            return bytes(call.message.params)
        named: dict[str, Raw | bytes] = dict(params)
        named[naming] = wire.encode(own)
        return wire.joined(named)

    async def _heard(self, call: Call, server: ServerState, params: wire.Members, frame: bytes) -> int | None:
        """What a server listed at its own address counts like what the hub asked it for.

        Returns how many tools came; None when that is not known without reading them.
        """
        try:
            result = wire.members(wire.members(frame)["result"])
            if wire.text(params, "cursor") is None and wire.text(result, "nextCursor") is None:
                raw = bytes(result.get(TOOLS.member, b"[]"))
                if not self.router.heard_again(call.asker, server, raw):
                    self.router.heard(call.asker, server, raw, await self._given(call.asker, server))
                found = self.router.cached(call.asker, server)
                return len(found.items) if found is not None and found.heard == raw else None
        except wire.Unreadable:
            return None  # the client has it as it is, as long as nothing is to be left out of it
        with suppress(Answer):  # a page says nothing of the whole
            await self.router.listed(call.asker, server)
        return None

    async def _given(self, asker: Asker, server: ServerState) -> Tells:
        """What the server was given for the asker."""
        inject = await self._injector.prepare(server.spec, asker.principal.user_id)
        return telling(lambda: secrets_of(server.spec, inject()))

    async def _is_ours(self, asker: Asker, server: ServerState, offer: Offer) -> bool:
        """Has the server no such thing of its own? Then the hub's is meant, here, too."""
        try:
            found = await self.router.listed(asker, server, offer)
        except Answer:
            return True
        return all(item.shown != WHY for item in found.items)

    def _without_hidden(self, call: Call, server: ServerState, offer: Offer, frame: bytes, count: int | None) -> bytes:
        """The upstream's list, untouched unless something is switched off, waits for approval, is described anew or
        was given another name.

        Args:
            count: of the items in it, when that is known.
        """
        call.request.ledger_position = self._model.position
        governed = offer is TOOLS and self._model.governed(server)
        free = not governed and not server.config.get(offer.kind)
        if free and count is not None:
            _counted(call.request, count, LeftOut())
            return frame
        result: dict[str, Raw | bytes] = dict(wire.members(wire.members(frame)["result"]))
        try:
            raws = wire.items(bytes(result.get(offer.member, b"[]")))
        except wire.Unreadable:
            if governed or (offer is TOOLS and server.given_names):
                raise ServerFailed(
                    f"Server '{server.slug}' sent a list that cannot be read.", reason="unreadable_list"
                ) from None
            return frame
        if free:
            _counted(call.request, len(raws), LeftOut())
            return frame
        shown = []
        off: Counter[str] = Counter()
        named = [(wire.text(wire.members(raw), offer.naming) or "", raw) for raw in raws]
        others = self.router.shown_as(call.asker, server, [name for name, _ in named]) if offer is TOOLS else {}
        for name, raw in named:
            definition = definition_of(raw).hash if governed else ""
            reason = self._model.offered(server, offer.kind, name, definition)
            if reason == "allowed":
                called = renamed(raw, offer, others[name]) if name in others else raw
                shown.append(described(server, offer, name, called))
            else:
                off[reason] += 1
        _counted(call.request, len(shown), LeftOut(items=off))
        result[offer.member] = b"[" + b",".join(shown) + b"]"
        return wire.result(bytes(call.message.id), wire.joined(result))

    # upstream

    async def _forward(self, call: Call, server: ServerState, params: bytes) -> "bytes | _UpstreamError":
        """Sends it on; at a server that users share, when it is the user's turn.

        Raises:
            Answer: it could not be done, or its turn did not come.
        """
        spec = server.spec
        call.request.server = spec.slug
        if spec.type == "stdio" and spec.isolation != "shared":
            return await self._sent(call, server, params)
        at_once = self._turns.free(server.server_id)
        if not at_once:
            patience, began = self._limits.control_timeout, time.perf_counter()
            try:
                async with asyncio.timeout(patience):
                    await self._turns.come(server.server_id, call.asker.principal.user_id)
            except TimeoutError:
                raise errors.at_capacity(spec.slug, patience, call.request_id) from None
            came = time.perf_counter()
            call.wait_ms = (came - began) * 1000
            if call.trace is not None:
                call.trace.waited("turn", began, came)
        try:
            if not at_once:
                self._must_still_be_there(call, server)
            return await self._sent(call, server, params)
        finally:
            self._turns.leave(server.server_id)

    def _must_still_be_there(self, call: Call, server: ServerState) -> None:
        """What was decided before a wait may no longer hold.

        Raises:
            UnknownName: the server is hidden by now.
        """
        asker, capability = call.asker, Capability(server.server_id)
        decision = decide(self._model, asker.principal, capability, datetime.now(UTC), asker.view)
        if not decision.allowed:
            offer = NAMED.get(call.message.method, (TOOLS, "name"))[0]
            raise UnknownName(offer.what, call.request.tool, decision.reason)

    def _sent(self, call: Call, server: ServerState, params: bytes) -> "Coroutine[Any, Any, bytes | _UpstreamError]":
        if not server.spec.keep_payloads or self._payloads is None or call.message.method != "tools/call":
            return self._asked(call, server, params)
        return self._kept(self._payloads, call, server, params)

    async def _kept(
        self, payloads: Payloads, call: Call, server: ServerState, params: bytes
    ) -> "bytes | _UpstreamError":
        frame = b""
        try:
            answer = await self._asked(call, server, params)
            frame = answer.frame if isinstance(answer, _UpstreamError) else answer
            return answer
        finally:
            payloads.keep(call.request, params, frame)

    async def _asked(self, call: Call, server: ServerState, params: bytes) -> "bytes | _UpstreamError":
        spec, request, asker = server.spec, call.request, call.asker
        method = call.message.method
        identity = asker.identity(self._model, server.server_id)
        request.credential_version = identity.credential_version
        try:
            inject = await self._injector.prepare(spec, asker.principal.user_id)
            durable = self._traffic.started(request)
            if durable is not None:
                await durable
            began = time.perf_counter()
            async with self._pool.lease(spec, identity, inject) as runtime:
                leased = time.perf_counter()
                call.wait_ms = (call.wait_ms or 0.0) + (leased - began) * 1000
                params = call.outgoing(params, modern=runtime.modern)
                if call.trace is not None:
                    call.trace.waited("connect", began, leased)
                    call.traceparent, call.tracestate = call.trace.goes_out(spec.slug, request.tool)
                    params = with_trace(params, call.traceparent, call.tracestate)
                if method == log_levels.SETTING:
                    level = wire.text(_members(call.message), "level") or ""
                    if level in log_levels.LEVELS:
                        runtime.log_level = level
                        self._keep_level(call, level)
                elif call.log_level and not runtime.modern:
                    await log_levels.settle(runtime, call.log_level)
                if method == "tools/call":
                    reply = await self._tool_calls.ask(call, server, runtime, params)
                else:
                    # Who asks for the result of a task waits for the task.
                    control = spec.max_total_ms / 1000 if method == "tasks/result" else self._limits.control_timeout
                    reply = await runtime.call(
                        method,
                        params,
                        call,
                        timeout=control,
                        reset_on_progress=True,
                        max_total=max(control, CONTROL_TOTAL),
                    )
                call.upstream_ms = (time.perf_counter() - leased) * 1000
                if call.trace is not None:
                    call.trace.came_back()
        except NotRecorded as error:
            raise Answer(
                f"The call could not be recorded, so it was not made: {error}. (request {request.public_id})",
                reason="not_recorded",
            ) from None
        except Exception as error:
            raise explained(error, server, request.public_id, self._limits.public_url) from error
        id_ = bytes(call.message.id)
        if reply.error is not None:
            code = code_of(reply.error)
            if code == str(errors.URL_ELICITATION_REQUIRED) and method == "tools/call" and not call.opens_urls:
                raise errors.page_wanted(spec.slug, reply.error, request.public_id)
            return _UpstreamError(wire.failure(id_, reply.error), code)
        if reply.refused and spec.slots:
            why, public = "it answered HTTP 401", self._limits.public_url
            rejected = errors.values_rejected(spec.slug, why, variables(server), public, request.public_id)
            if call.opens_urls:
                raise rejected
            reply = Reply(result=errors.with_text(reply.result or b"{}", str(rejected)))
        result = reply.result or b"{}"
        if result[:1] != b"{":  # a client would take it for no answer at all, and wait
            raise errors.broken(spec.slug, "its result is no object", request.public_id)
        if method in CALLING and reports_error(result):
            call.note = TOOL_ERROR
        return wire.result(id_, call.incoming(result))

    async def subscribe(self, asker: Asker, uri: str) -> tuple[str, str]:
        """Subscribes to a resource under the address the client knows; returns (server id, its own address for it).

        Raises:
            Answer: there is no such resource, or it cannot be subscribed to.
        """
        if asker.verbatim:
            server, own = self._model.servers[asker.view.id], uri
        else:
            server, own = await self.router.find(asker, RESOURCES, uri, datetime.now(UTC))
        reply = await self.aside.ask(asker, server, "resources/subscribe", b'{"uri":' + wire.encode(own) + b"}")
        if reply.error is not None:
            raise Answer(f"Server '{server.slug}' takes no subscription to it.", reason="not_subscribed")
        return server.server_id, own


def _cut_loose(failure: Answer) -> None:
    """Where it was raised is of no interest any more, and those frames hold it and the call: a hundred objects that
    only a collection would find, which stops every call while it looks.
    """
    failure.__traceback__ = failure.__cause__ = failure.__context__ = None


class _UpstreamError:
    """An error the upstream itself answered: passed on as it is, and counted as a failure."""

    __slots__ = ("code", "frame")

    def __init__(self, frame: bytes, code: str) -> None:
        self.frame = frame
        self.code = code


def _counted(request: Request, shown: int, left_out: LeftOut) -> None:
    """For the row of a list."""
    request.shown, request.filtered, request.left_out = shown, left_out.filtered, left_out


def _members(message: wire.Msg) -> wire.Members:
    try:
        return wire.members(message.params)
    except wire.Unreadable as error:
        raise BadParams(str(error)) from None


def _status(answer: Answer) -> Status:
    if answer.denied:
        return "Denied"
    if isinstance(answer, ServerFailed) and answer.timed_out:
        return "TimedOut"
    return "Failed"
