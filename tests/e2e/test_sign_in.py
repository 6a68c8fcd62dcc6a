"""People who sign in elsewhere, on a real hub: from the provider to a tool in the IDE, and out again at once."""

import contextlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import HttpError, Ide
from tests.support.providers import CLIENT_SECRET, FakeGitHub, GitHubAccount, hub_env
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

ANN = GitHubAccount(42, "ann", name="Ann Ode", emails=["ann@corp.example"], orgs={"acme": "active"})


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub("") as server:
        server.account = ANN
        yield server


@pytest.fixture
def a_hub(start_hub: StartHub, github: FakeGitHub) -> Callable[[], RunningHub]:
    def start() -> RunningHub:
        hub = start_hub(**hub_env(github, MCPHUB_GITHUB_ALLOW="acme"))
        github.callback = f"{hub.url}/api/oauth/callback"
        return hub

    return start


def browse(hub: RunningHub) -> tuple[httpx.Client, str]:
    """A browser that follows wherever it is sent; and where it ended."""
    browser = httpx.Client(base_url=hub.url, headers={"Accept": "text/html"}, trust_env=False)
    answer = browser.get("/api/oauth/github")
    while answer.status_code == 302:
        location = answer.headers["location"]
        if location.startswith("/") and not location.startswith("/api/"):
            return browser, location
        answer = browser.get(location)
    raise AssertionError(f"{answer.status_code} at {answer.url}: {answer.text[:300]}")


def me(browser: httpx.Client) -> int:
    return browser.get("/api/user/me").status_code


def issue_key(hub: RunningHub, browser: httpx.Client) -> str:
    answer = browser.post(
        "/api/oauth/keys", json={"name": "ide"}, headers={"X-CSRF-Token": browser.cookies["mcphub_csrf"]}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["keyValue"])


async def test_somebody_from_github_gets_a_key_uses_a_tool_and_is_out_at_once(
    a_hub: Callable[[], RunningHub], github: FakeGitHub, upstreams: Upstreams
) -> None:
    hub = a_hub()
    hub.admin.add_servers({"far": upstreams.http("far").config()})
    browser, arrived = browse(hub)
    assert arrived == "/?welcome=true"
    key = issue_key(hub, browser)
    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        assert await ide.text("far__whoami")

        (ann,) = [user for user in hub.admin.rest.get("/api/admin/users") if user["username"] == "ann"]
        hub.admin.rest.put(f"/api/admin/users/{ann['id']}/active", {"isActive": False})

        assert me(browser) == 403
        with pytest.raises(HttpError, match="401"):
            await Ide(hub.mcp, key).open()
    assert browse(hub)[1] == "/auth/error?code=user_inactive"

    hub.admin.rest.put(f"/api/admin/users/{ann['id']}/active", {"isActive": True})
    assert browse(hub)[1] == "/"
    github.account = GitHubAccount(43, "bob")
    assert browse(hub)[1] == "/auth/error?code=not_a_member"


@pytest.mark.thorough
def test_who_signed_in_elsewhere_stays_signed_in_over_a_restart(a_hub: Callable[[], RunningHub]) -> None:
    hub = a_hub()
    browser, _ = browse(hub)

    hub.stop()
    hub.start()

    assert me(browser) == 200


def test_nothing_a_provider_gave_is_on_the_disk_or_in_a_log_in_clear(
    a_hub: Callable[[], RunningHub], github: FakeGitHub
) -> None:
    hub = a_hub()
    browser, _ = browse(hub)
    github.broken["/api/v3/user"] = 500
    with contextlib.suppress(AssertionError):
        browse(hub)
    hub.stop()

    words = [*github.given_out, CLIENT_SECRET, "ann@corp.example", "Ann Ode", browser.cookies["mcphub_session"]]
    places = [hub.out, hub.err, *(path for path in hub.home.rglob("*") if path.is_file())]
    found = [(path.name, word[:8]) for path in places for word in words if word.encode() in path.read_bytes()]

    assert len(github.given_out) >= 3
    assert found == []
