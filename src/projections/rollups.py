"""Figures of requests that outlive their rows: how they are added to, and which of them answer a question.

They are added in order of the traffic's positions, which is the order of commits, and the position reached is in the
same transaction: so each request is counted once. `day_drop` lets no day of traffic go that is not in them.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from mcphub.postgres.pool import conninfo

__all__ = ["DAY", "HOUR", "Rollups", "Whole", "add", "down_to", "grain_of", "unit_of", "up_to", "whole_of"]

STEP = 200_000  # positions added at once: a second or two of one PostgreSQL process
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVERYBODY, BY_TOOL, BY_USER, BY_BOTH = 1, 2, 3, 4

REACHED = "select position from request_rollup_reached for update"
# No row comes in below a position that is to be seen: batches commit in order (gateway/traffic.py).
NEWEST = "select max(position) from traffic where position > %s"


class Whole(Struct, frozen=True):
    """What of a span is answered by hours, and what of it by days; equal ends for nothing."""

    hour_from: datetime
    hour_to: datetime
    day_from: datetime
    day_to: datetime


class Rollups:
    """The role that adds what ended since.

    Args:
        dsn: as the application role.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = conninfo(dsn, name="mcphub-rollups")

    async def round(self) -> int:
        """All there is; returns up to which position of the traffic. Two hubs may do it at once: one waits."""
        async with await AsyncConnection.connect(self._dsn, autocommit=True) as db:
            while True:
                before, reached = await add(db)
                if reached == before:
                    return reached


async def add(db: AsyncConnection[Any], step: int = STEP) -> tuple[int, int]:
    """One step in a transaction of its own; returns the position before and after it."""
    async with db.transaction():
        ((after,),) = await (await db.execute(REACHED)).fetchall()
        ((newest,),) = await (await db.execute(NEWEST, (after,))).fetchall()
        if newest is None:
            return after, after
        upto = min(newest, after + step)
        await db.execute(_sql("rollups_add"), {"after": after, "upto": upto})
        await db.execute("update request_rollup_reached set position = %s", (upto,))
    return after, upto


def whole_of(since: datetime, until: datetime, *, unit: timedelta = HOUR, days: bool) -> Whole:
    """The whole units of a span, hours or days, and if wanted the whole days among its hours."""
    hour_from, hour_to = up_to(since, unit), down_to(until, unit)
    if hour_to <= hour_from:
        return Whole(hour_from, hour_from, hour_from, hour_from)
    day_from, day_to = up_to(since, DAY), down_to(until, DAY)
    if not days or day_to <= day_from:
        day_from = day_to = hour_to
    return Whole(hour_from, hour_to, day_from, day_to)


def unit_of(grain: int) -> timedelta:
    """The finest time that is told apart. Tools of each user by the hour would be nearly as many rows as requests."""
    return DAY if grain == BY_BOTH else HOUR


def grain_of(*, user: bool, tool: bool) -> int:
    """Which figures tell users apart, or servers, tools and methods, or both."""
    return {(False, False): EVERYBODY, (False, True): BY_TOOL, (True, False): BY_USER}.get((user, tool), BY_BOTH)


def down_to(at: datetime, unit: timedelta) -> datetime:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    return begin + (at - begin) // unit * unit


def up_to(at: datetime, unit: timedelta) -> datetime:
    down = down_to(at, unit)
    return down if down == at else down + unit


@cache
def _sql(name: str) -> str:
    return (files("mcphub.projections") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
