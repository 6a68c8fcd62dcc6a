"""Clients of 2026-07-28 in front of older upstreams: every request complete in itself."""

import asyncio
import json

import pytest

from mcphub.gateway.upstream.runtime import Reply
from tests.support.gateway import World, tool

RESERVED = "io.modelcontextprotocol/"
NAMING = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@pytest.fixture
def world():
    return World()


def request_of(method, params=None, *, capabilities=None, meta=None, id_=1):
    envelope = {
        RESERVED + "protocolVersion": "2026-07-28",
        RESERVED + "clientCapabilities": capabilities or {},
        RESERVED + "clientInfo": {"name": "modern", "version": "3"},
        **(meta or {}),
    }
    params = {**(params or {}), "_meta": envelope}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
    if method in NAMING:
        headers["mcp-name"] = params.get(NAMING[method], "")
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}, headers


async def ask(world, method, params=None, *, key, path="/mcp", **how):
    body, headers = request_of(method, params, **how)
    return await world.send("POST", path, key=key, body=body, headers=headers)


def asking(method="elicitation/create", *, twice=False):
    """An upstream that asks before it answers with what it heard."""

    async def behave(_, params, caller):
        heard = [await caller.ask(method, b'{"message":"who?"}')]
        if twice:
            heard.append(await caller.ask(method, b'{"message":"and?"}'))
        said = [json.loads(reply.result) if reply.result else json.loads(reply.error)["code"] for reply in heard]
        return Reply(result=json.dumps({"content": [], "heard": said}).encode())

    return behave


async def test_discover_says_what_works_here_without_asking_anybody(world):
    key = world.user("ann")
    upstream = world.server("far", "echo")

    answer = await ask(world, "server/discover", key=key)

    result = answer.json["result"]
    assert answer.status == 200
    assert result["supportedVersions"][0] == "2026-07-28"
    assert result["capabilities"]["resources"] == {"listChanged": True, "subscribe": True}
    assert "logging" not in result["capabilities"]
    assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 0, "private")
    assert result["_meta"][RESERVED + "serverInfo"]["name"] == "mcphub"
    assert upstream.opened == 0
    assert "mcp-session-id" not in answer.headers


async def test_the_address_of_one_server_speaks_for_that_server(world):
    key = world.user("ann")
    world.server("far", "echo")

    result = (await ask(world, "server/discover", key=key, path="/mcp/far")).json["result"]

    assert result["capabilities"] == {"tools": {}, "prompts": {}}
    assert result["_meta"][RESERVED + "serverInfo"] == {"name": "theirs", "version": "9"}


async def test_lists_and_calls_need_nothing_before_them(world):
    key = world.user("ann")
    upstream = world.server("far", "echo")

    tools = (await ask(world, "tools/list", key=key)).json["result"]
    called = await ask(world, "tools/call", {"name": "far__echo", "arguments": {"n": 1}}, key=key)

    assert [tool["name"] for tool in tools["tools"]] == ["far__echo"]
    assert (tools["resultType"], tools["ttlMs"], tools["cacheScope"]) == ("complete", 0, "private")
    assert called.json["result"]["by"] == "ann"
    assert called.json["result"]["resultType"] == "complete"
    assert "ttlMs" not in called.json["result"]
    assert upstream.asked[-1] == ("ann", "tools/call", {"name": "echo", "arguments": {"n": 1}})
    assert world.traffic.ends[-1] == ("tools/call", "far", "echo", "Completed", "")


async def test_a_list_is_never_called_good_for_others_whatever_the_upstream_says(world):
    key = world.user("ann")
    upstream = world.server("far", "echo")

    async def generous(*_):
        return Reply(result=b'{"contents":[],"ttlMs":60000,"cacheScope":"public"}')

    upstream.behave = generous
    result = (await ask(world, "resources/read", {"uri": "x:y"}, key=key, path="/mcp/far")).json["result"]

    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")


async def test_a_server_of_the_same_revision_is_heard_as_it_speaks_at_its_own_address_alone(world):
    key = world.user("ann")
    upstream = world.server("far", "echo")
    upstream.modern = True
    spoken = (
        b'{"content":[],"resultType":"complete","n":1.50,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"}}}'
    )

    async def newest(*_):
        return Reply(result=spoken)

    upstream.behave = newest
    alone = await ask(world, "tools/call", {"name": "echo"}, key=key, path="/mcp/far")
    among_others = await ask(world, "tools/call", {"name": "far__echo"}, key=key)

    assert alone.body == b'{"jsonrpc":"2.0","id":1,"result":' + spoken + b"}"
    assert among_others.json["result"]["_meta"][RESERVED + "serverInfo"]["name"] == "mcphub"
    assert b'"n":1.50' in among_others.body
    arrived = upstream.asked[-1][2]["_meta"]
    assert arrived[RESERVED + "clientInfo"] == {"name": "modern", "version": "3"}


@pytest.mark.parametrize("method", ["ping", "logging/setLevel", "resources/subscribe", "initialize"])
async def test_what_this_revision_dropped_is_not_there(world, method):
    answer = await ask(world, method, {"uri": "x:y", "level": "info"}, key=world.user("ann"))

    assert (answer.status, answer.json["error"]["code"]) == (404, -32601)


async def test_errors_have_the_status_their_code_has(world):
    key = world.user("ann")
    world.server("far", "echo")

    unknown_tool = await ask(world, "tools/call", {"name": "nothing"}, key=key)
    unknown_method = await ask(world, "nothing/at-all", key=key)
    elsewhere = await ask(world, "tools/list", key=key, path="/mcp/nowhere")

    assert (unknown_tool.status, unknown_tool.json["error"]["code"]) == (400, -32602)
    assert (unknown_method.status, unknown_method.json["error"]["code"]) == (404, -32601)
    assert elsewhere.status == 404


async def test_an_older_upstreams_missing_resource_is_a_wrong_parameter(world):
    key = world.user("ann")
    upstream = world.server("far", "echo")

    async def missing(*_):
        return Reply(error=b'{"code":-32002,"message":"Resource not found","data":{"uri":"x:y"}}')

    upstream.behave = missing
    answer = await ask(world, "resources/read", {"uri": "x:y"}, key=key, path="/mcp/far")

    assert answer.status == 400
    assert answer.json["error"] == {"code": -32602, "message": "Resource not found", "data": {"uri": "x:y"}}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_nothing_but_post(world, method):
    headers = {"mcp-protocol-version": "2026-07-28", "accept": "text/event-stream"}

    answer = await world.send(method, key=world.user("ann"), headers=headers)

    assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_who_has_no_key_learns_nothing(world):
    body, headers = request_of("server/discover")

    answer = await world.send("POST", body=body, headers=headers)

    assert answer.status == 401


@pytest.mark.parametrize("body", [b"[]", b'{"jsonrpc":"2.0","id":1,"result":{}}', b"{", b"7"])
async def test_a_batch_a_reply_and_a_torn_body_are_refused(world, body):
    answer = await world.send("POST", key=world.user("ann"), body=body, headers={"mcp-protocol-version": "2026-07-28"})

    assert answer.status == 400
    assert answer.json["error"]["code"] in (-32600, -32700)


async def test_an_upstream_that_asks_is_answered_by_the_next_request(world):
    key = world.user("ann")
    world.server("far", "greet").behave = asking()
    params = {"name": "far__greet", "arguments": {}}

    first = (await ask(world, "tools/call", params, key=key, capabilities={"elicitation": {}})).json["result"]
    answers = {"q1": {"action": "accept", "content": {"name": "Ann"}}}
    again = {**params, "inputResponses": answers, "requestState": first["requestState"]}
    second = (await ask(world, "tools/call", again, key=key, capabilities={"elicitation": {}}, id_=2)).json

    assert first["resultType"] == "input_required"
    assert first["inputRequests"] == {"q1": {"method": "elicitation/create", "params": {"message": "who?"}}}
    assert (second["id"], second["result"]["heard"]) == (2, [answers["q1"]])
    assert [end[3:] for end in world.traffic.ends[-2:]] == [("Completed", "input_required"), ("Completed", "")]
    assert world.traffic.ends[-1][1:3] == ("far", "greet")
    assert len(world.traffic.starts) == 2


async def test_an_upstream_may_ask_again_and_again(world):
    key = world.user("ann")
    world.server("far", "greet").behave = asking("sampling/createMessage", twice=True)
    how = {"key": key, "capabilities": {"sampling": {}}}
    params = {"name": "far__greet"}

    first = (await ask(world, "tools/call", params, **how)).json["result"]
    again = {**params, "inputResponses": {"q1": {"n": 1}}, "requestState": first["requestState"]}
    second = (await ask(world, "tools/call", again, **how)).json["result"]
    last = {**params, "inputResponses": {"q2": {"n": 2}}, "requestState": second["requestState"]}
    third = (await ask(world, "tools/call", last, **how)).json["result"]

    assert second["requestState"] != first["requestState"]
    assert list(second["inputRequests"]) == ["q2"]
    assert third["heard"] == [{"n": 1}, {"n": 2}]


async def test_what_was_not_answered_is_asked_again(world):
    key = world.user("ann")
    world.server("far", "greet").behave = asking()
    how = {"key": key, "capabilities": {"elicitation": {}}}

    first = (await ask(world, "tools/call", {"name": "far__greet"}, **how)).json["result"]
    again = {"name": "far__greet", "requestState": first["requestState"]}
    second = (await ask(world, "tools/call", again, **how)).json["result"]

    assert list(second["inputRequests"]) == ["q1"]


async def test_only_what_the_client_declared_is_asked_of_it(world):
    key = world.user("ann")
    world.server("far", "greet").behave = asking()

    result = (await ask(world, "tools/call", {"name": "far__greet"}, key=key)).json["result"]

    assert result["heard"] == [-32601]


@pytest.mark.parametrize("whose", ["another user's", "another tool's", "made up", "used before"])
async def test_a_state_is_good_for_its_own_call_and_once(world, whose):
    ann, bob = world.user("ann"), world.user("bob")
    world.server("far", "greet", "other").behave = asking()
    how = {"capabilities": {"elicitation": {}}}
    first = (await ask(world, "tools/call", {"name": "far__greet"}, key=ann, **how)).json["result"]
    params = {"name": "far__greet", "inputResponses": {"q1": {}}, "requestState": first["requestState"]}
    key = ann
    match whose:
        case "another user's":
            key = bob
        case "another tool's":
            params["name"] = "far__other"
        case "made up":
            params["requestState"] = "x" + first["requestState"]
        case "used before":
            await ask(world, "tools/call", params, key=ann, **how)

    answer = await ask(world, "tools/call", params, key=key, **how)

    assert (answer.status, answer.json["error"]["code"]) == (400, -32602)
    assert first["requestState"] not in answer.body.decode()


async def test_a_client_that_goes_away_has_cancelled(world):
    key = world.user("ann")
    ended = asyncio.Event()
    leaves = asyncio.Event()

    async def slow(*_):
        try:
            leaves.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    world.server("far", "slow").behave = slow
    body, headers = request_of("tools/call", {"name": "far__slow"})
    answer = await world.open("POST", key=key, body=body, headers=headers, leaves=leaves)

    await asyncio.wait_for(ended.wait(), 5)

    await asyncio.wait_for(answer.done, 5)
    assert world.traffic.ends[-1][3:] == ("Cancelled", "client_gone")


async def test_a_user_who_is_locked_out_has_no_call_waiting(world):
    key = world.user("ann")
    ended = asyncio.Event()

    async def waits(_, params, caller):
        try:
            await caller.ask("elicitation/create", b"{}")
        finally:
            ended.set()

    world.server("far", "greet").behave = waits
    await ask(world, "tools/call", {"name": "far__greet"}, key=key, capabilities={"elicitation": {}})

    await world.gateway.end_user("ann", "user_deactivated")

    await asyncio.wait_for(ended.wait(), 5)


async def test_a_hub_that_stops_waits_for_nobody_who_is_away(world):
    key = world.user("ann")
    world.server("far", "greet").behave = asking()
    await ask(world, "tools/call", {"name": "far__greet"}, key=key, capabilities={"elicitation": {}})
    assert world.gateway.in_flight == 1

    await asyncio.wait_for(world.gateway.stop(60), 5)

    assert world.gateway.in_flight == 0


async def test_progress_comes_as_events_and_log_messages_only_when_wished_for(world):
    key = world.user("ann")

    async def talks(_, params, caller):
        caller.notify(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}')
        caller.notify(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7}}')
        return Reply(result=b'{"content":[]}')

    upstream = world.server("far", "talk")
    upstream.behave = talks
    params = {"name": "far__talk"}

    quiet = await ask(world, "tools/call", params, key=key, meta={"progressToken": 7})
    loud = await ask(world, "tools/call", params, key=key, meta={RESERVED + "logLevel": "debug"})
    less = await ask(world, "tools/call", params, key=key, meta={RESERVED + "logLevel": "error"})

    def said(answer):
        return [message.get("method", "answer").rpartition("/")[2] for message in answer.messages]

    assert said(quiet) == ["progress", "answer"]
    assert said(loud) == ["message", "progress", "answer"]
    assert said(less) == ["progress", "answer"]
    assert upstream.asked[-3][2]["_meta"] == {"progressToken": 7}
    assert {event_id for event_id, _ in quiet.events} == {""}


async def test_missing_values_send_a_client_that_can_to_the_page_and_the_same_call_begins_again(world):
    key = world.user("ann")
    world.server("far", "echo", headers={"Authorization": "Bearer ${USER_FAR_TOKEN}"})
    how = {"key": key, "path": "/mcp/far", "capabilities": {"elicitation": {"url": {}}}}

    asked = (await ask(world, "tools/call", {"name": "echo"}, **how)).json["result"]
    again = {"name": "echo", "inputResponses": {"url1": {"action": "accept"}}, "requestState": asked["requestState"]}
    second = (await ask(world, "tools/call", again, **how)).json["result"]
    told = (await ask(world, "tools/call", {"name": "echo"}, key=key, path="/mcp/far")).json["result"]

    page = asked["inputRequests"]["url1"]
    assert page["method"] == "elicitation/create"
    assert (page["params"]["mode"], page["params"]["url"].partition("#")[2]) == ("url", "far")
    assert second["resultType"] == "input_required"
    assert told["isError"]
    assert "FAR_TOKEN" in told["content"][0]["text"]


async def test_a_header_that_repeats_an_argument_has_to_say_the_same(world):
    key = world.user("ann")
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    upstream = world.server("far", tool("deploy", inputSchema=schema))
    body, headers = request_of("tools/call", {"name": "far__deploy", "arguments": {"region": "eu"}})

    async def with_header(**more):
        return await world.send("POST", key=key, body=body, headers={**headers, **more})

    await ask(world, "tools/list", key=key)
    same = await with_header(**{"mcp-param-region": "eu"})
    other = await with_header(**{"mcp-param-region": "us"})
    missing = await with_header()

    assert same.status == 200
    assert [(answer.status, answer.json["error"]["code"]) for answer in (other, missing)] == [(400, -32020)] * 2
    assert len([asked for asked in upstream.asked if asked[1] == "tools/call"]) == 1


# subscriptions/listen


async def listen(world, wanted, *, key, path="/mcp", leaves=None):
    body, headers = request_of("subscriptions/listen", {"notifications": wanted}, id_="sub-1")
    stream = await world.open("POST", path, key=key, body=body, headers=headers, leaves=leaves)
    return await stream.until(lambda answer: answer.messages or answer.done.done())


async def test_a_stream_begins_with_what_will_be_heard_on_it(world):
    key = world.user("ann")
    world.server("far", "echo").offers(resources=["x:y"])
    wanted = {
        "toolsListChanged": True,
        "promptsListChanged": False,
        "moreToCome": True,
        "resourceSubscriptions": ["x:y", "x:z"],
    }

    stream = await listen(world, wanted, key=key)

    [first] = stream.messages
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == {"toolsListChanged": True, "resourceSubscriptions": ["x:y"]}
    assert first["params"]["_meta"] == {RESERVED + "subscriptionId": "sub-1"}
    assert {event_id for event_id, _ in stream.events} == {""}
    assert ("ann", "resources/subscribe", {"uri": "x:y"}) in world.upstreams["far"].asked


async def test_a_change_is_heard_by_who_asked_for_it_with_the_subscription_it_belongs_to(world):
    key = world.user("ann")
    world.server("far", "echo")
    tools = await listen(world, {"toolsListChanged": True}, key=key)
    prompts = await listen(world, {"promptsListChanged": True}, key=key)

    world.change("far", tools={"echo": {"enabled": False}})
    await tools.until(lambda answer: len(answer.messages) > 1)
    await prompts.until(lambda answer: len(answer.messages) > 1)

    assert tools.messages[1] == {
        "jsonrpc": "2.0",
        "method": "notifications/tools/list_changed",
        "params": {"_meta": {RESERVED + "subscriptionId": "sub-1"}},
    }
    assert {message["method"] for message in prompts.messages[1:]} == {"notifications/prompts/list_changed"}


async def test_a_resource_is_heard_of_under_the_address_that_was_subscribed_to(world):
    key = world.user("ann")
    world.server("far", "echo").offers(resources=["x:y", "x:z"])
    stream = await listen(world, {"resourceSubscriptions": ["x:y"]}, key=key)
    runtime = world.runtime("far", "ann")

    for uri in ("x:z", "x:y"):
        frame = b'{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"%b"}}' % uri.encode()
        world.gateway.server_notification(runtime, "notifications/resources/updated", frame)
    await stream.until(lambda answer: len(answer.messages) > 1)

    assert [message["params"].get("uri") for message in stream.messages] == [None, "x:y"]


async def test_a_stream_ends_with_its_users_access_and_says_so(world):
    key = world.user("ann")
    stream = await listen(world, {"toolsListChanged": True}, key=key)

    await world.gateway.end_user("ann", "user_deactivated")

    await asyncio.wait_for(stream.done, 5)
    assert stream.messages[-1]["id"] == "sub-1"
    assert stream.messages[-1]["result"]["_meta"][RESERVED + "subscriptionId"] == "sub-1"


async def test_a_client_that_leaves_its_stream_leaves_nothing_behind(world):
    leaves = asyncio.Event()
    stream = await listen(world, {"toolsListChanged": True}, key=world.user("ann"), leaves=leaves)
    [live] = world.gateway.sessions()

    leaves.set()

    await asyncio.wait_for(stream.done, 5)
    assert world.gateway.sessions() == []
    assert ("client_gone", live.session_id) in world.traffic.sessions


async def test_a_stream_that_cannot_be_opened_leaves_nothing_behind(world):
    key = world.user("ann")

    async def breaks(*_):
        raise RuntimeError("unforeseen")

    world.server("far", "echo").answer = breaks
    body, headers = request_of("subscriptions/listen", {"notifications": {"toolsListChanged": True}})

    with pytest.raises(RuntimeError):
        await world.send("POST", key=key, body=body, headers=headers)

    assert world.gateway.sessions() == []


async def test_streams_are_no_requests_under_way(world):
    key = world.user("ann")
    streams = [await listen(world, {"toolsListChanged": True}, key=key) for _ in range(world.limits.in_flight + 1)]

    answer = await asyncio.wait_for(ask(world, "tools/list", key=key), 5)

    assert answer.status == 200
    assert all(stream.status == 200 for stream in streams)


@pytest.mark.parametrize("params", [{}, {"notifications": 7}, {"notifications": {"resourceSubscriptions": "x"}}])
async def test_a_filter_that_is_none_is_refused(world, params):
    answer = await ask(world, "subscriptions/listen", params, key=world.user("ann"))

    assert (answer.status, answer.json["error"]["code"]) == (400, -32602)
