"""An administrator gives tools other names behind a running hub: official clients of both eras, servers of both."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client, MCPError

from tests.e2e.test_eras import FORM, MODES, Human, said
from tests.support.ide import Ide
from tests.support.peers import python_client
from tests.support.rest import Admin, Answered, Person
from tests.support.running import RunningHub
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CHANGED = "notifications/tools/list_changed"
ASKS = {"http": ("ask", {"method": "elicitation/create", "params": FORM}), "newest": ("greet", {})}


@dataclass
class Scene:
    hub: RunningHub
    admin: Admin
    person: Person
    server: HttpServer
    asks: tuple[str, dict[str, Any]]  # a call in which the server asks for a name: its tool, arguments

    @property
    def name(self) -> str:
        return self.server.name

    def called(self, tool: str, name: str) -> Any:
        return self.admin.rest.put(f"/api/servers/{self.name}/tools/{tool}/name", {"name": name})

    def own_again(self, tool: str) -> Any:
        return self.admin.rest.delete(f"/api/servers/{self.name}/tools/{tool}/name")

    @asynccontextmanager
    async def client(self, place: str, mode: str, **more: Any) -> AsyncIterator[Client]:
        async with python_client(f"{self.hub.mcp}{place}", self.person.key(), mode=MODES[mode], **more) as made:
            yield made

    def ide(self, place: str) -> Ide:
        return Ide(self.hub.mcp + place, self.person.key())


@pytest.fixture(params=["http", "newest"])
def scene(
    request: pytest.FixtureRequest,
    hub: RunningHub,
    admin: Admin,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> Scene:
    """A server of the handshake, or of 2026-07-28, and a user who sees nothing else."""
    server = getattr(upstreams, request.param)(fresh_name("names"))
    serve({server.name: server.config()})
    person = make_user("caller")
    person.group("only", server.name)
    return Scene(hub, admin, person, server, ASKS[request.param])


@pytest.mark.parametrize("mode", MODES)
async def test_an_official_client_finds_and_calls_a_tool_by_its_given_name(scene: Scene, mode: str) -> None:
    given = scene.called("echo", "repeat")
    assert (given["name"], given["exposedName"], given["displayName"]) == ("echo", f"{scene.name}__repeat", "repeat")

    for place, name in ((f"/{scene.name}", "{}"), ("?mode=tools", f"{scene.name}__{{}}")):
        async with scene.client(place, mode) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            assert name.format("repeat") in listed
            assert name.format("echo") not in listed
            assert name.format("whoami") in listed
            assert said(await client.call_tool(name.format("repeat"), {"text": "hello"})) == "hello"
            with pytest.raises(MCPError, match=f"Unknown tool: {name.format('echo')}"):
                await client.call_tool(name.format("echo"), {"text": "hello"})

    async with scene.client("?mode=servers", mode) as client:
        [one] = (await client.list_tools()).tools
        assert "repeat" in one.input_schema["properties"]["tool_name"]["enum"]
        inside = {"tool_name": "repeat", "arguments": {"text": "inside"}}
        assert said(await client.call_tool(one.name, inside)) == "inside"
        refused = await client.call_tool(one.name, {**inside, "tool_name": "echo"})
        assert refused.is_error
        assert "has no tool 'echo'" in said(refused)

    # the history names the server's own tool; the simulator shows what the client was shown
    def done() -> list[tuple[str, str]]:
        rows = scene.person.requests(method="tools/call", status="Completed")
        return [(row["server"], row["tool"]) for row in rows]

    await until(lambda: len(done()) >= 3, within=5, what="every row has its end")
    assert done() == [(scene.name, "echo")] * 3
    shown = scene.person.rest.get(f"/api/user/access?url=/mcp/{scene.name}")["listed"]
    assert "repeat" in shown
    assert "echo" not in shown


@pytest.mark.thorough
async def test_a_question_in_the_middle_of_a_call_leads_back_to_the_renamed_tool(scene: Scene) -> None:
    asks, arguments = scene.asks
    scene.called(asks, "welcome")
    for mode in MODES:
        for place, name in ((f"/{scene.name}", "welcome"), ("?mode=tools", f"{scene.name}__welcome")):
            ann = Human("Ann")
            async with scene.client(place, mode, elicitation_callback=ann.fill_in) as client:
                assert "Ann" in said(await client.call_tool(name, arguments))
            assert ann.asked == ["What is your name?"]


@pytest.mark.parametrize("scene", ["http"], indirect=True)
async def test_clients_hear_of_a_name_and_a_newcomer_takes_it_from_nobody(scene: Scene) -> None:
    places = {"?mode=tools": f"{scene.name}__", f"/{scene.name}": ""}
    ides = {place: scene.ide(place) for place in places}
    try:
        for ide in ides.values():
            await ide.open()
            await ide.follow()
            await ide.tools()
        scene.called("echo", "repeat")
        await until(lambda: all(ide.heard(CHANGED) for ide in ides.values()), within=10, what="clients hear of a name")
        for place, ide in ides.items():
            assert f"{places[place]}repeat" in await ide.tool_names()

        with pytest.raises(Answered) as taken:
            scene.called("whoami", "repeat")
        assert taken.value.response.json()["code"] == "tool_name_taken"

        newcomer = {"name": "repeat", "description": "Not the one.", "inputSchema": {"type": "object"}}
        echo = {"name": "echo", "description": "The text.", "inputSchema": {"type": "object"}}
        before = {place: len(ide.heard(CHANGED)) for place, ide in ides.items()}
        async with Ide(scene.server.url, "") as itself:
            await itself.call("become", tools=[newcomer, echo], announced=True)
        await until(
            lambda: all(len(ide.heard(CHANGED)) > before[place] for place, ide in ides.items()),
            within=10,
            what="clients hear of a newcomer",
        )
        for place, ide in ides.items():
            names = await ide.tool_names()
            assert len(names) == 2
            assert f"{places[place]}repeat" in names
            assert any(name.startswith(f"{places[place]}repeat_") for name in names)
            assert await ide.text(f"{places[place]}repeat", text="mine") == "mine"
        shown = {tool["name"]: tool for tool in scene.person.rest.get(f"/api/servers/{scene.name}")["tools"]}
        assert shown["repeat"]["displayName"].startswith("repeat_")

        scene.own_again("echo")
        for place, ide in ides.items():
            assert set(await ide.tool_names()) == {f"{places[place]}repeat", f"{places[place]}echo"}
    finally:
        for ide in ides.values():
            await ide.close()
