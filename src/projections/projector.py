"""The background role that keeps the read tables up with the ledger.

It is a thread of its own with one connection. It works while it holds an advisory lock (one of all hub processes does),
but nothing depends on the lock, see `tables.py`.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from mcphub.domain.codec import Recorded
from mcphub.postgres.leader import lead
from mcphub.postgres.pool import conninfo
from mcphub.projections.apart import rebuild_apart
from mcphub.projections.projection import Projection
from mcphub.projections.rebuild import Progress, check, digests, rebuild
from mcphub.projections.tables import all_projections, apply_batch, ensure_schema, head, standings, work_in

log = structlog.get_logger()

LEADER_LOCK = 7_206_001
LEADING_EVERY_S = 0.2


class Stopped(Exception):
    """The hub ends, and a rebuild with it; the next start begins it anew."""


class Projector:
    """The background role: wakes up with the tail, applies batches while it is the leader, answers "has it been seen".

    Args:
        dsn: a direct connection as the application role, which owns the read schema.
        projections: the tables.
        rebuild: how all of them are made anew, when there are new or changed ones.
    """

    POLL_SECONDS = 1.0

    def __init__(
        self,
        dsn: str,
        projections: Sequence[Projection[Any]],
        rebuild: Callable[[str, Progress], int] = rebuild_apart,
    ) -> None:
        self._dsn = conninfo(dsn, name="mcphub-projector")
        self._projections = projections
        self._rebuild = rebuild
        self.position = 0
        self.leads = False  # is it this process, of all hubs, that keeps the tables?
        self.rebuilding: tuple[int, int] | None = None  # (position, head) while one runs
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        #: told, on the event loop, up to which position the tables are
        self.advanced: Callable[[int], None] = lambda position: None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="projector", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self._stopping.set()
        self._rung.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)

    def wake(self, _: Sequence[Recorded] = ()) -> None:
        """The tail's sink: there are new facts."""
        self._rung.set()

    async def reached(self, position: int) -> None:
        """Returns once the read tables show the fact at this position, whoever wrote them."""
        if position <= self.position:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((position, future))
        self._rung.set()
        await future

    async def leading(self) -> None:
        """Returns when this process is the leader; for roles of which one on a database is enough.

        As with the tables nothing may depend on it: for the seconds of a takeover two may think that they are.
        """
        while not self.leads:  # noqa: ASYNC110  it is decided in the thread
            await asyncio.sleep(LEADING_EVERY_S)

    def _work(self) -> None:
        delay = 0.05
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as db:
                    delay = 0.05
                    try:
                        self._serve(db)
                    finally:
                        self.leads = False  # the lock goes with the connection
            except Stopped:
                return
            except Exception as error:
                log.warning("projector_lost", why=type(error).__name__, retry_in_s=delay)
                self._stopping.wait(delay)
                delay = min(delay * 2, 2.0)

    def _serve(self, db: Connection[Any]) -> None:
        outdated = ensure_schema(db, self._projections)
        work_in(db, "read")
        while not self._stopping.is_set():
            self._rung.clear()
            if not self.leads:
                self.leads = lead(db, LEADER_LOCK)
            if self.leads and outdated:
                log.info("rebuild_started", projections=outdated)
                try:
                    position = self._rebuild(self._dsn, self._progress)
                finally:
                    self.rebuilding = None
                log.info("rebuild_finished", position=position)
                outdated = []
            if self.leads:
                while (position := apply_batch(db, self._projections)) > self.position:
                    self._advance(position)
            else:
                row = db.execute("select min(position) from tracking where status = 'live'").fetchone()
                self._advance(int(row[0] or 0) if row else 0)
            impatient = not self.leads and self._waiters
            self._rung.wait(0.02 if impatient else self.POLL_SECONDS)

    def _progress(self, position: int, upto: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        self.rebuilding = (position, upto)

    def _advance(self, position: int) -> None:
        if position > self.position and self._loop is not None and not self._loop.is_closed():
            self.position = position
            self._loop.call_soon_threadsafe(self._wake_waiters)

    def _wake_waiters(self) -> None:
        self.advanced(self.position)
        still = []
        for position, future in self._waiters:
            if position > self.position:
                still.append((position, future))
            elif not future.done():
                future.set_result(None)
        self._waiters = still


__all__ = [
    "Projector",
    "all_projections",
    "check",
    "digests",
    "ensure_schema",
    "head",
    "rebuild",
    "rebuild_apart",
    "standings",
]
