"""Figures of requests that outlive their rows: how they are added to, and which of them answer a question.

They are added in order of the traffic's positions, which is the order of commits, and the position reached is in the
same transaction: so each request is counted once. `day_drop` lets no day of traffic go that is not in them.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection

from mcphub.postgres.pool import conninfo

__all__ = [
    "BY_BOTH",
    "BY_METHOD",
    "BY_USER",
    "DAY",
    "HOUR",
    "SPANS",
    "Piece",
    "Rollups",
    "add",
    "down_to",
    "grain_of",
    "pieces_of",
    "units_of",
    "up_to",
]

MEMORY = "64MB"  # for what a step puts together
STEP = 200_000  # positions added at once: a second or two of one PostgreSQL process
MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
SPANS = {MINUTE: 0, HOUR: 1, DAY: 2, WEEK: 3}
EVERYBODY, BY_TOOL, BY_USER, BY_METHOD, BY_BOTH = 1, 2, 3, 4, 5
# The units of which there are figures, the coarsest first, and how long these are kept if not for ever (rollup_forget
# in 0023_packed_requests.sql). What tells users apart is packed by the hour: a row for each would be nearly as many
# rows as requests.
UNITS: dict[int, dict[timedelta, timedelta | None]] = {
    EVERYBODY: {WEEK: None, DAY: None, HOUR: None, MINUTE: timedelta(days=3)},
    BY_TOOL: {WEEK: None, DAY: None, HOUR: None},
    BY_USER: {WEEK: None, DAY: None, HOUR: None},
    BY_METHOD: {WEEK: None, DAY: None, HOUR: None},
    BY_BOTH: {HOUR: None},
}
MARGIN = timedelta(hours=1)  # some may be forgotten while somebody asks
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)  # midnight: units are counted from here, as SQL counts buckets

REACHED = "select position from request_rollup_reached for update"
# No row comes in below a position that is to be seen: batches commit in order (gateway/traffic.py).
NEWEST = "select max(position) from traffic where position > %s"


class Piece(Struct, frozen=True):
    """A part of a span that figures of one unit answer; `sign` is -1 for one that is to be taken away again.

    `unit` is zero for what is finer than any unit.
    """

    unit: timedelta
    begin: datetime
    end: datetime
    sign: int = 1


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
                    await db.execute("select rollup_forget()")
                    return reached


async def add(db: AsyncConnection[Any], step: int = STEP) -> tuple[int, int]:
    """One step in a transaction of its own; returns the position before and after it."""
    async with db.transaction():
        await db.execute(f"set local work_mem = '{MEMORY}'")
        ((after,),) = await (await db.execute(REACHED)).fetchall()
        ((newest,),) = await (await db.execute(NEWEST, (after,))).fetchall()
        if newest is None:
            return after, after
        upto = min(newest, after + step)
        for step_of_it in ("rollups_users", "rollups_tools", "rollups_add"):
            await db.execute(_sql(step_of_it), {"after": after, "upto": upto})
        await db.execute("update request_rollup_reached set position = %s", (upto,))
    return after, upto


def pieces_of(since: datetime, until: datetime, units: Sequence[timedelta], now: datetime) -> list[Piece]:
    """A span, made of whole units. At each end the unit that is nearer counts: what it has too much is taken away.

    Args:
        units: the coarsest first, each a multiple of those behind it.
        now: nothing comes after it, so taking that away costs nothing.
    """
    if until <= since:
        return []
    if not units:
        return [Piece(timedelta(), since, until)]
    unit, *finer = units
    begin, end = (_nearest(at, unit, now) for at in (since, until))
    if end <= begin:
        return pieces_of(since, until, finer, now)
    return [
        *pieces_of(since, begin, finer, now),
        *_away(pieces_of(begin, since, finer, now)),
        Piece(unit, begin, end),
        *pieces_of(end, until, finer, now),
        *_away(pieces_of(until, end, finer, now)),
    ]


def _nearest(at: datetime, unit: timedelta, now: datetime) -> datetime:
    before, behind = down_to(at, unit), up_to(at, unit)
    return before if at - before <= min(behind, now) - at else behind


def _away(pieces: Iterable[Piece]) -> list[Piece]:
    return [replace(piece, sign=-piece.sign) for piece in pieces]


def units_of(grain: int, age: timedelta) -> list[timedelta]:
    """The units of which there are figures that old, the coarsest first."""
    return [unit for unit, kept in UNITS[grain].items() if kept is None or age < kept - MARGIN]


def grain_of(*, user: bool, tool: bool, method: bool = False) -> int:
    """Which figures tell users apart, or servers and tools, or methods; those of tools tell methods apart as well."""
    if tool:
        return BY_BOTH if user else BY_TOOL
    if user:
        return BY_METHOD if method else BY_USER
    return BY_TOOL if method else EVERYBODY


def down_to(at: datetime, unit: timedelta) -> datetime:
    return MONDAY + (at - MONDAY) // unit * unit


def up_to(at: datetime, unit: timedelta) -> datetime:
    down = down_to(at, unit)
    return down if down == at else down + unit


@cache
def _sql(name: str) -> str:
    return (files("mcphub.projections") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
