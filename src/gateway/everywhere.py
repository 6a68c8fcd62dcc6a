"""What is live at all nodes of the database: asked of each when an administrator looks, and ended wherever it is.

Nobody keeps it: a look is one question to each of the others, whoever looks within half a second shares the answers,
and a node that does not answer is named instead of being waited for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mcphub.gateway.facade import AtNode, LiveRuntime, LiveSession, LiveStatus
from mcphub.gateway.nodes import EndRuntime, EndSession, Nodes, Question, ShowRuntimes, ShowSessions, ShowStatuses
from mcphub.gateway.upstream.runtime import ServerStatus

FRESH = 0.5  # seconds others' answers are shared by those who look

STATES = ("connected", "connecting", "error", "idle")  # of a server at several nodes the first of these

T = TypeVar("T", LiveSession, LiveRuntime, LiveStatus)
Told = dict[str, tuple[str, bytes | None]]  # node → its name, and what it says; None when it does not answer
End = Callable[[str, str], Awaitable[bool]]  # (id, reason); False when there is none of this id

encode = msgspec.msgpack.encode
decode_sessions = msgspec.msgpack.Decoder(tuple[float, list[LiveSession]]).decode
decode_runtimes = msgspec.msgpack.Decoder(tuple[float, list[LiveRuntime]]).decode
decode_statuses = msgspec.msgpack.Decoder(tuple[float, list[LiveStatus]]).decode
decode_known = msgspec.msgpack.Decoder(bool).decode


class Found(Struct, frozen=True, kw_only=True):
    """A session, at every node where it is live: its stream may be open at one while its requests come to others.

    Args:
        session: what it does at all of them together.
        nodes: their ids.
        heard: when it was last heard of, Unix seconds by the clock of its node; 0 while it is busy.
    """

    session: LiveSession
    nodes: tuple[str, ...]
    heard: float


def merged(places: Iterable[AtNode[LiveSession]]) -> list[Found]:
    """Each session once, whatever nodes it is live at."""
    found: dict[str, Found] = {}
    for place in places:
        for session in place.found or ():
            heard = place.at - session.idle_seconds if session.idle_seconds else 0.0
            one = Found(session=session, nodes=(place.id,), heard=heard)
            known = found.get(session.session_id)
            found[session.session_id] = _together(known, one) if known is not None else one
    return list(found.values())


def _together(one: Found, other: Found) -> Found:
    calls = sorted((*one.session.calls, *other.session.calls), key=lambda call: call.since)
    session = replace(
        one.session,
        idle_seconds=min(one.session.idle_seconds, other.session.idle_seconds),
        in_flight=one.session.in_flight + other.session.in_flight,
        stream_open=one.session.stream_open or other.session.stream_open,
        calls=tuple(calls),
    )
    heard = max(one.heard, other.heard) if session.idle_seconds else 0.0
    return Found(session=session, nodes=one.nodes + other.nodes, heard=heard)


def statuses_of(places: Iterable[AtNode[LiveStatus]]) -> dict[str, ServerStatus]:
    """How each server is doing at all nodes together, by its id: what it does is added up, and where it works at one
    of them it works. An error is told wherever it is.
    """
    found: dict[str, ServerStatus] = {}
    for place in places:
        for live in place.found or ():
            known = found.get(live.server_id)
            found[live.server_id] = _both(known, live.status) if known is not None else live.status
    return found


def _both(one: ServerStatus, other: ServerStatus) -> ServerStatus:
    first, second = sorted((one, other), key=lambda status: (STATES.index(status.state), status.since))
    retries = [status.next_retry_at for status in (one, other) if status.next_retry_at is not None]
    return ServerStatus(
        state=first.state,
        since=first.since,
        error=first.error or second.error,
        next_retry_at=min(retries, default=None),
        runtimes=one.runtimes + other.runtimes,
        leases=one.leases + other.leases,
        reconnects=one.reconnects + other.reconnects,
    )


class Everywhere:
    """
    Args:
        nodes: this node among the others; None where it is alone.
        name: of this node.
        sessions, runtimes, statuses: what is live here.
        end_session, end_runtime: end it here.
    """

    def __init__(
        self,
        nodes: Nodes | None,
        name: str,
        *,
        sessions: Callable[[], list[LiveSession]],
        runtimes: Callable[[], list[LiveRuntime]],
        statuses: Callable[[], list[LiveStatus]],
        end_session: End,
        end_runtime: End,
    ) -> None:
        self._nodes = nodes
        self._id, self._name = (nodes.id, nodes.name) if nodes is not None else ("", name)
        self._sessions_here, self._runtimes_here, self._statuses_here = sessions, runtimes, statuses
        self._end_session_here, self._end_runtime_here = end_session, end_runtime
        self._looks: dict[type[Question], tuple[float, asyncio.Task[Told]]] = {}
        self._ending: set[asyncio.Task[bool]] = set()
        if nodes is not None:
            nodes.answer = self.answer

    async def sessions(self) -> list[AtNode[LiveSession]]:
        """Of each living node, this one first."""
        return await self._shown(ShowSessions(), self._sessions_here, decode_sessions)

    async def runtimes(self) -> list[AtNode[LiveRuntime]]:
        """Of each living node, this one first."""
        return await self._shown(ShowRuntimes(), self._runtimes_here, decode_runtimes)

    async def statuses(self) -> list[AtNode[LiveStatus]]:
        """Of each living node, this one first."""
        return await self._shown(ShowStatuses(), self._statuses_here, decode_statuses)

    async def end_session(self, session_id: str, reason: str) -> bool:
        """Also one that has no row, as those of clients without sessions have none."""
        return await self._end_session_here(session_id, reason) or await self._end(EndSession(session_id, reason))

    async def end_runtime(self, runtime_id: str, reason: str) -> bool:
        return await self._end_runtime_here(runtime_id, reason) or await self._end(EndRuntime(runtime_id, reason))

    async def answer(self, question: Question) -> bytes:
        """What another node is told."""
        match question:
            case ShowSessions():
                return encode((time.time(), self._sessions_here()))
            case ShowRuntimes():
                return encode((time.time(), self._runtimes_here()))
            case ShowStatuses():
                return encode((time.time(), self._statuses_here()))
            case EndSession(session_id=session_id, reason=reason):
                return encode(await self._end_session_here(session_id, reason))
            case EndRuntime(runtime_id=runtime_id, reason=reason):
                known = any(live.info.id == runtime_id for live in self._runtimes_here())
                if known:  # a process takes its time to end, and the question has a deadline
                    ending = asyncio.ensure_future(self._end_runtime_here(runtime_id, reason))
                    self._ending.add(ending)
                    ending.add_done_callback(self._ending.discard)
                return encode(known)

    async def _shown(
        self, question: Question, here: Callable[[], list[T]], decode: Callable[[bytes], tuple[float, list[T]]]
    ) -> list[AtNode[T]]:
        told = await self._look(question)
        shown = [AtNode(id=self._id, name=self._name, at=time.time(), found=here())]
        for node, (name, answer) in told.items():
            at, found = decode(answer) if answer is not None else (0.0, None)
            shown.append(AtNode(id=node, name=name, at=at, found=found))
        return shown

    async def _look(self, question: Question) -> Told:
        if self._nodes is None:
            return {}
        at, look = self._looks.get(type(question), (0.0, None))
        if look is None or time.monotonic() - at > FRESH:
            look = asyncio.create_task(self._asked(self._nodes, question), name="look-at-nodes")
            self._looks[type(question)] = time.monotonic(), look
        return await asyncio.shield(look)

    async def _asked(self, nodes: Nodes, question: Question) -> Told:
        names = dict(nodes.others)
        return {node: (names.get(node, node), answer) for node, answer in (await nodes.ask(question)).items()}

    async def _end(self, question: EndSession | EndRuntime) -> bool:
        if self._nodes is None:
            return False
        answers = (await self._nodes.ask(question)).values()
        self._looks.clear()
        return any(answer is not None and decode_known(answer) for answer in answers)
