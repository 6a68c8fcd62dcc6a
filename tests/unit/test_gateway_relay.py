"""A request's way through the gateway: what is seen can be called and nothing else, and bytes stay bytes."""

import asyncio
import gc
import json

import pytest

from mcphub.domain.events import (
    SERVERS,
    GroupCreated,
    GroupDeactivated,
    Scope,
    ServerDisabled,
    ServerRef,
    ToolDescriptionOverridden,
    ToolDisabled,
    group_tag,
    server_tag,
    user_tag,
)
from mcphub.gateway import aside, relay, wire
from mcphub.gateway.tool_calls import reports_error
from mcphub.gateway.upstream.runtime import Reply, UpstreamTimeout, UpstreamUnreachable
from tests.support.gateway import World, tool


@pytest.fixture
async def world():
    return World()


async def names(world, **how):
    answer = await world.rpc("tools/list", **how)
    return [each["name"] for each in answer.json["result"]["tools"]]


async def test_tools_of_all_servers_are_listed_by_slug_and_called_under_that_name(world):
    key = world.user("ann")
    wiki = world.server("wiki", "search", "read")
    world.server("desk", "search")

    assert await names(world, key=key) == ["desk__search", "wiki__search", "wiki__read"]

    answer = await world.rpc("tools/call", {"name": "wiki__search", "arguments": {"q": "a"}}, key=key)
    assert answer.json["result"]["by"] == "ann"
    assert wiki.asked[-1] == ("ann", "tools/call", {"name": "search", "arguments": {"q": "a"}})


async def test_what_the_upstream_says_arrives_byte_for_byte(world):
    key = world.user("ann")
    definition = (
        b'{"name":"odd","inputSchema":{"type":"object","$defs":{"a":{"$anchor":"x"}}},"x-vendor":1.50,"big":'
        b'123456789012345678901234567890,"description":"d","_meta":{"a":null}}'
    )
    result = b'{ "content":[{"type":"html","n":1e3}],"isError":"no","z":1,"a":2.0 }'
    wiki = world.server("wiki")

    async def answer(user, method, params, caller):
        return Reply(result=b'{"tools":[' + definition + b"]}" if method == "tools/list" else result)

    wiki.answer = answer
    one = await world.client(key, "/mcp/wiki")

    assert (await world.rpc("tools/list", **one)).body == wire.result(b"1", b'{"tools":[' + definition + b"]}")
    assert definition.replace(b'"odd"', b'"wiki__odd"') in (await world.rpc("tools/list", key=key)).body
    assert (await world.rpc("tools/call", {"name": "odd"}, **one)).body == wire.result(b"1", result)
    assert (await world.rpc("tools/call", {"name": "wiki__odd"}, key=key)).body == wire.result(b"1", result)


async def test_unknown_hidden_and_disabled_things_get_one_answer_and_are_recorded(world):
    key = world.user("ann")
    wiki = world.server("wiki", "search", "delete")
    world.server("off", "x")
    world.server("secret", "x", mcphub={"audience": {"users": ["bob"]}})
    world.record(ToolDisabled(server_id="wiki", tool="delete"), server_tag("wiki"), SERVERS)
    world.record(ServerDisabled(server_id="off"), server_tag("off"), SERVERS)

    for name in ("wiki__delete", "wiki__nothing", "off__x", "secret__x", "nowhere__x", "plain"):
        answer = await world.rpc("tools/call", {"name": name}, key=key)
        assert answer.json["error"] == {"code": -32602, "message": f"Unknown tool: {name}"}

    reasons = [reason for *_, status, reason in world.traffic.ends if status == "Denied"]
    assert reasons == [
        "switched_off",
        "unknown_tool",
        "server_disabled",
        "not_in_audience",
        "unknown_tool",
        "unknown_tool",
    ]
    # Under its server, as far as the user may know that there is one.
    places = [(server, tool) for _, server, tool, status, _ in world.traffic.ends if status == "Denied"]
    assert places == [
        ("wiki", "delete"),
        ("wiki", "nothing"),
        ("", "off__x"),
        ("", "secret__x"),
        ("", "nowhere__x"),
        ("", "plain"),
    ]
    assert await names(world, key=key) == ["wiki__search"]
    assert [call for call in wiki.asked if call[1] == "tools/call"] == []


@pytest.mark.parametrize("path", ["/mcp", "/mcp/wiki", "/mcp/g/g1", "/mcp/work"])
@pytest.mark.parametrize("scope", [None, Scope(servers=["wiki"]), Scope(servers=[]), Scope(groups=["g1"])])
@pytest.mark.parametrize("grouped", [None, True, False])
async def test_what_is_listed_is_callable_and_nothing_else(world, path, scope, grouped):
    key = world.user("ann", scope=scope)
    world.server("wiki", "a", "b")
    world.server("desk", "a")
    world.record(ToolDisabled(server_id="wiki", tool="b"), server_tag("wiki"), SERVERS)
    if grouped is not None:
        world.record(
            GroupCreated(group_id="g1", user_id="ann", name="Work", slug="work", servers=[ServerRef("wiki", "wiki")]),
            user_tag("ann"),
            group_tag("g1"),
        )
    if grouped is False:
        world.record(GroupDeactivated(group_id="g1", user_id="ann"), user_tag("ann"))

    listed = await world.rpc("tools/list", key=key, path=path)
    seen = {each["name"] for each in listed.json["result"]["tools"]} if listed.status == 200 else set()
    candidates = ["a", "b"] if path == "/mcp/wiki" else ["wiki__a", "wiki__b", "desk__a"]
    callable_ = set()
    for name in candidates:
        answer = await world.rpc("tools/call", {"name": name}, key=key, path=path)
        if answer.status == 200 and "result" in answer.json:
            callable_.add(name)

    assert callable_ == seen


async def test_a_server_with_definitions_that_clients_cannot_read_costs_no_other_one_its_tools(world):
    key = world.user("ann")
    world.server("wiki", "search")
    odd = [
        {"name": "lists", "inputSchema": {"type": "array"}},
        {"name": "says-nothing"},
        {"name": "halfway", "description": None, "inputSchema": {"properties": {"any": True}}, "x-vendor": 1},
        {"name": "", "inputSchema": {"type": "object"}},
    ]
    world.server("desk").tools.extend(odd)
    world.upstreams["desk"].offers(resources=["x://a"]).lists["resources/list"][1][0].pop("name")

    listed = (await world.rpc("tools/list", key=key)).json["result"]["tools"]

    assert listed[:-1] == [
        {"name": "desk__says-nothing", "inputSchema": {"type": "object"}},
        {"name": "desk__halfway", "inputSchema": {"properties": {"any": {}}, "type": "object"}, "x-vendor": 1},
    ]
    assert listed[-1]["name"] == "wiki__search"
    assert world.traffic.ended_requests[-1].left_out.items == {"unreadable": 1}
    assert (await world.rpc("tools/call", {"name": "desk__lists"}, key=key)).json["error"]["code"] == -32602
    [resource] = (await world.rpc("resources/list", key=key)).json["result"]["resources"]
    assert resource == {"uri": "x://a", "name": "x://a"}
    at_its_own = (await world.rpc("tools/list", key=key, path="/mcp/desk")).json["result"]["tools"]
    assert at_its_own == odd


async def test_a_broken_server_takes_no_other_one_with_it(world):
    key = world.user("ann")
    world.server("wiki", "search")
    world.server("desk", "x").down = "connection refused"

    assert await names(world, key=key) == ["wiki__search"]

    answer = await world.rpc("tools/call", {"name": "desk__x"}, key=key)
    assert answer.json["result"]["isError"] is True
    text = answer.json["result"]["content"][0]["text"]
    assert "Server 'desk' is not available: connection refused." in text
    # Its list was never had, so that is where the call failed: under its own id all the same, and at that server.
    assert f"(request {answer.headers['x-mcphub-request-id']})" in text
    assert world.traffic.ends[-1][:4] == ("tools/call", "desk", "desk__x", "Failed")


async def test_a_late_server_is_left_out_and_its_client_told_when_it_is_there():
    world = World(list_deadline=0.05)
    key = world.user("ann")
    world.server("wiki", "search")
    slow = world.server("slow", "x")
    released, answered, usual = asyncio.Event(), asyncio.Event(), slow.answer

    async def later(*how):
        await released.wait()
        answered.set()
        return await usual(*how)

    slow.answer = later

    session = await world.client(key)
    how = {**session, "headers": {**session["headers"], "accept": "text/event-stream"}}
    stream = await world.open("GET", **how)
    assert await names(world, **session) == ["wiki__search"]
    released.set()
    await answered.wait()
    await stream.until(lambda answer: answer.messages)

    assert stream.messages == [{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]
    assert await names(world, **session) == ["slow__x", "wiki__search"]


async def test_a_server_that_went_down_keeps_its_last_list(world):
    key = world.user("ann")
    wiki = world.server("wiki", "search")
    assert await names(world, key=key) == ["wiki__search"]

    wiki.down = "gone"
    world.gateway._relay.router.changed("wiki", None)

    assert await names(world, key=key) == ["wiki__search"]


async def test_long_lists_come_in_pages(world):
    world = World(page=2)
    key = world.user("ann")
    world.server("wiki", "a", "b", "c")

    first = (await world.rpc("tools/list", key=key)).json["result"]
    second = (await world.rpc("tools/list", {"cursor": first["nextCursor"]}, key=key)).json["result"]
    bad = await world.rpc("tools/list", {"cursor": "bm8"}, key=key)

    assert [each["name"] for each in first["tools"] + second["tools"]] == ["wiki__a", "wiki__b", "wiki__c"]
    assert "nextCursor" not in second
    assert bad.json["error"]["code"] == -32602


@pytest.mark.parametrize(("limit", "least"), [("MOST_ITEMS", 5), ("MOST_BYTES", 300)])
async def test_a_list_without_end_is_given_up_and_costs_no_other_server_its_own(world, monkeypatch, limit, least):
    monkeypatch.setattr(aside, limit, least)
    key = world.user("ann")
    world.server("wiki", "search")
    pages = []

    async def endless(user, method, params, caller):
        pages.append(params)
        page = {"tools": [tool(f"t{len(pages)}-{number}") for number in range(2)], "nextCursor": str(len(pages))}
        return Reply(result=json.dumps(page).encode())

    world.server("desk").answer = endless

    assert await names(world, key=key) == ["wiki__search"]
    assert len(pages) <= 3
    assert world.traffic.ended_requests[-1].left_out.servers == {"upstream_broken": 1}


async def test_an_administrators_description_replaces_the_upstreams(world):
    key = world.user("ann")
    world.server("wiki", "search")
    fact = ToolDescriptionOverridden(server_id="wiki", tool="search", description="Ours")
    world.record(fact, server_tag("wiki"), SERVERS)
    one = await world.client(key, "/mcp/wiki")

    for listed in (await world.rpc("tools/list", key=key), await world.rpc("tools/list", **one)):
        assert [each["description"] for each in listed.json["result"]["tools"]] == ["Ours"]


async def test_two_tools_that_would_look_alike_keep_apart(world):
    key = world.user("ann")
    wiki = world.server("wiki", "get.issue", "get issue", "x" * 80)

    listed = await names(world, key=key)
    for name in listed:
        await world.rpc("tools/call", {"name": name}, key=key)

    assert len(set(listed)) == 3
    assert max(map(len, listed)) <= 48
    called = [params["name"] for _, method, params in wiki.asked if method == "tools/call"]
    assert called == ["get.issue", "get issue", "x" * 80]


async def test_clients_hear_of_a_changed_list_once_and_only_those_it_concerns(world):
    ann, bob = world.user("ann"), world.user("bob")
    world.server("wiki", "search")
    sessions = [await world.client(ann), await world.client(bob)]
    streams = [
        await world.open("GET", **{**each, "headers": {**each["headers"], "accept": "text/event-stream"}})
        for each in sessions
    ]
    for each in sessions:
        await world.rpc("tools/list", **each)

    world.server("private", "x", mcphub={"audience": {"users": ["bob"]}})
    await streams[1].until(lambda answer: answer.messages)

    assert streams[1].messages == [{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]
    assert streams[0].messages == []
    assert await names(world, **sessions[1]) == ["private__x", "wiki__search"]


async def test_an_upstreams_list_change_reaches_its_users_and_its_list_is_asked_again(world):
    ann = world.user("ann")
    wiki = world.server("wiki", "search")
    session = await world.client(ann)
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    assert await names(world, **session) == ["wiki__search"]

    wiki.tools.append(tool("new"))
    runtime = type("R", (), {"server_id": "wiki", "user_id": "ann", "slug": "wiki", "session_id": ""})()
    world.gateway.server_notification(runtime, "notifications/tools/list_changed", b"{}")
    await stream.until(lambda answer: answer.messages)

    assert await names(world, **session) == ["wiki__search", "wiki__new"]


async def test_progress_turns_the_answer_into_a_stream_that_can_be_taken_up_again(world):
    session = await world.client(world.user("ann"))
    wiki = world.server("wiki", "work")
    released = asyncio.Event()

    async def work(method, params, caller):
        caller.notify(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}')
        await released.wait()
        return Reply(result=b'{"content":[]}')

    wiki.behave = work
    call = await world.open("POST", **session, body=_call(1, "wiki__work"))
    await call.until(lambda answer: len(answer.events) == 2)
    released.set()
    await asyncio.wait_for(call.done, 5)

    assert call.headers["content-type"] == "text/event-stream"
    assert call.events[0][1] == ""  # priming: an id and nothing else
    assert [message.get("method", "answer") for message in call.messages] == ["notifications/progress", "answer"]

    headers = {**session["headers"], "accept": "text/event-stream", "last-event-id": call.events[1][0]}
    again = await world.open("GET", **{**session, "headers": headers})
    await again.until(lambda answer: answer.messages)
    assert again.messages == [{"jsonrpc": "2.0", "id": 1, "result": {"content": []}}]


async def test_an_answer_nobody_holds_any_more_is_said_to_be_lost(world):
    session = await world.client(world.user("ann"))
    wiki = world.server("wiki", "work")

    async def work(method, params, caller):
        caller.notify(b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}')
        return Reply(result=b"{}")

    wiki.behave = work
    call = await world.send("POST", **session, body=_call(7, "wiki__work"))
    seen = call.events[0][0]
    world.start()

    headers = {**session["headers"], "accept": "text/event-stream", "last-event-id": seen}
    again = await world.send("GET", **{**session, "headers": headers})

    assert again.messages[0]["id"] == 7
    assert "no longer held" in again.messages[0]["error"]["message"]


async def test_a_slow_answer_becomes_a_stream_by_itself():
    world = World(commit=0.01)
    session = await world.client(world.user("ann"))
    wiki = world.server("wiki", "work")
    released = asyncio.Event()

    async def work(method, params, caller):
        await released.wait()
        return Reply(result=b"{}")

    wiki.behave = work
    call = await world.open("POST", **session, body=_call(1, "wiki__work"))
    await call.until(lambda answer: answer.status)
    released.set()
    await asyncio.wait_for(call.done, 5)

    assert call.headers["content-type"] == "text/event-stream"
    assert call.messages == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


async def test_a_cancelled_call_ends_and_its_id_is_told_apart_from_its_text(world):
    session = await world.client(world.user("ann"))
    wiki = world.server("wiki", "work")
    ended, started = [], asyncio.Semaphore(0)

    async def work(method, params, caller):
        started.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(json.loads(params)["arguments"]["n"])

    wiki.behave = work
    calls = {
        id_: await world.open("POST", **session, body={**_call(0, "wiki__work", n=id_), "id": id_}) for id_ in (1, "1")
    }
    for _ in calls:
        await asyncio.wait_for(started.acquire(), 5)

    await world.rpc("notifications/cancelled", {"requestId": "1"}, id_=None, **session)
    await asyncio.wait_for(calls["1"].done, 5)

    assert ended == ["1"]
    assert calls["1"].json["error"]["code"] == -32800
    await world.rpc("notifications/cancelled", {"requestId": 1}, id_=None, **session)
    await asyncio.wait_for(calls[1].done, 5)


async def test_an_upstreams_question_reaches_the_client_and_the_answer_the_upstream(world):
    session = await world.client(world.user("ann"), capabilities={"sampling": {}})
    wiki = world.server("wiki", "work")

    async def work(method, params, caller):
        first = await caller.ask("sampling/createMessage", b'{"messages":[]}')
        second = await caller.ask("elicitation/create", b"{}")
        return Reply(result=b'{"got":' + (first.result or b"null") + b',"not":' + (second.error or b"null") + b"}")

    wiki.behave = work
    call = await world.open("POST", **session, body=_call(1, "wiki__work"))
    await call.until(lambda answer: answer.messages)
    question = call.messages[0]
    reply = {"jsonrpc": "2.0", "id": question["id"], "result": {"text": "hi"}}
    assert (await world.send("POST", body=reply, **session)).status == 202
    await asyncio.wait_for(call.done, 5)

    assert question["method"] == "sampling/createMessage"
    result = call.messages[-1]["result"]
    assert result["got"] == {"text": "hi"}
    assert result["not"]["code"] == -32601  # the client never said it takes those


async def test_a_clients_progress_with_a_question_reaches_the_server_that_asked_it(world):
    session = await world.client(world.user("ann"), capabilities={"sampling": {}})
    wiki, desk = world.server("wiki", "work"), world.server("desk", "work")

    async def work(method, params, caller):
        asked = b'{"messages":[],"_meta":{"progressToken":1,"x":2}}'
        return Reply(result=(await caller.ask("sampling/createMessage", asked)).result)

    wiki.behave = desk.behave = work
    calls = [
        await world.open("POST", **session, body=_call(n, name)) for n, name in ((1, "wiki__work"), (2, "desk__work"))
    ]
    for call in calls:
        await call.until(lambda answer: answer.messages)
    questions = [call.messages[0] for call in calls]
    tokens = [question["params"]["_meta"]["progressToken"] for question in questions]
    for token in (tokens[1], "nobodys", 1):
        told = {"progressToken": token, "progress": 0.5}
        await world.rpc("notifications/progress", told, id_=None, **session)
    for question in questions:
        await world.send("POST", body={"jsonrpc": "2.0", "id": question["id"], "result": {}}, **session)
    await asyncio.wait_for(asyncio.gather(*(call.done for call in calls)), 5)
    await world.rpc("notifications/progress", {"progressToken": tokens[1], "progress": 1}, id_=None, **session)

    assert tokens[0] != tokens[1]
    assert questions[0]["params"]["_meta"]["x"] == 2
    [(_, user, server, method, params)] = world.pool.told
    assert (user, server, method) == ("ann", "desk", "notifications/progress")
    assert json.loads(params) == {"progressToken": 1, "progress": 0.5}


@pytest.mark.parametrize("why", ["withdrawn by the upstream", "answered without it"])
async def test_a_question_nobody_waits_for_any_more_is_taken_back(world, why):
    session = await world.client(world.user("ann"), capabilities={"elicitation": {}})
    wiki = world.server("wiki", "work")
    asking = []

    async def work(method, params, caller):
        asking.append(asyncio.create_task(caller.ask("elicitation/create", b"{}")))
        await call.until(lambda answer: answer.messages)
        if why == "withdrawn by the upstream":
            asking[0].cancel()
            await asyncio.wait(asking)
        return Reply(result=b"{}")

    wiki.behave = work
    call = await world.open("POST", **session, body=_call(1, "wiki__work"))
    await asyncio.wait_for(call.done, 5)

    question, taken_back, answer = call.messages
    assert taken_back["method"] == "notifications/cancelled"
    assert taken_back["params"] == {"requestId": question["id"]}
    assert answer["result"] == {}
    await asyncio.wait(asking, timeout=5)
    late = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
    assert (await world.send("POST", body=late, **session)).status == 202


async def test_a_result_that_no_client_could_read_is_told_as_a_failure(world):
    key = world.user("ann")
    wiki = world.server("wiki", "work")

    async def work(method, params, caller):
        return Reply(result=b"null")

    wiki.behave = work
    answer = await world.rpc("tools/call", {"name": "wiki__work"}, key=key)

    assert "its result is no object" in answer.json["result"]["content"][0]["text"]
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "work", "Failed", "upstream_broken")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (UpstreamTimeout("slow", 30), "TimedOut", "did not answer within 30 s; whether it did the work is unknown"),
        (UpstreamUnreachable("reset", sent=True), "Failed", "outcome unknown"),
        (UpstreamUnreachable("refused", sent=False), "Failed", "nothing was sent"),
    ],
)
async def test_a_failing_upstream_is_told_to_the_model_as_a_result(world, error, status, says):
    key = world.user("ann")
    wiki = world.server("wiki", "work")

    async def fail(method, params, caller):
        raise error

    wiki.behave = fail
    answer = await world.rpc("tools/call", {"name": "wiki__work"}, key=key)

    assert answer.json["result"]["isError"] is True
    assert says in answer.json["result"]["content"][0]["text"]
    assert answer.headers["x-mcphub-request-id"] in answer.json["result"]["content"][0]["text"]
    assert world.traffic.ends[-1][:4] == ("tools/call", "wiki", "work", status)


@pytest.mark.parametrize("name", ["wiki__work", "wiki__nothing", "nobody__work"])
async def test_a_call_that_fails_leaves_nothing_for_the_garbage_collector(world, name):
    key = world.user("ann")
    wiki = world.server("wiki", "work")
    await names(world, key=key)

    async def fail(method, params, caller):
        raise UpstreamUnreachable("refused", sent=False)

    def calls():
        return sum(isinstance(each, relay.Call) for each in gc.get_objects())

    wiki.behave = fail
    gc.collect()
    before = calls()
    gc.disable()
    try:
        answer = await world.rpc("tools/call", {"name": name}, key=key)
        left = calls() - before
    finally:
        gc.enable()

    assert "error" in answer.json or answer.json["result"]["isError"]
    assert left == 0


@pytest.mark.parametrize(
    ("result", "reported"),
    [
        (b'{"content":[],"isError":true}', True),
        (b'{ "content" : [ ] , "isError" : true }\n', True),
        (b'{"isError":true,"content":[{"type":"text","text":"no"}]}', True),
        (b'{"isError":true,"structuredContent":{"isError":false}}', True),
        (b'{"content":[],"isError":false}', False),
        (b'{"content":[]}', False),
        (b'{"content":[],"isError":"true"}', False),
        (b'{"content":[],"structuredContent":{"isError":true}}', False),
        (b'{"isError":false,"structuredContent":{"isError":true}}', False),
        (b'{"content":[{"type":"text","text":"\\"isError\\":true}"}]}', False),
        (b'{"content":[{"type":"text","text":"isError"}]}', False),
    ],
)
async def test_an_answer_says_by_its_own_member_alone_that_the_tool_failed(result, reported):
    assert reports_error(result) is reported


@pytest.mark.parametrize("path", ["/mcp", "/mcp/wiki"])
async def test_a_tool_that_reports_an_error_has_answered_and_its_row_says_so(world, path):
    key = world.user("ann")
    wiki = world.server("wiki", "work")
    result = b'{"isError":true, "content":[{"type":"text","text":"no such page"}]}'

    async def fail(method, params, caller):
        return Reply(result=result)

    wiki.behave = fail
    name = "work" if path.endswith("wiki") else "wiki__work"
    answer = await world.rpc("tools/call", {"name": name}, **await world.client(key, path))

    assert result in answer.body
    assert world.traffic.ends[-1] == ("tools/call", "wiki", "work", "Completed", "tool_error")


async def test_an_error_of_the_upstream_keeps_its_code_and_data(world):
    key = world.user("ann")
    wiki = world.server("wiki", "work")

    async def fail(method, params, caller):
        return Reply(error=b'{"code":-1,"message":"no","data":{"x":1.0}}')

    wiki.behave = fail
    answer = await world.rpc("tools/call", {"name": "wiki__work"}, key=key)

    assert b'"error":{"code":-1,"message":"no","data":{"x":1.0}}' in answer.body


async def test_a_missing_value_is_asked_for_before_anything_is_opened(world):
    key = world.user("ann")
    wiki = world.server("wiki", "search", headers={"Authorization": "Bearer ${USER_WIKI_TOKEN}"})
    plain = await world.client(key, "/mcp")
    opens_urls = await world.client(key, capabilities={"elicitation": {"url": {}}})

    text = (await world.rpc("tools/call", {"name": "wiki__search"}, **plain)).json["result"]["content"][0]["text"]
    error = (await world.rpc("tools/call", {"name": "wiki__search"}, **opens_urls)).json["error"]

    assert "Server 'wiki' needs USER_WIKI_TOKEN from you. Enter it at http://127.0.0.1:3000/settings#wiki" in text
    assert error["code"] == -32042
    assert error["data"]["elicitations"][0]["url"].endswith("#wiki")
    assert wiki.opened == 0


async def test_one_servers_address_speaks_for_that_server(world):
    key = world.user("ann")
    wiki = world.server("wiki", "search")
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}

    opened = await world.rpc("initialize", params, key=key, path="/mcp/wiki")
    headers = {"mcp-session-id": opened.headers["mcp-session-id"]}
    prompts = await world.rpc("prompts/get", {"name": "p"}, key=key, path="/mcp/wiki", headers=headers)

    assert opened.json["result"]["serverInfo"] == {"name": "theirs", "version": "9"}
    assert prompts.json["result"]["by"] == "ann"
    assert wiki.asked[-1] == ("ann", "prompts/get", {"name": "p"})


def _call(number, name, **arguments):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


RESERVED = "io.modelcontextprotocol/"
BETWEEN_NEIGHBOURS = {
    RESERVED + "protocolVersion": "2026-07-28",
    RESERVED + "serverInfo": {"name": "another"},
    RESERVED + "related-task": {"taskId": "t"},
    "vendor/x": 1.5,
}
PASSED_ON = {RESERVED + "related-task": {"taskId": "t"}, "vendor/x": 1.5}


@pytest.mark.parametrize(
    ("path", "name", "arrives"), [("/mcp", "wiki__work", PASSED_ON), ("/mcp/wiki", "work", BETWEEN_NEIGHBOURS)]
)
async def test_what_is_between_neighbours_stays_there_among_several_servers(world, path, name, arrives):
    """At a server's own address client and server are neighbours, and every byte is theirs."""
    wiki = world.server("wiki", "work")
    session = await world.client(world.user("ann"), path, capabilities={"sampling": {}})
    meta = json.dumps(BETWEEN_NEIGHBOURS).encode()
    answered = []

    async def work(method, params, caller):
        caller.notify(
            b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"_meta":%b}}' % meta
        )
        reply = await caller.ask("sampling/createMessage", b'{"messages":[],"_meta":%b}' % meta)
        answered.append(json.loads(reply.result))
        return Reply(result=b'{"content":[],"n":1.50,"_meta":%b}' % meta)

    wiki.behave = work
    body = _call(1, name)
    body["params"]["_meta"] = BETWEEN_NEIGHBOURS
    call = await world.open("POST", **session, body=body)
    await call.until(lambda answer: len(answer.messages) == 2)
    reply = {"jsonrpc": "2.0", "id": call.messages[1]["id"], "result": {"text": "hi", "_meta": BETWEEN_NEIGHBOURS}}
    await world.send("POST", body=reply, **session)
    await asyncio.wait_for(call.done, 5)

    progress, question, result = call.messages
    assert progress["params"]["_meta"] == arrives
    assert question["params"] == {"messages": [], "_meta": arrives}
    assert result["result"]["_meta"] == arrives
    assert b'"n":1.50' in call.body
    assert wiki.asked[-1][2] == {"name": "work", "arguments": {}, "_meta": arrives}
    assert answered == [{"text": "hi", "_meta": arrives}]


SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {"type": "object", "properties": {"dry": {"type": "boolean", "x-mcp-header": "Dry-Run"}}},
    },
}
ARGUMENTS = {"region": "größe", "deep": {"dry": True}}
REPEATED = {"mcp-param-region": "=?base64?Z3LDtsOfZQ==?=", "mcp-param-dry-run": "true"}


def repeats(world):
    """A server of 2026-07-28 whose tool wants arguments in headers; gives the headers of each call."""
    seen = []

    async def deploy(method, params, caller):
        seen.append(dict(caller.repeated))
        return Reply(result=b'{"content":[],"resultType":"complete"}')

    newest = world.server("newest", tool("deploy", inputSchema=SCHEMA), "plain")
    newest.modern, newest.behave = True, deploy
    return newest, seen


async def test_an_older_client_of_a_newer_server_has_its_arguments_repeated_in_headers(world):
    key = world.user("ann")
    _, seen = repeats(world)
    one = await world.client(key, "/mcp/newest")
    params = {"name": "deploy", "arguments": ARGUMENTS}

    await world.rpc("tools/call", params, **one)
    await world.rpc("tools/call", {**params, "name": "newest__deploy"}, key=key)
    inner = {"tool_name": "deploy", "arguments": ARGUMENTS}
    await world.rpc("tools/call", {"name": "server_newest", "arguments": inner}, key=key)
    await world.rpc("tools/call", {"name": "plain", "arguments": ARGUMENTS}, **one)

    assert seen == [REPEATED, REPEATED, REPEATED, {}]


async def test_a_schema_that_has_changed_meanwhile_is_read_again_when_the_headers_are_refused(world):
    key = world.user("ann")
    newest, seen = repeats(world)
    usual = newest.behave
    one = await world.client(key, "/mcp/newest")
    await world.rpc("tools/list", **one)
    renamed = json.loads(json.dumps(SCHEMA).replace("Region", "Place"))
    newest.tools[0] = tool("deploy", inputSchema=renamed)
    newest.lists["tools/list"] = ("tools", newest.tools)

    async def strict(method, params, caller):
        answer = await usual(method, params, caller)
        return answer if "mcp-param-place" in caller.repeated else Reply(error=b'{"code":-32020,"message":"no"}')

    newest.behave = strict
    answer = await world.rpc("tools/call", {"name": "deploy", "arguments": ARGUMENTS}, **one)

    assert answer.json["result"] == {"content": [], "resultType": "complete"}
    assert [sorted(each) for each in seen] == [
        ["mcp-param-dry-run", "mcp-param-region"],
        ["mcp-param-dry-run", "mcp-param-place"],
    ]


async def test_headers_that_stay_refused_are_not_tried_again(world):
    key = world.user("ann")
    newest, _ = repeats(world)

    async def never(method, params, caller):
        return Reply(error=b'{"code":-32020,"message":"no"}')

    newest.behave = never
    answer = await world.rpc("tools/call", {"name": "newest__deploy", "arguments": ARGUMENTS}, key=key)

    assert answer.json["error"]["code"] == -32020
    assert len([asked for asked in newest.asked if asked[1] == "tools/call"]) == 1


PARENT, OTHER = (f"00-{digit * 32}-{digit * 16}-01" for digit in "ab")


@pytest.mark.parametrize(
    ("headers", "meta", "said"),
    [
        ({"traceparent": PARENT, "tracestate": "a=1"}, {}, (PARENT, "a=1")),
        ({"traceparent": PARENT}, {"traceparent": OTHER, "tracestate": "b=2"}, (PARENT, "")),
        ({}, {"traceparent": OTHER, "tracestate": "b=2"}, (OTHER, "b=2")),
        ({"traceparent": "nonsense", "tracestate": "a=1"}, {"traceparent": OTHER}, (OTHER, "")),
        ({"traceparent": PARENT, "tracestate": "a=\xe9"}, {}, (PARENT, "")),
    ],
)
async def test_a_trace_is_the_one_of_the_header_or_else_of_the_request_itself(world, headers, meta, said):
    key = world.user("ann")
    wiki = world.server("wiki", "work")
    seen = []

    async def work(method, params, caller):
        seen.append((caller.traceparent, caller.tracestate))
        return Reply(result=b"{}")

    wiki.behave = work
    params = {"name": "wiki__work", "_meta": meta}
    await world.rpc("tools/call", params, key=key, headers=headers)

    assert seen == [said]


async def test_a_request_without_a_trace_begins_one(world):
    key = world.user("ann")
    wiki = world.server("wiki", "work")
    seen = []

    async def work(method, params, caller):
        seen.append((caller.traceparent, caller.tracestate))
        return Reply(result=b"{}")

    wiki.behave = work
    await world.rpc("tools/call", {"name": "wiki__work"}, key=key, headers={"tracestate": "a=1"})

    [(parent, state)] = seen
    assert parent.startswith("00-")
    assert (len(parent), state) == (55, "")
