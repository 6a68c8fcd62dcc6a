"""A user's requests as they begin and as they end, for whoever follows them.

Looked at again and again: traffic rings no bell, and through which node a call goes nobody here knows. A start may come
behind one that is younger, as nodes write in batches, so each look goes back a little, and what was told is remembered.
After a break the last seconds are told once more, rather than a call never.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from mcphub.projections.requests import RequestRow, Requests, lowest_id, time_of

__all__ = ["followed"]

LOOK_SECONDS = 1.0
LATE = timedelta(seconds=5)  # by which a start may come behind a younger one
MOST = 200  # told in one look, the newest of them; and of those still open, the oldest of which are given up


async def followed(requests: Requests, user: str, begin: UUID) -> AsyncIterator[tuple[UUID, RequestRow]]:
    """Each request whose id is not below `begin`: once while it runs, if it is seen so, and once when it has ended.

    Yields:
        where to begin again so that nothing is missed, and the request; oldest first.
    """
    told: dict[UUID, bool] = {}  # those that may be seen again: had it ended?
    newest = begin
    while True:
        low = max(begin, lowest_id(time_of(newest) - LATE))
        told = _may_come_again(told, low)
        rows = await requests.since(user, low, size=MOST)
        seen = {row.request_id for row in rows}
        rows += await requests.ended([one for one, over in told.items() if not over and one not in seen])
        for row in sorted(rows, key=lambda row: row.request_id):
            over = row.ended_at is not None
            if told.get(row.request_id) is not over:
                told[row.request_id] = over
                newest = max(newest, row.request_id)
                yield _place(told, newest, begin), row
        await asyncio.sleep(LOOK_SECONDS)


def _may_come_again(told: dict[UUID, bool], low: UUID) -> dict[UUID, bool]:
    still_open = sorted(one for one, over in told.items() if not over)[-MOST:]
    return {one: True for one, over in told.items() if over and one >= low} | dict.fromkeys(still_open, False)


def _place(told: dict[UUID, bool], newest: UUID, begin: UUID) -> UUID:
    """No younger than the oldest that is still open, nor than what may come late."""
    still_open = [one for one, over in told.items() if not over]
    return max(begin, min([*still_open, lowest_id(time_of(newest) - LATE)]))
