"""The index in PostgreSQL: what is in it, what is missing of it, and the one query that searches it."""

import math
import struct
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection, sql
from psycopg.adapt import Dumper
from psycopg.pq import Format

from mcphub.search import tables
from mcphub.search.document import Document, weights

# Of the score that the rarest word gives at most. Of 30 queries of nonsense 25 stay below among 1,776 tools, 29 or 30
# among 20 to 354; of real queries one in twenty among all, and one in ten to one in five among few.
SURE = 1.5

MEANING = """
    select content_hash, -(embedding <#> %(vector)s::vector) as dense
    from vector_embeddings where model_id = %(model)s"""
NO_MEANING = "select null::uuid as content_hash, null::float8 as dense where false"

CHANGED = "update tool_catalog_version set version = gen_random_uuid()"

Vector = Sequence[float]


class Entry(Struct, frozen=True):
    """A tool in the index."""

    content_hash: UUID
    server_id: str
    tool: str
    definition: str
    embedded: str
    weights: Mapping[str, float]


def entry(content_hash: UUID, server_id: str, tool: str, definition: str, document: Document) -> Entry:
    """Takes some tenths of a millisecond."""
    return Entry(content_hash, server_id, tool, definition, document.embedded, weights(document))


class Found(Struct, frozen=True):
    """`places` in the list that was searched, best first; `tools`: how many are in it."""

    places: list[int]
    lexical_max: float
    tools: int

    @property
    def sure(self) -> bool:
        """Does a tool fit the words well? Measured by the score of one rare word in a good place."""
        return self.lexical_max >= SURE * math.log(1 + self.tools / 1.5)


class Uuids(bytes):
    """An array of uuid as PostgreSQL receives it: half as long as its text, and read in a fiftieth of the time."""

    OF = psycopg.adapters.types["uuid"]

    HEAD = struct.Struct(">iIIii")  # dimensions, has nulls, type; length, lower bound

    @classmethod
    def of(cls, each: Collection[bytes]) -> "Uuids":
        head = cls.HEAD.pack(1, 0, cls.OF.oid, len(each), 1)
        return cls(head + b"".join([b"\0\0\0\x10" + one for one in each]))

    def each(self) -> list[bytes]:
        return [self[at + 4 : at + 20] for at in range(self.HEAD.size, len(self), 20)]


class UuidsDumper(Dumper):
    format = Format.BINARY
    oid = Uuids.OF.array_oid

    def dump(self, obj: Uuids) -> bytes:
        return obj


psycopg.adapters.register_dumper(Uuids, UuidsDumper)


class Visible(Struct, frozen=True):
    """What is searched: content hashes, and the terms of those that are not in the index."""

    hashes: Uuids
    own: Sequence[tuple[UUID, Mapping[str, float]]] = ()


def visible(hashes: Collection[UUID], own: Sequence[tuple[UUID, Mapping[str, float]]] = ()) -> Visible:
    return Visible(Uuids.of([hash.bytes for hash in hashes]), own)


async def find(
    db: AsyncConnection[Any],
    terms: Mapping[str, float],
    among: Visible,
    most: int,
    *,
    vector: Vector | None = None,
    model: int | None = None,
    share: float = 0.6,
) -> Found:
    """
    Args:
        vector, model: of the query; None goes by words alone.
        share: of the score that the vector makes.
    """
    own = [(hash, term, weight) for hash, each in among.own for term, weight in each.items() if term in terms]
    given = {
        "terms": list(terms),
        "weights": list(terms.values()),
        "visible": among.hashes,
        "own_hashes": [hash for hash, _, _ in own],
        "own_terms": [term for _, term, _ in own],
        "own_weights": [weight for _, _, weight in own],
        "most": most,
        "model": model,
        "vector": literal(vector) if vector is not None else None,
    }
    # Planned each time, half a millisecond: a plan for any arrays takes them for short, and compares each with each.
    rows = await (await db.execute(_find(vector is not None, share), given, prepare=False)).fetchall()
    return Found([place - 1 for place, *_ in rows], rows[0][2] if rows else 0.0, rows[0][3] if rows else 0)


@cache
def _find(dense: bool, share: float) -> sql.Composed:
    return sql.SQL(tables.statement("find")).format(
        meaning=sql.SQL(MEANING if dense else NO_MEANING), lexical_part=round(1 - share, 3), dense_part=share
    )


def literal(vector: Vector) -> str:
    """As pgvector reads it."""
    return "[" + ",".join(f"{part:.7g}" for part in vector) + "]"


# what is in it


async def indexed(db: AsyncConnection[Any], server_id: str) -> dict[UUID, str]:
    """Content hash → tool, of one server."""
    rows = await db.execute("select content_hash, tool from tool_catalog where server_id = %s", (server_id,))
    return dict(await rows.fetchall())


async def add(db: AsyncConnection[Any], entries: Sequence[Entry]) -> None:
    """What is in it already stays as it is."""
    async with db.transaction(), db.cursor() as cursor:
        await cursor.executemany(
            "insert into tool_catalog (content_hash, server_id, tool, definition, embedded) values (%s, %s, %s, %s, %s)"
            " on conflict do nothing",
            [(one.content_hash, one.server_id, one.tool, one.definition, one.embedded) for one in entries],
        )
        await cursor.executemany(
            "insert into tool_terms (term, content_hash, weight, number) select term, content_hash, weight, number"
            " from unnest(%s::text[], %s::real[]) as given (term, weight), tool_catalog where content_hash = %s"
            " on conflict do nothing",
            [(list(one.weights), list(one.weights.values()), one.content_hash) for one in entries],
        )
        await cursor.execute(CHANGED)


async def remove(db: AsyncConnection[Any], hashes: Sequence[UUID]) -> None:
    async with db.transaction():
        await db.execute("delete from tool_catalog where content_hash = any(%s)", (list(hashes),))
        await db.execute(CHANGED)


async def servers(db: AsyncConnection[Any]) -> set[str]:
    """Of which something is in it."""
    return {row[0] for row in await (await db.execute("select distinct server_id from tool_catalog")).fetchall()}


async def present(db: AsyncConnection[Any], hashes: Sequence[UUID]) -> set[UUID]:
    """Which of these are in it."""
    rows = await db.execute("select content_hash from tool_catalog where content_hash = any(%s)", (list(hashes),))
    return {row[0] for row in await rows.fetchall()}


async def listed(db: AsyncConnection[Any]) -> list[tuple[UUID, str, str, str]]:
    """Everything in it: (content hash, server, tool, definition)."""
    rows = await db.execute("select content_hash, server_id, tool, definition from tool_catalog")
    return await rows.fetchall()


# vectors


class Model(Struct, frozen=True):
    """A model that vectors are kept of."""

    model_id: int
    name: str
    dim: int
    active: bool


async def models(db: AsyncConnection[Any]) -> list[Model]:
    rows = await db.execute("select model_id, name, dim, active from embedding_models order by model_id")
    return [Model(*row) for row in await rows.fetchall()]


async def model_of(db: AsyncConnection[Any], name: str, dim: int) -> Model:
    """The row of a model; made when it is new, and made anew, its vectors with it, when its dimension is another."""
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(%s)", (tables.LOCK,))
        await db.execute("delete from embedding_models where name = %s and dim <> %s", (name, dim))
        await db.execute("insert into embedding_models (name, dim) values (%s, %s) on conflict do nothing", (name, dim))
    return next(model for model in await models(db) if model.name == name)


async def activate(db: AsyncConnection[Any], model: Model) -> None:
    """Queries are answered with this one from now on."""
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(%s)", (tables.LOCK,))
        await db.execute("update embedding_models set active = false where active")
        await db.execute("update embedding_models set active = true where model_id = %s", (model.model_id,))


async def forget_others(db: AsyncConnection[Any], model: Model) -> None:
    await db.execute("delete from embedding_models where model_id <> %s", (model.model_id,))


async def unusable(db: AsyncConnection[Any], model: Model) -> int:
    """Takes out vectors that cannot be compared with the model's own; returns how many."""
    deleted = await db.execute(
        "delete from vector_embeddings where model_id = %s and"
        " (vector_dims(embedding) <> %s or vector_norm(embedding) not between 0.5 and 2)",
        (model.model_id, model.dim),
    )
    return deleted.rowcount


async def without_vector(db: AsyncConnection[Any], model: Model, most: int) -> list[tuple[UUID, str]]:
    """(content hash, text) of tools without a vector, newest first."""
    rows = await db.execute(
        "select content_hash, embedded from tool_catalog as c where not exists (select from vector_embeddings as e"
        " where e.content_hash = c.content_hash and e.model_id = %s) order by added_at desc limit %s",
        (model.model_id, most),
    )
    return await rows.fetchall()


async def keep_vectors(db: AsyncConnection[Any], model: Model, vectors: Sequence[tuple[UUID, Vector]]) -> None:
    async with db.transaction(), db.cursor() as cursor:
        await cursor.executemany(
            "insert into vector_embeddings (model_id, content_hash, embedding) values (%s, %s, %s::vector)"
            " on conflict do nothing",
            [(model.model_id, hash, literal(vector)) for hash, vector in vectors],
        )


async def prune_vectors(db: AsyncConnection[Any]) -> int:
    """Takes out vectors of what is not in the catalog any more; returns how many."""
    deleted = await db.execute(
        "delete from vector_embeddings as e"
        " where not exists (select from tool_catalog as c where c.content_hash = e.content_hash)"
    )
    return deleted.rowcount


async def counts(db: AsyncConnection[Any], model: Model | None) -> tuple[int, int]:
    """(tools in the index, how many of them have a vector)"""
    (tools,) = (await (await db.execute("select count(*) from tool_catalog")).fetchone()) or (0,)
    if model is None:
        return tools, 0
    rows = await db.execute(
        "select count(*) from vector_embeddings join tool_catalog using (content_hash) where model_id = %s",
        (model.model_id,),
    )
    (vectors,) = (await rows.fetchone()) or (0,)
    return tools, vectors
