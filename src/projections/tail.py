"""The one reader of new facts in a process: it feeds the access model, live streams and whoever waits for a position.

Positions are gapless and in commit order, so reading behind the last one seen never skips a fact.
A lost notification costs at most a second: the wait for the bell is also the poll, and each look at the head renews the
lease the gateway decides by.
"""

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable, Sequence
from itertools import count

import psycopg
import structlog
from psycopg import AsyncConnection, sql

from mcphub.domain.codec import Recorded, decode, decode_meta
from mcphub.periodic import end
from mcphub.postgres.pool import conninfo

log = structlog.get_logger()

Sink = Callable[[Sequence[Recorded]], None]

READ = """
    select position, recorded_at, id::text, tags, meta::text, data::text
    from ledger where position > %s order by position limit %s
"""
BATCH = 1000  # facts of one read
SLICE = 100  # facts folded in one go: a millisecond or two in which no call is served
LEASE_SECONDS = 2.0
POLL_SECONDS = 1.0


class Tail:
    """Follows the ledger: one LISTEN connection, one read connection, every event decoded once.

    Args:
        dsn: a direct connection to the primary; a transaction-pooling proxy loses notifications.
        sinks: plain folds, called in order on the loop's thread with each batch.
    """

    def __init__(self, dsn: str, sinks: Sequence[Sink]) -> None:
        self._dsn = conninfo(dsn, name="mcphub-tail")
        self._sinks = list(sinks)
        self.position = 0
        self.confirmed_at = -1e9  # monotonic seconds of the last look at the head
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._looks: list[asyncio.Future[None]] = []
        self._channels: dict[str, Callable[[], None]] = {}
        self._deaf_to: set[str] = set()  # channels the connection does not listen to yet
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add_sink(self, sink: Sink) -> None:
        """Adds a sink; it sees only what comes from now on."""
        self._sinks.append(sink)

    def hear(self, channel: str, ring: Callable[[], None]) -> None:
        """Something else that rings on the same connection. It is rung once more whenever that was lost for a while.

        Args:
            channel: letters, digits and underscores.
            ring: called on the loop's thread; it does not wait.
        """
        self._channels[channel] = ring
        self._deaf_to.add(channel)
        self._look.set()

    async def start(self) -> None:
        """Folds the whole ledger before returning, so that nothing is decided on half the facts."""
        async with await AsyncConnection.connect(self._dsn, autocommit=True) as reader:
            await self._catch_up(reader)
        self._task = asyncio.create_task(self._supervise(), name="tail")

    async def stop(self) -> None:
        if self._task is not None:
            await end(self._task)
            self._task = None

    def fresh(self) -> bool:
        """Was the head looked at within the lease? If not, whoever decides must deny, or ask `confirm`."""
        return time.monotonic() - self.confirmed_at < LEASE_SECONDS

    async def confirm(self, timeout: float) -> bool:  # noqa: ASYNC109  the deadline is part of the question
        """Looks at the head now; False when no look succeeded in time. For a lease that ran out in a busy loop."""
        future = asyncio.get_running_loop().create_future()
        self._looks.append(future)
        self._look.set()
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        finally:
            self._looks.remove(future)
        return True

    async def reached(self, position: int) -> None:
        """Returns once this process has folded the fact at this position."""
        if position <= self.position:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (position, next(self._order), future))
        await future

    async def _supervise(self) -> None:
        delay = 0.05
        while True:
            began = time.monotonic()
            try:
                await self._run()
            except Exception as error:
                if time.monotonic() - began > 10:
                    delay = 0.05
                # Anything else is a fact this code cannot fold. The lease runs out, and the gateway refuses.
                note = log.warning if isinstance(error, psycopg.Error | OSError) else log.exception
                note("tail_lost", why=type(error).__name__, retry_in_s=delay, position=self.position)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _run(self) -> None:
        async with (
            await AsyncConnection.connect(self._dsn, autocommit=True) as bell,
            await AsyncConnection.connect(self._dsn, autocommit=True) as reader,
        ):
            await bell.execute("listen ledger")  # listen first, then read: nothing falls in between
            self._deaf_to = set(self._channels)
            ringing = asyncio.create_task(self._ring(bell), name="tail-bell")
            try:
                while not ringing.done():
                    if self._deaf_to:
                        ringing = await self._hear_more(bell, ringing)
                    self._look.clear()
                    await self._catch_up(reader)
                    # Not `wait_for`: before Python 3.12 it forgets a cancellation that comes together with the bell.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._look.wait()
                await ringing
            finally:
                ringing.cancel()
                await asyncio.gather(ringing, return_exceptions=True)

    async def _hear_more(
        self, bell: AsyncConnection[tuple[object, ...]], ringing: asyncio.Task[None]
    ) -> asyncio.Task[None]:
        """A connection that waits for notifications takes no statement meanwhile."""
        await end(ringing)
        for channel in sorted(self._deaf_to):
            await bell.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self._channels[channel]()
        self._deaf_to.clear()
        return asyncio.create_task(self._ring(bell), name="tail-bell")

    async def _ring(self, bell: AsyncConnection[tuple[object, ...]]) -> None:
        try:
            async for rung in bell.notifies():
                self._channels.get(rung.channel, self._look.set)()
        finally:
            self._look.set()

    async def _catch_up(self, reader: AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            looks, asked = list(self._looks), time.monotonic()
            async with asyncio.timeout(5):
                cursor = await reader.execute(READ, (self.position, BATCH), prepare=True)
                rows = await cursor.fetchall()
            for begin in range(0, len(rows), SLICE):
                batch = [_recorded(row) for row in rows[begin : begin + SLICE]]
                for sink in self._sinks:
                    sink(batch)
                self.position = batch[-1].position
                self._wake()
                await asyncio.sleep(0)  # calls come in between
            if len(rows) < BATCH:  # the head: a full batch says nothing about what comes after it
                break
        self.confirmed_at = asked
        for look in looks:
            if not look.done():
                look.set_result(None)

    def _wake(self) -> None:
        while self._waiters and self._waiters[0][0] <= self.position:
            future = heapq.heappop(self._waiters)[2]
            if not future.done():
                future.set_result(None)


def _recorded(row: tuple[object, ...]) -> Recorded:
    position, at, id_, tags, meta, data = row
    return Recorded(
        position=position,  # type: ignore[arg-type]
        at=at,  # type: ignore[arg-type]
        event=decode(data),  # type: ignore[arg-type]
        meta=decode_meta(meta),  # type: ignore[arg-type]
        id=id_,  # type: ignore[arg-type]
        tags=tuple(tags),  # type: ignore[arg-type]
    )
