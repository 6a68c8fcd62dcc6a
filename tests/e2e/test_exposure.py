"""Six and forty-two tools behind two tools, with the official client in front of a running hub."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.ide import Ide
from tests.support.peers import python_client
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

ARGUMENTS: dict[str, dict[str, Any]] = {
    "echo": {"text": "said"},
    "whoami": {},
    "put": {"key": "k", "value": "v"},
    "get": {"key": "k"},
    "sleep": {"ms": 1},
    "progress": {"steps": 2, "ms": 1},
}
OFF = {name: {"enabled": False} for name in ("ask", "grow", "big", "crash", "hang", "fail")}
EXTRAS = [f"extra-{number:02}" for number in range(36)]


@dataclass
class Scene:
    """A user with servers of six and of forty-two tools, the one over stdio and the other over HTTP."""

    person: Person
    key: str
    small: str
    large: str

    @property
    def tools(self) -> list[tuple[str, str]]:
        """(server, tool) of all 48."""
        return [(self.small, name) for name in ARGUMENTS] + [(self.large, name) for name in [*ARGUMENTS, *EXTRAS]]

    @property
    def as_two(self) -> list[str]:
        return sorted([f"server_{self.small}", f"server_{self.large}"])


@pytest.fixture
def scene(
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> Scene:
    small, large = fresh_name("small"), fresh_name("large")
    serve({small: upstreams.stdio(small, tools=OFF), large: upstreams.http(large, *EXTRAS).config(tools=OFF)})
    person = make_user("lister")
    person.group("mine", small, large)
    return Scene(person, person.key(), small, large)


async def names(client: Any) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize("mode", ["", "?mode=auto", "?mode=servers", "?mode=server"])
async def test_forty_eight_tools_are_listed_as_two_and_all_of_them_can_be_called(
    hub: RunningHub, scene: Scene, mode: str
) -> None:
    async with python_client(f"{hub.mcp}{mode}", scene.key) as client:
        await names(client)  # a process that starts slowly is in the next list

        assert await names(client) == scene.as_two
        for server, tool in scene.tools:
            arguments = ARGUMENTS.get(tool, {})
            inside = await client.call_tool(f"server_{server}", {"tool_name": tool, "arguments": arguments})
            direct = await client.call_tool(f"{server}__{tool}", arguments)
            assert not inside.is_error, inside
            assert not direct.is_error, direct
            if tool in EXTRAS:
                assert inside.content == direct.content
                assert inside.content[0].text == f"called {tool}"

    def completed() -> list[tuple[str, str]]:
        rows = scene.person.requests(method="tools/call", status="Completed")
        return sorted((row["server"], row["tool"]) for row in rows)

    wanted = sorted([*scene.tools, *scene.tools])
    await until(lambda: completed() == wanted, within=10, what="each call is in the history under its own tool")


async def test_tools_mode_lists_them_one_by_one_and_the_simulator_says_what_each_address_does(
    hub: RunningHub, scene: Scene
) -> None:
    async with python_client(f"{hub.mcp}?mode=tools", scene.key) as client:
        await names(client)
        each = await names(client)

    assert sorted(each) == sorted(f"{server}__{tool}" for server, tool in scene.tools)
    for query, mode, listed in (("", "servers", scene.as_two), ("?mode=tools", "tools", each)):
        access = scene.person.rest.get(f"/api/user/access?url=/mcp{query}")
        assert (access["mode"], access["listed"]) == (mode, listed)


async def test_a_model_asks_before_it_calls(hub: RunningHub, scene: Scene) -> None:
    async with python_client(f"{hub.mcp}?mode=servers", scene.key) as client:
        await names(client)
        one = f"server_{scene.large}"
        listed = await client.call_tool(one, {"tool_name": "?"})
        described = await client.call_tool(one, {"tool_name": "echo", "describe": True})
        wrong = await client.call_tool(one, {"tool_name": "echo", "arguments": {"text": 7}})
        unknown = await client.call_tool(one, {"tool_name": "ecko"})
        text = await client.call_tool(one, {"tool_name": "echo", "arguments": '{"text": "as a text"}'})

    assert "echo: The text, unchanged." in listed.content[0].text
    assert described.structured_content["inputSchema"]["properties"] == {"text": {"type": "string"}}
    assert wrong.is_error
    assert "- /text: 7 is not of type" in wrong.content[0].text
    assert unknown.is_error
    assert "Did you mean echo?" in unknown.content[0].text
    assert text.content[0].text == "as a text"

    def statuses() -> list[str]:
        return sorted(row["status"] for row in scene.person.requests(server=scene.large, tool="echo"))

    await until(
        lambda: statuses() == ["Completed", "Completed", "Failed"],
        within=10,
        what="described, refused and answered are in the history",
    )


async def test_an_open_session_hears_when_its_mode_becomes_another_one(hub: RunningHub, scene: Scene) -> None:
    ide = Ide(hub.mcp, scene.key)
    await ide.open()
    await ide.follow()
    await ide.tool_names()
    assert await ide.tool_names() == scene.as_two

    group = scene.person.rest.get("/api/user/groups")[0]
    scene.person.rest.put(f"/api/user/groups/{group['id']}", {"servers": [scene.small]})

    await until(
        lambda: any(message.get("method") == "notifications/tools/list_changed" for _, message in ide.messages),
        within=5,
        what="the client is told",
    )
    assert sorted(await ide.tool_names()) == sorted(f"{scene.small}__{tool}" for tool in ARGUMENTS)
    await ide.close()


def test_modes_that_are_not_there_are_refused_in_the_address(hub: RunningHub, scene: Scene) -> None:
    headers = {"Authorization": f"Bearer {scene.key}", "Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for path, status in (("?mode=x", 400), ("?mode=", 400), ("/$clever", 404)):
        answer = httpx.post(hub.mcp + path, json=body, headers=headers, trust_env=False)
        assert answer.status_code == status, answer.text


async def test_hub_why_says_what_keeps_a_tool_from_the_list(hub: RunningHub, scene: Scene) -> None:
    group = scene.person.rest.get("/api/user/groups")[0]
    scene.person.rest.put(f"/api/user/groups/{group['id']}", {"servers": [scene.small]})

    async with python_client(f"{hub.mcp}?why=1", scene.key) as client:
        await names(client)
        listed = await names(client)
        away = await client.call_tool("hub_why", {"tool": f"{scene.large}__echo"})
        there = await client.call_tool("hub_why", {"tool": f"{scene.small}__echo"})
        prompt = await client.get_prompt("hub_why", {"tool": f"{scene.large}__echo"})

    assert (listed[-1], len(listed)) == ("hub_why", len(ARGUMENTS) + 1)
    assert away.structured_content["reason"] == "not_in_active_group"
    assert there.structured_content["reason"] == "listed"
    assert "in none of your active groups (mine)" in prompt.messages[0].content.text
