"""What the example documents say must hold of each of their servers, with test servers at the addresses they name.

Names and ports are this run's own; everything else of an entry is as the document has it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.ide import Ide, RpcError
from tests.support.owners import running
from tests.support.recorder import Received, Recorder
from tests.support.rest import Answered, Person
from tests.support.running import RunningHub
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures" / "settings"

Serve = Callable[..., None]
MakeUser = Callable[[str], Person]


def entry(document: str, name: str, at: HttpServer | None = None) -> dict[str, Any]:
    """A server's entry as the document has it, with every address on the port of `at`."""
    text = json.dumps(json.loads((FIXTURES / f"settings-{document}.json").read_text())["mcpServers"][name])
    if at is not None:
        for url in addresses(json.loads(text)):
            text = text.replace(urlsplit(url).netloc, f"{urlsplit(url).hostname}:{at.port}")
    found: dict[str, Any] = json.loads(text)
    return found


def addresses(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [url for item in inner for url in addresses(item)]
    return [value] if isinstance(value, str) and value.startswith(("http://127.0.0.1", "http://localhost:")) else []


def status_of(hub: RunningHub, name: str) -> dict[str, Any]:
    [found] = [server for server in hub.admin.rest.get("/api/servers") if server["name"] == name]
    return dict(found)


async def called(hub: RunningHub, person: Person, tool: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    """The result of one call by a client that sends these headers, too."""
    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        ide.http.headers.update(headers or {})
        return await ide.call(tool, **more)


def only(found: list[Received]) -> Received:
    [one] = found
    return one


# settings-seed.json: the document of an earlier hub


async def test_the_earlier_hubs_values_reach_the_sse_server_as_a_header_and_the_process_under_both_names(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    crawl, jira = fresh_name("firecrawl-mcp"), fresh_name("jira-emoket")
    local = upstreams.stdio(jira)
    own = entry("seed", "jira-emoket")
    serve(
        {
            crawl: entry("seed", "firecrawl-mcp", upstreams.sse(crawl)),
            jira: {**own, **local, "args": [*local["args"], *own["args"]]},
        }
    )
    person = make_user("seed")
    person.save(crawl, USER_FIRECRAWL_TOKEN="fc-of-this-user")
    person.save(
        jira, USER_JIRA_BASE_URL="https://t.example", USER_JIRA_EMAIL="me@t.example", USER_JIRA_API_TOKEN="jira-token"
    )

    for server in (crawl, jira):
        await called(hub, person, f"{server}__echo", text="x")

    over_sse, process = only(recorder.calls(crawl)), only(recorder.calls(jira))
    assert over_sse.facts["x-mcphub-firecrawl-token"] == "fc-of-this-user"
    assert "jira-token" not in json.dumps(over_sse.facts)
    assert {name: value for name, value in process.facts.items() if "JIRA" in name} == {
        "JIRA_BASE_URL": "https://t.example",
        "USER_JIRA_BASE_URL": "https://t.example",
        "JIRA_EMAIL": "me@t.example",
        "USER_JIRA_EMAIL": "me@t.example",
        "JIRA_API_TOKEN": "jira-token",
        "USER_JIRA_API_TOKEN": "jira-token",
    }
    assert "fc-of-this-user" not in json.dumps(process.facts)


# settings-transports.json


async def test_docs_search_is_a_process_a_user_and_one_for_all_when_it_is_declared_shared(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    own, shared = fresh_name("docs-search"), fresh_name("docs-search")
    config = entry("transports", "docs-search")
    serve(
        {
            own: {**config, **upstreams.stdio(own, env=config["env"])},
            shared: {**config, **upstreams.stdio(shared, env=config["env"]), "mcphub": {"isolation": "shared"}},
        }
    )
    for person in (make_user("docs"), make_user("docs")):
        async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
            for server in (own, shared):
                await ide.text(f"{server}__echo", text="x")

    calls = recorder.calls(own), recorder.calls(shared)
    assert [len({call.pid for call in of}) for of in calls] == [2, 1]
    assert {call.facts["LOG_LEVEL"] for of in calls for call in of} == {"warning"}


async def test_issue_desk_hides_one_tool_and_describes_another(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("issue-desk")
    serve({name: entry("transports", "issue-desk", upstreams.http(name, "delete_issue", "get_issue"))})
    person = make_user("desk")
    person.save(name, USER_DESK_TOKEN="token-of-desk", USER_DESK_EMAIL="desk@example.com")

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        tools = {tool["name"]: tool["description"] for tool in await ide.tools() if tool["name"].startswith(name)}
        with pytest.raises(RpcError, match="Unknown tool"):
            await ide.call(f"{name}__delete_issue")
        await ide.text(f"{name}__get_issue")

    assert tools[f"{name}__get_issue"] == "Read one ticket by key"
    assert f"{name}__delete_issue" not in tools
    call = only(recorder.calls(name))
    assert (call.facts["authorization"], call.facts["x-user-email"]) == ("Bearer token-of-desk", "desk@example.com")


@pytest.mark.parametrize("spelled", ["GITHUB_TOKEN", "USER_GITHUB_TOKEN"])
async def test_repo_pr_takes_its_value_under_both_names(
    hub: RunningHub,
    recorder: Recorder,
    upstreams: Upstreams,
    serve: Serve,
    make_user: MakeUser,
    fresh_name: Any,
    spelled: str,
) -> None:
    name = fresh_name("repo-pr")
    serve({name: entry("transports", "repo-pr", upstreams.http(name))})
    person = make_user("repo")
    person.save(name, **{spelled: "gh-of-repo"})

    await called(hub, person, f"{name}__echo", text="x")

    assert only(recorder.calls(name)).facts["authorization"] == "Bearer gh-of-repo"


async def test_crawler_gets_the_tenant_percent_encoded_in_its_query_and_the_key_as_a_header(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("crawler")
    serve({name: entry("transports", "crawler", upstreams.sse(name))})
    person = make_user("crawl")
    person.save(name, USER_CRAWL_TENANT="a&b c/d", USER_CRAWL_TOKEN="crawl-token")

    await called(hub, person, f"{name}__echo", text="x")

    stream = only(recorder.received(server=name, event="stream"))
    assert stream.target == "/sse?tenant=a%26b%20c%2Fd"
    assert stream.facts["x-api-key"] == only(recorder.calls(name)).facts["x-api-key"] == "crawl-token"


@pytest.mark.thorough
async def test_tracker_cli_is_one_process_a_user_with_that_users_values(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("tracker")
    own = entry("transports", "tracker-cli")
    local = upstreams.stdio(name, env=own["env"])
    serve({name: {**local, "args": [*local["args"], *own["args"][2:]]}})
    people = [make_user("track") for _ in range(2)]
    for person in people:
        values = {
            "BASE_URL": "https://t.example",
            "EMAIL": f"{person.username}@example.com",
            "API_TOKEN": person.username,
        }
        person.save(name, **{f"USER_TRACKER_{key}": value for key, value in values.items()})
        for _ in range(2):
            await called(hub, person, f"{name}__echo", text="x")

    calls = recorder.calls(name)
    assert len({call.pid for call in calls}) == 2
    for call in calls:
        user = next(person for person in people if person.id == call.facts["MCPHUB_USER_ID"])
        assert call.facts["TRACKER_EMAIL"] == call.facts["USER_TRACKER_EMAIL"] == f"{user.username}@example.com"
        assert call.facts["TRACKER_API_TOKEN"] == user.username


@pytest.mark.thorough
async def test_a_value_for_tracker_cli_that_would_be_an_option_is_refused(
    upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("tracker")
    serve({name: entry("transports", "tracker-cli")})
    person = make_user("track")

    with pytest.raises(Answered) as refused:
        person.save(name, USER_TRACKER_BASE_URL="--config=/etc/passwd")

    assert [error["code"] for error in refused.value.response.json()["errors"]] == ["value_not_allowed"]


@pytest.mark.thorough
async def test_legacy_box_is_disabled_and_never_dialled(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("legacy")
    serve({name: entry("transports", "legacy box (old)", upstreams.sse(name))})

    async with Ide(f"{hub.mcp}?mode=tools", make_user("legacy").key()) as ide:
        names = await ide.tool_names()
        with pytest.raises(RpcError, match="Unknown tool"):
            await ide.call(f"{name}__echo", text="x")

    assert not [tool for tool in names if tool.startswith(name)]
    assert status_of(hub, name)["status"] == "disabled"
    assert recorder.received(server=name) == []


# settings-openapi.json


@pytest.mark.thorough
async def test_inventory_gets_the_key_as_its_header_and_only_the_language_of_the_client(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("inventory")
    serve({name: entry("openapi", "inventory", upstreams.rest(name))})
    person = make_user("stock")
    person.save(name, USER_INVENTORY_KEY="inventory-key")

    await called(hub, person, f"{name}__whoami", {"Accept-Language": "ko", "X-Request-Tag": "t", "Cookie": "a=b"})

    facts = only(recorder.calls(name)).facts
    assert (facts["x-key"], facts["accept-language"]) == ("inventory-key", "ko")
    assert not {"x-request-tag", "cookie", "authorization"} & set(facts)
    assert "x-key" not in only(recorder.received(server=name, event="document")).facts


@pytest.mark.thorough
async def test_clock_is_one_tool_with_an_optional_text(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("clock")
    config = entry("openapi", "clock", upstreams.rest(name))
    config["openapi"]["schema"]["info"]["description"] = "${USER_NOT_A_SLOT} ${DATABASE_URL}"
    serve({name: config})

    async with Ide(f"{hub.mcp}/{name}", make_user("clockwatcher").key()) as ide:
        [tool] = await ide.tools()
        await ide.text("now")
        await ide.text("now", tz="Asia/Seoul")

    assert (tool["name"], tool["inputSchema"]["properties"]) == ("now", {"tz": {"type": "string"}})
    assert "required" not in tool["inputSchema"]
    assert [call.target for call in recorder.calls(name)] == ["/now", "/now?tz=Asia%2FSeoul"]
    assert status_of(hub, name)["slots"] == []
    assert recorder.received(server=name, event="document") == []


@pytest.mark.thorough
async def test_billing_without_its_variable_needs_setup_and_asks_for_no_token(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("billing")
    serve({name: entry("openapi", "billing", upstreams.rest(name))})

    result = await called(hub, make_user("payer"), f"{name}__whoami")

    assert status_of(hub, name)["status"] == "needs_setup"
    assert result["isError"]
    assert "HUB_BILLING_SECRET" in result["content"][0]["text"]
    assert recorder.received(server=name) == []


@pytest.mark.thorough
async def test_browser_is_a_process_a_session_started_by_its_first_use_and_ended_when_it_is_idle(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name, hasty = fresh_name("browser"), fresh_name("hasty")
    config = entry("openapi", "browser")
    serve(
        {
            name: {**config, **upstreams.stdio(name)},
            hasty: {**config, **upstreams.stdio(hasty), "idleTimeoutMs": config["idleTimeoutMs"] / 1000},
        }
    )
    key = make_user("surfer").key()
    unused = recorder.received(server=name)

    async with Ide(f"{hub.mcp}/{name}", key) as one, Ide(f"{hub.mcp}/{name}", key) as other:
        for ide in (one, other, one):
            await ide.text("echo", text="x")
    async with Ide(f"{hub.mcp}/{hasty}", key) as ide:
        await ide.text("echo", text="x")
        await until(lambda: not running(only(recorder.calls(hasty)).pid), within=20, what="an idle process ends")

    assert unused == []
    assert len({call.pid for call in recorder.calls(name)}) == 2
    assert status_of(hub, name)["isolation"] == "per-session"


@pytest.mark.thorough
async def test_vault_gets_the_users_value_as_the_whole_authorization(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("vault")
    serve({name: entry("openapi", "vault", upstreams.http(name))})
    person = make_user("vault")
    person.save(name, USER_AUTHORIZATION="Token abc:def")

    await called(hub, person, f"{name}__echo", text="x")

    assert only(recorder.calls(name)).facts["authorization"] == "Token abc:def"
    assert [slot["label"] for slot in status_of(hub, name)["slots"]] == ["Vault bearer"]


@pytest.mark.thorough
async def test_mailer_is_passed_the_tag_of_the_client_and_nothing_else(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("mailer")
    serve({name: entry("openapi", "mailer", upstreams.http(name))})
    person = make_user("mail")
    person.save(name, USER_MAIL_BASIC="bWU6aXQ=")

    await called(hub, person, f"{name}__echo", {"X-Request-Tag": "t-1", "Accept-Language": "ko"}, text="x")

    facts = only(recorder.calls(name)).facts
    assert (facts["x-request-tag"], facts["authorization"]) == ("t-1", "Basic bWU6aXQ=")
    assert "accept-language" not in facts


# settings-hostile.json, without its bad entries


@pytest.mark.thorough
async def test_github_pr_keeps_its_slash_and_its_authorization_over_a_redirect_within_its_origin_only(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name, away, other = (fresh_name(stem) for stem in ("GitHub PR MCP (ACA)", "GitHub PR MCP (away)", "other"))
    here = upstreams.http(name, moved="/mcp")
    there = upstreams.http(away, moved=upstreams.http(other).url)
    serve({server.name: entry("hostile", "GitHub PR MCP (ACA)", server) for server in (here, there)})
    person = make_user("github")
    person.save(name, USER_SHARED_TOKEN="gh-token")
    slug, slug_away = (status_of(hub, server)["slug"] for server in (name, away))

    kept = await called(hub, person, f"{slug}__echo", text="x")
    refused = await called(hub, person, f"{slug_away}__echo", text="x")

    assert hub.admin.settings()[0]["mcpServers"][name]["url"].endswith("/mcp/")
    assert not kept["isError"]
    assert only(recorder.calls(name)).facts["authorization"] == "Bearer gh-token"
    assert refused["isError"]
    assert "redirect" in refused["content"][0]["text"]
    assert recorder.received(server=away) == recorder.received(server=other) == []


@pytest.mark.thorough
def test_a_value_of_one_name_is_saved_for_its_other_consumer_unless_it_is_for_one_only(
    serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    first, second, later = (fresh_name(stem) for stem in ("github", "지라", "later"))
    config = entry("hostile", "GitHub PR MCP (ACA)")
    serve({first: config, second: entry("hostile", "지라")})
    person, careful = make_user("sharing"), make_user("careful")

    shared = person.save(first, USER_SHARED_TOKEN="for-both")
    alone = careful.rest.post(
        "/api/user-env-vars", {"envVars": {first: {"USER_SHARED_TOKEN": "for-one"}}, "only": True}
    )
    serve({later: config})

    assert shared["alsoSavedFor"] == [{"server": second, "name": "USER_SHARED_TOKEN"}]
    assert alone["alsoSavedFor"] == []
    assert has_value(person, first, second, later) == [True, True, False]
    assert has_value(careful, first, second, later) == [True, False, False]


def has_value(person: Person, *servers: str) -> list[bool]:
    saved = person.rest.get("/api/user-env-vars")
    return ["USER_SHARED_TOKEN" in json.dumps(saved.get(server, {})) for server in servers]


@pytest.mark.thorough
async def test_jira_gets_its_values_verbatim_and_a_text_that_is_no_slot(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("지라")
    serve({name: entry("hostile", "지라", upstreams.http(name))})
    person = make_user("jira")
    person.save(name, USER_JIRA_EMAIL="me@example.com", USER_SHARED_TOKEN="s3cr3t")
    slug = status_of(hub, name)["slug"]

    await called(hub, person, f"{slug}__echo", text="x")

    assert slug.startswith("jira-")
    facts = only(recorder.calls(name)).facts
    assert (facts["authorization"], facts["x-note"]) == ("Basic me@example.com:s3cr3t", "${NOT_A_SLOT}")


@pytest.mark.thorough
async def test_inferred_is_streamable_http_and_stays_as_it_was_written(
    hub: RunningHub, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("inferred")
    config = entry("hostile", "inferred", upstreams.http(name))
    serve({name: config})

    result = await called(hub, make_user("infers"), f"{name}__echo", text="x")

    assert not result["isError"]
    assert status_of(hub, name)["type"] == "streamable-http"
    assert hub.admin.settings()[0]["mcpServers"][name] == config
    assert "type" not in config


@pytest.mark.thorough
async def test_composite_sends_nothing_while_one_of_its_two_values_is_missing(
    hub: RunningHub, recorder: Recorder, upstreams: Upstreams, serve: Serve, make_user: MakeUser, fresh_name: Any
) -> None:
    name = fresh_name("composite")
    serve({name: entry("hostile", "composite", upstreams.http(name))})
    person = make_user("pair")
    person.save(name, USER_A="first")

    refused = await called(hub, person, f"{name}__echo", text="x")
    sent_before = recorder.received(server=name)
    person.save(name, USER_B="second")
    await called(hub, person, f"{name}__echo", text="x")

    assert refused["isError"]
    assert "USER_B" in refused["content"][0]["text"]
    assert sent_before == []
    assert only(recorder.calls(name)).facts["x-pair"] == "first-second"
