"""What the facts said at any time: the access model as of a position, by the fold that makes the present one, too.

Positions and times of the ledger both only grow, so a time is translated once, and from there on positions count.
Models on the way to the one asked for are kept: a question near an earlier one folds only what lies between them.
"""

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from msgspec import Struct
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

from mcphub.domain.access import AccessModel
from mcphub.domain.branch import Branch
from mcphub.domain.events import (
    BackupMade,
    DayDropped,
    DaySealed,
    EnvVarsChecked,
    HubRestored,
    KeyExpired,
    MasterKeyRotated,
    SignedIn,
    SignedOut,
    UserInvited,
    UserKeyDestroyed,
    UserProfileSynced,
)
from mcphub.projections.rebuild import Bare, decode_bare, plain_times

CHUNK = 500  # facts decoded in one go: about a millisecond in which no other thread runs
# How many facts before the one that was asked for a model is kept on a long way: whoever asks about something near to
# it, as one does, finds another one to go on from. Each costs as much as some thousand facts.
KEPT_BEFORE = (2_500, 10_000, 40_000, 160_000)
MOST_ON_THE_WAY = 6
MOST_ASKED = 4  # kept beside those; a few megabytes each for a thousand users
MANY = 10_000  # facts that are worth keeping the garbage collector away

# Facts that change nothing a question is about: what somebody is called, who is signed in, what was looked over.
PASSED_OVER = (
    SignedIn,
    SignedOut,
    UserProfileSynced,
    UserInvited,
    UserKeyDestroyed,
    EnvVarsChecked,
    DaySealed,
    DayDropped,
    MasterKeyRotated,
    BackupMade,
    HubRestored,
    KeyExpired,
)

HEAD = "select position, case when position > 0 then recorded_at end from public.ledger_head"
# Of a fact's envelope only what a fold may look at: the digest of a name is a tag of its registration.
FACTS = """
    copy (
        select least(low + {chunk}, {upto})::bigint, (
            select '[' || string_agg(
                '[' || position || ',"' || recorded_at || ':00",' || data::text
                || case when type = 'UserRegistered' then ',{{"actor":""}},"",' || to_json(tags)::text else '' end
                || ']', ',' order by position) || ']'
            from public.ledger
            where position > greatest(low, {after}) and position <= least(low + {chunk}, {upto})
                and type <> all({passed_over})
        )
        from generate_series({after} / {chunk} * {chunk}, {upto} - 1, {chunk}) as low
    ) to stdout (format binary)
"""
# There is an index on positions alone; they have no gaps, so the last one of a time is found by halving.
LAST_BY = """
    with recursive search (low, high) as (
        select 0::bigint, (select position from public.ledger_head)
        union all
        select case when recorded_at <= %(at)s then position else low end,
               case when recorded_at <= %(at)s then high else position - 1 end
        from search join public.ledger on position = (low + high + 1) / 2
        where low < high
    )
    select low, (select recorded_at from public.ledger where position = low) from search where low = high
"""
RECORDED_AT = "select recorded_at from public.ledger where position = %s"


class NoSuchTime(Exception):
    """It has not come yet, or is none."""


class Moment(Struct, frozen=True):
    """A state of the hub: after the fact at `position`, 0 before the first one.

    Args:
        at: the clock of that moment, for what expires without a fact.
        recorded_at: when that fact was recorded; None before the first one.
        head: of the ledger, when it was looked up.
    """

    position: int
    at: datetime
    recorded_at: datetime | None
    head: int

    @property
    def later(self) -> int:
        """How many facts came after it."""
        return self.head - self.position


def read_time(text: str) -> int | datetime | None:
    """A position, also as `#310`, or a time with its zone; None for no text, which is now.

    Raises:
        NoSuchTime: it is neither.
    """
    if not text:
        return None
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) < 19:
        return int(number)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NoSuchTime("a time is a position, or written like 2026-03-01T12:00:00Z") from None
    if at.tzinfo is None:
        raise NoSuchTime("a time names its zone, as 2026-03-01T12:00:00Z does")
    return at


class History:
    """Answers one question at a time; blocking, so call it in a thread.

    Args:
        pool: a connection of it is held while facts are read.
        empty: makes a model of no facts.
    """

    def __init__(self, pool: ConnectionPool[Any], empty: Callable[[], AccessModel]) -> None:
        self._pool = pool
        self._empty = empty
        # By position; no fact is folded into them.
        self._on_the_way: dict[int, AccessModel] = {}
        self._asked: OrderedDict[int, AccessModel] = OrderedDict()  # the least used first
        self._lock = threading.Lock()

    def moment(self, at: int | datetime | None) -> Moment:
        """
        Raises:
            NoSuchTime: it lies behind the head of the ledger, or in the future.
            psycopg.Error: the ledger cannot be read.
        """
        with self._pool.connection() as db:
            return moment(db, at)

    def ask(self, position: int, question: Callable[[AccessModel], Any]) -> Any:
        """What the question says to the model as of a position. The model is not the question's to keep or change.

        Raises:
            psycopg.Error: the ledger cannot be read.
        """
        return self.ask_of([position], question)

    def ask_of(self, positions: Sequence[int], question: Callable[..., Any]) -> Any:
        """The same of several at once."""
        with self._lock:
            return question(*(self._model(position) for position in positions))

    def forget(self) -> None:
        """Gives the memory back."""
        with self._lock:
            self._on_the_way.clear()
            self._asked.clear()

    def _model(self, position: int) -> AccessModel:
        kept = self._on_the_way | self._asked
        before = max((one for one in kept if one <= position), default=0)
        model = kept[before] if before else self._empty()
        if before < position:
            many = position - before > MANY
            with self._pool.connection() as db, _uncollected() if many else nullcontext():
                model = self._folded(db, model, position, KEPT_BEFORE if many else ())
        if position:
            self._asked[position] = model
            self._asked.move_to_end(position)
        while len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        return model

    def _folded(self, db: Connection[Any], base: AccessModel, position: int, kept_before: Sequence[int]) -> AccessModel:
        """
        Args:
            kept_before: how many facts before it a model is kept.
        """
        model = Branch(base) if base.position else base
        kept = {(position - before) // CHUNK * CHUNK for before in kept_before}
        on_the_way = {}
        for reached, facts in _chunks(db, base.position, position):
            model.fold(facts)
            model.position = reached
            if reached in kept:
                on_the_way[reached] = model
                model = Branch(model)
        self._keep(on_the_way)
        return model

    def _keep(self, on_the_way: dict[int, AccessModel]) -> None:
        """Beside those of earlier ways; of too many the one goes that is nearest to the one before it."""
        self._on_the_way |= on_the_way
        while len(self._on_the_way) > MOST_ON_THE_WAY:
            ordered = sorted(self._on_the_way)
            _, nearest = min((one - before, one) for before, one in pairwise([0, *ordered]))
            del self._on_the_way[nearest]


def moment(db: Connection[Any], at: int | datetime | None) -> Moment:
    """See `History.moment`."""
    ((head, latest),) = db.execute(HEAD).fetchall()
    now = datetime.now(UTC)
    if at is None:
        return Moment(head, now, latest, head)
    if isinstance(at, datetime):
        if at > now:
            raise NoSuchTime("this time has not come yet")
        ((position, recorded_at),) = db.execute(LAST_BY, {"at": at}).fetchall()
        return Moment(position, at, recorded_at, head)
    if at > head:
        raise NoSuchTime(f"the last position is {head}")
    found = db.execute(RECORDED_AT, (at,)).fetchone()
    recorded_at = found[0] if found else None
    return Moment(at, recorded_at or datetime.min.replace(tzinfo=UTC), recorded_at, head)


def _chunks(db: Connection[Any], after: int, upto: int) -> Iterator[tuple[int, list[Bare]]]:
    """The facts behind a position up to another one, and how far each chunk goes: a multiple of its size or the end."""
    passed_over = sql.Literal([type_.TOPIC for type_ in PASSED_OVER])
    query = sql.SQL(FACTS).format(chunk=CHUNK, after=after, upto=upto, passed_over=passed_over)
    with plain_times(db), db.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["int8", "bytea"])
        for reached, chunk in copy.rows():
            yield reached, decode_bare(chunk) if chunk is not None else []


@contextmanager
def _uncollected() -> Iterator[None]:
    """A million things are made and none is garbage: no look at them, which would stop every thread for its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
