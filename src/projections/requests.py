"""Reading the request history: pages, one request, and figures.

Straight from traffic; there is no read table to rebuild. Figures of long spans, and of times whose rows are gone, come
from those that are kept (`rollups.py`): their counts and means are exact, their percentiles within 5 %. Whose
requests somebody may see is the caller's question: it sets `user`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar
from uuid import UUID

from msgspec import Struct, convert
from psycopg import AsyncCursor
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.left_out import LeftOut
from mcphub.domain.rehearsal import Made
from mcphub.postgres.pool import Preferred
from mcphub.projections.figures import MOST_BUCKETS, MOST_ROWS_OF_STATS, PACKED, By, Kept, Stats, figures_of
from mcphub.projections.rollups import DAY, down_to, grain_of, pieces_of, units_of, up_to
from mcphub.projections.sketches import counted, percentiles

__all__ = [
    "BadCursor",
    "Filters",
    "Is",
    "Page",
    "RequestRow",
    "Requests",
    "Stats",
    "UserStats",
    "lowest_id",
    "time_of",
]

Is = Literal["error", "tool_error"]
RowT = TypeVar("RowT", bound=Struct)

MOST_ROWS = 200  # of a page
LONG = timedelta(days=2)  # a span of figures that is answered from those that are kept
SHORT, FEW = timedelta(hours=6), 20_000  # one that is not: shorter, or with no more requests in it, to the millisecond
DEFAULT_SPAN = timedelta(days=1)  # of figures, when none is asked for
PENDING_SPAN = timedelta(hours=3)  # the sweeper ends what is older than two
RECENT_SPAN, RECENT_CALLS = timedelta(days=7), 500  # how far back somebody's servers of late are looked for
MOST_WAYS = 20_000  # in which calls were made
QUERY_WITHIN_MS = 10_000
SKETCHES_MEMORY = "64MB"  # those of ten thousand users over a month, before the busiest are chosen
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
LAST_DAY = datetime(2200, 1, 1, tzinfo=UTC)
# As gateway/request_id.py writes it.
READABLE = re.compile(r"user-.+-(\d{10,15})-([0-9a-f]{12})")
RANDOM_BITS = (1 << 80) - 1  # what follows the milliseconds of a UUID


class BadCursor(ValueError):
    """The cursor is not one that a page gave out."""


class Filters(Struct, frozen=True, kw_only=True):
    """None means any. `latency`: milliseconds it took at least. The span ends just before `to`.

    `is_`: "tool_error" for what a tool answered with an error of its own, "error" for that and for what was not
    answered because something failed.
    """

    user: str | None = None
    session: UUID | None = None
    server: str | None = None
    tool: str | None = None
    method: str | None = None
    status: str | None = None
    from_: datetime | None = None
    to: datetime | None = None
    latency: float | None = None
    is_: Is | None = None

    @property
    def told_apart(self) -> bool:
        """Do the kept figures tell apart what is asked for?"""
        return self.session is None and self.status is None and self.latency is None and self.is_ is None


class RequestRow(Struct, frozen=True, kw_only=True):
    """One request, its start and its end. `status` is Pending, and what only an end knows None, while it runs."""

    request_id: UUID
    started_at: datetime
    ended_at: datetime | None
    status: str
    user_id: str | None
    key_id: str | None
    session_id: UUID | None
    server: str | None
    tool: str | None
    method: str | None
    era: str | None
    mode: str | None
    view: str | None
    client_name: str | None
    client_version: str | None
    credential_version: str | None
    ledger_position: int | None
    duration_ms: float | None
    wait_ms: float | None
    upstream_ms: float | None
    bytes_in: int | None
    bytes_out: int | None
    error_code: str | None
    reason: str | None
    shown: int | None
    filtered: int | None
    left_out: LeftOut | None
    node: str


class Page(Struct, frozen=True):
    """Newest first; `next` is the cursor of the following page, None after the last."""

    rows: list[RequestRow]
    next: str | None


class UserStats(Struct, frozen=True, kw_only=True):
    """A user's own figures over everything that is kept, in milliseconds."""

    total_requests: int
    pending_requests: int
    last_request_time: datetime | None
    average_response_time: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float


class Requests:
    """Questions about requests.

    Args:
        pool: for reading, opened by the caller.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Any] | Preferred, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._pool = pool
        self._now = now

    async def page(self, filters: Filters, *, cursor: str | None = None, limit: int = 50) -> Page:
        """
        Raises:
            BadCursor: tampered with.
        """
        size = min(max(limit, 1), MOST_ROWS)
        before = _before(cursor) if cursor else None
        rows = await self._page(filters, before=before, size=size + 1)
        more = len(rows) > size
        return Page(rows[:size], rows[size - 1].request_id.hex if more else None)

    async def one(self, text: str, *, user: str | None = None) -> RequestRow | None:
        """The request of an id in either form, UUID or readable; with `user`, those of others do not exist."""
        found = lookup(text)
        if found is None:
            return None
        low, high, ending = found
        rows = await self._page(Filters(user=user), low=low, high=high, ending=ending, size=1)
        return rows[0] if rows else None

    async def since(self, user: str, low: UUID, *, size: int) -> list[RequestRow]:
        """The user's newest requests whose ids are not below one, newest first."""
        return await self._page(Filters(user=user), low=low, size=size)

    async def ended(self, ids: Sequence[UUID]) -> list[RequestRow]:
        """Those of these requests that have ended by now."""
        if not ids:
            return []
        given = {"ids": list(ids), "since": time_of(min(ids))}
        found = await self._rows(_Ended, "requests_ended", given)
        rows = [await self._page(Filters(), low=row.request_id, high=row.request_id, size=1) for row in found]
        return [row for (row,) in rows]

    async def stats(self, filters: Filters, *, by: By = "", bucket: timedelta = timedelta(hours=1)) -> list[Stats]:
        """Figures of requests that ended in the span, by default the last day.

        Buckets grow until at most a thousand of them cover the span.
        """
        until = filters.to or self._now()
        since = filters.from_ or until - DEFAULT_SPAN
        while by == "time" and bucket * MOST_BUCKETS < until - since:
            bucket *= 2
        if filters.told_apart and (kept := await self._kept(filters, by, since, until, bucket)) is not None:
            return await self._long(kept)
        given = {
            **_plain(filters),
            "by": by,
            "bucket": bucket,
            "since": since,
            "until": until,
            "size": MOST_ROWS_OF_STATS,
        }
        return await self._rows(Stats, "requests_stats", given)

    async def _kept(self, filters: Filters, by: By, since: datetime, until: datetime, bucket: timedelta) -> Kept | None:
        """What to ask the kept figures; None where the rows do better: they are few, or steps are fine.

        Where the rows are gone the span begins and ends with an hour, or with a day where users are told apart, and
        steps are whole ones.
        """
        user = by == "user" or filters.user is not None
        tool = by in ("server", "tool") or filters.server is not None or filters.tool is not None
        grain = grain_of(user=user, tool=tool, method=filters.method is not None)
        (found,) = await self._rows(_Oldest, "requests_oldest", {})
        oldest, now = found.day or FIRST_DAY, self._now()
        units = units_of(grain, now - since)
        finest = units[-1]
        step = bucket if by == "time" else finest
        if since >= oldest and (step % finest or await self._few(since, until)):
            return None
        if since < oldest:
            finest = max(finest, DAY) if grain in PACKED else finest
            since = down_to(since, finest)
        until = up_to(until, finest) if until < oldest else until
        step = -(-step // finest) * finest
        # A step is made of whole units, and the first and the last one may be cut.
        fitting = [unit for unit in units if by != "time" or not step % unit]
        return Kept(
            grain=grain,
            by=by,
            step=step,
            since=since,
            until=until,
            pieces=pieces_of(since, until, fitting, now),
            filters=_plain(filters),
        )

    async def _few(self, since: datetime, until: datetime) -> bool:
        """Are rows counted one by one soon enough?"""
        if not SHORT <= until - since < LONG:
            return until - since < SHORT
        (found,) = await self._rows(_Count, "requests_how_many", {"since": since, "until": until})
        return found.count <= FEW

    async def of_user(self, user_id: str) -> UserStats:
        given = {"user": user_id, "since": self._now() - PENDING_SPAN}
        (row,) = await self._sketched(UserStats, "requests_of_user", given)
        return row

    async def pending(self, filters: Filters = Filters()) -> int:  # noqa: B008  frozen
        """Requests of all hubs that have no end yet, whatever span the filters say."""
        if filters.status not in (None, "Pending") or filters.latency is not None or filters.is_ is not None:
            return 0  # what only an end can be
        given = {**_plain(filters), "since": self._now() - PENDING_SPAN}
        (row,) = await self._rows(_Pending, "requests_pending", given)
        return row.pending

    async def recent_servers(self, user_id: str, most: int) -> list[str]:
        """Slugs of servers the user called within a week, the latest first."""
        since = self._now() - RECENT_SPAN
        given = {"user": user_id, "since": since, "low": lowest_id(since), "calls": RECENT_CALLS, "most": most}
        return [row.server for row in await self._rows(_Recent, "requests_recent", given)]

    async def made(self, since: datetime, methods: Sequence[str]) -> list[Made]:
        """Calls of these methods that were let through, counted by who called what in which way."""
        given = {"since": since, "until": self._now(), "methods": list(methods), "size": MOST_WAYS}
        return await self._rows(Made, "requests_made", given)

    async def _page(
        self,
        filters: Filters,
        *,
        low: UUID | None = None,
        high: UUID | None = None,
        before: UUID | None = None,
        ending: str | None = None,
        size: int,
    ) -> list[RequestRow]:
        since, until = _within(filters.from_ or FIRST_DAY), _within(filters.to or LAST_DAY)
        low = low or lowest_id(since)
        high = high or UUID(int=lowest_id(until).int | RANDOM_BITS)
        # What the ids say bounds the days to read as well.
        since = max(since, time_of(low))
        until = min(until, time_of(high) + timedelta(milliseconds=1))
        given = {
            **_plain(filters),
            "since": since,
            "until": until,
            "low": low,
            "high": high,
            "before": before,
            "ending": ending,
            "failed_only": filters.status not in (None, "Completed", "Pending"),
            "size": size,
        }
        return await self._rows(RequestRow, "requests_page", given)

    async def _rows(self, row: type[RowT], query: str, given: dict[str, Any]) -> list[RowT]:
        async with self._pool.connection() as db, db.transaction(), db.cursor(row_factory=dict_row) as cursor:
            return [convert(found, row) for found in await _answered(cursor, query, given)]

    async def _sketched(self, row: type[RowT], query: str, given: dict[str, Any]) -> list[RowT]:
        """Of kept figures and of rows that fit to them: both are seen in one snapshot."""
        async with self._snapshot() as (cursor, reached):
            rows = await _answered(cursor, query, given | {"reached": reached})
        return await asyncio.to_thread(_looked_into, row, rows)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[tuple[AsyncCursor[dict[str, Any]], int]]:
        """A cursor that sees one state of everything, and up to which position of the traffic the figures were made."""
        async with (
            self._pool.connection() as db,
            db.transaction(),
            db.cursor(row_factory=dict_row, binary=True) as cursor,
        ):
            await cursor.execute("set transaction isolation level repeatable read, read only")
            await cursor.execute(f"set local work_mem = '{SKETCHES_MEMORY}'")
            await cursor.execute("select position as reached from request_rollup_reached")
            (row,) = await cursor.fetchall()
            yield cursor, row["reached"]

    async def _long(self, kept: Kept) -> list[Stats]:
        async with self._snapshot() as (cursor, reached):

            async def ask(query: str, given: dict[str, Any]) -> list[dict[str, Any]]:
                return await _answered(cursor, query, given | {"reached": reached})

            return await figures_of(kept, ask)


async def _answered(cursor: AsyncCursor[dict[str, Any]], query: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    await cursor.execute(f"set local statement_timeout = {QUERY_WITHIN_MS}")
    # Never a prepared plan: each filter that is null must vanish from the plan.
    await cursor.execute(_sql(query), given, prepare=False)
    return await cursor.fetchall()


def _looked_into(row: type[RowT], rows: list[dict[str, Any]]) -> list[RowT]:
    """The rows with percentiles in place of their sketches."""
    found = percentiles(counted([one.pop("sketch") for one in rows]))
    return [
        convert(one | dict(zip(("p50_ms", "p95_ms", "p99_ms"), three, strict=True)), row)
        for one, three in zip(rows, found, strict=True)
    ]


def lookup(text: str) -> tuple[UUID, UUID, str] | None:
    """Between which UUIDs the one of an id lies, and how its hex ends; None when it is no request's id."""
    if found := READABLE.fullmatch(text):
        first = int(found[1]) << 80
        if first >> 128:
            return None
        return UUID(int=first), UUID(int=first | RANDOM_BITS), found[2]
    try:
        whole = UUID(text)
    except ValueError:
        return None
    return (whole, whole, whole.hex[-12:]) if whole.version == 7 else None


class _Ended(Struct):
    request_id: UUID


class _Pending(Struct):
    pending: int


class _Oldest(Struct):
    day: datetime | None


class _Count(Struct):
    count: int


class _Recent(Struct):
    server: str


def _plain(filters: Filters) -> dict[str, Any]:
    names = ("user", "session", "server", "tool", "method", "status", "latency")
    return {**{name: getattr(filters, name) for name in names}, "is": filters.is_}


def _before(cursor: str) -> UUID:
    try:
        return UUID(hex=cursor)
    except ValueError:
        raise BadCursor("the cursor is not one that a page gave out; begin at the first page") from None


def _within(at: datetime) -> datetime:
    """Inside what the ids can say."""
    return min(max(at, FIRST_DAY), LAST_DAY)


def lowest_id(at: datetime) -> UUID:
    """The smallest id of a request that comes in then."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def time_of(request_id: UUID) -> datetime:
    """When it came in, as its id says."""
    return datetime.fromtimestamp(min(request_id.int >> 80, LAST_DAY.timestamp() * 1000) / 1000, UTC)


@cache
def _sql(name: str) -> str:
    return (files("mcphub.projections") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
