"""Servers over HTTP+SSE and REST services described by OpenAPI, through a running hub: whose values go where."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.ide import Ide, RpcError, sessions
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import HttpServer, Upstreams

pytestmark = pytest.mark.slow

PETSTORE = Path(__file__).parents[1] / "fixtures" / "openapi" / "petstore.yaml"
KEY = {"type": "apiKey", "apiKey": {"name": "X-Key", "in": "header", "value": "${USER_SERVICE_TOKEN}"}}
USERS, CALLS = 6, 8

Serve = Callable[..., None]
Fresh = Callable[[str], str]
MakeUser = Callable[[str], Person]


def kinds(upstreams: Upstreams, serve: Serve, fresh_name: Fresh, **more: Any) -> dict[str, HttpServer]:
    """One server of each kind that is reached over HTTP, with the user's token in a header; by kind."""
    made = {
        "streamable-http": upstreams.http(fresh_name("far")),
        "sse": upstreams.sse(fresh_name("old")),
        "openapi": upstreams.rest(fresh_name("rest")),
    }
    header = {"headers": {"X-Key": "${USER_SERVICE_TOKEN}"}}
    serve(
        {
            server.name: server.config(**({"security": KEY} if kind == "openapi" else header), **more)
            for kind, server in made.items()
        }
    )
    return made


async def test_interleaved_calls_of_users_reach_every_kind_with_their_own_value_only(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh
) -> None:
    servers = [server.name for server in kinds(upstreams, serve, fresh_name).values()]
    begun = recorder.mark()
    people = [make_user("crowd") for _ in range(USERS)]
    secret = {person.id: f"canary-{secrets.token_hex(8)}" for person in people}
    for person in people:
        for server in servers:
            person.save(server, USER_SERVICE_TOKEN=secret[person.id])

    async with sessions(f"{hub.mcp}?mode=tools", [person.key() for person in people]) as ides:
        answers = await asyncio.gather(
            *(
                ide.text(f"{server}__whoami", nonce=f"{secret[person.id]}-{number}")
                for number in range(CALLS)
                for server in servers
                for person, ide in zip(people, ides, strict=True)
            )
        )

    asked = [person for _ in range(CALLS) for _ in servers for person in people]
    for person, answer in zip(asked, answers, strict=True):
        assert secret[person.id] in answer
        assert not [other for other in people if other is not person and secret[other.id] in answer]
    received = [call for call in recorder.calls(since=begun) if call.server in servers]
    assert len(received) == USERS * CALLS * len(servers)
    for call in received:
        assert call.facts["x-key"] == secret[call.facts["x-mcphub-user-id"]]


IDENTITY = {
    *("x-mcphub-user-id", "x-mcphub-user-session-id", "x-mcphub-session-id", "x-mcphub-request-id"),
    *("x-mcphub-timestamp", "x-mcphub-source-server", "x-mcphub-protocol-version", "x-mcphub-user-groups"),
    "traceparent",
}
TRANSPORT = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "x-key"}
OWN = {
    "streamable-http": TRANSPORT | {"mcp-session-id", "mcp-protocol-version"},
    "sse": TRANSPORT,
    "openapi": TRANSPORT,
}


@pytest.mark.parametrize(
    ("mode", "said"),
    [("identity", IDENTITY), ("tokens", IDENTITY | {"x-mcphub-service-token"}), ("none", set())],
)
async def test_the_headers_of_a_call_are_exactly_these_on_every_kind(
    hub: RunningHub,
    recorder: Recorder,
    upstreams: Upstreams,
    serve: Serve,
    make_user: MakeUser,
    fresh_name: Fresh,
    mode: str,
    said: set[str],
) -> None:
    servers = kinds(upstreams, serve, fresh_name, mcphub={"contextHeaders": mode})
    person = make_user("headers")
    value = f"canary-{secrets.token_hex(8)}"
    for server in servers.values():
        person.save(server.name, USER_SERVICE_TOKEN=value)

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        for kind, server in servers.items():
            arguments = {"body": {"text": "x"}} if kind == "openapi" else {"text": "x"}
            await ide.call(f"{server.name}__echo", **arguments)

    for kind, server in servers.items():
        [call] = recorder.calls(server.name)
        assert set(call.facts) == OWN[kind] | said, kind
        assert person.key() not in json.dumps(call.facts)
        if mode != "none":
            assert call.facts["x-mcphub-user-id"] == person.id
            assert call.facts["x-mcphub-source-server"] == server.name


async def test_what_an_sse_server_says_and_asks_in_a_call_reaches_the_client(
    hub: RunningHub, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh
) -> None:
    name = fresh_name("old")
    serve({name: upstreams.sse(name).config()})

    async with Ide(f"{hub.mcp}?mode=tools", make_user("asked").key()) as ide:
        _, frames = await ide.exchange(
            "tools/call",
            {"name": f"{name}__progress", "arguments": {"steps": 3}, "_meta": {"progressToken": "mine"}},
        )

    told = [frame["params"] for frame in frames if frame.get("method") == "notifications/progress"]
    assert [(params["progressToken"], params["progress"]) for params in told] == [("mine", 1), ("mine", 2), ("mine", 3)]


async def test_an_sse_server_that_was_killed_is_reached_again_by_the_next_call(
    hub: RunningHub, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh
) -> None:
    name = fresh_name("old")
    server = upstreams.sse(name)
    serve({name: server.config()})

    async with Ide(f"{hub.mcp}?mode=tools", make_user("patient").key()) as ide:
        assert await ide.text(f"{name}__echo", text="before") == "before"
        hanging = asyncio.create_task(ide.call(f"{name}__hang"))
        await until_called(ide, upstreams.recorder, name, "hang")
        server.kill()
        lost = await hanging
        server.start()
        after = await answered_again(ide, f"{name}__echo", text="after")

    assert lost["isError"]
    assert "outcome unknown" in lost["content"][0]["text"]
    assert after == "after"


async def until_called(ide: Ide, recorder: Recorder, server: str, tool: str) -> None:
    end = time.monotonic() + 10
    while not recorder.calls(server, tool):
        assert time.monotonic() < end, f"{tool} was not called"
        await asyncio.sleep(0.02)


async def answered_again(ide: Ide, tool: str, **arguments: Any) -> str:
    """The text of a call, once the pause after a failure is over."""
    end = time.monotonic() + 20
    while True:
        result = await ide.call(tool, **arguments)
        if not result.get("isError"):
            return str(result["content"][0]["text"])
        assert time.monotonic() < end, result
        await asyncio.sleep(0.1)


async def test_broken_servers_of_every_kind_never_empty_a_list(
    hub: RunningHub, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh, tmp_path: Path
) -> None:
    good, no_sse, no_rest, no_document = (fresh_name(stem) for stem in ("good", "nosse", "norest", "nodoc"))
    nonsense = tmp_path / "nonsense"
    nonsense.write_text('{"swagger": "2.0"}')
    gone = upstreams.sse(fresh_name("gone"))
    gone.kill()
    serve(
        {
            no_sse: gone.config(),
            no_rest: {"type": "openapi", "openapi": {"url": f"{gone.origin}/openapi.json"}},
            no_document: upstreams.rest(no_document, document=nonsense).config(),
            good: upstreams.rest(good).config(),
        }
    )
    person = make_user("lists")

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        names = await ide.tool_names()
        refused = await ide.call(f"{no_document}__anything")

    assert {name.partition("__")[0] for name in names if name.startswith((good, "no"))} == {good}
    assert "Swagger 2.0" in refused["content"][0]["text"]
    status = {server["name"]: server for server in hub.admin.rest.get("/api/servers")}
    assert "Swagger 2.0" in status[no_document]["error"]
    assert status[no_sse]["status"] == status[no_rest]["status"] == "error"


@pytest.mark.thorough
async def test_the_connection_test_says_how_far_it_came_on_both_kinds(
    upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh
) -> None:
    servers = kinds(upstreams, serve, fresh_name)
    person = make_user("tries")
    value = {"values": {"USER_SERVICE_TOKEN": "typed-value-1"}}

    def tried(kind: str) -> tuple[bool, str, int | None]:
        found = person.rest.post(f"/api/user-env-vars/{servers[kind].name}/test", value)
        return found["ok"], found["step"], found.get("toolCount")

    before = [tried(kind) for kind in ("sse", "openapi")]
    for kind in ("sse", "openapi"):
        servers[kind].kill()

    assert [(ok, step) for ok, step, _ in before] == [(True, "list")] * 2
    assert all(count for _, _, count in before)
    assert [tried(kind)[:2] for kind in ("sse", "openapi")] == [(False, "connect")] * 2
    assert upstreams.recorder.calls(servers["openapi"].name) == []


# a real document


async def test_a_real_document_with_a_users_api_key_lists_its_operations_and_calls_them(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh
) -> None:
    name = fresh_name("pets")
    security = {"type": "apiKey", "apiKey": {"name": "api_key", "in": "header", "value": "${USER_PET_KEY}"}}
    serve({name: upstreams.rest(name, document=PETSTORE).config(security=security)})
    person = make_user("vet")
    person.save(name, USER_PET_KEY="pet-key-of-this-user")

    async with Ide(f"{hub.mcp}/{name}", person.key()) as ide:
        tools = {tool["name"]: tool for tool in await ide.tools()}
        await ide.text("findPetsByStatus", status="sold")
        await ide.text("addPet", body={"name": "dog", "photoUrls": ["a"], "category": {"id": 1}})
        await ide.text("deletePet", petId=7)

    assert len(tools) == 19
    assert tools["addPet"]["inputSchema"]["properties"]["body"] == {"$ref": "#/$defs/Pet"}
    assert set(tools["addPet"]["inputSchema"]["$defs"]) == {"Pet", "Category", "Tag"}
    assert "api_key" not in tools["deletePet"]["inputSchema"]["properties"]
    found, added, deleted = recorder.calls(name)
    assert (found.method, found.target) == ("GET", "/api/v3/pet/findByStatus?status=sold")
    assert json.loads(added.params["body"]) == {"name": "dog", "photoUrls": ["a"], "category": {"id": 1}}
    assert (deleted.method, deleted.target) == ("DELETE", "/api/v3/pet/7")
    assert {call.facts["api_key"] for call in (found, added, deleted)} == {"pet-key-of-this-user"}


async def test_refusals_are_tool_errors_without_the_users_value_and_cycles_stay_cycles(
    hub: RunningHub, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh
) -> None:
    name = fresh_name("rest")
    serve({name: upstreams.rest(name).config(security=KEY)})
    person = make_user("refused")
    value = f"canary-{secrets.token_hex(8)}"
    person.save(name, USER_SERVICE_TOKEN=value)
    tree = {"text": "a", "children": [{"text": "b", "children": [{"text": "c"}]}]}

    async with Ide(f"{hub.mcp}/{name}", person.key()) as ide:
        tools = {tool["name"]: tool for tool in await ide.tools()}
        refused = [await ide.call("fail", status=str(status)) for status in (400, 401, 404, 429, 500, 503)]
        echoed = await ide.call("echo", body=tree)
        with pytest.raises(RpcError) as unknown:
            await ide.call("nothing")

    node = tools["echo"]["inputSchema"]["$defs"]["Node"]
    assert node["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert [result["content"][0]["text"].split()[1] for result in refused] == ["400", "401", "404", "429", "500", "503"]
    assert all(result["isError"] for result in refused)
    assert value not in json.dumps(refused)
    assert "[hidden]" in refused[0]["content"][0]["text"]
    assert echoed["structuredContent"] == tree
    assert unknown.value.code == -32602


async def test_a_changed_document_is_there_after_a_reload(
    hub: RunningHub, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Fresh, tmp_path: Path
) -> None:
    name = fresh_name("grows")
    server = upstreams.rest(name)
    serve({name: server.config()})

    async with Ide(f"{hub.mcp}/{name}", make_user("reader").key()) as ide:
        before = await ide.tool_names()
        server.kill()
        server.command += ["--tool", "more"]
        server.start()
        meanwhile = await ide.tool_names()
        hub.admin.rest.post(f"/api/servers/{name}/reload")
        after = await ide.tool_names()

    assert before == meanwhile == ["whoami", "echo", "fail", "now"]
    assert after == [*before, "more"]
