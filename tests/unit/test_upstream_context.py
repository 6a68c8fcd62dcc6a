"""Which headers an HTTP upstream sees: its own, whom the call is for, and nothing a client could put in between."""

from collections.abc import Mapping
from typing import Any

import pytest

from mcphub.domain.server_spec import ServerSpec, spec_of
from mcphub.domain.substitution import inject
from mcphub.gateway.upstream.context import RequestHeaders, token_header
from mcphub.gateway.upstream.runtime import Identity, Reply

ANN = Identity("ann-0000-1111", "sess-2222-3333", "key", ("Team A", "중앙"), "2025-06-18", b"{}", "v1")


class Asked:
    request_id = "user-ann-tools/call-1"
    traceparent = "00-aa-bb-01"
    tracestate = "vendor=1"
    headers: Mapping[str, str] = {}

    def notify(self, frame: bytes) -> None:
        pass

    async def ask(self, method: str, params: bytes) -> Reply:
        return Reply()


def spec(**config: Any) -> ServerSpec:
    return spec_of("id", "My Server", "my-server", {"type": "streamable-http", "url": "http://x/mcp", **config})


def headers(
    of: ServerSpec, identity: Identity | None = ANN, inbound: Mapping[str, str] | None = None, **values: str
) -> dict[str, str]:
    made = RequestHeaders(of, inject(of, values, {}, lambda _, sealed: sealed), "mcphub/1")
    made.conversation("up-session", "2025-11-25")
    asked = Asked()
    asked.headers = inbound or {}
    return {name.lower(): value for name, value in made.of(identity, asked).items()}


def test_a_call_says_whom_it_is_for() -> None:
    found = headers(spec())

    assert found["x-mcphub-user-id"] == "ann-0000-1111"
    assert found["x-mcphub-session-id"] == "sess-2222-3333"
    assert found["x-mcphub-user-session-id"] == "ann-0000-sess-222"
    assert found["x-mcphub-request-id"] == "user-ann-tools/call-1"
    assert found["x-mcphub-source-server"] == "My%20Server"
    assert found["x-mcphub-user-groups"] == "Team%20A,%EC%A4%91%EC%95%99"
    assert found["x-mcphub-protocol-version"] == "2025-06-18"
    assert found["x-mcphub-timestamp"].isdigit()
    assert (found["traceparent"], found["tracestate"]) == ("00-aa-bb-01", "vendor=1")
    assert (found["mcp-session-id"], found["mcp-protocol-version"]) == ("up-session", "2025-11-25")


def test_a_server_that_wants_no_context_gets_none() -> None:
    found = headers(spec(mcphub={"contextHeaders": "none"}))

    assert not [name for name in found if name.startswith("x-mcphub") or name == "traceparent"]


def test_what_a_shared_conversation_does_by_itself_names_nobody() -> None:
    made = RequestHeaders(spec(), inject(spec(), {}, {}, lambda _, sealed: sealed), "mcphub/1")

    assert "X-MCPHub-User-Id" in made.of(ANN, None)
    assert "X-MCPHub-User-Id" not in made.of(None, None)
    assert made.of(ANN, None)["X-MCPHub-User-Id"] == "ann-0000-1111"


def test_each_caller_of_a_shared_conversation_is_named_as_itself() -> None:
    made = RequestHeaders(spec(), inject(spec(), {}, {}, lambda _, sealed: sealed), "mcphub/1")
    bob = Identity("bob", "other", "key", (), "2025-11-25", b"{}", "v1")

    seen = [made.of(who, None)["X-MCPHub-User-Id"] for who in (ANN, bob, ANN, bob)]

    assert seen == ["ann-0000-1111", "bob", "ann-0000-1111", "bob"]


def test_changing_the_headers_of_one_request_changes_no_other() -> None:
    made = RequestHeaders(spec(), inject(spec(), {}, {}, lambda _, sealed: sealed), "mcphub/1")

    made.of(ANN, None)["X-Extra"] = "1"

    assert "X-Extra" not in made.of(ANN, None)


def test_initialize_belongs_to_no_session() -> None:
    made = RequestHeaders(spec(), inject(spec(), {}, {}, lambda _, sealed: sealed), "mcphub/1")
    made.conversation("old", "2025-06-18")

    first = made.first(ANN)

    assert "Mcp-Session-Id" not in first
    assert "MCP-Protocol-Version" not in first
    assert made.of(ANN, None)["Mcp-Session-Id"] == "old"


def test_no_template_says_who_calls_or_breaks_the_protocol() -> None:
    forged = {
        "X-MCPHub-User-Id": "eve",
        "Content-Length": "1",
        "Mcp-Session-Id": "x",
        "Accept": "text/html",
        "Host": "y",
    }

    found = headers(spec(headers={**forged, "X-Api-Key": "k"}))

    assert found["x-mcphub-user-id"] == "ann-0000-1111"
    assert found["mcp-session-id"] == "up-session"
    assert found["accept"] == "application/json, text/event-stream"
    assert not {"host", "content-length"} & set(found)
    assert found["x-api-key"] == "k"


def test_a_variable_whose_header_would_say_who_calls_is_left_out() -> None:
    forging = spec(env={"USER_USER_ID": "", "USER_REQUEST_ID": "", "USER_SESSION_ID": ""})

    found = headers(forging, USER_ID="eve", REQUEST_ID="eve", SESSION_ID="eve")

    assert "eve" not in found.values()


def test_a_clients_headers_pass_only_by_name_and_never_its_credentials() -> None:
    passing = spec(passthroughHeaders=["Accept-Language", "Authorization", "Cookie", "X-MCPHub-User-Id", "Proxy-X"])
    sent = {"accept-language": "ko", "authorization": "Bearer key", "cookie": "c=1", "x-mcphub-user-id": "eve"}

    found = headers(passing, inbound={**sent, "proxy-x": "p", "x-other": "o"})

    assert found["accept-language"] == "ko"
    assert not {"authorization", "cookie", "proxy-x", "x-other"} & set(found)
    assert found["x-mcphub-user-id"] == "ann-0000-1111"


# tokens


@pytest.mark.parametrize(
    ("variable", "header"),
    [
        ("CRAWL_TENANT", "X-MCPHub-Crawl-Tenant"),
        ("GITHUB_TOKEN", "X-MCPHub-GitHub-Token"),
        ("ATLASSIAN_TOKEN", "X-MCPHub-Atlassian-Token"),
        ("ATLASSIAN_API_TOKEN", "X-MCPHub-Atlassian-Token"),
        ("JIRA_API_TOKEN", "X-MCPHub-Jira-Token"),
        ("FIRECRAWL_TOKEN", "X-MCPHub-Firecrawl-Token"),
    ],
)
def test_the_header_of_a_variable(variable: str, header: str) -> None:
    assert token_header(variable) == header


def test_a_variable_declared_as_environment_of_a_remote_server_arrives_as_its_header() -> None:
    found = headers(spec(env={"USER_CRAWL_TENANT": "example"}), CRAWL_TENANT="acme")

    assert found["x-mcphub-crawl-tenant"] == "acme"


def test_other_variables_arrive_as_headers_only_where_the_server_asks_for_tokens() -> None:
    template = {"Authorization": "Bearer ${USER_DESK_TOKEN}"}

    plain = headers(spec(headers=template), DESK_TOKEN="t1")
    asking = headers(spec(headers=template, mcphub={"contextHeaders": "tokens"}), DESK_TOKEN="t1", OTHER_TOKEN="t2")

    assert "x-mcphub-desk-token" not in plain
    assert asking["x-mcphub-desk-token"] == "t1"
    assert asking["authorization"] == "Bearer t1"
    assert "t2" not in asking.values()
