"""Tools under names an administrator gave them, everywhere a client meets one."""

import json

import pytest

from mcphub.domain.access import Principal
from mcphub.domain.events import (
    SERVERS,
    AdminGranted,
    ToolDescriptionOverridden,
    ToolDisabled,
    ToolNameReset,
    ToolRenamed,
    server_tag,
    user_tag,
)
from mcphub.gateway import wire
from mcphub.gateway.upstream.runtime import Reply
from tests.support.gateway import World, tool
from tests.unit.test_gateway_stateless import ask, request_of
from tests.unit.test_tool_changes import STRICT, Recorded

PLACES = ("/mcp?mode=tools", "/mcp?mode=servers", "/mcp/wiki")


@pytest.fixture
async def world():
    made = World()
    made.server("wiki", "search", "read")
    return made


def named(world, name, tool="search", server="wiki"):
    world.record(ToolRenamed(server_id=server, tool=tool, name=name), server_tag(server), SERVERS)


def own_again(world, tool="search"):
    world.record(ToolNameReset(server_id="wiki", tool=tool), server_tag("wiki"), SERVERS)


async def listed(world, key, place):
    """The names a client finds there, without what tells servers apart."""
    tools = (await world.rpc("tools/list", key=key, path=place)).json["result"]["tools"]
    if place.endswith("servers"):
        return tools[0]["inputSchema"]["properties"]["tool_name"]["enum"]
    return [one["name"].removeprefix("wiki__") for one in tools]


async def called(world, key, place, name):
    """What a call of that name came to: the server's own name of it, or the error."""
    before = len(world.upstreams["wiki"].asked)
    params = {"name": name if place == "/mcp/wiki" else f"wiki__{name}"}
    if place.endswith("servers"):
        params = {"name": "server_wiki", "arguments": {"tool_name": name, "arguments": {}}}
    answer = (await world.rpc("tools/call", params, key=key, path=place)).json
    calls = [asked["name"] for _, method, asked in world.upstreams["wiki"].asked[before:] if method == "tools/call"]
    if "error" in answer or answer["result"].get("isError"):
        assert calls == []
        return answer.get("error") or answer["result"]["content"][0]["text"]
    assert world.traffic.ends[-1] == ("tools/call", "wiki", *calls, "Completed", "")
    return calls[0]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("first", ["listed", "renamed"])
async def test_a_tool_is_listed_and_called_by_its_given_name_alone(world, place, first):
    key = world.user("ann")
    if first == "listed":
        await listed(world, key, place)
    named(world, "find")

    assert sorted(await listed(world, key, place)) == ["find", "read"]
    assert await called(world, key, place, "find") == "search"
    assert await called(world, key, place, "read") == "read"
    refused = await called(world, key, place, "search")
    unheard_of = await called(world, key, place, "nothing")
    if place.endswith("servers"):
        assert refused == "Server 'wiki' has no tool 'search'. Available: find, read."
    else:
        assert json.dumps(refused) == json.dumps(unheard_of).replace("nothing", "search")
    assert world.traffic.ends[-2][3:] == ("Denied", "unknown_tool")

    own_again(world)
    assert sorted(await listed(world, key, place)) == ["read", "search"]
    assert await called(world, key, place, "search") == "search"


async def test_the_rest_of_a_renamed_definition_and_every_other_one_stay_as_they_came(world):
    key = world.user("ann")
    schema = b'"inputSchema":{"type":"object","x":1.50}'
    definition = b'{"name":"odd","title":"Odd",' + schema + b',"big":123456789012345678901234567890,"_meta":{}}'
    other = b'{ "inputSchema" : {}, "name":"plain" }'
    result = b'{ "content":[],"z":1,"a":2.0 }'
    sent = []

    async def answer(user, method, params, caller):
        sent.append(params)
        listing = b'{ "tools":[' + definition + b"," + other + b'],"x":1}'
        return Reply(result=listing if method == "tools/list" else result)

    world.upstreams["wiki"].answer = answer
    named(world, "even", "odd")
    one = await world.client(key, "/mcp/wiki")
    params = b'{"arguments":{ "q":1.0 },"name":"even","_meta":{"p":7}}'
    body = b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":' + params + b"}"

    renamed = definition.replace(b'"odd"', b'"even"')
    listing = b'{"tools":[' + renamed + b"," + other + b'],"x":1}'
    assert (await world.rpc("tools/list", **one)).body == wire.result(b"1", listing)
    assert definition.replace(b'"odd"', b'"wiki__even"') in (await world.rpc("tools/list", key=key)).body
    assert (await world.send("POST", body=body, **one)).body == wire.result(b'"x"', result)
    assert sent[-1] == params.replace(b'"even"', b'"odd"')


@pytest.mark.parametrize("place", PLACES)
async def test_a_newcomer_of_the_given_name_is_shown_with_a_hash(world, place):
    key = world.user("ann")
    named(world, "find")
    await listed(world, key, place)
    world.upstreams["wiki"].tools.append(tool("find"))
    world.gateway._relay.router.changed("wiki", None)

    assert await listed(world, key, place) == (
        ["find", "find_b0ea95", "read"] if place.endswith("servers") else ["find", "read", "find_b0ea95"]
    )
    world.start()
    assert await called(world, key, place, "find") == "search"
    assert await called(world, key, place, "find_b0ea95") == "find"


@pytest.mark.parametrize("place", PLACES)
async def test_a_switch_and_a_description_go_by_the_servers_own_name(world, place):
    key = world.user("ann")
    named(world, "find")
    named(world, "look", "read")
    world.record(ToolDisabled(server_id="wiki", tool="search"), server_tag("wiki"), SERVERS)
    described = ToolDescriptionOverridden(server_id="wiki", tool="read", description="Ours.")
    world.record(described, server_tag("wiki"), SERVERS)

    tools = (await world.rpc("tools/list", key=key, path=place)).json["result"]["tools"]
    assert await listed(world, key, place) == ["look"]
    assert "Ours." in tools[0]["description"]
    assert "find" in str(await called(world, key, place, "find"))
    assert world.traffic.ends[-1][1:] == ("wiki", "search", "Denied", "switched_off")

    if place.endswith("servers"):
        inside = {"name": "server_wiki", "arguments": {"tool_name": "look", "describe": True}}
        answer = (await world.rpc("tools/call", inside, key=key, path=place)).json["result"]
        assert {name: answer["structuredContent"][name] for name in ("name", "description")} == {
            "name": "look",
            "description": "Ours.",
        }
        assert world.traffic.ends[-1][:3] == ("tools/call", "wiki", "read")


async def test_pages_at_the_servers_own_address_show_the_names_of_the_whole_list(world):
    key = world.user("ann")
    wiki = world.upstreams["wiki"]
    pages = {None: {"tools": [tool("find")], "nextCursor": "2"}, "2": {"tools": [tool("search"), tool("read")]}}

    async def answer(user, method, params, caller):
        return Reply(result=json.dumps(pages[json.loads(params or b"{}").get("cursor")]).encode())

    wiki.answer = answer
    named(world, "find")
    one = await world.client(key, "/mcp/wiki")

    first = (await world.rpc("tools/list", **one)).json["result"]
    second = (await world.rpc("tools/list", {"cursor": "2"}, **one)).json["result"]

    assert [each["name"] for each in first["tools"]] == ["find_b0ea95"]
    assert [each["name"] for each in second["tools"]] == ["find", "read"]


async def test_a_list_that_cannot_be_read_shows_no_names_that_cannot_be_called(world):
    key = world.user("ann")

    async def answer(user, method, params, caller):
        return Reply(result=b'{"tools":{"name":"search"}}')

    world.upstreams["wiki"].answer = answer
    named(world, "find")

    error = (await world.rpc("tools/list", key=key, path="/mcp/wiki")).json["error"]
    assert "cannot be read" in error["message"]


async def test_what_was_approved_stays_so_under_another_name_and_what_changes_waits():
    world = Recorded()
    key = world.user("ann")
    jira = world.server("jira", tool("search"), **STRICT)
    await world.rpc("tools/list", key=key)
    await world.settle()
    named(world, "find", server="jira")

    async def names():
        listing = (await world.rpc("tools/list", key=key, path="/mcp/jira")).json["result"]["tools"]
        return [one["name"] for one in listing]

    assert await names() == ["find"]
    assert await world.settle() == []

    jira.tools[:] = [tool("search", description="Something else.")]
    assert await names() == []
    refused = (await world.rpc("tools/call", {"name": "find"}, key=key, path="/mcp/jira")).json["error"]
    assert refused == {"code": -32602, "message": "Unknown tool: find"}
    assert world.traffic.ends[-1] == ("tools/call", "jira", "search", "Denied", "quarantined")


async def test_only_those_hear_of_a_new_name_whose_list_of_tools_has_it(world):
    ann = world.user("ann")
    world.server("desk", "open")
    world.upstreams["wiki"].offers(prompts=("p",))
    sessions = {path: await world.client(ann, path) for path in ("/mcp", "/mcp/wiki", "/mcp/desk", "/mcp?mode=servers")}
    streams = {}
    for path, session in sessions.items():
        streams[path] = await world.open(
            "GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}}
        )
        for method in ("tools/list", "prompts/list"):
            await world.rpc(method, **session)

    named(world, "find")
    for path in ("/mcp", "/mcp/wiki", "/mcp?mode=servers"):
        await streams[path].until(lambda answer: answer.messages)
    world.record(ToolDisabled(server_id="desk", tool="open"), server_tag("desk"), SERVERS)
    await streams["/mcp/desk"].until(lambda answer: answer.messages)

    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    assert all(message == changed for stream in streams.values() for message in stream.messages)
    assert [len(streams[path].messages) for path in ("/mcp/wiki", "/mcp/desk")] == [1, 1]


async def test_a_client_without_a_session_repeats_the_name_it_was_shown(world):
    key = world.user("ann")
    named(world, "find")

    for path, name in (("/mcp", "wiki__find"), ("/mcp/wiki", "find")):
        answer = await ask(world, "tools/call", {"name": name}, key=key, path=path)
        assert answer.json["result"]["by"] == "ann"
        assert world.upstreams["wiki"].asked[-1][2]["name"] == "search"

        body, headers = request_of("tools/call", {"name": name})
        headers["mcp-name"] = "search"
        wrong = await world.send("POST", path, key=key, body=body, headers=headers)
        assert (wrong.status, wrong.json["error"]["code"]) == (400, -32020)

        old = await ask(world, "tools/call", {"name": name.replace("find", "search")}, key=key, path=path)
        assert old.json["error"]["message"] == f"Unknown tool: {name.replace('find', 'search')}"


async def test_hub_why_says_what_a_tool_is_called_now_and_nothing_of_what_is_hidden(world):
    ann, root = world.user("ann"), world.user("root")
    world.record(AdminGranted(user_id="root"), user_tag("root"))
    named(world, "find")

    async def why(key, name, path="/mcp?mode=servers"):
        params = {"name": "hub_why", "arguments": {"tool": name}}
        answer = (await world.rpc("tools/call", params, key=key, path=path)).json
        if "error" in answer:
            return answer["error"]["message"], ""
        return answer["result"]["structuredContent"]["reason"], answer["result"]["content"][0]["text"]

    reason, said = await why(ann, "wiki__search")
    assert reason == "renamed"
    assert said.startswith("An administrator gave wiki__search the name wiki__find. Nothing hides wiki__find.")
    assert "call server_wiki with tool_name 'find'" in said
    assert (await why(ann, "wiki__find"))[0] == "inside_server_tool"
    assert await why(ann, "wiki__nothing") == ("Unknown tool: wiki__nothing", "")

    world.record(ToolDisabled(server_id="wiki", tool="search"), server_tag("wiki"), SERVERS)
    assert await why(ann, "wiki__search") == ("Unknown tool: wiki__search", "")
    assert await why(root, "wiki__search") == ("switched_off", "An administrator switched wiki__find off.")


async def test_the_hubs_own_pages_name_a_tool_as_its_server_does(world):
    world.user("ann")
    named(world, "find")

    tried = await world.gateway.try_tool(Principal("ann"), "wiki", "search", b"{}")
    assert json.loads(tried.result)["by"] == "ann"
    refused = await world.gateway.try_tool(Principal("ann"), "wiki", "find", b"{}")
    assert refused.refused == "not_visible"

    (search, read) = await world.gateway.list_tools(Principal("ann"), "wiki")
    assert (search.name, search.exposed_name, search.shown_name) == ("search", "wiki__find", "find")
    assert json.loads(search.definition)["name"] == "search"
    assert (read.name, read.exposed_name, read.shown_name) == ("read", "wiki__read", None)
