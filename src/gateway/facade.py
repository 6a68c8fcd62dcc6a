"""What the management API and the command line may ask of the running gateway, and nothing else of it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from mcphub.domain.access import Principal, View
from mcphub.gateway.nodes import Node
from mcphub.gateway.trial import Trial
from mcphub.gateway.upstream.contained import Contained
from mcphub.gateway.upstream.runtime import RuntimeInfo, ServerStatus

Live = TypeVar("Live")
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class LiveCall(Struct, frozen=True, kw_only=True):
    """A request under way. `request_id` is what the client is told; `server` and `tool` are empty until decided."""

    request_id: str
    method: str
    server: str
    tool: str
    since: datetime


class LiveSession(Struct, frozen=True, kw_only=True):
    """One downstream session of this process."""

    session_id: str  # public UUID
    user_id: str
    key_id: str
    client_name: str
    client_version: str
    protocol_version: str
    view: str
    created_at: datetime
    idle_seconds: float
    in_flight: int
    stream_open: bool
    calls: tuple[LiveCall, ...] = ()  # in flight, the longest first


class LiveRuntime(Struct, frozen=True):
    """An open runtime. `stderr`: the newest lines its process wrote, oldest first, secrets masked."""

    info: RuntimeInfo
    stderr: tuple[str, ...]


class AtNode(Struct, Generic[Live], frozen=True, kw_only=True):
    """What is live at a node.

    Args:
        id: of its run; '' where a hub knows of no nodes.
        at: its clock as it said so, Unix seconds.
        found: None when it did not answer in time.
    """

    id: str
    name: str
    at: float
    found: list[Live] | None


class LiveStatus(Struct, frozen=True):
    """How a server is doing at a node."""

    server_id: str
    status: ServerStatus


class Tool(Struct, frozen=True):
    """A tool as a user sees it. `definition` is the upstream's JSON, the administrator's description in it."""

    name: str  # as the upstream spells it
    exposed_name: str  # on the aggregate
    definition: bytes
    original_description: str | None = None  # set when the description is overridden
    hash: str = ""  # of what the server said of it
    shown_name: str | None = None  # at the server's own address, where that is another than `name`


class FoundTool(Struct, frozen=True):
    """A tool, and its place in what was found is how well it fits."""

    server_id: str
    tool: Tool


class TriedTool(Struct, frozen=True, kw_only=True):
    """What a call came to; exactly one of `result`, `error` and `refused` is set.

    Args:
        result, error: JSON of the upstream.
        why: for people; it names variables, never values.
    """

    request_id: str
    duration_ms: float
    result: bytes | None = None
    error: bytes | None = None
    refused: Literal["", "not_visible", "variables_missing"] = ""
    why: str = ""


class Figures(Struct, frozen=True, kw_only=True):
    """How much is going on at this moment.

    Args:
        sessions: by protocol revision.
        streams: of them open, on which a client listens.
        queued: requests that wait for others of their user.
        parked: calls that wait for a client that is away.
        rows_waiting: of the history, that PostgreSQL does not have yet.
        spooled: bytes of the history on the disk that PostgreSQL does not have yet.
        rows_overflowed: that did not fit into memory and took the way through the disk, since the start.
        rows_lost: for good, since the start.
    """

    sessions: Mapping[str, int]
    streams: int
    in_flight: int
    queued: int
    parked: int
    rows_waiting: int
    spooled: int
    rows_overflowed: int
    rows_lost: int


class Gateway(Protocol):
    """The running gateway."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application behind `/mcp`; `scope["path"]` is the whole path."""

    def view_of(self, path: str, principal: Principal) -> View | None:
        """What the principal's client finds at `/mcp…`; None when nothing is there for it."""

    def sessions(self) -> list[LiveSession]:
        """Of this node."""

    async def sessions_everywhere(self) -> list[AtNode[LiveSession]]:
        """Of each living node, this one first."""

    def figures(self) -> Figures: ...

    async def end_session(self, session_id: str, reason: str) -> bool:
        """At whichever node it lives; False when there is no such session."""

    async def nodes(self) -> list[Node]:
        """The hubs on this database, those that ended without a word within a day among them."""

    async def leave(self) -> None:
        """The other nodes are told that this one goes."""

    async def end_user(self, user_id: str, reason: str) -> None:
        """Ends the user's sessions, streams, calls and runtimes."""

    def status(self, server_id: str) -> ServerStatus:
        """At this node."""

    async def statuses_everywhere(self) -> list[AtNode[LiveStatus]]:
        """Of each living node, this one first."""

    def runtimes(self) -> list[RuntimeInfo]:
        """Of this node."""

    async def runtimes_everywhere(self) -> list[AtNode[LiveRuntime]]:
        """Of each living node, this one first."""

    async def end_runtime(self, runtime_id: str, reason: str) -> bool:
        """At whichever node it is open; False when no node that answers has one of this id. What is under way in it
        ends with an error.
        """

    def sandbox(self, server_id: str) -> Contained | None:
        """What holds the server's processes, the least held of them; before the first one, what is to be expected.
        None when it has no processes.
        """

    async def reload(self, server_id: str) -> None:
        """Ends the server's runtimes; the next call opens new ones, whatever the back-off says."""

    def known_tools(self, user_id: str, server_id: str) -> list[Tool] | None:
        """From the list the gateway holds for the user; None when it has none yet. Switched-off tools are in it."""

    async def list_tools(self, principal: Principal, server_id: str) -> list[Tool]:
        """Asks the server, for this user.

        Raises:
            gateway.errors.Answer: it cannot be listed, and why.
        """

    async def find_tools(self, principal: Principal, query: str, server_id: str) -> list[FoundTool]:
        """Tools the principal may use, best first; none when nothing fits well.

        Args:
            server_id: only tools of it; '' for all.

        Raises:
            gateway.errors.Answer: search is not available now.
        """

    async def try_tool(
        self,
        principal: Principal,
        server_id: str,
        tool: str,
        arguments: bytes,
        gone: Callable[[], Awaitable[None]] | None = None,
    ) -> TriedTool:
        """A tools/call at the server's own address: the same decision, row and limits as for a client.

        Args:
            tool: as the upstream spells it, whatever clients call it.
            arguments: a JSON object.
            gone: returns when nobody waits for the answer any more, which cancels the call.

        Raises:
            gateway.load.TooBusy: the user has as much under way as may be.
        """

    async def test_connection(self, principal: Principal, server_id: str, typed: Mapping[str, str]) -> Trial:
        """A handshake with the server for this user, whatever was remembered of it; nothing is kept.

        Args:
            typed: canonical name → value to take instead of the stored one.

        Raises:
            MissingVariables: the user has to enter something first.
        """
