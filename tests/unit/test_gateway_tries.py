"""Tools tried and connections tested from the hub's own pages: the gateway decides and records them like calls."""

import asyncio
import json

import pytest

from mcphub.domain.access import Principal
from mcphub.domain.events import SERVERS, GroupCreated, ToolDisabled, group_tag, server_tag, user_tag
from mcphub.domain.substitution import MissingVariables
from mcphub.gateway.errors import Answer
from mcphub.gateway.load import TooBusy
from mcphub.gateway.upstream.runtime import Reply
from tests.support.gateway import World, tool

ANN = Principal("ann")
TOKEN = {"headers": {"X-A": "${USER_X_TOKEN}"}}


@pytest.fixture
async def world():
    made = World()
    made.user("ann")
    return made


async def test_a_tried_tool_reaches_the_server_and_leaves_one_row(world):
    wiki = world.server("wiki", "search")

    tried = await world.gateway.try_tool(ANN, "wiki", "search", b'{"q": 1.50}')

    assert json.loads(tried.result) == {"content": [], "by": "ann"}
    assert (tried.error, tried.refused) == (None, "")
    assert wiki.asked == [("ann", "tools/call", {"name": "search", "arguments": {"q": 1.5}})]
    assert [request.public_id for request in world.traffic.starts] == [tried.request_id]
    assert world.traffic.ends == [("tools/call", "wiki", "search", "Completed", "")]


async def test_a_call_nobody_waits_for_any_more_is_cancelled_at_the_server(world):
    wiki, reached, gone, over = world.server("wiki", "search"), asyncio.Event(), asyncio.Event(), []

    async def hang(method, params, caller):
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            over.append(method)

    wiki.behave = hang
    trying = asyncio.create_task(world.gateway.try_tool(ANN, "wiki", "search", b"{}", gone.wait))
    await reached.wait()
    gone.set()
    tried = await asyncio.wait_for(trying, 10)

    assert (tried.result, json.loads(tried.error)["code"], over) == (None, -32800, ["tools/call"])
    assert world.traffic.ends == [("tools/call", "wiki", "search", "Cancelled", "client_gone")]


async def test_tools_asked_for_after_a_reload_are_those_of_after_it(world):
    wiki, read, gate = world.server("wiki", "search"), asyncio.Event(), asyncio.Event()
    answer = wiki.answer

    async def slow(*asked):
        reply = await answer(*asked)
        read.set()
        await gate.wait()
        return reply

    wiki.answer = slow
    before = asyncio.create_task(world.gateway.list_tools(ANN, "wiki"))
    await read.wait()
    wiki.tools.append(tool("added"))
    await world.gateway.reload("wiki")
    after = asyncio.create_task(world.gateway.list_tools(ANN, "wiki"))
    await asyncio.sleep(0)
    gate.set()

    assert [found.name for found in await before] == ["search"]
    assert [found.name for found in await after] == ["search", "added"]


async def test_tools_that_cannot_be_asked_for_are_not_those_of_a_while_ago(world):
    wiki = world.server("wiki", "search")
    await world.gateway.list_tools(ANN, "wiki")
    wiki.down = "it is down"

    with pytest.raises(Answer):
        await world.gateway.list_tools(ANN, "wiki")


async def test_what_the_upstream_refuses_is_its_own_error(world):
    wiki = world.server("wiki", "search")

    async def refuse(method, params, caller):
        return Reply(error=b'{"code":-32000,"message":"no"}')

    wiki.behave = refuse
    tried = await world.gateway.try_tool(ANN, "wiki", "search", b"{}")

    assert (tried.result, tried.error) == (None, b'{"code":-32000,"message":"no"}')


async def test_a_tool_that_is_switched_off_is_not_visible_and_the_row_says_denied(world):
    wiki = world.server("wiki", "search")
    world.record(ToolDisabled(server_id="wiki", tool="search"), server_tag("wiki"), SERVERS)

    tried = await world.gateway.try_tool(ANN, "wiki", "search", b"{}")

    assert tried.refused == "not_visible"
    assert wiki.asked == []
    assert world.traffic.ends[0][3] == "Denied"


async def test_a_server_outside_the_active_groups_is_not_visible(world):
    wiki = world.server("wiki", "search")
    group = GroupCreated(group_id="g", user_id="ann", name="none", slug="none", servers=[])
    world.record(group, group_tag("g"), user_tag("ann"))

    tried = await world.gateway.try_tool(ANN, "wiki", "search", b"{}")

    assert (tried.refused, wiki.asked) == ("not_visible", [])


async def test_a_missing_value_is_named_and_nothing_is_sent(world):
    wiki = world.server("wiki", "search", **TOKEN)

    tried = await world.gateway.try_tool(ANN, "wiki", "search", b"{}")

    assert tried.refused == "variables_missing"
    assert "USER_X_TOKEN" in tried.why
    assert wiki.asked == []


async def test_a_server_that_is_down_answers_as_a_failed_call(world):
    world.server("wiki", "search").down = "nobody listens"

    tried = await world.gateway.try_tool(ANN, "wiki", "search", b"{}")

    assert json.loads(tried.result)["isError"] is True


async def test_tries_count_towards_what_a_user_may_have_under_way():
    world = World(in_flight=0, queued=0)
    world.user("ann")
    world.server("wiki", "search")

    with pytest.raises(TooBusy):
        await world.gateway.try_tool(ANN, "wiki", "search", b"{}")

    assert world.traffic.ends == [("tools/call", "", "", "Denied", "too_busy")]


async def test_a_connection_is_tested_with_what_was_typed(world):
    wiki = world.server("wiki", "search", "read", **TOKEN)

    with pytest.raises(MissingVariables):
        await world.gateway.test_connection(ANN, "wiki", {})
    trial = await world.gateway.test_connection(ANN, "wiki", {"X_TOKEN": "typed-value"})

    assert (trial.ok, trial.step, trial.tool_count) == (True, "list", 2)
    assert wiki.opened == 1
