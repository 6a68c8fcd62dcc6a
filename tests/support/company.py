"""A company whose people sign in to a hub: its GitHub, its OpenID Connect provider, and the network they stand in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.support.private_ca import PrivateCa
from tests.support.providers import CLIENT_ID, CLIENT_SECRET, FakeGitHub, FakeOidc, GitHubAccount, OidcAccount, hub_env
from tests.support.proxy import CompanyProxy
from tests.support.running import RunningHub
from tests.support.travel import GITHUB, OIDC

GIT, SSO = "git.corp.test", "sso.corp.test"  # names nothing but the proxy, and a browser told so, knows
PROXY_PASSWORD = "hub:canary-proxy-password"
ALLOWED = {"MCPHUB_GITHUB_ALLOW": "acme", "MCPHUB_OIDC_ALLOW": "group:staff"}
NUMBERS = count(1)


@dataclass
class Company:
    """`names` is what a browser there resolves; `env` what a hub there is told."""

    github: FakeGitHub
    oidc: FakeOidc
    proxy: CompanyProxy
    names: dict[str, int]
    env: dict[str, str]

    def provider(self, kind: str) -> FakeGitHub | FakeOidc:
        return self.github if kind == "github" else self.oidc


@contextmanager
def company(folder: Path, *, behind_proxy: bool) -> Iterator[Company]:
    """Its providers are on this machine in the clear; or by names, with certificates of the company's own authority,
    and for the hub behind a proxy that wants a password."""
    with ExitStack() as stack:
        if not behind_proxy:
            github = stack.enter_context(FakeGitHub(""))
            oidc = stack.enter_context(FakeOidc(""))
            proxy = stack.enter_context(CompanyProxy({}))
            yield Company(github, oidc, proxy, {}, hub_env(github, oidc, **ALLOWED))
            return
        authority = PrivateCa(folder)
        github = stack.enter_context(FakeGitHub("", tls=authority.server(GIT), public_url=f"https://{GIT}"))
        oidc = stack.enter_context(FakeOidc("", tls=authority.server(SSO), public_url=f"https://{SSO}"))
        names = {GIT: github.port, SSO: oidc.port}
        proxy = stack.enter_context(CompanyProxy(names, password=PROXY_PASSWORD))
        told = {"MCPHUB_EGRESS_PROXY": proxy.url, "MCPHUB_CA_FILE": str(authority.file)}
        yield Company(github, oidc, proxy, names, hub_env(github, oidc, **ALLOWED, **told))


class Way:
    """From one provider to one hub.

    Args:
        kind: github | oidc
    """

    def __init__(self, hub: RunningHub, where: Company, kind: str) -> None:
        self.hub = hub
        self.provider = where.provider(kind)
        self.github = kind == "github"
        self.start = hub.url + (GITHUB if self.github else OIDC)
        self.callback = hub.url + ("/api/oauth/callback" if self.github else f"{OIDC}/callback")
        self.provider.callback = self.callback

    def somebody(self, *, member: bool = True) -> str:
        """Somebody new is signed in at the provider from now on; their name."""
        number = next(NUMBERS)
        name = f"ann{number}"
        if self.github:
            orgs = {"acme": "active"} if member else {}
            self.provider.account = GitHubAccount(1000 + number, name, emails=[f"{name}@corp.example"], orgs=orgs)
        else:
            claims = {"preferred_username": name, "groups": ["staff" if member else "guests"]}
            self.provider.account = OidcAccount(f"subject-{number}", claims)
        return name

    def way_back(self) -> str:
        """Somebody else sets out, without a browser, and stops at the last step: the address they are sent back to."""
        with httpx.Client(verify=False, trust_env=False) as attacker:
            address = attacker.get(self.start).headers["location"]
            return str(attacker.get(self._local(address)).headers["location"])

    def redeem(self, code: str, verifier: str) -> Any:
        """What the provider says to somebody who stole a code and knows the hub's secret."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.callback}
        form |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "code_verifier": verifier}
        path = "/login/oauth/access_token" if self.github else "/token"
        address = self._local(self.provider.url + path)
        return httpx.post(address, data=form, headers={"Accept": "application/json"}, verify=False).json()

    def redemptions(self) -> int:
        """How often the provider was asked for a token."""
        return sum(path in {"/login/oauth/access_token", "/token"} for path in self.provider.asked)

    def _local(self, address: str) -> str:
        scheme = "https" if self.provider.url.startswith("https") else "http"
        return address.replace(self.provider.url, f"{scheme}://127.0.0.1:{self.provider.port}", 1)
