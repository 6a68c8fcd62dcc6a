"""Each list leaves one row: how many items it showed, how many it left out and why, and by which facts."""

import asyncio

import pytest

from mcphub.domain.events import (
    SERVERS,
    GroupCreated,
    Scope,
    ServerDisabled,
    ServerRef,
    ToolDisabled,
    ToolDiscovered,
    group_tag,
    server_tag,
    user_tag,
)
from mcphub.domain.left_out import LeftOut
from tests.support.facts import NOW
from tests.support.gateway import World

LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


@pytest.fixture
def world():
    return World()


def rows(world, method="tools/list"):
    """(shown, filtered, left out, position) of each list that ended."""
    found = [request for request in world.traffic.ended_requests if request.method == method]
    return [(each.shown, each.filtered, each.left_out, each.ledger_position) for each in found]


def modern(method):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {
        "params": {"_meta": meta},
        "headers": {"mcp-protocol-version": "2026-07-28", "mcp-method": method},
    }


@pytest.mark.parametrize("path", ["/mcp", "/mcp/wiki"])
@pytest.mark.parametrize("method", LISTS)
async def test_every_list_of_both_eras_leaves_one_row_with_its_counts(world, method, path):
    key = world.user("ann")
    world.server("wiki", "a", "b").offers(prompts=("a", "b"), resources=("x:1", "x:2"), templates=("x:{a}", "x:{b}"))
    session = await world.client(key, path)

    await world.rpc(method, **session)
    await world.rpc(method, key=key, path=path, **modern(method))

    assert rows(world, method) == [(2, 0, LeftOut(), world.model.position)] * 2
    assert [status for name, *_, status, _ in world.traffic.ends if name == method] == ["Completed"] * 2


async def test_items_that_are_left_out_are_counted_by_why(world):
    key = world.user("ann")
    world.server("wiki", "a", "b", "c", mcphub={"onToolChange": "quarantine"})
    for name in ("a", "b", "c"):
        hashed = "of old" if name == "a" else _hash(world, name)
        world.record(ToolDiscovered(server_id="wiki", tool=name, hash=hashed, seen=NOW), server_tag("wiki"))
    world.record(ToolDisabled(server_id="wiki", tool="b"), server_tag("wiki"), SERVERS)

    for path in ("/mcp", "/mcp/wiki"):
        await world.rpc("tools/list", key=key, path=path)

    left_out = LeftOut(items={"quarantined": 1, "switched_off": 1})
    assert rows(world) == [(1, 2, left_out, world.model.position)] * 2


async def test_servers_that_are_left_out_are_counted_by_why_and_so_are_the_items_known_of_them(world):
    key = world.user("ann")
    for name in ("desk", "mail", "wiki"):
        world.server(name, "a", "b")
    world.server("others", "x", mcphub={"audience": {"users": ["bob"]}})
    await world.rpc("tools/list", key=key)
    world.record(ServerDisabled(server_id="mail"), server_tag("mail"), SERVERS)
    refs = [ServerRef("wiki", "wiki"), ServerRef("mail", "mail"), ServerRef("others", "others")]
    world.record(
        GroupCreated(group_id="g", user_id="ann", name="g", slug="g", servers=refs), user_tag("ann"), group_tag("g")
    )

    await world.rpc("tools/list", key=key)

    hidden = LeftOut(
        items={"not_in_active_group": 2, "server_disabled": 2},
        servers={"not_in_active_group": 1, "server_disabled": 1, "not_in_audience": 1},
    )
    assert rows(world)[-1] == (2, 4, hidden, world.model.position)


async def test_a_key_that_is_narrowed_and_an_address_that_shows_less_say_so(world):
    narrow = world.user("ann", scope=Scope(servers=["wiki"]))
    wide = world.key("ann", "wide")
    for name in ("desk", "wiki"):
        world.server(name, "a")

    await world.rpc("tools/list", key=narrow)
    await world.rpc("tools/list", key=wide, path="/mcp/wiki?mode=tools")

    assert [left_out.servers for _, _, left_out, _ in rows(world)] == [{"outside_key_scope": 1}, {"outside_view": 1}]


async def test_servers_without_values_down_or_late_are_missing_and_an_older_list_is_stale():
    world = World(list_deadline=0.05)
    key = world.user("ann")
    world.server("desk", "a", headers={"X-Token": "${USER_DESK_TOKEN}"})
    world.server("down", "a").down = "connection refused"
    slow, wiki = world.server("slow", "a"), world.server("wiki", "a", "b")

    async def never(*how):
        await asyncio.Event().wait()

    slow.answer = never
    await world.rpc("tools/list", key=key)
    wiki.down = "connection refused"
    world.gateway._relay.router.changed("wiki", None)
    await world.rpc("tools/list", key=key)

    missing = {"variables_missing": 1, "unavailable": 1, "late": 1}
    first, second = rows(world)
    assert first == (2, 0, LeftOut(servers=missing), world.model.position)
    assert second == (2, 0, LeftOut(servers=missing, stale={"unavailable": 1}), world.model.position)


async def test_what_became_hidden_while_a_list_waited_is_not_in_it_and_the_row_names_that_fact():
    world = World(list_deadline=5)
    key = world.user("ann")
    wiki, usual = world.server("wiki", "a"), None
    world.server("desk", "b")
    asked, released, usual = asyncio.Event(), asyncio.Event(), wiki.answer

    async def later(*how):
        asked.set()
        await released.wait()
        return await usual(*how)

    wiki.answer = later
    answer = await world.open("POST", key=key, body={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    await asked.wait()
    position = world.record(ServerDisabled(server_id="wiki"), server_tag("wiki"), SERVERS)
    released.set()
    await asyncio.wait_for(answer.done, 5)

    assert [each["name"] for each in answer.json["result"]["tools"]] == ["desk__b"]
    assert rows(world) == [(1, 1, LeftOut(items={"server_disabled": 1}, servers={"server_disabled": 1}), position)]


async def test_a_list_at_the_address_of_a_server_that_is_gone_shows_nothing_and_says_why(world):
    key = world.user("ann")
    world.server("wiki", "a")
    session = await world.client(key, "/mcp/wiki")
    world.record(ServerDisabled(server_id="wiki"), server_tag("wiki"), SERVERS)

    await world.rpc("tools/list", **session)

    assert rows(world) == [(0, 0, LeftOut(servers={"server_disabled": 1}), world.model.position)]


async def test_the_hidden_are_counted_anew_only_after_a_fact_or_another_list(world, monkeypatch):
    key = world.user("ann")
    world.server("wiki", "a")
    for number in range(5):
        world.server(f"other-{number}", "a", mcphub={"audience": {"users": ["bob"]}})
    looked, cached = [], world.gateway._relay.router.cached
    await world.rpc("tools/list", key=key)

    monkeypatch.setattr(
        world.gateway._relay.router,
        "cached",
        lambda asker, server, *offer: looked.append(server.slug) or cached(asker, server, *offer),
    )
    for _ in range(3):
        await world.rpc("tools/list", key=key)

    assert [name for name in looked if name.startswith("other")] == []
    assert [left_out.servers for _, _, left_out, _ in rows(world)] == [{"not_in_audience": 5}] * 4


def _hash(world, name):
    import json

    from mcphub.domain.tool_book import definition_of
    from tests.support.gateway import tool

    return definition_of(json.dumps(tool(name)).encode()).hash
