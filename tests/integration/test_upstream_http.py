"""One conversation over Streamable HTTP with a server that does what a test wants."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from mcphub.gateway.upstream import http, streamed
from mcphub.gateway.upstream.http import HttpRuntime
from mcphub.gateway.upstream.runtime import (
    Identity,
    Reply,
    UpstreamBroken,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.transport import Guard, GuardedTransport
from tests.support.raw_upstreams import (
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
from tests.support.waiting import slower, until

CHANGED = "notifications/tools/list_changed"


@pytest.fixture
async def upstream() -> AsyncIterator[WebUpstream]:
    async with web_upstream() as made:
        yield made


class World:
    """Opens conversations and closes them at the end."""

    def __init__(self, upstream: WebUpstream) -> None:
        self.upstream = upstream
        self.heard = Heard()
        self.transport = GuardedTransport(Guard())
        self.opened: list[HttpRuntime] = []

    async def open(
        self, who: Identity | None = None, *, listens: bool = False, shared: bool = False, **config: Any
    ) -> HttpRuntime:
        made = spec("raw", type="streamable-http", **{"url": self.upstream.url, **config})
        whom = who or identity()
        runtime = HttpRuntime(
            made,
            whom,
            injecting(made, TOKEN="value-of-ann")(),
            self.transport,
            self.heard,
            user_id=None if shared else whom.user_id,
            hub_version="1",
            listens=listens,
        )
        self.opened.append(runtime)
        await runtime.open()
        return runtime

    async def close(self) -> None:
        for runtime in self.opened:
            await runtime.close("the test is over", at_once=True)
        await self.transport.close()


@pytest.fixture
async def world(upstream: WebUpstream) -> AsyncIterator[World]:
    made = World(upstream)
    yield made
    await made.close()


async def call(
    runtime: HttpRuntime,
    method: str = "tools/call",
    params: dict[str, Any] | None = None,
    caller: Asker | None = None,
    *,
    timeout: float = 5,  # noqa: ASYNC109
    **more: Any,
) -> Reply:
    raw = json.dumps(params or {}).encode()
    return await runtime.call(
        method, raw, caller or Asker(), timeout=timeout, reset_on_progress=True, max_total=30, **more
    )


# beginning


async def test_a_conversation_begins_with_the_clients_own_words_and_goes_on_in_its_session(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open()
    await call(runtime, "tools/list")

    [first], [second] = upstream.messages("initialize"), upstream.messages("notifications/initialized")
    assert first["params"] == json.loads(identity().client_params)
    assert "id" not in second
    assert "mcp-session-id" not in upstream.headers("initialize")
    assert upstream.headers("notifications/initialized")["mcp-session-id"] == "up-1"
    assert upstream.headers("tools/list")["mcp-session-id"] == "up-1"
    assert upstream.headers("tools/list")["mcp-protocol-version"] == "2025-11-25"
    assert json.loads(runtime.initialize_result)["serverInfo"]["name"] == "raw"


async def test_the_revision_the_upstream_settles_on_is_the_one_spoken_to_it(
    world: World, upstream: WebUpstream
) -> None:
    upstream.result = {**upstream.result, "protocolVersion": "2025-03-26"}

    await call(await world.open(), "tools/list")

    assert upstream.headers("tools/list")["mcp-protocol-version"] == "2025-03-26"


async def test_an_upstream_without_sessions_is_spoken_to_without_one(world: World, upstream: WebUpstream) -> None:
    upstream.known = None

    await call(await world.open(), "tools/list")

    assert "mcp-session-id" not in upstream.headers("tools/list")


async def test_a_refusal_to_begin_says_why(world: World, upstream: WebUpstream) -> None:
    async def refuse(request: web.Request, message: dict[str, Any]) -> web.Response:
        error = {"code": -32603, "message": "licence expired"}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})

    upstream.on["initialize"] = refuse

    with pytest.raises(UpstreamBroken, match="licence expired"):
        await world.open()


# answers


async def test_results_and_errors_arrive_byte_for_byte(world: World, upstream: WebUpstream) -> None:
    odd = b'{"z":1.50,"a":[1e2,12345678901234567890],"isError":"no","x-vendor":{"k":null},"t":"\\u00e4\xc3\xa4"}'

    async def answer(request: web.Request, message: dict[str, Any]) -> web.Response:
        member = b"error" if message["params"].get("fail") else b"result"
        body = b'{"jsonrpc":"2.0","id":%d,"%b":%b}' % (message["id"], member, odd)
        return web.Response(body=body, content_type="application/json")

    upstream.on["tools/call"] = answer
    runtime = await world.open()

    assert await call(runtime) == Reply(result=odd)
    assert await call(runtime, params={"fail": True}) == Reply(error=odd)


async def test_calls_at_the_same_time_get_their_own_answers(world: World, upstream: WebUpstream) -> None:
    async def late(request: web.Request, message: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.001 * (20 - message["params"]["n"]))
        return reply(message, message["params"])

    upstream.on["tools/call"] = late
    runtime = await world.open()

    answers = await asyncio.gather(*(call(runtime, params={"n": n}) for n in range(20)))

    assert [json.loads(answer.result or b"")["n"] for answer in answers] == list(range(20))


@pytest.mark.parametrize("resumable", [False, True])
async def test_what_comes_before_the_answer_on_its_stream_reaches_the_caller_as_it_was(
    world: World, upstream: WebUpstream, resumable: bool
) -> None:
    async def stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        await out.write(b": here\n\n" + (b"id: 0\ndata: \n\n" if resumable else b""))
        await out.write(b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.50}}\n\n')
        await event(out, {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}})
        await event(out, {"jsonrpc": "2.0", "id": message["id"], "result": {"done": True}})
        return out

    upstream.on["tools/call"] = stream
    caller = Asker()

    answer = await call(await world.open(), caller=caller)

    assert answer.result == b'{"done": true}'
    assert caller.frames[0] == b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.50}}'
    assert caller.messages[1]["method"] == "notifications/message"
    assert world.heard.methods == []


async def test_news_for_everybody_in_the_middle_of_a_call_goes_to_the_listener(
    world: World, upstream: WebUpstream
) -> None:
    async def stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        await event(out, {"jsonrpc": "2.0", "method": CHANGED})
        await event(out, {"jsonrpc": "2.0", "id": message["id"], "result": {}})
        return out

    upstream.on["tools/call"] = stream
    caller = Asker()

    await call(await world.open(), caller=caller)

    assert (world.heard.methods, caller.frames) == ([CHANGED], [])


async def test_a_question_in_the_middle_of_a_call_is_answered_by_its_caller(
    world: World, upstream: WebUpstream
) -> None:
    answered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def ask(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        for number, method in enumerate(("roots/list", "ping", "sampling/createMessage")):
            await event(out, {"jsonrpc": "2.0", "id": f"q{number}", "method": method, "params": {"n": number}})
        replies = {(found := await answered.get())["id"]: found for _ in range(3)}
        await event(out, {"jsonrpc": "2.0", "id": message["id"], "result": replies})
        return out

    async def take(request: web.Request, message: dict[str, Any]) -> web.Response:
        answered.put_nowait(message)
        return web.Response(status=202)

    upstream.on["tools/call"], upstream.on["reply"] = ask, take
    caller = Asker(roots_list={"roots": ["r"]})

    answer = json.loads((await call(await world.open(), caller=caller)).result or b"")

    assert answer["q0"]["result"] == {"roots": ["r"]}
    assert answer["q1"]["result"] == {}
    assert answer["q2"]["error"]["code"] == -32601
    assert sorted(caller.asked) == [("roots/list", {"n": 0}), ("sampling/createMessage", {"n": 2})]


async def test_a_question_the_upstream_withdraws_is_no_longer_asked(world: World, upstream: WebUpstream) -> None:
    ended = asyncio.Event()

    async def hold() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def ask(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        await event(out, {"jsonrpc": "2.0", "id": 7, "method": "roots/list"})
        await until(lambda: caller.asked, within=3, what="the question arrives")
        await event(out, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        await asyncio.wait_for(ended.wait(), 3)
        await event(out, {"jsonrpc": "2.0", "id": message["id"], "result": {}})
        return out

    upstream.on["tools/call"] = ask
    caller = Asker()
    caller.hold = hold

    await call(await world.open(), caller=caller)

    assert caller.frames == []


# what is no answer


@pytest.mark.parametrize(
    ("status", "body", "kind", "why"),
    [
        (202, b"", None, "HTTP 202"),
        (200, b"<html>", "text/html", "text/html"),
        (200, b"not json", "application/json", "no JSON-RPC message"),
        (200, b'{"jsonrpc":"2.0","id":999,"result":{}}', "application/json", "another request"),
        (200, b'data: {"jsonrpc"\n\n', "text/event-stream", "no JSON-RPC message"),
        (200, b'{"jsonrpc":"2.0","id":2,"error":"boom"}', "application/json", "error that is no object"),
        (400, b"nope", "text/plain", "HTTP 400"),
        (401, b"", None, "HTTP 401: the values saved for it may be wrong"),
        (404, b"", None, "HTTP 404"),
    ],
)
async def test_what_is_no_answer_is_said_so(
    world: World, upstream: WebUpstream, status: int, body: bytes, kind: str | None, why: str
) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(status=status, body=body, content_type=kind)

    upstream.known, upstream.on["tools/call"] = None, answer

    with pytest.raises(UpstreamBroken, match=why):
        await call(await world.open())


async def test_noise_on_a_stream_is_no_reason_to_give_up_on_the_answer(world: World, upstream: WebUpstream) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        await out.write(b"data: this is no JSON\n\n")
        await event(out, {"jsonrpc": "2.0", "id": str(message["id"]), "result": {"fine": True}})
        return out

    upstream.on["tools/call"] = answer

    assert (await call(await world.open())).result == b'{"fine": true}'


async def test_a_server_error_leaves_the_outcome_open(world: World, upstream: WebUpstream) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(status=503)

    upstream.on["tools/call"] = answer
    with pytest.raises(UpstreamUnreachable) as caught:
        await call(await world.open())

    assert caught.value.sent
    assert len(upstream.messages("tools/call")) == 1


async def test_an_error_object_with_another_status_is_relayed(world: World, upstream: WebUpstream) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.json_response({"id": None, "error": {"code": -32602, "message": "bad"}}, status=400)

    upstream.on["tools/call"] = answer

    assert (await call(await world.open())).error == b'{"code": -32602, "message": "bad"}'


@pytest.mark.parametrize(("status", "words", "refused"), [(401, True, True), (403, True, False), (403, False, True)])
async def test_who_is_not_known_by_the_values_is_refused_and_who_may_not_do_something_is_told_so(
    world: World, upstream: WebUpstream, status: int, words: bool, refused: bool
) -> None:
    async def answer(request: web.Request, message: dict[str, Any]) -> web.Response:
        error = {"error": {"code": -32001, "message": "no"}} if words else {}
        return web.json_response({"id": None, **error}, status=status)

    upstream.on["tools/call"] = answer
    runtime = await world.open()

    if refused:
        with pytest.raises(UpstreamRefused, match=f"HTTP {status}"):
            await call(runtime)
    else:
        assert (await call(runtime)).error == b'{"code": -32001, "message": "no"}'


async def test_an_answer_beyond_the_limit_is_not_held(
    world: World, upstream: WebUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = web.StreamResponse(headers={"Content-Type": "application/json"})
        await out.prepare(request)
        while True:
            await out.write(b" " * (1 << 20))

    upstream.on["tools/call"] = endless

    with pytest.raises(UpstreamBroken, match="larger than"):
        await call(await world.open(), timeout=20)


async def test_a_compressed_answer_counts_unpacked(world: World, upstream: WebUpstream) -> None:
    """The hub asks for none, so whoever sends one anyway may be up to something."""
    packed = gzip.compress(b" " * 100_000)

    async def answer(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(body=packed, content_type="application/json", headers={"Content-Encoding": "gzip"})

    upstream.on["tools/call"] = answer
    runtime = await world.open()
    body = b'{"jsonrpc":"2.0","id":2,"method":"tools/call"}'
    response = await world.transport.send("POST", runtime._url, runtime._headers.of(None, None), body)

    assert upstream.headers("initialize")["accept-encoding"] == "identity"
    assert len(packed) < 10_000
    with pytest.raises(UpstreamBroken, match="larger than"):
        await response.read(10_000)


# sessions that are lost


@pytest.mark.parametrize("status", [404, 400])
async def test_a_session_the_upstream_forgot_is_opened_anew_and_the_call_made_once_more(
    world: World, upstream: WebUpstream, status: int
) -> None:
    runtime = await world.open()
    upstream.unknown_status = status
    assert upstream.known is not None
    upstream.known.clear()

    answers = await asyncio.gather(*(call(runtime, "tools/list") for _ in range(5)))

    assert all(answer.result for answer in answers)
    assert len(upstream.messages("initialize")) == 2
    assert upstream.headers("tools/list")["mcp-session-id"] == "up-2"


async def test_what_the_client_asked_of_the_lost_session_is_asked_of_the_new_one(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open()
    await call(runtime, "resources/subscribe", {"uri": "a"})
    await call(runtime, "resources/subscribe", {"uri": "b"})
    await call(runtime, "resources/unsubscribe", {"uri": "b"})
    await call(runtime, "logging/setLevel", {"level": "info"})
    await call(runtime, "logging/setLevel", {"level": "error"})
    assert upstream.known is not None
    upstream.known.clear()
    upstream.seen.clear()

    await call(runtime, "tools/list")

    def wished() -> list[Any]:
        names = ("resources/subscribe", "resources/unsubscribe", "logging/setLevel")
        return [message["params"] for name in names for message in upstream.messages(name)]

    await until(lambda: len(wished()) == 2, within=3, what=lambda: str(wished()))
    assert wished() == [{"uri": "a"}, {"level": "error"}]


async def test_an_upstream_that_forgets_every_session_is_not_asked_for_ever(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open()
    upstream.known = set()

    async def forgetful(request: web.Request, message: dict[str, Any]) -> web.Response:
        response = upstream.initialized(message)
        upstream.known = set()
        return response

    upstream.on["initialize"] = forgetful

    with pytest.raises(UpstreamBroken, match="forgets"):
        await call(runtime)
    assert len(upstream.messages("initialize")) == 2


async def test_after_a_failed_reopening_the_next_call_tries_again(world: World, upstream: WebUpstream) -> None:
    runtime = await world.open()
    assert upstream.known is not None
    upstream.known.clear()

    async def down(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(status=503)

    upstream.on["initialize"] = down
    with pytest.raises(UpstreamUnreachable):
        await call(runtime)
    del upstream.on["initialize"]

    assert (await call(runtime)).result is not None


async def test_a_call_that_may_have_been_made_is_never_made_again(world: World, upstream: WebUpstream) -> None:
    async def hang_up(request: web.Request, message: dict[str, Any]) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    upstream.on["tools/call"] = hang_up
    with pytest.raises(UpstreamUnreachable) as caught:
        await call(await world.open())

    assert caught.value.sent
    assert len(upstream.messages("tools/call")) == 1


async def test_a_call_that_found_nobody_says_that_nothing_was_sent(world: World, upstream: WebUpstream) -> None:
    runtime = await world.open()
    runtime._url = runtime._url.with_port(1)

    with pytest.raises(UpstreamUnreachable) as caught:
        await call(runtime)

    assert not caught.value.sent
    assert runtime.trouble


# redirects


async def test_a_redirect_within_the_origin_keeps_method_headers_and_body(world: World, upstream: WebUpstream) -> None:
    async def moved(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        if request.path == "/mcp":
            return web.Response(status=308, headers={"Location": "/mcp/"})
        return reply(message, message["params"])

    upstream.on["tools/call"] = moved
    runtime = await world.open(headers={"Authorization": "Bearer ${USER_TOKEN}"})

    answer = await call(runtime, params={"a": 1})

    assert json.loads(answer.result or b"") == {"a": 1}
    assert upstream.headers("tools/call")["authorization"] == "Bearer value-of-ann"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_is_refused_and_nothing_is_carried_there(
    world: World, upstream: WebUpstream, status: int
) -> None:
    async with web_upstream() as other:

        async def away(request: web.Request, message: dict[str, Any]) -> web.Response:
            return web.Response(status=status, headers={"Location": other.url})

        upstream.on["tools/call"] = away
        with pytest.raises(UpstreamBroken, match="redirects"):
            await call(await world.open(headers={"Authorization": "Bearer ${USER_TOKEN}"}))

        assert other.seen == []


async def test_a_circle_of_redirects_ends(world: World, upstream: WebUpstream) -> None:
    async def around(request: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(status=307, headers={"Location": "/mcp"})

    upstream.on["tools/call"] = around

    with pytest.raises(UpstreamBroken, match="more than"):
        await call(await world.open())


# time


async def test_a_call_that_takes_too_long_ends_and_the_upstream_is_told(world: World, upstream: WebUpstream) -> None:
    async def never(request: web.Request, message: dict[str, Any]) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    upstream.on["tools/call"] = never
    runtime = await world.open()

    with pytest.raises(UpstreamTimeout):
        await call(runtime, timeout=0.05)

    await until(lambda: upstream.messages("notifications/cancelled"), within=3, what="the upstream is told")
    [sent] = upstream.messages("tools/call")
    assert upstream.messages("notifications/cancelled")[0]["params"]["requestId"] == sent["id"]


async def test_a_call_that_is_cancelled_is_cancelled_upstream(world: World, upstream: WebUpstream) -> None:
    gone = asyncio.Event()

    async def never(request: web.Request, message: dict[str, Any]) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    upstream.on["tools/call"] = never
    runtime = await world.open()
    task = asyncio.create_task(call(runtime))
    await until(lambda: upstream.messages("tools/call"), within=3, what="the call arrives")
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: upstream.messages("notifications/cancelled"), within=3, what="the upstream is told")
    await asyncio.wait_for(gone.wait(), 3)


async def test_progress_keeps_a_long_call_going(world: World, upstream: WebUpstream) -> None:
    async def slow(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        for step in range(8):
            await asyncio.sleep(0.06)
            await event(out, {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": step}})
        await event(out, {"jsonrpc": "2.0", "id": message["id"], "result": {}})
        return out

    upstream.on["tools/call"] = slow

    assert (await call(await world.open(), timeout=0.3)).result == b"{}"


# broken streams


async def test_a_stream_that_breaks_is_taken_up_where_it_was(world: World, upstream: WebUpstream) -> None:
    asked: list[dict[str, Any]] = []

    async def breaks(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        asked.append(message)
        out = await streaming(request)
        await out.write(b"retry: 10\n\n")
        await event(out, {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"n": 1}}, id_="e1")
        return out

    async def rest(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        await event(out, {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"n": 2}}, id_="e2")
        await event(out, {"jsonrpc": "2.0", "id": asked[0]["id"], "result": {"whole": True}}, id_="e3")
        return out

    upstream.on["tools/call"], upstream.on["GET"] = breaks, rest
    caller = Asker()

    answer = await call(await world.open(), caller=caller)

    assert answer.result == b'{"whole": true}'
    assert [message["params"]["n"] for message in caller.messages] == [1, 2]
    [headers] = [headers for method, headers, _ in upstream.seen if method == "GET"]
    assert headers["last-event-id"] == "e1"
    assert len(asked) == 1


async def test_a_stream_that_keeps_breaking_is_given_up(
    world: World, upstream: WebUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "RESUME_AFTER", 0.01)

    async def breaks(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        if request.method == "POST":
            await out.write(b"id: 1\ndata: \n\n")
        return out

    upstream.on["tools/call"] = upstream.on["GET"] = breaks
    with pytest.raises(UpstreamUnreachable) as caught:
        await call(await world.open())

    assert caught.value.sent
    assert len([1 for method, _, _ in upstream.seen if method == "GET"]) == streamed.RESUMES


async def test_a_stream_without_ids_that_breaks_leaves_the_outcome_open(world: World, upstream: WebUpstream) -> None:
    async def breaks(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        return await streaming(request)

    upstream.on["tools/call"] = breaks
    with pytest.raises(UpstreamUnreachable) as caught:
        await call(await world.open())

    assert caught.value.sent


async def test_the_connection_of_a_streamed_answer_is_used_again(world: World, upstream: WebUpstream) -> None:
    ports: set[int] = set()

    async def stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        out = await streaming(request)
        await event(out, {"jsonrpc": "2.0", "id": message["id"], "result": {}})
        return out

    upstream.on["tools/call"] = stream
    runtime = await world.open()
    for _ in range(10):
        await call(runtime)
        await asyncio.sleep(0.005)

    assert len(ports) <= 2


# its own stream


async def listened(upstream: WebUpstream) -> "asyncio.Queue[dict[str, Any] | None]":
    """What is put here is said on the upstream's own stream; None ends the stream."""
    said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def own(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        out = await streaming(request)
        while (message := await said.get()) is not None:
            await event(out, message, id_="own-1")
        return out

    upstream.on["GET"] = own
    return said


def gets(upstream: WebUpstream) -> list[dict[str, str]]:
    return [headers for method, headers, _ in upstream.seen if method == "GET"]


async def test_news_outside_any_call_are_heard_and_the_stream_is_opened_again_when_it_ends(
    world: World, upstream: WebUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LISTEN_AGAIN", (0.01, 0.02))
    said = await listened(upstream)
    runtime = await world.open(listens=True)
    assert gets(upstream) == []
    await call(runtime, "tools/list")
    said.put_nowait({"jsonrpc": "2.0", "method": CHANGED})
    await until(lambda: world.heard.methods == [CHANGED], within=3, what="the news arrive")
    said.put_nowait(None)

    await until(lambda: len(gets(upstream)) == 2, within=3, what="it listens again")
    assert gets(upstream)[1]["last-event-id"] == "own-1"
    assert gets(upstream)[0]["accept"] == "text/event-stream"


async def test_a_question_on_that_stream_goes_to_the_newest_call_and_else_to_nobody(
    world: World, upstream: WebUpstream
) -> None:
    said = await listened(upstream)
    release = asyncio.Event()

    async def wait(request: web.Request, message: dict[str, Any]) -> web.Response:
        await release.wait()
        return reply(message, {})

    upstream.on["tools/call"] = wait
    runtime = await world.open(listens=True)
    await call(runtime, "tools/list")
    await until(lambda: gets(upstream), within=3, what="it listens")

    def replies() -> dict[str, Any]:
        return {
            message["id"]: message for _, _, message in upstream.seen if "id" in message and "method" not in message
        }

    said.put_nowait({"jsonrpc": "2.0", "id": "early", "method": "roots/list"})
    await until(lambda: "early" in replies(), within=3, what="nobody answers")
    caller = Asker(roots_list={"roots": []})
    running = asyncio.create_task(call(runtime, caller=caller))
    await until(lambda: upstream.messages("tools/call"), within=3, what="the call is under way")
    said.put_nowait({"jsonrpc": "2.0", "id": "late", "method": "roots/list"})
    await until(lambda: "late" in replies(), within=3, what="the caller answers")
    release.set()
    await running

    assert replies()["early"]["error"]["code"] == -32601
    assert replies()["late"]["result"] == {"roots": []}


async def test_progress_on_that_stream_finds_its_call_by_the_token(world: World, upstream: WebUpstream) -> None:
    said = await listened(upstream)
    release = asyncio.Event()

    async def wait(request: web.Request, message: dict[str, Any]) -> web.Response:
        await release.wait()
        return reply(message, {})

    upstream.on["tools/call"] = wait
    runtime = await world.open(listens=True)
    await call(runtime, "tools/list")
    first, second = Asker(), Asker()
    running = [
        asyncio.create_task(call(runtime, params={"_meta": {"progressToken": token}}, caller=caller))
        for token, caller in (("t1", first), ("t2", second))
    ]
    await until(lambda: len(upstream.messages("tools/call")) == 2, within=3, what="both are under way")
    progress = {"progressToken": "t1", "progress": 1}
    said.put_nowait({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
    await until(lambda: first.frames, within=3, what="progress arrives")
    release.set()
    await asyncio.gather(*running)

    assert second.frames == []


async def test_an_upstream_that_has_no_such_stream_is_asked_for_it_once(world: World, upstream: WebUpstream) -> None:
    runtime = await world.open(listens=True)

    for _ in range(3):
        await call(runtime, "tools/list")
    await until(lambda: gets(upstream), within=3, what="it is asked")
    for _ in range(3):
        await call(runtime, "tools/list")

    assert len(gets(upstream)) == 1


async def test_an_upstream_that_promises_no_news_is_not_listened_to(world: World, upstream: WebUpstream) -> None:
    upstream.result = {**upstream.result, "capabilities": {"tools": {}}}
    runtime = await world.open(listens=True)

    await call(runtime, "tools/list")
    await call(runtime, "tools/list")

    assert gets(upstream) == []


# ending


async def test_the_end_is_told_to_the_upstream(world: World, upstream: WebUpstream) -> None:
    runtime = await world.open()

    await runtime.close("over")

    [headers] = [headers for method, headers, _ in upstream.seen if method == "DELETE"]
    assert headers["mcp-session-id"] == "up-1"


async def test_an_upstream_that_does_not_answer_goodbye_holds_nobody_up(world: World, upstream: WebUpstream) -> None:
    async def never(request: web.Request, message: dict[str, Any]) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    upstream.on["DELETE"] = upstream.on["tools/call"] = never
    runtime = await world.open()
    running = asyncio.create_task(call(runtime, timeout=30))
    await until(lambda: upstream.messages("tools/call"), within=3, what="the call is under way")
    began = time.monotonic()

    await runtime.close("user_deactivated", at_once=True)

    assert time.monotonic() - began < 0.9 * slower()
    with pytest.raises(UpstreamUnreachable, match="user_deactivated") as caught:
        await running
    assert caught.value.sent


async def test_whom_a_shared_conversation_serves_is_said_call_by_call_and_nowhere_else(
    world: World, upstream: WebUpstream
) -> None:
    runtime = await world.open(shared=True)
    await call(runtime, "tools/list", identity=identity("bob", "s-bob"))

    assert "x-mcphub-user-id" not in upstream.headers("initialize")
    assert upstream.headers("tools/list")["x-mcphub-user-id"] == "bob"
    await runtime.close("over")
    assert "x-mcphub-user-id" not in upstream.seen[-1][1]
