"""A server as one tool: what is listed, and what comes of each way to call it."""

import asyncio
import json

import pytest

from mcphub.domain.events import (
    SERVERS,
    ToolDescriptionOverridden,
    ToolDisabled,
    server_tag,
)
from mcphub.gateway import wire
from mcphub.gateway.upstream.runtime import Reply, UpstreamUnavailable
from tests.support.gateway import World, tool

PATH = "/mcp?mode=servers"
FIND = tool(
    "find",
    description="Finds pages. By words.",
    inputSchema={
        "type": "object",
        "properties": {"q": {"type": "string"}, "most": {"type": "integer", "maximum": 9}},
        "required": ["q"],
    },
    outputSchema={"type": "object"},
    annotations={"readOnlyHint": True, "vendor": 1},
    icons=[{"src": "x"}],
)


@pytest.fixture
async def world():
    return World()


async def listed(world, key, path=PATH):
    return (await world.rpc("tools/list", key=key, path=path)).json["result"]["tools"]


async def called(world, key, name="server_wiki", /, **arguments):
    answer = await world.rpc("tools/call", {"name": name, "arguments": arguments}, key=key, path=PATH)
    return answer.json.get("result") or answer.json


def text(result):
    return "\n".join(part["text"] for part in result["content"])


def calls(upstream):
    return [params for _, method, params in upstream.asked if method == "tools/call"]


async def test_a_server_is_listed_as_one_tool_with_its_tools_in_an_enum(world):
    key = world.user("ann")
    world.server("wiki", "save", FIND, description="The wiki of all teams. Ask before you delete.")

    (one,) = await listed(world, key)

    assert one == {
        "name": "server_wiki",
        "description": one["description"],
        "inputSchema": {
            "type": "object",
            "properties": {
                "tool_name": {"type": "string", "enum": ["find", "save"]},
                "arguments": {"type": "object"},
                "describe": {"type": "boolean"},
            },
            "required": ["tool_name"],
            "additionalProperties": False,
        },
    }
    head, *tools, use = one["description"].split("\n")
    assert (head, tools) == ("The wiki of all teams. 2 tools:", ["find: Finds pages.", "save: save of an upstream"])
    assert "describe" in use


@pytest.mark.parametrize(
    ("hints", "annotations"),
    [
        ([{"readOnlyHint": True}, {"readOnlyHint": True}], {"readOnlyHint": True}),
        ([{"readOnlyHint": True}, {}], None),
        ([{"destructiveHint": True}, {"destructiveHint": False}], {"destructiveHint": True}),
        ([{"readOnlyHint": 1}, "odd"], None),
    ],
)
async def test_the_whole_is_read_only_when_all_of_it_is_and_destructive_when_a_part_is(world, hints, annotations):
    key = world.user("ann")
    world.server("wiki", *(tool(f"t{number}", annotations=each) for number, each in enumerate(hints)))

    (one,) = await listed(world, key)

    assert one.get("annotations") == annotations


async def test_a_long_description_ends_in_and_so_many_more(world):
    key = world.user("ann")
    gist = "Does\n\u202ewhat\x07 it should, which takes a great many words to say and is cut where it has to be. More."
    world.server("wiki", *(tool(f"tool_{number:03}", description=gist) for number in range(100)))

    (one,) = await listed(world, key)

    description = one["description"]
    assert len(description) <= 2000
    shown = [line for line in description.split("\n") if line.startswith("tool_")]
    assert f"\nand {100 - len(shown)} more\n" in description
    assert len(shown) > 15
    assert all(len(line) <= len("tool_000: ") + 80 and "\u202e" not in line for line in shown)
    assert len(one["inputSchema"]["properties"]["tool_name"]["enum"]) == 100


async def test_a_server_without_a_visible_tool_is_not_there(world):
    key = world.user("ann")
    world.server("wiki", "a")
    world.server("none")
    world.record(ToolDisabled(server_id="wiki", tool="a"), server_tag("wiki"), SERVERS)

    assert await listed(world, key) == []
    for name in ("server_wiki", "server_none", "server_nowhere", "server_"):
        assert await called(world, key, name, nonsense=1) == {
            "jsonrpc": "2.0",
            "id": 1,
            "error": {"code": -32602, "message": f"Unknown tool: {name}"},
        }
    reasons = [reason for *_, status, reason in world.traffic.ends if status == "Denied"]
    assert reasons == ["no_visible_tool", "no_visible_tool", "unknown_tool", "unknown_tool"]


async def test_describe_answers_with_the_definition_and_asks_no_server(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)
    await listed(world, key)
    asked = len(wiki.asked)

    result = await called(world, key, tool_name="find", describe=True, arguments={"q": 1})

    wanted = {name: FIND[name] for name in ("name", "description", "inputSchema", "outputSchema", "annotations")}
    assert result["structuredContent"] == wanted == json.loads(text(result))
    assert "isError" not in result
    assert len(wiki.asked) == asked
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "find", "Completed", "described")


@pytest.mark.parametrize("arguments", [{}, {"tool_name": "?"}, {"toolName": "?", "describe": True}])
async def test_a_question_mark_or_nothing_lists_the_names(world, arguments):
    key = world.user("ann")
    wiki = world.server("wiki", "save", FIND)

    result = await called(world, key, **arguments)

    assert text(result).splitlines() == ["find: Finds pages.", "save: save of an upstream"]
    assert [each["name"] for each in result["structuredContent"]["tools"]] == ["find", "save"]
    assert calls(wiki) == []
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "", "Completed", "listed")


async def test_without_arguments_a_tool_that_needs_some_is_described(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND, "ping")

    result = await called(world, key, tool_name="find", arguments=None)

    assert "Arguments needed" in text(result)
    assert result["structuredContent"]["inputSchema"] == FIND["inputSchema"]
    assert calls(wiki) == []
    assert world.traffic.ends[-1][-1] == "arguments_needed"
    await called(world, key, tool_name="ping")
    assert calls(wiki) == [{"name": "ping", "arguments": {}}]


async def test_arguments_that_do_not_fit_are_all_named_and_not_sent(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)

    result = await called(world, key, tool_name="find", arguments={"most": 10, "x": 1})

    assert result["isError"] is True
    violations = {each["pointer"]: each["detail"] for each in result["structuredContent"]["violations"]}
    assert violations.keys() == {"", "/most"}
    assert '"q" is a required property' in violations[""]
    assert result["structuredContent"]["inputSchema"] == FIND["inputSchema"]
    assert "- /most: 10 is greater than the maximum of 9" in text(result)
    assert json.dumps(FIND["inputSchema"]) in text(result)
    assert calls(wiki) == []
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "find", "Failed", "bad_arguments")


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({"tool_name": "find", "q": "x"}, "/q"),
        ({"tool_name": 7}, "/tool_name"),
        ({"tool_name": "find", "toolName": "save"}, "/toolName"),
        ({"tool_name": "find", "describe": "yes"}, "/describe"),
        ({"tool_name": "find", "arguments": [1]}, "/arguments"),
        ({"tool_name": "find", "arguments": '["q"]'}, "/arguments"),
        ({"tool_name": "find", "arguments": '"{\\"q\\":1}"'}, "/arguments"),
        ({"tool_name": "find", "arguments": '{"q":' + "[" * 80 + "]" * 80 + "}"}, "/arguments"),
    ],
)
async def test_what_does_not_belong_into_a_server_tool_is_named(world, arguments, pointer):
    key = world.user("ann")
    wiki = world.server("wiki", FIND, "save")

    result = await called(world, key, **arguments)

    assert [each["pointer"] for each in result["structuredContent"]["violations"]] == [pointer]
    assert "tool_name" in result["structuredContent"]["inputSchema"]["properties"]
    assert (result["isError"], calls(wiki)) == (True, [])


async def test_an_unknown_and_a_hidden_name_get_one_answer_that_names_visible_ones(world):
    key = world.user("ann")
    wiki = world.server("wiki", "find_page", "find_user", "find_team", "find_room", "zip", "find_secret")
    world.record(ToolDisabled(server_id="wiki", tool="find_secret"), server_tag("wiki"), SERVERS)

    hidden = await called(world, key, tool_name="find_secret", describe=True)
    unknown = await called(world, key, tool_name="find_sekret")

    assert text(hidden).replace("find_secret", "") == text(unknown).replace("find_sekret", "")
    near = hidden["structuredContent"]["nearest"]
    assert 1 <= len(near) <= 3
    assert set(near) <= {"find_page", "find_user", "find_team", "find_room"}
    assert hidden["structuredContent"]["available"] == ["find_page", "find_room", "find_team", "find_user", "zip"]
    assert hidden["isError"]
    assert [end[-2:] for end in world.traffic.ends[-2:]] == [("Denied", "switched_off"), ("Denied", "unknown_tool")]
    assert calls(wiki) == []


async def test_a_fitting_call_is_forwarded_and_its_result_comes_back_byte_for_byte(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)
    result = b'{ "content":[{"type":"html","n":1e3}],"isError":"no","z":1,"_meta":{"a":2.0} }'
    sent = []

    async def behave(method, params, caller):
        sent.append(params)
        return Reply(result=result)

    wiki.behave = behave
    body = (
        b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"server_wiki","_meta":{"progressToken":7},'
        b'"arguments":{"toolName":"find","arguments":{ "q":"a","most":1.0,"q":"b" }}}}'
    )

    answer = await world.send("POST", PATH, key=key, body=body)

    assert answer.body == wire.result(b'"x"', result)
    assert sent == [b'{"name":"find","_meta":{"progressToken":7},"arguments":{ "q":"a","most":1.0,"q":"b" }}']
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "find", "Completed", "")


async def test_arguments_as_a_text_are_read_once(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)

    await called(world, key, tool_name="find", arguments=' {"q": "ä", "most": 2} ')

    assert calls(wiki) == [{"name": "find", "arguments": {"q": "ä", "most": 2}}]


async def test_an_administrators_description_stands_inside_too(world):
    key = world.user("ann")
    world.server("wiki", FIND)
    described = ToolDescriptionOverridden(
        server_id="wiki", tool="find", description="Only for pages. Never for people."
    )
    world.record(described, server_tag("wiki"), SERVERS)

    (one,) = await listed(world, key)
    result = await called(world, key, tool_name="find", describe=True)

    assert "find: Only for pages." in one["description"]
    assert result["structuredContent"]["description"] == "Only for pages. Never for people."


async def test_progress_and_cancellation_pass_through(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)
    session = await world.client(key, PATH)
    began = asyncio.Event()

    async def behave(method, params, caller):
        caller.notify(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}')
        began.set()
        await asyncio.Event().wait()

    wiki.behave = behave
    params = {"name": "server_wiki", "arguments": {"tool_name": "find", "arguments": {"q": "a"}}}
    body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
    call = await world.open("POST", body=body, **session)
    await asyncio.wait_for(began.wait(), 5)
    await world.rpc("notifications/cancelled", {"requestId": 5}, id_=None, **session)
    await asyncio.wait_for(call.done, 5)

    assert call.messages[0]["method"] == "notifications/progress"
    assert call.messages[-1]["error"]["code"] == -32800
    assert world.traffic.ends[-1][:4] == ("tools/call", "wiki", "find", "Cancelled")


async def test_a_server_that_is_down_says_when_it_is_tried_again(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)
    await listed(world, key)

    async def behave(method, params, caller):
        raise UpstreamUnavailable("wiki", "it is on fire", 1_700_000_000)

    wiki.behave = behave
    result = await called(world, key, tool_name="find", arguments={"q": "a"})

    assert result["isError"] is True
    assert "Server 'wiki' is not available: it is on fire. The next attempt is at 22:13:20 UTC." in text(result)


async def test_missing_variables_are_named_with_the_page_to_enter_them(world):
    key = world.user("ann")
    wiki = world.server("wiki", FIND, headers={"Authorization": "Bearer ${USER_WIKI_TOKEN}"})

    result = await called(world, key, tool_name="find", arguments={"q": "a"})

    assert result["isError"] is True
    assert "WIKI_TOKEN" in text(result)
    assert "http://127.0.0.1:3000/settings#wiki" in text(result)
    assert wiki.asked == []


async def test_a_tool_that_is_new_on_the_server_is_found(world, monkeypatch):
    key = world.user("ann")
    wiki = world.server("wiki", "a")
    await listed(world, key)
    wiki.tools.append(tool("b"))
    monkeypatch.setattr("mcphub.gateway.router.KNOWN_AGAIN_SECONDS", -1)

    await called(world, key, tool_name="b")

    assert calls(wiki) == [{"name": "b", "arguments": {}}]


async def test_a_schema_that_has_changed_since_is_asked_for_before_arguments_are_refused(world, monkeypatch):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)
    await listed(world, key)
    wiki.tools[0] = {**FIND, "inputSchema": {"type": "object", "required": ["words"]}}
    monkeypatch.setattr("mcphub.gateway.router.FRESH_SECONDS", -1)

    await called(world, key, tool_name="find", arguments={"words": "a"})
    asked = [method for _, method, _ in wiki.asked]
    await called(world, key, tool_name="find", arguments={"words": "b"})

    assert asked == ["tools/list", "tools/list", "tools/call"]
    assert [params["arguments"] for params in calls(wiki)] == [{"words": "a"}, {"words": "b"}]
    assert [method for _, method, _ in wiki.asked][3:] == ["tools/call"]  # no list, as long as arguments fit


async def test_what_is_taken_away_while_arguments_are_checked_is_not_called(world, monkeypatch):
    key = world.user("ann")
    wiki = world.server("wiki", FIND)
    await listed(world, key)

    async def slow(schema, arguments):
        world.record(ToolDisabled(server_id="wiki", tool="find"), server_tag("wiki"), SERVERS)
        return []

    monkeypatch.setattr(world.gateway._relay.server_calls.checker, "violations", slow)
    result = await called(world, key, tool_name="find", arguments={"q": "a"})

    assert (result["isError"], calls(wiki)) == (True, [])
    assert world.traffic.ends[-1][-2:] == ("Denied", "switched_off")
