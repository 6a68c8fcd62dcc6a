"""The gateway put together: door, relay, sessions and upstreams, and what the rest of the hub may ask of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.access import ALL, AccessModel, Principal, View
from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    ServerAudienceChanged,
    ServerChanged,
    ServerRemoved,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    UserErased,
    UserMembershipsChanged,
    about,
)
from mcphub.domain.settings_state import ServerState
from mcphub.domain.vault import Vault
from mcphub.gateway import wire
from mcphub.gateway.addresses import view_of
from mcphub.gateway.envelope import notification_without_reserved, without_reserved
from mcphub.gateway.errors import ValuesMissing
from mcphub.gateway.everywhere import Everywhere
from mcphub.gateway.facade import (
    AtNode,
    Figures,
    FoundTool,
    LiveCall,
    LiveRuntime,
    LiveSession,
    LiveStatus,
    Tool,
    TriedTool,
)
from mcphub.gateway.front import Front
from mcphub.gateway.hub_values import HubValues
from mcphub.gateway.injection import Injector
from mcphub.gateway.kinds import CHANGED, LISTED, TOOLS, Offer
from mcphub.gateway.lifecycle import Lifecycle, one_shot
from mcphub.gateway.meta_tools import MOST_QUERY
from mcphub.gateway.nodes import Load, Node, Nodes, Put
from mcphub.gateway.payloads import Payloads
from mcphub.gateway.prewarming import Prewarming, Recent
from mcphub.gateway.relay import Relay
from mcphub.gateway.request_id import came_in
from mcphub.gateway.resync import Resync
from mcphub.gateway.server_list import Item, ServerList, described
from mcphub.gateway.session import Limits, Session
from mcphub.gateway.store import DATABASE_AWAY, SessionRows
from mcphub.gateway.tool_news import ToolNews
from mcphub.gateway.tool_search import SearchParts
from mcphub.gateway.traffic import TrafficWriter
from mcphub.gateway.trial import Trial, tried
from mcphub.gateway.upstream.contained import Contained
from mcphub.gateway.upstream.frames import NOBODY
from mcphub.gateway.upstream.runtime import Identity, Listener, Pool, Reply, Runtime, RuntimeInfo, ServerStatus
from mcphub.gateway.values import OpenedValues
from mcphub.metrics import Metrics
from mcphub.periodic import Periodic
from mcphub.projections.tail import Tail
from mcphub.tracing import Tracing

log = structlog.get_logger()

UPDATED = "notifications/resources/updated"
PAGE_DONE = "notifications/elicitation/complete"
ATTENDED_WITHIN = 5.0  # seconds a question waits for a client that has only just begun
LOOK_ELSEWHERE = 0.5  # seconds between two looks for a stream at another node
ANSWERED_WITHIN = 600.0  # seconds a client has for a question that belongs to no call
NEWEST = "2025-11-25"
STDERR_LINES = 20  # of a process, that are shown
MOST_FOUND = 50  # tools of one search in the browser
# Facts after which a server may be meant for fewer users than before.
RESTRICTING = (ServerAudienceChanged, ServerChanged, UserMembershipsChanged)


class HubGateway(Listener):
    """Implements `facade.Gateway`.

    Args:
        make_pool: makes the pool of runtimes that reports to this gateway.
        rows: for session rows, as the application role.
        hub_variables: what settings documents may read of the hub's environment.
        key_used: told the key of each request.
        values_judged: told (user, server, version of the values, refused) when an upstream refused or took them.
        recent: which servers a user called of late.
        nodes: this node among the others; it is told here what it does and whom to tell.
        metrics: told how long a look at each key took.
        tracing: None where no traces are sent.
    """

    who = "key"  # whom it answers: every request is asked for a key here, past the guard of the API

    def __init__(
        self,
        *,
        limits: Limits,
        model: AccessModel,
        tail: Tail,
        vault: Vault,
        values: OpenedValues,
        traffic: TrafficWriter,
        make_pool: Callable[[Listener], Pool],
        rows: AsyncConnectionPool[Any],
        node: str,
        hub_variables: Mapping[str, str],
        key_used: Callable[[str], None],
        values_judged: Callable[[str, str, str, bool], None],
        recent: Recent,
        payloads: Payloads | None = None,
        nodes: Nodes | None = None,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
        search: SearchParts | None = None,
    ) -> None:
        self._traffic = traffic
        self._limits = limits
        self._model = model
        self._values_judged = values_judged
        self._pool = make_pool(self)
        self._hub_values = HubValues(model, vault, hub_variables)
        self._injector = Injector(model, vault, values, self._hub_values)
        self._relay = Relay(
            model=model,
            pool=self._pool,
            injector=self._injector,
            traffic=traffic,
            limits=limits,
            payloads=payloads,
            tracing=tracing,
            search=search,
        )
        self.tool_search = self._relay.search
        self._relay.router.became_other = self._list_became_other
        self.tool_news = ToolNews(model, self._relay.router.lists_of)
        self._relay.router.brought_news = self.tool_news.brought
        self._prewarming = Prewarming(
            model=model, pool=self._pool, injector=self._injector, recent=recent, most=limits.prewarm
        )
        self._lifecycle = Lifecycle(
            model=model,
            rows=SessionRows(rows, nodes.id if nodes is not None else node),
            pool=self._pool,
            traffic=traffic,
            limits=limits,
            view_of=self.view_of,
            subscribe_again=self._relay.aside.subscribe_again,
            opened=self._prewarming.begin,
            nodes=nodes,
        )
        self._nodes = nodes
        if nodes is not None:
            nodes.load, nodes.hear = self._load_now, self._lifecycle.heard
        self._everywhere = Everywhere(
            nodes,
            node,
            sessions=self.sessions,
            runtimes=self._runtimes_here,
            statuses=self._statuses_here,
            end_session=self._end_session_here,
            end_runtime=self._pool.end_runtime,
        )
        self._front = Front(
            model=model,
            tail=tail,
            vault=vault,
            relay=self._relay,
            lifecycle=self._lifecycle,
            traffic=traffic,
            limits=limits,
            view_of=self.view_of,
            key_used=key_used,
            metrics=metrics or Metrics(),
        )
        self._transports = self._present_transports()
        self._round = Periodic("gateway-sessions", self._lifecycle.round, 1.0)
        self._forget = Periodic("gateway-lists", self._forget_lists, 60.0)
        self._telling: asyncio.TimerHandle | None = None
        self._upstream_changed: set[tuple[str, str | None, str]] = set()  # at the servers' own addresses
        self._to_look_at: set[str] | None = set()  # users whose sessions may have to be told; None: everybody's
        self._resync = Resync(
            model=model,
            router=self._relay.router,
            sessions=self._lifecycle.live_of,
            status=self._pool.status,
            debounce=limits.debounce,
        )
        self._relay.router.not_had = self._resync.not_had

    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        return self._front(scope, receive, send)

    async def start(self) -> None:
        """The model has folded the ledger; what it says now is where changes start from."""
        self._transports = self._present_transports()
        self._later(self._tidied())  # a crash may have come between a fact and its consequence
        if self._nodes is not None:
            await self._nodes.start()
        await self._round.start()
        await self._forget.start()

    def release(self) -> None:
        """Streams end, and their clients come back: to another node, or to this one started again."""
        self._front.stop()
        for session in self._lifecycle.live:
            session.release()

    async def stop(self, drain_seconds: float) -> None:
        """Lets what is under way finish for a while, then ends sessions and upstreams."""
        self.release()
        deadline = asyncio.get_running_loop().time() + drain_seconds
        while self.in_flight and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  at the end only
            await asyncio.sleep(0.02)
        await self._round.stop()
        await self._forget.stop()
        if self._telling is not None:
            self._telling.cancel()
        await self._resync.stop()
        await self._prewarming.stop()
        await self._lifecycle.stop()
        if self._nodes is not None:
            await self._nodes.stop()
        await self._relay.server_calls.close()
        await self._pool.close()

    @property
    def in_flight(self) -> int:
        calls = sum(len(session.in_flight) for session in self._lifecycle.live)
        return calls + sum(len(loose) for loose in self._lifecycle.loose.values())

    def _load_now(self) -> Load:
        live = self._lifecycle.live
        streams = sum(session.own.open for session in live)
        return Load(len(live), streams, self.in_flight, len(self._pool.runtimes()))

    # addresses

    def view_of(self, path: str, principal: Principal) -> View | None:
        return view_of(self._model, path, principal, datetime.now(UTC))

    # news of the tail

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink, after the access model: ends what lost its ground, and tells clients what changed."""
        self._lifecycle.facts_applied(facts)
        self.tool_news.facts_applied(facts)
        for recorded in facts:
            match recorded.event:
                case ServiceTokenSaved(user_id=user, server_id=server):
                    self._later(self._pool.drain_credential(user, server))
                    self._pages_done(user, server)
                case ServiceTokenRemoved(user_id=user, server_id=server):
                    self._later(self._pool.drain_credential(user, server))
        if any(isinstance(recorded.event, ServerRemoved | UserErased) for recorded in facts):
            self._later(self._tidied())
        if any(isinstance(recorded.event, RESTRICTING) for recorded in facts):
            self._later(self._pool.end_barred(self._barred, "not_in_audience"))
        for server_id in self._hub_values.facts_applied(facts):
            self._later(self._pool.drain_server(server_id))
            self._lists_changed(server_id, None, TOOLS)
        concerned = {about(recorded.event) for recorded in facts}
        if "" not in concerned:
            for user_id in concerned:
                self._tell_soon(user_id)
            return
        present = self._present_transports()
        for server_id, digest in self._transports.items():
            now = present.get(server_id)
            if now is None:
                self._later(self._pool.end_server(server_id, "server_removed"))
            elif now != digest:
                self._later(self._pool.drain_server(server_id))
        self._transports = present
        self._tell_soon(None)

    def _pages_done(self, user_id: str, server_id: str) -> None:
        """Whose call waits for a value hears that it was entered."""
        for session in self._lifecycle.live.of_user(user_id):
            for page in session.pages_done(server_id):
                session.tell(wire.notification(PAGE_DONE, b'{"elicitationId":%b}' % wire.encode(page)))

    def _barred(self, user_id: str, server_id: str) -> bool:
        server = self._model.servers.get(server_id)
        return server is not None and not self._model.entitled(user_id, server)

    async def _tidied(self) -> None:
        """Processes of erased users and removed servers leave nothing on the disk."""
        erased = [user.user_id for user in self._model.users.values() if user.erased]
        for user in erased:
            await self._pool.end_user(user, "user_deleted")
        await self._pool.tidy(list(self._model.servers), erased)

    def _present_transports(self) -> dict[str, str]:
        """Server id → transport digest of the enabled servers."""
        return {
            server.server_id: server.spec.transport_digest for server in self._model.servers.values() if server.enabled
        }

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(_report)

    def _tell_soon(self, user_id: str | None) -> None:
        """`list_changed` once for many changes in a row, to the sessions of a user; None: of everybody."""
        if user_id is None:
            self._to_look_at = None
        elif self._to_look_at is not None:
            self._to_look_at.add(user_id)
        if self._telling is None and len(self._lifecycle.live):
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(self._limits.debounce, self._tell)

    def _tell(self) -> None:
        self._telling = None
        changed, self._upstream_changed = self._upstream_changed, set()
        users, self._to_look_at = self._to_look_at, set()
        now = datetime.now(UTC)
        live = self._lifecycle.live
        for session in live if users is None else [one for user in users for one in live.of_user(user)]:
            told = set()
            for method, known in session.listed.items():  # of what it has asked for
                offer = LISTED[method]
                seen = self._relay.lists.seen_by(session.asker, offer, now)
                if seen != known or self._concerns(session, offer.changed, changed, now):
                    session.listed[method] = seen
                    told.add(offer.changed)
            for method in sorted(told):
                session.tell(wire.notification(method))

    def _concerns(self, session: Session, method: str, changed: set[tuple[str, str | None, str]], at: datetime) -> bool:
        if not changed or not session.asker.verbatim:
            return False
        reasons = self._model.reasons(session.principal, session.asker.view, at)
        user = session.principal.user_id
        return any(
            reasons.get(server) == "allowed" and owner in (None, user) and what == method
            for server, owner, what in changed
        )

    async def _forget_lists(self) -> None:
        self._relay.router.forget()

    # news of upstreams

    def server_notification(self, runtime: Runtime, method: str, frame: bytes) -> None:
        """What an upstream says outside any call: its own clients hear it at its own address."""
        if method in CHANGED:
            self._lists_changed(runtime.server_id, runtime.user_id, CHANGED[method])
            return
        server_id, now = runtime.server_id, datetime.now(UTC)
        for session in self._lifecycle.live_of(runtime.user_id):
            if runtime.session_id not in ("", session.public_id):
                continue
            # A stream that is open, and a subscription, may be older than what took the server away.
            if self._model.reasons(session.principal, session.asker.view, now).get(server_id) != "allowed":
                continue
            if session.asker.verbatim and session.asker.view.id == server_id:
                session.tell(frame)
            elif method == UPDATED:
                self._tell_updated(session, server_id, frame)
            elif method == PAGE_DONE:  # who was not sent to that page passes it over
                session.tell(notification_without_reserved(frame))

    async def server_asks(self, runtime: Runtime, method: str, params: bytes) -> Reply:
        """For the session the runtime serves, or of its user the one that was used last and takes such questions.

        Some servers ask for the roots as soon as they are opened, when their client does not listen yet.
        """
        try:
            async with asyncio.timeout(ATTENDED_WITHIN):
                session, node = await self._listener(runtime, method)
            through = self._through(session, node) if node else None
            async with asyncio.timeout(ANSWERED_WITHIN):
                return await session.ask(method, params, untouched=session.asker.verbatim, through=through)
        except (TimeoutError, *DATABASE_AWAY):
            return Reply(error=NOBODY)

    async def _listener(self, runtime: Runtime, method: str) -> tuple[Session, str]:
        """Whom to ask, as soon as there is somebody; with the other node that holds the stream, where one does."""
        while True:
            askable = self._askable(runtime, method)
            for session in askable:
                if session.listens:
                    return session, ""
            if self._nodes is None or not self._nodes.others:
                await self._lifecycle.next_attended()
                continue
            for session in askable:
                if node := await self._nodes.listener(session.digest):
                    return session, node
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_ELSEWHERE):
                    await self._lifecycle.next_attended()

    def _through(self, session: Session, node: str) -> Callable[[bytes], None]:
        nodes = self._nodes
        assert nodes is not None
        return lambda frame: nodes.to(node, Put(session.digest, frame, False))

    def _askable(self, runtime: Runtime, method: str) -> list[Session]:
        """Who may be asked this for the server behind the runtime, used last first."""
        if runtime.user_id is None:
            return []
        now = datetime.now(UTC)
        found = (
            session
            for session in self._lifecycle.live.of_user(runtime.user_id)
            if session.answers(method)
            and runtime.session_id in ("", session.public_id)
            and self._model.reasons(session.principal, session.asker.view, now).get(runtime.server_id) == "allowed"
        )
        return sorted(found, key=lambda session: session.seen, reverse=True)

    def _lists_changed(self, server_id: str, user_id: str | None, offer: Offer) -> None:
        """Who is shown the lists of many servers hears of it when this one has been asked; at its own address, now."""
        self._resync.changed(server_id, user_id, offer)
        self._upstream_changed.add((server_id, user_id, offer.changed))
        self._tell_soon(user_id)

    def _list_became_other(self, owner: str) -> None:
        self._tell_soon(owner or None)

    def _tell_updated(self, session: Session, server_id: str, frame: bytes) -> None:
        """A subscribed resource of the aggregate, under the address the client knows."""
        try:
            params = wire.members(wire.members(frame).get("params", b""))
        except wire.Unreadable:
            return
        uri = session.subscriptions.get((server_id, wire.text(params, "uri") or ""))
        if uri is not None:
            told = wire.joined({**params, "uri": wire.encode(uri)})
            session.tell(wire.notification(UPDATED, without_reserved(told)))

    def runtime_ended(self, runtime: Runtime, reason: str) -> None:
        log.info("upstream_ended", server=runtime.slug, user_id=runtime.user_id, why=reason)

    def values_judged(self, server_id: str, identity: Identity, refused: bool) -> None:
        self._values_judged(identity.user_id, server_id, identity.credential_version, refused)

    # the facade

    def sessions(self) -> list[LiveSession]:
        return [
            LiveSession(
                session_id=session.public_id,
                user_id=session.principal.user_id,
                key_id=session.principal.key_id,
                client_name=session.client.name,
                client_version=session.client.version,
                protocol_version=session.asker.protocol,
                view=session.path,
                created_at=session.created,
                idle_seconds=0.0 if session.busy else session.idle_seconds,
                in_flight=len(session.in_flight),
                stream_open=session.own.open,
                calls=_under_way(session),
            )
            for session in self._lifecycle.live
        ]

    def figures(self) -> Figures:
        live = list(self._lifecycle.live)
        return Figures(
            sessions=Counter(session.asker.protocol for session in live),
            streams=sum(session.own.open for session in live),
            in_flight=self.in_flight,
            queued=self._front.queued,
            parked=self._front.parked,
            rows_waiting=self._traffic.waiting,
            spooled=self._traffic.spooled,
            rows_overflowed=self._traffic.overflowed,
            rows_lost=self._traffic.lost,
        )

    async def sessions_everywhere(self) -> list[AtNode[LiveSession]]:
        return await self._everywhere.sessions()

    async def end_session(self, session_id: str, reason: str) -> bool:
        ended = await self._everywhere.end_session(session_id, reason)
        return ended or await self._lifecycle.end_elsewhere(session_id)

    async def _end_session_here(self, session_id: str, reason: str) -> bool:
        for session in self._lifecycle.live:
            if session.public_id == session_id:
                self._lifecycle.end(session, reason)
                return True
        return False

    async def nodes(self) -> list[Node]:
        return await self._nodes.shown() if self._nodes is not None else []

    async def leave(self) -> None:
        if self._nodes is not None:
            await self._nodes.leave()

    async def end_user(self, user_id: str, reason: str) -> None:
        self._lifecycle.end_user(user_id, reason)

    def status(self, server_id: str) -> ServerStatus:
        return self._pool.status(server_id)

    def _statuses_here(self) -> list[LiveStatus]:
        return [LiveStatus(server_id, self._pool.status(server_id)) for server_id in self._model.servers]

    async def statuses_everywhere(self) -> list[AtNode[LiveStatus]]:
        return await self._everywhere.statuses()

    def runtimes(self) -> list[RuntimeInfo]:
        return self._pool.runtimes()

    def _runtimes_here(self) -> list[LiveRuntime]:
        return [LiveRuntime(info, tuple(self._pool.stderr(info.id)[-STDERR_LINES:])) for info in self._pool.runtimes()]

    async def runtimes_everywhere(self) -> list[AtNode[LiveRuntime]]:
        return await self._everywhere.runtimes()

    async def end_runtime(self, runtime_id: str, reason: str) -> bool:
        return await self._everywhere.end_runtime(runtime_id, reason)

    def sandbox(self, server_id: str) -> Contained | None:
        return self._pool.sandbox(self._model.servers[server_id].spec)

    async def reload(self, server_id: str) -> None:
        await self._pool.end_server(server_id, "reloaded")
        self._pool.forget_failures(server_id)
        self._lists_changed(server_id, None, TOOLS)

    def known_tools(self, user_id: str, server_id: str) -> list[Tool] | None:
        server = self._model.servers.get(server_id)
        found = self._relay.router.held(user_id, server) if server is not None else None
        return None if server is None or found is None else _tools(server, found)

    async def list_tools(self, principal: Principal, server_id: str) -> list[Tool]:
        server = self._model.servers[server_id]
        asker = one_shot(self._model, principal, ALL, NEWEST)
        return _tools(server, await self._relay.router.listed(asker, server, anew=True))

    async def find_tools(self, principal: Principal, query: str, server_id: str) -> list[FoundTool]:
        search = self.tool_search
        if search is None or not search.on:
            return []
        asker = one_shot(self._model, principal, View("server", server_id) if server_id else ALL, NEWEST)
        hits = await search.find(asker, query[:MOST_QUERY], MOST_FOUND, datetime.now(UTC))
        return [FoundTool(server.server_id, _tool(server, item)) for server, item in hits.items if hits.sure]

    async def try_tool(
        self,
        principal: Principal,
        server_id: str,
        tool: str,
        arguments: bytes,
        gone: Callable[[], Awaitable[None]] | None = None,
    ) -> TriedTool:
        asker = one_shot(self._model, principal, View("server", server_id), NEWEST, own_names=True)
        params = wire.joined({"name": wire.encode(tool), "arguments": arguments})
        began = time.perf_counter()
        call, frame = await self._front.once(asker, "tools/call", params, gone)
        took = round((time.perf_counter() - began) * 1000, 1)
        if (refused := call.refused) is not None and (refused.denied or isinstance(refused, ValuesMissing)):
            reason: Literal["not_visible", "variables_missing"] = (
                "not_visible" if refused.denied else "variables_missing"
            )
            return TriedTool(request_id=call.request_id, duration_ms=took, refused=reason, why=str(refused))
        answer = wire.members(frame)
        return TriedTool(
            request_id=call.request_id,
            duration_ms=took,
            result=bytes(answer["result"]) if "result" in answer else None,
            error=bytes(answer["error"]) if "error" in answer else None,
        )

    async def test_connection(self, principal: Principal, server_id: str, typed: Mapping[str, str]) -> Trial:
        server = self._model.servers[server_id]
        identity = one_shot(self._model, principal, ALL, NEWEST).identity(self._model, server_id)
        if typed:
            identity = replace(identity, credential_version="")  # what comes of it says nothing of the saved values
        return await tried(server.spec, identity, typed, injector=self._injector, pool=self._pool)


def _tools(server: ServerState, found: ServerList) -> list[Tool]:
    return [_tool(server, item) for item in found.items]


def _tool(server: ServerState, item: Item) -> Tool:
    definition = described(server, TOOLS, item.name, item.raw)
    original = wire.text(wire.members(item.raw), "description") if definition is not item.raw else None
    shown = item.shown if item.shown != item.name else None
    return Tool(item.name, item.exposed, definition, original, item.hash, shown)


def _report(task: Any) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("clean_up_failed", why=type(task.exception()).__name__)


def _under_way(session: Session) -> tuple[LiveCall, ...]:
    requests = sorted((call.request for call in session.in_flight.values()), key=lambda request: request.id)
    return tuple(
        LiveCall(
            request_id=request.public_id,
            method=request.method,
            server=request.server,
            tool=request.tool,
            since=came_in(request.id),
        )
        for request in requests
    )
