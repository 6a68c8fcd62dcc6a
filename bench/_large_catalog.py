"""Search among very many tools, beside comparing each of them: the part of `./hub bench search --tools N`.

The tools are made up of real ones: a name, a description and a vector each of two of them, 33 to a server.
"""

import asyncio
import random
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import psycopg

from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.pool import conninfo
from mcphub.search import index, many, tables
from mcphub.search.document import Document, weights
from mcphub.search.embedder import UniversalSentenceEncoder
from mcphub.search.glossary import built_in, made_of, terms
from mcphub.search.index import Model

TOOLS_OF_A_SERVER = 33
BATCH = 64
SHARES = 0.65, 0.35, 0.25  # of a tool's vector: the one it is named after, the other one, and chance
MOST = 10

Vectors = Any  # an array of them


def measure(tools: Sequence[dict[str, Any]], queries: Sequence[dict[str, Any]], count: int) -> None:
    asyncio.run(_measured(tools, queries, count, *asyncio.run(embedded(tools, queries))))


async def embedded(tools: Sequence[dict[str, Any]], queries: Sequence[dict[str, Any]]) -> tuple[Vectors, Vectors]:
    """Vectors of the real tools and of the queries."""
    model = UniversalSentenceEncoder()
    await model.start()
    texts = [_document(tool["server"], tool, tool).embedded for tool in tools]
    made = [await model.embed_documents(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    asked = [await model.embed_query(query["query"]) for query in queries]
    await model.close()
    return numpy.array([vector for batch in made for vector in batch]), numpy.array(asked)


def made_up(
    tools: Sequence[dict[str, Any]], vectors: Vectors, count: int
) -> Iterator[tuple[UUID, int, Document, list[float]]]:
    """(content hash, number of the server, what is indexed, vector)"""
    chance, noise = random.Random(7), numpy.random.default_rng(7)
    for number in range(count):
        one, other = chance.randrange(len(tools)), chance.randrange(len(tools))
        server = number // TOOLS_OF_A_SERVER
        name = f"{tools[server * 37 % len(tools)]['server']}-{server}"
        shift = noise.standard_normal(vectors.shape[1]) / vectors.shape[1] ** 0.5
        vector = SHARES[0] * vectors[one] + SHARES[1] * vectors[other] + SHARES[2] * shift
        hash = UUID(int=chance.getrandbits(128), version=4)
        yield hash, server, _document(name, tools[one], tools[other]), (vector / numpy.linalg.norm(vector)).tolist()


def _document(server: str, one: dict[str, Any], other: dict[str, Any]) -> Document:
    if one is other:
        name, description = one["name"], one.get("description", "")
    else:
        name = f"{one['name']}_{re.split('[_-]', other['name'])[-1]}"
        description = f"{one.get('description', '')[:150]} {other.get('description', '')[:150]}"
    return Document(server, name, description=description, arguments=list(one["inputSchema"].get("properties", {})))


async def _measured(
    tools: Sequence[dict[str, Any]], queries: Sequence[dict[str, Any]], count: int, vectors: Vectors, asked: Vectors
) -> None:
    home = Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    server = await EmbeddedPostgres.start(home)
    try:
        dsn = conninfo(server.dsn("mcphub_owner"), name="bench", search_path=f"{tables.SCHEMA},public")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as db:
            await tables.ensure(db)
            model = await index.model_of(db, "made-up", vectors.shape[1])
            hashes = await filled(db, model, made_up(tools, vectors, count))
            await report(db, model, hashes, queries, asked)
    finally:
        await server.stop()
        shutil.rmtree(home, ignore_errors=True)


async def filled(
    db: psycopg.AsyncConnection[Any], model: Model, made: Iterator[tuple[UUID, int, Document, list[float]]]
) -> list[UUID]:
    """By COPY, with what `index.add` and `index.keep_vectors` would put there."""
    every = list(made)
    async with db.transaction(), db.cursor() as cursor:
        columns = "content_hash, server_id, tool, definition, embedded, number"
        async with cursor.copy(f"copy tool_catalog ({columns}) from stdin") as rows:
            for number, (hash, server, document, _) in enumerate(every, 1):
                await rows.write_row((hash, str(server), document.name, "made up", document.embedded, number))
        async with cursor.copy("copy tool_terms (content_hash, number, term, weight) from stdin") as rows:
            for number, (hash, _, document, _) in enumerate(every, 1):
                for term, weight in weights(document).items():
                    await rows.write_row((hash, number, term, weight))
        async with cursor.copy("copy vector_embeddings (model_id, content_hash, embedding) from stdin") as rows:
            for hash, *_, vector in every:
                await rows.write_row((model.model_id, hash, index.literal(vector)))
        await cursor.execute(index.CHANGED)
    await db.execute("vacuum analyze")
    return [hash for hash, *_ in every]


async def report(
    db: psycopg.AsyncConnection[Any],
    model: Model,
    hashes: Sequence[UUID],
    queries: Sequence[dict[str, Any]],
    vectors: Vectors,
) -> None:
    glossary = made_of(built_in())
    wanted = [
        (terms(query["query"], glossary), vector.tolist()) for query, vector in zip(queries, vectors, strict=True)
    ]
    began = time.monotonic()
    assert await many.keep_neighbours(db, model, min(many.MANY, len(hashes) - 1))
    built = time.monotonic() - began
    (size,) = await (await db.execute("select pg_relation_size('vector_neighbours_1')")).fetchone() or (0,)
    print(f"{len(hashes)} tools; the index of neighbours: {built:.1f} s, {size / 1e6:.0f} MB")
    visible = index.visible(hashes)
    began = time.monotonic()
    crowd = await many.crowd(db, visible)
    print(f"the list of what is visible: {len(visible.hashes)} bytes, or {len(crowd.visible)} as numbers,")
    print(f"which are looked up in {(time.monotonic() - began) * 1000:.0f} ms when a list has changed")

    async def exact(words: Any, vector: Any) -> Any:
        return await index.find(db, words, visible, MOST, vector=vector, model=model.model_id)

    async def by_neighbours(words: Any, vector: Any) -> Any:
        return await many.find(db, words, crowd, len(hashes), MOST, vector=vector, model=model.model_id)

    async def by_words(words: Any, _: Any) -> Any:
        return await many.find(db, words, crowd, len(hashes), MOST)

    every = {"each compared": exact, "candidates": by_neighbours, "candidates by words": by_words}
    found: dict[str, list[list[int]]] = {name: [] for name in every}
    times: dict[str, list[float]] = {name: [] for name in every}
    spent = dict.fromkeys(every, 0.0)
    for words, vector in wanted:
        for name, way in every.items():
            before, began = cpu(db), time.perf_counter()
            answer = await way(words, vector)
            times[name].append((time.perf_counter() - began) * 1000)
            spent[name] += cpu(db) - before
            found[name].append(answer.places)
    print("\n| way | p50 ms | p99 ms | CPU of PostgreSQL, ms |\n|---|---|---|---|")
    for name, each in times.items():
        each.sort()
        p99 = each[int(len(each) * 0.99)]
        print(f"| {name} | {statistics.median(each):.1f} | {p99:.1f} | {spent[name] / len(each):.1f} |")
    pairs = list(zip(found["each compared"], found["candidates"], strict=True))
    shared = [len({*one} & {*other}) for one, other in pairs]
    print(f"\nof the ten best of all {statistics.mean(shared) / MOST:.3f} are found, {min(shared)} of 10 at worst;")
    print(f"the first is the same in {sum(one[0] == other[0] for one, other in pairs)} of {len(pairs)}")


def cpu(db: psycopg.AsyncConnection[Any]) -> float:
    """Milliseconds that the connection's process has had of a processor."""
    return int(Path(f"/proc/{db.info.backend_pid}/schedstat").read_text().split()[0]) / 1e6
