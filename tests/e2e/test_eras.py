"""Clients and servers of both eras through a running hub: the official client, of 2026-07-28 and of the handshake.

Each server asks its user something in the middle of a call. An older server asks and waits; one of 2026-07-28 answers
with the question. Whoever is in front is asked in the way of its own era.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError

from tests.support.peers import python_client
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

MODES = {"2026-07-28": "2026-07-28", "handshake": "legacy"}
OLDER = ["far", "near", "streamed"]  # Streamable HTTP, stdio, HTTP+SSE
FORM = {
    "message": "What is your name?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
}


@dataclass
class Human:
    """Who sits in front of the client."""

    name: str
    asked: list[str] = field(default_factory=list)

    async def fill_in(self, context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": self.name})


@dataclass
class Scene:
    ann: Person
    bob: Person


@pytest.fixture(scope="module")
def scene(hub: RunningHub, upstreams: Upstreams) -> Scene:
    token = {"headers": {"Authorization": "Bearer ${USER_NEWEST_TOKEN}"}}
    hub.admin.add_servers(
        {
            "far": upstreams.http("far").config(),
            "near": upstreams.stdio("near"),
            "streamed": upstreams.sse("streamed").config(),
            "newest": upstreams.newest("newest").config(**token),
        }
    )
    people = [hub.admin.user("ann"), hub.admin.user("bob")]
    for person in people:
        person.save("newest", USER_NEWEST_TOKEN=f"token-of-{person.username}")
    return Scene(*people)


@asynccontextmanager
async def client(hub: RunningHub, person: Person, mode: str, *, path: str = "", **more: Any) -> AsyncIterator[Client]:
    url = f"{hub.mcp}{path}?mode=tools" if not path else f"{hub.mcp}{path}"
    async with python_client(url, person.key(), mode=MODES[mode], **more) as made:
        yield made


def said(result: types.CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, types.TextContent), content
    return content.text


@pytest.mark.parametrize("mode", MODES)
async def test_every_server_answers_every_client(hub: RunningHub, scene: Scene, mode: str) -> None:
    async with client(hub, scene.ann, mode) as ide:
        answers = {
            name: said(await ide.call_tool(f"{name}__echo", {"text": f"to {name}"})) for name in [*OLDER, "newest"]
        }
        # A list waits two seconds for servers that begin; by now none does.
        listed = {tool.name for tool in (await ide.list_tools()).tools}

    assert {f"{name}__echo" for name in [*OLDER, "newest"]} <= listed
    assert answers == {name: f"to {name}" for name in [*OLDER, "newest"]}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OLDER)
async def test_an_older_server_that_asks_is_answered_by_its_own_client(
    hub: RunningHub, scene: Scene, name: str, mode: str
) -> None:
    ann, bob = Human("Ann"), Human("Bob")

    async with (
        client(hub, scene.ann, mode, elicitation_callback=ann.fill_in) as one,
        client(hub, scene.bob, mode, elicitation_callback=bob.fill_in) as other,
    ):
        arguments = {"method": "elicitation/create", "params": FORM}
        of_ann = json.loads(said(await one.call_tool(f"{name}__ask", arguments)))
        of_bob = json.loads(said(await other.call_tool(f"{name}__ask", arguments)))

    assert of_ann["content"] == {"name": "Ann"}
    assert of_bob["content"] == {"name": "Bob"}
    assert ann.asked == bob.asked == ["What is your name?"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", ["", "/newest"])
async def test_a_server_of_the_newest_revision_that_asks_is_answered_by_its_own_client(
    hub: RunningHub, scene: Scene, recorder: Recorder, path: str, mode: str
) -> None:
    ann = Human("Ann")
    tool = "greet" if path else "newest__greet"

    async with client(hub, scene.ann, mode, path=path, elicitation_callback=ann.fill_in) as ide:
        answer = said(await ide.call_tool(tool))

    assert answer == "Hello, Ann!"
    assert ann.asked == ["What is your name?"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_server_of_the_newest_revision_gets_each_users_own_token_and_what_the_client_can_do(
    hub: RunningHub, scene: Scene, mode: str
) -> None:
    seen = {}
    for person in (scene.ann, scene.bob):
        async with client(hub, person, mode, elicitation_callback=Human(person.username).fill_in) as ide:
            seen[person.username] = json.loads(said(await ide.call_tool("newest__whoami")))

    for name, arrived in seen.items():
        assert arrived["facts"]["authorization"] == f"Bearer token-of-{name}"
        assert arrived["facts"]["mcp-name"] == "whoami"
        assert "mcp-session-id" not in arrived["facts"]
        assert "elicitation" in arrived["meta"]["io.modelcontextprotocol/clientCapabilities"]


@pytest.mark.parametrize("mode", MODES)
async def test_progress_reaches_the_client_of_the_call(hub: RunningHub, scene: Scene, mode: str) -> None:
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async with client(hub, scene.ann, mode) as ide:
        answer = said(await ide.call_tool("far__progress", {"steps": 3}, progress_callback=note))

    assert answer == "3 steps"
    assert seen == [1, 2, 3]


async def test_a_client_that_tries_the_newest_first_stays_with_it(hub: RunningHub, scene: Scene) -> None:
    async with python_client(f"{hub.mcp}?mode=tools", scene.ann.key()) as ide:
        version = ide.protocol_version
        answer = said(await ide.call_tool("far__echo", {"text": "here"}))

    assert version == "2026-07-28"
    assert answer == "here"


async def test_the_history_has_one_row_for_each_request_a_client_made(hub: RunningHub, scene: Scene) -> None:
    person = hub.admin.user("carol")
    async with client(hub, person, "2026-07-28", elicitation_callback=Human("Carol").fill_in) as ide:
        await ide.call_tool("far__ask", {"method": "elicitation/create", "params": FORM})

    def rows() -> list[tuple[str, str]]:
        return [(row["tool"], row["status"]) for row in person.requests(method="tools/call")]

    ended = [("ask", "Completed")] * 2
    await until(lambda: rows() == ended, within=10, what=lambda: f"each request is on the record: {rows()}")


async def test_a_key_that_is_revoked_ends_the_newest_clients_too(hub: RunningHub, scene: Scene) -> None:
    """Whose every request is complete in itself: there is no session to end."""
    person = hub.admin.user("dan")
    key = person.key()
    async with python_client(f"{hub.mcp}?mode=tools", key, mode="2026-07-28") as ide:
        await ide.call_tool("far__echo", {"text": "here"})

        [issued] = person.rest.get("/api/oauth/keys")
        person.rest.delete(f"/api/oauth/keys/{issued['id']}")

        with pytest.raises(MCPError):
            await ide.call_tool("far__echo", {"text": "gone"})
