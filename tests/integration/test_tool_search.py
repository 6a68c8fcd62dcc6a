"""The meta-tools through the gateway: found, described and called as whoever asks may, on a real index."""

import asyncio
import contextlib
import json
import socket
import sys

import pytest

from mcphub.domain.events import SERVERS, ToolDisabled, UserPreferencesChanged, server_tag, user_tag
from mcphub.search import index, tables
from mcphub.search.embedder import UniversalSentenceEncoder
from tests.support.gateway import World, tool
from tests.support.search import FewWords, index_on, parts_of, put_in
from tests.support.waiting import until

pytestmark = pytest.mark.slow

SMART = "/mcp/$smart"
ISSUE = {
    "type": "object",
    "properties": {"summary": {"type": "string"}, "assignee": {"type": "string"}},
    "required": ["summary"],
}


@pytest.fixture
async def pool(database):
    async with index_on(database.app_dsn) as pool:
        yield pool


@pytest.fixture
async def world(pool):
    world = World(search=parts_of(pool))
    world.key = world.user("ann")
    world.server(
        "jira",
        tool("create_issue", description="Open a new issue in a project.", inputSchema=ISSUE),
        tool("search", description="Find issues by JQL."),
    )
    world.server("mail", tool("send_message", description="Send an e-mail message to somebody."))
    running = asyncio.create_task(world.gateway.tool_search.vectors.run())
    yield world
    running.cancel()
    await world.gateway.stop(0)


async def call(world, name, path=SMART, key="", **arguments):
    answer = await world.rpc("tools/call", {"name": name, "arguments": arguments}, key=key or world.key, path=path)
    assert answer.status == 200, answer.body
    return answer.json["result"]


async def found(world, query, **more):
    result = await call(world, "search_tools", query=query, **more)
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    return [one["id"] for one in result["structuredContent"]["tools"]]


async def names(world, path=SMART):
    answer = await world.rpc("tools/list", key=world.key, path=path)
    return [each["name"] for each in answer.json["result"]["tools"]]


META = ["search_tools", "describe_tools", "call_tool", "list_servers"]


async def test_the_list_holds_four_tools_whatever_there_is(world):
    assert await names(world) == await names(world, "/mcp?mode=search") == await names(world, "/mcp?mode=smart") == META


async def test_pinned_tools_stand_beside_the_four_as_far_as_one_may_use_them(world):
    pinned = ["mail__send_message", "jira__gone", "jira__search"]
    world.record(UserPreferencesChanged(user_id="ann", pinned_tools=pinned), user_tag("ann"))
    world.record(ToolDisabled(server_id="jira", tool="search"), server_tag("jira"), SERVERS)

    assert await names(world) == [*META, "mail__send_message"]


async def test_words_find_a_tool_before_it_is_in_the_index(world):
    assert (await found(world, "create issue jira"))[0] == "jira__create_issue"
    assert (await found(world, "지라 이슈 만들기"))[0] == "jira__create_issue"
    assert (await found(world, "email somebody"))[0] == "mail__send_message"


async def test_a_tool_in_the_index_is_found_the_same_way(world, pool):
    before = await call(world, "search_tools", query="create issue jira")
    router = world.gateway._relay.router
    for server in world.model.servers.values():
        items = router.held("ann", server).items
        await put_in(pool, server, [(item.name, item.hash, item.raw) for item in items])
    world.gateway.tool_search.index_changed()

    assert await call(world, "search_tools", query="create issue jira") == before


async def test_a_result_says_what_a_tool_does_and_what_it_takes(world):
    result = await call(world, "search_tools", query="create issue", limit=1)

    assert result["structuredContent"] == {
        "tools": [
            {"id": "jira__create_issue", "summary": "Open a new issue in a project.", "args": "summary, assignee?"}
        ],
        "confidence": "high",
    }
    whole = await call(world, "search_tools", query="create issue", limit=1, detail="schema")
    assert whole["structuredContent"]["tools"][0]["inputSchema"] == ISSUE


async def test_what_fits_nothing_is_answered_with_a_hint(world):
    result = (await call(world, "search_tools", query="purple elephant"))["structuredContent"]

    assert result["confidence"] == "low"
    assert "list_servers" in result["hint"]


async def test_only_one_servers_tools_are_searched_when_it_is_named(world):
    assert await found(world, "send a message", server="jira") == ["jira__create_issue", "jira__search"]
    assert await found(world, "send a message", server="nowhere") == []


async def test_tools_are_described_by_id_and_those_unknown_are_named(world):
    result = await call(world, "describe_tools", tools=["jira__create_issue", "jira__nothing", "secret__x"])

    (described,) = result["structuredContent"]["tools"]
    assert described["id"] == "jira__create_issue"
    assert described["inputSchema"] == ISSUE
    assert result["structuredContent"]["notFound"] == ["jira__nothing", "secret__x"]


async def test_servers_are_listed_with_what_they_have(world):
    result = await call(world, "list_servers")

    assert result["structuredContent"]["servers"] == [
        {"name": "jira", "summary": "", "tools": 2, "needsToken": False, "status": "disconnected"},
        {"name": "mail", "summary": "", "tools": 1, "needsToken": False, "status": "disconnected"},
    ]


@pytest.mark.parametrize("arguments", [{"summary": "x"}, '{"summary": "x"}'])
async def test_a_call_reaches_the_server_under_its_own_name_and_is_recorded_so(world, arguments):
    result = await call(world, "call_tool", tool="jira__create_issue", arguments=arguments)

    assert result["by"] == "ann"
    (params,) = [params for _, method, params in world.upstreams["jira"].asked if method == "tools/call"]
    assert (params["name"], params["arguments"]) == ("create_issue", {"summary": "x"})
    (row,) = [one for one in world.traffic.ended_requests if one.method == "tools/call"]
    assert (row.server, row.tool, row.mode) == ("jira", "create_issue", "search")


async def test_a_call_whose_arguments_do_not_fit_is_not_sent(world):
    result = await call(world, "call_tool", tool="jira__create_issue", arguments={"summary": 1})

    assert result["isError"]
    assert result["structuredContent"]["violations"][0]["pointer"] == "/summary"
    assert result["structuredContent"]["inputSchema"] == ISSUE
    assert not [method for _, method, _ in world.upstreams["jira"].asked if method == "tools/call"]


async def test_an_unknown_tool_and_a_hidden_one_get_one_answer(world):
    world.server("vault", tool("create_issue_secretly"), enabled=False)
    hidden = await call(world, "call_tool", tool="vault__create_issue_secretly", arguments={})
    unknown = await call(world, "call_tool", tool="voult__create_issue_secretly", arguments={})

    assert hidden["isError"]
    assert json.dumps(hidden).replace("vault", "voult") == json.dumps(unknown)
    assert "jira__create_issue" in hidden["structuredContent"]["nearest"]


async def test_a_tool_switched_off_between_search_and_call_is_not_called(world):
    (id, *_) = await found(world, "create issue jira")
    world.record(ToolDisabled(server_id="jira", tool="create_issue"), server_tag("jira"), SERVERS)

    assert (await call(world, "call_tool", tool=id, arguments={"summary": "x"}))["isError"]
    assert id not in await found(world, "create issue jira")
    assert not [method for _, method, _ in world.upstreams["jira"].asked if method == "tools/call"]


async def test_a_meta_tool_called_wrongly_says_what_is_wrong(world):
    wrong = [
        ("search_tools", {}),
        ("search_tools", {"query": ""}),
        ("search_tools", {"query": "x", "limit": 21}),
        ("search_tools", {"query": "x" * 501}),
        ("search_tools", {"query": "x", "extra": 1}),
        ("describe_tools", {"tools": []}),
        ("describe_tools", {"tools": ["x"] * 11}),
        ("call_tool", {"tool": "jira__search", "arguments": [1]}),
        ("call_tool", {"tool": "jira__search", "arguments": "no object"}),
        ("list_servers", {"x": 1}),
    ]
    for name, arguments in wrong:
        result = await call(world, name, **arguments)
        assert result["isError"], (name, arguments)
        assert result["structuredContent"]["violations"], (name, arguments)


async def test_a_stored_vector_finds_what_words_do_not(pool):
    embedder = FewWords({"issue": 0, "grumble": 0, "mail": 1})
    world = World(search=parts_of(pool, lambda: embedder))
    world.key = world.user("ann")
    world.server("desk", tool("create_issue", description="Open an issue."), tool("other", description="Else."))
    await names(world, "/mcp?mode=tools")
    router, vectors = world.gateway._relay.router, world.gateway.tool_search.vectors
    (server,) = world.model.servers.values()
    await put_in(pool, server, [(item.name, item.hash, item.raw) for item in router.held("ann", server).items])
    running = asyncio.create_task(vectors.run())
    vectors.wake()
    await until(lambda: vectors.state == "ready", within=5, what=lambda: vectors.state)

    result = (await call(world, "search_tools", query="grumble"))["structuredContent"]

    assert [one["id"] for one in result["tools"]] == ["desk__create_issue", "desk__other"]
    assert "degraded" not in result
    embedder.failing = "it is away"
    degraded = (await call(world, "search_tools", query="open issue"))["structuredContent"]
    assert degraded["degraded"] is True
    assert degraded["tools"][0]["id"] == "desk__create_issue"
    running.cancel()
    await world.gateway.stop(0)


DIALS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")


@pytest.fixture(scope="module")
def dialled():
    """What Python's sockets did, as long as the list is there; a hook stays for ever."""
    seen = []
    sys.addaudithook(lambda event, given: seen.append((event, *given[1:])) if event in DIALS else None)
    return seen


async def test_neither_a_query_nor_the_index_dials_anywhere(pool, dialled):
    world = World(search=parts_of(pool, UniversalSentenceEncoder))
    world.key = world.user("ann")
    world.server("desk", tool("create_issue", description="Open an issue."), tool("other", description="Else."))
    await names(world, "/mcp?mode=tools")
    router, vectors = world.gateway._relay.router, world.gateway.tool_search.vectors
    (server,) = world.model.servers.values()
    await put_in(pool, server, [(item.name, item.hash, item.raw) for item in router.held("ann", server).items])
    dialled.clear()
    running = asyncio.create_task(vectors.run())
    vectors.wake()
    await until(lambda: vectors.state == "ready", within=30, what=lambda: vectors.state)

    result = (await call(world, "search_tools", query="이슈를 열어 줘"))["structuredContent"]

    assert result["tools"][0]["id"] == "desk__create_issue"
    assert "degraded" not in result
    assert dialled == []
    with socket.socket() as one, contextlib.suppress(OSError):
        one.connect(("127.0.0.1", 9))
    assert len(dialled) == 1  # it would have been seen
    running.cancel()
    await world.gateway.stop(0)


async def test_vectors_of_another_length_are_made_again_while_words_answer(pool):
    embedder = FewWords({"issue": 0})
    world = World(search=parts_of(pool, lambda: embedder))
    world.key = world.user("ann")
    world.server("desk", tool("create_issue", description="Open an issue."), tool("other"))
    await names(world, "/mcp?mode=tools")
    router, vectors = world.gateway._relay.router, world.gateway.tool_search.vectors
    (server,) = world.model.servers.values()
    await put_in(pool, server, [(item.name, item.hash, item.raw) for item in router.held("ann", server).items])
    running = asyncio.create_task(vectors.run())
    vectors.wake()
    await until(lambda: vectors.state == "ready", within=5, what=lambda: vectors.state)
    async with pool.connection() as db:
        await db.execute("update vector_embeddings set embedding = '[1,2]'")

    degraded = (await call(world, "search_tools", query="open issue"))["structuredContent"]

    assert (degraded["tools"][0]["id"], degraded["degraded"]) == ("desk__create_issue", True)

    async with pool.connection() as db:
        asked = "select count(*) from vector_embeddings where vector_dims(embedding) = 4"
        await until_row(db, asked, (2,))

    assert "degraded" not in (await call(world, "search_tools", query="open issue"))["structuredContent"]
    running.cancel()
    await world.gateway.stop(0)


async def test_another_model_takes_over_when_it_has_every_vector(pool):
    former, latter = FewWords({"issue": 0}, id="former"), FewWords({"issue": 1}, id="latter", dim=6)
    made = [former]
    world = World(search=parts_of(pool, lambda: made[-1]))
    world.user("ann")
    world.server("desk", tool("create_issue"))
    await asyncio.wait_for(world.gateway.tool_search.find(_asker(world), "issue", 5, _now()), 5)
    (server,) = world.model.servers.values()
    items = world.gateway._relay.router.held("ann", server).items
    await put_in(pool, server, [(item.name, item.hash, item.raw) for item in items])
    vectors = world.gateway.tool_search.vectors
    running = asyncio.create_task(vectors.run())
    vectors.wake()
    await until(lambda: vectors.state == "ready", within=5, what=lambda: vectors.state)

    made.append(latter)
    vectors.configured_anew()
    await until(lambda: vectors.model is not None and vectors.model.name == "latter", within=5, what="no take-over")

    await until(lambda: vectors.state == "ready", within=5, what=lambda: vectors.state)
    assert former.closed
    async with pool.connection() as db:
        assert [(model.name, model.dim, model.active) for model in await index.models(db)] == [("latter", 6, True)]
        assert await index.counts(db, (await index.models(db))[0]) == (1, 1)
    running.cancel()
    await world.gateway.stop(0)


async def test_a_search_is_planned_for_its_own_lists_however_often_it_was_asked(pool):
    async with pool.connection() as db:
        for _ in range(8):
            await index.find(db, {"issu": 1.0}, index.visible([]), 5)
        kept = await db.execute("select count(*) from pg_prepared_statements where statement like '%%query_term%%'")

        assert await kept.fetchone() == (0,)


async def test_the_tables_of_an_older_form_are_made_anew(pool):
    async with pool.connection() as db:
        await db.execute("insert into tool_catalog values (gen_random_uuid(), 's', 't', 'd', 'text')")
        await tables.ensure(db)
        kept = await (await db.execute("select count(*) from tool_catalog")).fetchone()
        await db.execute("comment on schema search is '0'")
        await tables.ensure(db)
        anew = await (await db.execute("select count(*) from tool_catalog")).fetchone()

    assert (kept, anew) == ((1,), (0,))


async def until_row(db, query, row):
    async with asyncio.timeout(20):
        while await (await db.execute(query)).fetchone() != row:  # noqa: ASYNC110  the database does not call back
            await asyncio.sleep(0.01)


def _asker(world):
    from mcphub.domain.access import ALL, Principal
    from mcphub.gateway.lifecycle import one_shot

    return one_shot(world.model, Principal("ann", "key-ann"), ALL, "2025-11-25")


def _now():
    from datetime import UTC, datetime

    return datetime.now(UTC)
