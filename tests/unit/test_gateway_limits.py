"""What one user may ask of the hub and of a server, and that nobody waits for anybody else's hundred requests."""

import asyncio

import pytest

from mcphub.domain.events import SERVERS, ServerDisabled, server_tag
from mcphub.gateway.rate import Rate, TooFast
from mcphub.gateway.turns import Turns
from mcphub.gateway.upstream.runtime import Reply
from tests.support.gateway import World

BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wiki__slow"}}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


# the rate


def test_a_minutes_worth_comes_at_once_and_then_as_fast_as_the_bucket_fills():
    clock = Clock()
    rate = Rate(600, clock)
    for _ in range(600):
        rate.take("ann")

    with pytest.raises(TooFast) as refused:
        rate.take("ann")
    rate.take("bob")
    clock.now += 0.1
    rate.take("ann")
    with pytest.raises(TooFast):
        rate.take("ann")
    clock.now += 30
    for _ in range(300):
        rate.take("ann")
    with pytest.raises(TooFast):
        rate.take("ann")

    assert refused.value.retry_after == 1


def test_asking_on_and_on_locks_nobody_out():
    clock = Clock()
    rate = Rate(6, clock)
    for _ in range(6):
        rate.take("ann")
    for _ in range(1000):
        with pytest.raises(TooFast) as refused:
            rate.take("ann")

    clock.now += refused.value.retry_after
    rate.take("ann")

    assert refused.value.retry_after == 10


def test_no_limit_is_no_limit_and_the_quiet_are_forgotten(monkeypatch):
    clock = Clock()
    unlimited = Rate(0, clock)
    for _ in range(100_000):
        unlimited.take("ann")
    monkeypatch.setattr("mcphub.gateway.rate.MOST_USERS", 10)
    rate = Rate(600, clock)

    for number in range(100):
        clock.now += 1
        rate.take(f"user-{number}")

    assert len(rate._full_at) <= 11


@pytest.mark.parametrize("era", ["handshake", "2026-07-28"])
async def test_who_comes_too_fast_is_told_when_to_come_again_and_others_are_not_touched(era):
    world = World(a_minute=6)
    world.gateway._front._load.rate.now = clock = Clock()
    ann, bob = world.user("ann"), world.user("bob")
    world.server("wiki", "slow")
    how = {}
    if era != "handshake":
        meta = {"io.modelcontextprotocol/protocolVersion": era, "io.modelcontextprotocol/clientCapabilities": {}}
        how = {"params": {"_meta": meta}, "headers": {"mcp-protocol-version": era, "mcp-method": "tools/list"}}
    for _ in range(6):
        assert (await world.rpc("tools/list", key=ann, **how)).status == 200

    refused = await world.rpc("tools/list", key=ann, id_=7, **how)
    others = await world.rpc("tools/list", key=bob, **how)
    clock.now += 10
    again = await world.rpc("tools/list", key=ann, **how)

    assert (refused.status, refused.headers["retry-after"], refused.json["id"]) == (429, "10", 7)
    assert refused.json["error"]["data"] == {"retryAfterSeconds": 10}
    assert (others.status, again.status) == (200, 200)
    assert [reason for *_, status, reason in world.traffic.ends if status == "Denied"] == ["too_fast"]


async def test_an_initialize_that_comes_too_fast_is_an_error_in_a_200():
    world = World(a_minute=1)
    key = world.user("ann")
    await world.client(key)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}

    refused = await world.rpc("initialize", params, key=key)

    assert (refused.status, refused.json["error"]["data"]) == (200, {"retryAfterSeconds": 60})
    assert "mcp-session-id" not in refused.headers


async def test_each_request_of_a_batch_counts():
    world = World(a_minute=4)
    world.gateway._front._load.rate.now = Clock()
    session = await world.client(world.user("ann"), protocol="2025-03-26")
    batch = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in range(4)]

    answers = (await world.send("POST", body=batch, **session)).json

    assert ["result" in each for each in answers] == [True, True, True, False]
    assert answers[3]["error"]["data"] == {"retryAfterSeconds": 15}


# turns at a server


async def test_at_a_server_users_are_served_in_turn():
    turns, served = Turns(1), []

    async def request(user, number):
        if not turns.free("wiki"):
            await turns.come("wiki", user)
        served.append(f"{user}{number}")
        await asyncio.sleep(0)
        turns.leave("wiki")

    crowd = [("ann", number) for number in range(5)] + [("bob", 0), ("bob", 1), ("eve", 0)]
    await asyncio.gather(*(request(*each) for each in crowd))

    assert served == ["ann0", "ann1", "bob0", "eve0", "ann2", "bob1", "ann3", "ann4"]
    assert turns._servers == {}


async def test_who_gives_up_waiting_holds_up_nobody_and_leaves_nothing():
    turns = Turns(1)
    assert turns.free("wiki")
    assert not turns.free("wiki")
    waiting = [asyncio.create_task(turns.come("wiki", user)) for user in ("ann", "ann", "bob", "eve")]
    await asyncio.sleep(0)

    for task in waiting[:2]:
        task.cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    turns.leave("wiki")
    await asyncio.wait_for(waiting[2], 5)
    turns.leave("wiki")
    waiting[3].cancel()  # in the moment its turn came
    await asyncio.gather(waiting[3], return_exceptions=True)

    assert turns.free("wiki")
    turns.leave("wiki")
    assert turns._servers == {}


async def test_a_user_with_many_calls_at_a_server_keeps_nobody_else_from_it():
    world = World(at_server=2)
    ann, bob = world.user("ann"), world.user("bob")
    upstream = world.server("wiki", "slow")
    world.server("desk", "slow")
    started, places = [], []

    async def slow(method, params, caller):
        started.append(caller.asker.principal.user_id)
        place = asyncio.Event()
        places.append(place)
        await place.wait()
        return Reply(result=b'{"content":[]}')

    async def until(condition):
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    await world.rpc("tools/list", key=ann)
    await world.rpc("tools/list", key=bob)
    upstream.behave = slow
    of_ann = [await world.open("POST", key=ann, body={**BODY, "id": number}) for number in range(6)]
    await until(lambda: len(started) == 2)
    of_bob = await world.open("POST", key=bob, body=BODY)
    elsewhere = await world.rpc("tools/call", {"name": "desk__slow"}, key=ann)
    await asyncio.sleep(0)
    places[0].set()
    await until(lambda: len(started) == 3)
    places[1].set()
    await until(lambda: len(started) == 4)

    assert elsewhere.status == 200
    assert started[:2] == ["ann", "ann"]
    assert sorted(started[2:]) == ["ann", "bob"]
    for number in range(7):
        await until(lambda number=number: len(places) > number)
        places[number].set()
    await asyncio.wait_for(asyncio.gather(of_bob.done, *(each.done for each in of_ann)), 5)
    assert all(each.status == 200 for each in (of_bob, *of_ann))


async def test_a_call_whose_turn_does_not_come_says_so_and_was_not_sent():
    world = World(at_server=1, control_timeout=0.05)
    ann, bob = world.user("ann"), world.user("bob")
    upstream = world.server("wiki", "slow")
    going, released = asyncio.Event(), asyncio.Event()

    async def slow(method, params, caller):
        going.set()
        await released.wait()
        return Reply(result=b'{"content":[]}')

    await world.rpc("tools/list", key=ann)
    await world.rpc("tools/list", key=bob)
    upstream.behave = slow
    first = await world.open("POST", key=ann, body=BODY)
    await asyncio.wait_for(going.wait(), 5)
    second = await world.rpc("tools/call", BODY["params"], key=bob)
    released.set()
    await asyncio.wait_for(first.done, 5)

    assert second.json["result"]["isError"] is True
    assert "Server 'wiki' is busy" in second.json["result"]["content"][0]["text"]
    assert [user for user, method, _ in upstream.asked if method == "tools/call"] == ["ann"]
    assert world.traffic.ends[-2][1:] == ("wiki", "slow", "Failed", "server_busy")


async def test_what_became_hidden_while_a_call_waited_is_not_sent():
    world = World(at_server=1)
    ann, bob = world.user("ann"), world.user("bob")
    upstream = world.server("wiki", "slow")
    going, released = asyncio.Event(), asyncio.Event()

    async def slow(method, params, caller):
        going.set()
        await released.wait()
        return Reply(result=b'{"content":[]}')

    await world.rpc("tools/list", key=ann)
    await world.rpc("tools/list", key=bob)
    upstream.behave = slow
    first = await world.open("POST", key=ann, body=BODY)
    await asyncio.wait_for(going.wait(), 5)
    second = await world.open("POST", key=bob, body=BODY)
    async with asyncio.timeout(5):
        while not world.gateway._relay._turns._servers["wiki"].waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    world.record(ServerDisabled(server_id="wiki"), server_tag("wiki"), SERVERS)
    released.set()
    await asyncio.wait_for(asyncio.gather(first.done, second.done), 5)

    assert second.json["error"]["code"] == -32602
    assert [user for user, method, _ in upstream.asked if method == "tools/call"] == ["ann"]
