"""Signing in from a company's network: only the proxy leads out, and certificates are the company's own."""

import httpx
import pytest

from tests.support.api import ORIGIN, running_api
from tests.support.private_ca import PrivateCa
from tests.support.providers import FakeGitHub, FakeOidc, GitHubAccount, hub_env
from tests.support.proxy import CompanyProxy
from tests.support.travel import OIDC, agree, come_back, me, outcome, set_out

GIT, SSO = "git.corp.test", "sso.corp.test"  # names nothing but the proxy knows
PASSWORD = "hub:password"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return PrivateCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def github(authority):
    with FakeGitHub(f"{ORIGIN}/api/oauth/callback", tls=authority.server(GIT), public_url=f"https://{GIT}") as server:
        server.account = GitHubAccount(42, "ann", orgs={"acme": "active"})
        yield server


@pytest.fixture
def oidc(authority):
    callback = f"{ORIGIN}/api/oauth/oidc/oidc/callback"
    with FakeOidc(callback, tls=authority.server(SSO), public_url=f"https://{SSO}") as server:
        yield server


@pytest.fixture
def proxy(github, oidc):
    with CompanyProxy({GIT: github.port, SSO: oidc.port}, password=PASSWORD) as server:
        yield server


@pytest.fixture
def a_hub(database, home, github, oidc, proxy, authority):
    """Makes a hub in the company's network, with more in its environment, or less."""

    def make(**env):
        told = {"MCPHUB_EGRESS_PROXY": proxy.url, "MCPHUB_CA_FILE": str(authority.file), **env}
        told = {name: value for name, value in told.items() if value}
        return running_api(database.app_dsn, home, hub_env(github, oidc, **told))

    return make


async def travel(browser, provider, start):
    """The person's browser is in the same network and knows the names; only the hub's own way is tried here."""
    address = await set_out(browser, start)
    local = address.replace(provider.url, f"https://127.0.0.1:{provider.port}")
    async with httpx.AsyncClient(verify=False) as client:
        back = (await client.get(local)).headers["location"]
    return await come_back(browser, back)


@pytest.mark.parametrize("start", ["/api/oauth/github", OIDC])
async def test_people_sign_in_through_the_proxy_by_certificates_of_the_company(a_hub, github, oidc, proxy, start):
    provider = oidc if start == OIDC else github
    async with a_hub(MCPHUB_GITHUB_ALLOW="acme") as hub:
        browser = hub.browser()

        assert outcome(await travel(browser, provider, start)) == ""

        assert (await me(browser))["username"] == "ann"
    assert set(proxy.tunnels) == {f"{SSO if start == OIDC else GIT}:443"}
    assert proxy.refused == []


async def test_without_the_companys_authority_nothing_is_sent(a_hub, github, capsys):
    async with a_hub(MCPHUB_CA_FILE="") as hub:
        assert outcome(await travel(hub.browser(), github, "/api/oauth/github")) == "provider_error"

    assert "/login/oauth/access_token" not in github.asked


async def test_without_the_proxy_there_is_no_way(a_hub, github, proxy):
    async with a_hub(MCPHUB_EGRESS_PROXY="") as hub:
        assert outcome(await travel(hub.browser(), github, "/api/oauth/github")) == "provider_error"

    assert "/login/oauth/access_token" not in github.asked
    assert proxy.tunnels == []


async def test_a_proxy_that_wants_another_password_is_an_error_page_and_no_password_is_told(
    a_hub, github, proxy, capsys
):
    wrong = proxy.url.replace(PASSWORD, "hub:another-canary")
    async with a_hub(MCPHUB_EGRESS_PROXY=wrong) as hub:
        assert outcome(await travel(hub.browser(), github, "/api/oauth/github")) == "provider_error"

    assert proxy.tunnels == []
    told = capsys.readouterr()
    assert "canary" not in told.out + told.err


async def test_a_certificate_of_another_name_is_not_believed(a_hub, authority, proxy, github):
    with FakeGitHub(f"{ORIGIN}/api/oauth/callback", tls=authority.server("other.corp.test")) as impostor:
        proxy.names[GIT] = impostor.port
        async with a_hub() as hub:
            assert outcome(await travel(hub.browser(), github, "/api/oauth/github")) == "provider_error"

    assert impostor.asked == []


async def test_a_provider_of_this_machine_is_reached_without_the_proxy(database, home, proxy, authority):
    with FakeGitHub(f"{ORIGIN}/api/oauth/callback") as github:
        env = hub_env(github, MCPHUB_EGRESS_PROXY=proxy.url, MCPHUB_CA_FILE=str(authority.file))
        async with running_api(database.app_dsn, home, env) as hub:
            browser = hub.browser()
            assert outcome(await come_back(browser, await agree(await set_out(browser)))) == ""

    assert proxy.tunnels == proxy.refused == []
