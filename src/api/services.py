"""What the handlers work with: one struct of the running hub's parts, and how a command is run for a request."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import structlog
from msgspec import Struct, field
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from mcphub.api.access_log import AccessLog
from mcphub.api.incoming import incoming
from mcphub.api.streams import OpenStreams
from mcphub.domain.access import AccessModel
from mcphub.domain.actor import ACTOR, current
from mcphub.domain.hub import Command, Hub
from mcphub.domain.vault import Vault
from mcphub.gateway.rejections import Rejections
from mcphub.gateway.tool_search import SearchParts
from mcphub.metrics import Metrics
from mcphub.operations.checkpoints import Checkpoints
from mcphub.projections.directory import Directory
from mcphub.projections.projector import Projector
from mcphub.projections.tail import Tail
from mcphub.replica import ReplicaLag
from mcphub.settings import Settings

log = structlog.get_logger()

CommandT = TypeVar("CommandT", bound=Command)
VISIBLE_SECONDS = 1.0


class Origin(Struct, frozen=True):
    """Where a request came from; sealed before it becomes metadata, and nowhere else kept."""

    ip: str = ""
    ua: str = ""


ORIGIN: ContextVar[Origin] = ContextVar("ORIGIN", default=Origin())  # noqa: B039  frozen


class Accepted(Exception):
    """What was asked for is recorded up to a position that the read tables do not show yet; answered as a 202."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class Committed(Struct, Generic[CommandT], frozen=True):
    """A change that is in the ledger. `visible`: the read tables show it already."""

    position: int
    command: CommandT
    changed: bool
    visible: bool

    def must_show(self) -> None:
        """Before the answer is read from the tables.

        Raises:
            Accepted: they do not show the change yet.
        """
        if not self.visible:
            raise Accepted(self.position)


class Commands:
    """Runs commands in a thread, as the request's actor, and waits until the change is visible here."""

    def __init__(self, hub: Hub, vault: Vault, tail: Tail, projector: Projector) -> None:
        self._hub = hub
        self._vault = vault
        self._tail = tail
        self._projector = projector

    async def run(self, build: Callable[[], CommandT], *, if_match: int | None = None) -> Committed[CommandT]:
        """The answer's headers will name the position.

        Raises:
            Refused: a rule said no; nothing was written.
            LedgerUnavailable: it could not be recorded, so it did not happen.
        """
        meta, origin = current(), ORIGIN.get()

        def work() -> Any:
            if meta.actor_kind == "user" and not meta.ip:
                sealed = replace(
                    meta,
                    ip=self._vault.seal_personal(meta.actor, "meta.ip", origin.ip),
                    ua=self._vault.seal_personal(meta.actor, "meta.ua", origin.ua[:300]),
                )
                ACTOR.set(sealed)  # of this thread's copy of the context
            return self._hub.execute(build, if_match=if_match)

        done = await asyncio.to_thread(work)
        if done.changed:
            log.info("command_committed", command=type(done.command).__name__, position=done.position)
        visible = await self.shown(done.position)
        here = incoming()
        here.position, here.pending = done.position, not visible
        return Committed(done.position, done.command, done.changed, visible)

    async def shown(self, position: int, within: float | None = None) -> bool:
        """Waits until this process decides by the fact and the read tables show it; False after `within`, a second."""
        try:
            async with asyncio.timeout(VISIBLE_SECONDS if within is None else within):
                await self._tail.reached(position)
                await self._projector.reached(position)
        except TimeoutError:
            return False
        return True


class Services(Struct):
    """The parts of the running hub."""

    settings: Settings
    version: str
    hub: Hub
    vault: Vault
    model: AccessModel
    tail: Tail
    projector: Projector
    directory: Directory
    commands: Commands
    read: AsyncConnectionPool[Any]  # search path: read, public
    history: Any  # the same for the history of calls, which may be behind: that pool, or postgres.pool.Preferred
    write: Any  # the command side's sync pool, for rows that are no facts
    gateway: Any  # gateway.facade: live sessions, upstream status, try a tool, test a connection
    log_ring: Any  # logging.LogRing
    access_log: AccessLog
    rejections: Rejections
    checkpoints: Checkpoints
    search: SearchParts
    started_at: float  # Unix seconds
    metrics: Metrics = field(default_factory=Metrics)
    pools: tuple[Any, ...] = ()  # every pool of connections, for what is measured of them
    streams: OpenStreams = field(default_factory=OpenStreams)
    draining: bool = False
    outgrown: int = 0  # the migration this hub's code cannot go on with, for which it drains
    replica: ReplicaLag | None = None
