"""The door of /mcp: what each request gets, before and after anybody is recognised."""

import asyncio

import psycopg
import pytest
from msgspec import Raw

from mcphub.domain.events import SERVERS, KeyRenamed, KeyRevoked, SystemConfigChanged, UserDeactivated, user_tag
from mcphub.domain.keys import new_key
from mcphub.gateway.lifecycle import SEEN_EVERY
from tests.support.gateway import World
from tests.support.waiting import until


@pytest.fixture
async def world():
    return World()


async def test_no_key_a_bad_one_and_an_unknown_one_get_the_same_401(world):
    answers = [
        await world.rpc("tools/list"),
        await world.rpc("tools/list", key="mcphub_nonsense"),
        await world.rpc("tools/list", key=new_key()),
        await world.send("GET", key=new_key()),
        await world.send("POST", key="", body=b"not json at all"),
    ]

    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="mcphub", error="invalid_token"'


async def test_a_key_is_taken_from_each_of_its_three_places(world):
    key = world.user("ann")

    ways = [
        await world.rpc("ping", key=key),
        await world.rpc("ping", headers={"x-mcphub-key": key}),
        await world.rpc("ping", key_in_url=key),
    ]

    assert [way.status for way in ways] == [200, 200, 200]
    assert world.used == ["key-ann"] * 3


async def test_two_different_credentials_are_a_conflict(world):
    key, other = world.user("ann"), world.user("bob")

    answer = await world.rpc("ping", key=key, headers={"x-mcphub-key": other})

    assert answer.status == 400
    assert answer.json["error"]["data"] == {"code": "credential_conflict"}


async def test_a_header_only_key_does_not_work_in_an_address(world):
    key = world.user("ann")
    world.record(KeyRenamed(key_id="key-ann", user_id="ann", header_only=True), user_tag("ann"))

    assert (await world.rpc("ping", key_in_url=key)).status == 401
    assert (await world.rpc("ping", key=key)).status == 200


async def test_nothing_is_decided_on_facts_that_may_be_old(world):
    key = world.user("ann")
    world.tail.is_fresh = False

    answer = await world.rpc("ping", key=key)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("header", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
async def test_foreign_hosts_and_origins_are_refused_before_the_key_is_looked_at(world, header):
    assert (await world.rpc("ping", headers=header)).status == 403


async def test_initialize_answers_at_once_and_names_the_revision_asked_for(world):
    key = world.user("ann")
    world.server("wiki", "search").down = "it is on fire"

    for asked, agreed in [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")]:
        params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        answer = await world.rpc("initialize", params, key=key)

        assert answer.status == 200
        assert answer.json["result"]["protocolVersion"] == agreed
        assert len(answer.headers["mcp-session-id"]) >= 22
        assert answer.headers["x-mcphub-request-id"].startswith("user-ann-")


async def test_a_problem_in_initialize_is_an_error_in_a_200(world):
    key = world.user("ann")

    assert (await world.rpc("initialize", {"nothing": 1}, key=key)).json["error"]["code"] == -32602
    unknown = await world.rpc(
        "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}}, key=key, path="/mcp/nowhere"
    )
    assert unknown.status == 200
    assert unknown.json["error"]["message"] == "Unknown server: nowhere"


async def test_a_client_of_a_revision_to_come_learns_what_is_spoken_here(world):
    key = world.user("ann")

    answer = await world.rpc("server/discover", key=key, headers={"mcp-protocol-version": "2031-01-01"})

    assert answer.status == 400
    assert answer.json["error"]["code"] == -32022
    assert answer.json["error"]["data"]["supported"][:2] == ["2026-07-28", "2025-11-25"]


async def test_without_a_session_only_what_needs_none_is_served(world):
    key = world.user("ann")

    assert (await world.rpc("ping", key=key)).json["result"] == {}
    assert (await world.rpc("resources/list", key=key)).json["result"] == {"resources": []}
    assert (await world.rpc("completion/complete", key=key)).status == 400


async def test_foreign_and_unknown_sessions_look_alike_and_nothing_happens_to_them(world):
    ann, bob = world.user("ann"), world.user("bob")
    session = await world.client(ann)
    stolen = {"key": bob, "headers": session["headers"]}
    made_up = {"key": bob, "headers": {"mcp-session-id": "0" * 32}}

    assert (await world.rpc("ping", **stolen)).body == (await world.rpc("ping", **made_up)).body
    assert (await world.rpc("ping", **stolen)).status == 404
    assert (await world.send("DELETE", **stolen)).status == 404
    assert (
        await world.send("GET", key=bob, headers={**session["headers"], "accept": "text/event-stream"})
    ).status == 405
    assert (await world.rpc("ping", **session)).status == 200


async def test_a_session_answers_only_at_the_address_it_was_opened_at(world):
    key = world.user("ann")
    world.server("wiki", "search")
    session = await world.client(key)

    assert (await world.rpc("ping", **{**session, "path": "/mcp/wiki"})).status == 404
    assert (await world.rpc("ping", **{**session, "path": "/mcp/"})).status == 200


async def test_delete_ends_a_session_for_good(world):
    session = await world.client(world.user("ann"))

    assert (await world.send("DELETE", **session)).status == 204
    assert (await world.send("DELETE", **session)).status == 404
    assert (await world.rpc("ping", **session)).status == 404


async def test_a_session_whose_row_goes_late_is_not_brought_back(world, monkeypatch):
    session = await world.client(world.user("ann"))
    may_go = asyncio.Event()
    remove = world.rows.remove

    async def late(digests):
        await may_go.wait()
        await remove(digests)

    monkeypatch.setattr(world.rows, "remove", late)
    deleting = await world.open("DELETE", **session)
    await until(lambda: not world.gateway.sessions(), within=5, what="its live part is over")

    assert (await world.rpc("ping", **session)).status == 404
    may_go.set()
    await asyncio.wait_for(deleting.done, 5)
    assert deleting.status == 204
    assert world.rows.rows == {}


async def test_a_row_that_could_not_be_removed_goes_later(world, monkeypatch):
    session = await world.client(world.user("ann"))
    remove = world.rows.remove

    async def away(digests):
        raise psycopg.OperationalError

    monkeypatch.setattr(world.rows, "remove", away)
    assert (await world.send("DELETE", **session)).status == 204
    assert (await world.rpc("ping", **session)).status == 404
    assert world.rows.rows

    monkeypatch.setattr(world.rows, "remove", remove)
    lifecycle = world.gateway._lifecycle
    lifecycle._seen_at -= SEEN_EVERY + 1
    await lifecycle.round()

    assert world.rows.rows == {}


async def test_a_deleted_session_leaves_no_row_when_the_answer_comes(world):
    session = await world.client(world.user("ann"))

    assert (await world.send("DELETE", **session)).status == 204

    assert world.rows.rows == {}
    world.start()
    assert (await world.rpc("ping", **session)).status == 404


async def test_a_session_goes_on_after_a_restart_under_the_same_id(world):
    session = await world.client(world.user("ann"))

    world.start()

    both = await asyncio.gather(world.rpc("ping", **session), world.rpc("ping", **session))
    assert [answer.status for answer in both] == [200, 200]
    assert len(world.gateway.sessions()) == 1


async def test_get_needs_a_session_and_never_answers_400_404_or_409(world):
    key = world.user("ann")
    session = await world.client(key)

    for headers in ({}, {"mcp-session-id": "x" * 30}, {"mcp-session-id": session["headers"]["mcp-session-id"]}):
        assert (await world.send("GET", key=key, headers=headers)).status == 405


async def test_a_second_stream_replaces_the_first(world):
    session = await world.client(world.user("ann"))
    how = {**session, "headers": {**session["headers"], "accept": "text/event-stream"}}

    first = await world.open("GET", **how)
    await first.until(lambda answer: answer.status)
    second = await world.open("GET", **how)
    await asyncio.wait_for(first.done, 5)

    assert (first.status, second.status) == (200, 200)
    await world.send("DELETE", **session)
    await asyncio.wait_for(second.done, 5)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 70 + b"]" * 70 + b"}", 400, -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
        (b"\xff\xfe", 400, -32700),
    ],
)
async def test_a_body_that_is_no_message_is_named_for_what_it_is(world, body, status, code):
    answer = await world.send("POST", key=world.user("ann"), body=body)

    assert (answer.status, answer.json["error"]["code"]) == (status, code)


async def test_what_is_too_large_or_of_another_kind_is_refused(world):
    key = world.user("ann")

    assert (await world.send("POST", key=key, body=b" " * (4 * 1024 * 1024 + 1))).status == 413
    assert (await world.send("POST", key=key, body=b"{}", headers={"content-type": "text/plain"})).status == 415
    assert (await world.rpc("ping", key=key, headers={"accept": "text/html"})).status == 406
    assert (await world.rpc("ping", key=key, headers={"accept": "application/json"})).status == 406
    for accept in ("Application/JSON, Text/Event-Stream;q=0.5", "application/*, text/*", "*/*"):
        assert (await world.rpc("ping", key=key, headers={"accept": accept})).status == 200


async def test_the_settings_document_says_how_large_a_message_may_be_from_the_next_one_on(world):
    key = world.user("ann")
    spaces = b" " * 2000

    before = await world.send("POST", key=key, body=spaces)
    world.record(SystemConfigChanged(config=Raw(b'{"routing":{"jsonBodyLimit":"1kb"}}')), SERVERS)
    after = await world.send("POST", key=key, body=spaces)

    assert (before.status, after.status) == (400, 413)
    assert "1024 bytes" in after.json["error"]["message"]


async def test_a_batch_is_taken_from_the_one_revision_that_has_them(world):
    key = world.user("ann")
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/list"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}},
    ]

    old, new = await world.client(key, protocol="2025-03-26"), await world.client(key)

    assert {reply["id"] for reply in (await world.send("POST", body=batch, **old)).json} == {1, "b"}
    assert (await world.send("POST", body=batch, **new)).status == 400


async def test_one_user_has_so_many_requests_under_way_and_others_are_not_touched():
    world = World(in_flight=2, queued=1)
    ann, bob = world.user("ann"), world.user("bob")
    upstream = world.server("wiki", "slow")
    going, released = asyncio.Semaphore(0), asyncio.Event()

    async def slow(method, params, caller):
        going.release()
        await released.wait()
        return await Quick.answer()

    class Quick:
        @staticmethod
        async def answer():
            from mcphub.gateway.upstream.runtime import Reply

            return Reply(result=b'{"content":[]}')

    upstream.behave = slow
    open_ = [await world.open("POST", key=ann, body=_call(number, "wiki__slow")) for number in range(3)]
    for _ in range(2):
        await asyncio.wait_for(going.acquire(), 5)

    refused = await world.rpc("tools/call", {"name": "wiki__slow"}, key=ann, id_=9)

    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    assert (await world.rpc("ping", key=bob)).status == 200
    released.set()
    await asyncio.wait_for(asyncio.gather(*(each.done for each in open_)), 5)
    assert [each.status for each in open_] == [200, 200, 200]


@pytest.mark.parametrize("fact", ["user", "key"])
async def test_with_the_fact_everything_of_the_user_ends(world, fact):
    ann = world.user("ann")
    upstream = world.server("wiki", "slow")
    started = asyncio.Event()

    async def never(method, params, caller):
        started.set()
        await asyncio.Event().wait()

    upstream.behave = never
    session = await world.client(ann)
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    call = await world.open("POST", **session, body=_call(5, "wiki__slow"))
    loose = await world.open("POST", key=ann, body=_call(6, "wiki__slow"))
    await asyncio.wait_for(started.wait(), 5)

    if fact == "user":
        world.record(UserDeactivated(user_id="ann"), user_tag("ann"))
    else:
        world.record(KeyRevoked(key_id="key-ann", user_id="ann"), user_tag("ann"))

    await asyncio.wait_for(asyncio.gather(stream.done, call.done, loose.done), 1)
    assert call.json["error"]["code"] == -32800
    assert (await world.rpc("ping", **session)).status == 401
    assert world.gateway.sessions() == []
    assert sorted(end[3] for end in world.traffic.ends if end[0] == "tools/call") == ["Cancelled", "Cancelled"]


def _call(number, name, **arguments):
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }


async def test_a_new_window_takes_the_place_of_the_one_unused_longest():
    world = World(sessions=2, in_use=-1)
    key = world.user("ann")

    first, second = await world.client(key), await world.client(key)
    await world.rpc("ping", **first)
    third = await world.client(key)

    statuses = [(await world.rpc("ping", **each)).status for each in (first, second, third)]
    assert statuses == [200, 404, 200]


async def test_a_session_in_use_gives_way_to_nobody_until_there_are_far_too_many():
    world = World(sessions=1, sessions_in_use=2)
    key = world.user("ann")

    first, second = await world.client(key), await world.client(key)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    refused = await world.rpc("initialize", params, key=key)

    assert [(await world.rpc("ping", **each)).status for each in (first, second)] == [200, 200]
    assert refused.status == 503
