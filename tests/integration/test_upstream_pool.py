"""The pool of runtimes: whose is whose, opened once, bounded, and gone when its owner is."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected, MissingVariables
from mcphub.gateway.upstream import sse
from mcphub.gateway.upstream.pool import RuntimePool
from mcphub.gateway.upstream.runtime import Identity, RuntimeInfo, UpstreamUnavailable, UpstreamUnreachable
from mcphub.gateway.upstream.slots import Caps
from mcphub.settings import Settings
from tests.support.raw_api import api
from tests.support.raw_sse import sse_upstream
from tests.support.raw_upstreams import (
    Asker,
    Heard,
    WebUpstream,
    alive,
    identity,
    injecting,
    script,
    spec,
    web_upstream,
)
from tests.support.waiting import slower, until

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy.:pytest.PytestDeprecationWarning")


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    return uvloop.EventLoopPolicy()


STATE = """
state = {}
for message in messages():
    if "id" in message:
        params = message.get("params") or {}
        if params.get("die"): os._exit(3)
        if params.get("hang"): continue
        state.update(params.get("put") or {})
        reply(message, {"pid": os.getpid(), "state": state, "token": os.environ.get("SERVICE_TOKEN"),
                        "user": os.environ.get("MCPHUB_USER_ID")})
"""
TOKEN = {"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"}
TOKENED: dict[str, Any] = {"env": TOKEN}


class World:
    """A pool, and calls through it as the gateway makes them."""

    def __init__(self, home: Path, scripts: Path, caps: Caps | None = None) -> None:
        self.home = home
        self.scripts = scripts
        self.heard = Heard()
        self.pool = RuntimePool(self.heard, Settings(home=home), caps=caps or Caps())
        self.injections = 0

    def process(self, name: str = "near", body: str = STATE, **config: Any) -> ServerSpec:
        return spec(name, **{**script(self.scripts, body), **config})

    def injecting(self, of: ServerSpec, values: dict[str, str]) -> Callable[[], Injected]:
        made = injecting(of, **values)

        def counted() -> Injected:
            self.injections += 1
            return made()

        return counted

    async def call(
        self, of: ServerSpec, who: Identity | None = None, params: dict[str, Any] | None = None, **values: str
    ) -> Any:
        async with self.pool.lease(of, who or identity(), self.injecting(of, values)) as runtime:
            raw = json.dumps(params or {}).encode()
            reply = await runtime.call("tools/call", raw, Asker(), timeout=10, reset_on_progress=True, max_total=20)
            return json.loads(reply.result or b"")

    def infos(self, of: ServerSpec) -> list[RuntimeInfo]:
        return [info for info in self.pool.runtimes() if info.server_id == of.server_id]


@pytest.fixture
async def world(home: Path, tmp_path: Path) -> AsyncIterator[World]:
    made = World(home, tmp_path)
    yield made
    await made.pool.close()


@pytest.fixture
async def upstream() -> AsyncIterator[WebUpstream]:
    async with web_upstream() as made:
        yield made


def far(upstream: WebUpstream, **config: Any) -> ServerSpec:
    return spec("far", **{"type": "streamable-http", "url": upstream.url, **config})


# whose is whose


async def test_each_user_has_a_process_with_their_own_value_and_state(world: World) -> None:
    near = world.process(env=TOKEN)
    users = [f"user-{n}" for n in range(6)]

    async def use(user: str, n: int) -> Any:
        who = identity(user, f"s-{user}", version=f"v-{user}")
        return await world.call(near, who, {"put": {f"{user}-{n}": n}}, SERVICE_TOKEN=f"value-of-{user}")

    answers = await asyncio.gather(*(use(user, n) for n in range(8) for user in users))

    for answer, user in zip(answers, users * 8, strict=True):
        assert (answer["token"], answer["user"]) == (f"value-of-{user}", user)
        assert all(key.startswith(f"{user}-") for key in answer["state"])
    assert len({answer["pid"] for answer in answers}) == len(users)


async def test_sessions_of_one_user_share_a_process_but_not_a_conversation(world: World, upstream: WebUpstream) -> None:
    near, there = world.process(), far(upstream)

    pids = {(await world.call(near, identity(session=session)))["pid"] for session in ("s1", "s2", "s1")}
    for session in ("s1", "s2", "s1"):
        await world.call(there, identity(session=session))

    assert len(pids) == 1
    assert len(upstream.messages("initialize")) == 2


async def test_a_session_of_its_own_may_be_asked_for_by_a_process_too(world: World) -> None:
    near = world.process(mcphub={"isolation": "per-session"})

    first, second = [await world.call(near, identity(session=session)) for session in ("s1", "s2")]

    assert first["pid"] != second["pid"]
    await world.pool.end_session("s1")
    assert not alive(first["pid"])
    assert alive(second["pid"])


async def test_shared_means_shared_only_for_a_server_that_takes_nothing_of_a_user(world: World) -> None:
    plain = world.process("plain", mcphub={"isolation": "shared"})
    asking = world.process("asking", env=TOKEN, mcphub={"isolation": "shared"})
    ann, bob = identity("ann"), identity("bob")

    shared = {(await world.call(plain, who))["pid"] for who in (ann, bob)}
    own = {(await world.call(asking, who, SERVICE_TOKEN="t"))["pid"] for who in (ann, bob)}

    assert (len(shared), len(own)) == (1, 2)
    assert [info.user_id for info in world.infos(plain)] == [None]


async def test_requests_without_a_session_share_a_conversation_by_user_and_key(
    world: World, upstream: WebUpstream
) -> None:
    there = far(upstream)

    for user, key in (("ann", "k1"), ("ann", "k1"), ("ann", "k2"), ("bob", "k1")):
        await world.call(there, identity(user, "", key=key))

    assert len(upstream.messages("initialize")) == 3


# opening


async def test_many_who_wait_cause_one_opening(world: World) -> None:
    near = world.process(body="\ntime.sleep(0.2)\n" + STATE)

    answers = await asyncio.gather(*(world.call(near) for _ in range(20)))

    assert len({answer["pid"] for answer in answers}) == 1
    assert world.injections == 1


async def test_one_who_stops_waiting_does_not_stop_the_opening(world: World) -> None:
    near = world.process(body="\ntime.sleep(0.2)\n" + STATE)
    first, second = asyncio.create_task(world.call(near)), asyncio.create_task(world.call(near))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second)["pid"]
    assert [info.in_flight for info in world.infos(near)] == [0]


async def test_a_missing_value_opens_nothing_and_counts_as_no_failure(world: World) -> None:
    near = world.process(env=TOKEN)

    for _ in range(3):
        with pytest.raises(MissingVariables):
            await world.call(near)

    assert world.pool.runtimes() == []
    assert world.pool.status(near.server_id).state == "idle"
    assert not (world.home / "children/near").exists()


async def test_a_lost_stream_is_opened_anew_by_the_next_call(world: World) -> None:
    async with sse_upstream() as streaming:
        there = spec("there", type="sse", url=streaming.url)
        await world.call(there)

        streaming.cut()
        await until(lambda: world.infos(there) == [], within=3, what="the runtime is gone")
        await world.call(there)

        assert len(streaming.streams) == 2
        assert world.heard.ended == ["it closed the stream"]
        assert world.pool.status(there.server_id).state == "connected"


async def test_sessions_of_one_user_have_a_stream_each_and_it_ends_with_the_session(world: World) -> None:
    async with sse_upstream() as streaming:
        there = spec("there", type="sse", url=streaming.url)
        for session in ("s1", "s2", "s1"):
            await world.call(there, identity(session=session))
        assert streaming.open_streams == 2

        await world.pool.end_session("s1")

        await until(lambda: streaming.open_streams == 1, within=3, what="one stream ends")


async def test_a_server_that_does_not_start_is_not_started_again_at_once(world: World) -> None:
    broken = world.process("broken", "\nopen(os.environ['HOME'] + '/starts', 'a').write('x'); sys.exit('no config')\n")
    starts = world.home / "children/broken/ann/starts"

    with pytest.raises(UpstreamUnavailable, match="no config") as first:
        await world.call(broken)
    with pytest.raises(UpstreamUnavailable, match="no config") as second:
        await world.call(broken)

    status = world.pool.status(broken.server_id)
    assert first.value.next_retry_at == second.value.next_retry_at == status.next_retry_at
    assert first.value.next_retry_at is not None
    assert first.value.next_retry_at > time.time()
    assert (status.state, status.runtimes) == ("error", 0)
    assert "no config" in status.error
    assert starts.read_text() == "x"
    world.pool.forget_failures(broken.server_id)
    assert world.pool.status(broken.server_id).state == "idle"
    with pytest.raises(UpstreamUnavailable):
        await world.call(broken)
    assert starts.read_text() == "xx"


async def test_all_who_waited_hear_why_it_did_not_open(world: World) -> None:
    broken = world.process("broken", "\ntime.sleep(0.1); sys.exit('no config')\n")

    answers = await asyncio.gather(*(world.call(broken) for _ in range(5)), return_exceptions=True)

    assert all(isinstance(answer, UpstreamUnavailable) and "no config" in answer.reason for answer in answers)


async def test_one_users_failing_values_hold_up_nobody_else(world: World) -> None:
    body = "\nif os.environ['SERVICE_TOKEN'] != 'good': sys.exit('bad token')\n" + STATE
    near = world.process(body=body, env=TOKEN)

    with pytest.raises(UpstreamUnavailable):
        await world.call(near, identity("bob"), SERVICE_TOKEN="wrong")
    answer = await world.call(near, identity("ann"), SERVICE_TOKEN="good")

    assert answer["user"] == "ann"


async def test_an_upstream_that_was_down_comes_back_by_itself(world: World, upstream: WebUpstream) -> None:
    there = far(upstream)

    async def down(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(status=503)

    upstream.on["initialize"] = down
    with pytest.raises(UpstreamUnavailable):
        await world.call(there)
    del upstream.on["initialize"]

    retry_at = world.pool.status(there.server_id).next_retry_at
    assert retry_at is not None
    await until(lambda: time.time() > retry_at, within=3, what="the pause is over")
    await world.call(there)

    status = world.pool.status(there.server_id)
    assert (status.state, status.error, status.next_retry_at) == ("connected", "", None)


# dying


async def test_a_process_that_was_killed_is_started_again_by_the_next_call(world: World) -> None:
    near = world.process()
    before = (await world.call(near))["pid"]
    os.kill(before, signal.SIGKILL)
    await until(lambda: world.heard.ended, within=3, what="its end is noticed")

    after = (await world.call(near))["pid"]

    assert after != before
    status = world.pool.status(near.server_id)
    assert (status.state, status.reconnects) == ("connected", 1)


async def test_a_call_in_a_process_that_dies_is_not_repeated(world: World) -> None:
    near = world.process()

    with pytest.raises(UpstreamUnreachable) as caught:
        await world.call(near, params={"die": True})

    assert caught.value.sent
    assert (await world.call(near))["state"] == {}


async def test_a_process_that_dies_again_and_again_is_left_alone_for_a_while(world: World) -> None:
    near = world.process()
    for _ in range(5):
        with pytest.raises(UpstreamUnreachable):
            await world.call(near, params={"die": True})

    with pytest.raises(UpstreamUnavailable, match="code 3") as caught:
        await world.call(near)

    assert caught.value.next_retry_at is not None
    assert caught.value.next_retry_at - time.time() > 20


# new values, new configuration


async def test_new_values_open_a_new_runtime_and_the_old_one_ends_with_its_last_call(world: World) -> None:
    near = world.process(env=TOKEN)
    old = await world.call(near, identity(version="v1"), SERVICE_TOKEN="first")
    slow = asyncio.create_task(world.call(near, identity(version="v1"), {"hang": True}, SERVICE_TOKEN="first"))
    await until(lambda: world.infos(near)[0].in_flight, within=3, what="a call is under way")

    await world.pool.drain_credential("ann", near.server_id)
    new = await world.call(near, identity(version="v2"), SERVICE_TOKEN="second")

    assert (old["token"], new["token"]) == ("first", "second")
    assert alive(old["pid"])
    slow.cancel()
    await until(lambda: not alive(old["pid"]), within=5, what="the old process ends")
    assert alive(new["pid"])


async def test_a_call_with_new_values_meets_no_runtime_of_the_old_ones_though_nobody_drained_it(
    world: World, upstream: WebUpstream
) -> None:
    near, there = world.process(env=TOKEN), far(upstream, headers={"X-Token": "${USER_SERVICE_TOKEN}"})
    answers = []
    for version, value in (("v1", "first"), ("v2", "second")):
        who = identity(version=version)
        answers.append(await world.call(near, who, SERVICE_TOKEN=value))
        await world.call(there, who, SERVICE_TOKEN=value)

    assert [answer["token"] for answer in answers] == ["first", "second"]
    assert upstream.headers("tools/call")["x-token"] == "second"


async def test_a_call_with_a_new_configuration_meets_no_runtime_of_the_old_one_though_nobody_drained_it(
    world: World,
) -> None:
    old, new = world.process(env={"SERVICE_TOKEN": "first"}), world.process(env={"SERVICE_TOKEN": "second"})

    answers = [await world.call(config) for config in (old, new)]

    assert old.server_id == new.server_id
    assert [answer["token"] for answer in answers] == ["first", "second"]


async def test_a_changed_server_is_opened_anew_and_no_other_is_touched(world: World) -> None:
    near, other = world.process(env={"A": "1"}), world.process("other")
    before, beside = (await world.call(near))["pid"], (await world.call(other))["pid"]

    await world.pool.drain_server(near.server_id)
    after = (await world.call(near))["pid"]

    assert after != before
    await until(lambda: not alive(before), within=5, what="the old process ends")
    assert (await world.call(other))["pid"] == beside


# bounds


async def test_the_least_used_idle_process_makes_room(home: Path, tmp_path: Path) -> None:
    world = World(home, tmp_path, Caps(processes_of_user=2))
    servers = [world.process(f"server-{n}") for n in range(3)]
    pids = [(await world.call(server))["pid"] for server in servers[:2]]
    await world.call(servers[0])

    await world.call(servers[2])

    await until(lambda: not alive(pids[1]), within=5, what="the least used one ends")
    assert alive(pids[0])
    await world.pool.close()


async def test_a_process_in_use_makes_no_room(home: Path, tmp_path: Path) -> None:
    world = World(home, tmp_path, Caps(processes_of_user=1))
    busy, wanted = world.process("busy"), world.process("wanted")
    running = asyncio.create_task(world.call(busy, params={"hang": True}))
    await until(lambda: world.infos(busy), within=5, what="it runs")

    with pytest.raises(UpstreamUnavailable, match="all 1 processes of this user are in use"):
        await world.call(wanted)

    assert (await world.call(wanted, identity("bob")))["user"] == "bob"
    running.cancel()
    await world.pool.close()


async def test_a_process_opened_ahead_waits_for_its_user_and_the_first_call_finds_it(world: World) -> None:
    near = world.process(**TOKENED)

    opened = await world.pool.ahead(near, identity("ann"), world.injecting(near, {"SERVICE_TOKEN": "a"}))
    [info] = world.infos(near)
    again = await world.pool.ahead(near, identity("ann"), world.injecting(near, {"SERVICE_TOKEN": "a"}))
    answer = await world.call(near, identity("ann"), SERVICE_TOKEN="a")

    assert (opened, again) == (True, False)
    assert (info.ahead, info.user_id, info.in_flight) == (True, "ann", 0)
    assert (answer["pid"], answer["token"]) == (info.pid, "a")
    assert [found.ahead for found in world.infos(near)] == [False]


async def test_nothing_is_opened_ahead_without_values_or_while_a_server_is_left_alone(world: World) -> None:
    near, broken = world.process(**TOKENED), world.process("broken", "raise SystemExit(3)")

    with pytest.raises(MissingVariables):
        await world.pool.ahead(near, identity(), world.injecting(near, {}))
    first = await world.pool.ahead(broken, identity(), world.injecting(broken, {}))
    injections = world.injections
    second = await world.pool.ahead(broken, identity(), world.injecting(broken, {}))

    assert (first, second) == (False, False)
    assert world.injections == injections
    assert world.pool.runtimes() == []


@pytest.mark.parametrize("caps", [Caps(processes=2), Caps(processes_of_user=2)])
async def test_what_is_opened_ahead_ends_nothing_and_gives_way_first(home: Path, tmp_path: Path, caps: Caps) -> None:
    world = World(home, tmp_path, caps)
    used, ahead, third, fourth = (world.process(name) for name in ("used", "ahead", "third", "fourth"))
    try:
        await world.call(used)
        opened = await world.pool.ahead(ahead, identity(), world.injecting(ahead, {}))
        refused = await world.pool.ahead(third, identity(), world.injecting(third, {}))
        before = {info.server_id for info in world.pool.runtimes()}
        await world.call(fourth)
        await until(lambda: len(world.pool.runtimes()) == 2, within=10, what="one made room")
        after = {info.server_id for info in world.pool.runtimes()}
    finally:
        await world.pool.close()

    assert (opened, refused) == (True, False)
    assert before == {used.server_id, ahead.server_id}
    assert after == {used.server_id, fourth.server_id}


async def test_what_makes_room_is_lent_to_nobody_any_more(home: Path, tmp_path: Path) -> None:
    world = World(home, tmp_path, Caps(processes=2))
    first, second, third = (world.process(name) for name in ("first", "second", "third"))
    try:
        before = [(await world.call(near))["pid"] for near in (first, second)]
        opened, again = await asyncio.gather(world.call(third), world.call(first))
    finally:
        await world.pool.close()

    assert again["pid"] not in before
    assert opened["pid"] not in before


async def test_an_idle_process_ends_and_the_next_call_starts_another(world: World) -> None:
    near = world.process(idleTimeoutMs=60_000)
    before = (await world.call(near))["pid"]
    world.pool.round(time.monotonic() + 59)
    assert (await world.call(near))["pid"] == before

    world.pool.round(time.monotonic() + 61)

    await until(lambda: world.heard.ended, within=5, what="its end is reported")
    assert (world.heard.ended, alive(before)) == (["idle"], False)
    assert (await world.call(near))["pid"] != before


async def test_a_process_in_use_is_not_idle(world: World) -> None:
    near = world.process(idleTimeoutMs=1)
    running = asyncio.create_task(world.call(near, params={"hang": True}))
    await until(lambda: world.infos(near), within=5, what="it runs")

    world.pool.round(time.monotonic() + 3600)

    assert len(world.infos(near)) == 1
    running.cancel()


async def test_a_conversation_without_a_session_is_short_and_one_with_a_session_is_not(
    world: World, upstream: WebUpstream
) -> None:
    there = far(upstream, enableKeepAlive=False)
    await world.call(there, identity(session=""))
    await world.call(there, identity(session="s1"))

    assert len(world.infos(there)) == 2
    world.pool.round(time.monotonic() + 61)

    await until(lambda: len(world.infos(there)) == 1, within=3, what="the short one ends")
    world.pool.round(time.monotonic() + 1200)
    assert [info.session_id for info in world.infos(there)] == ["s1"]


async def test_an_unused_conversation_is_kept_alive(world: World, upstream: WebUpstream) -> None:
    there = far(upstream, keepAliveInterval=45_000)
    await world.call(there)

    for seconds in (44, 46, 47, 92):
        world.pool.round(time.monotonic() + seconds)

    await until(lambda: len(upstream.messages("ping")) == 2, within=3, what="it is pinged")
    assert world.infos(there)[0].in_flight == 0


async def test_an_unused_stream_is_kept_alive_and_given_up_when_nothing_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "PING_SECONDS", 0.1)

    async def never(request: web.Request, message: dict[str, Any]) -> None: ...

    async with sse_upstream() as streaming:
        there = spec("there", type="sse", url=streaming.url, keepAliveInterval=45_000)
        await world.call(there)
        world.pool.round(time.monotonic() + 44)
        world.pool.round(time.monotonic() + 46)
        await until(lambda: len(streaming.messages("ping")) == 1, within=3, what="it is pinged")

        streaming.on["ping"] = never
        world.pool.round(time.monotonic() + 92)

        await until(lambda: world.infos(there) == [], within=3, what="it is given up")
        assert world.heard.ended == ["its stream does not answer any more"]


async def test_a_service_is_one_runtime_a_user_whatever_the_session(world: World) -> None:
    async with api() as service:
        part = {"url": service.described_at, "security": {"type": "http", "http": {"scheme": "bearer"}}}
        part["security"]["http"]["credentials"] = "${USER_TOKEN}"
        there = spec("there", type="openapi", openapi=part)
        for user, session in (("ann", "s1"), ("ann", "s2"), ("bob", "s3"), ("ann", "")):
            await world.call(there, identity(user, session), {"name": "list_things"}, TOKEN=f"token-of-{user}")

        assert sorted(info.user_id or "" for info in world.infos(there)) == ["ann", "bob"]
        assert [call.headers["authorization"] for call in service.calls()] == [
            f"Bearer token-of-{user}" for user in ("ann", "ann", "bob", "ann")
        ]
        await world.pool.end_user("ann", "user_deactivated")
        assert [info.user_id for info in world.infos(there)] == ["bob"]


async def test_a_service_whose_document_is_broken_is_not_asked_again_at_once(world: World) -> None:
    async with api() as service:
        service.document = "{}"
        there = spec("there", type="openapi", openapi={"url": service.described_at})

        for _ in range(3):
            with pytest.raises(UpstreamUnavailable, match="its OpenAPI document cannot be used"):
                await world.call(there)

        assert len(service.reads()) == 1
        assert world.pool.status(there.server_id).state == "error"


async def test_a_thousand_calls_open_nothing_more(world: World, upstream: WebUpstream) -> None:
    near, there = world.process(), far(upstream)

    async def rounds(number: int) -> None:
        for _ in range(number):
            await asyncio.gather(*(world.call(there, identity(session=f"s{n}")) for n in range(10)))
            await asyncio.gather(*(world.call(near) for _ in range(30)))

    await rounds(3)  # as many connections as calls at the same time
    before, children = len(os.listdir("/proc/self/fd")), world.infos(near)
    await rounds(25)

    assert len(os.listdir("/proc/self/fd")) <= before
    assert [info.pid for info in world.infos(near)] == [info.pid for info in children]
    assert len(upstream.messages("initialize")) == 10


# ends


async def test_nothing_of_a_user_is_left_within_a_second_and_everything_of_another_is(
    world: World, upstream: WebUpstream
) -> None:
    deaf = "\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STATE + "\ntime.sleep(600)\n"
    near, stubborn, there = world.process("near"), world.process("stubborn", deaf), far(upstream)
    ann, bob = identity("ann", "s-ann"), identity("bob", "s-bob")
    pids = [(await world.call(server, ann))["pid"] for server in (near, stubborn)]
    kept = [(await world.call(server, bob))["pid"] for server in (near, stubborn)]
    await asyncio.gather(world.call(there, ann), world.call(there, bob))
    running = asyncio.create_task(world.call(near, ann, {"hang": True}))
    await until(lambda: any(info.in_flight for info in world.infos(near)), within=3, what="a call is under way")
    began = time.monotonic()

    await world.pool.end_user("ann", "user_deactivated")

    assert time.monotonic() - began < 1 * slower()
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(UpstreamUnreachable, match="user_deactivated"):
        await running
    assert all(alive(pid) for pid in kept)
    assert {info.user_id for info in world.pool.runtimes()} == {"bob"}
    deleted = [headers for method, headers, _ in upstream.seen if method == "DELETE"]
    assert [headers["x-mcphub-user-id"] for headers in deleted] == ["ann"]


async def test_a_user_locked_out_while_a_process_starts_gets_none(world: World) -> None:
    near = world.process(body="\ntime.sleep(30)\n" + STATE)
    waiting = asyncio.create_task(world.call(near))
    marks = world.home / "children/running"
    await until(lambda: marks.exists() and list(marks.iterdir()), within=5, what="it starts")
    began = time.monotonic()

    await world.pool.end_user("ann", "user_deactivated")

    assert time.monotonic() - began < 1 * slower()
    with pytest.raises(UpstreamUnavailable, match="while it was being opened"):
        await waiting
    assert list(marks.iterdir()) == []


async def test_who_may_no_longer_use_a_server_has_no_process_of_it_left_and_nobody_else_loses_any(world: World) -> None:
    near, other = world.process(), world.process("other")
    shared = world.process("shared", mcphub={"isolation": "shared"})
    ending = (await world.call(near))["pid"]
    kept = [(await world.call(of, identity(user)))["pid"] for of, user in ((near, "bob"), (other, "ann"))]
    kept.append((await world.call(shared))["pid"])
    running = asyncio.create_task(world.call(near, params={"hang": True}))
    await until(lambda: any(info.in_flight for info in world.infos(near)), within=3, what="a call is under way")

    await world.pool.end_barred(lambda user, server: (user, server) == ("ann", near.server_id), "not_in_audience")

    assert not alive(ending)
    with pytest.raises(UpstreamUnreachable, match="not_in_audience"):
        await running
    assert all(alive(pid) for pid in kept)


async def test_a_removed_server_ends_for_everybody(world: World) -> None:
    near, other = world.process(), world.process("other")
    pids = [(await world.call(near, identity(user)))["pid"] for user in ("ann", "bob")]
    beside = (await world.call(other))["pid"]

    await world.pool.end_server(near.server_id, "server_removed")

    assert not any(alive(pid) for pid in pids)
    assert alive(beside)


async def test_one_runtime_can_be_ended_by_its_id(world: World) -> None:
    near = world.process()
    await world.call(near)
    [info] = world.infos(near)

    assert await world.pool.end_runtime(info.id, "ended by an administrator")
    assert not await world.pool.end_runtime(info.id, "again")
    assert world.heard.ended == ["ended by an administrator"]


async def test_a_closed_pool_leaves_nothing_and_opens_nothing(world: World, upstream: WebUpstream) -> None:
    near, there = world.process(), far(upstream)
    pid = (await world.call(near))["pid"]
    await world.call(there)

    await world.pool.close()

    assert not alive(pid)
    assert [method for method, _, _ in upstream.seen].count("DELETE") == 1
    assert world.pool.runtimes() == []
    assert list((world.home / "children/running").iterdir()) == []
    with pytest.raises(UpstreamUnavailable, match="stopping"):
        await world.call(near)


# what administrators see


async def test_administrators_see_what_runs_and_what_it_said(world: World) -> None:
    body = "\nprint('using', os.environ['SERVICE_TOKEN'], file=sys.stderr, flush=True)\n" + STATE
    near = world.process(body=body, env=TOKEN)
    answer = await world.call(near, SERVICE_TOKEN="value-of-ann")

    [info] = world.infos(near)

    assert (info.user_id, info.kind, info.pid, info.in_flight) == ("ann", "stdio", answer["pid"], 0)
    await until(lambda: world.pool.stderr(info.id), within=3, what="its words arrive")
    assert world.pool.stderr(info.id) == ["using [hidden]"]
    assert world.pool.status(near.server_id).state == "connected"


async def test_a_conversation_whose_upstream_is_gone_is_in_trouble(world: World) -> None:
    async with web_upstream() as upstream:
        there = far(upstream)
        await world.call(there)
        assert world.pool.status(there.server_id).state == "connected"

    for _ in range(2):  # the first finds the old connection closed, the second nobody at all
        with pytest.raises(UpstreamUnreachable):
            await world.call(there)

    status = world.pool.status(there.server_id)
    assert status.state == "error"
    assert "cannot be connected" in status.error
