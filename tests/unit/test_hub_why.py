"""`hub_why`: each reason a tool is not there, said to who may know it and to nobody else."""

import pytest

from mcphub.domain.events import (
    SERVERS,
    AdminGranted,
    GroupCreated,
    GroupDeactivated,
    Scope,
    ServerDisabled,
    ServerRef,
    ToolDisabled,
    UserPreferencesChanged,
    group_tag,
    server_tag,
    user_tag,
)
from mcphub.gateway.upstream.runtime import ServerStatus
from tests.support.gateway import World


@pytest.fixture
async def world():
    made = World()
    made.server("wiki", "find", "save")
    made.server("desk", "open")
    return made


async def why(world, key, tool, path="/mcp", **how):
    """(reason, text) of the answer, or its error."""
    params = {"name": "hub_why", "arguments": {"tool": tool}}
    answer = (await world.rpc("tools/call", params, **(how or {"key": key, "path": path}))).json
    if "error" in answer:
        return answer["error"]
    result = answer["result"]
    assert result["structuredContent"]["tool"] == tool
    return result["structuredContent"]["reason"], result["content"][0]["text"]


def unknown(tool):
    return {"code": -32602, "message": f"Unknown tool: {tool}"}


def grouped(world, *servers, group="g1", active=True):
    refs = [ServerRef(server, server) for server in servers]
    made = GroupCreated(group_id=group, user_id="ann", name=f"Group {group}", slug=group, servers=refs)
    world.record(made, user_tag("ann"), group_tag(group))
    if not active:
        world.record(GroupDeactivated(group_id=group, user_id="ann"), user_tag("ann"))


async def test_no_group_is_active(world):
    key = world.user("ann")
    grouped(world, "wiki", active=False)

    reason, said = await why(world, key, "wiki__find")

    assert reason == "no_active_group"
    assert "None of your groups is active" in said
    assert "/user-groups" in said


async def test_the_active_groups_hold_other_servers(world):
    key = world.user("ann")
    grouped(world, "desk")

    reason, said = await why(world, key, "wiki__find")

    assert reason == "not_in_active_group"
    assert "'wiki' is in none of your active groups (Group g1)" in said


async def test_the_key_is_narrowed(world):
    key = world.user("ann", scope=Scope(servers=["desk"]))

    reason, said = await why(world, key, "server_wiki")

    assert reason == "outside_key_scope"
    assert "The MCPHub key in use (k)" in said


@pytest.mark.parametrize("path", ["/mcp/g1", "/mcp/desk", "/mcp/desk?mode=tools"])
async def test_the_address_shows_something_else(world, path):
    key = world.user("ann")
    grouped(world, "desk", group="g1")
    grouped(world, "wiki", group="g2")

    reason, said = await why(world, key, "wiki__find", path)

    assert reason == "outside_view"
    assert "http://127.0.0.1:3000/mcp" in said


async def test_the_server_is_switched_off(world):
    key = world.user("ann")
    world.record(ServerDisabled(server_id="wiki"), server_tag("wiki"), SERVERS)

    reason, said = await why(world, key, "wiki__find")

    assert (reason, said) == (
        "server_disabled",
        "Server 'wiki' is switched off. An administrator can switch it on.",
    )


async def test_a_value_is_missing(world):
    key = world.user("ann")
    world.server("jira", "x", headers={"Authorization": "Bearer ${USER_JIRA_TOKEN}"})

    reason, said = await why(world, key, "jira__x")

    assert reason == "variables_missing"
    assert "JIRA_TOKEN" in said
    assert "http://127.0.0.1:3000/settings#jira" in said


async def test_what_the_server_says_of_a_tool_is_no_definition(world):
    key = world.user("ann")
    world.server("odd", {"name": "list", "inputSchema": {"type": "array"}})

    reason, said = await why(world, key, "odd__list")

    assert reason == "unreadable"
    assert "its inputSchema describes no object" in said


async def test_the_server_cannot_be_reached(world):
    key = world.user("ann")
    world.upstreams["wiki"].down = "it is on fire"

    reason, said = await why(world, key, "wiki__find")

    assert reason == "unavailable"
    assert "it is on fire" in said


async def test_the_mode_lists_it_inside_another_tool(world):
    key = world.user("ann")

    reason, said = await why(world, key, "wiki__find", "/mcp?mode=servers")

    assert reason == "inside_server_tool"
    assert "call server_wiki with tool_name 'find'" in said


async def test_it_is_there_and_how_its_server_is(world):
    key = world.user("ann")
    assert (await why(world, key, "wiki__find"))[0] == "listed"
    world.pool.status = lambda server_id: ServerStatus(state="error", since=0, error="gone", next_retry_at=1)
    world.gateway._relay._why._status = world.pool.status

    reason, said = await why(world, key, "wiki")

    assert reason == "listed"
    assert said.endswith("not available right now: gone. The next attempt is at 00:00:01 UTC.")


async def test_what_is_not_the_callers_business_is_answered_like_something_unknown(world):
    key = world.user("ann")
    world.server("secret", "x", mcphub={"audience": {"users": ["bob"]}})
    world.record(ToolDisabled(server_id="wiki", tool="save"), server_tag("wiki"), SERVERS)

    for tool in ("secret__x", "server_secret", "secret", "wiki__save", "wiki__none", "nowhere__x", "plain"):
        assert await why(world, key, tool) == unknown(tool)
        direct = await world.rpc("tools/call", {"name": tool}, key=key)
        assert direct.json["error"] == unknown(tool)
    reasons = [reason for *_, tool, status, reason in world.traffic.ends if tool == "hub_why"]
    assert reasons == ["unknown_tool"] * 3 + ["switched_off"] + ["unknown_tool"] * 3


async def test_an_administrator_hears_of_every_server(world):
    key = world.user("root")
    world.record(AdminGranted(user_id="root"), user_tag("root"))
    world.server("secret", "x", mcphub={"audience": {"users": ["bob"]}})
    world.record(ToolDisabled(server_id="wiki", tool="save"), server_tag("wiki"), SERVERS)

    assert (await why(world, key, "secret__x"))[0] == "not_in_audience"
    assert (await why(world, key, "wiki__save"))[0] == "switched_off"


async def test_it_is_listed_only_when_it_is_asked_for_and_counted_never(world):
    key = world.user("ann")
    world.server("many", *(f"t{number:02}" for number in range(37)))

    async def names(path):
        tools = (await world.rpc("tools/list", key=key, path=path)).json["result"]["tools"]
        prompts = (await world.rpc("prompts/list", key=key, path=path)).json["result"]["prompts"]
        return [tool["name"] for tool in tools], [prompt["name"] for prompt in prompts]

    tools, prompts = await names("/mcp")
    assert ("hub_why" in tools, len(tools), prompts) == (False, 40, [])
    tools, prompts = await names("/mcp?why=1")
    assert (tools[-1], len(tools), prompts) == ("hub_why", 41, ["hub_why"])
    assert await names("/mcp?why=1&mode=servers") == (
        ["server_desk", "server_many", "server_wiki", "hub_why"],
        ["hub_why"],
    )
    verbatim = (await world.rpc("tools/list", key=key, path="/mcp/wiki?why=1")).json["result"]["tools"]
    assert [tool["name"] for tool in verbatim] == ["find", "save"]
    world.record(UserPreferencesChanged(user_id="ann", show_why=True), user_tag("ann"))
    tools, prompts = await names("/mcp")
    assert (tools[-1], len(tools), prompts) == ("hub_why", 41, ["hub_why"])


async def test_a_switched_on_why_is_news_for_tools_and_prompts(world):
    session = await world.client(world.user("ann"))
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    for method in ("tools/list", "prompts/list", "resources/list"):
        await world.rpc(method, **session)

    world.record(UserPreferencesChanged(user_id="ann", show_why=True), user_tag("ann"))
    await stream.until(lambda answer: len(answer.messages) == 2)

    told = {message["method"] for message in stream.messages}
    assert told == {"notifications/tools/list_changed", "notifications/prompts/list_changed"}


@pytest.mark.parametrize("path", ["/mcp", "/mcp?mode=servers", "/mcp/wiki"])
async def test_it_is_a_prompt_too_and_callable_at_every_address(world, path):
    key = world.user("ann")
    session = await world.client(key, path)

    params = {"name": "hub_why", "arguments": {"tool": "wiki__find"}}
    prompt = (await world.rpc("prompts/get", params, **session)).json
    tool = await why(world, key, "wiki__find", path)

    assert "Nothing hides wiki__find" in prompt["result"]["messages"][0]["content"]["text"]
    assert tool[0] in {"listed", "inside_server_tool"}
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "hub_why", "Completed", tool[0])


async def test_a_server_that_has_such_a_tool_itself_keeps_it_at_its_own_address(world):
    key = world.user("ann")
    own = world.server("own", "hub_why")

    await world.rpc("tools/call", {"name": "hub_why", "arguments": {"tool": "x"}}, key=key, path="/mcp/own")

    assert own.asked[-1] == ("ann", "tools/call", {"name": "hub_why", "arguments": {"tool": "x"}})


@pytest.mark.parametrize("arguments", [{}, [], {"tool": 1}, {"tool": ""}])
async def test_it_needs_the_name_of_a_tool(world, arguments):
    key = world.user("ann")

    answer = await world.rpc("tools/call", {"name": "hub_why", "arguments": arguments}, key=key)

    assert answer.json["error"]["code"] == -32602
    assert "hub_why needs the name of a tool" in answer.json["error"]["message"]
