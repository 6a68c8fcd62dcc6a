"""Values that an upstream refused: kept by version, so that one saved anew begins without a mark.

A call only notes in memory; `round` writes what changed and reads what other hubs wrote. A mark is no fact: it says
what an upstream thought at a time, and the next success with the same values takes it back.
Nothing of the value and nothing the upstream said is kept.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg_pool import ConnectionPool

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import ServiceTokenRemoved, ServiceTokenSaved, UserErased
from mcphub.gateway.session import credential_digest

Place = tuple[str, str, str]  # user, server, variable

AGAIN_SECONDS = 10.0  # between looks at what other hubs wrote
MARK = """
    insert into value_rejection as known (user_id, server_id, variable, position, rejected_at)
    values (%s, %s, %s, %s, %s)
    on conflict (user_id, server_id, variable) do update
    set position = excluded.position, rejected_at = excluded.rejected_at
    where (known.position, known.rejected_at) < (excluded.position, excluded.rejected_at)
"""
TAKE_BACK = """
    delete from value_rejection
    where user_id = %s and server_id = %s and variable = %s and position <= %s and rejected_at <= %s
"""
READ = "select user_id, server_id, variable, position, rejected_at from value_rejection"


class Mark(Struct, frozen=True):
    """`position` is the version of the value it is about."""

    position: int
    at: datetime
    refused: bool = True


class Rejections:
    """
    Args:
        pool: connections in autocommit mode, as the application role.
    """

    def __init__(self, model: AccessModel, pool: ConnectionPool[Any], now: Callable[[], datetime]) -> None:
        self._model = model
        self._pool = pool
        self._now = now
        self._marks: dict[Place, Mark] = {}
        self._pending: dict[Place, Mark] = {}
        self._look_at = 0.0  # monotonic seconds

    def judged(self, user_id: str, server_id: str, version: str, refused: bool) -> None:
        """An upstream answered a request with the user's values of this version; '' for values that are not saved.

        Costs a dict entry. A version that is no longer the present one is passed over.
        """
        if not version or (not refused and not self._marked(user_id, server_id)):
            return
        if credential_digest(self._model, user_id, server_id) != version:
            return
        server, at = self._model.servers.get(server_id), self._now()
        for variable, stored in self._model.credentials_of(user_id, server_id).items():
            place = (user_id, server_id, variable)
            if server is None or variable not in server.slots or not (refused or place in self._marks):
                continue
            mark = self._pending[place] = Mark(stored.position, at, refused)
            if refused:
                self._marks[place] = mark
            else:
                del self._marks[place]

    def rejected_at(self, user_id: str, server_id: str, variable: str) -> datetime | None:
        """When the value that is stored now was refused; None when it was not, or was taken since."""
        mark = self._marks.get((user_id, server_id, variable))
        return mark.at if mark is not None and self._position(user_id, server_id, variable) == mark.position else None

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink: what was cleared, replaced or erased has no mark in the next round."""
        if any(isinstance(fact.event, ServiceTokenSaved | ServiceTokenRemoved | UserErased) for fact in facts):
            self._look_at = 0.0

    async def round(self) -> None:
        """Writes what was noted since the last round; what cannot be written is tried again."""
        if not self._pending and time.monotonic() < self._look_at:
            return
        pending, self._pending = self._pending, {}
        self._look_at = time.monotonic() + AGAIN_SECONDS
        try:
            rows = await asyncio.to_thread(self._write, pending)
            stale = [place for place, mark in rows.items() if self._is_stale(place, mark)]
            if stale:
                await asyncio.to_thread(self._drop, [(*place, rows.pop(place).position) for place in stale])
        except Exception:
            self._pending = pending | self._pending
            self._look_at = 0.0
            raise
        for place, mark in self._pending.items():  # noted meanwhile
            rows.pop(place, None)
            if mark.refused:
                rows[place] = mark
        self._marks = rows

    def _marked(self, user_id: str, server_id: str) -> bool:
        if not self._marks:
            return False
        return any(
            (user_id, server_id, variable) in self._marks for variable in self._model.credentials_of(user_id, server_id)
        )

    def _position(self, user_id: str, server_id: str, variable: str) -> int:
        stored = self._model.credentials_of(user_id, server_id).get(variable)
        return stored.position if stored is not None else 0

    def _is_stale(self, place: Place, mark: Mark) -> bool:
        """Is it about a value that is no longer stored? What this process has not heard of yet is not."""
        return mark.position <= self._model.position and mark.position != self._position(*place)

    def _write(self, pending: dict[Place, Mark]) -> dict[Place, Mark]:
        with self._pool.connection() as db, db.cursor() as cursor:
            marks = [(*place, mark.position, mark.at) for place, mark in sorted(pending.items()) if mark.refused]
            taken = [(*place, mark.position, mark.at) for place, mark in sorted(pending.items()) if not mark.refused]
            if marks:
                cursor.executemany(MARK, marks)
            if taken:
                cursor.executemany(TAKE_BACK, taken)
            rows = cursor.execute(READ).fetchall()
        return {(user, server, variable): Mark(position, at) for user, server, variable, position, at in rows}

    def _drop(self, stale: Sequence[tuple[str, str, str, int]]) -> None:
        with self._pool.connection() as db, db.cursor() as cursor:
            cursor.executemany(
                "delete from value_rejection where user_id = %s and server_id = %s and variable = %s and position = %s",
                stale,
            )
