"""Figures of long spans: from rows of figures, from packed requests, and from the rows of requests at the ends.

Counts and means are exact, percentiles within 5 %.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from mcphub.projections.rollups import BY_BOTH, BY_METHOD, BY_USER, HOUR, SPANS, Piece, down_to
from mcphub.projections.sketches import SUMS, counted, percentiles

if TYPE_CHECKING:
    from mcphub.projections.packed import PackedSums

__all__ = ["MOST_ROWS_OF_STATS", "PACKED", "By", "Kept", "Stats", "figures_of"]

By = Literal["user", "server", "tool", "time", ""]
Key = tuple[str, str, str, datetime]  # user, server, tool, beginning of a step; as far as groups are told apart
Ask = Callable[[str, dict[str, Any]], Awaitable[list[dict[str, Any]]]]  # the name of a query, and what it is given

MOST_BUCKETS = 1000
MOST_ROWS_OF_STATS = MOST_BUCKETS + 1  # the first and the last bucket are cut
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PACKED = (BY_USER, BY_METHOD, BY_BOTH)  # whose hours are packed
OF_SERVERS, OF_USERS, USER_PARTS = 1, 2, 64  # see 0023_packed_requests.sql
# Hours of packed requests that are looked through at once: of ten million a month 1.3 million requests.
MOST_HOURS, MOST_HOURS_OF_A_PART = 96, 96 * USER_PARTS
NOTHING: dict[str, Any] = {"sketch": b"", "taken_away": b""}


class Stats(Struct, frozen=True, kw_only=True):
    """Figures of one group; those of durations are None when nothing was answered.

    `errors` and `error_rate` are of what the hub or a server did; `tool_errors` are answers that report an error of the
    tool's own, and count as answered.
    """

    user: str | None
    server: str | None
    tool: str | None
    at: datetime | None
    count: int
    errors: int
    denied: int
    cancelled: int
    error_rate: float
    tool_errors: int
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Kept(Struct, frozen=True, kw_only=True):
    """What kept figures are asked. `pieces` make the span."""

    grain: int
    by: By
    step: timedelta
    since: datetime
    until: datetime
    pieces: list[Piece]
    filters: dict[str, Any]  # as the queries take them

    def given(self) -> dict[str, Any]:
        """For requests_stats_long.sql: of pieces that are rows, and of what is finer than any."""
        rows = [piece for piece in self.pieces if piece.unit and not self._is_packed(piece)]
        finer = [piece for piece in self.pieces if not piece.unit]
        return {
            **self.filters,
            **_spans(rows),
            "spans": [SPANS[piece.unit] for piece in rows],
            "froms": [piece.begin for piece in finer],
            "uptos": [piece.end for piece in finer],
            "pluses": [piece.sign for piece in finer],
            "by": self.by,
            "bucket": self.step,
            "since": self.since,
            "until": self.until,
            "grain": self.grain,
        }

    @property
    def packed(self) -> list[Piece]:
        return [piece for piece in self.pieces if self._is_packed(piece)]

    def _is_packed(self, piece: Piece) -> bool:
        return piece.unit == HOUR and self.grain in PACKED


class _Group(Struct):
    """`place`: in the packed sums, None where they hold nothing of it."""

    key: Key
    sums: list[float]
    place: int | None = None


class _Packed(Struct):
    """Sums of packed requests, and which groups are to be shown."""

    sums: "PackedSums"
    keys: dict[int, Key]


async def figures_of(kept: Kept, ask: Ask) -> list[Stats]:
    """Of many users only the busiest are looked into.

    Args:
        ask: sees one state of everything.
    """
    given = kept.given()
    packed = await _packed(kept, ask)
    users = await _busiest(given, packed, ask) if kept.by == "user" else None
    rows = await ask("requests_stats_long", given | {"users": users})
    return await asyncio.to_thread(_stats_of, rows, packed, kept.by)


async def _busiest(given: dict[str, Any], packed: _Packed | None, ask: Ask) -> list[str]:
    """Ids of as many users as are shown; `packed` learns their names."""
    counted_rows = await ask("requests_counts_long", given)
    counts: Counter[str | int] = Counter()  # of users by their numbers, and by their ids where they have none
    for row in counted_rows:
        counts[row["user"] if row["number"] is None else row["number"]] = row["count"]
    if packed is not None:
        counts.update(packed.sums.counts())
    shown = [user for user, count in counts.most_common(MOST_ROWS_OF_STATS) if count > 0]
    names = await ask("requests_packed_users", {"numbers": [user for user in shown if isinstance(user, int)]})
    if packed is not None:
        packed.keys = {name["number"]: (name["user_id"], "", "", EPOCH) for name in names}
    return [*(name["user_id"] for name in names), *(user for user in shown if isinstance(user, str))]


async def _packed(kept: Kept, ask: Ask) -> _Packed | None:
    """None when none of them is wanted."""
    pieces, user, server = kept.packed, kept.filters["user"], kept.filters["server"]
    if not pieces:
        return None
    from mcphub.projections.packed import PackedSums  # late, as it needs numpy

    (about,) = await ask("requests_packed_about", {"user": user, "server_asked": server or ""})
    if user is not None and about["user_number"] is None:
        return None
    places: dict[Key, int] = {}
    tools = [-1] * (about["most_tools"] + 1)
    for tool in await ask("requests_packed_tools", kept.filters):
        tools[tool["number"]] = 0
        if kept.by in ("server", "tool"):
            key = ("", tool["server"], tool["tool"] if kept.by == "tool" else "", EPOCH)
            tools[tool["number"]] = places.setdefault(key, len(places))
    hours = {piece.begin + hour * HOUR for piece in pieces for hour in range((piece.end - piece.begin) // HOUR)}
    steps = {}
    if kept.by == "time":
        steps = {at: places.setdefault(("", "", "", down_to(at, kept.step)), len(places)) for at in sorted(hours)}
    elif not kept.by:
        places["", "", "", EPOCH] = 0
    groups = about["most_users"] + 1 if kept.by == "user" else len(places) or 1
    sums = PackedSums(groups, user=about["user_number"], tools=tools)
    given: dict[str, Any] = {"by": OF_USERS, "parts": None}
    if server is not None:
        given = {"by": OF_SERVERS, "parts": [about["server_part"]]}
    elif user is not None:
        given["parts"] = [about["user_number"] % USER_PARTS]
    for some in _cut(pieces, MOST_HOURS if given["parts"] is None else MOST_HOURS_OF_A_PART):
        rows = await ask("requests_packed", given | _spans(some))
        packed = [(row["at"], row["sign"], row["entries"]) for row in rows]
        await asyncio.to_thread(sums.add, packed, by=kept.by, steps=steps)
    return _Packed(sums, {place: key for key, place in places.items()})


def _cut(pieces: Sequence[Piece], hours: int) -> Iterator[list[Piece]]:
    """So many hours at once, or a little more."""
    some: list[Piece] = []
    for piece in pieces:
        begin = piece.begin
        while begin < piece.end:
            end = min(begin + hours * HOUR, piece.end)
            some.append(replace(piece, begin=begin, end=end))
            begin = end
            if sum((one.end - one.begin for one in some), timedelta()) >= hours * HOUR:
                yield some
                some = []
    if some:
        yield some


def _spans(pieces: Sequence[Piece]) -> dict[str, Any]:
    return {
        "lows": [piece.begin for piece in pieces],
        "highs": [piece.end for piece in pieces],
        "signs": [piece.sign for piece in pieces],
    }


def _stats_of(rows: list[dict[str, Any]], packed: _Packed | None, by: By) -> list[Stats]:
    """As many groups as are shown: time in order, else the busiest first."""
    groups = {_key(row): _Group(_key(row), [float(row[name]) for name in SUMS]) for row in rows}
    if packed is not None:
        for place, sums in packed.sums.found(list(packed.keys)):
            group = groups.setdefault(packed.keys[place], _Group(packed.keys[place], [0.0] * len(SUMS)))
            group.place = place
            group.sums = [one + other for one, other in zip(group.sums, sums, strict=True)]
    some = [group for group in groups.values() if round(group.sums[0]) > 0]
    # What a group has no name for comes last, as in SQL.
    some.sort(key=lambda group: (group.key[3], -group.sums[0], *((not name, name) for name in group.key[:3])))
    shown = some[:MOST_ROWS_OF_STATS]
    of = {_key(row): row for row in rows}
    sketched = [of.get(group.key, NOTHING) for group in shown]
    counts = counted([row["sketch"] for row in sketched]) - counted([row["taken_away"] for row in sketched])
    for place, group in enumerate(shown):
        if packed is not None and group.place is not None:
            counts[place] += packed.sums.bins[group.place]
    return [_stats(group, three, by) for group, three in zip(shown, percentiles(counts), strict=True)]


def _stats(group: _Group, found: tuple[float | None, ...], by: By) -> Stats:
    user, server, tool, at = group.key
    count, errors, denied, cancelled, tool_errors, answered = (round(number) for number in group.sums[:6])
    return Stats(
        user=user or None,
        server=server or None,
        tool=tool or None,
        at=at if by == "time" else None,
        count=count,
        errors=errors,
        denied=denied,
        cancelled=cancelled,
        error_rate=errors / count,
        tool_errors=tool_errors,
        mean_ms=group.sums[6] / answered if answered else None,
        p50_ms=found[0],
        p95_ms=found[1],
        p99_ms=found[2],
    )


def _key(row: dict[str, Any]) -> Key:
    return row["user"], row["server"], row["tool"], row["at"]
