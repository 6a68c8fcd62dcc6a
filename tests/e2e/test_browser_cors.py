"""A page of another origin works with the hub by CORS alone: a real browser decides, the hub only answers.

The page is on port 5173 and the hub on 3000, as a user interface under development has it, or on other ports when
those are taken. Ports of one host are one site, so the browser sends the session's cookie; whether a script may ask,
and read the answer, is left to CORS.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from playwright.sync_api import Browser

from tests.support.browser import Visitor, chromium
from tests.support.loopback import Loopback
from tests.support.rest import Person
from tests.support.running import RunningHub, wanted_port

pytestmark = pytest.mark.slow

JSON = {"Content-Type": "application/json"}
EVENTS = """address => new Promise((done) => {
  const stream = new EventSource(address, { withCredentials: true });
  stream.onopen = () => { stream.close(); done("open"); };
  stream.onerror = () => { stream.close(); done("refused"); };
})"""


def add_page(app: web.Application) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>A page</title>", content_type="text/html")

    app.router.add_get("/", page)


@pytest.fixture(scope="module")
def listed() -> Iterator[str]:
    """Origin of a page that the hub is told of."""
    with Loopback(add_page, port=wanted_port(5173)) as server:
        yield server.url


@pytest.fixture(scope="module")
def unlisted() -> Iterator[str]:
    """Origin of a page of the same host that the hub is not told of."""
    with Loopback(add_page) as server:
        yield server.url


@pytest.fixture(scope="module")
def hub(listed: str, make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    env = {"MCPHUB_ALLOWED_ORIGINS": listed}
    running = RunningHub(make_home(), tmp_path_factory.mktemp("logs"), env=env, port=wanted_port(3000))
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def ann(hub: RunningHub) -> Person:
    return hub.admin.user("ann", sign_in=False)


@pytest.fixture
def page(browser: Browser, hub: RunningHub, listed: str) -> Iterator["Page"]:
    """On the listed origin."""
    with Visitor(browser) as visitor:
        visitor.go(listed)
        yield Page(visitor, hub)


class Page:
    """A script of a page, with the hub's address and the session's CSRF token."""

    def __init__(self, visitor: Visitor, hub: RunningHub) -> None:
        self.visitor = visitor
        self.hub = hub
        self.csrf = ""

    def sign_in(self, username: str, password: str) -> dict[str, Any]:
        answer = self.send("POST", "/api/auth/login", json={"username": username, "password": password})
        self.csrf = answer["body"]["data"]["csrfToken"]
        return answer

    def send(self, method: str, path: str, *, json: Any = None, **headers: str) -> dict[str, Any]:
        body = {} if json is None else {"body": httpx.Request("POST", "http://x", json=json).content.decode()}
        proof = {"X-CSRF-Token": self.csrf} if self.csrf and method != "GET" else {}
        headers = {**(JSON if body else {}), **proof, **headers}
        return self.visitor.fetch(self.hub.url + path, method=method, headers=headers, **body)


@pytest.mark.thorough
def test_a_page_of_a_listed_origin_signs_in_reads_and_writes(page: Page, ann: Person) -> None:
    signed_in = page.sign_in("ann", ann.password)
    made = page.send("POST", "/api/user/groups", json={"name": "mine", "servers": []})
    group = f"/api/user/groups/{made['body']['data']['id']}"

    done = [
        page.send("PUT", group, json={"name": "ours"}),
        page.send("PATCH", f"{group}/active", json={"isActive": False}),
        page.send("GET", "/api/user/groups"),
        page.send("DELETE", group),
        page.send("GET", "/api/user/me"),
    ]

    assert (signed_in["status"], made["status"]) == (200, 201)
    assert [answer["status"] for answer in done] == [200, 200, 200, 204, 200]
    assert [(group["name"], group["isActive"]) for group in done[2]["body"]["data"]] == [("ours", False)]
    assert done[4]["body"]["data"]["username"] == "ann"
    positions = [int(answer["headers"]["x-mcphub-position"]) for answer in (made, *done[:2], done[3])]
    assert positions == sorted(set(positions))
    assert len({answer["headers"]["x-request-id"] for answer in done}) == 5


def test_such_a_page_reads_what_it_wrote_and_saves_what_it_has_seen(page: Page, hub: RunningHub) -> None:
    page.sign_in("admin", hub.password)
    document = page.send("GET", "/api/admin/settings-file")
    changed = {"mcpServers": {"far": {"url": "https://far.example/mcp"}}}

    saved = page.send(
        "PUT", "/api/admin/settings-file", json={"settings": changed}, **{"If-Match": document["headers"]["etag"]}
    )
    again = page.send(
        "PUT", "/api/admin/settings-file", json={"settings": changed}, **{"If-Match": document["headers"]["etag"]}
    )
    position = saved["headers"]["x-mcphub-position"]
    servers = page.send("GET", "/api/servers", **{"X-MCPHub-Min-Position": position})

    assert (saved["status"], again["status"], servers["status"]) == (200, 412, 200)
    assert [server["name"] for server in servers["body"]["data"]] == ["far"]


def test_refusals_are_read_as_well_and_cookies_alone_change_nothing(page: Page, ann: Person) -> None:
    before = page.send("GET", "/api/user/me")
    page.sign_in("ann", ann.password)
    page.csrf = ""

    refused = page.send("POST", "/api/user/groups", json={"name": "mine", "servers": []})
    missing = page.send("GET", "/api/nothing/here")

    codes = [(answer["status"], answer["body"]["code"]) for answer in (before, refused, missing)]
    assert codes == [(401, "not_authenticated"), (403, "csrf_failed"), (404, "not_found")]


def test_such_a_page_follows_a_live_stream(page: Page, hub: RunningHub) -> None:
    assert page.visitor.page.evaluate(EVENTS, f"{hub.url}/api/logs/stream") == "refused"

    page.sign_in("admin", hub.password)

    assert page.visitor.page.evaluate(EVENTS, f"{hub.url}/api/logs/stream") == "open"


@pytest.mark.parametrize("kind", ["another port", "another name of the host", "no origin at all"])
@pytest.mark.thorough
def test_the_browser_keeps_any_other_page_from_the_hub(
    page: Page, ann: Person, hub: RunningHub, listed: str, unlisted: str, kind: str
) -> None:
    """Its user is signed in all the while, and on the same host the cookie even goes along."""
    page.sign_in("ann", ann.password)
    visitor, groups = page.visitor, f"{hub.url}/api/user/groups"
    address = {"another port": unlisted, "another name of the host": listed.replace("127.0.0.1", "localhost")}
    visitor.page.goto(address.get(kind, "data:text/html,a page"))

    blocked = {"failed": "TypeError"}
    assert page.send("GET", "/api/user/me") == blocked
    assert page.send("PATCH", "/api/user/me", json={"theme": "dark"}) == blocked
    assert page.send("DELETE", "/api/user/sessions") == blocked
    assert page.send("POST", "/api/user/groups", json={"name": "theirs", "servers": []}) == blocked
    simple = visitor.fetch(groups, method="POST", mode="no-cors", body='{"name": "theirs", "servers": []}')
    assert simple in ({"status": 0, "headers": {}, "body": ""}, blocked)

    visitor.go(listed)
    assert page.send("GET", "/api/user/groups")["body"]["data"] == []  # and the session lives


def test_no_page_gets_anything_of_mcp(page: Page, ann: Person, hub: RunningHub) -> None:
    page.sign_in("ann", ann.password)

    for method in ("GET", "POST", "DELETE"):
        assert page.send(method, "/mcp", json={} if method == "POST" else None) == {"failed": "TypeError"}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_mcp_answers_no_cors_header_to_any_origin(hub: RunningHub, listed: str, method: str) -> None:
    key = hub.admin.key()
    for origin in (listed, hub.url, "https://evil.example", "null"):
        for headers in ({}, {"Authorization": f"Bearer {key}"}, {"Access-Control-Request-Method": "POST"}):
            answer = httpx.request(method, hub.mcp, headers={"Origin": origin, **headers}, trust_env=False)

            assert cors(answer) == {}


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_the_api_names_exactly_the_listed_origin_and_never_every_one(
    hub: RunningHub, listed: str, unlisted: str, method: str
) -> None:
    def allowed(origin: str) -> str | None:
        asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        answer = httpx.request(method, f"{hub.url}/api/user/me", headers=asked, trust_env=False)
        assert "origin" in answer.headers["vary"].lower()
        return cors(answer).get("access-control-allow-origin")

    assert allowed(listed) == listed
    near = [f"{listed}.evil.example", f"{listed}0", listed.replace("http", "https"), listed[:-1], f"{listed}/", "null"]
    assert [allowed(origin) for origin in (*near, unlisted, "https://evil.example", "*")] == [None] * 9


def cors(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
