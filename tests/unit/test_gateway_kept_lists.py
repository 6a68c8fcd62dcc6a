"""A list made once is kept as long as it is right: through facts about others, and no further than any that counts."""

from unittest.mock import patch

import pytest

from mcphub.domain.events import SERVERS, ToolDisabled, UserPreferencesChanged, server_tag, user_tag
from mcphub.gateway.kinds import TOOLS
from mcphub.gateway.router import Router
from tests.support.gateway import World, tool


@pytest.fixture
async def world():
    return World()


async def names(world, session):
    return [each["name"] for each in (await world.rpc("tools/list", **session)).json["result"]["tools"]]


async def test_a_fact_about_another_user_makes_no_list_anew(world):
    ann, _ = world.user("ann"), world.user("bob")
    world.server("wiki", "read")
    session = await world.client(ann, "/mcp?mode=tools")
    before = [await names(world, session) for _ in range(2)]
    world.record(UserPreferencesChanged(user_id="bob", theme="dark"), user_tag("bob"))

    with patch.object(Router, "_gathered", side_effect=AssertionError):
        after = await names(world, session)

    assert before == [["wiki__read"], ["wiki__read"]]
    assert after == ["wiki__read"]


async def test_a_kept_list_ends_with_a_fact_about_a_server(world):
    ann = world.user("ann")
    world.server("wiki", "read", "write")
    session = await world.client(ann, "/mcp?mode=tools")
    before = [await names(world, session) for _ in range(2)]

    world.record(ToolDisabled(server_id="wiki", tool="write"), server_tag("wiki"), SERVERS)

    assert before[1] == ["wiki__read", "wiki__write"]
    assert await names(world, session) == ["wiki__read"]


@pytest.mark.parametrize("whose", ["ann", None])
async def test_a_kept_list_ends_with_what_its_server_says_of_it(world, whose):
    ann = world.user("ann")
    wiki = world.server("wiki", "read")
    session = await world.client(ann, "/mcp?mode=tools")
    before = [await names(world, session) for _ in range(2)]
    wiki.tools.append(tool("write"))

    world.gateway._relay.router.changed("wiki", whose, TOOLS)

    assert before[1] == ["wiki__read"]
    assert await names(world, session) == ["wiki__read", "wiki__write"]


async def test_the_oldest_lists_beyond_the_bound_are_dropped(world, monkeypatch):
    monkeypatch.setattr("mcphub.gateway.router.MOST_LISTS", 2)
    ann = world.user("ann")
    for name in ("desk", "mail", "wiki"):
        world.server(name, "read")
        session = await world.client(ann, f"/mcp/{name}?mode=tools")
        await names(world, session)
    router = world.gateway._relay.router

    router.forget()

    assert sorted(key[0] for key in router._lists) == ["mail", "wiki"]
