"""What servers want of clients, and clients of their users: questions, pages to open, values that are not accepted."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from mcphub.domain.events import SERVERS, ServerDisabled, ServiceTokenSaved, server_tag, user_tag
from mcphub.gateway import core
from mcphub.gateway.upstream.runtime import Reply, UpstreamRefused
from mcphub.gateway.values import PURPOSE, place
from tests.support.gateway import World

RESERVED = "io.modelcontextprotocol/"
ROOTS = {"roots": {"listChanged": True}}
URLS = {"elicitation": {"url": {}}}
TOKEN = {"headers": {"Authorization": "Bearer ${USER_WIKI_TOKEN}"}}


@pytest.fixture
async def world():
    return World()


async def listening(world, session):
    """The session's own stream."""
    how = {**session, "headers": {**session["headers"], "accept": "text/event-stream"}}
    return await world.open("GET", **how)


async def answered(world, session, stream, result):
    """The client's answer to the question that comes next on its stream, which is returned."""
    await stream.until(lambda answer: any("id" in message for message in answer.messages))
    [question] = [message for message in stream.messages if "id" in message]
    await world.send("POST", body={"jsonrpc": "2.0", "id": question["id"], "result": result}, **session)
    return question


# questions outside calls


@pytest.mark.parametrize("path", ["/mcp", "/mcp/wiki"])
async def test_a_question_that_belongs_to_no_call_is_answered_by_a_client_of_its_user(world, path):
    ann, bob = world.user("ann"), world.user("bob")
    world.server("wiki", "work")
    plain = await world.client(ann, path)
    session, other = (
        await world.client(ann, path, capabilities=ROOTS),
        await world.client(bob, path, capabilities=ROOTS),
    )
    streams = [await listening(world, each) for each in (session, plain, other)]
    runtime = world.runtime("wiki", "ann")
    meta = {RESERVED + "related-task": {"taskId": "t"}, RESERVED + "serverInfo": {"name": "x"}}

    params = json.dumps({"_meta": meta}).encode()
    asking = asyncio.create_task(world.gateway.server_asks(runtime, "roots/list", params))
    question = await answered(world, session, streams[0], {"roots": [{"uri": "file:///a"}]})

    assert json.loads((await asking).result) == {"roots": [{"uri": "file:///a"}]}
    assert question["method"] == "roots/list"
    kept = meta if path == "/mcp/wiki" else {RESERVED + "related-task": {"taskId": "t"}}
    assert question["params"]["_meta"] == kept
    assert streams[1].messages == streams[2].messages == []


async def test_a_question_waits_for_a_client_that_is_about_to_listen(world):
    """Some servers ask for the roots as soon as they are opened; their client listens a moment later."""
    key = world.user("ann")
    world.server("wiki", "work")
    session = await world.client(key, capabilities=ROOTS)

    asking = asyncio.create_task(world.gateway.server_asks(world.runtime("wiki", "ann"), "roots/list", b"{}"))
    stream = await listening(world, session)
    await answered(world, session, stream, {"roots": []})

    assert (await asking).result == b'{"roots": []}'


async def test_a_question_outside_of_calls_that_nobody_waits_for_any_more_is_taken_back(world):
    key = world.user("ann")
    world.server("wiki", "work")
    session = await world.client(key, capabilities=ROOTS)
    stream = await listening(world, session)

    asking = asyncio.create_task(world.gateway.server_asks(world.runtime("wiki", "ann"), "roots/list", b"{}"))
    await stream.until(lambda answer: answer.messages)
    asking.cancel()
    await stream.until(lambda answer: len(answer.messages) == 2)

    question, taken_back = stream.messages
    assert taken_back["params"] == {"requestId": question["id"]}


@pytest.mark.parametrize("why", ["nobody listens", "not declared", "another session's", "not allowed", "shared"])
async def test_a_question_nobody_may_answer_is_an_error(world, monkeypatch, why):
    monkeypatch.setattr(core, "ATTENDED_WITHIN", 0.05)
    key = world.user("ann")
    world.server("wiki", "work")
    session = await world.client(key, capabilities={} if why == "not declared" else ROOTS)
    stream = await listening(world, session) if why != "nobody listens" else None
    runtime = world.runtime("wiki", "ann")
    if why == "another session's":
        runtime.session_id = "somebody-elses"
    if why == "shared":
        runtime.user_id = None
    if why == "not allowed":
        world.record(ServerDisabled(server_id="wiki"), server_tag("wiki"), SERVERS)

    reply = await world.gateway.server_asks(runtime, "roots/list", b"{}")

    assert json.loads(reply.error)["code"] == -32601
    assert stream is None or not [message for message in stream.messages if "id" in message]


async def test_what_a_client_says_by_itself_reaches_the_servers_it_concerns(world):
    key = world.user("ann")
    world.server("wiki", "work")
    everything, one = await world.client(key), await world.client(key, "/mcp/wiki")

    for session in (everything, one):
        for method in ("notifications/initialized", "notifications/roots/list_changed", "notifications/vendor/own"):
            await world.rpc(method, {"n": 1}, id_=None, **session)
    await asyncio.sleep(0)

    assert [(server, method, json.loads(params)) for _, _, server, method, params in world.pool.told] == [
        ("", "notifications/roots/list_changed", {"n": 1}),
        ("wiki", "notifications/roots/list_changed", {"n": 1}),
        ("wiki", "notifications/vendor/own", {"n": 1}),
    ]
    assert {user for _, user, *_ in world.pool.told} == {"ann"}
    assert len({session for session, *_ in world.pool.told}) == 2


async def test_what_a_server_says_in_one_session_is_heard_in_that_session(world):
    """Two windows with one key have a conversation each with a server that keeps sessions."""
    key = world.user("ann")
    world.server("wiki", "work")
    sessions = [await world.client(key, "/mcp/wiki") for _ in range(2)]
    streams = [await listening(world, each) for each in sessions]
    ids = [live.session_id for live in world.gateway.sessions()]
    runtime = world.runtime("wiki", "ann")
    frame = b'{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"%b"}}'

    for number, own in enumerate([*ids, ""]):
        runtime.session_id = own
        world.gateway.server_notification(runtime, "notifications/tasks/status", frame % b"%d" % number)
    for stream in streams:
        await stream.until(lambda answer: len(answer.messages) == 2)

    heard = [[message["params"]["taskId"] for message in stream.messages] for stream in streams]
    assert sorted(heard) == [["0", "2"], ["1", "2"]]


# pages to open

PAGE = {
    "code": -32042,
    "message": "Sign in first.",
    "data": {
        "elicitations": [{"mode": "url", "elicitationId": "e-1", "url": "https://idp.example/in", "message": "Sign in"}]
    },
}


@pytest.mark.parametrize(
    ("protocol", "capabilities", "passed"),
    [("2025-11-25", URLS, True), ("2025-11-25", {"elicitation": {}}, False), ("2025-06-18", URLS, False)],
)
async def test_a_page_an_upstream_wants_opened_is_opened_or_put_in_words(world, protocol, capabilities, passed):
    key = world.user("ann")

    async def work(method, params, caller):
        return Reply(error=json.dumps(PAGE).encode())

    world.server("wiki", "work").behave = work
    session = await world.client(key, protocol=protocol, capabilities=capabilities)

    answer = (await world.rpc("tools/call", {"name": "wiki__work"}, **session)).json

    if passed:
        assert answer["error"] == PAGE
    else:
        assert answer["result"]["isError"]
        text = answer["result"]["content"][0]["text"]
        assert "Server 'wiki' wants you to open a page first: https://idp.example/in (Sign in)." in text
    assert world.traffic.ends[-1][3] == "Failed"


async def test_a_page_that_is_done_is_told_to_the_clients_of_its_user_everywhere(world):
    ann, bob = world.user("ann"), world.user("bob")
    world.server("wiki", "work")
    sessions = [await world.client(ann), await world.client(ann, "/mcp/wiki"), await world.client(bob)]
    streams = [await listening(world, each) for each in sessions]
    runtime = world.runtime("wiki", "ann")
    runtime.session_id = ""
    frame = b'{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e-1"}}'

    world.gateway.server_notification(runtime, "notifications/elicitation/complete", frame)
    for stream in streams[:2]:
        await stream.until(lambda answer: answer.messages)

    assert streams[0].messages == streams[1].messages == [json.loads(frame)]
    assert streams[2].messages == []


async def test_who_was_sent_to_the_settings_page_hears_when_the_value_is_there(world):
    key = world.user("ann")
    world.server("wiki", "work", **TOKEN)
    session = await world.client(key, capabilities=URLS)
    stream = await listening(world, session)
    asked = (await world.rpc("tools/call", {"name": "wiki__work"}, **session)).json["error"]
    [page] = asked["data"]["elicitations"]

    saved(world, "ann", "wiki")
    await stream.until(lambda answer: answer.messages)
    saved(world, "ann", "wiki")
    world.gateway.server_notification(
        world.runtime("wiki", "ann"), "notifications/elicitation/complete", b'{"params":{}}'
    )

    told = [message for message in stream.messages if message.get("method") == "notifications/elicitation/complete"]
    assert told == [
        {
            "jsonrpc": "2.0",
            "method": "notifications/elicitation/complete",
            "params": {"elicitationId": page["elicitationId"]},
        }
    ]


# values that are not accepted


def saved(world, user, server):
    key, sealed = world.vault.seal_new(user, PURPOSE, place(user, server, "WIKI_TOKEN"), "value")
    fact = ServiceTokenSaved(
        user_id=user, server_id=server, variable="WIKI_TOKEN", data_key=key, sealed=sealed, mask="", fingerprint="f"
    )
    world.record(fact, user_tag(user), server_tag(server))


@pytest.mark.parametrize("when", ["opening", "calling"])
async def test_a_value_that_an_upstream_refuses_is_the_users_to_enter_anew(world, when):
    key = world.user("ann")
    wiki = world.server("wiki", "work", **TOKEN)
    saved(world, "ann", "wiki")
    plain, opens_urls = await world.client(key), await world.client(key, capabilities=URLS)
    await world.rpc("tools/list", **plain)

    async def refuse(method, params, caller):
        raise UpstreamRefused("it answered HTTP 401")

    wiki.behave = refuse
    if when == "opening":
        wiki.down, wiki.refuses = "it answered HTTP 401", True
    text = (await world.rpc("tools/call", {"name": "wiki__work"}, **plain)).json["result"]["content"][0]["text"]
    error = (await world.rpc("tools/call", {"name": "wiki__work"}, **opens_urls)).json["error"]

    assert "Server 'wiki' does not accept your USER_WIKI_TOKEN: it answered HTTP 401." in text
    assert "http://127.0.0.1:3000/settings#wiki" in text
    assert error["code"] == -32042
    assert world.traffic.ends[-1][3:] == ("Failed", "variable_rejected")


async def test_a_rest_service_that_knows_nobody_by_the_value_says_so_and_the_hub_says_where_it_is_entered(world):
    key = world.user("ann")
    wiki = world.server("wiki", "work", **TOKEN)
    saved(world, "ann", "wiki")
    plain, opens_urls = await world.client(key), await world.client(key, capabilities=URLS)

    async def refuse(*_):
        return Reply(result=b'{"content":[{"type":"text","text":"HTTP 401"}],"isError":true}', refused=True)

    wiki.behave = refuse
    told = (await world.rpc("tools/call", {"name": "wiki__work"}, **plain)).json["result"]
    error = (await world.rpc("tools/call", {"name": "wiki__work"}, **opens_urls)).json["error"]

    assert told["isError"]
    assert told["content"][0]["text"] == "HTTP 401"
    assert (
        "your USER_WIKI_TOKEN: it answered HTTP 401. Check it at http://127.0.0.1:3000/settings#wiki"
        in (told["content"][1]["text"])
    )
    assert error["code"] == -32042


# calls of no session


async def test_a_call_that_waits_for_its_client_ends_when_the_key_expires(world):
    key = world.user("ann")
    began, ended = asyncio.Event(), asyncio.Event()

    async def waits(*_):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    world.server("wiki", "work").behave = waits
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wiki__work"}}
    call = await world.open("POST", key=key, body=body)
    await asyncio.wait_for(began.wait(), 5)

    world.gateway._lifecycle._now = lambda: datetime.now(UTC) + timedelta(days=2)
    await world.gateway._lifecycle.round()

    await asyncio.wait_for(ended.wait(), 5)
    await asyncio.wait_for(call.done, 5)
    assert world.traffic.ends[-1][3:] == ("Cancelled", "key_expired")
