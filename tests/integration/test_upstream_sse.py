"""One conversation over HTTP+SSE with a server that does what a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from mcphub.gateway.upstream import sse
from mcphub.gateway.upstream.runtime import Identity, Reply, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from mcphub.gateway.upstream.sse import SseRuntime
from mcphub.gateway.upstream.transport import Guard, GuardedTransport
from tests.support.raw_sse import SseUpstream, sse_upstream
from tests.support.raw_upstreams import Asker, Heard, identity, injecting, spec
from tests.support.waiting import until


@pytest.fixture
async def upstream() -> AsyncIterator[SseUpstream]:
    async with sse_upstream() as made:
        yield made


class World:
    """Opens conversations and closes them at the end."""

    def __init__(self, upstream: SseUpstream) -> None:
        self.upstream = upstream
        self.heard = Heard()
        self.transport = GuardedTransport(Guard())
        self.opened: list[SseRuntime] = []
        self.over: list[str] = []

    async def open(self, who: Identity | None = None, *, shared: bool = False, **config: Any) -> SseRuntime:
        made = spec("raw", **{"type": "sse", "url": self.upstream.url, **config})
        whom = who or identity()
        runtime = SseRuntime(
            made,
            whom,
            injecting(made, TOKEN="value-of-ann", TENANT="a&b")(),
            self.transport,
            self.heard,
            user_id=None if shared else whom.user_id,
            hub_version="1",
            over=lambda ended: self.over.append(ended.ended),
        )
        self.opened.append(runtime)
        await runtime.open()
        return runtime

    async def close(self) -> None:
        for runtime in self.opened:
            await runtime.close("the test is over", at_once=True)
        await self.transport.close()


@pytest.fixture
async def world(upstream: SseUpstream) -> AsyncIterator[World]:
    made = World(upstream)
    yield made
    await made.close()


async def call(
    runtime: SseRuntime,
    method: str = "tools/call",
    params: dict[str, Any] | bytes | None = None,
    caller: Asker | None = None,
    *,
    timeout: float = 5,  # noqa: ASYNC109
    **more: Any,
) -> Reply:
    raw = params if isinstance(params, bytes) else json.dumps(params or {}).encode()
    return await runtime.call(
        method, raw, caller or Asker(), timeout=timeout, reset_on_progress=True, max_total=30, **more
    )


async def never(request: web.Request, message: dict[str, Any]) -> None:
    """202, and no answer."""


# beginning


async def test_the_stream_says_where_messages_go_and_brings_what_they_lead_to(
    world: World, upstream: SseUpstream
) -> None:
    runtime = await world.open()
    reply = await call(runtime, "tools/list", {"a": 1})

    assert upstream.targets("GET") == ["/sse"]
    assert set(upstream.targets("POST")) == {"/messages/?session_id=1"}
    assert [m["params"] for m in upstream.messages("initialize")] == [json.loads(identity().client_params)]
    assert len(upstream.messages("notifications/initialized")) == 1
    assert json.loads(reply.result or b"") == {"echo": {"a": 1}}
    assert json.loads(runtime.initialize_result)["serverInfo"]["name"] == "raw"


async def test_an_endpoint_may_be_a_whole_address_of_the_same_origin(world: World, upstream: SseUpstream) -> None:
    upstream.endpoint = upstream.url.replace("/sse", "/else%2Fwhere?s={n}")

    await world.open()

    assert upstream.targets("POST")[0] == "/else%2Fwhere?s=1"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:1/messages",
        "//elsewhere.example/messages",
        "https://127.0.0.1/messages",
        "http://ann:word@{here}/messages",  # scan:allow
        "file:///etc/passwd",
        "http://[broken",
    ],
)
async def test_an_endpoint_somewhere_else_is_refused_and_nothing_is_sent_there(
    world: World, upstream: SseUpstream, endpoint: str
) -> None:
    upstream.endpoint = endpoint.replace("{here}", upstream.url.split("/")[2])

    with pytest.raises(UpstreamBroken, match="no address of its own origin"):
        await world.open()

    assert upstream.targets("POST") == []


async def test_a_second_endpoint_changes_nothing(world: World, upstream: SseUpstream) -> None:
    runtime = await world.open()
    await upstream.say("/messages/?session_id=other", "endpoint")

    await call(runtime)

    assert set(upstream.targets("POST")) == {"/messages/?session_id=1"}


async def test_a_server_that_names_no_endpoint_is_given_up(
    world: World, upstream: SseUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "INITIALIZE_SECONDS", 0.1)
    upstream.endpoint = ""

    with pytest.raises(UpstreamTimeout):
        await world.open()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.Response(status=404), "HTTP 404"),
        (web.Response(status=401), "HTTP 401: the values saved for it may be wrong"),
        (web.Response(text="<html>"), "text/plain where a stream of events is expected"),
    ],
)
async def test_an_answer_that_is_no_stream_says_why(
    world: World, upstream: SseUpstream, answer: web.Response, why: str
) -> None:
    upstream.opening = lambda _: answer

    with pytest.raises(UpstreamBroken, match=why):
        await world.open()


async def test_a_redirect_within_the_origin_is_followed_with_its_headers(world: World, upstream: SseUpstream) -> None:
    def moved(request: web.Request) -> web.StreamResponse:
        upstream.opening = None
        return web.Response(status=307, headers={"Location": "/sse/"})

    upstream.opening = moved

    await world.open(headers={"Authorization": "Bearer ${USER_TOKEN}"})

    assert upstream.targets("GET") == ["/sse", "/sse/"]
    assert upstream.headers("GET")["authorization"] == "Bearer value-of-ann"


async def test_a_redirect_to_another_origin_is_refused(world: World, upstream: SseUpstream) -> None:
    upstream.opening = lambda _: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/sse"})

    with pytest.raises(UpstreamBroken, match="redirects"):
        await world.open()


# what goes out


async def test_values_stand_in_the_address_and_in_headers_of_stream_and_messages(
    world: World, upstream: SseUpstream
) -> None:
    runtime = await world.open(url=f"{upstream.url}?tenant=${{USER_TENANT}}", headers={"X-Api-Key": "${USER_TOKEN}"})
    await call(runtime)

    assert upstream.targets("GET") == ["/sse?tenant=a%26b"]
    for method in ("GET", "initialize", "notifications/initialized", "tools/call"):
        assert upstream.headers(method)["x-api-key"] == "value-of-ann"


async def test_each_message_says_for_whom_it_is_and_nothing_of_the_client_is_copied(
    world: World, upstream: SseUpstream
) -> None:
    runtime = await world.open(passthroughHeaders=["Accept-Language"])
    asker = Asker("req-7")
    asker.headers = {"accept-language": "ko", "authorization": "Bearer hub-key", "cookie": "a=b"}

    await call(runtime, caller=asker)

    sent = upstream.headers("tools/call")
    assert sent["x-mcphub-request-id"] == "req-7"
    assert sent["x-mcphub-user-id"] == "ann"
    assert sent["accept-language"] == "ko"
    assert not {"authorization", "cookie", "mcp-session-id", "mcp-protocol-version"} & set(sent)


async def test_payloads_arrive_as_the_bytes_they_were(world: World, upstream: SseUpstream) -> None:
    odd = '{"z":1.50e1,"a":12345678901234567890123,"a":2,"content":[{"type":"html","x-vendor":null}],"isError":"no"}'

    async def answer(request: web.Request, message: dict[str, Any]) -> None:
        await upstream.say(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{odd}}}')

    upstream.on["tools/call"] = answer

    assert (await call(await world.open())).result == odd.encode()


async def test_a_big_result_comes_whole(world: World, upstream: SseUpstream) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> None:
        await upstream.say({"jsonrpc": "2.0", "id": message["id"], "result": "x" * 3_000_000})

    upstream.on["tools/call"] = answer

    assert len((await call(await world.open())).result or b"") == 3_000_002


@pytest.mark.parametrize("kind", ["json", "events"])
async def test_a_server_that_answers_in_the_post_is_understood(world: World, upstream: SseUpstream, kind: str) -> None:
    runtime = await world.open()

    async def answer(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        frame = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"inline": True}})
        if kind == "json":
            return web.Response(text=frame, content_type="application/json")
        return web.Response(text=f"data: {frame}\n\n", content_type="text/event-stream")

    upstream.on["tools/call"] = answer

    assert (await call(runtime)).result == b'{"inline": true}'


async def test_an_error_in_the_post_is_the_answer(world: World, upstream: SseUpstream) -> None:
    runtime = await world.open()

    async def answer(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"jsonrpc": "2.0", "id": None, "error": {"code": -32602, "message": "no"}}, status=400)

    upstream.on["tools/call"] = answer

    assert json.loads((await call(runtime)).error or b"") == {"code": -32602, "message": "no"}


async def test_calls_under_way_together_get_each_their_own_answer(world: World, upstream: SseUpstream) -> None:
    waiting: list[dict[str, Any]] = []

    async def answer(request: web.Request, message: dict[str, Any]) -> None:
        waiting.append(message)
        if len(waiting) == 5:
            for one in reversed(waiting):
                await upstream.say({"jsonrpc": "2.0", "id": one["id"], "result": one["params"]["n"]})

    upstream.on["tools/call"] = answer
    runtime = await world.open()

    answers = await asyncio.gather(*(call(runtime, params={"n": n}) for n in range(5)))

    assert [json.loads(answer.result or b"") for answer in answers] == [0, 1, 2, 3, 4]


# what comes by itself


async def test_progress_reaches_the_call_that_asked_under_its_own_token(world: World, upstream: SseUpstream) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> None:
        token = message["params"]["_meta"]["progressToken"]
        params = {"progressToken": token, "progress": 1, "x-more": [1]}
        await upstream.say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        await upstream.say({"jsonrpc": "2.0", "id": message["id"], "result": {}})

    upstream.on["tools/call"] = answer
    runtime, first, second = await world.open(), Asker(), Asker()

    await asyncio.gather(
        call(runtime, params={"_meta": {"progressToken": "mine"}}, caller=first),
        call(runtime, params={"_meta": {"progressToken": 7}}, caller=second),
    )

    assert [message["params"] for message in first.messages] == [
        {"progressToken": "mine", "progress": 1, "x-more": [1]}
    ]
    assert [message["params"]["progressToken"] for message in second.messages] == [7]


async def test_a_question_is_the_clients_to_answer(world: World, upstream: SseUpstream) -> None:
    answered = asyncio.Event()

    async def ask(request: web.Request, message: dict[str, Any]) -> None:
        await upstream.say({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": {"n": 1}})
        await answered.wait()
        await upstream.say({"jsonrpc": "2.0", "id": message["id"], "result": {}})

    async def take(request: web.Request, message: dict[str, Any]) -> None:
        answered.set()

    upstream.on |= {"tools/call": ask, "reply": take}
    asker = Asker(sampling_createMessage={"text": "yes"})

    await call(await world.open(), caller=asker)

    assert asker.asked == [("sampling/createMessage", {"n": 1})]
    [answer] = [message for _, _, _, message in upstream.seen if message.get("id") == "q1"]
    assert answer["result"] == {"text": "yes"}


async def test_news_outside_calls_reaches_the_listener_and_noise_nobody(world: World, upstream: SseUpstream) -> None:
    runtime = await world.open()

    await upstream.say("this is no JSON")
    await upstream.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})

    await until(lambda: world.heard.methods, within=3, what="the news arrives")
    assert world.heard.methods == ["notifications/tools/list_changed"]
    assert runtime.noise == 1


# ending


async def test_a_call_that_takes_too_long_ends_and_the_server_is_told(world: World, upstream: SseUpstream) -> None:
    upstream.on["tools/call"] = never
    runtime = await world.open()

    with pytest.raises(UpstreamTimeout):
        await call(runtime, timeout=0.05)

    await until(lambda: upstream.messages("notifications/cancelled"), within=3, what="the server is told")
    [told], [asked] = upstream.messages("notifications/cancelled"), upstream.messages("tools/call")
    assert told["params"]["requestId"] == asked["id"]


async def test_a_cancelled_call_tells_the_server(world: World, upstream: SseUpstream) -> None:
    upstream.on["tools/call"] = never
    runtime = await world.open()
    calling = asyncio.create_task(call(runtime))
    await until(lambda: upstream.messages("tools/call"), within=3, what="the call arrives")

    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: upstream.messages("notifications/cancelled"), within=3, what="the server is told")


async def test_a_lost_stream_ends_the_calls_in_it_and_the_runtime(world: World, upstream: SseUpstream) -> None:
    upstream.on["tools/call"] = never
    runtime = await world.open()
    calling = asyncio.create_task(call(runtime))
    await until(lambda: upstream.messages("tools/call"), within=3, what="the call arrives")

    upstream.cut()

    with pytest.raises(UpstreamUnreachable, match="stream") as caught:
        await calling
    assert caught.value.sent
    assert world.over == [runtime.ended]
    with pytest.raises(UpstreamUnreachable) as later:
        await call(runtime)
    assert not later.value.sent


async def test_a_session_the_server_does_not_know_ends_the_runtime_and_nothing_was_carried_out(
    world: World, upstream: SseUpstream
) -> None:
    async def gone(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=404, text="Could not find session")

    runtime = await world.open()
    upstream.on["tools/call"] = gone

    with pytest.raises(UpstreamUnreachable, match="does not know the session") as caught:
        await call(runtime)

    assert not caught.value.sent
    assert world.over == ["it does not know the session any more"]
    assert len(upstream.messages("tools/call")) == 1


async def test_a_stream_that_answers_no_ping_is_lost(
    world: World, upstream: SseUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "PING_SECONDS", 0.05)
    runtime = await world.open()
    upstream.on["ping"] = never

    await runtime.ping()

    assert runtime.ended == "its stream does not answer any more"


async def test_closing_ends_the_stream_and_what_is_under_way(world: World, upstream: SseUpstream) -> None:
    upstream.on["tools/call"] = never
    runtime = await world.open()
    calling = asyncio.create_task(call(runtime))
    await until(lambda: upstream.messages("tools/call"), within=3, what="the call arrives")

    await runtime.close("the user is locked out", at_once=True)

    with pytest.raises(UpstreamUnreachable, match="locked out"):
        await calling
    await until(lambda: upstream.open_streams == 0, within=3, what="the stream ends")
    assert world.over == []


async def test_an_event_too_large_to_hold_ends_the_runtime_and_the_calls_in_it(
    world: World, upstream: SseUpstream
) -> None:
    async def flood(request: web.Request, message: dict[str, Any]) -> None:
        stream = upstream.streams[-1]
        await stream.write(b"data: ")
        for _ in range(17):
            await stream.write(b"x" * 1024 * 1024)

    upstream.on["tools/call"] = flood
    runtime = await world.open()

    with pytest.raises(UpstreamUnreachable, match="larger than"):
        await call(runtime)

    assert "larger than" in world.over[0]
