"""Searching among more tools than are worth being compared one by one.

Up to `MANY` visible tools each is compared (`index.find`). Above, candidates come from the words and from an index of
neighbours (HNSW), and these are ranked as any other tools are. The index is made when there are that many vectors, and
dropped when there are no longer.
"""

import asyncio
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from heapq import nsmallest
from typing import Any
from uuid import UUID
from weakref import WeakSet

import structlog
from msgspec import Struct
from psycopg import AsyncConnection, sql

from mcphub.search import tables
from mcphub.search.index import Found, Model, Uuids, Vector, Visible, literal

log = structlog.get_logger()

MANY = 20_000
FEWER = 0.9  # of them, and the index goes: one that is made takes a minute, and tools come and go
CANDIDATES = 200  # by words, and as many by meaning
SAMPLE = 1_000  # visible tools that give the scale of the scores by meaning, within some hundredths
WIDEST = 4_000  # dimensions that the index takes
LEAST = (0, 8)  # of pgvector: half precision, and a scan that goes on until enough pass the filter
BUILD_KB = 512 << 10  # of memory at most; what does not fit is built slower

LOCK = tables.LOCK + 1
PREFIX = "vector_neighbours_"  # and the number of the model

# Neighbours are asked whether they may be seen one by one, nearest first, until enough are: no filter is too narrow.
NEAR = """
    select content_hash from vector_embeddings as e
    where model_id = {model} and (
        select case when number < %(numbers)s then get_bit(%(visible)s, number) else 0 end <> 0
        from tool_catalog where tool_catalog.content_hash = e.content_hash
    )
    order by (embedding::halfvec({dim})) <#> %(vector)s::vector::halfvec({dim}) limit %(candidates)s"""
DENSE = """(
        select -(embedding <#> %(vector)s::vector) from vector_embeddings as e
        where model_id = {model} and e.content_hash = one.content_hash
    )"""
NOTHING_NEAR = "select null::uuid as content_hash where false"
NOT_DENSE = "null::float8"
SCAN = """
    select set_config('hnsw.ef_search', %s::text, false), set_config('hnsw.iterative_scan', 'strict_order', false)"""


NUMBERS = """
    select version, string_agg(int4send(coalesce(number, 0)), '' order by place)
    from tool_catalog_version, unnest(%s::uuid[]) with ordinality as one (content_hash, place)
    left join tool_catalog using (content_hash) group by version"""


_scanning: WeakSet[AsyncConnection[Any]] = WeakSet()  # connections that scan as above


class Crowd(Struct, frozen=True):
    """Very many tools to look among, by their numbers in the catalog; those outside of it have numbers below zero.

    Args:
        version: of the catalog that the numbers are of.
        visible: a bit for each number.
        numbers, places: of a tool, and its place in the list; sorted by number.
        sample: content hashes.
    """

    version: UUID
    visible: bytes
    numbers: Sequence[int]
    places: Sequence[int]
    sample: Uuids
    own: Sequence[tuple[int, Mapping[str, float]]]

    def place(self, number: int) -> int:
        return self.places[bisect_left(self.numbers, number)]


async def crowd(db: AsyncConnection[Any], among: Visible) -> Crowd:
    """Takes some hundredths of a second, and serves until the catalog changes."""
    rows = await db.execute(NUMBERS, (among.hashes,), prepare=False)
    version, numbers = await rows.fetchone() or (UUID(int=0), b"")
    return await asyncio.to_thread(_crowd, version, numbers, among)


def _crowd(version: UUID, sent: bytes, among: Visible) -> Crowd:
    """
    Args:
        sent: four bytes of each tool's number, zero for who has none, in the order of the list.
    """
    numbers = array("i", sent)
    if sys.byteorder == "little":
        numbers.byteswap()
    hashes = among.hashes.each()
    weights = {hash.bytes: weights for hash, weights in among.own}
    visible = bytearray(max(numbers, default=0) // 8 + 1)
    own: list[tuple[int, Mapping[str, float]]] = []
    for place, number in enumerate(numbers):
        if number:
            visible[number >> 3] |= 1 << (number & 7)
        elif hashes[place] in weights:
            numbers[place] = -1 - len(own)
            own.append((numbers[place], weights[hashes[place]]))
    places = sorted(range(len(numbers)), key=numbers.__getitem__)
    sample = nsmallest(SAMPLE, (hash for hash, number in zip(hashes, numbers, strict=True) if number > 0))
    return Crowd(
        version=version,
        visible=bytes(visible),
        numbers=array("i", [numbers[place] for place in places]),
        places=array("i", places),
        sample=Uuids.of(sample),
        own=own,
    )


async def find(
    db: AsyncConnection[Any],
    terms: Mapping[str, float],
    among: Crowd,
    tools: int,
    most: int,
    *,
    vector: Vector | None = None,
    model: int = 0,
    share: float = 0.6,
) -> Found | None:
    """None when the catalog has changed since `among` was made.

    Args:
        tools: how many there are, in the catalog or not.
        vector, model: of the query; None goes by words alone.
        share: of the score that the vector makes.
    """
    own = [(number, term, weight) for number, each in among.own for term, weight in each.items() if term in terms]
    given = {
        "terms": list(terms),
        "weights": list(terms.values()),
        "version": among.version,
        "visible": among.visible,
        "numbers": len(among.visible) * 8,
        "tools": tools,
        "own_numbers": [number for number, _, _ in own],
        "own_terms": [term for _, term, _ in own],
        "own_weights": [weight for _, _, weight in own],
        "sample": among.sample,
        "candidates": CANDIDATES,
        "most": most,
        "vector": literal(vector) if vector is not None else None,
    }
    if (
        vector is not None and db not in _scanning
    ):  # once, not with each query: a round trip takes as long as some tools
        await db.execute(SCAN, (CANDIDATES,))
        _scanning.add(db)
    asked = await db.execute(_find(model, len(vector) if vector is not None else 0, share), given, prepare=False)
    rows = await asked.fetchall()
    if not rows:
        (version,) = await (await db.execute("select version from tool_catalog_version")).fetchone() or (None,)
        return Found([], 0.0, tools) if version == among.version else None
    return Found([among.place(number) for number, *_ in rows], rows[0][2], tools)


@cache
def _find(model: int, dim: int, share: float) -> sql.Composed:
    """Model and dimension stand in it as they are: the index is of one model, and asked for by its very expression."""
    of = {"model": sql.Literal(model), "dim": sql.Literal(dim)}
    return sql.SQL(tables.statement("find_many")).format(
        near=sql.SQL(NEAR if dim else NOTHING_NEAR).format(**of),
        dense=sql.SQL(DENSE if dim else NOT_DENSE).format(**of),
        lexical_part=round(1 - share, 3),
        dense_part=share,
    )


# the index of neighbours


async def keep_neighbours(db: AsyncConnection[Any], model: Model, many: int = MANY) -> bool:
    """Makes the index, makes it anew when it is not as it should be, or drops it; returns whether there is one now.

    While it is made, which takes minutes at most, new vectors wait for it, and searches do without.
    """
    async with db.transaction():
        name, there = f"{PREFIX}{model.model_id}", await _there(db, model)
        first = await (await db.execute("select pg_try_advisory_xact_lock(%s)", (LOCK,))).fetchone()
        if first != (True,):
            return there.get(name, False)  # somebody else is at it
        vectors = await _vectors(db, model)
        possible = model.dim <= WIDEST and await _pgvector(db) >= LEAST
        wanted = possible and vectors > (many * FEWER if name in there else many)
        for other, right in there.items():
            if other != name or not right or not wanted:
                await db.execute(sql.SQL("drop index {}").format(sql.Identifier(other)))
        if wanted and not there.get(name):
            began = time.monotonic()
            kilobytes = min(BUILD_KB, 64 << 10 | vectors * (model.dim * 2 + 400) // 1024)
            await db.execute("select set_config('maintenance_work_mem', %s::text, true)", (kilobytes,))
            # Several processes would need shared memory, of which containers have little.
            await db.execute("set local max_parallel_maintenance_workers = 0")
            await db.execute(
                sql.SQL(tables.statement("neighbours")).format(
                    name=sql.Identifier(name), dim=sql.Literal(model.dim), model=sql.Literal(model.model_id)
                )
            )
            log.info("neighbours_indexed", model=model.name, vectors=vectors, took_s=round(time.monotonic() - began, 1))
    return wanted


async def _pgvector(db: AsyncConnection[Any]) -> tuple[int, ...]:
    rows = await db.execute("select extversion from pg_extension where extname = 'vector'")
    (version,) = await rows.fetchone() or ("0",)
    return tuple(map(int, version.split(".")[:2]))


async def _vectors(db: AsyncConnection[Any], model: Model) -> int:
    rows = await db.execute("select count(*) from vector_embeddings where model_id = %s", (model.model_id,))
    (count,) = await rows.fetchone() or (0,)
    return count


async def _there(db: AsyncConnection[Any], model: Model) -> dict[str, bool]:
    """Name of an index of neighbours → is it whole, and of this model? Without those of other models there are."""
    of_this = rf"USING hnsw .*halfvec\({model.dim}\).* WHERE \(model_id = {model.model_id}\)"
    rows = await db.execute(
        "select relname, indisvalid and indisready and pg_get_indexdef(indexrelid) ~ %s"
        " from pg_index join pg_class on pg_class.oid = indexrelid"
        " where indrelid = 'vector_embeddings'::regclass and starts_with(relname, %s)"
        " and not exists (select from embedding_models where model_id <> %s and relname = %s || model_id)",
        (of_this, PREFIX, model.model_id, PREFIX),
    )
    return dict(await rows.fetchall())
