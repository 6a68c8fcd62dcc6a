"""Days of the access log and of the traffic: sealed into the ledger once they are over, dropped once they are old.

Only what is sealed is dropped, and traffic once its requests are in the figures (`projections/rollups.py`); the ledger
says so before. `check` compares the seals with the rows that are there.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

import psycopg
import structlog
from msgspec import Struct

from mcphub.domain.codec import decode
from mcphub.domain.events import DayDropped, DaySealed, seal_tag
from mcphub.domain.hub import Hub
from mcphub.domain.seals import DropDay, SealDay
from mcphub.postgres import days
from mcphub.postgres.pool import conninfo
from mcphub.projections.rollups import Rollups
from mcphub.roles import run_as

log = structlog.get_logger()

ROLE = "day-sealer"
# After midnight, for rows of calls that came in before it and are written after.
SETTLES = timedelta(minutes=10)
LOOKS_BACK = 400  # days behind retention; the ledger is asked for these by their tags, never read as a whole
SHORTEST_RETENTION = 2  # days; the database refuses to drop fresher ones
CLOCK = "select clock_timestamp() at time zone 'UTC'"
FACTS = """
    select data::text from ledger
    where type in ('DaySealed', 'DayDropped') and (%(tags)s::text[] is null or tags && %(tags)s)
    order by position
"""

State = Literal["holds", "changed", "missing", "dropped"]


class CheckedDay(Struct, frozen=True, kw_only=True, rename="camel"):
    """A sealed day. `late`: rows of calls that came in that day and were written after it was sealed."""

    log: str
    day: date
    state: State
    rows: int
    late: int = 0


class DaySealer:
    """The role.

    Args:
        dsn: as the application role.
        traffic_days: MCPHUB_TRAFFIC_DAYS.
        access_days: MCPHUB_ACCESS_DAYS; as long as calls by default.
    """

    def __init__(self, hub: Hub, dsn: str, traffic_days: int, access_days: int | None = None) -> None:
        self._hub = hub
        self._dsn = conninfo(dsn, name="mcphub-days")
        kept = {days.TRAFFIC.name: traffic_days, days.ACCESS.name: traffic_days if access_days is None else access_days}
        self._retention = {name: timedelta(days=max(most, SHORTEST_RETENTION)) for name, most in kept.items()}
        self.rollups = Rollups(dsn)  # the figures that outlive the days

    async def round(self) -> None:
        """Seals what is over, drops what is old and counted. Two hubs may do it at once: the facts are written once."""
        await self.rollups.round()
        for of_log in days.LOGS.values():
            for day, found in await asyncio.to_thread(self._unsealed, of_log):
                await run_as(self._hub, ROLE, lambda f=found, d=day, o=of_log: _seal(o, d, f))  # type: ignore[misc]
                log.info("day_sealed", log=of_log.name, day=day.isoformat(), rows=found.rows)
            for day in await asyncio.to_thread(self._past_retention, of_log):
                await run_as(self._hub, ROLE, lambda d=day, o=of_log: DropDay(o.name, d))  # type: ignore[misc]
                if await asyncio.to_thread(self._drop, of_log, day):
                    log.info("day_dropped", log=of_log.name, day=day.isoformat())

    def _unsealed(self, of_log: days.Log) -> list[tuple[date, days.DayDigest]]:
        """Finished days that hold rows and no seal."""
        with psycopg.connect(self._dsn, autocommit=True) as db:
            over = (_clock(db) - SETTLES).date()
            finished = [day for day in days.days(db, of_log) if day < over]
            sealed = {fact.day for fact in _facts(db, of_log, finished) if isinstance(fact, DaySealed)}
            found = [(day, days.digest(db, of_log, day)) for day in finished if day not in sealed]
        return [(day, digest) for day, digest in found if digest.rows]

    def _past_retention(self, of_log: days.Log) -> list[date]:
        """Those whose rows an import left behind as well: of them, too, the ledger is to say that they are over."""
        with psycopg.connect(self._dsn, autocommit=True) as db:
            oldest = (_clock(db) - self._retention[of_log.name]).date()
            old = [oldest - timedelta(days=before) for before in range(1, LOOKS_BACK)]
            facts = _facts(db, of_log, old)
            there = {day for day in days.days(db, of_log) if day < oldest}
        sealed = {fact.day for fact in facts if isinstance(fact, DaySealed)}
        return sorted(there | sealed - {fact.day for fact in facts if isinstance(fact, DayDropped)})

    def _drop(self, of_log: days.Log, day: date) -> bool:
        with psycopg.connect(self._dsn, autocommit=True) as db:
            return days.drop(db, of_log, day)


def _seal(of_log: days.Log, day: date, found: days.DayDigest) -> SealDay:
    return SealDay(
        of_log.name,
        day,
        rows=found.rows,
        sha256=found.sha256,
        first=found.first,
        last=found.last,
        form=found.form,
    )


def check(
    db: psycopg.Connection[Any], noted: Iterable[DaySealed] = (), *, chain_holds: bool = True
) -> Iterator[CheckedDay]:
    """Every sealed day, in the order of the seals, as the rows that are there now say.

    Args:
        noted: seals as checkpoints repeat them; each counts before the ledger's of that day.
        chain_holds: otherwise those alone are believed.
    """
    there = {name: set(days.days(db, of_log)) for name, of_log in days.LOGS.items()}
    sealed: dict[tuple[str, date], DaySealed] = {}
    dropped = set()
    for fact in _facts(db):
        if isinstance(fact, DayDropped):
            dropped.add((fact.log, fact.day))
        elif chain_holds:
            sealed[fact.log, fact.day] = fact
    sealed |= {(seal.log, seal.day): seal for seal in noted}
    for (name, day), seal in sealed.items():
        gone: State = "dropped" if (name, day) in dropped else "missing"
        of_log = days.LOGS.get(name)
        there_is = of_log and day in there[name]
        found = days.digest(db, of_log, day, upto=seal.last, form=seal.form) if of_log and there_is else None
        if of_log is None or found is None or not found.rows:
            yield CheckedDay(log=name, day=day, state=gone, rows=0)
            continue
        late = days.later_rows(db, of_log, day, seal.last)
        same = (found.rows, found.sha256) == (seal.rows, seal.sha256)
        # A day of the access log is that of the recording: nothing comes late.
        holds = same and (of_log is days.TRAFFIC or not late)
        yield CheckedDay(log=name, day=day, state="holds" if holds else "changed", rows=found.rows, late=late)


def _facts(
    db: psycopg.Connection[Any], of_log: days.Log | None = None, of_days: Sequence[date] = ()
) -> list[DaySealed | DayDropped]:
    """Seals and their ends; with a log, those of these days."""
    tags = None if of_log is None else [seal_tag(of_log.name, day) for day in of_days]
    found = [decode(data.encode()) for (data,) in db.execute(FACTS, {"tags": tags}).fetchall()]
    return [fact for fact in found if isinstance(fact, DaySealed | DayDropped)]


def _clock(db: psycopg.Connection[Any]) -> datetime:
    """The database's, which is the one that days are cut by."""
    ((now,),) = db.execute(CLOCK).fetchall()
    return datetime.fromisoformat(str(now))
