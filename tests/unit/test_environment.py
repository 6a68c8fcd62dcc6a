"""Signing in elsewhere and the way out of the network, as the environment says them."""

from pathlib import Path

import pytest

from mcphub.settings import GITHUB, Settings, SettingsUnusable, read

PUBLIC = {"MCPHUB_PUBLIC_URL": "https://hub.example"}
GITHUB_APP = {"MCPHUB_GITHUB_CLIENT_ID": "id", "MCPHUB_GITHUB_CLIENT_SECRET": "s3cret"}
OIDC = {
    "MCPHUB_OIDC_ISSUER": "https://sso.example/realms/x/",
    "MCPHUB_OIDC_CLIENT_ID": "id",
    "MCPHUB_OIDC_CLIENT_SECRET": "s3cret",
}


def settings(*parts: dict[str, str], **more: str) -> Settings:
    return read({name: value for part in (*parts, more) for name, value in part.items()})


def refusal(*parts: dict[str, str], **more: str) -> str:
    with pytest.raises(SettingsUnusable) as refused:
        settings(*parts, **more)
    return str(refused.value)


def test_with_nothing_said_nobody_signs_in_elsewhere() -> None:
    assert settings().providers == ()


def test_an_app_of_github_needs_its_id_and_its_secret() -> None:
    (github,) = settings(GITHUB_APP, PUBLIC).providers

    assert (github.kind, github.name, github.issuer) == ("github", "github", GITHUB)
    assert github.callback_url == "https://hub.example/api/oauth/callback"
    assert github.scopes == ("read:user", "user:email", "read:org")


def test_an_allow_list_asks_for_memberships_that_are_not_public() -> None:
    (github,) = settings(GITHUB_APP, MCPHUB_GITHUB_ALLOW="Acme, acme/Platform").providers

    assert github.allow == {"acme", "acme/platform"}
    assert github.scopes == ("read:user", "user:email", "read:org")


def test_the_names_of_the_earlier_hub_are_taken_too() -> None:
    earlier = {
        "GITHUB_CLIENT_ID": "id",
        "GITHUB_CLIENT_SECRET": "s3cret",
        "GITHUB_CALLBACK_URL": "https://hub.example/api/auth/github/callback",
    }

    (github,) = settings(earlier, PUBLIC).providers

    assert (github.client_id, github.client_secret) == ("id", "s3cret")
    assert github.callback_url == "https://hub.example/api/auth/github/callback"


def test_a_callback_at_another_host_is_refused_because_no_browser_would_be_recognised_there() -> None:
    said = refusal(GITHUB_APP, PUBLIC, GITHUB_CALLBACK_URL="https://old.example/api/auth/github/callback")

    assert "https://hub.example/api/oauth/callback" in said


def test_an_enterprise_has_its_own_address() -> None:
    (github,) = settings(GITHUB_APP, MCPHUB_GITHUB_BASE_URL="https://git.corp.example/").providers

    assert github.issuer == "https://git.corp.example"


def test_any_oidc_provider_is_configuration_alone() -> None:
    (oidc,) = settings(
        OIDC, PUBLIC, MCPHUB_OIDC_NAME="corp", MCPHUB_OIDC_SCOPES="email profile", MCPHUB_OIDC_SUBJECT_CLAIM="oid"
    ).providers

    assert (oidc.kind, oidc.name, oidc.issuer) == ("oidc", "corp", "https://sso.example/realms/x")
    assert oidc.callback_url == "https://hub.example/api/oauth/oidc/corp/callback"
    assert (oidc.scopes, oidc.subject_claim) == (("openid", "email", "profile"), "oid")


def test_secrets_come_from_files_that_are_nobody_elses(tmp_path) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file\n")
    file.chmod(0o600)

    (github,) = settings(MCPHUB_GITHUB_CLIENT_ID="id", MCPHUB_GITHUB_CLIENT_SECRET_FILE=str(file)).providers
    assert github.client_secret == "from a file"

    file.chmod(0o644)
    assert "chmod 600" in refusal(MCPHUB_GITHUB_CLIENT_ID="id", MCPHUB_GITHUB_CLIENT_SECRET_FILE=str(file))


@pytest.mark.parametrize(
    "half",
    [
        {"MCPHUB_GITHUB_CLIENT_ID": "id"},
        {"MCPHUB_GITHUB_CLIENT_SECRET": "s3cret"},
        {"MCPHUB_GITHUB_ALLOW": "acme"},
        {"MCPHUB_OIDC_ISSUER": "https://sso.example"},
        {"MCPHUB_OIDC_CLIENT_ID": "id", "MCPHUB_OIDC_CLIENT_SECRET": "s3cret"},
        {"MCPHUB_OIDC_ALLOW": "group:x"},
    ],
)
def test_half_a_provider_is_refused(half) -> None:
    said = refusal(half)

    assert "belong together" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "wrong",
    [
        {**GITHUB_APP, "MCPHUB_GITHUB_BASE_URL": "http://git.corp.example"},
        {**GITHUB_APP, "MCPHUB_GITHUB_BASE_URL": "https://user:secret@git.corp.example"},
        {**GITHUB_APP, "MCPHUB_GITHUB_ALLOW": "acme/platform/x"},
        {**GITHUB_APP, "MCPHUB_GITHUB_ALLOW": "../users"},
        {**OIDC, "MCPHUB_OIDC_ISSUER": "http://sso.example"},
        {**OIDC, "MCPHUB_OIDC_ISSUER": "https://sso.example?x=1"},
        {**OIDC, "MCPHUB_OIDC_NAME": "github"},
        {**OIDC, "MCPHUB_OIDC_NAME": "a/b"},
        {**OIDC, "MCPHUB_OIDC_ALLOW": "example.com"},
        {**OIDC, "MCPHUB_OIDC_ALLOW": "group:"},
        {"MCPHUB_NEW_USERS": "admin"},
        {"MCPHUB_EGRESS_PROXY": "socks5://user:secret@proxy.example"},
        {"MCPHUB_EGRESS_PROXY": "proxy.example:3128"},
        {"MCPHUB_EGRESS_PROXY": "http://user:secret@proxy.example:port"},
        {"MCPHUB_CA_FILE": "/nowhere/ca.pem"},
        {"MCPHUB_CA_FILE": __file__},
    ],
)
def test_what_cannot_be_used_is_refused_without_a_secret_in_the_sentence(wrong) -> None:
    assert "secret" not in refusal(wrong).replace("_CLIENT_SECRET", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9"])
def test_a_provider_on_this_machine_needs_no_https(url) -> None:
    assert settings(GITHUB_APP, MCPHUB_GITHUB_BASE_URL=url).providers[0].issuer == url


@pytest.mark.parametrize(
    ("public", "allow", "policy", "at_once"),
    [
        ("http://127.0.0.1:3000", "", "active", True),
        ("http://127.0.0.1:3000", "", "pending", False),
        ("https://hub.example", "acme", "active", True),
        ("https://hub.example", "acme", "pending", False),
        ("https://hub.example", "", "active", False),
        ("https://hub.example", "", "pending", False),
    ],
)
def test_new_users_wait_where_anybody_on_the_network_could_be_one(public, allow, policy, at_once) -> None:
    told = settings(GITHUB_APP, MCPHUB_PUBLIC_URL=public, MCPHUB_GITHUB_ALLOW=allow, MCPHUB_NEW_USERS=policy)

    assert told.lets_in_at_once(told.providers[0]) is at_once


def test_the_way_out_is_read() -> None:
    told = settings(
        MCPHUB_EGRESS_PROXY="http://u:password@proxy.example:3128", MCPHUB_EGRESS_DIRECT=".corp.example, Git.Local"
    )

    assert told.egress_proxy == "http://u:password@proxy.example:3128"
    assert told.egress_direct == ("corp.example", "git.local")
    assert told.unknown == ()


@pytest.mark.parametrize(
    ("given", "rate"), [({}, 120_000), ({"MCPHUB_USER_RATE": "600"}, 600), ({"MCPHUB_USER_RATE": "0"}, 0)]
)
def test_a_users_requests_have_a_rate_that_an_ide_at_work_does_not_reach(given, rate) -> None:
    assert settings(**given).user_rate == rate


@pytest.mark.parametrize("rate", ["599", "-1"])
def test_a_rate_that_would_refuse_an_ide_is_refused(rate) -> None:
    assert "give at least 600, or 0" in refusal(MCPHUB_USER_RATE=rate)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCPHUB_PUBLIC_URL", "https://hub.example/path"),
        ("MCPHUB_PUBLIC_URL", "https://hub.example?a=b"),
        ("MCPHUB_PUBLIC_URL", "https://me:pw@hub.example"),  # scan:allow
        ("MCPHUB_PUBLIC_URL", "http://[::1"),
        ("MCPHUB_PUBLIC_URL", "hub.example"),
        ("MCPHUB_ALLOWED_ORIGINS", "*"),
        ("MCPHUB_ALLOWED_ORIGINS", "http://127.0.0.1:5173/page"),
        ("MCPHUB_ALLOWED_ORIGINS", "127.0.0.1:5173"),
        ("MCPHUB_TRUSTED_PROXIES", "10.0.0.1,300.1.1.1"),
        ("MCPHUB_EGRESS_ALLOW", "intranet.example"),
        ("MCPHUB_PORT", "70000"),
        ("MCPHUB_LOG_LEVEL", "debgu"),
        ("MCPHUB_LOG_FORMAT", "xml"),
    ],
)
def test_what_would_fit_nothing_is_refused_at_the_start_and_named(name: str, value: str) -> None:
    assert name in refusal(**{name: value})


def test_what_fits_may_be_written_in_several_ways() -> None:
    found = settings(
        MCPHUB_PUBLIC_URL="https://hub.example:8443/",
        MCPHUB_ALLOWED_ORIGINS="http://127.0.0.1:5173/, https://page.example",
        MCPHUB_TRUSTED_PROXIES="10.0.0.1, fd00::/8",
    )

    assert found.public_url == "https://hub.example:8443"
    assert found.allowed_origins >= {"http://127.0.0.1:5173", "https://page.example", "https://hub.example:8443"}
    assert found.trusted_proxies == ("10.0.0.1", "fd00::/8")
    assert (settings().log_level, settings(MCPHUB_LOG_LEVEL="DEBUG").log_level) == ("info", "debug")
    assert "can be json or console" in refusal(MCPHUB_LOG_FORMAT="xml")


@pytest.mark.parametrize("mode", ["auto", "strict", "landlock", "limits"])
def test_a_sandbox_has_four_modes(mode: str) -> None:
    assert settings(MCPHUB_STDIO_SANDBOX=mode).stdio_sandbox == mode


def test_a_sandbox_of_another_name_is_refused_and_not_taken_for_none() -> None:
    assert refusal(MCPHUB_STDIO_SANDBOX="strct") == (
        "MCPHUB_STDIO_SANDBOX is 'strct'; it can be auto, strict, landlock or limits."
    )


def test_every_file_with_a_secret_is_named_so_that_no_server_opens_it(tmp_path: Path) -> None:
    password, keys = tmp_path / "password", tmp_path / "keys"
    for file in (password, keys):
        file.write_text("s3cret-value")
        file.chmod(0o600)

    found = settings(MCPHUB_ADMIN_PASSWORD_FILE=str(password), MCPHUB_MASTER_KEY_FILE=str(keys)).secret_files

    assert set(found) == {password, keys}


def test_checkpoints_and_the_key_ring_are_in_the_home_unless_they_are_put_elsewhere() -> None:
    here = settings(MCPHUB_HOME="/srv/hub")
    elsewhere = settings(MCPHUB_HOME="/srv/hub", MCPHUB_CHECKPOINTS="/mnt/kept", MCPHUB_MASTER_KEY_FILE="/run/ring")

    assert (here.checkpoint_folder, here.ring_path) == (Path("/srv/hub"), Path("/srv/hub/master.key"))
    assert (elsewhere.checkpoint_folder, elsewhere.ring_path) == (Path("/mnt/kept"), Path("/run/ring"))
