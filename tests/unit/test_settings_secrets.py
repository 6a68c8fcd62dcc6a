import secrets
import time

import pytest

from mcphub.domain.findings import DocumentRefused
from mcphub.domain.literal_secrets import (
    PURPOSE,
    SEALED,
    literal_secrets,
    literal_secrets_outside,
    looks_secret,
    masked,
    place,
    seal_secrets,
    seal_server,
    seal_system,
)
from mcphub.domain.servers import RenameServer
from mcphub.domain.settings_file import compact
from mcphub.domain.substitution import inject
from mcphub.domain.vault import HUB, MASK, MemoryKeyStore, Ring, Vault, new_ring_text
from tests.support.settings import Sealer, Settings, checked, found

WEB = {"type": "streamable-http", "url": "https://h.example/mcp"}
VALUE = secrets.token_urlsafe(24)


def document(config, **beside):
    return {"mcpServers": {"a": config}, **beside}


@pytest.fixture
def sealer():
    return Sealer()


def sealed(sealer, wanted, current=None):
    return seal_secrets(wanted, current or {}, sealer.seal, sealer.same)


def refusal(sealer, wanted, current=None):
    with pytest.raises(DocumentRefused) as caught:
        sealed(sealer, wanted, current)
    assert VALUE not in str(caught.value.errors)
    return found(caught.value.findings)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"headers": {"Authorization": "x"}}, ("headers", "Authorization")),
        ({"headers": {"cookie": "x"}}, ("headers", "cookie")),
        ({"headers": {"X-Api-Key": "x"}}, ("headers", "X-Api-Key")),
        ({"headers": {"My-Token": "x"}}, ("headers", "My-Token")),
        ({"env": {"API_TOKEN": "x"}}, ("env", "API_TOKEN")),
        ({"env": {"db_password": "x"}}, ("env", "db_password")),
        ({"env": {"PASSWD": "x"}}, ("env", "PASSWD")),
        ({"openapi": {"security": {"apiKey": {"value": "x"}}}}, ("openapi", "security", "apiKey", "value")),
        ({"openapi": {"security": {"http": {"credentials": "x"}}}}, ("openapi", "security", "http", "credentials")),
        (
            {"openapi": {"security": {"oauth2": {"clientSecret": "x"}}}},
            ("openapi", "security", "oauth2", "clientSecret"),
        ),
        ({"openapi": {"security": {"oauth2": {"token": "x"}}}}, ("openapi", "security", "oauth2", "token")),
        ({"oauth": {"accessToken": "x"}}, ("oauth", "accessToken")),
        ({"oauth": {"dynamicRegistration": {"initialAccessToken": "x"}}}, None),
        ({"oauth": {"tokens": ["x"]}}, ("oauth", "tokens", 0)),
    ],
)
def test_a_literal_in_a_secret_place_is_found(config, path):
    path = path or ("oauth", "dynamicRegistration", "initialAccessToken")

    assert literal_secrets(config) == [path]


@pytest.mark.parametrize(
    "config",
    [
        {"headers": {"Authorization": "Bearer ${USER_T}", "X-Team": "blue", "X-Token": ""}},
        {"env": {"LOG_LEVEL": "warning", "API_TOKEN": "${USER_T}", "USER_API_TOKEN": "your-token-here"}},
        {"openapi": {"security": {"oauth2": {"tokenUrl": "https://h/token", "clientId": "hub"}}}},
        {"oauth": {"clientId": "x", "scopes": ["token"], "accessToken": "${HUB_T}"}},
        {"description": "token", "args": ["--token", "x"]},
    ],
)
def test_variables_and_plain_settings_are_no_secrets(config):
    assert literal_secrets(config) == []


def test_secrets_beside_the_servers_are_found():
    beside = {
        "systemConfig": {
            "routing": {"bearerAuthKey": "x", "enableBearerAuth": True},
            "smartRouting": {"openaiApiKey": "y", "dbUrl": "z", "openaiApiBaseUrl": "https://h"},
        },
        "bearerKeys": [{"key": "k", "name": "n"}],
        "oauthClients": [{"clientSecret": "s"}],
        "users": [{"password": "hash"}],
    }

    assert literal_secrets_outside(beside) == [
        ("systemConfig", "routing", "bearerAuthKey"),
        ("systemConfig", "smartRouting", "openaiApiKey"),
        ("systemConfig", "smartRouting", "dbUrl"),
        ("bearerKeys", 0, "key"),
        ("oauthClients", 0, "clientSecret"),
    ]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("a1" * 10, True),
        ("A1" * 10, True),
        ("aB" * 10, True),
        ("a1" * 9, False),
        ("your-api-token-goes-here", False),
        ("YOUR_API_TOKEN_GOES_HERE", False),
        ("https://Example.com/a1b2c3d4e5", False),
        ("Someone.Longer1@example.com", False),
        ("Put your 1st token in here", False),
    ],
)
def test_a_sample_that_looks_like_a_real_value_is_told_from_one_that_does_not(text, secret):
    assert looks_secret(text) is secret


def test_a_literal_is_sealed_warned_about_and_shown_as_a_mask(sealer):
    wanted = document({**WEB, "headers": {"Authorization": VALUE}})

    saved = sealed(sealer, wanted)

    assert checked(wanted) == ([], [("/mcpServers/a/headers/Authorization", "literal_secret")])
    assert VALUE.encode() not in compact(saved)
    assert masked(saved)["mcpServers"]["a"]["headers"] == {"Authorization": MASK}
    assert wanted["mcpServers"]["a"]["headers"]["Authorization"] == VALUE
    assert checked(saved)[0] == []


def test_a_mask_written_back_keeps_the_sealed_value(sealer):
    saved = sealed(sealer, document({**WEB, "headers": {"Authorization": VALUE}}, bearerKeys=[{"key": "k"}]))

    assert sealed(sealer, masked(saved), saved) == saved
    assert len(sealer.sealed) == 2


def test_the_same_plaintext_again_is_not_sealed_again(sealer):
    wanted = document({**WEB, "headers": {"Authorization": VALUE}}, systemConfig={"routing": {"bearerAuthKey": VALUE}})
    saved = sealed(sealer, wanted)

    assert sealed(sealer, wanted, saved) == saved
    assert sealer.sealed == ["/headers/Authorization", "/systemConfig/routing/bearerAuthKey"]


def test_another_plaintext_is_sealed_anew(sealer):
    saved = sealed(sealer, document({**WEB, "headers": {"Authorization": VALUE}}))

    changed = sealed(sealer, document({**WEB, "headers": {"Authorization": VALUE + "x"}}), saved)

    assert changed != saved
    assert len(sealer.sealed) == 2


@pytest.mark.parametrize("mask", [MASK, f"Bearer {MASK}", MASK + "wxyz"])
def test_a_mask_with_nothing_behind_it_is_refused(sealer, mask):
    wanted = document({**WEB, "headers": {"Authorization": mask}})

    assert refusal(sealer, wanted) == [("/mcpServers/a/headers/Authorization", "masked_value")]
    assert sealer.sealed == []


def test_a_mask_moved_to_another_server_is_refused(sealer):
    saved = sealed(sealer, document({**WEB, "headers": {"Authorization": VALUE}}))

    assert refusal(sealer, {"mcpServers": {"b": masked(saved)["mcpServers"]["a"]}}, saved) == [
        ("/mcpServers/b/headers/Authorization", "masked_value")
    ]


def test_nobody_writes_a_sealed_value_of_their_own(sealer):
    config = {**WEB, "headers": {"Authorization": {SEALED: "v1.x.y"}}, "x": [{SEALED: "v1.x.y"}]}

    assert refusal(sealer, document(config, y={SEALED: "v1"})) == [
        ("/mcpServers/a/x/0", "masked_value"),
        ("/mcpServers/a/headers/Authorization", "masked_value"),
        ("/y", "masked_value"),
    ]


def test_a_real_value_pasted_as_an_example_is_sealed_and_not_shown(sealer):
    config = {"command": "npx", "args": ["x@1"], "env": {"USER_T": "Aa1" * 8, "USER_E": "me@example.com"}}

    saved = sealed(sealer, document(config))

    assert checked(document(config))[1] == [("/mcpServers/a/env/USER_T", "literal_secret")]
    assert list(saved["mcpServers"]["a"]["env"]["USER_T"]) == [SEALED]
    assert saved["mcpServers"]["a"]["env"]["USER_E"] == "me@example.com"
    assert sealed(sealer, masked(saved), saved) == saved


def test_one_server_and_the_system_are_sealed_alike(sealer):
    server = seal_server("a", {**WEB, "headers": {"X-Key": VALUE}}, None, sealer.seal, sealer.same)
    system = seal_system({"smartRouting": {"openaiApiKey": VALUE}}, {}, sealer.seal, sealer.same)

    assert list(server["headers"]["X-Key"]) == list(system["smartRouting"]["openaiApiKey"]) == [SEALED]
    with pytest.raises(DocumentRefused):
        seal_server("b", masked(server), None, sealer.seal, sealer.same)


def test_a_sealed_literal_opens_for_the_upstream_and_after_a_rename(sealer):
    """Sealed with the real vault: what binds the value to its place has no name of the server in it."""
    vault = Vault(MemoryKeyStore(), Ring.parse(new_ring_text()), time.monotonic)
    settings = Settings()
    settings.sealer.seal = lambda pointer, text: vault.seal_new(HUB, PURPOSE, place(pointer), text)[1]
    settings.save(
        '{"mcpServers": {"a": {"type": "sse", "url": "https://h/sse", "headers": {"Authorization": "p$${q}"}}}}'
    )

    def sent(name):
        spec = settings.state.by_name(name).spec
        return inject(spec, {}, {}, lambda pointer, sealed: vault.open(sealed, PURPOSE, place(pointer))).headers

    assert sent("a") == {"Authorization": "p${q}"}
    settings.run(lambda: RenameServer("a", "b"))
    assert sent("b") == {"Authorization": "p${q}"}
