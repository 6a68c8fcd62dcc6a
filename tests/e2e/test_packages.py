"""Two servers that people start with `uvx` and `npx`, by pinned versions from their registries, with values of a user.

The services they speak to are one on loopback that knows nobody. Each process fetches its package into its own home.
"""

import asyncio
import base64
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.ide import Ide
from tests.support.peers import FIRECRAWL_MCP, MCP_ATLASSIAN, npx, uvx
from tests.support.rest import Person
from tests.support.running import RunningHub

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(2 * 300)]

FETCHED_WITHIN = 300  # seconds, on a slow line


@dataclass
class Stranger:
    """A service that refuses everybody, and remembers with what they came."""

    port: int = 0
    came: list[tuple[str, str]] = field(default_factory=list)  # path, Authorization

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    made = Stranger()

    class Refusing(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            made.came.append((self.path, self.headers.get("Authorization", "")))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps({"success": False, "error": "nobody knows you"}).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        server.shutdown()


async def test_pinned_servers_from_pypi_and_npm_list_their_tools_and_a_call_returns_their_own_refusal(
    hub: RunningHub,
    stranger: Stranger,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    jira, crawl = fresh_name("atlassian"), fresh_name("firecrawl")
    serve(
        {
            jira: uvx(
                MCP_ATLASSIAN,
                JIRA_URL=stranger.url,
                JIRA_USERNAME="${USER_JIRA_EMAIL}",
                JIRA_API_TOKEN="${USER_JIRA_API_TOKEN}",
            ),
            crawl: npx(FIRECRAWL_MCP, FIRECRAWL_API_URL=stranger.url, FIRECRAWL_API_KEY="${USER_FIRECRAWL_TOKEN}"),
        }
    )
    person = make_user("packages")
    person.group("packages", jira, crawl)
    person.save(jira, USER_JIRA_EMAIL="me@example.com", USER_JIRA_API_TOKEN="made-up-for-jira")
    person.save(crawl, USER_FIRECRAWL_TOKEN="fc-made-up")

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        names = await listed(hub, ide, {jira, crawl})
        issue = await ide.call(f"{jira}__jira_get_issue", issue_key="AB-1")
        page = await ide.call(f"{crawl}__firecrawl_scrape", url="https://example.com/")

    assert len([name for name in names if name.startswith(f"{jira}__")]) == 63
    assert len([name for name in names if name.startswith(f"{crawl}__")]) == 26
    assert issue["isError"]
    assert "Authentication failed for Jira API (401)" in issue["content"][0]["text"]
    assert page["isError"]
    assert "nobody knows you" in page["content"][0]["text"]
    basic = "Basic " + base64.b64encode(b"me@example.com:made-up-for-jira").decode()
    assert {basic, "Bearer fc-made-up"} == {authorization for _, authorization in stranger.came}


async def listed(hub: RunningHub, ide: Ide, servers: set[str]) -> list[str]:
    """The list once each of the servers has something in it: they are fetched and started while it is asked for."""
    within = time.monotonic() + FETCHED_WITHIN
    while True:
        names = await ide.tool_names()
        missing = servers - {name.partition("__")[0] for name in names}
        if not missing:
            return names
        if time.monotonic() > within:
            said = {server["name"]: server["error"] for server in hub.admin.rest.get("/api/servers")}
            raise AssertionError({server: said[server] for server in missing})
        await asyncio.sleep(0.5)
