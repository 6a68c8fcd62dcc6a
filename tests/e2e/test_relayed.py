"""What belongs to a call besides its arguments and its result, through a running hub to every kind of server."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.doorman import Doorman
from tests.support.ide import Ide, frames_of
from tests.support.peers import python_client
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

RESERVED = "io.modelcontextprotocol/"
PARENT, STATE = f"00-{'a1' * 16}-{'b2' * 8}-01", "vendor=1"
KINDS = ["stdio", "streamable-http", "sse", "newest"]


@dataclass
class Scene:
    """One server of each kind, and who calls them."""

    names: dict[str, str]
    person: Person


@pytest.fixture(scope="module")
def scene(hub: RunningHub, upstreams: Upstreams) -> Iterator[Scene]:
    names = {
        kind: f"carried-{short}"
        for kind, short in zip([*KINDS, "openapi"], ["near", "far", "old", "new", "rest"], strict=True)
    }
    hub.admin.add_servers(
        {
            names["stdio"]: upstreams.stdio(names["stdio"], "roots"),
            names["streamable-http"]: upstreams.http(names["streamable-http"], "roots").config(),
            names["sse"]: upstreams.sse(names["sse"], "roots").config(),
            names["newest"]: upstreams.newest(names["newest"]).config(),
            names["openapi"]: upstreams.rest(names["openapi"]).config(),
        }
    )
    yield Scene(names, hub.admin.user("carried"))
    hub.admin.remove_servers(*names.values())


async def arrived(ide: Ide, name: str, meta: dict[str, Any], **headers: str) -> dict[str, Any]:
    """What a server says reached it."""
    params = {"name": f"{name}__whoami", "arguments": {}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    [answer] = frames_of(await ide.post(message, **headers))
    found: dict[str, Any] = json.loads(answer["result"]["content"][0]["text"])
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sent_in", ["header", "_meta"])
async def test_a_trace_goes_on_at_the_server(hub: RunningHub, scene: Scene, kind: str, sent_in: str) -> None:
    trace = {"traceparent": PARENT, "tracestate": STATE}
    meta, headers = (trace, {}) if sent_in == "_meta" else ({}, trace)

    async with Ide(f"{hub.mcp}?mode=tools", scene.person.key()) as ide:
        found = await arrived(ide, scene.names[kind], meta, **headers)

    assert trace.items() <= found["meta"].items()
    if kind != "stdio":
        assert trace.items() <= found["facts"].items()


async def test_a_trace_goes_on_at_a_rest_service(hub: RunningHub, scene: Scene, recorder: Recorder) -> None:
    name, trace = scene.names["openapi"], {"traceparent": PARENT, "tracestate": STATE}
    begun = recorder.mark()

    async with Ide(f"{hub.mcp}?mode=tools", scene.person.key()) as ide:
        params = {"name": f"{name}__whoami", "arguments": {}}
        await ide.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, **trace)

    [call] = recorder.calls(name, since=begun)
    assert trace.items() <= call.facts.items()


@pytest.mark.parametrize("kind", ["stdio", "streamable-http", "sse"])
async def test_what_a_client_says_to_its_neighbour_reaches_no_server_behind_it(
    hub: RunningHub, scene: Scene, kind: str
) -> None:
    """Some servers refuse a request with a revision in its `_meta` on a session of an older one."""
    passed = {RESERVED + "related-task": {"taskId": "1"}, "vendor/x": "kept"}
    meta = {RESERVED + "protocolVersion": "2026-07-28", RESERVED + "clientInfo": {"name": "x"}, **passed}

    async with Ide(f"{hub.mcp}?mode=tools", scene.person.key()) as ide:
        found = await arrived(ide, scene.names[kind], meta)

    assert {name: said for name, said in found["meta"].items() if name in meta} == passed


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_an_argument_that_a_server_wants_in_a_header_is_there_however_its_tool_is_called(
    hub: RunningHub, scene: Scene, mode: str
) -> None:
    name, key = scene.names["newest"], scene.person.key()
    said = []

    for url, tool, arguments in (
        (f"{hub.mcp}?mode=tools", f"{name}__deploy", {"region": "eu"}),
        (f"{hub.mcp}/{name}", "deploy", {"region": "eu"}),
        (hub.mcp, f"server_{name}", {"tool_name": "deploy", "arguments": {"region": "eu"}}),
    ):
        async with python_client(url, key, mode=mode) as ide:
            await ide.list_tools()
            result = await ide.call_tool(tool, arguments)
            said.append(result.content[0].model_dump()["text"])

    assert said == ["deployed to eu"] * 3


@pytest.mark.parametrize("own_address", [False, True])
@pytest.mark.parametrize("kind", ["stdio", "streamable-http", "sse"])
async def test_a_server_hears_that_roots_changed_and_asks_for_them_between_calls(
    hub: RunningHub, scene: Scene, recorder: Recorder, kind: str, own_address: bool
) -> None:
    name, begun = scene.names[kind], recorder.mark()
    url, tool = (f"{hub.mcp}/{name}", "echo") if own_address else (f"{hub.mcp}?mode=tools", f"{name}__echo")
    roots = {"roots": [{"uri": f"file:///of-{kind}-{own_address}"}]}

    ide = Ide(url, scene.person.key())
    await ide.open({"roots": {"listChanged": True}})
    await ide.follow()
    await ide.call(tool, text="here")  # among several servers they are opened when they are needed
    answering = asyncio.create_task(answered(ide, roots))
    try:
        await ide.notify("notifications/roots/list_changed")
        await until(
            lambda: recorder.received(server=name, event="answer", since=begun),
            within=20,
            what="the answer of the client",
        )
    finally:
        answering.cancel()
        await ide.close()

    [answer] = recorder.received(server=name, event="answer", since=begun)
    assert answer.params == roots
    assert {asked["method"] for asked in questions(ide)} == {"roots/list"}


def questions(ide: Ide) -> list[dict[str, Any]]:
    return [message for _, message in ide.messages if "id" in message]


async def answered(ide: Ide, result: dict[str, Any]) -> None:
    """Answers everything that is asked on the session's stream; several servers may ask."""
    done = 0
    while True:
        await until(lambda done=done: len(questions(ide)) > done, within=60, what="a question")
        await ide.post({"jsonrpc": "2.0", "id": questions(ide)[done]["id"], "result": result})
        done += 1


async def test_a_refused_value_leads_to_the_page_where_it_is_entered_and_the_client_hears_that_it_was(
    hub: RunningHub,
) -> None:
    name, person = "carried-door", hub.admin.user("refused")
    with Doorman("good") as doorman:
        hub.admin.add_servers({name: doorman.config("USER_DOOR_TOKEN")})
        person.save(name, USER_DOOR_TOKEN="out-of-date")
        ide, plain = Ide(f"{hub.mcp}?mode=tools", person.key()), Ide(f"{hub.mcp}?mode=tools", person.key())
        try:
            await ide.open({"elicitation": {"url": {}}})
            await ide.follow()
            await plain.open()
            told = await plain.call(f"{name}__knock")
            response = await ide.post(
                {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"{name}__knock"}}
            )
            [error] = [frame["error"] for frame in frames_of(response)]
            await asyncio.to_thread(person.save, name, USER_DOOR_TOKEN="good")
            await until(lambda: ide.heard("notifications/elicitation/complete"), within=20, what="the news")
            answer = await ide.text(f"{name}__knock")
        finally:
            await ide.close()
            await plain.close()
            hub.admin.remove_servers(name)

    [page] = error["data"]["elicitations"]
    [done] = [frame for _, frame in ide.messages if frame["method"] == "notifications/elicitation/complete"]
    assert told["isError"]
    assert "does not accept your USER_DOOR_TOKEN: it answered HTTP 401" in told["content"][0]["text"]
    assert f"/settings#{name}" in told["content"][0]["text"]
    assert (error["code"], page["url"].partition("#")[2]) == (-32042, name)
    assert done["params"] == {"elicitationId": page["elicitationId"]}
    assert answer == "come in"
    assert "out-of-date" not in json.dumps([told, error])
