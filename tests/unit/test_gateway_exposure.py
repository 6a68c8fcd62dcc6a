"""How a client's list of tools looks: who chooses, what `auto` makes of numbers, and how a list becomes another one."""

import pytest
from msgspec import Raw

from mcphub.domain.access import ALL, AccessModel, View
from mcphub.domain.events import (
    SERVERS,
    KeyRenamed,
    Scope,
    SystemConfigChanged,
    ToolDisabled,
    UserPreferencesChanged,
    server_tag,
    user_tag,
)
from mcphub.gateway.exposure import NOTHING, Asked, UnknownMode, asked_in, chosen, modes_of, settled
from tests.support.gateway import World

SERVER, GROUP = View("server", "s"), View("group", "g")


@pytest.fixture
async def world():
    return World()


async def names(world, **how):
    answer = await world.rpc("tools/list", **how)
    assert answer.status == 200, answer.body
    return [each["name"] for each in answer.json["result"]["tools"]]


def many(count, start="t"):
    return [f"{start}{number:02}" for number in range(count)]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (b"", NOTHING),
        (b"mode=tools", Asked("tools")),
        (b"mode=direct", Asked("tools")),
        (b"a=b&mode=server", Asked("servers")),
        (b"mode=auto&why=1", Asked("auto", why=True)),
        (b"why=0", NOTHING),
        (b"%6dode=servers", Asked("servers")),
    ],
)
def test_an_address_asks_for_a_mode_in_its_query(query, asked):
    assert asked_in(query) == asked


@pytest.mark.parametrize("query", [b"mode=", b"mode=clever", b"mode=Search", b"mode=Tools", b"mode=tools&mode=x"])
def test_a_mode_that_is_not_there_is_not_guessed(query):
    with pytest.raises(UnknownMode):
        asked_in(query)


@pytest.mark.parametrize(
    ("asked", "view", "key", "user", "mode"),
    [
        ("tools", SERVER, "servers", "servers", "tools"),
        ("", SERVER, "servers", "servers", "verbatim"),
        ("", ALL, "servers", "tools", "servers"),
        ("", GROUP, "", "tools", "tools"),
        ("", ALL, "", "", "auto"),
        ("", ALL, "auto", "tools", "auto"),
        ("", ALL, "search", "servers", "search"),
        ("", ALL, "", "search", "search"),
        ("", ALL, "elsewhere", "servers", "servers"),
    ],
)
def test_the_address_is_heard_before_the_key_and_the_key_before_the_user(asked, view, key, user, mode):
    assert chosen(Asked(asked), view, by_key=key, by_user=user) == mode


def test_auto_lists_forty_tools_one_by_one_and_no_more():
    model = AccessModel()
    assert [settled(model, "auto", tools, 5) for tools in (40, 41)] == ["tools", "servers"]
    assert [settled(model, mode, 99, 9) for mode in ("tools", "servers", "search", "verbatim")] == [
        "tools",
        "servers",
        "search",
        "verbatim",
    ]


def test_auto_lists_five_servers_as_tools_and_searches_more():
    assert [settled(AccessModel(), "auto", 41, servers) for servers in (5, 6)] == ["servers", "search"]


def test_with_search_switched_off_servers_are_listed_in_its_place():
    model = AccessModel()
    model.settings.apply(SystemConfigChanged(config=Raw(b'{"smartRouting":{"enabled":false}}')), 1)
    assert [settled(model, mode, 99, 9) for mode in ("auto", "search")] == ["servers", "servers"]
    assert modes_of(AccessModel()) == ["tools", "servers", "search", "auto"]
    assert modes_of(model) == ["tools", "servers", "auto"]


@pytest.mark.parametrize("method", ["initialize", "tools/list", "tools/call"])
async def test_an_unknown_mode_is_a_400_that_names_the_modes(world, method):
    key = world.user("ann")

    answer = await world.rpc(method, key=key, path="/mcp?mode=clever")

    assert answer.status == 400
    assert answer.json["error"]["data"] == {"code": "unknown_mode"}
    assert "tools, direct, servers, server, search, smart, auto" in answer.json["error"]["message"]
    assert (await world.rpc(method, path="/mcp?mode=clever")).status == 401


def test_the_address_of_search_asks_for_it_unless_its_query_asks_for_another_mode():
    assert asked_in(b"", "/mcp/$smart").mode == asked_in(b"", "/mcp/$smart/work").mode == "search"
    assert asked_in(b"mode=tools", "/mcp/$smart").mode == "tools"
    assert asked_in(b"", "/mcp/$smarter").mode == asked_in(b"", "/mcp").mode == ""


async def test_with_search_switched_off_its_address_is_not_there(world):
    key = world.user("ann")
    assert (await world.rpc("tools/list", key=key, path="/mcp/$smart")).status == 200

    world.record(SystemConfigChanged(config=Raw(b'{"smartRouting":{"enabled":false}}')), SERVERS)

    assert (await world.rpc("tools/list", key=key, path="/mcp/$smart")).status == 404


async def test_six_and_forty_two_tools_are_two_in_auto_and_all_are_callable(world):
    key = world.user("ann")
    small, large = world.server("small", *many(6)), world.server("large", *many(42))

    assert await names(world, key=key) == ["server_large", "server_small"]
    assert await names(world, key=key, path="/mcp?mode=servers") == ["server_large", "server_small"]
    assert len(await names(world, key=key, path="/mcp?mode=tools")) == 48
    for server, tool in [("small", name) for name in many(6)] + [("large", name) for name in many(42)]:
        inside = {"name": f"server_{server}", "arguments": {"tool_name": tool, "arguments": {}}}
        for params in (inside, {"name": f"{server}__{tool}"}):
            assert (await world.rpc("tools/call", params, key=key)).json["result"]["by"] == "ann"

    called = [params["name"] for upstream in (small, large) for _, method, params in upstream.asked if "call" in method]
    assert called == [name for tools in (many(6), many(42)) for name in tools for _ in range(2)]


async def test_the_one_who_lists_a_mode_hears_when_it_becomes_another(world):
    key = world.user("ann")
    world.server("wiki", *many(41))
    session = await world.client(key)
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    assert await names(world, **session) == ["server_wiki"]

    world.record(ToolDisabled(server_id="wiki", tool="t00"), server_tag("wiki"), SERVERS)
    await stream.until(lambda answer: answer.messages)

    assert stream.messages[0]["method"] == "notifications/tools/list_changed"
    assert await names(world, **session) == [f"wiki__{name}" for name in many(41)[1:]]


@pytest.mark.parametrize(
    "fact",
    [
        UserPreferencesChanged(user_id="ann", exposure_mode="servers"),
        KeyRenamed(user_id="ann", key_id="key-ann", scope=Scope(mode="servers")),
    ],
)
async def test_another_choice_is_another_list_of_tools_and_of_nothing_else(world, fact):
    key = world.user("ann")
    world.server("wiki", "a").offers(prompts=["p"])
    session = await world.client(key)
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    await names(world, **session)
    await world.rpc("prompts/list", **session)

    world.record(fact, user_tag("ann"))
    await stream.until(lambda answer: answer.messages)

    assert [message["method"] for message in stream.messages] == ["notifications/tools/list_changed"]
    assert await names(world, **session) == ["server_wiki"]


async def test_the_mode_of_its_address_stays_with_a_session_also_after_a_restart(world):
    key = world.user("ann")
    world.server("wiki", "a")
    session = await world.client(key, "/mcp?mode=servers")
    plain = {**session, "path": "/mcp"}
    assert await names(world, **plain) == ["server_wiki"]

    world.start()

    assert await names(world, **plain) == ["server_wiki"]
    assert await names(world, **{**session, "path": "/mcp?mode=tools"}) == ["wiki__a"]


async def test_rows_say_in_which_mode_a_request_was_answered(world):
    key = world.user("ann")
    world.server("wiki", *many(41))
    session = await world.client(key)

    await world.rpc("tools/call", {"name": "wiki__t00"}, **session)
    assert world.traffic.starts[-1].session.mode == "auto"
    await names(world, **session)
    await world.rpc("tools/call", {"name": "wiki__t00"}, **session)
    assert world.traffic.starts[-1].session.mode == "servers"
    call = {"name": "server_wiki", "arguments": {"tool_name": "t01", "arguments": {}}}
    await world.rpc("tools/call", call, **session)
    row = world.traffic.starts[-1]
    assert (row.mode, row.server, row.tool) == ("servers", "wiki", "t01")


async def test_a_servers_own_address_is_that_server_verbatim_unless_a_mode_is_asked_for(world):
    key = world.user("ann")
    world.server("wiki", "a")
    world.server("desk", "b")

    assert await names(world, key=key, path="/mcp/wiki") == ["a"]
    assert await names(world, key=key, path="/mcp/wiki?mode=servers") == ["server_wiki"]
    assert await names(world, key=key, path="/mcp/wiki?mode=auto") == ["wiki__a"]
    other = await world.rpc("tools/call", {"name": "server_desk"}, key=key, path="/mcp/wiki?mode=servers")
    assert other.json["error"]["message"] == "Unknown tool: server_desk"


async def test_many_servers_come_in_pages():
    world = World(page=2)
    key = world.user("ann")
    for name in "abc":
        world.server(name, "x")

    first = (await world.rpc("tools/list", key=key, path="/mcp?mode=servers")).json["result"]
    cursor = {"cursor": first["nextCursor"]}
    last = (await world.rpc("tools/list", cursor, key=key, path="/mcp?mode=servers")).json["result"]

    assert [tool["name"] for tool in first["tools"] + last["tools"]] == ["server_a", "server_b", "server_c"]
    assert "nextCursor" not in last
