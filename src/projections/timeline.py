"""The timeline: facts of the ledger and rows of the access log, merged, newest first.

A row of the access log stands where the ledger stood when it was noted: above the fact of that position and below the
next one. So both have one order, which nothing that comes in moves, and a page goes on behind the last item of another.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import product
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row, tuple_row
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.codec import decode_meta, encode
from mcphub.domain.events import EVENT_TYPES
from mcphub.projections.categories import CATEGORY_OF
from mcphub.projections.history import LAST_BY

__all__ = ["AccessItem", "Choice", "FactItem", "Link", "Place", "Timeline", "Trace", "Wanted", "began_at"]

Kind = Literal["fact", "access"]
CATEGORIES = {
    "sign_in": "sign-in",
    "sign_out": "sign-in",
    "command": "refused",
    "export": "export",
    "gap": "history",
}
DONE = "done"  # the outcome of every fact

# As the indexes of the ledger have them (0020_ledger_source.sql, 0022_ledger_timeline.sql).
ACTOR = "(ledger.meta ->> 'actor')"
USER = "public.tagged_user(ledger.tags)"
SOURCE = "coalesce(ledger.meta ->> 'source', 'api')"  # what is `api` does not say so
# What people do is mostly about themselves, and found by whom it is about: the index of actors holds the rest.
FOR_ANOTHER = f"{ACTOR} <> {USER}"
FACT_COLUMNS = f"""
    select ledger.position, ledger.recorded_at as at, ledger.type, {ACTOR} as actor, {USER} as user_id,
           ledger.tags, ledger.data::text as data, ledger.meta::text as meta, ledger.id::text as id
"""
FACTS = " from public.ledger "
TEXTS = (
    "name",
    "old_name",
    "tool",
    "variable",
    "description",
    "reason",
    "last4",
)  # members that texts are looked for in, as fact_texts has them (0024_ledger_texts.sql)
FIRST_REACH = 10_000  # facts that are looked through for a text at first
SHORTEST = 2  # letters of a text that the index finds
WITH_TEXTS = [name for name, type_ in EVENT_TYPES.items() if not set(TEXTS).isdisjoint(type_.__struct_fields__)]
ACCESS_COLUMNS = """
    select ledger_position as position, position as number, id, at, action, outcome, way, actor, subject, name_digest,
           ip, agent, address, method, route, request_id, lost, node
"""
ACCESS = " from public.access_log "
# What joins the facts of one cause: the id that was handed on, else the request that made them.
TRACE = "coalesce(nullif(ledger.meta ->> 'correlation_id', ''), ledger.meta ->> 'request_id')"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # nothing is older, and a moment before the first year is none
LONGEST_REQUEST = timedelta(hours=1)  # from its beginning to its last row of the access log
MOST_OF_TRACE = 1000  # facts of one cause
GENERATIONS = 5  # of facts that facts caused
NEAR = 1000  # positions to each side, in which facts of one cause are looked for

# Positions of the access log grow with the times rows are recorded at, so its last days are enough when they hold any.
NEWEST = """
    select (select position from public.ledger_head), coalesce(
        (select max(position) from access_log where recorded_at >= now() - interval '1 day'),
        (select max(position) from access_log))
"""
# The first position behind each of some times. Facts are counted by position, as an index has it beside their type.
FIRSTS = f"""
    select last.low + 1 from unnest(%(edges)s::timestamptz[]) with ordinality as edge(at, number)
    cross join lateral ({LAST_BY.replace("%(at)s", "edge.at")}) as last order by edge.number
"""
# Each subject is read once, however many facts of it are on the page.
ORDINALS = """
    select position, tag, ordinal from (
        select ledger.position, tag, row_number() over (partition by tag order by ledger.position) as ordinal
        from unnest(%(tags)s::text[]) as tag join public.ledger on ledger.tags @> array[tag]
        where ledger.position <= %(upto)s
    ) as numbered
    where position = any(%(positions)s)
"""
# Whether the fact hangs in the chain is computed here, by the function that hung it there.
CHAIN = """
    select ledger.hash, coalesce(previous.hash, sha256('')), ledger.hash = public.ledger_link(
        coalesce(previous.hash, sha256('')), ledger.position, ledger.id, ledger.type,
        array_to_string(ledger.tags, E'\\x1f'), ledger.recorded_at, ledger.meta::text, ledger.data::text)
    from public.ledger left join public.ledger as previous on previous.position = ledger.position - 1
    where ledger.position = %s
"""
HISTORY = f"""
    select ledger.position, ledger.data::text,
           %(own)s::text is null or {ACTOR} = %(own)s or {USER} = %(own)s
    from public.ledger
    where ledger.tags @> array[%(tag)s] and ledger.type = any(%(types)s) and ledger.position <= %(upto)s
    order by ledger.position
"""


class Place(Struct, frozen=True, order=True):
    """A place on the timeline. `number`: of the access row there, 0 for the fact itself."""

    position: int
    number: int = 0

    def __str__(self) -> str:
        return f"{self.position}.{self.number}" if self.number else str(self.position)

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """None for a text that is none."""
        position, dot, number = text.partition(".")
        parts = [position, number] if dot else [position]
        if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
            return None
        return cls(*map(int, parts))


class Choice(Struct, frozen=True):
    """Which values count: any of `only`, or every one when that is None, but none of `never`.

    A `*` in a value stands for any text.
    """

    only: tuple[str, ...] | None = None
    never: tuple[str, ...] = ()

    def fits(self, value: str) -> bool:
        return (self.only is None or _any_fits(self.only, value)) and not _any_fits(self.never, value)


ANY = Choice()


class Wanted(Struct, frozen=True, kw_only=True):
    """What is looked for. `own`: what this user did, or what is about them.

    `type` is that of facts, or an action of the other log; `user` whom it is about; `tag` a subject; `trace` one cause.
    `text` is looked for in types and in names that facts carry; `named` are users, and `tagged` the tags of other
    things, whose names hold it.
    """

    kind: Kind | None = None
    own: str | None = None
    actor: Choice = ANY
    user: Choice = ANY
    type: Choice = ANY
    category: Choice = ANY
    outcome: Choice = ANY
    source: Choice = ANY
    tag: Choice = ANY
    trace: Choice = ANY
    text: str = ""
    named: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def facts(self) -> bool:
        """Can a fact be wanted?"""
        return self.kind != "access" and self.outcome.fits(DONE)

    @property
    def access(self) -> bool:
        """Can a row of the access log be wanted? It has no source, no tag, and is of no cause."""
        asked = (self.source.only, self.tag.only, self.trace.only)
        return self.kind != "fact" and all(only is None for only in asked)

    def types(self) -> list[str] | None:
        """Of the facts that can be wanted; None for all."""
        if self.type == self.category == ANY:
            return None
        return [type_ for type_, kind in CATEGORY_OF.items() if self.type.fits(type_) and self.category.fits(kind)]

    @property
    def narrowed_by_type_alone(self) -> bool:
        """Are some types looked for, and nothing else that an index could do better?"""
        others = (self.actor, self.user, self.source, self.tag, self.trace)
        by_type = self.type.only is not None or self.category.only is not None
        return by_type and self.own is None and not self.text and all(one == ANY for one in others)

    def actions(self) -> list[str]:
        return [action for action, kind in CATEGORIES.items() if self.type.fits(action) and self.category.fits(kind)]


class FactItem(Struct):
    position: int
    at: datetime
    type: str
    actor: str
    user_id: str
    tags: list[str]
    data: str
    meta: str
    id: str = ""

    @property
    def place(self) -> Place:
        return Place(self.position)

    @property
    def category(self) -> str:
        return CATEGORY_OF[self.type]


class AccessItem(Struct):
    """`position` is where the ledger stood, `number` the row's own."""

    position: int
    number: int
    id: UUID
    at: datetime
    action: str
    outcome: str
    way: str
    actor: str
    subject: str
    name_digest: str
    ip: str
    agent: str
    address: str
    method: str
    route: str
    request_id: str
    lost: int
    node: str

    @property
    def place(self) -> Place:
        return Place(self.position, self.number)

    @property
    def category(self) -> str:
        return CATEGORIES[self.action]


class Link(Struct, frozen=True):
    """A fact's hash and the one before it; `holds`: is the first what the fact and the other make?"""

    hash: bytes
    previous: bytes
    holds: bool


class Trace(Struct, frozen=True):
    """`facts` of one cause with all that they caused, oldest first; `before` are facts of other causes that caused some
    of them.
    """

    facts: list[FactItem]
    before: list[FactItem]
    access: list[AccessItem]


class Conditions:
    """Parts of a `where`, each with its values."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.given: dict[str, Any] = {}

    def __str__(self) -> str:
        return " where " + self.joined if self._parts else ""

    @property
    def joined(self) -> str:
        return " and ".join(self._parts) or "true"

    def add(self, part: str, **given: Any) -> None:
        self._parts.append(part)
        self.given |= given

    def choose(self, column: str, choice: Choice) -> None:
        """
        Args:
            column: what the choice is about; never a text from outside.
        """
        name = f"v{len(self.given)}"
        if choice.only is not None:
            if any("*" in value for value in choice.only):
                self.add(f"{column} like any(%({name})s::text[])", **{name: [_like(value) for value in choice.only]})
            else:
                self.add(f"{column} = any(%({name})s::text[])", **{name: list(choice.only)})
        if choice.never:
            self.add(
                f"not {column} like any(%({name}n)s::text[])", **{f"{name}n": [_like(one) for one in choice.never]}
            )

    def within(self, wanted: Wanted, column: str) -> None:
        if wanted.since is not None:
            self.add(f"{column} >= %(since)s", since=wanted.since)
        if wanted.until is not None:
            self.add(f"{column} < %(until)s", until=wanted.until)


class Timeline:
    """Questions about what happened.

    Args:
        pool: for reading; search path: read, public.
    """

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def page(self, wanted: Wanted, *, before: Place | None, size: int) -> list[FactItem | AccessItem]:
        """The newest before a place."""
        found: list[FactItem | AccessItem] = []
        if wanted.facts:
            # Behind an access row comes the fact it stands above.
            position = None if before is None else before.position + (before.number > 0)
            found += await self._facts(wanted, size, before=position)
        if wanted.access and wanted.actions():
            conditions = _of_access(wanted)
            if before is not None:
                place = {"before": before.position, "number": before.number}
                conditions.add("(ledger_position, position) < (%(before)s, %(number)s)", **place)
            found += await self._access(conditions, "ledger_position desc, access_log.position desc", size)
        return sorted(found, key=lambda item: item.place, reverse=True)[:size]

    async def fact(self, position: int, *, own: str | None = None) -> FactItem | None:
        """The fact there; with `own`, those of others do not exist."""
        rows = await self._facts(Wanted(own=own), 1, before=position + 1, after=position - 1)
        return rows[0] if rows else None

    # following it

    async def newest(self) -> Place:
        """The last fact the read tables show, and the last row of the access log: `follow` begins behind them."""
        (row,) = await self._tuples(NEWEST)
        return Place(row[0] or 0, row[1] or 0)

    async def after(self, wanted: Wanted, last: Place, size: int) -> tuple[list[FactItem], list[AccessItem]]:
        """What came in behind `last`, so many at most of each log, oldest first.

        Args:
            last: a fact's position, and the number of an access row. A row can come in late, and stand above facts
                that were there before it; so the two are counted apart.
        """
        facts: list[FactItem] = []
        rows: list[AccessItem] = []
        if wanted.facts:
            facts = await self._facts(wanted, size, after=last.position)
        if wanted.access and wanted.actions():
            conditions = _of_access(wanted)
            conditions.add("position > %(number)s", number=last.number)
            rows = await self._access(conditions, "access_log.position", size)
        return facts, rows

    # counting

    async def began(self) -> datetime | None:
        """When the first fact was recorded."""
        rows = await self._tuples("select recorded_at from public.ledger order by position limit 1")
        return rows[0][0] if rows else None

    async def counts(self, wanted: Wanted, since: datetime, until: datetime, bins: int) -> Counter[tuple[int, str]]:
        """How many there are by bin, from 0, and category."""
        total: Counter[tuple[int, str]] = Counter()
        step = (until - since) / bins
        if wanted.facts:
            conditions = _of_facts(wanted)
            _within(
                conditions, *await self._between(max(since, wanted.since or since), min(until, wanted.until or until))
            )
            edges = [_just_before(since + step * number) for number in range(1, bins)]
            given = {**conditions.given, "firsts": [first for (first,) in await self._tuples(FIRSTS, {"edges": edges})]}
            query = (
                f"select width_bucket(ledger.position, %(firsts)s::bigint[]), ledger.type, count(*){FACTS}{conditions}"
            )
            for bin_, type_, count in await self._tuples(f"{query} group by 1, 2", given):
                total[bin_, CATEGORY_OF[type_]] += count
        if wanted.access and wanted.actions():
            conditions = _of_access(wanted)
            conditions.add("at >= %(lower)s and at < %(upper)s", lower=since, upper=until)
            query = f"select date_bin(%(step)s, at, %(begin)s), action, count(*){ACCESS}{conditions} group by 1, 2"
            for begin, action, count in await self._tuples(query, {**conditions.given, "step": step, "begin": since}):
                total[min((begin - since) // step, bins - 1), CATEGORIES[action]] += count
        return total

    # about one fact

    async def ordinals(self, subjects: Sequence[tuple[int, str]]) -> dict[int, int]:
        """For facts at positions, each with its subject's tag: which of that subject's facts it is, from 1."""
        if not subjects:
            return {}
        tags, positions = sorted({tag for _, tag in subjects}), [position for position, _ in subjects]
        given = {"tags": tags, "upto": max(positions), "positions": positions}
        wanted = set(subjects)
        return {
            position: ordinal
            for position, tag, ordinal in await self._tuples(ORDINALS, given)
            if (position, tag) in wanted
        }

    async def hashes(self, positions: Sequence[int]) -> dict[int, bytes]:
        """Of the facts there."""
        query = "select position, hash from public.ledger where position = any(%(positions)s)"
        return dict(await self._tuples(query, {"positions": list(positions)}))

    async def neighbours(self, position: int, tag: str, *, own: str | None) -> tuple[int | None, int | None]:
        """The facts of a subject before and after this one."""
        found = []
        for comparison, end in (("<", "max"), (">", "min")):
            conditions = _of_facts(Wanted(own=own, tag=Choice((tag,))))
            conditions.add(f"ledger.position {comparison} %(position)s", position=position)
            (row,) = await self._tuples(f"select {end}(ledger.position){FACTS}{conditions}", conditions.given)
            found.append(row[0])
        return found[0], found[1]

    async def together(self, position: int, trace: str, *, own: str | None) -> list[FactItem]:
        """Facts of one cause, oldest first, as far as they stand near each other."""
        wanted = Wanted(own=own, trace=Choice((trace,)))
        return (await self._facts(wanted, 2 * NEAR, after=position - NEAR, before=position + NEAR))[:NEAR]

    async def trace(self, trace: str, *, own: str | None) -> Trace:
        """All that came of one cause: facts of it, facts that these caused, and what the access log says."""
        facts = {fact.id: fact for fact in await self._facts(Wanted(own=own, trace=Choice((trace,))), MOST_OF_TRACE)}
        fresh = list(facts)
        for _ in range(GENERATIONS):
            conditions = _of_facts(Wanted(own=own))
            conditions.add("(ledger.meta ->> 'causation_id') = any(%(causes)s::text[])", causes=fresh)
            found = await self._of(conditions) if fresh else []
            fresh = [fact.id for fact in found if fact.id not in facts]
            facts |= {fact.id: fact for fact in found}
        causes = {cause for fact in facts.values() if (cause := decode_meta(fact.meta).causation_id)} - facts.keys()
        conditions = _of_facts(Wanted(own=own))
        conditions.add("ledger.id = any(%(ids)s::uuid[])", ids=sorted(causes))
        before = await self._of(conditions) if causes else []
        began, access = began_at(trace), []
        if began is not None:
            conditions = _of_access(Wanted(own=own))
            conditions.add(
                "request_id = %(request)s and recorded_at >= %(low)s and recorded_at < %(high)s",
                request=trace,
                low=began - LONGEST_REQUEST,
                high=began + LONGEST_REQUEST,
            )
            access = await self._access(conditions, "access_log.position", MOST_OF_TRACE)
        return Trace(sorted(facts.values(), key=lambda fact: fact.position), before, access)

    async def _of(self, conditions: Conditions) -> list[FactItem]:
        query = f"{FACT_COLUMNS}{FACTS}{conditions} order by ledger.position limit %(size)s"
        return await self._rows(FactItem, query, {**conditions.given, "size": MOST_OF_TRACE})

    async def history(
        self, tag: str, types: Iterable[str], upto: int, *, own: str | None = None
    ) -> list[tuple[int, str]]:
        """Position and text of a subject's facts of these types, oldest first; with `own`, none at all when one of them
        is another's: a part of a history would tell a wrong state.
        """
        given = {"tag": tag, "types": list(types), "upto": upto, "own": own}
        rows = await self._tuples(HISTORY, given)
        return [(position, data) for position, data, _ in rows] if all(mine for _, _, mine in rows) else []

    async def link(self, position: int) -> Link:
        (row,) = await self._tuples(CHAIN, (position,))
        return Link(*row)

    async def _facts(
        self, wanted: Wanted, size: int, *, before: int | None = None, after: int | None = None
    ) -> list[FactItem]:
        """Oldest first when they are looked for behind a position, else newest first."""
        low, high = await self._between(wanted.since, wanted.until)
        low = low if after is None else max(low or 0, after)
        high = high if before is None else min(high or before, before)
        if after is not None or not wanted.text:
            return await self._found(wanted, size, low, high, "desc" if after is None else "asc")
        # What many facts hold is soon found in the newest; what few hold, by the index. That knows pairs of letters, so
        # a single one is looked for in ever larger steps.
        found: list[FactItem] = []
        reach, top = FIRST_REACH, high or (await self.newest()).position + 1
        while len(found) < size and top > (low or 0) + 1:
            by_index = len(wanted.text) >= SHORTEST and reach > FIRST_REACH
            step = low or 0 if by_index else max(low or 0, top - 1 - reach)
            found += await self._found(wanted, size - len(found), step, top, "desc", walking=not by_index)
            reach, top = reach * 4, step + 1
        return found

    async def _found(
        self,
        wanted: Wanted,
        size: int,
        low: int | None,
        high: int | None,
        direction: Literal["asc", "desc"],
        *,
        walking: bool = True,
    ) -> list[FactItem]:
        """Between two positions, without them.

        Args:
            walking: are texts looked for in one fact after the other, as suits few facts?
        """
        parts: list[str] = []
        given: dict[str, Any] = {"size": size}
        for conditions in _ways(wanted, walking=walking):
            types = wanted.types() if wanted.narrowed_by_type_alone else None
            if types is None:
                _within(conditions, low, high)
                part = f"select ledger.position{FACTS}{conditions} order by ledger.position {direction} limit %(size)s"
            else:
                conditions = Conditions()
                conditions.add("ledger.type = wanted.type")
                _within(conditions, low, high)
                part = (
                    "select few.position from unnest(%(types)s::text[]) as wanted(type) cross join lateral (select"
                    f" position{FACTS}{conditions} order by position {direction} limit %(size)s) as few"
                )
                given["types"] = types
            parts.append(f"({part})")
            given |= conditions.given
        if not parts:
            return []
        query = (
            f"{FACT_COLUMNS} from (select position from ({' union '.join(parts)}) as of_any_way"
            f" order by position {direction} limit %(size)s) as found"
            " join public.ledger on ledger.position = found.position"
            f" order by found.position {direction}"
        )
        return await self._rows(FactItem, query, given)

    async def _between(self, since: datetime | None, until: datetime | None) -> tuple[int | None, int | None]:
        """Positions before and behind all facts of a span: both grow, so an index of one is an index of the other."""
        found: list[int | None] = []
        for at in (since, until):
            if at is None:
                found.append(None)
            else:
                ((position, _),) = await self._tuples(LAST_BY, {"at": _just_before(at)})
                found.append(position)
        low, last = found
        return low, None if last is None else last + 1

    async def _access(self, conditions: Conditions, order: str, size: int) -> list[AccessItem]:
        # A bare `position` would be the column of the answer that is called so.
        query = f"{ACCESS_COLUMNS}{ACCESS}{conditions} order by {order} limit %(size)s"
        return await self._rows(AccessItem, query, {**conditions.given, "size": size})

    async def _rows(self, row: type[Any], query: str, given: dict[str, Any]) -> list[Any]:
        async with self._pool.connection() as db, db.cursor(row_factory=class_row(row)) as cursor:
            await cursor.execute(query, given, prepare=False)
            return list(await cursor.fetchall())

    async def _tuples(self, query: str, given: Any = None) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as db, db.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(query, given, prepare=False)
            return list(await cursor.fetchall())


def _ways(wanted: Wanted, *, walking: bool = False) -> list[Conditions]:
    """How a fact can be one of those: each way is looked for by an index of its own, which an `or` has none of."""
    ways: list[list[tuple[str, dict[str, Any]]]] = []
    if wanted.own is not None:
        given = {"own": wanted.own}
        ways.append([(f"{USER} = %(own)s", given), (f"{ACTOR} = %(own)s and {FOR_ANOTHER}", given)])
    if _plain(wanted.actor):
        several = {"actors": list(wanted.actor.only or ())}
        ways.append(
            [
                (f"{USER} = any(%(actors)s::text[]) and not {FOR_ANOTHER}", several),
                (f"{ACTOR} = any(%(actors)s::text[]) and {FOR_ANOTHER}", several),
            ]
        )
    if _plain(wanted.source):
        named = enumerate(wanted.source.only or ())
        ways.append([(f"{SOURCE} = %(source{number})s", {f"source{number}": source}) for number, source in named])
    if wanted.text:
        ways.append(_text_ways(wanted, walking=walking))
    found = []
    for way in product(*ways):
        conditions = _of_all(wanted)
        for part, given in way:
            conditions.add(part, **given)
        found.append(conditions)
    return found


def _text_ways(wanted: Wanted, *, walking: bool) -> list[tuple[str, dict[str, Any]]]:
    types = [type_ for type_ in EVENT_TYPES if wanted.text.casefold() in type_.casefold()]
    if walking or len(wanted.text) < SHORTEST:
        # As JSON writes it, in the whole fact first: taking it apart costs five times as much.
        first = "ledger.type = any(%(with_texts)s::text[]) and ledger.data::text ilike %(written)s"
        written = _escaped(encode(wanted.text).decode()[1:-1])
        given: dict[str, Any] = {"with_texts": WITH_TEXTS, "written": f"%{written}%"}
    else:
        first = "public.text_pairs(public.fact_texts(ledger.data)) @> public.text_pairs(%(letters)s)"
        given = {"letters": wanted.text}
    ways: list[tuple[str, dict[str, Any]]] = [
        ("ledger.type = any(%(of_types)s::text[])", {"of_types": types}),
        (
            f"({first} and public.fact_texts(ledger.data) ilike %(text)s)",
            {**given, "text": f"%{_escaped(wanted.text)}%"},
        ),
        (f"{USER} = any(%(named)s::text[])", {"named": list(wanted.named)}),
        (f"{ACTOR} = any(%(named)s::text[]) and {FOR_ANOTHER}", {"named": list(wanted.named)}),
        ("ledger.tags && %(tagged)s::text[]", {"tagged": list(wanted.tagged)}),
    ]
    return [way for way in ways if all(way[1].values())]


def _of_facts(wanted: Wanted) -> Conditions:
    """Any of the ways, in one `where`; without the time."""
    ways = _ways(wanted)
    if len(ways) == 1:
        return ways[0]
    conditions = Conditions()
    parts: list[str] = []
    given: dict[str, Any] = {}
    for way in ways:
        parts.append(f"({way.joined})")
        given |= way.given
    conditions.add(f"({' or '.join(parts)})" if parts else "false", **given)
    return conditions


def _of_all(wanted: Wanted) -> Conditions:
    """What holds whichever way a fact is one of those."""
    where = Conditions()
    for column, choice in (
        (ACTOR, _unplain(wanted.actor)),
        (USER, wanted.user),
        (SOURCE, _unplain(wanted.source)),
        (f"({TRACE})", wanted.trace),
    ):
        where.choose(column, choice)
    if (types := wanted.types()) is not None:
        where.add("ledger.type = any(%(types)s::text[])", types=types)
    if wanted.tag.only is not None:
        where.add("ledger.tags && %(tags)s::text[]", tags=list(wanted.tag.only))
    if wanted.tag.never:
        where.add("not ledger.tags && %(not_tags)s::text[]", not_tags=list(wanted.tag.never))
    return where


def _within(conditions: Conditions, low: int | None, high: int | None) -> None:
    """Between two positions, without them."""
    if low is not None:
        conditions.add("ledger.position > %(low)s", low=low)
    if high is not None:
        conditions.add("ledger.position < %(high)s", high=high)


def _just_before(at: datetime) -> datetime:
    return max(at, EPOCH) - timedelta(microseconds=1)


def _of_access(wanted: Wanted) -> Conditions:
    where = Conditions()
    if wanted.own is not None:
        where.add("(actor = %(own)s or subject = %(own)s)", own=wanted.own)
    where.add("action = any(%(actions)s)", actions=wanted.actions())
    for column, choice in (("actor", wanted.actor), ("subject", wanted.user), ("outcome", wanted.outcome)):
        where.choose(column, choice)
    if wanted.text:
        # All three at once: each look costs as much as putting them together.
        parts = ["action || e'\\x1f' || outcome || e'\\x1f' || route ilike %(text)s"]
        if wanted.named:
            parts.append("actor = any(%(named)s::text[]) or subject = any(%(named)s::text[])")
        where.add(f"({' or '.join(parts)})", text=f"%{_escaped(wanted.text)}%", named=list(wanted.named))
    where.within(wanted, "at")
    return where


def began_at(request_id: str) -> datetime | None:
    """When a request came in, as its id says; None for an id that does not."""
    try:
        found = UUID(request_id)
    except ValueError:
        return None
    milliseconds = found.int >> 80
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if found.version == 7 and milliseconds < 1 << 43 else None


def _like(pattern: str) -> str:
    """For SQL's `like`: only a `*` stands for something else."""
    return _escaped(pattern).replace("*", "%")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _plain(choice: Choice) -> bool:
    """Are certain values looked for, each as it stands?"""
    return choice.only is not None and not any("*" in value for value in choice.only)


def _unplain(choice: Choice) -> Choice:
    """What of it is no way of its own."""
    return Choice(None, choice.never) if _plain(choice) else choice


def _any_fits(patterns: Iterable[str], value: str) -> bool:
    return any(fnmatchcase(value, pattern.replace("[", "[[]").replace("?", "[?]")) for pattern in patterns)
