"""The first promise: a credential, a session, a list or a result never reaches another user."""

import asyncio
import json
import random
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.ide import HttpError, Ide, sessions
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

USERS, CALLS = 20, 50


@pytest.fixture
def two_servers(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> tuple[str, str]:
    """One over HTTP that gets the user's values as header and query, one over stdio that gets it as environment."""
    far, near = fresh_name("far"), fresh_name("near")
    server = upstreams.http(far)
    serve(
        {
            far: {
                **server.config(headers={"X-Service-Token": "${USER_SERVICE_TOKEN}"}),
                "url": f"{server.url}?tenant=${{USER_TENANT}}",
            },
            near: upstreams.stdio(near, env={"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"}),
        }
    )
    return far, near


async def test_twenty_users_with_interleaved_calls_see_only_their_own_values_identity_and_state(
    hub: RunningHub,
    recorder: Recorder,
    two_servers: tuple[str, str],
    make_user: Callable[[str], Person],
) -> None:
    far, near = two_servers
    begun = recorder.mark()
    people = [make_user("crowd") for _ in range(USERS)]
    secret = {person.id: f"canary-{secrets.token_hex(8)}" for person in people}
    for person in people:
        person.save(far, USER_SERVICE_TOKEN=secret[person.id], USER_TENANT=f"t-{secret[person.id]}")
        person.save(near, USER_SERVICE_TOKEN=secret[person.id])
        person.group("mine", far, near)

    async with sessions(f"{hub.mcp}?mode=tools", [person.key() for person in people]) as open_sessions:
        answers = await asyncio.gather(
            *(
                conversation(ide, (far, near), secret[person.id], random.Random(number))
                for number, (person, ide) in enumerate(zip(people, open_sessions, strict=True))
            )
        )

    foreign = {
        person.id: [text for text in texts for other in people if other is not person and secret[other.id] in text]
        for person, texts in zip(people, answers, strict=True)
    }
    assert all(len(texts) == CALLS for texts in answers)
    assert not any(foreign.values()), foreign
    received = recorder.calls(since=begun)
    assert len(received) == USERS * CALLS
    for call in received:
        facts = call.facts
        user = facts["x-mcphub-user-id"] if call.server == far else facts["MCPHUB_USER_ID"]
        assert (facts["x-service-token"] if call.server == far else facts["SERVICE_TOKEN"]) == secret[user]
        assert call.arguments["nonce"].startswith(secret[user])
        if call.server == far:
            assert call.target.endswith(f"?tenant=t-{secret[user]}")
    assert len({call.pid for call in received if call.server == near}) == USERS


async def conversation(ide: Ide, servers: tuple[str, str], secret: str, chance: random.Random) -> list[str]:
    """Fifty calls of one user, several at a time, over both servers; returns everything that came back."""
    room = asyncio.Semaphore(4)
    kept: set[str] = set()

    async def one(number: int) -> str:
        server = servers[number % 2]
        nonce = f"{secret}-{number}"
        async with room:
            if chance.random() < 0.3:
                text = await ide.text(f"{server}__echo", text=nonce, nonce=nonce)
                assert text == nonce
            elif chance.random() < 0.5:
                await ide.call(f"{server}__put", key="whose", value=secret, nonce=nonce)
                kept.add(server)
                text = "kept"
            elif server in kept:
                text = await ide.text(f"{server}__get", key="whose", nonce=nonce)
                assert json.loads(text) == secret
            else:
                text = await ide.text(f"{server}__whoami", nonce=nonce)
                assert json.loads(text)["nonce"] == nonce
                assert secret in text
        return text

    return await asyncio.gather(*(one(number) for number in range(CALLS)))


async def test_two_sessions_of_one_user_share_no_state_of_an_http_server(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    name = fresh_name("chats")
    serve({name: upstreams.http(name).config()})
    key = make_user("two-windows").key()

    async with Ide(f"{hub.mcp}/{name}", key) as left, Ide(f"{hub.mcp}/{name}", key) as right:
        await left.call("put", key="topic", value="left")
        await right.call("put", key="topic", value="right")

        assert json.loads(await left.text("get", key="topic")) == "left"
        assert json.loads(await right.text("get", key="topic")) == "right"


async def test_a_foreign_session_id_is_answered_like_an_unknown_one_and_has_no_effect(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    name = fresh_name("held")
    serve({name: upstreams.http(name).config()})
    owner, thief = make_user("owner"), make_user("thief")

    async with Ide(f"{hub.mcp}/{name}", owner.key()) as ide:
        await ide.call("put", key="mine", value="still here")
        stolen = Ide(f"{hub.mcp}/{name}", thief.key())
        stolen.session = ide.session
        unknown = Ide(f"{hub.mcp}/{name}", thief.key())
        unknown.session = "unknown-" + ide.session[8:]

        for verb in ("POST", "GET", "DELETE"):
            foreign, none = await knock(stolen, verb), await knock(unknown, verb)
            assert foreign == none == (405 if verb == "GET" else 404), verb
        with pytest.raises(HttpError):
            await stolen.call("get", key="mine")

        assert json.loads(await ide.text("get", key="mine")) == "still here"


async def knock(ide: Ide, verb: str) -> int:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = ide._headers() | ({"Accept": "text/event-stream"} if verb == "GET" else {})
    response = await ide.http.request(verb, ide.url, json=body if verb == "POST" else None, headers=headers)
    return response.status_code


async def test_a_missing_value_means_nothing_is_sent_and_the_answer_names_it(
    hub: RunningHub, recorder: Recorder, two_servers: tuple[str, str], make_user: Callable[[str], Person]
) -> None:
    far, near = two_servers
    begun = recorder.mark()
    person = make_user("without")

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        results = [await refusal(ide, f"{server}__echo") for server in (far, near)]

    assert recorder.received(since=begun, where=lambda r: r.server in (far, near)) == []
    assert "SERVICE_TOKEN" in results[0]
    assert "TENANT" in results[0]
    assert "SERVICE_TOKEN" in results[1]
    assert all("${" not in text for text in results)


async def refusal(ide: Ide, tool: str) -> str:
    """The text of a tool error."""
    result = await ide.call(tool, text="x")
    assert result["isError"], result
    return str(result["content"][0]["text"])
