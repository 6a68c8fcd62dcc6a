"""Connection pools that notice a dead server at once and recover within seconds, and error texts without secrets."""

import asyncio
import re
import select
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout, TooManyRequests

log = structlog.get_logger()

COMMAND_CONNECTIONS = 4
READ_CONNECTIONS = 8
WAIT_FOR_CONNECTION_S = 5.0
# Afterwards the next caller tries anew at once. The pool's own 300 s would double its pauses up to minutes, and a
# server that is back would be ignored that long.
RECONNECT_FOR_S = 3.0
# A server that vanished without a word (failover, cut cable) is given up within about ten seconds.
LIVENESS = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
COMMON: dict[str, Any] = {
    "kwargs": {"autocommit": True},
    "open": False,
    "timeout": WAIT_FOR_CONNECTION_S,
    "reconnect_timeout": RECONNECT_FOR_S,
}
SECRETS = re.compile(r"(://)[^@/\s]*@|(\b(?:password|passfile|sslpassword|sslkey)\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", re.I)


def conninfo(dsn: str, *, name: str, search_path: str = "") -> str:
    """The connection string with liveness checks, a name the server shows, and a search path; its own values win.

    Raises:
        ValueError: it cannot be read. The text does not repeat it.
    """
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.Error:
        raise ValueError(
            "the database URL cannot be read: it looks like postgresql://user:password@host/name"
        ) from None
    if search_path:
        given["options"] = f"{given.get('options') or ''} -c search_path={search_path.replace(' ', '')}".strip()
    return make_conninfo("", **{**LIVENESS, "application_name": name, **given})


def command_pool(dsn: str, *, name: str = "mcphub-commands", size: int = COMMAND_CONNECTIONS) -> ConnectionPool:
    """For the ledger and the vault: blocking, autocommit, a fixed number of connections. Not opened yet."""

    def check(db: psycopg.Connection[Any]) -> None:
        try:
            if _has_news(db):
                ConnectionPool.check_connection(db)
        except psycopg.Error:
            pool.drain()
            raise

    pool = ConnectionPool(conninfo(dsn, name=name), min_size=size, max_size=size, name=name, check=check, **COMMON)
    return pool


def read_pool(
    dsn: str, *, search_path: str = "", name: str = "mcphub-reads", min_size: int = 1, max_size: int = READ_CONNECTIONS
) -> AsyncConnectionPool:
    """For queries from the event loop: autocommit, grows with the need. Open it inside the loop.

    Args:
        search_path: names without quoting, such as `read, public`; empty keeps the server's.
    """

    async def check(db: psycopg.AsyncConnection[Any]) -> None:
        try:
            if _has_news(db):
                await AsyncConnectionPool.check_connection(db)
        except psycopg.Error:
            await pool.drain()
            raise

    pool = AsyncConnectionPool(
        conninfo(dsn, name=name, search_path=search_path),
        min_size=min_size,
        max_size=max_size,
        name=name,
        check=check,
        **COMMON,
    )
    return pool


class Preferred:
    """Lends connections to a replica, and to the primary while the replica gives none; for reads that may be behind.

    Args:
        replica, primary: opened and closed by the caller.
    """

    WAIT_S = 1.0  # for a connection to the replica
    PASSED_OVER_S = 30.0  # after it gave none

    def __init__(self, replica: AsyncConnectionPool[Any], primary: AsyncConnectionPool[Any]) -> None:
        self._replica = replica
        self._primary = primary
        self.again_at = 0.0  # monotonic seconds

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[psycopg.AsyncConnection[Any]]:  # noqa: ASYNC109
        async with AsyncExitStack() as stack:
            lent = await self._of_replica(stack)
            yield lent if lent is not None else await stack.enter_async_context(self._primary.connection(timeout))

    async def _of_replica(self, stack: AsyncExitStack) -> psycopg.AsyncConnection[Any] | None:
        if time.monotonic() < self.again_at:
            return None
        try:
            return await stack.enter_async_context(self._replica.connection(self.WAIT_S))
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            log.warning("replica_passed_over", why=type(error).__name__, seconds=self.PASSED_OVER_S)
            self.passed_over()
            return None

    def passed_over(self) -> None:
        """For a while only the primary is asked."""
        self.again_at = time.monotonic() + self.PASSED_OVER_S

    def taken_up(self) -> None:
        """The replica is asked again, without waiting for the while to be over."""
        self.again_at = 0.0


async def execute_many(db: psycopg.AsyncConnection[Any], statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """`executemany`, for tasks that may be cancelled.

    Cancelled as it begins a pipeline, psycopg (3.3) says AssertionError instead and leaves the connection in that
    pipeline: whoever catches errors would take it for one, and whoever is lent the connection next would wait for ever.
    """
    try:
        await db.cursor().executemany(statement, rows)
    except AssertionError:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise
        await db.close()
        raise asyncio.CancelledError from None


def _has_news(db: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Has the server said something on an idle connection: a goodbye, an end of file, or a rare notice?

    The pool asks before it lends a connection, and without news spends no round trip. With one dead connection it
    drops them all: a restarted server leaves none alive, and the pool pauses ever longer between single ones.
    """
    poll = select.poll()
    poll.register(db.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def explain(error: BaseException) -> str:
    """One line for logs and answers: the server's own sentence, without values of rows, addresses or passwords."""
    if isinstance(error, psycopg.Error) and error.sqlstate and error.diag.message_primary:
        return f"{error.diag.message_primary} ({error.sqlstate})"
    if isinstance(error, psycopg.ProgrammingError):
        return "the connection string or statement cannot be read"  # libpq quotes the whole string it stumbled over
    first = (str(error).strip().splitlines() or [""])[0]
    return SECRETS.sub(lambda m: f"{m[1]}" if m[1] else f"{m[2]}***", first) or type(error).__name__
