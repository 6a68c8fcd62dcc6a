"""Arguments and results of tools' calls, of servers whose entry asks for it: sealed for the user, written beside calls.

Promises:
- without `mcphub.keepPayloads` of its server nothing of a call is looked at;
- nothing is written but sealed under the personal key of who called, so it is unreadable once that user is erased;
- a call never waits: what does not fit into memory, or was not written when a hub dies, is lost. It is in no spool,
  where it would lie in clear.
"""

import asyncio
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.access import AccessModel
from mcphub.domain.vault import Unopenable, Vault
from mcphub.gateway import wire
from mcphub.gateway.traffic import Request
from mcphub.periodic import Periodic
from mcphub.postgres.pool import explain

__all__ = ["MOST", "Payload", "Payloads", "opened"]

log = structlog.get_logger()

MOST = 16 * 1024  # bytes of either that are kept
LOOKED_AT = 4 * MOST  # bytes of a message: the name and other members stand around what is kept
WAITING = 400  # calls that wait to be written
EVERY = 0.5  # seconds between two batches
ADD = """
    insert into request_payload (request_id, at, user_id, arguments, arguments_bytes, result, result_bytes)
    values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
OLD = "delete from request_payload where at < %s"
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
        self._role = Periodic("payloads", self.round, EVERY)
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

    async def start(self) -> None:
        await self._role.start()

    async def stop(self) -> None:
        """What waits is written; what PostgreSQL does not take by now is lost."""
        await self._role.stop()
        with suppress(Exception):
            await self.round()

    async def round(self) -> None:
        """Writes what waits."""
        if self.lost > self._told:
            log.warning("payloads_lost", calls=self.lost - self._told, why="more than fit into memory")
            self._told = self.lost
        batch = [self._queue.popleft() for _ in range(len(self._queue))]
        if not batch:
            return
        rows = await asyncio.to_thread(self._sealed, batch)
        try:
            async with self._pool.connection() as db, db.cursor() as cursor:
                await cursor.executemany(ADD, rows)
        except Exception as error:
            self.lost += len(rows)
            self._told += len(rows)
            log.warning("payloads_lost", calls=len(rows), why=explain(error))

    async def forget(self) -> None:
        """Lets those go that are as old as rows of calls may be, and those of erased users."""
        async with self._pool.connection() as db:
            await db.execute(OLD, (datetime.now(UTC) - self._days,))
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
