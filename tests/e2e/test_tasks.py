"""Tasks through a running hub: at a server's own address they are client's and server's; among several servers each
call is answered with its result.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.ide import Ide, RpcError, frames_of
from tests.support.peers import python_client
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

META = "io.modelcontextprotocol/"
OLDER = {"stdio": "jobs-near", "streamable-http": "jobs-far", "sse": "jobs-old"}
NEWEST = "jobs-new"


@pytest.fixture(scope="module")
def person(hub: RunningHub, upstreams: Upstreams) -> Iterator[Person]:
    made = {
        OLDER["stdio"]: upstreams.stdio(OLDER["stdio"], "job", "job-only"),
        OLDER["streamable-http"]: upstreams.http(OLDER["streamable-http"], "job", "job-only").config(),
        OLDER["sse"]: upstreams.sse(OLDER["sse"], "job", "job-only").config(),
        NEWEST: upstreams.newest(NEWEST).config(),
    }
    hub.admin.add_servers(made)
    yield hub.admin.user("tasks")
    hub.admin.remove_servers(*made)


@asynccontextmanager
async def opened(
    url: str, person: Person, capabilities: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Ide, dict[str, Any]]]:
    """A session, and what it was offered."""
    ide = Ide(url, person.key())
    try:
        yield ide, await ide.open(capabilities)
    finally:
        await ide.close()


async def newest(url: str, person: Person, method: str, params: dict[str, Any], *, knows: bool = True) -> Any:
    """(status, message) of one request of 2026-07-28."""
    extensions = {"extensions": {META + "tasks": {}}} if knows else {}
    meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": extensions}
    headers = {"Authorization": f"Bearer {person.key()}", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    headers |= {"Accept": "application/json, text/event-stream"}
    if named := params.get("name") or params.get("taskId"):
        headers["Mcp-Name"] = named
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        response = await http.post(url, json=body, headers=headers)
    return response.status_code, frames_of(response)[-1]


@pytest.mark.parametrize("kind", OLDER)
async def test_a_task_of_a_server_is_its_clients_to_ask_about(hub: RunningHub, person: Person, kind: str) -> None:
    name = OLDER[kind]
    async with opened(f"{hub.mcp}/{name}", person) as (ide, offered):
        await ide.follow()
        params = {"name": "job-only", "arguments": {"ms": 50}, "task": {"ttl": 60000}, "_meta": {"progressToken": "p"}}
        task = (await ide.request("tools/call", params))["task"]
        result = await ide.request("tasks/result", {"taskId": task["taskId"]})
        state = await ide.request("tasks/get", {"taskId": task["taskId"]})
        every = await ide.request("tasks/list")
        await until(lambda: ide.heard("notifications/tasks/status"), within=20, what="the news of the task")

    assert offered["capabilities"]["tasks"]["requests"] == {"tools": {"call": {}}}
    assert task["status"] == "working"
    assert result["content"][0]["text"] == "the job is completed"
    assert result["_meta"] == {META + "related-task": {"taskId": task["taskId"]}}
    assert (state["taskId"], state["status"]) == (task["taskId"], "completed")
    assert [each["taskId"] for each in every["tasks"]] == [task["taskId"]]
    if kind != "stdio":  # a process of several sessions does not say whose progress it is
        assert ide.heard("notifications/progress")
        [progress] = [frame for _, frame in ide.messages if frame["method"] == "notifications/progress"]
        assert progress["params"]["progressToken"] == "p"


async def test_a_task_is_cancelled_and_is_nobody_elses(hub: RunningHub, person: Person) -> None:
    url = f"{hub.mcp}/{OLDER['streamable-http']}"
    async with Ide(url, person.key()) as ide, Ide(url, hub.admin.user("other-tasks").key()) as other:
        params = {"name": "job", "arguments": {"endless": True}, "task": {}}
        task = {"taskId": (await ide.request("tools/call", params))["task"]["taskId"]}
        with pytest.raises(RpcError, match="no such task"):
            await other.request("tasks/get", task)

        cancelled = await ide.request("tasks/cancel", task)

    assert cancelled["status"] == "cancelled"


@pytest.mark.parametrize("kind", OLDER)
@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_tool_that_runs_as_a_task_only_is_answered_with_its_result_among_several_servers(
    hub: RunningHub, person: Person, kind: str, mode: str
) -> None:
    async with python_client(f"{hub.mcp}?mode=tools", person.key(), mode=mode) as ide:
        result = await ide.call_tool(f"{OLDER[kind]}__job-only", {"ms": 50})

    assert result.content[0].model_dump()["text"] == "the job is completed"


async def test_among_several_servers_no_tasks_are_offered_and_a_call_that_asks_for_one_is_a_plain_one(
    hub: RunningHub, person: Person, recorder: Recorder
) -> None:
    name = OLDER["streamable-http"]
    begun = recorder.mark()

    async with opened(f"{hub.mcp}?mode=tools", person) as (ide, offered):
        result = await ide.request("tools/call", {"name": f"{name}__job", "arguments": {}, "task": {"ttl": 1}})
        with pytest.raises(RpcError) as unknown:
            await ide.request("tasks/get", {"taskId": "1"})

    assert "tasks" not in offered["capabilities"]
    assert result["content"][0]["text"] == "done at once"
    assert unknown.value.code == -32601
    assert [call.tool for call in recorder.calls(name, since=begun)] == ["job"]


async def test_a_call_that_is_given_up_gives_up_the_task_behind_it(
    hub: RunningHub, person: Person, recorder: Recorder
) -> None:
    name, begun = OLDER["sse"], recorder.mark()

    def told(method: str) -> object:
        return recorder.received(server=name, event="task", since=begun, where=lambda heard: heard.method == method)

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        params = {"name": f"{name}__job-only", "arguments": {"endless": True}}
        calling = asyncio.create_task(
            ide.post({"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": params})
        )
        await until(lambda: told("tasks/result"), within=20, what="the wait for the task")
        await ide.notify("notifications/cancelled", {"requestId": "slow"})
        [answer] = frames_of(await calling)

    assert answer["error"]["code"] == -32800
    await until(lambda: told("tasks/cancel"), within=20, what="the cancellation of the task")


async def test_a_task_of_the_newest_revision_passes_at_the_servers_own_address(hub: RunningHub, person: Person) -> None:
    url = f"{hub.mcp}/{NEWEST}"
    _, offered = await newest(url, person, "server/discover", {})
    _, promised = await newest(url, person, "tools/call", {"name": "job", "arguments": {}})
    _, done = await newest(url, person, "tasks/get", {"taskId": promised["result"]["taskId"]})
    status, refused = await newest(url, person, "tools/call", {"name": "job", "arguments": {}}, knows=False)

    assert META + "tasks" in offered["result"]["capabilities"]["extensions"]
    assert promised["result"]["resultType"] == "task"
    assert done["result"]["result"]["content"][0]["text"] == "done"
    assert (status, refused["error"]["code"]) == (400, -32021)
    assert refused["error"]["data"] == {"requiredCapabilities": {"extensions": {META + "tasks": {}}}}


async def test_no_task_crosses_from_one_revision_to_the_other(hub: RunningHub, person: Person) -> None:
    older, url = f"{hub.mcp}/{OLDER['streamable-http']}", f"{hub.mcp}?mode=tools"
    _, discovered = await newest(older, person, "server/discover", {})
    status, unknown = await newest(older, person, "tasks/get", {"taskId": "1"})
    _, among = await newest(url, person, "tools/call", {"name": f"{NEWEST}__job", "arguments": {}})
    async with opened(f"{hub.mcp}/{NEWEST}", person, {"extensions": {META + "tasks": {}}}) as (ide, offered):
        with pytest.raises(RpcError) as refused:
            await ide.call("job")
        with pytest.raises(RpcError) as no_method:
            await ide.request("tasks/get", {"taskId": "1"})

    assert "tasks" not in discovered["result"]["capabilities"]
    assert (status, unknown["error"]["code"]) == (404, -32601)
    assert among["error"]["code"] == -32021
    assert META + "tasks" not in json.dumps(offered["capabilities"])
    assert refused.value.code == -32021
    assert no_method.value.code == -32601
