"""The seam between the two halves of the gateway: what a call may ask of an upstream, and the other way round.

A runtime is one process or connection, opened for one user (or declared shared). Payloads cross the seam as raw JSON.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from msgspec import Struct

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway.upstream.contained import Contained


class UpstreamFailed(Exception):
    """An upstream did not do what was asked of it."""


class UpstreamTimeout(UpstreamFailed):
    """No complete answer in time; the request may have been carried out.

    Args:
        seconds: how long was waited, in all or since the last sign of life.
    """

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


class UpstreamUnreachable(UpstreamFailed):
    """The connection or process is gone.

    Args:
        sent: the request had left the hub, so it may have been carried out.
    """

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class UpstreamBroken(UpstreamFailed):
    """The upstream answered something that is no answer."""


class UpstreamRefused(UpstreamBroken):
    """The upstream knows nobody by the values it was given (HTTP 401 or 403)."""


class InitializeRefused(UpstreamBroken):
    """The upstream answers `initialize` with an error of its own: it may be of the era that has none."""


class UpstreamUnavailable(UpstreamFailed):
    """No runtime could be opened; nothing was asked of the upstream.

    Args:
        next_retry_at: Unix seconds before which no further attempt is made; None when the next call may try at once.
        refused: for the values it was given.
    """

    def __init__(self, server: str, reason: str, next_retry_at: float | None = None, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused
        self.server = server
        self.reason = reason
        self.next_retry_at = next_retry_at


class Reply(Struct, frozen=True):
    """Exactly one of the first two is set: the raw JSON of the member, untouched.

    Args:
        refused: the result tells that a REST service knows nobody by the values it was given (HTTP 401).
    """

    result: bytes | None = None
    error: bytes | None = None
    refused: bool = False


class Identity(Struct, frozen=True):
    """For whom a runtime is opened."""

    user_id: str
    session_id: str  # public id of the downstream session; '' for one-shot requests
    key_id: str
    groups: tuple[str, ...]  # names of the active groups
    protocol_version: str  # negotiated with the downstream client
    client_params: bytes  # the client's own initialize params, raw JSON
    credential_version: str  # digest of the versions of this user's values for this server
    declared: str = ""  # of a 2026-07-28 client: digest of what it said it can do, in the place of a session


class Caller(Protocol):
    """The downstream side of one call, as an upstream sees it. `notify` never waits."""

    @property
    def request_id(self) -> str: ...

    @property
    def log_level(self) -> str | None:
        """The least of what a server logs that the client wants to hear; '' for everything, None for nothing."""

    @property
    def traceparent(self) -> str:
        """W3C, or ''."""

    @property
    def tracestate(self) -> str:
        """W3C, of the same trace, or ''."""

    @property
    def repeated(self) -> Mapping[str, str]:
        """Headers that repeat arguments of the call, for an upstream of 2026-07-28."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Inbound headers, lower case; only for `passthroughHeaders`."""

    def notify(self, frame: bytes) -> None:
        """A whole JSON-RPC notification of the upstream that belongs to this call."""

    async def ask(self, method: str, params: bytes) -> Reply:
        """A request of the upstream to the client: sampling, elicitation, roots."""


class Runtime(Protocol):
    """One open process or connection."""

    @property
    def modern(self) -> bool:
        """Does it speak 2026-07-28: every request complete in itself, nothing asked in between?"""

    @property
    def server_id(self) -> str: ...

    @property
    def slug(self) -> str: ...

    @property
    def user_id(self) -> str | None:
        """None only for a shared one."""

    @property
    def session_id(self) -> str:
        """Public id of the only downstream session it serves; '' when there is none or more than one."""

    @property
    def initialize_result(self) -> bytes: ...

    log_level: str  # what it was told to log at least; '' for its own choice

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109  reset by progress, so the upstream keeps the clock
        reset_on_progress: bool,
        max_total: float,
    ) -> Reply:
        """
        Raises:
            UpstreamTimeout, UpstreamUnreachable, UpstreamBroken: see there. Cancelling tells the upstream.
        """

    async def notify(self, method: str, params: bytes) -> None: ...

    async def close(self, reason: str) -> None: ...


class Listener(Protocol):
    """What runtimes report outside any call."""

    def server_notification(self, runtime: Runtime, method: str, frame: bytes) -> None: ...

    async def server_asks(self, runtime: Runtime, method: str, params: bytes) -> Reply:
        """A question that belongs to no call."""

    def runtime_ended(self, runtime: Runtime, reason: str) -> None: ...

    def values_judged(self, server_id: str, identity: Identity, refused: bool) -> None:
        """A request carried the user's values, and the upstream refused them (HTTP 401 or 403) or took them."""


class ServerStatus(Struct, frozen=True, kw_only=True):
    """How a server is doing, over all its runtimes. Times are Unix seconds."""

    state: Literal["idle", "connecting", "connected", "error"]
    since: float
    error: str = ""
    next_retry_at: float | None = None
    runtimes: int = 0
    leases: int = 0
    reconnects: int = 0


class RuntimeInfo(Struct, frozen=True, kw_only=True):
    """One open runtime, for administrators. Times are Unix seconds."""

    id: str
    server_id: str
    user_id: str | None
    session_id: str
    kind: str
    pid: int | None
    opened_at: float
    last_used: float
    in_flight: int
    ahead: bool = False  # opened before anybody asked for it, and nobody has yet


class Pool(Protocol):
    """Every open runtime, by (server, transport, user, credential version) and for HTTP the downstream session."""

    def lease(
        self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]
    ) -> AbstractAsyncContextManager[Runtime]:
        """
        Raises:
            MissingVariables, UnusableValue: from `inject`; nothing was dialled or spawned.
            UpstreamUnavailable: it could not be opened.
        """

    def once(
        self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]
    ) -> AbstractAsyncContextManager[Runtime]:
        """A runtime for this block alone: opened whatever the back-off says, lent to nobody else, ended with the block.

        Raises:
            MissingVariables, UnusableValue: as `lease`.
            UpstreamFailed: it could not be opened; no failure is remembered for others.
        """

    async def ahead(self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]) -> bool:
        """Opens a runtime for which nobody has asked yet, where there is room without ending another one.

        Returns whether it was opened: not when it is open already, or its server is to be left alone for a while.

        Raises:
            MissingVariables, UnusableValue: as `lease`.
        """

    async def end_session(self, session_id: str) -> None: ...

    async def tell(self, session_id: str, user_id: str, server_id: str, method: str, params: bytes) -> None:
        """A notification of a session for what is open for it, or for its user; server '' for every server."""

    async def end_user(self, user_id: str, reason: str) -> None: ...

    async def end_server(self, server_id: str, reason: str) -> None: ...

    async def end_barred(self, barred: Callable[[str, str], bool], reason: str) -> None:
        """Ends the runtimes of users who may no longer use their server: `barred` of (user id, server id)."""

    async def drain_credential(self, user_id: str, server_id: str) -> None:
        """New calls open a new runtime; the old one ends when its leases are gone."""

    async def drain_server(self, server_id: str) -> None:
        """The same for every runtime of a server: its configuration is another one now."""

    async def tidy(self, servers: Collection[str], gone_users: Collection[str]) -> None:
        """Removes what processes left on the disk, of servers not among these and of these users."""

    def forget_failures(self, server_id: str) -> None:
        """The next call may try at once, whatever the back-off says."""

    async def end_runtime(self, runtime_id: str, reason: str) -> bool:
        """False when there is none of this id."""

    def stderr(self, runtime_id: str) -> list[str]:
        """The newest lines a process wrote, oldest first, secrets masked; none of anything else."""

    def sandbox(self, spec: ServerSpec) -> Contained | None:
        """What holds the server's processes, the least held of them; before the first one, what is to be expected.
        None when it has no processes.
        """

    def status(self, server_id: str) -> ServerStatus: ...

    def runtimes(self) -> list[RuntimeInfo]: ...

    async def close(self) -> None:
        """Ends everything; nothing is opened afterwards."""
