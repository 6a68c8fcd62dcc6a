"""Queries that found nothing well: what a glossary lacks can be read off them.

Nothing of who asked is kept, and of a query only its words: what has digits in it, or is too long for a word, could be
anybody's key, so it is left out.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from mcphub.search.words import plain

log = structlog.get_logger()

MOST_WORD = 20  # characters
MOST_QUERY = 200
MOST_WAITING = 500  # between two rounds; more are not counted
MOST_KEPT = 5000  # rows, from where on those asked longest ago go
MARKS = ".,;:!?\"'()"  # around a word
ASKED_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")

ADD = """
    insert into search_miss as kept (query, why, times, first_at, last_at)
    values (%s, %s, %s, clock_timestamp(), clock_timestamp())
    on conflict (query) do update
    set why = excluded.why, times = kept.times + excluded.times, last_at = excluded.last_at
"""
FORGET = """
    delete from search_miss where query in (select query from search_miss order by last_at desc offset %s)
"""
PAGE = """
    select query, why, times, first_at, last_at from search_miss order by times desc, last_at desc, query limit %s
"""


class Miss(Struct, frozen=True):
    """`why`: no_glossary for Korean that no stem of the glossary fits, nothing_sure for words that fit no tool well."""

    query: str
    why: str
    times: int
    first_at: datetime
    last_at: datetime


def words_of(query: str) -> str:
    """What is kept of a query; '' for nothing."""
    asked = (word.strip(MARKS) for word in plain(query).lower().split())
    return " ".join(word for word in asked if len(word) <= MOST_WORD and ASKED_WORD.fullmatch(word))[:MOST_QUERY]


class Misses:
    """
    Args:
        pool: connections to the durable tables.
    """

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._waiting: dict[str, tuple[str, int]] = {}

    def note(self, query: str, why: str) -> None:
        words = words_of(query)
        if words and (words in self._waiting or len(self._waiting) < MOST_WAITING):
            self._waiting[words] = (why, self._waiting.get(words, ("", 0))[1] + 1)

    async def round(self) -> None:
        """Writes what came since; what cannot be written is not kept."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        async with self._pool.connection() as db, db.transaction(), db.cursor() as cursor:
            # In one order everywhere, so that two hubs do not wait for each other.
            await cursor.executemany(ADD, [(query, why, times) for query, (why, times) in sorted(waiting.items())])
            await cursor.execute(FORGET, (MOST_KEPT,))

    async def page(self, most: int) -> Sequence[Miss]:
        """Those asked most often first."""
        async with self._pool.connection() as db:
            return [Miss(*row) for row in await (await db.execute(PAGE, (most,))).fetchall()]

    async def forget(self, query: str) -> bool:
        """Done with it; False when there is none."""
        async with self._pool.connection() as db:
            deleted = await db.execute("delete from search_miss where query = %s", (query,))
            return bool(deleted.rowcount)
