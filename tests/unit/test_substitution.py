import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.domain.patterns import matches, usable_pattern
from mcphub.domain.server_spec import spec_of
from mcphub.domain.slots import slots_of
from mcphub.domain.substitution import MissingVariables, UnusableValue, check_value, inject
from mcphub.domain.vault import MASK

WEB = {"type": "streamable-http", "url": "https://h.example/mcp"}
OPTIONAL = {"slots": {"A": {"required": False}}}


def filled(config, values=None, hub_variables=None, opener=None):
    spec = spec_of("s1", "server", "server", {**({} if "command" in config else WEB), **config})
    return inject(spec, values or {}, hub_variables or {}, opener or (lambda pointer, sealed: f"{pointer}={sealed}"))


def slot(config):
    (found,) = slots_of(config)
    return found


def test_a_users_value_is_text_whatever_it_holds():
    headers = filled({"headers": {"X": "${USER_A}|$${USER_A}"}}, {"A": "${USER_B}$${x}"}).headers

    assert headers == {"X": "${USER_B}$${x}|${USER_A}"}


def test_headers_take_values_verbatim():
    assert filled({"headers": {"X": "Basic ${USER_A}"}}, {"A": "a:b c%20"}).headers == {"X": "Basic a:b c%20"}


def test_one_argument_stays_one_argument():
    config = {"command": "npx", "args": ["a", "--x=${USER_A}", "${USER_A}"]}

    assert filled(config, {"A": "b c; d"}).args == ["a", "--x=b c; d", "b c; d"]


def test_a_value_that_would_be_an_option_is_refused_where_it_opens_an_argument():
    with pytest.raises(UnusableValue) as caught:
        filled({"command": "npx", "args": ["${USER_A}"]}, {"A": "-canary"})

    assert "USER_A" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert filled({"command": "npx", "args": ["--x", "y${USER_A}"]}, {"A": "-b"}).args == ["--x", "y-b"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/${USER_A}/x", "https://h/a%2Fb%3Fc%26%C3%BC%20/x"),
        ("https://h/?q=${USER_A}&r=1", "https://h/?q=a%2Fb%3Fc%26%C3%BC%20&r=1"),
        ("https://h?q=${USER_A}", "https://h?q=a%2Fb%3Fc%26%C3%BC%20"),
        ("https://h/mcp/", "https://h/mcp/"),
        ("https://h", "https://h"),
        ("https://h/a/../b?x", "https://h/a/../b?x"),
    ],
)
def test_addresses_take_values_percent_encoded(url, expected):
    assert filled({"url": url}, {"A": "a/b?c&ü "}).url == expected


@given(st.text(min_size=1).filter(lambda value: value not in {".", ".."}))
def test_no_value_changes_where_an_address_leads(value):
    url = filled({"url": "https://h/a/${USER_A}/b?q=${USER_A}"}, {"A": value}).url

    assert url == f"https://h/a/{quote(value, safe='')}/b?q={quote(value, safe='')}"


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_does_not_climb_the_path(value):
    with pytest.raises(UnusableValue):
        filled({"url": "https://h/a/${USER_A}/b"}, {"A": value})


def test_missing_values_are_named_as_the_form_calls_and_orders_them():
    with pytest.raises(MissingVariables) as caught:
        filled({"env": {"USER_C": "sample"}, "headers": {"X": "${USER_B}${GITHUB_TOKEN}"}}, {"B": "x"})

    assert caught.value.names == ["USER_C", "GITHUB_TOKEN"]
    assert not caught.value.hub
    assert str(caught.value) == "Server 'server' needs USER_C, GITHUB_TOKEN from you."


def test_an_empty_value_counts_as_none():
    with pytest.raises(MissingVariables):
        filled({"headers": {"X": "${USER_A}"}}, {"A": ""})


def test_an_optional_value_that_is_not_set_takes_what_holds_it_along():
    config = {
        "url": "https://h/mcp?a=${USER_A}&b=1",
        "headers": {"X": "Bearer ${USER_A}", "Y": "y"},
        "mcphub": OPTIONAL,
    }

    injected = filled(config)

    assert injected.url == "https://h/mcp?b=1"
    assert injected.headers == {"Y": "y"}


def test_an_optional_value_leaves_no_empty_question_mark_argument_or_environment():
    config = {
        "command": "npx",
        "args": ["x", "--a=${USER_A}"],
        "env": {"A_VALUE": "${USER_A}", "USER_A": "", "B": "b"},
        "mcphub": OPTIONAL,
    }

    assert filled({"url": "https://h/?${USER_A}", "mcphub": OPTIONAL}).url == "https://h/"
    assert filled(config).args == ["x"]
    assert filled(config).env == {"B": "b"}


def test_an_optional_value_is_needed_all_the_same_in_a_path():
    with pytest.raises(MissingVariables) as caught:
        filled({"url": "https://h/${USER_A}", "mcphub": OPTIONAL})

    assert caught.value.names == ["USER_A"]


def test_a_default_stands_in():
    config = {"headers": {"X": "${USER_A}"}, "mcphub": {"slots": {"A": {"defaultValue": "d"}}}}

    assert filled(config).headers == {"X": "d"}
    assert filled(config, {"A": "mine"}).headers == {"X": "mine"}


def test_an_env_key_gives_the_child_both_names_and_never_the_example():
    config = {"command": "npx", "env": {"USER_FIRECRAWL_TOKEN": "sample", "GITHUB_TOKEN": "sample"}}

    assert filled(config, {"FIRECRAWL_TOKEN": "f", "GITHUB_TOKEN": "g"}).env == {
        "FIRECRAWL_TOKEN": "f",
        "USER_FIRECRAWL_TOKEN": "f",
        "GITHUB_TOKEN": "g",
    }


def test_no_user_changes_what_the_document_sets_itself():
    config = {"command": "npx", "env": {"LOG_LEVEL": "warning", "USER_LOG_LEVEL": ""}}

    assert filled(config, {"LOG_LEVEL": "debug"}).env == {"LOG_LEVEL": "warning", "USER_LOG_LEVEL": "debug"}


def test_a_credential_template_takes_the_whole_value():
    config = {"credentialTemplate": [{"target": "headers", "name": "Authorization"}, {"target": "env", "name": "PIN"}]}

    injected = filled(config, {"AUTHORIZATION": "Bearer x", "PIN": "1"})

    assert injected.headers == {"Authorization": "Bearer x"}
    assert injected.env == {"PIN": "1"}


def test_sealed_literals_are_opened_with_their_place():
    config = {
        "headers": {"Authorization": {"$sealed": "v1.h"}},
        "env": {"API_KEY": {"$sealed": "v1.e"}},
        "oauth": {"tokens": [{"$sealed": "v1.o"}]},
    }

    injected = filled(config)

    assert injected.headers == {"Authorization": "/headers/Authorization=v1.h"}
    assert injected.env == {"API_KEY": "/env/API_KEY=v1.e"}
    assert injected.oauth == {"tokens": ["/oauth/tokens/0=v1.o"]}


def test_hub_variables_come_from_the_hub_and_are_the_administrators_to_set():
    config = {"headers": {"X": "${HUB_A}", "Y": "${USER_B}"}}

    assert filled(config, {"B": "b"}, {"HUB_A": "a"}).headers == {"X": "a", "Y": "b"}
    with pytest.raises(MissingVariables) as caught:
        filled(config)
    assert (caught.value.names, caught.value.hub) == (["HUB_A"], True)


def test_no_user_gives_a_hub_variable():
    with pytest.raises(MissingVariables):
        filled({"headers": {"X": "${HUB_A}"}}, {"HUB_A": "mine"})


def test_an_address_may_begin_with_a_hub_variable():
    config = {"url": "${HUB_BASE}/x/${USER_A}"}

    assert filled(config, {"A": "a/b"}, {"HUB_BASE": "https://h/base"}).url == "https://h/base/x/a%2Fb"
    with pytest.raises(UnusableValue):
        filled(config, {"A": "a"}, {"HUB_BASE": "file:///etc"})


HOSTS = {"userHosts": ["*.example.com", "localhost"]}


@pytest.mark.parametrize("host", ["a.example.com", "A.Example.com", "a.example.com:8443", "localhost:9000"])
def test_a_user_may_name_a_host_the_administrator_allows(host):
    assert filled({"url": "https://${USER_H}/mcp", "mcphub": HOSTS}, {"H": host}).url == f"https://{host}/mcp"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.org", "evilexample.com", "evil.org/.example.com", "evil.org#.example.com", "evil.org?.example.com"),
        *("x@a.example.com", "a.example.com@evil.org", "evil.org\\.example.com", "evil.org:1/a.example.com"),
        *("a.example.com:port", "a.example.com\r\nX: y", " a.example.com", "169.254.169.254", "a.example.com:0"),
    ],
)
def test_a_user_names_no_other_host(host):
    with pytest.raises(UnusableValue) as caught:
        filled({"url": "https://${USER_H}/mcp", "mcphub": HOSTS}, {"H": host})

    assert "evil" not in str(caught.value)


def test_a_part_of_a_host_is_checked_with_the_whole():
    config = {"url": "https://${USER_H}.example.com/mcp", "mcphub": HOSTS}

    assert filled(config, {"H": "team"}).url == "https://team.example.com/mcp"
    with pytest.raises(UnusableValue):
        filled(config, {"H": "evil.org/"})


@pytest.mark.parametrize("value", ["canary\r\nEvil: 1", "canary\x01", "canary\x7f", "canary 토큰"])
def test_a_header_takes_nothing_it_cannot_carry(value):
    with pytest.raises(UnusableValue) as caught:
        filled({"headers": {"X": "${USER_A}"}}, {"A": value})

    assert "canary" not in str(caught.value)


HEADER = {"headers": {"X": "${USER_A}"}}
ENV = {"env": {"X": "${USER_A}"}}


@pytest.mark.parametrize(
    ("config", "value", "code"),
    [
        (HEADER, "x", None),
        (HEADER, "x" * 16384, None),
        (HEADER, "x" * 16385, "value_not_allowed"),
        (HEADER, "ü" * 8193, "value_not_allowed"),
        (HEADER, "", "value_not_allowed"),
        (HEADER, "a\0b", "value_not_allowed"),
        (HEADER, "\ud800", "value_not_allowed"),
        (HEADER, "a\nb", "value_not_allowed"),
        (HEADER, "a\x1bb", "value_not_allowed"),
        (HEADER, "토큰", "value_not_allowed"),
        (HEADER, "a\tb ü", None),
        (ENV, "토큰 \x1b", None),
        ({"url": "https://h/?a=${USER_A}"}, "토큰", None),
        ({"url": "https://h", "env": {"USER_A": "sample"}}, "a\nb", "value_not_allowed"),
        ({"command": "node", "env": {"USER_A": "sample"}}, "a\nb", None),
        ({"url": "https://h/?a=${USER_A}"}, "a\rb", "value_not_allowed"),
        ({"oauth": {"token": "${USER_A}"}}, "a\nb", "value_not_allowed"),
        (ENV, "-----BEGIN\nline", None),
        (ENV, "a\0b", "value_not_allowed"),
        ({"args": ["${USER_A}"]}, "-x", "value_not_allowed"),
        ({"args": ["--a=${USER_A}"]}, "-x", None),
        (HEADER, MASK, "masked_value"),
        (HEADER, MASK + "wxyz", "masked_value"),
        ({**HEADER, "mcphub": {"slots": {"A": {"validationRegex": "^[a-z]+$"}}}}, "abc", None),
        ({**HEADER, "mcphub": {"slots": {"A": {"validationRegex": "^[a-z]+$"}}}}, "abc1", "pattern_mismatch"),
    ],
)
def test_what_may_be_saved(config, value, code):
    assert check_value(slot(config), value) == code


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "(a{1000}){1000}", "a" * 1001])
def test_what_is_no_usable_pattern(pattern):
    assert not usable_pattern(pattern)


def test_no_pattern_stalls_the_hub():
    begun = time.process_time()

    assert not matches("^(a+)+$", "a" * 16000 + "b")
    assert time.process_time() - begun < 2


# what describes and secures a REST service


def secured(kind, **part):
    return {"type": "openapi", "openapi": {"url": "https://h/spec", "security": {"type": kind, kind: part}}}


def openapi_of(config, values=None, **options):
    spec = spec_of("s1", "server", "server", config)
    return inject(spec, values or {}, options.get("hub", {}), lambda pointer, sealed: f"{pointer}={sealed}").openapi


def test_the_address_of_a_document_takes_values_as_components():
    config = {"type": "openapi", "openapi": {"url": "https://h/${USER_A}/spec?t=${USER_A}&o=${USER_OPT}"}}
    config["mcphub"] = {"slots": {"OPT": {"required": False}}}

    assert openapi_of(config, {"A": "a/b&c"})["url"] == "https://h/a%2Fb%26c/spec?t=a%2Fb%26c"


def test_credentials_take_values_verbatim_and_token_addresses_as_components():
    config = secured("oauth2", tokenUrl="https://h/${USER_A}/token", clientId="i-${USER_A}", clientSecret="${HUB_S}")

    part = openapi_of(config, {"A": "a/b:c="}, hub={"HUB_S": "s/1"})["security"]["oauth2"]

    assert part == {"tokenUrl": "https://h/a%2Fb%3Ac%3D/token", "clientId": "i-a/b:c=", "clientSecret": "s/1"}


def test_a_users_value_in_credentials_is_text_whatever_it_holds():
    config = secured("http", scheme="bearer", credentials="$${x}${USER_A}")

    assert openapi_of(config, {"A": "${USER_B}$${y}"})["security"]["http"]["credentials"] == "${x}${USER_B}$${y}"


def test_a_sealed_credential_is_opened_in_its_place():
    config = secured("apiKey", name="X-Key", value={"$sealed": "v1"}, **{"in": "header"})

    assert openapi_of(config)["security"]["apiKey"]["value"] == "/openapi/security/apiKey/value=v1"


@pytest.mark.parametrize("member", ["url", "security"])
def test_nothing_of_a_service_is_filled_in_while_a_value_is_missing(member):
    config = secured("http", scheme="bearer", credentials="x")
    if member == "url":
        config["openapi"]["url"] = "https://h/${USER_A}"
    else:
        config["openapi"]["security"]["http"]["credentials"] = "${USER_A}"

    with pytest.raises(MissingVariables) as caught:
        openapi_of(config)

    assert caught.value.names == ["USER_A"]


def test_an_inline_document_is_no_template():
    schema = {"openapi": "3.1.0", "x": "${USER_A}"}

    assert openapi_of({"type": "openapi", "openapi": {"schema": schema}})["schema"] == schema


def test_a_value_that_leads_out_of_the_documents_path_is_refused():
    with pytest.raises(UnusableValue):
        openapi_of({"type": "openapi", "openapi": {"url": "https://h/${USER_A}/spec"}}, {"A": ".."})
