"""Background jobs that repeat, and how background tasks end."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

AGAIN_SECONDS = 2.0  # long enough for a task to tidy up


class Periodic:
    """Repeat one job until stopped; a failing round is logged and the next one still comes.

    Args:
        name: role name, as in `idle-reaper`; it names the task and the log lines.
        job: one round; must be safe to cut off at any await.
        every: seconds between the end of one round and the start of the next.
    """

    def __init__(self, name: str, job: Callable[[], Awaitable[object]], every: float) -> None:
        self.name = name
        self._job = job
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Cut the present round off and wait until it is gone; stopping twice is fine."""
        if self._task is None:
            return
        await end(self._task)
        self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._job()
            except Exception:
                log.exception("role_round_failed", role=self.name, retry_in_s=self._every)
            await asyncio.sleep(self._every)


async def end(task: asyncio.Task[None]) -> None:
    """Cancels a task and returns when it is over, however it ended.

    It is told again until it is: before Python 3.12 `asyncio.wait_for`, which libraries wait with, forgets a
    cancellation that comes together with what it waits for.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)
