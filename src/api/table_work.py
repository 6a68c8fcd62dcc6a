"""Rebuilds of the read tables, and comparisons with one, as administrators ask for them: one at a time, in a process of
its own, with how far it is.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Literal

import structlog
from msgspec import Struct

from mcphub.api.problems import Problem
from mcphub.api.services import Services
from mcphub.projections.apart import RebuildFailed, compare_apart, rebuild_apart
from mcphub.projections.table_states import Pace

log = structlog.get_logger()

Kind = Literal["rebuild", "check"]


class Work(Struct, kw_only=True):
    """One of them. `pace` in events a second; `ended_at` is None while it runs, `error` empty unless it failed."""

    kind: Kind
    position: int = 0
    head: int = 0
    pace: float = 0.0
    started_at: datetime
    ended_at: datetime | None = None
    error: str = ""


class Checked(Struct, frozen=True, kw_only=True):
    """A table as it was compared last: `digest` is of the living one."""

    at: datetime
    position: int
    digest: str
    equal: bool


class TableWork:
    """What runs, what ran last, and what a comparison found; remembered by this process alone."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._task: asyncio.Task[None] | None = None
        self._last: Work | None = None
        self._pace = Pace()
        self.checked: dict[str, Checked] = {}

    @property
    def work(self) -> Work | None:
        """What runs, else what ran last. A hub of another version than its tables rebuilds them by itself."""
        by_itself = self._services.projector.rebuilding
        if by_itself is None or (self._last is not None and self._last.ended_at is None):
            return self._last
        position, head = by_itself
        return Work(kind="rebuild", position=position, head=head, started_at=datetime.now(UTC))

    def start(self, kind: Kind) -> None:
        """
        Raises:
            Problem: one is running.
        """
        if (work := self.work) is not None and work.ended_at is None:
            raise Problem(
                409, "rebuild_running", "The read tables are being rebuilt or checked.", "Wait until it has finished."
            )
        self._last, self._pace = Work(kind=kind, started_at=datetime.now(UTC)), Pace()
        self._task = asyncio.create_task(self._run(self._last), name=f"tables-{kind}")

    async def _run(self, work: Work) -> None:
        dsn = self._services.write.conninfo
        try:
            if work.kind == "rebuild":
                work.position = await asyncio.to_thread(rebuild_apart, dsn, self._progress)
                self.checked.clear()
            else:
                found = await asyncio.to_thread(compare_apart, dsn, self._progress)
                work.position, now = found.position, datetime.now(UTC)
                self.checked = {
                    name: Checked(at=now, position=found.position, digest=digest, equal=name not in found.different)
                    for name, digest in found.live.items()
                }
        except Exception as error:
            work.error = str(error) if isinstance(error, RebuildFailed) else type(error).__name__
            log.warning("tables_work_failed", kind=work.kind, why=work.error)
        else:
            log.info("tables_work_finished", kind=work.kind, position=work.position)
        finally:
            work.head, work.ended_at = max(work.head, work.position), datetime.now(UTC)

    def _progress(self, position: int, head: int) -> None:
        assert self._last is not None
        self._last.position, self._last.head = position, head
        self._last.pace = self._pace.look("", position, time.monotonic())
