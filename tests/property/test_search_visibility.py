"""What somebody may not see is in no answer of search: not as a result, not in a count, a score or an error.

Two hubs differ in hidden tools alone, one of them having what the other has not; all that is answered to who may not
see them has to be the same, byte for byte. And what is found, described and called is what a client would list.
"""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphub.domain.events import SERVERS, ToolDisabled, server_tag
from mcphub.domain.tool_book import definition_of
from tests.property.test_exposure import people, servers, told, visible
from tests.support.gateway import World, tool
from tests.support.search import FewWords, index_on, parts_of, put_in
from tests.support.waiting import until

pytestmark = pytest.mark.slow

NAMES = ("desk", "mail", "wiki")
QUERIES = ("a", "read desk", "mail b", "nothing of this at all", "비밀 메일")
SECRET = "secret_ledger"  # a tool only one of two hubs has, hidden from everybody


async def answered(world, name, key, path, **arguments):
    answer = await world.rpc("tools/call", {"name": name, "arguments": arguments}, key=key, path=path)
    return answer.json["result"] if answer.status == 200 else answer.status


async def everything(world, key, path, ids):
    """All that the meta-tools say."""
    said = [await answered(world, "search_tools", key, path, query=query, limit=20) for query in QUERIES]
    said += [await answered(world, "search_tools", key, path, query="a", server=server) for server in NAMES]
    said.append(await answered(world, "list_servers", key, path))
    for id in ids:
        said.append(await answered(world, "describe_tools", key, path, tools=[id]))
        said.append(await answered(world, "call_tool", key, path, tool=id, arguments={}))
    return said


async def hub(pool, catalogue, crowd, *, secret, large):
    """A hub with these, its index filled with everything there is, whoever may see it.

    Args:
        large: as if there were very many tools: candidates by words and by neighbours, instead of a look at each.
    """
    meanings = {"desk": 0, "mail": 1, "read": 2}
    world = World(search=parts_of(pool, lambda: FewWords(meanings), many=0) if large else parts_of(pool))
    vectors = world.gateway.tool_search.vectors
    running = asyncio.create_task(vectors.run())
    keys = told(world, catalogue, crowd)
    if secret:
        description = "read desk mail b a nothing of this at all"
        many = [tool(f"{SECRET}_{number}", description=description) for number in range(40)]
        world.server(f"{secret}-vault", tool(SECRET, description=description), *many, enabled=False)
        world.server("open", tool(SECRET, description=description), tool("shown"))
    else:
        world.server("open", tool("shown"))
    world.record(ToolDisabled(server_id="open", tool=SECRET), server_tag("open"), SERVERS)
    for server in world.model.servers.values():
        raws = [json.dumps(each).encode() for each in world.upstreams[server.slug].tools]
        await put_in(pool, server, [(json.loads(raw)["name"], definition_of(raw).hash, raw) for raw in raws])
    if large:
        vectors.wake()
        await until(lambda: vectors.model is not None and vectors.near(vectors.model.model_id), within=20, what="none")
    return world, keys, running


@pytest.mark.parametrize("large", [False, True], ids=["each compared", "candidates"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    catalogue=st.fixed_dictionaries(dict.fromkeys(NAMES, servers)),
    crowd=st.fixed_dictionaries({"ann": people, "bob": people}),
)
def test_a_hidden_tool_changes_no_answer_and_what_is_found_is_what_is_visible(
    database, other_database, large, catalogue, crowd
):
    asyncio.run(compared(database.app_dsn, other_database.app_dsn, catalogue, crowd, large=large))


async def compared(dsn, other_dsn, catalogue, crowd, *, large):
    async with index_on(dsn) as pool, index_on(other_dsn) as other_pool:
        for one in (pool, other_pool):
            async with one.connection() as db:
                await db.execute("delete from tool_catalog")
        with_it, keys, one = await hub(pool, catalogue, crowd, secret="bank", large=large)
        without, other_keys, other = await hub(other_pool, catalogue, crowd, secret="", large=large)
        try:
            for name, person in crowd.items():
                for path in ("/mcp/$smart", "/mcp/$smart/own-0", "/mcp?mode=search"):
                    plain = path.partition("?")[0].replace("$smart/own-", "g/").replace("/$smart", "")
                    plain = f"{plain}{name}" if "/g/" in plain else plain
                    seen = visible(name, catalogue, person, plain.removesuffix(name) if "/g/" in plain else plain)
                    await check(with_it, keys[name], without, other_keys[name], path, seen, person)
        finally:
            for task in (one, other):
                task.cancel()
            for world in (with_it, without):
                await world.gateway.stop(0)


async def check(world, key, other, other_key, path, seen, person):
    ids = ["bank-vault__" + SECRET, "open__" + SECRET, "desk__a", "wiki__b", "mail__c"]
    said, said_there = await everything(world, key, path, ids), await everything(other, other_key, path, ids)
    assert said == said_there
    if seen is None:
        assert set(map(str, said)) == {"404"}
        return
    visible_ids = {f"{server}__{name}" for server, tools in seen.items() for name in tools}
    groups_hide = person.groups or person.scope is not None
    for result in said[: len(QUERIES)]:
        found = {one["id"] for one in result["structuredContent"]["tools"]}
        assert found - {"open__shown"} == visible_ids
        assert "open__shown" not in found or not groups_hide
        assert SECRET not in json.dumps(result)
