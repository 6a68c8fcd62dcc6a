"""Arguments and results of tools' calls, of servers whose entry asks for it: sealed for the user, written beside calls.

Promises:
- without `mcphub.keepPayloads` of its server nothing of a call is looked at;
- nothing is written but sealed under the personal key of who called, so it is unreadable once that user is erased;
- a call never waits: what it was called with is sealed and in PostgreSQL a tenth of a second after its end, as its row
  is. What a hub that is killed had not written by then is lost: it is in no spool, where it would lie in clear;
- while PostgreSQL is away the oldest `WAITING` calls wait in memory, and what comes on top is lost and counted.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.access import AccessModel
from mcphub.domain.vault import Unopenable, Vault
from mcphub.gateway import wire
from mcphub.gateway.traffic import Request
from mcphub.periodic import end
from mcphub.postgres.pool import execute_many, explain

__all__ = ["MOST", "Payload", "Payloads", "opened"]

log = structlog.get_logger()

MOST = 16 * 1024  # bytes of either that are kept
LOOKED_AT = 4 * MOST  # bytes of a message: the name and other members stand around what is kept
WAITING = 400  # calls that wait to be written
SOON = 0.1  # seconds in which a batch gathers
AGAIN = 1.0  # seconds until PostgreSQL is tried again
ADD = """
    insert into request_payload (request_id, at, user_id, arguments, arguments_bytes, result, result_bytes)
    values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
FORGOTTEN_AT_ONCE = 1000  # rows a transaction
OLD = """
    delete from request_payload
    where request_id in (select request_id from request_payload where at < %s order by at limit %s)
"""
# Nothing opens them any more.
ORPHANED = """
    delete from request_payload as kept
    where not exists (select from data_key where owner = kept.user_id and purpose = 'personal')
"""


class Payload(Struct, frozen=True, kw_only=True):
    """As it is stored: both sealed; the sizes are those before the cut, of the whole message when that was `LOOKED_AT`
    or more.
    """

    request_id: UUID
    at: datetime
    user_id: str
    arguments: str
    arguments_bytes: int | None
    result: str
    result_bytes: int | None


class _Waiting(Struct, frozen=True):
    request_id: UUID
    user_id: str
    params: bytes
    params_bytes: int
    frame: bytes
    frame_bytes: int


class Payloads:
    """Keeps what it is given, soon.

    Args:
        pool: as the application role.
        days: how long, as the rows of calls.
    """

    def __init__(self, vault: Vault, model: AccessModel, pool: AsyncConnectionPool[Any], days: int) -> None:
        self._vault = vault
        self._model = model
        self._pool = pool
        self._days = timedelta(days=days)
        self._queue: deque[_Waiting] = deque()
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0
        self._told = 0  # of the lost, those that the log knows of

    def keep(self, request: Request, params: bytes, frame: bytes) -> None:
        """
        Args:
            params: as they went to the server.
            frame: the answer, empty when there was none.
        """
        if len(self._queue) >= WAITING:
            self.lost += 1
            return
        parts = (params[:LOOKED_AT], len(params), frame[:LOOKED_AT], len(frame))
        self._queue.append(_Waiting(request.id, request.session.user_id, *parts))
        self._rung.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="payloads")

    async def stop(self) -> None:
        """What waits is written; what PostgreSQL does not take by now is lost. Stopping twice is fine."""
        if self._task is None:
            return
        await end(self._task)
        self._task = None
        if not await self.round():
            self._lose(len(self._queue), "the hub ends")

    async def _run(self) -> None:
        while True:
            await self._rung.wait()
            await asyncio.sleep(SOON)
            self._rung.clear()
            if not await self.round():
                self._rung.set()
                await asyncio.sleep(AGAIN)

    async def round(self) -> bool:
        """Writes what waits; False when PostgreSQL does not take it now. Cut off, it waits on."""
        if self.lost > self._told:
            self._lose(0, "more than fit into memory")
        batch = [*self._queue]
        try:
            rows = await asyncio.to_thread(self._sealed, batch)
            if rows:
                async with self._pool.connection() as db:
                    await execute_many(db, ADD, rows)
        except (psycopg.OperationalError, psycopg.InterfaceError):  # a pool that waits in vain as well
            return False
        except Exception as error:
            self._lose(len(batch), explain(error))
        for _ in batch:
            self._queue.popleft()
        return True

    def _lose(self, calls: int, why: str) -> None:
        self.lost += calls
        log.warning("payloads_lost", calls=self.lost - self._told, why=why)
        self._told = self.lost

    async def forget(self) -> None:
        """Lets those go that are as old as rows of calls may be, and those of erased users."""
        async with self._pool.connection() as db:
            before = datetime.now(UTC) - self._days
            while (await db.execute(OLD, (before, FORGOTTEN_AT_ONCE))).rowcount == FORGOTTEN_AT_ONCE:
                pass
            await db.execute(ORPHANED)

    def _sealed(self, batch: list[_Waiting]) -> list[tuple[Any, ...]]:
        return [row for waiting in batch if (row := self._row(waiting)) is not None]

    def _row(self, waiting: _Waiting) -> tuple[Any, ...] | None:
        user, request = waiting.user_id, waiting.request_id
        if user not in self._model.users:  # erased meanwhile: no new key is made for somebody who is gone
            return None
        arguments, result = _member(waiting.params, "arguments"), _member(waiting.frame, "result", "error")
        try:
            sealed = [
                self._vault.seal_personal(user, _purpose(name, request), _cut(value))
                for name, value in (("arguments", arguments), ("result", result))
            ]
        except Unopenable:
            return None
        at = datetime.fromtimestamp((request.int >> 80) / 1000, UTC)
        sizes = _size(arguments, waiting.params_bytes), _size(result, waiting.frame_bytes)
        return (request, at, user, sealed[0], sizes[0], sealed[1], sizes[1])


def opened(vault: Vault, payload: Payload) -> tuple[str, str]:
    """Arguments and result as texts, cut where they were too long; blocking.

    Raises:
        Unopenable: the user's key is gone.
    """
    user = (payload.user_id,)
    arguments, result = (
        vault.open(sealed, _purpose(name, payload.request_id), user) if sealed else ""
        for name, sealed in (("arguments", payload.arguments), ("result", payload.result))
    )
    return arguments, result


def _purpose(name: str, request_id: UUID) -> str:
    """A text of one request does not open as that of another."""
    return f"payload.{name}:{request_id}"


def _member(raw: bytes, *names: str) -> bytes:
    """The first of these members; the text itself when it cannot be read, being cut."""
    try:
        found = wire.members(raw)
    except wire.Unreadable:
        return raw
    return next((bytes(found[name]) for name in names if name in found), b"")


def _cut(value: bytes) -> str:
    return value[:MOST].decode(errors="ignore")


def _size(value: bytes, whole: int) -> int | None:
    return whole if whole >= LOOKED_AT else len(value) or None
