"""Searching among more tools than are compared one by one: the index of neighbours, and the same answers."""

import asyncio
import random
from uuid import UUID

import psycopg
import pytest

from mcphub.search import index, many
from mcphub.search.document import Document
from mcphub.search.many import keep_neighbours
from mcphub.search.vectors import Vectors
from tests.support.gateway import World, tool
from tests.support.search import FewWords, index_on, parts_of, put_in
from tests.support.waiting import until

pytestmark = pytest.mark.slow

WORDS = ["open", "close", "issue", "page", "mail", "branch", "graph", "note"]
TOOLS = 300
NEIGHBOURS = "select pg_get_indexdef(indexrelid) from pg_index where indexrelid::regclass::text like '%%neighbours%%'"


@pytest.fixture
async def pool(database):
    async with index_on(database.app_dsn) as pool:
        yield pool


@pytest.fixture
async def db(pool):
    async with pool.connection() as db:
        yield db


@pytest.fixture
async def filled(db):
    """(content hashes, model) of some hundred tools, all but the last twenty with a vector."""
    chance = random.Random(1)
    model = await index.model_of(db, "made-up", 8)
    entries, vectors = [], []
    for number in range(TOOLS):
        said = chance.sample(WORDS, 3)
        hash = UUID(int=chance.getrandbits(128), version=4)
        entries.append(index.entry(hash, "s", f"t{number}", "d", Document("desk", said[0], description=" ".join(said))))
        vectors.append((hash, unit([chance.gauss() + 2 * (word in said) for word in WORDS])))
    await index.add(db, entries)
    await index.keep_vectors(db, model, vectors[: TOOLS - 20])
    await db.execute("analyze")
    return [entry.content_hash for entry in entries], model


def unit(parts):
    length = sum(part * part for part in parts) ** 0.5
    return [part / length for part in parts]


QUERY = unit([2.0, 0.1, 1.0, 0.0, 0.3, 0.0, 0.0, 0.2])
TERMS = {"open": 1.0, "issu": 1.0, "note": 0.4}


async def both(db, hashes, model, terms=TERMS, vector=QUERY, own=()):
    """What comparing each answers, and what the candidates do."""
    given = {"vector": vector, "model": model.model_id if vector else 0}
    exact = await index.find(db, terms, index.visible(hashes, own), 10, **given)
    return exact, await many.find(db, terms, await many.crowd(db, index.visible(hashes, own)), len(hashes), 10, **given)


async def test_the_candidates_hold_the_best_and_their_scores_are_exact(db, filled):
    hashes, model = filled
    assert await keep_neighbours(db, model, 100)

    exact, found = await both(db, hashes, model)
    by_words, found_by_words = await both(db, hashes, model, vector=None)

    assert found == exact
    assert found_by_words.lexical_max == by_words.lexical_max
    assert found_by_words.tools == by_words.tools == TOOLS


async def test_only_what_is_visible_counts(db, filled):
    hashes, model = filled
    assert await keep_neighbours(db, model, 100)
    own = [(UUID(int=7), {"open": 2.1, "issu": 2.1}), (UUID(int=8), {"mail": 1.0})]

    exact, found = await both(db, [*hashes[::7], *(hash for hash, _ in own)], model, own=own)

    assert found == exact
    assert len(hashes[::7]) in found.places
    crowd = await many.crowd(db, index.visible(hashes[::7], own))
    assert [hash for hash in hashes if hash.bytes in crowd.sample] == hashes[::7]  # the scale is theirs alone


async def test_neighbours_are_found_by_the_index(db, filled):
    hashes, model = filled
    assert await keep_neighbours(db, model, 100)
    crowd = await many.crowd(db, index.visible(hashes))
    await db.execute("set enable_sort = off")  # of so few vectors a look at each is cheaper

    await many.find(db, TERMS, crowd, TOOLS, 10, vector=QUERY, model=model.model_id)

    scans = "select idx_scan from pg_stat_user_indexes where indexrelname = %s"
    await db.execute("select pg_stat_force_next_flush()")
    assert await (await db.execute(scans, (f"{many.PREFIX}{model.model_id}",))).fetchone() == (1,)


async def test_nothing_is_answered_by_numbers_that_may_be_of_other_tools(db, filled):
    hashes, _ = filled
    crowd = await many.crowd(db, index.visible(hashes))
    await index.remove(db, hashes[:1])

    assert await many.find(db, TERMS, crowd, TOOLS, 10) is None
    again = await many.find(db, TERMS, await many.crowd(db, index.visible(hashes[1:])), TOOLS - 1, 10)
    assert again is not None
    assert len(again.places) == 10


async def test_words_that_no_tool_has_find_nothing(db, filled):
    hashes, _ = filled

    found = await many.find(db, {"elephant": 1.0}, await many.crowd(db, index.visible(hashes)), TOOLS, 10)

    assert (found.places, found.sure) == ([], False)


async def definitions(db):
    return [row[0] for row in await (await db.execute(NEIGHBOURS)).fetchall()]


async def test_the_index_is_there_as_long_as_there_are_many_vectors(db, filled):
    hashes, model = filled

    assert not await keep_neighbours(db, model, TOOLS)
    assert await definitions(db) == []
    assert await keep_neighbours(db, model, TOOLS - 21)
    (made,) = await definitions(db)
    assert "halfvec(8)" in made
    assert await keep_neighbours(db, model, TOOLS - 10)  # a few fewer
    await db.execute("delete from vector_embeddings where content_hash = any(%s)", (hashes[:100],))
    assert not await keep_neighbours(db, model, TOOLS - 10)
    assert await definitions(db) == []


@pytest.mark.parametrize(
    "harm",
    [
        "update pg_index set indisvalid = false where indexrelid = 'vector_neighbours_1'::regclass",
        "drop index vector_neighbours_1; create index vector_neighbours_1 on vector_embeddings"
        " using hnsw ((embedding::halfvec(9)) halfvec_ip_ops) where model_id = 2",
    ],
)
async def test_an_index_that_is_broken_or_of_another_length_is_made_anew(database, filled, db, harm):
    _, model = filled
    assert (await keep_neighbours(db, model, 100), model.model_id) == (True, 1)
    good = await definitions(db)
    async with index_on(database.admin_dsn) as other, other.connection() as admin:
        await admin.execute(harm)

    assert await keep_neighbours(db, model, 100)
    assert await definitions(db) == good
    valid = await db.execute("select indisvalid from pg_index where indexrelid = 'vector_neighbours_1'::regclass")
    assert await valid.fetchone() == (True,)


async def test_the_index_of_a_model_that_is_gone_goes_and_that_of_one_in_use_stays(db, filled):
    _, model = filled
    assert await keep_neighbours(db, model, 100)
    other = await index.model_of(db, "other", 4)

    assert not await keep_neighbours(db, other, 100)
    assert len(await definitions(db)) == 1
    await index.forget_others(db, other)
    assert not await keep_neighbours(db, other, 100)
    assert await definitions(db) == []


async def test_the_worker_makes_it_and_a_search_goes_by_it_without_being_told(pool, monkeypatch):
    embedder = FewWords({"issue": 0, "grumble": 0, "mail": 1})
    world = World(search=parts_of(pool, lambda: embedder, many=3))
    world.key = world.user("ann")
    world.server(
        "desk",
        tool("create_issue", description="Open an issue."),
        *(tool(f"other_{number}", description="Else.") for number in range(5)),
    )
    await world.rpc("tools/list", key=world.key, path="/mcp?mode=tools")
    vectors = world.gateway.tool_search.vectors
    assert isinstance(vectors, Vectors)
    (server,) = world.model.servers.values()
    items = world.gateway._relay.router.held("ann", server).items
    await put_in(pool, server, [(item.name, item.hash, item.raw) for item in items])
    running = asyncio.create_task(vectors.run())
    vectors.wake()
    await until(lambda: vectors.model is not None and vectors.near(vectors.model.model_id), within=5, what="no index")
    asked = []
    searched = many.find
    monkeypatch.setattr(many, "find", lambda *given, **more: asked.append(1) or searched(*given, **more))

    async def found(query):
        call = {"name": "search_tools", "arguments": {"query": query}}
        answer = await world.rpc("tools/call", call, key=world.key, path="/mcp/$smart")
        return answer.json["result"]["structuredContent"]

    first = await found("grumble")
    assert (first["tools"][0]["id"], "degraded" in first) == ("desk__create_issue", False)
    assert asked == [1]
    await put_in(pool, server, [("late", "h", b'{"name": "late", "description": "It comes late."}')])  # another catalog
    assert (await found("open an issue"))["tools"][0]["id"] == "desk__create_issue"
    assert asked == [1, 1, 1]  # asked anew with the numbers of now
    running.cancel()
    await world.gateway.stop(0)


async def test_a_search_is_exact_where_the_index_cannot_be_made(pool, monkeypatch):
    tried = []

    async def in_vain(*_):
        tried.append(1)
        raise psycopg.errors.DiskFull

    monkeypatch.setattr("mcphub.search.vectors.keep_neighbours", in_vain)
    vectors = Vectors(pool, lambda: FewWords({}), many=0)
    running = asyncio.create_task(vectors.run())
    vectors.wake()
    await until(lambda: len(tried) == 1, within=5, what="not tried")
    vectors.ring()
    await until(lambda: len(tried) == 2, within=5, what="not tried again")

    assert (vectors.state, vectors.why) == ("ready", "")
    assert vectors.model is not None
    assert not vectors.near(vectors.model.model_id)
    running.cancel()
