"""The example documents of the contract: what importing each must lead to."""

import json

import pytest

from mcphub.domain.findings import DocumentRefused
from mcphub.domain.names import exposed_name
from mcphub.domain.settings_file import dump, parse
from mcphub.domain.substitution import MissingVariables, UnusableValue, inject
from tests.support.settings import Settings, checked, example


@pytest.fixture
def settings():
    return Settings()


def imported(name):
    settings = Settings()
    settings.save(example(name))
    return settings.state


def slots(state, name):
    return {slot.name: slot.canonical for slot in state.by_name(name).slots.values()}


def filled(state, name, hub_variables=None, **values):
    return inject(state.by_name(name).spec, values, hub_variables or {}, lambda pointer, sealed: "")


def without_bad():
    document = parse(example("hostile"))
    document["mcpServers"] = {n: c for n, c in document["mcpServers"].items() if not n.startswith("bad-")}
    return dump(document)


@pytest.mark.parametrize("name", ["transports", "openapi"])
def test_export_gives_the_same_document_and_importing_it_again_yields_no_facts(settings, name):
    settings.save(example(name))
    exported = dump(settings.state.document())

    assert json.dumps(json.loads(exported)) == json.dumps(json.loads(example(name)))
    assert not settings.save(exported).changed


def test_transports_raise_exactly_one_warning():
    assert checked(parse(example("transports"))) == ([], [("/mcpServers/tracker-cli/args", "unpinned_package")])


def test_transports_have_these_slugs_and_slots():
    state = imported("transports")

    assert {server.name: server.slug for server in state.servers.values()} == {
        "docs-search": "docs-search",
        "issue-desk": "issue-desk",
        "repo-pr": "repo-pr",
        "crawler": "crawler",
        "tracker-cli": "tracker-cli",
        "legacy box (old)": "legacy-box-old",
    }
    assert slots(state, "docs-search") == {}
    assert slots(state, "issue-desk") == {"USER_DESK_TOKEN": "DESK_TOKEN", "USER_DESK_EMAIL": "DESK_EMAIL"}
    assert slots(state, "repo-pr") == {"GITHUB_TOKEN": "GITHUB_TOKEN"}
    assert slots(state, "crawler") == {"USER_CRAWL_TENANT": "CRAWL_TENANT", "USER_CRAWL_TOKEN": "CRAWL_TOKEN"}
    assert list(slots(state, "tracker-cli")) == [
        "USER_TRACKER_BASE_URL",
        "USER_TRACKER_EMAIL",
        "USER_TRACKER_API_TOKEN",
    ]
    assert slots(state, "legacy box (old)") == {}


def test_the_limits_of_docs_search():
    spec = imported("transports").by_name("docs-search").spec

    assert (spec.timeout_ms, spec.reset_on_progress, spec.max_total_ms) == (20_000, True, 90_000)
    assert spec.isolation == "per-user"


def test_the_overrides_of_issue_desk():
    server = imported("transports").by_name("issue-desk")

    assert not server.switched_on("tools", "delete_issue")
    assert server.switched_on("tools", "get_issue")
    assert server.spec.tools["get_issue"].description == "Read one ticket by key"
    assert not server.slots["DESK_EMAIL"].secret
    assert server.slots["DESK_TOKEN"].secret


def test_crawler_encodes_the_tenant_in_the_query():
    state = imported("transports")

    injected = filled(state, "crawler", CRAWL_TENANT="a b&c=/ü", CRAWL_TOKEN="t")

    assert injected.url == "http://127.0.0.1:9103/sse?tenant=a%20b%26c%3D%2F%C3%BC"
    assert injected.headers == {"X-Api-Key": "t"}
    assert state.by_name("crawler").spec.keep_alive_ms == 45_000


def test_tracker_cli_gives_the_child_both_names_of_its_env_slot():
    state = imported("transports")
    values = {"TRACKER_BASE_URL": "https://t", "TRACKER_EMAIL": "bob@x.org", "TRACKER_API_TOKEN": "s"}

    injected = filled(state, "tracker-cli", **values)

    assert injected.env == {"TRACKER_EMAIL": "bob@x.org", "USER_TRACKER_EMAIL": "bob@x.org", "TRACKER_API_TOKEN": "s"}
    assert injected.args == ["-y", "tracker-mcp", "--site", "https://t"]
    assert state.by_name("tracker-cli").slots["TRACKER_EMAIL"].placeholder == "me@example.com"


def test_tracker_cli_refuses_a_base_url_that_is_an_option():
    values = {"TRACKER_BASE_URL": "--exec", "TRACKER_EMAIL": "bob@x.org", "TRACKER_API_TOKEN": "s"}

    with pytest.raises(UnusableValue, match="USER_TRACKER_BASE_URL"):
        filled(imported("transports"), "tracker-cli", **values)


def test_the_legacy_box_is_off():
    assert not imported("transports").by_name("legacy box (old)").enabled


def test_openapi_raises_two_warnings():
    assert checked(parse(example("openapi"))) == (
        [],
        [
            ("/mcpServers/billing/openapi/security/oauth2/clientSecret", "hub_variable_unset"),
            ("/mcpServers/browser/args", "unpinned_package"),
        ],
    )


def test_openapi_has_these_slots():
    state = imported("openapi")

    assert [slots(state, name) for name in ("clock", "billing", "browser")] == [{}, {}, {}]
    assert slots(state, "inventory") == {"USER_INVENTORY_KEY": "INVENTORY_KEY"}
    assert state.by_name("inventory").slots["INVENTORY_KEY"].placements == ("openapi",)
    assert slots(state, "vault") == {"USER_AUTHORIZATION": "AUTHORIZATION"}
    assert state.by_name("vault").slots["AUTHORIZATION"].label == "Vault bearer"
    assert slots(state, "mailer") == {"USER_MAIL_BASIC": "MAIL_BASIC"}


def test_openapi_servers_are_filled_like_the_others():
    state = imported("openapi")

    injected = filled(state, "inventory", INVENTORY_KEY="k")

    assert injected.openapi["security"]["apiKey"] == {"name": "X-Key", "in": "header", "value": "k"}
    assert state.by_name("inventory").spec.passthrough_headers == ("accept-language",)
    assert state.by_name("mailer").spec.passthrough_headers == ("x-request-tag",)
    assert filled(state, "vault", AUTHORIZATION="Bearer x").headers == {"Authorization": "Bearer x"}


def test_an_unset_hub_variable_stops_billing_before_anything_is_sent():
    with pytest.raises(MissingVariables) as caught:
        filled(imported("openapi"), "billing")

    assert caught.value.names == ["HUB_BILLING_SECRET"]
    assert caught.value.hub


def test_browser_has_a_process_for_each_session():
    spec = imported("openapi").by_name("browser").spec

    assert (spec.isolation, spec.start_on_demand, spec.idle_timeout_ms) == ("per-session", True, 120_000)


def test_hostile_is_refused_as_a_whole_with_exactly_these_errors(settings):
    errors, warnings = checked(parse(example("hostile")))

    assert errors == [
        ("/mcpServers/bad-stdio/headers", "headers_on_stdio"),
        ("/mcpServers/bad-env/env/X", "env_not_allowed"),
        ("/mcpServers/bad-empty", "missing_target"),
        ("/mcpServers/bad-egress/url", "egress_denied"),
    ]
    assert warnings == [
        ("/mcpServers/GitHub PR MCP (ACA)/url", "trailing_slash"),
        ("/mcpServers/inferred", "type_inferred"),
    ]
    with pytest.raises(DocumentRefused):
        settings.save(example("hostile"))
    assert settings.state.version == 0


def test_hostile_without_its_bad_entries_is_accepted(settings):
    settings.save(without_bad())
    state = settings.state

    assert [server.slug for server in state.servers.values()] == ["github-pr-mcp-aca", "jira", "inferred", "composite"]
    assert state.by_name("GitHub PR MCP (ACA)").spec.url == "http://127.0.0.1:9301/mcp/"
    assert slots(state, "지라") == {"USER_JIRA_EMAIL": "JIRA_EMAIL", "USER_SHARED_TOKEN": "SHARED_TOKEN"}
    assert filled(state, "지라", JIRA_EMAIL="a@b", SHARED_TOKEN="t").headers == {
        "Authorization": "Basic a@b:t",
        "X-Note": "${NOT_A_SLOT}",
    }
    assert state.by_name("inferred").spec.type == "streamable-http"
    assert state.document()["mcpServers"]["inferred"] == {"url": "http://127.0.0.1:9303/mcp", "x-team": "platform"}


def test_composite_sends_nothing_with_one_of_its_two_values(settings):
    settings.save(without_bad())

    with pytest.raises(MissingVariables) as caught:
        filled(settings.state, "composite", A="1")

    assert caught.value.names == ["USER_B"]
    assert (caught.value.server, caught.value.slug) == ("composite", "composite")


def test_tools_of_two_servers_do_not_meet_and_a_long_one_is_cut_for_good():
    assert exposed_name("github-pr-mcp-aca", "get_issue") == "github-pr-mcp-aca__get_issue"
    assert exposed_name("jira", "get_issue") == "jira__get_issue"
    assert exposed_name("jira", "t" * 80) == "jira__" + "t" * 35 + "_ad3d5b"
