"""Two users with the official clients, in front of the servers most people try first.

Python: `mcp.Client`. TypeScript: `@modelcontextprotocol/sdk`. Behind: `@modelcontextprotocol/server-everything` over
stdio and over Streamable HTTP, and PyPI's `mcp-server-time` in an environment of its own.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from tests.support.peers import everything, python_client, typescript_client
from tests.support.rest import Person
from tests.support.running import RunningHub, free_port
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def everything_over_http(npm_peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    port = free_port()
    said = tmp_path_factory.mktemp("everything") / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            ["node", str(everything(npm_peers)), "streamableHttp"],
            env={**os.environ, "PORT": str(port)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        eventually(lambda: "listening" in said.read_text(), within=20, what="server-everything listens")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait(10)


@dataclass
class Scene:
    """Servers `far` (HTTP), `near` (stdio) and `clock`, and two users."""

    ann: Person
    bob: Person


@pytest.fixture(scope="module")
def real_hub(
    make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, time_server: Path
) -> Iterator[RunningHub]:
    """A hub whose operator allows the time server's own program as a command."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("real"), env={"MCPHUB_STDIO_COMMANDS": str(time_server)})
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture(scope="module")
def scene(real_hub: RunningHub, npm_peers: Path, time_server: Path, everything_over_http: str) -> Scene:
    admin = real_hub.admin
    admin.add_servers(
        {
            "far": {
                "type": "streamable-http",
                "url": everything_over_http,
                "headers": {"X-Service-Token": "${USER_FAR_TOKEN}"},
            },
            "near": {
                "command": "node",
                "args": [str(everything(npm_peers)), "stdio"],
                "env": {"NEAR_TOKEN": "${USER_NEAR_TOKEN}"},
            },
            "clock": {"command": str(time_server), "args": ["--local-timezone", "Asia/Seoul"]},
        }
    )
    return Scene(entitled(real_hub, "ann"), entitled(real_hub, "bob"))


def entitled(hub: RunningHub, username: str) -> Person:
    """A new user who has entered what the servers ask for."""
    person = hub.admin.user(username)
    person.save("far", USER_FAR_TOKEN=f"far-token-of-{username}")
    person.save("near", USER_NEAR_TOKEN=f"near-token-of-{username}")
    return person


@dataclass
class Caller:
    """One official client of one user, reduced to what both SDKs do."""

    sdk: str
    person: Person
    list_tools: Callable[[], Any]
    call: Callable[[str, dict[str, Any]], Any]


@asynccontextmanager
async def connected(real_hub: RunningHub, scene: Scene, npm_peers: Path) -> AsyncIterator[list[Caller]]:
    """Both clients of both users, connected to the aggregate at once. No fixture: the Python client is entered and
    left in one task.
    """
    async with AsyncExitStack() as stack:
        made = []
        for person in (scene.ann, scene.bob):
            python = await stack.enter_async_context(python_client(f"{real_hub.mcp}?mode=tools", person.key()))
            script = await stack.enter_async_context(
                typescript_client(npm_peers, f"{real_hub.mcp}?mode=tools", person.key())
            )
            made += [in_python(person, python), in_typescript(person, script)]
        yield made


def in_python(person: Person, client: Any) -> Caller:
    async def list_tools() -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    async def call(name: str, arguments: dict[str, Any]) -> str:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, result
        return str(result.content[0].text)

    return Caller("python", person, list_tools, call)


def in_typescript(person: Person, client: Any) -> Caller:
    async def list_tools() -> list[str]:
        return [tool["name"] for tool in await client.do("listTools")]

    async def call(name: str, arguments: dict[str, Any]) -> str:
        result = await client.do("callTool", name=name, arguments=arguments)
        assert not result.get("isError"), result
        return str(result["content"][0]["text"])

    return Caller("typescript", person, list_tools, call)


async def test_both_clients_of_both_users_list_and_call_every_server(
    real_hub: RunningHub, scene: Scene, npm_peers: Path
) -> None:
    async with connected(real_hub, scene, npm_peers) as callers:
        for caller in callers:
            await caller.list_tools()  # a process that starts slowly is in the next list
            sums = [await caller.call(f"{server}__get-sum", {"a": 20, "b": 22}) for server in ("far", "near")]
            said = await caller.call("near__echo", {"message": f"from {caller.sdk}"})
            clock = json.loads(await caller.call("clock__get_current_time", {"timezone": "Asia/Seoul"}))
            names = await caller.list_tools()

            assert {"far__echo", "near__echo", "clock__get_current_time"} <= set(names)
            assert all("42" in text for text in sums)
            assert f"from {caller.sdk}" in said
            assert clock["timezone"] == "Asia/Seoul"


async def test_the_process_of_a_user_holds_that_users_value_and_no_other(
    real_hub: RunningHub, scene: Scene, npm_peers: Path
) -> None:
    async with connected(real_hub, scene, npm_peers) as callers:
        seen = await asyncio.gather(*(caller.call("near__get-env", {}) for caller in callers))

    for caller, text in zip(callers, seen, strict=True):
        own, other = ("ann", "bob") if caller.person.username == "ann" else ("bob", "ann")
        env = json.loads(text)
        assert env["NEAR_TOKEN"] == f"near-token-of-{own}"
        assert env["MCPHUB_USER_ID"] == caller.person.id
        assert f"token-of-{other}" not in text
        assert not [name for name in env if name in ("DATABASE_URL", "MCPHUB_ADMIN_PASSWORD", "MCPHUB_MASTER_KEYS")]


async def test_one_server_alone_is_seen_as_if_attached_directly(
    real_hub: RunningHub, scene: Scene, everything_over_http: str
) -> None:
    async with (
        python_client(f"{real_hub.mcp}/far", scene.ann.key()) as through,
        python_client(everything_over_http, "nobody") as direct,
    ):
        tools = [tool.model_dump() for tool in (await through.list_tools()).tools]

        assert tools == [tool.model_dump() for tool in (await direct.list_tools()).tools]
        assert through.server_info == direct.server_info
        assert through.instructions == direct.instructions


@pytest.mark.parametrize("server", ["far", "near"])
async def test_progress_of_a_long_call_reaches_the_python_client(
    real_hub: RunningHub, scene: Scene, server: str
) -> None:
    seen: list[tuple[float, float | None]] = []

    async def progress(done: float, total: float | None, _: str | None) -> None:
        seen.append((done, total))

    async with python_client(f"{real_hub.mcp}/{server}", scene.ann.key()) as client:
        result = await client.call_tool(
            "trigger-long-running-operation", {"duration": 0.4, "steps": 4}, progress_callback=progress
        )

    assert not result.is_error
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("server", ["far", "near"])
@pytest.mark.thorough
async def test_progress_of_a_long_call_reaches_the_typescript_client(
    real_hub: RunningHub, scene: Scene, npm_peers: Path, server: str
) -> None:
    async with typescript_client(npm_peers, real_hub.mcp, scene.bob.key()) as client:
        result = await client.do(
            "callTool",
            name=f"{server}__trigger-long-running-operation",
            arguments={"duration": 0.4, "steps": 4},
            progress=True,
        )

        assert [step["progress"] for step in result["seen"]] == [1, 2, 3, 4]
        assert client.errors == []


@pytest.mark.parametrize("server", ["far", "near"])
async def test_a_server_asks_the_python_clients_model(real_hub: RunningHub, scene: Scene, server: str) -> None:
    """With a user of its own: a process learns what a client can do when it starts."""
    person = entitled(real_hub, f"python-{server}")

    async def sample(_: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="test", content=types.TextContent(type="text", text="an answer of the model")
        )

    async with python_client(
        f"{real_hub.mcp}/{server}", person.key(), mode="legacy", sampling_callback=sample
    ) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("trigger-sampling-request", {"prompt": "q", "maxTokens": 10})

    assert "trigger-sampling-request" in names
    assert "an answer of the model" in str(result.content)


@pytest.mark.parametrize("server", ["far", "near"])
@pytest.mark.thorough
async def test_a_server_asks_the_typescript_clients_model(
    real_hub: RunningHub, scene: Scene, npm_peers: Path, server: str
) -> None:
    person = entitled(real_hub, f"typescript-{server}")

    async with typescript_client(
        npm_peers, f"{real_hub.mcp}/{server}", person.key(), capabilities={"sampling": {}}
    ) as client:
        result = await client.do("callTool", name="trigger-sampling-request", arguments={"prompt": "q", "maxTokens": 9})

        assert "sampled: " in json.dumps(result)


@pytest.mark.thorough
async def test_a_cancelled_call_ends_at_the_server_too(real_hub: RunningHub, scene: Scene) -> None:
    async with python_client(f"{real_hub.mcp}/near", scene.ann.key(), mode="legacy") as client:
        call = asyncio.create_task(client.call_tool("trigger-long-running-operation", {"duration": 30, "steps": 300}))
        await until(lambda: pending(scene.ann), within=5, what="the call runs")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        await until(lambda: not pending(scene.ann), within=5, what="the call is over")
        assert scene.ann.requests(tool="trigger-long-running-operation")[0]["status"] == "Cancelled"


def pending(person: Person) -> list[dict[str, Any]]:
    return person.requests(status="Pending", method="tools/call")
