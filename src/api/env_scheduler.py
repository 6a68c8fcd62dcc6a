"""The hub's own round over users' values: on time or when an administrator asks, one at a time on a database.

A lock in the database keeps two hubs from making one round together, and the fact that ends a round names the time it
was due, so that a hub which comes later finds it made.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from mcphub.api.problems import Problem, not_ready
from mcphub.api.services import Services
from mcphub.api.upkeep import Upkeep, counted
from mcphub.domain.actor import acting, system
from mcphub.domain.env_schedule import NoteEnvCheck

log = structlog.get_logger()

LOCK = 7_206_010
CATCH_UP_SECONDS = 5.0
HEAD = "select position from ledger_head"


class EnvScheduler:
    """The role, and what the API asks of it."""

    def __init__(self, services: Services, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._services = services
        self._upkeep = Upkeep(services)
        self._checks = services.model.env_checks
        self._now = now

    async def round(self) -> bool:
        """Makes the round that is due; False when none is, or another hub makes it."""
        if self._checks.due(self._now()) is None:
            return False
        async with self._alone() as alone:
            due = self._checks.due(self._now())  # what another hub did meanwhile counts
            if not alone or due is None:
                return False
            with acting(system("env-scheduler")):
                await self._check(due)
        return True

    async def run(self) -> int:
        """A round for whoever asks, as the actor of this context; its position.

        Raises:
            Problem: 409, one is under way.
        """
        async with self._alone() as alone:
            if not alone:
                raise Problem(409, "check_running", "A round over the values is under way.", "Wait until it is done.")
            return await self._check(None)

    async def _check(self, due: datetime | None) -> int:
        """More orphans than the schedule allows are left: perhaps a whole settings document went missing."""
        issues = counted(await self._upkeep.issues())
        orphaned, schedule = issues.get("ORPHANED_KEY", 0), self._checks.schedule
        removed = 0
        if schedule.auto_cleanup and 0 < orphaned <= schedule.max_orphaned_keys:
            removed = len(await self._upkeep.purge(dry_run=False))
        done = await self._services.commands.run(lambda: NoteEnvCheck(issues, orphaned, removed, due))
        log.info("env_vars_checked", orphaned=orphaned, removed=removed, issues=sum(issues.values()))
        return done.position

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        """Is no other round under way on this database? Then this process also knows all that happened before.

        Raises:
            Problem: 503, it does not hear of it.
        """
        async with self._services.read.connection() as db:
            row = await (await db.execute("select pg_try_advisory_lock(%s)", (LOCK,))).fetchone()
            if row is None or not row[0]:
                yield False
                return
            try:
                head = await (await db.execute(HEAD)).fetchone()
                try:
                    async with asyncio.timeout(CATCH_UP_SECONDS):
                        await self._services.tail.reached(head[0] if head is not None else 0)
                except TimeoutError:
                    raise not_ready() from None
                yield True
            finally:
                await db.execute("select pg_advisory_unlock(%s)", (LOCK,))
