"""Cursor as it behaves: probes for OAuth first, one dead id after a restart kept for ever, no patience for odd answers.

Its sequence as observed; what breaks it is in the contract.
"""

from collections.abc import Callable

import httpx
import pytest

from tests.support.ide import BOTH, HttpError, Ide
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

PROBES = [
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration/mcp",
    "/.well-known/openid-configuration",
]


@pytest.fixture
def far(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> str:
    name = fresh_name("far")
    serve({name: upstreams.http(name).config()})
    return name


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_for_oauth_gets_404_in_json_whatever_it_accepts(hub: RunningHub, path: str) -> None:
    for accept in ("application/json", "text/html", "*/*"):
        answer = httpx.get(hub.url + path, headers={"Accept": accept}, trust_env=False)

        assert (answer.status_code, answer.history) == (404, [])
        assert "json" in answer.headers["content-type"]


async def test_the_whole_sequence_of_a_start_finds_every_list_and_a_live_stream(
    hub: RunningHub, far: str, make_user: Callable[[str], Person]
) -> None:
    person = make_user("cursor")
    person.group("mine", far)
    ide = Ide(hub.mcp, person.key(), version="2025-06-18", name="cursor-vscode")

    initialized = await ide.open({"roots": {"listChanged": False}, "elicitation": {}})
    await ide.follow()
    resources = await ide.request("resources/list")
    tools = await ide.tool_names()
    prompts = await ide.request("prompts/list")
    again = await ide.tool_names()
    await ide.request("ping")

    assert initialized["protocolVersion"] == "2025-06-18"
    assert {"tools", "prompts", "resources"} <= set(initialized["capabilities"])
    assert (resources["resources"], prompts["prompts"]) == ([], [])
    assert f"{far}__echo" in tools
    assert again == tools
    assert all(len(name) <= 48 for name in tools)
    assert ide.stream_ended == 0
    await ide.close()


async def test_without_a_key_everything_is_401_and_names_no_authorization_server(hub: RunningHub) -> None:
    nobody = Ide(hub.mcp, "")

    for verb in ("POST", "GET", "DELETE"):
        answer = await nobody.http.request(verb, hub.mcp, headers={"Accept": BOTH}, json={} if verb == "POST" else None)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="mcphub", error="invalid_token"'


async def test_a_second_stream_replaces_the_first_and_a_stream_without_a_session_is_405(
    hub: RunningHub, make_user: Callable[[str], Person]
) -> None:
    key = make_user("cursor").key()
    async with Ide(hub.mcp, key) as ide:
        await ide.follow()
        second = Ide(hub.mcp, key)
        second.session, second.version = ide.session, ide.version
        await second.follow()

        with pytest.raises(HttpError, match="405"):
            await Ide(hub.mcp, key).follow()
        assert second.stream_ended == 0
        await ide.request("ping")
        second.session = ""
        await second.close()


async def test_a_key_in_the_address_works_and_a_header_only_key_does_not(
    hub: RunningHub, make_user: Callable[[str], Person]
) -> None:
    person = make_user("cursor")

    async with Ide(f"{hub.mcp}?key={person.key()}", "") as ide:
        assert await ide.request("ping") == {}
    with pytest.raises(HttpError, match="401"):
        await Ide(f"{hub.mcp}?key={person.key('strict', headerOnly=True)}", "").open()
