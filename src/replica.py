"""How far the replica that the history is read from is behind, and that nobody reads from one that is too far.

Measured by what every hub writes each two seconds, its row among the nodes: the newest on the primary against the
newest on the replica, both by the primary's clock. That holds for any kind of replica, and for one that is cut off.
"""

from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from mcphub.postgres.pool import Preferred

log = structlog.get_logger()

AWAY = (psycopg.Error, PoolTimeout, TooManyRequests)
LOOK_SECONDS = 2.0  # between two looks
ANSWERS_WITHIN = 1.0  # seconds
NEWEST = "select extract(epoch from max(seen_at)) from public.node"


class ReplicaLag:
    """
    Args:
        most: seconds it may be behind.

    Attributes:
        seconds: how far it is behind; None while it does not answer, or holds nothing of this hub.
    """

    def __init__(
        self, replica: AsyncConnectionPool[Any], primary: AsyncConnectionPool[Any], reads: Preferred, most: float
    ) -> None:
        self.most = most
        self.seconds: float | None = None
        self._replica, self._primary, self._reads = replica, primary, reads
        self._follows = True

    @property
    def follows(self) -> bool:
        return self.seconds is not None and self.seconds <= self.most

    async def round(self) -> None:
        try:
            newest = await _newest(self._primary)
        except AWAY:
            return  # nothing to compare with, and nobody else to ask
        try:
            there = await _newest(self._replica)
        except AWAY:
            there = None
        self.seconds = max(0.0, newest - there) if newest is not None and there is not None else None
        if not self.follows:
            self._reads.passed_over()
        if self.follows != self._follows:
            self._follows = self.follows
            if self.follows:
                self._reads.taken_up()
            say = log.info if self.follows else log.warning
            say("replica_follows" if self.follows else "replica_behind", seconds=self.seconds, most=self.most)


async def _newest(pool: AsyncConnectionPool[Any]) -> float | None:
    async with pool.connection(ANSWERS_WITHIN) as db:
        row = await (await db.execute(NEWEST)).fetchone()
    return float(row[0]) if row is not None and row[0] is not None else None
