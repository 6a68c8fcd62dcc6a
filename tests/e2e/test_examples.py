"""The example documents, imported into a running hub: each accepted or refused exactly as its description says."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ide import Ide
from tests.support.rest import Admin
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures" / "settings"


def example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / f"settings-{name}.json").read_text())
    return document


@pytest.fixture(scope="module")
def own_hub(make_home: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """On a machine whose npx runs Python, so that a test server can be what it fetched."""
    place = tmp_path_factory.mktemp("examples")
    npx = place / "npx"
    npx.write_text('#!/bin/sh\nexec python3 "$@"\n')
    npx.chmod(0o755)
    running = RunningHub(make_home(), place, env={"PATH": f"{place}{os.pathsep}{os.environ['PATH']}"})
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture
def admin(own_hub: RunningHub) -> Admin:
    """With an empty document, so that each example is a first import."""
    own_hub.admin.save_settings({"mcpServers": {}})
    return own_hub.admin


def save(admin: Admin, document: dict[str, Any]) -> httpx.Response:
    _, etag = admin.settings()
    return admin.rest.send(
        "PUT", "/api/admin/settings-file", json={"text": json.dumps(document)}, headers={"If-Match": etag}
    )


def findings(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(finding["pointer"], finding["code"]) for finding in found}


def servers(admin: Admin) -> dict[str, dict[str, Any]]:
    return {server["name"]: server for server in admin.rest.get("/api/servers")}


@pytest.mark.thorough
def test_transports_are_accepted_with_one_warning_and_exported_as_they_came(admin: Admin) -> None:
    answer = save(admin, example("transports"))

    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert findings(data["warnings"]) == {("/mcpServers/tracker-cli/args", "unpinned_package")}
    assert data["changes"] != []
    settings, _ = admin.settings()
    assert json.dumps(settings) == json.dumps(example("transports"))


def test_importing_the_same_document_again_records_nothing(admin: Admin) -> None:
    first = save(admin, example("transports"))

    again = save(admin, example("transports"))

    assert again.status_code == 200
    assert again.json()["data"]["changes"] == []
    assert again.json()["data"]["version"] == first.json()["data"]["version"]


def test_the_form_asks_for_the_slots_of_transports_in_the_order_of_the_document(admin: Admin) -> None:
    save(admin, example("transports"))

    templates = admin.rest.get("/api/env-templates")

    assert list(templates.items()) == [
        ("issue-desk", ["USER_DESK_TOKEN", "USER_DESK_EMAIL"]),
        ("repo-pr", ["GITHUB_TOKEN"]),
        ("crawler", ["USER_CRAWL_TENANT", "USER_CRAWL_TOKEN"]),
        ("tracker-cli", ["USER_TRACKER_BASE_URL", "USER_TRACKER_EMAIL", "USER_TRACKER_API_TOKEN"]),
    ]


def test_a_preview_says_what_would_be_recorded_and_records_nothing(admin: Admin) -> None:
    before, etag = admin.settings()

    answer = admin.rest.send(
        "PUT",
        "/api/admin/settings-file",
        params={"dryRun": "true"},
        json={"settings": example("transports")},
        headers={"If-Match": etag},
    )

    assert answer.status_code == 200
    assert answer.json()["data"]["changes"] != []
    assert admin.settings() == (before, etag)


def test_each_server_has_its_slug_and_says_what_it_needs(admin: Admin) -> None:
    save(admin, example("transports"))

    seen = servers(admin)

    assert {name: server["slug"] for name, server in seen.items()} == {
        "docs-search": "docs-search",
        "issue-desk": "issue-desk",
        "repo-pr": "repo-pr",
        "crawler": "crawler",
        "tracker-cli": "tracker-cli",
        "legacy box (old)": "legacy-box-old",
    }
    assert seen["legacy box (old)"]["status"] == "disabled"
    assert seen["crawler"]["status"] == "needs_setup"
    assert seen["crawler"]["error"] is None


async def test_a_call_to_a_service_that_nobody_runs_says_so(own_hub: RunningHub, admin: Admin) -> None:
    save(admin, example("openapi"))
    key = own_hub.admin.user("clockwatcher").key()

    async with Ide(f"{own_hub.mcp}?mode=tools", key) as ide:
        result = await ide.call("clock__now")

    assert result["isError"]
    assert "clock" in result["content"][0]["text"]


def test_openapi_is_accepted_with_its_slots_and_warnings(admin: Admin) -> None:
    answer = save(admin, example("openapi"))

    assert answer.status_code == 200, answer.text
    assert findings(answer.json()["data"]["warnings"]) == {
        ("/mcpServers/billing/openapi/security/oauth2/clientSecret", "hub_variable_unset"),
        ("/mcpServers/browser/args", "unpinned_package"),
    }
    templates = admin.rest.get("/api/env-templates")
    assert templates == {
        "inventory": ["USER_INVENTORY_KEY"],
        "vault": ["USER_AUTHORIZATION"],
        "mailer": ["USER_MAIL_BASIC"],
    }
    assert servers(admin)["billing"]["status"] == "needs_setup"
    assert json.dumps(admin.settings()[0]) == json.dumps(example("openapi"))


def test_hostile_is_refused_as_a_whole_with_exactly_its_errors(admin: Admin) -> None:
    before, etag = admin.settings()

    answer = save(admin, example("hostile"))

    assert (answer.status_code, answer.json()["code"]) == (422, "settings_invalid")
    assert findings(answer.json()["errors"]) == {
        ("/mcpServers/bad-stdio/headers", "headers_on_stdio"),
        ("/mcpServers/bad-env/env/X", "env_not_allowed"),
        ("/mcpServers/bad-empty", "missing_target"),
        ("/mcpServers/bad-egress/url", "egress_denied"),
    }
    assert admin.settings() == (before, etag)


def test_hostile_without_its_bad_entries_is_accepted(admin: Admin) -> None:
    document = example("hostile")
    document["mcpServers"] = {n: c for n, c in document["mcpServers"].items() if not n.startswith("bad-")}

    answer = save(admin, document)

    assert answer.status_code == 200, answer.text
    assert {server["slug"] for server in servers(admin).values()} == {
        "github-pr-mcp-aca",
        "jira",
        "inferred",
        "composite",
    }
    templates = admin.rest.get("/api/env-templates")
    assert templates["지라"] == ["USER_JIRA_EMAIL", "USER_SHARED_TOKEN"]
    assert templates["composite"] == ["USER_A", "USER_B"]
    assert json.dumps(admin.settings()[0]) == json.dumps(document)


async def test_children_fetch_their_packages_where_the_document_says(
    own_hub: RunningHub, admin: Admin, upstreams: Upstreams
) -> None:
    install = {"systemConfig": example("transports")["systemConfig"]}
    python = upstreams.stdio("by-python")
    npx = {**upstreams.stdio("by-npx"), "command": "npx"}
    admin.save_settings({"mcpServers": {"by-python": python, "by-npx": npx}, **install})

    async with Ide(f"{own_hub.mcp}?mode=tools", admin.user("fetches").key()) as ide:
        facts = [json.loads(await ide.text(f"{server}__whoami"))["facts"] for server in ("by-python", "by-npx")]

    assert [(seen.get("UV_DEFAULT_INDEX"), seen.get("npm_config_registry")) for seen in facts] == [
        ("https://pypi.example.com/simple", None),
        (None, "https://npm.example.com"),
    ]


@pytest.mark.thorough
async def test_tools_of_one_name_and_one_that_is_too_long_are_called_the_same_after_a_restart(
    own_hub: RunningHub, admin: Admin, upstreams: Upstreams
) -> None:
    long = "t" * 80
    servers = {name: upstreams.http(name, "get_issue", long).config() for name in ("GitHub PR MCP (ACA)", "지라")}
    admin.save_settings({"mcpServers": servers})
    key = admin.user("restarts").key()

    before = await names_of_odd_tools(own_hub, key)
    own_hub.stop()
    own_hub.start()
    after = await names_of_odd_tools(own_hub, key)

    assert {"github-pr-mcp-aca__get_issue", "jira__get_issue"} < set(before)
    assert len(before) == 4
    assert all(len(name) <= 48 for name in before)
    assert set(before.values()) == {"called get_issue", f"called {long}"}
    assert after == before


async def names_of_odd_tools(hub: RunningHub, key: str) -> dict[str, str]:
    """What each of them answers."""
    async with Ide(f"{hub.mcp}?mode=tools", key) as ide, asyncio.timeout(30):
        listed: list[str] = []
        while len(listed) < 4:  # a server may be late for the first list
            listed = [name for name in await ide.tool_names() if "__get_issue" in name or "ttt" in name]
        return {name: await ide.text(name) for name in listed}


def test_a_save_without_the_version_it_is_based_on_is_refused(admin: Admin) -> None:
    _, etag = admin.settings()
    admin.add_servers({"one": {"command": "python3", "args": ["-V"]}})

    none = admin.rest.send("PUT", "/api/admin/settings-file", json={"settings": {"mcpServers": {}}})
    stale = admin.rest.send(
        "PUT", "/api/admin/settings-file", json={"settings": {"mcpServers": {}}}, headers={"If-Match": etag}
    )

    assert (none.status_code, none.json()["code"]) == (428, "version_required")
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert list(servers(admin)) == ["one"]


def test_the_earlier_hubs_own_document_is_accepted_as_it_was_written(admin: Admin) -> None:
    document = example("seed")

    answer = save(admin, document)

    assert answer.status_code == 200, answer.text
    assert findings(answer.json()["data"]["warnings"]) == {("/mcpServers/jira-emoket/args", "unpinned_package")}
    assert admin.rest.get("/api/env-templates") == {
        "firecrawl-mcp": ["USER_FIRECRAWL_TOKEN"],
        "jira-emoket": ["USER_JIRA_BASE_URL", "USER_JIRA_EMAIL", "USER_JIRA_API_TOKEN"],
    }
    assert {name: (server["type"], server["status"]) for name, server in servers(admin).items()} == {
        "firecrawl-mcp": ("sse", "needs_setup"),
        "jira-emoket": ("stdio", "needs_setup"),
    }
    assert json.dumps(admin.settings()[0]) == json.dumps(document)
    assert save(admin, document).json()["data"]["changes"] == []
