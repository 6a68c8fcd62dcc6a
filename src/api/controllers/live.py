"""What runs now, for administrators: sessions of IDEs, upstream servers and their runtimes, and counts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from litestar import Controller, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import to_builtins
from msgspec.structs import asdict, replace

from mcphub.api.caller import ADMIN, Caller, Guard
from mcphub.api.catalog import Catalog, at_or_none
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.api.streams import events, stream
from mcphub.gateway.everywhere import Found, merged, statuses_of
from mcphub.gateway.facade import AtNode
from mcphub.gateway.facade import LiveCall as Call
from mcphub.projections.requests import Filters, Requests

LOOK_SECONDS = 1.0  # between two looks at what a stream of sessions shows


class HeardNode(Out, kw_only=True):
    """A living node of this database. What one has that did not `answer` in time is missing from the list."""

    id: str
    name: str
    answered: bool


class LiveCall(Out, kw_only=True):
    """A request under way; `server` and `tool` are empty until it is decided where it goes.

    `timeoutMs`: how long the server may take for it, progress apart; null for what is no tool's call.
    """

    request_id: str
    method: str
    server: str
    tool: str
    since: datetime
    timeout_ms: int | None


class LiveSession(Out, kw_only=True):
    """`calls` are those in flight, the longest first; `idleSeconds` is 0 while there is one, or an open stream;
    `nodes` are the ids of those it is live at: more than one where its stream is open elsewhere than its requests go.
    """

    id: str
    nodes: list[str]
    user_id: str
    username: str
    key_id: str
    key_name: str
    client_name: str
    client_version: str
    protocol_version: str
    view: str
    since: datetime
    idle_seconds: float
    in_flight: int
    stream_open: bool
    calls: list[LiveCall]


class LiveSessionsAnswer(Envelope, kw_only=True):
    data: list[LiveSession]
    nodes: list[HeardNode]


class UpstreamState(Out, kw_only=True):
    """At all nodes together: `connected` where it is so at one of them, `since` then, and the counts of all. `sandbox`
    is what holds the server's processes at this node, the least held of them; null when it has none. `sandboxMissing`
    maps each layer that does not to the reason.
    """

    server: str
    slug: str
    state: str
    since: datetime | None
    error: str | None
    next_retry_at: datetime | None
    runtimes: int
    leases: int
    reconnects: int
    sandbox: str | None
    sandbox_layers: tuple[str, ...]
    sandbox_missing: Mapping[str, str]


class UpstreamStatesAnswer(Envelope, kw_only=True):
    data: list[UpstreamState]
    nodes: list[HeardNode]


class UpstreamRuntime(Out, kw_only=True):
    """`node` is the id of the one that holds it; `userId` is null for a shared one; `ahead` says that it was opened
    before anybody asked for it, and nobody has yet; `stderr` is what its process wrote last, secrets masked.
    """

    id: str
    node: str
    server: str
    user_id: str | None
    username: str | None
    session_id: str
    kind: str
    pid: int | None
    opened_at: datetime
    last_used_at: datetime
    in_flight: int
    ahead: bool
    stderr: list[str]


class UpstreamRuntimesAnswer(Envelope, kw_only=True):
    data: list[UpstreamRuntime]
    nodes: list[HeardNode]


class Totals(Out, kw_only=True):
    """`sessions` are those of all nodes; `requests…`, `errorRate` and `p95Ms` are of today, UTC."""

    users: int
    active_users: int
    admins: int
    keys: int
    servers: int
    servers_by_status: dict[str, int]
    sessions: int
    requests_today: int
    pending_requests: int
    error_rate: float
    p95_ms: float | None


class TotalsAnswer(Envelope, kw_only=True):
    data: Totals


class LiveController(Controller):
    path = "/api/admin"
    tags = ("Live",)

    @get("/session-stats", operation_id="liveSessions", summary="Sessions of IDEs on all nodes", who=ADMIN)
    async def sessions(self, services: NamedDependency[Services]) -> LiveSessionsAnswer:
        places = await services.gateway.sessions_everywhere()
        return LiveSessionsAnswer(data=await _shown(services, merged(places)), nodes=_heard(places))

    @get(
        "/session-stats/stream",
        operation_id="liveSessionStream",
        summary="The same, whenever it is something else, as server-sent events",
        media_type="text/event-stream",
        who=ADMIN,
    )
    async def follow(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
    ) -> Stream:
        """Each event is the whole answer: `{data: […], nodes: […]}`; the first one comes at once."""
        source = events(_followed(services), lambda: guard.still(caller))
        return stream(services.streams.one_more(caller.user_id, source))

    @delete("/sessions/{session_id:str}", operation_id="endSession", summary="End a session of an IDE", who=ADMIN)
    async def end(self, session_id: FromPath[str], services: NamedDependency[Services]) -> None:
        if not await services.gateway.end_session(session_id, "ended_by_admin"):
            raise not_found("There is no such session.")

    @get("/upstream-status", operation_id="upstreamStatus", summary="How each server is doing, at all nodes", who=ADMIN)
    async def upstreams(
        self, services: NamedDependency[Services], catalog: NamedDependency[Catalog]
    ) -> UpstreamStatesAnswer:
        states = []
        places = await services.gateway.statuses_everywhere()
        statuses = statuses_of(places)
        for server in catalog.in_order():
            status = statuses.get(server.server_id) or services.gateway.status(server.server_id)
            held = services.gateway.sandbox(server.server_id)
            states.append(
                UpstreamState(
                    server=server.name,
                    slug=server.slug,
                    state=status.state if server.enabled else "disabled",
                    since=at_or_none(status.since or None),
                    error=status.error or None,
                    next_retry_at=at_or_none(status.next_retry_at),
                    runtimes=status.runtimes,
                    leases=status.leases,
                    reconnects=status.reconnects,
                    sandbox=held.level if held else None,
                    sandbox_layers=held.layers if held else (),
                    sandbox_missing=held.missing if held else {},
                )
            )
        return UpstreamStatesAnswer(data=states, nodes=_heard(places))

    @get(
        "/upstream-sessions",
        operation_id="upstreamRuntimes",
        summary="Open processes and connections of all nodes",
        who=ADMIN,
    )
    async def runtimes(self, services: NamedDependency[Services]) -> UpstreamRuntimesAnswer:
        places = await services.gateway.runtimes_everywhere()
        open_ = [(place, live.info, live.stderr) for place in places for live in place.found or ()]
        names = await services.directory.names(runtime.user_id for _, runtime, _ in open_ if runtime.user_id)
        servers = services.model.servers
        return UpstreamRuntimesAnswer(
            nodes=_heard(places),
            data=[
                UpstreamRuntime(
                    id=runtime.id,
                    node=place.id,
                    server=servers[runtime.server_id].name if runtime.server_id in servers else "",
                    user_id=runtime.user_id,
                    username=names[runtime.user_id].username if runtime.user_id else None,
                    session_id=runtime.session_id,
                    kind=runtime.kind,
                    pid=runtime.pid,
                    opened_at=datetime.fromtimestamp(runtime.opened_at, UTC),
                    last_used_at=datetime.fromtimestamp(runtime.last_used, UTC),
                    in_flight=runtime.in_flight,
                    ahead=runtime.ahead,
                    stderr=list(stderr),
                )
                for place, runtime, stderr in open_
            ],
        )

    @delete(
        "/upstream-sessions/{name:str}/{runtime_id:str}",
        operation_id="endUpstreamRuntime",
        summary="End a process or connection; the next call opens another",
        who=ADMIN,
    )
    async def end_runtime(
        self, name: FromPath[str], runtime_id: FromPath[str], services: NamedDependency[Services]
    ) -> None:
        server = services.model.settings.by_name(name)
        known = server is not None and any(
            live.info.id == runtime_id and live.info.server_id == server.server_id
            for place in await services.gateway.runtimes_everywhere()
            for live in place.found or ()
        )
        if not known or not await services.gateway.end_runtime(runtime_id, "ended by an administrator"):
            raise not_found("There is no such process or connection at a node that answers.")

    @get("/stats", operation_id="totals", summary="Counts of everything", who=ADMIN)
    async def totals(
        self,
        services: NamedDependency[Services],
        catalog: NamedDependency[Catalog],
        requests: NamedDependency[Requests],
    ) -> TotalsAnswer:
        model, now = services.model, datetime.now(UTC)
        users = [user for user in model.users.values() if not user.deleted]
        states: dict[str, int] = {}
        for server in catalog.in_order():
            state = services.gateway.status(server.server_id).state if server.enabled else "disabled"
            states[state] = states.get(state, 0) + 1
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        found: Any = await requests.stats(Filters(from_=today, to=now))
        figures = found[0] if found else None
        return TotalsAnswer(
            data=Totals(
                users=len(users),
                active_users=sum(user.active for user in users),
                admins=sum(user.admin for user in users),
                keys=sum(key.usable(now) for key in model.keys.values()),
                servers=len(model.servers),
                servers_by_status=states,
                sessions=len(merged(await services.gateway.sessions_everywhere())),
                requests_today=figures.count if figures else 0,
                pending_requests=await requests.pending(),
                error_rate=figures.error_rate if figures else 0.0,
                p95_ms=figures.p95_ms if figures else None,
            )
        )


def _heard(places: Sequence[AtNode[Any]]) -> list[HeardNode]:
    return [HeardNode(id=place.id, name=place.name, answered=place.found is not None) for place in places]


async def _shown(services: Services, live: Sequence[Found]) -> list[LiveSession]:
    names = await services.directory.names(found.session.user_id for found in live)
    keys = services.model.keys
    return [
        LiveSession(
            id=session.session_id,
            nodes=list(nodes),
            user_id=session.user_id,
            username=names[session.user_id].username,
            key_id=session.key_id,
            key_name=keys[session.key_id].name if session.key_id in keys else "",
            client_name=session.client_name,
            client_version=session.client_version,
            protocol_version=session.protocol_version,
            view=session.view,
            since=session.created_at,
            idle_seconds=round(session.idle_seconds, 1),
            in_flight=session.in_flight,
            stream_open=session.stream_open,
            calls=[LiveCall(timeout_ms=_timeout(services, call), **asdict(call)) for call in session.calls],
        )
        for session, nodes in ((found.session, found.nodes) for found in live)
    ]


def _timeout(services: Services, call: Call) -> int | None:
    server = services.model.settings.by_slug(call.server)
    return server.spec.timeout_ms if server is not None and call.method == "tools/call" else None


async def _followed(services: Services) -> AsyncIterator[dict[str, Any]]:
    """Looked at once a second: sessions change with every call, and nobody reads faster."""
    said: object = None
    while True:
        places = await services.gateway.sessions_everywhere()
        live, nodes = merged(places), _heard(places)
        now = await _shown(services, live)
        # That a session has been idle for longer is no change; that it was heard of again is one.
        standing = (
            nodes,
            [replace(session, idle_seconds=round(found.heard)) for session, found in zip(now, live, strict=True)],
        )
        if standing != said:
            said = standing
            yield {"data": to_builtins(now), "nodes": to_builtins(nodes)}
        await asyncio.sleep(LOOK_SECONDS)
