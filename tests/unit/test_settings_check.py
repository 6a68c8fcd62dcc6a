import json
import string
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphub.domain import body_limit
from mcphub.domain.findings import DocumentRefused, Policy
from mcphub.domain.literal_secrets import seal_secrets
from mcphub.domain.server_spec import spec_of
from mcphub.domain.settings_check import check, check_server, check_system
from mcphub.domain.settings_file import compact
from mcphub.domain.substitution import MissingVariables, UnusableValue, inject
from tests.support.settings import POLICY, Sealer, checked, errors_of, found, warnings_of

NPX = {"command": "npx", "args": ["tool@1"]}
WEB = {"type": "streamable-http", "url": "https://h.example/mcp"}
API = {"openapi": {"url": "https://h.example/spec"}}


@pytest.mark.parametrize(
    ("config", "where", "code"),
    [
        ({}, "", "missing_target"),
        ({"type": "stdio"}, "", "missing_target"),
        ({"type": "sse", "url": ""}, "", "missing_target"),
        ({"type": "stdio", "url": "https://h/"}, "/type", "type_conflict"),
        ({"type": "carrier-pigeon", "url": "https://h/"}, "/type", "type_conflict"),
        ({"command": "npx", "url": "https://h/"}, "", "type_conflict"),
        ({"type": 7, "url": "https://h/"}, "/type", "type_conflict"),
        ({**NPX, "args": "tool@1"}, "/args", "type_conflict"),
        ({**NPX, "args": [1]}, "/args/0", "type_conflict"),
        ({**NPX, "env": {"A": 5}}, "/env/A", "type_conflict"),
        ({**NPX, "enabled": "false"}, "/enabled", "type_conflict"),
        ({**NPX, "tools": {"x": {"enabled": "false"}}}, "/tools/x", "type_conflict"),
        ({**NPX, "tools": {"x": False}}, "/tools/x", "type_conflict"),
        ({**NPX, "prompts": {"x": {"description": 1}}}, "/prompts/x/description", "type_conflict"),
        ({**NPX, "options": {"timeout": "20000"}}, "/options/timeout", "type_conflict"),
        ({**NPX, "headers": {}}, "/headers", "headers_on_stdio"),
        ({"command": "bash"}, "/command", "command_not_allowed"),
        ({"command": "/usr/bin/npx"}, "/command", "command_not_allowed"),
        ({"command": "docker"}, "/command", "command_not_allowed"),
        ({"command": "${USER_CMD}"}, "/command", "slot_in_command"),
        ({**WEB, "headers": {"X Y": "z"}}, "/headers/X Y", "bad_header"),
        ({**WEB, "headers": {"X": "a\r\nEvil: b"}}, "/headers/X", "bad_header"),
        ({**WEB, "headers": {"X": 1}}, "/headers/X", "type_conflict"),
        ({**WEB, "url": "https://${USER_HOST}/mcp"}, "/url", "slot_in_authority"),
        ({**WEB, "url": "${USER_URL}"}, "/url", "slot_in_authority"),
        ({**WEB, "url": "https://h.example\\${USER_X}/"}, "/url", "slot_in_authority"),
        ({**WEB, "url": "https://name:password@host/mcp"}, "/url", "credentials_in_url"),
        ({**WEB, "url": "https://name@host/mcp"}, "/url", "credentials_in_url"),
        ({**WEB, "url": "host/mcp"}, "/url", "bad_url"),
        ({**WEB, "url": "file:///etc/passwd"}, "/url", "bad_url"),
        ({**WEB, "url": "https://ho\nst/mcp"}, "/url", "bad_url"),
        ({**WEB, "url": "https://host:0/"}, "/url", "bad_url"),
        ({**WEB, "url": "https://host:port/"}, "/url", "bad_url"),
        ({**WEB, "url": "https://[::1/"}, "/url", "bad_url"),
        ({"openapi": {}}, "/openapi", "openapi_source"),
        ({"openapi": {"url": "https://h/", "schema": {}}}, "/openapi", "openapi_source"),
        ({"openapi": {"url": "http://10.0.0.1/"}}, "/openapi/url", "egress_denied"),
        ({"openapi": {**API["openapi"], "security": {"type": "apiKey"}}}, "/openapi/security", "security_incomplete"),
        ({"openapi": {**API["openapi"], "security": {"type": []}}}, "/openapi/security", "security_incomplete"),
        (
            {"openapi": {**API["openapi"], "passthroughHeaders": ["Cookie"]}},
            "/openapi/passthroughHeaders/0",
            "header_not_allowed",
        ),
        ({**WEB, "credentialTemplate": [{"target": "query", "name": "k"}]}, "/credentialTemplate/0", "type_conflict"),
        (
            {**NPX, "credentialTemplate": [{"target": "headers", "name": "A"}]},
            "/credentialTemplate/0",
            "headers_on_stdio",
        ),
        (
            {**NPX, "credentialTemplate": [{"target": "env", "name": "LD_PRELOAD"}]},
            "/credentialTemplate/0",
            "env_key_not_allowed",
        ),
        ({**WEB, "mcphub": {"isolation": "sometimes"}}, "/mcphub/isolation", "type_conflict"),
        ({**WEB, "mcphub": {"isolation": []}}, "/mcphub/isolation", "type_conflict"),
        ({**WEB, "mcphub": {"slug": "A__b"}}, "/mcphub/slug", "bad_name"),
        ({**WEB, "mcphub": {"userHosts": "*"}}, "/mcphub/userHosts", "type_conflict"),
        (
            {**WEB, "headers": {"A": "${USER_A}"}, "mcphub": {"isolation": "shared"}},
            "/mcphub/isolation",
            "isolation_shared_with_slots",
        ),
        (
            {**WEB, "headers": {"A": "${USER_A}"}, "mcphub": {"slots": {"USER_A": {"validationRegex": "(?=a)"}}}},
            "/mcphub/slots/USER_A",
            "pattern_invalid",
        ),
    ],
)
def test_an_entry_is_refused_at_its_place(config, where, code):
    assert errors_of(config) == [(where, code)]


@pytest.mark.parametrize(
    "key",
    [
        *("PATH", "Path", "LD_PRELOAD", "DYLD_X", "PYTHONPATH", "NODE_OPTIONS", "BASH_ENV", "GIT_SSH", "HTTPS_PROXY"),
        *("http_proxy", "MCPHUB_USER_ID", "A=B", ""),
    ],
)
def test_environment_that_changes_how_a_process_runs_is_refused(key):
    assert errors_of({**NPX, "env": {key: "x"}}) == [(f"/env/{key}", "env_key_not_allowed")]


@pytest.mark.parametrize("key", ["USER_LD_PRELOAD", "USER_PATH", "USER_HOME", "USER_MCPHUB_SESSION_ID"])
def test_no_slot_reaches_the_child_under_such_a_name(key):
    assert errors_of({**NPX, "env": {key: ""}}) == [(f"/env/{key}", "env_key_not_allowed")]


@pytest.mark.parametrize(
    "text", ["${USER_X", "${}", "${USER_X:-d}", "${env:USER_X}", "a ${USER X}", "${USER_A${USER_B}}"]
)
def test_a_placeholder_is_a_name_and_nothing_else(text):
    report = check_server("a", {**WEB, "headers": {"X": text}}, POLICY)

    assert found(report.errors) == [("/mcpServers/a/headers/X", "placeholder_syntax")]


def test_a_placeholder_that_holds_a_secret_is_not_repeated():
    report = check_server("a", {**WEB, "headers": {"X": "${canary-value}"}}, POLICY)

    assert "canary" not in repr(report)


@pytest.mark.parametrize("name", ["DATABASE_URL", "PGPASSWORD", "MCPHUB_MASTER_KEY", "PATH", "user_x", "USER_"])
def test_no_other_variable_of_the_environment_is_read(name):
    assert errors_of({**WEB, "headers": {"X": f"${{{name}}}"}}) == [("/headers/X", "env_not_allowed")]


@pytest.mark.parametrize("name", ["DATABASE_URL", "PGPASSWORD", "MCPHUB_MASTER_KEY"])
def test_the_hubs_own_variables_are_not_even_read_when_an_operator_lists_them(name):
    policy = Policy(config_env=frozenset({name}), hub_variables={name: "x"})

    assert errors_of({**WEB, "headers": {"X": f"${{{name}}}"}}, policy) == [("/headers/X", "env_not_allowed")]


def test_hub_variables_and_listed_names_are_read():
    policy = Policy(config_env=frozenset({"TEAM"}), hub_variables={"TEAM": "x", "HUB_A": "y"})
    config = {**WEB, "headers": {"X": "${TEAM}${HUB_A}${HUB_B}"}}

    assert errors_of(config, policy) == []
    assert warnings_of(config, policy) == [("/headers/X", "hub_variable_unset")]


def test_an_address_may_begin_with_a_hub_variable_and_is_checked_with_its_value():
    config = {**WEB, "url": "${HUB_BASE}/x/${USER_A}"}

    assert errors_of(config, Policy(hub_variables={"HUB_BASE": "https://h.example"})) == []
    assert errors_of(config, Policy(hub_variables={"HUB_BASE": "http://10.0.0.1"})) == [("/url", "egress_denied")]
    assert errors_of(config, Policy()) == []


def test_a_host_slot_needs_the_hosts_a_user_may_name():
    assert errors_of({**WEB, "url": "https://${USER_HOST}/mcp", "mcphub": {"userHosts": ["*.example.com"]}}) == []
    assert errors_of({**WEB, "url": "${USER_S}://h/", "mcphub": {"userHosts": ["h"]}}) == [
        ("/url", "slot_in_authority")
    ]


def test_docker_runs_when_the_operator_allows_it():
    assert errors_of({"command": "docker", "args": ["run"]}, Policy(commands=frozenset({"docker"}))) == []


@pytest.mark.parametrize(
    "host",
    [
        *(
            "169.254.169.254",
            "10.0.0.5",
            "172.20.1.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "[fd00::1]",
            "224.0.0.1",
        ),
        *("192.0.0.192", "198.18.0.1", "[fe80::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a00:1]", "0xa9fea9fe"),
        *("2852039166", "10.1", "012.0.0.1", "169.254.169.254."),
    ],
)
def test_addresses_the_hub_never_dials_are_refused_without_asking_anybody(host):
    assert errors_of({**WEB, "url": f"http://{host}/mcp"}) == [("/url", "egress_denied")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "8.8.8.8", "h.example"])
def test_loopback_and_the_open_network_may_be_dialled(host):
    assert errors_of({**WEB, "url": f"http://{host}:9101/mcp"}) == []


def test_the_operator_opens_networks_but_never_cloud_metadata():
    policy = Policy(egress_allow=("10.0.0.0/8", "169.254.0.0/16"))

    assert errors_of({**WEB, "url": "http://10.0.0.5/"}, policy) == []
    assert errors_of({**WEB, "url": "http://169.254.169.254/"}, policy) == [("/url", "egress_denied")]


@pytest.mark.parametrize(
    "header", ["Authorization", "cookie", "HOST", "X-MCPHub-User-Id", "Proxy-Authorization", "Transfer-Encoding"]
)
def test_these_headers_are_never_passed_through(header):
    assert errors_of({**WEB, "passthroughHeaders": ["X-Ok", header]}) == [
        ("/passthroughHeaders/1", "header_not_allowed")
    ]


@pytest.mark.parametrize(
    ("config", "where", "code"),
    [
        ({"url": "https://h/x"}, "", "type_inferred"),
        ({**WEB, "url": "https://h/mcp/?a=1"}, "/url", "trailing_slash"),
        ({**WEB, "timout": 1}, "", ""),
        ({**WEB, "visiblity": "private"}, "/visiblity", "did_you_mean"),
        ({**WEB, "mcphub": {"isolaton": "shared"}}, "/mcphub/isolaton", "did_you_mean"),
        ({**WEB, "options": {"timout": 1}}, "/options/timout", "did_you_mean"),
        ({**WEB, "visibility": "group"}, "/visibility", "not_applied"),
        ({**WEB, "proxy": {"enabled": True}}, "/proxy", "not_applied"),
        ({"command": "npx", "args": ["-y", "tool"]}, "/args", "unpinned_package"),
        ({"command": "npx", "args": ["-y", "@scope/tool@latest"]}, "/args", "unpinned_package"),
        ({"command": "npx", "args": ["-y", "@scope/tool@1.2.3"]}, "", ""),
        ({"command": "uvx", "args": ["tool"]}, "/args", "unpinned_package"),
        ({"command": "uvx", "args": ["tool==1.2"]}, "", ""),
        ({**WEB, "url": "https://h.example/"}, "", ""),
    ],
)
def test_what_is_odd_is_accepted_with_a_warning(config, where, code):
    assert errors_of(config) == []
    assert warnings_of(config) == ([(where, code)] if code else [])


@pytest.mark.parametrize("name", ["", "a/b", "$smart", "a\nb", "a\0b", "e\u0301", "x" * 101, " "])
def test_a_servers_name_is_refused(name):
    assert [code for _, code in checked({"mcpServers": {name: WEB}})[0]] == ["bad_name"]


def test_names_that_differ_in_case_only_are_warned_about():
    assert checked({"mcpServers": {"Jira": WEB, "jira": WEB}}) == ([], [("/mcpServers/jira", "name_case_clash")])


def test_two_servers_cannot_ask_for_one_slug():
    asking = {**WEB, "mcphub": {"slug": "j"}}

    assert checked({"mcpServers": {"a": asking, "b": asking}})[0] == [("/mcpServers/b/mcphub/slug", "slug_taken")]


def test_a_document_without_servers_is_refused():
    assert checked({})[0] == [("/mcpServers", "missing_target")]
    assert checked({"mcpServers": []})[0] == [("/mcpServers", "missing_target")]


def test_pointers_are_escaped():
    assert checked({"mcpServers": {"a~b": {**NPX, "env": {"X/Y": 1}}}})[0] == [
        ("/mcpServers/a~0b/env/X~1Y", "type_conflict")
    ]


def test_nobody_passes_without_a_key():
    assert checked({"mcpServers": {}, "systemConfig": {"routing": {"skipAuth": True}}})[0] == [
        ("/systemConfig/routing/skipAuth", "skip_auth_refused")
    ]
    assert found(check_system({"routing": {"skipAuth": True}}).errors) == [
        ("/systemConfig/routing/skipAuth", "skip_auth_refused")
    ]


def test_what_has_no_effect_is_kept_with_a_warning():
    document = {
        "mcpServers": {},
        "groups": [{"name": "g"}],
        "systemConfig": {"nameSeparator": "-", "discovery": {"on": True}, "routing": {"enableGlobalRoute": False}},
        "users": [{"username": "x"}],
        "anything": 1,
    }

    assert checked(document) == (
        [],
        [
            ("/systemConfig/nameSeparator", "not_applied"),
            ("/systemConfig/discovery", "not_applied"),
            ("/groups", "not_applied"),
            ("/users", "users_ignored"),
        ],
    )


def test_an_empty_list_of_users_is_no_warning():
    assert checked({"mcpServers": {}, "users": []}) == ([], [])


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://ann:secret@embeddings.example/v1", "credentials_in_url"),
        ("https://embeddings.example/v1?key=abc", "bad_url"),
        ("embeddings.example/v1", "bad_url"),
        (7, "bad_url"),
        ("https://embeddings.example/v1", None),
        ("http://127.0.0.1:8080/v1", None),
        ("", None),
    ],
)
def test_the_address_of_an_embedder_holds_no_secret(url, code):
    errors, _ = checked({"mcpServers": {}, "systemConfig": {"smartRouting": {"openaiApiBaseUrl": url}}})

    assert errors == ([("/systemConfig/smartRouting/openaiApiBaseUrl", code)] if code else [])


def test_an_embedder_whose_address_an_earlier_hub_filled_in_is_kept_and_has_no_effect():
    routing = {"openaiApiBaseUrl": "${EMBEDDINGS_URL}"}

    assert checked({"mcpServers": {}, "systemConfig": {"smartRouting": routing}}) == (
        [],
        [("/systemConfig/smartRouting/openaiApiBaseUrl", "not_applied")],
    )


def test_mirrors_hold_no_credentials():
    install = {"npmRegistry": "https://name:password@npm.example.com", "pythonIndexUrl": "pypi"}

    assert checked({"mcpServers": {}, "systemConfig": {"install": install}})[0] == [
        ("/systemConfig/install/npmRegistry", "credentials_in_url"),
        ("/systemConfig/install/pythonIndexUrl", "bad_url"),
    ]


@pytest.mark.parametrize(
    ("limit", "errors", "warnings"),
    [
        ("1mb", [], []),
        (65536, [], []),
        (None, [], []),
        ("a lot", ["value_not_allowed"], []),
        (True, ["value_not_allowed"], []),
        ("1000b", ["value_not_allowed"], []),
        ("11mb", [], ["size_capped"]),
    ],
)
def test_a_limit_of_messages_is_a_size_the_hub_can_keep(limit, errors, warnings):
    found = checked({"mcpServers": {}, "systemConfig": {"routing": {"jsonBodyLimit": limit}}})

    where = "/systemConfig/routing/jsonBodyLimit"
    assert found == ([(where, code) for code in errors], [(where, code) for code in warnings])


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [
        (None, 4 << 20),
        ("nonsense", 4 << 20),
        (2048, 2048),
        ("512kb", 512 << 10),
        (" 1.5 MB ", 3 << 19),
        ("2048", 2048),
        (1, 1024),
        ("1gb", 10 << 20),
        (float("inf"), 4 << 20),
    ],
)
def test_what_is_written_as_a_size_is_read_in_powers_of_1024_and_kept_within_bounds(written, bytes_):
    assert body_limit.most_bytes(written) == bytes_


def test_all_errors_are_collected():
    report = check_server("$x", {"command": "bash", "headers": {}, "env": {"PATH": "x", "A": "${"}}, POLICY)

    assert [finding.code for finding in report.errors] == [
        *("bad_name", "headers_on_stdio", "command_not_allowed", "env_key_not_allowed", "placeholder_syntax"),
    ]
    with pytest.raises(DocumentRefused) as caught:
        report.refuse()
    assert len(caught.value.errors) == 5


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_cannot_be_recorded_is_refused(text):
    for config in ({**WEB, "x": text}, {**WEB, "x": {text: 1}}, {**WEB, "mcphub": {"slots": {"USER_A": {"d": text}}}}):
        assert [code for _, code in errors_of(config)] == ["malformed_json"]
    assert [code for _, code in checked({"mcpServers": {}, "x": [text]})[0]] == ["malformed_json"]


def test_a_value_decoded_elsewhere_is_no_deeper_than_a_text_may_be():
    deep = []
    for _ in range(61):
        deep = [deep]

    assert errors_of({**WEB, "x": deep[0]}) == []
    assert [code for _, code in errors_of({**WEB, "x": deep})] == ["too_deep"]


KEYS = st.sampled_from(
    [
        *(
            "type",
            "command",
            "args",
            "env",
            "url",
            "headers",
            "openapi",
            "oauth",
            "mcphub",
            "tools",
            "options",
            "enabled",
        ),
        *("credentialTemplate", "passthroughHeaders", "visibility", "owner", "proxy", "security", "schema", "apiKey"),
        *(
            "slots",
            "slug",
            "isolation",
            "audience",
            "userHosts",
            "USER_X",
            "target",
            "name",
            "value",
            "$sealed",
            "token",
        ),
    ]
) | st.text(string.printable, max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            *("stdio", "sse", "openapi", "npx", "https://h/${USER_X}?a=${USER_Y}", "${USER_X}", "$${", "${", "apiKey"),
            *("shared", "headers", "env", "http://[", "•" * 8),
        ]
    )
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([{}, NPX, WEB, API]), st.dictionaries(KEYS, JSON, max_size=3))
def test_no_value_breaks_the_check_and_what_it_accepts_can_be_recorded_and_run(base, more):
    config = {**base, **more}
    document = {"mcpServers": {"a": config}, "systemConfig": config, "groups": config}
    report = check(document, POLICY)

    json.dumps([(f.pointer, f.code, f.detail) for f in report.errors + report.warnings]).encode()
    if check_server("a", config, POLICY).errors:
        return
    spec = spec_of("s1", "a", "a", config)
    with suppress(MissingVariables, UnusableValue):
        inject(spec, dict.fromkeys(spec.slots, "x"), {}, lambda pointer, sealed: "opened")
    with suppress(DocumentRefused):
        sealer = Sealer()
        compact(seal_secrets(document, {}, sealer.seal, sealer.same))
