"""Upstreams of 2026-07-28, written by hand: found out to be such, spoken to as such, and asked for by older clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from mcphub.gateway.upstream import modern
from mcphub.gateway.upstream.modern import ModernHttpRuntime, NotModern
from mcphub.gateway.upstream.runtime import Identity, Reply, UpstreamBroken, UpstreamUnreachable
from mcphub.gateway.upstream.transport import Guard, GuardedTransport
from tests.support.raw_upstreams import (
    CLIENT,
    Asker,
    Heard,
    WebUpstream,
    event,
    identity,
    injecting,
    reply,
    spec,
    streaming,
    web_upstream,
)
from tests.support.waiting import until

RESERVED = "io.modelcontextprotocol/"
INFO = {"name": "modern", "version": "7"}
DISCOVERED = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {"listChanged": True}},
    "instructions": "Be kind.",
    "resultType": "complete",
    "_meta": {RESERVED + "serverInfo": INFO},
}
Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def always(result: dict[str, Any]) -> Answer:
    async def answer(_: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        return reply(message, result)

    return answer


def refuse(status: int, code: int | None = None) -> Answer:
    async def answer(_: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        if code is None:
            return web.Response(status=status, text="no")
        error = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": "no"}}
        return web.json_response(error, status=status)

    return answer


@pytest.fixture
async def upstream() -> AsyncIterator[WebUpstream]:
    async with web_upstream() as made:
        made.known = None
        made.on["server/discover"] = always(DISCOVERED)
        made.on["initialize"] = refuse(400, -32022)
        yield made


@pytest.fixture
async def world(upstream: WebUpstream) -> AsyncIterator["World"]:
    made = World(upstream)
    yield made
    for runtime in made.opened:
        await runtime.close("the test is over", at_once=True)
    await made.transport.close()


class World:
    def __init__(self, upstream: WebUpstream) -> None:
        self.upstream = upstream
        self.heard = Heard()
        self.transport = GuardedTransport(Guard())
        self.opened: list[ModernHttpRuntime] = []

    async def open(self, who: Identity | None = None, **config: Any) -> ModernHttpRuntime:
        made = spec("raw", type="streamable-http", **{"url": self.upstream.url, **config})
        whom = who or identity()
        runtime = ModernHttpRuntime(
            made,
            whom,
            injecting(made, TOKEN="value-of-ann")(),
            self.transport,
            self.heard,
            user_id=whom.user_id,
            hub_version="1",
            listens=True,
        )
        self.opened.append(runtime)
        await runtime.open()
        return runtime


async def call(
    runtime: ModernHttpRuntime,
    params: dict[str, Any],
    caller: Asker | None = None,
    method: str = "tools/call",
) -> Reply:
    raw = json.dumps(params).encode()
    return await runtime.call(method, raw, caller, timeout=5, reset_on_progress=True, max_total=30)


async def test_an_upstream_is_asked_what_it_is_in_the_words_of_its_own_revision(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open(headers={"Authorization": "Bearer ${USER_TOKEN}"})

    [asked] = upstream.messages("server/discover")
    headers = upstream.headers("server/discover")
    assert asked["params"]["_meta"] == {
        RESERVED + "protocolVersion": "2026-07-28",
        RESERVED + "clientCapabilities": CLIENT["capabilities"],
        RESERVED + "clientInfo": CLIENT["clientInfo"],
    }
    assert (headers["mcp-protocol-version"], headers["mcp-method"]) == ("2026-07-28", "server/discover")
    assert headers["authorization"] == "Bearer value-of-ann"
    opened = json.loads(runtime.initialize_result)
    assert opened["serverInfo"] == INFO
    assert opened["instructions"] == "Be kind."
    assert opened["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize(
    ("answer", "certain"),
    [
        (refuse(400, -32022), True),
        (refuse(404, -32601), True),
        (refuse(404), True),
        (refuse(405), True),
        (always({**DISCOVERED, "supportedVersions": ["2025-11-25"]}), True),
        (always({}), True),
        (refuse(401), False),
        (refuse(403), False),
        (refuse(429), False),
        (refuse(503), False),
    ],
)
async def test_what_else_an_upstream_answers_makes_it_an_older_one_for_certain_or_for_now(
    world: World, upstream: WebUpstream, answer: Answer, certain: bool
) -> None:
    upstream.on["server/discover"] = answer

    with pytest.raises(NotModern) as verdict:
        await world.open()

    assert verdict.value.certain == certain


async def test_an_upstream_nobody_answers_at_is_no_verdict(world: World) -> None:
    with pytest.raises(UpstreamUnreachable):
        await world.open(url="http://127.0.0.1:9/mcp")


async def test_a_request_says_its_method_its_name_and_its_parameters_in_headers_too(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open()
    caller = Asker()
    caller.repeated = {"mcp-param-region": "eu"}
    caller.headers = {"mcp-param-other": "x", "mcp-name": "far__größe", "authorization": "Bearer client's"}

    await call(runtime, {"name": "größe", "arguments": {}}, caller)

    headers = upstream.headers("tools/call")
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"] == "=?base64?Z3LDtsOfZQ==?="
    assert headers["mcp-param-region"] == "eu"
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert "authorization" not in headers
    assert "mcp-session-id" not in headers


async def test_an_older_client_that_wants_to_hear_logs_is_said_to_want_them(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open()
    caller = Asker()

    await call(runtime, {"name": "echo"}, caller)
    caller.log_level = "warning"
    await call(runtime, {"name": "echo"}, caller)

    asked = [message["params"]["_meta"].get(RESERVED + "logLevel") for message in upstream.messages("tools/call")]
    assert asked == [None, "warning"]


async def test_an_older_client_is_not_said_to_know_the_tasks_of_this_revision(
    world: World, upstream: WebUpstream
) -> None:
    knows = {"tasks": {}, "extensions": {RESERVED + "tasks": {}, "vendor/x": {}}}
    params = json.dumps({**CLIENT, "capabilities": knows}).encode()
    upstream.on["tools/call"] = always({"resultType": "task", "taskId": "1"})
    runtime = await world.open(replace(identity(), client_params=params))

    with pytest.raises(UpstreamBroken, match="answers with a task"):
        await call(runtime, {"name": "job"}, Asker())

    [asked] = upstream.messages("tools/call")
    assert asked["params"]["_meta"][RESERVED + "clientCapabilities"] == {"extensions": {"vendor/x": {}}}


async def test_an_older_client_is_asked_in_the_upstreams_place(world: World, upstream: WebUpstream) -> None:
    asked = {"sampling/createMessage": {"max": 1}, "roots/list": {}}

    async def answer(_: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        params = message["params"]
        if "requestState" not in params:
            requests = {f"r{number}": {"method": name, "params": asked[name]} for number, name in enumerate(asked)}
            return reply(
                message, {"resultType": "input_required", "inputRequests": requests, "requestState": "opaque-1"}
            )
        return reply(
            message,
            {
                "content": [],
                "heard": params["inputResponses"],
                "state": params["requestState"],
                "resultType": "complete",
                "_meta": {RESERVED + "serverInfo": INFO, "vendor/x": 1},
            },
        )

    upstream.on["tools/call"] = answer
    runtime = await world.open()
    caller = Asker(sampling_createMessage={"model": "m"}, roots_list={"roots": []})

    answered = await call(runtime, {"name": "greet", "arguments": {"n": 1}}, caller)

    assert answered.result is not None
    assert json.loads(answered.result) == {
        "content": [],
        "heard": {"r0": {"model": "m"}, "r1": {"roots": []}},
        "state": "opaque-1",
        "_meta": {"vendor/x": 1},
    }
    assert sorted(caller.asked) == sorted(asked.items())
    assert [message["params"]["arguments"] for message in upstream.messages("tools/call")] == [{"n": 1}, {"n": 1}]


async def test_an_older_client_that_refuses_to_be_asked_gets_an_error_that_says_so(
    world: World, upstream: WebUpstream
) -> None:
    requests = {"r": {"method": "elicitation/create", "params": {}}}
    upstream.on["tools/call"] = always({"resultType": "input_required", "inputRequests": requests})
    runtime = await world.open()

    with pytest.raises(UpstreamBroken, match="elicitation/create, which the client refuses"):
        await call(runtime, {"name": "greet"}, Asker())


async def test_an_upstream_that_asks_for_ever_is_given_up(
    world: World, upstream: WebUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modern, "MOST_ROUNDS", 3)
    requests = {"r": {"method": "roots/list", "params": {}}}
    upstream.on["tools/call"] = always({"resultType": "input_required", "inputRequests": requests})
    runtime = await world.open()

    with pytest.raises(UpstreamBroken, match="asks without an end"):
        await call(runtime, {"name": "greet"}, Asker(roots_list={"roots": []}))

    assert len(upstream.messages("tools/call")) == 3


async def test_what_it_announces_is_heard_on_a_stream_of_its_own(world: World, upstream: WebUpstream) -> None:
    async def announce(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        stream = await streaming(request)
        meta = {RESERVED + "subscriptionId": message["id"]}
        updated = {"uri": "x:y", "_meta": meta}
        for method, params in (("tools/list_changed", {"_meta": meta}), ("resources/updated", updated)):
            await event(stream, {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params})
        await asyncio.Event().wait()  # until the other side leaves
        return stream

    upstream.on["subscriptions/listen"] = announce
    runtime = await world.open()

    await call(runtime, {"uri": "x:y"}, method="resources/subscribe")

    await until(lambda: len(world.heard.frames) >= 2, within=5, what="both announcements")
    wanted = upstream.messages("subscriptions/listen")[-1]["params"]["notifications"]
    assert wanted["resourceSubscriptions"] == ["x:y"]
    assert wanted["toolsListChanged"]
    heard = [json.loads(frame) for frame in world.heard.frames[:2]]
    assert "params" not in heard[0]
    assert heard[1]["params"] == {"uri": "x:y"}
