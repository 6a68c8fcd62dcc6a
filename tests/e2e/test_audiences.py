"""Servers that are not for everyone, on a real hub: who is in the organisation, team or group has them, nobody else."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import Ide, RpcError
from tests.support.providers import FakeGitHub, FakeOidc, GitHubAccount, OidcAccount, hub_env
from tests.support.rest import Person, Rest
from tests.support.running import RunningHub
from tests.support.travel import GITHUB, OIDC
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

WITHIN = 5.0  # seconds
LIST_CHANGED = "notifications/tools/list_changed"
ANN = GitHubAccount(42, "ann", orgs={"acme": "active"}, teams={"acme/core"})
BOB = GitHubAccount(43, "bob", orgs={"globex": "active"})
EVE = OidcAccount("s-1", {"preferred_username": "eve", "email": "eve@corp.example", "groups": ["staff"]})
MAX = OidcAccount("s-2", {"preferred_username": "max", "email": "max@corp.example", "groups": ["guests"]})


class Company:
    """A hub, the two providers its people come from, and its people."""

    def __init__(self, hub: RunningHub, github: FakeGitHub, oidc: FakeOidc) -> None:
        self.hub, self.github, self.oidc = hub, github, oidc
        github.callback = f"{hub.url}/api/oauth/callback"
        oidc.callback = f"{hub.url}{OIDC}/callback"

    def sign_in(self, account: GitHubAccount | OidcAccount) -> Person:
        """Signs in at the account's provider with a new browser."""
        provider: FakeGitHub | FakeOidc = self.github if isinstance(account, GitHubAccount) else self.oidc
        provider.account = account
        rest = Rest(self.hub.url)
        answer = rest.http.get(GITHUB if isinstance(account, GitHubAccount) else OIDC)
        while answer.status_code == 302 and not answer.headers["location"].startswith("/"):
            answer = rest.http.get(answer.headers["location"])
        assert answer.headers["location"] in {"/", "/?welcome=true"}, answer.headers["location"]
        rest.http.headers["X-CSRF-Token"] = rest.http.cookies["mcphub_csrf"]
        me = rest.get("/api/user/me")
        return Person(rest, me["id"], me["username"], "")

    def audience(self, server: str, audience: Any) -> Any:
        return self.hub.admin.rest.put(f"/api/servers/{server}/audience", {"audience": audience})

    def ide(self, person: Person, path: str = "?mode=tools") -> Ide:
        return Ide(f"{self.hub.mcp}{path}", person.key())


@pytest.fixture
def a_company(start_hub: StartHub) -> Iterator[Callable[..., Company]]:
    with FakeGitHub("") as github, FakeOidc("") as oidc:
        yield lambda **env: Company(start_hub(**hub_env(github, oidc, **env)), github, oidc)


async def servers_of(ide: Ide) -> set[str]:
    """The servers whose tools are listed."""
    return {name.partition("__")[0] for name in await ide.tool_names()}


async def refusal(ide: Ide, tool: str) -> str:
    with pytest.raises(RpcError) as refused:
        await ide.call(tool, text="x")
    return f"{refused.value.code} {refused.value.message}"


async def test_members_have_a_server_and_to_everybody_else_it_does_not_exist(
    a_company: Callable[..., Company], upstreams: Upstreams
) -> None:
    company = a_company()
    company.hub.admin.add_servers(
        {
            "forge": upstreams.http("forge").config(mcphub={"audience": {"organizations": ["Acme"]}}),
            "core": upstreams.http("core").config(mcphub={"audience": {"teams": ["acme/core"]}}),
            "desk": upstreams.http("desk").config(mcphub={"audience": {"groups": ["staff"]}}),
            "open": upstreams.http("open").config(),
        }
    )
    ann, bob, eve, guest = (company.sign_in(one) for one in (ANN, BOB, EVE, MAX))
    local = company.hub.admin.user("local")
    seen = {}
    for person in (ann, bob, eve, guest, local):
        async with company.ide(person) as ide:
            seen[person.username] = await servers_of(ide)
            rest = {server["name"] for server in person.rest.get("/api/servers?all=true")}
            assert seen[person.username] == rest

    assert seen == {
        "ann": {"forge", "core", "open"},
        "bob": {"open"},
        "eve": {"desk", "open"},
        "max": {"open"},
        "local": {"open"},
    }
    async with company.ide(ann) as ide:
        assert await ide.text("forge__echo", text="for members") == "for members"
    async with company.ide(bob) as ide:
        unknown = await refusal(ide, "nothing__echo")
        assert await refusal(ide, "forge__echo") == unknown.replace("nothing__", "forge__")
    assert bob.rest.send("GET", "/api/servers/forge").status_code == 404


@pytest.mark.thorough
async def test_personal_groups_only_narrow_it(a_company: Callable[..., Company], upstreams: Upstreams) -> None:
    company = a_company()
    company.hub.admin.add_servers(
        {
            "forge": upstreams.http("forge").config(mcphub={"audience": {"organizations": ["acme"]}}),
            "open": upstreams.http("open").config(),
        }
    )
    ann, bob = company.sign_in(ANN), company.sign_in(BOB)

    ann.group("mine", "forge")
    bob.rest.post("/api/user/groups", {"name": "mine", "servers": ["forge"]}, expect=422)
    company.audience("forge", "everyone")
    bob.group("mine", "forge", "open")
    company.audience("forge", {"organizations": ["acme"]})

    async with company.ide(ann) as one, company.ide(bob) as other:
        assert await servers_of(one) == {"forge"}
        assert await servers_of(other) == {"open"}
        assert (await refusal(other, "forge__echo")).startswith("-32602 Unknown tool")


@pytest.mark.thorough
async def test_a_change_of_the_audience_counts_for_the_next_request_and_is_heard(
    a_company: Callable[..., Company], upstreams: Upstreams
) -> None:
    company = a_company()
    company.hub.admin.add_servers({"near": upstreams.stdio("near"), "open": upstreams.http("open").config()})
    ann, bob = company.sign_in(ANN), company.sign_in(BOB)

    async with company.ide(ann) as member, company.ide(bob) as other, company.ide(bob, "/near") as inside:
        for ide in (member, other, inside):
            await ide.tools()
            await ide.follow()
        own, lost = [json.loads(await ide.text("near__whoami"))["pid"] for ide in (member, other)]
        changed = time.monotonic()

        await asyncio.to_thread(company.audience, "near", {"organizations": ["acme"]})

        assert (await refusal(other, "near__echo")).startswith("-32602 Unknown tool")
        assert await closed_to(inside)
        assert json.loads(await member.text("near__whoami"))["pid"] == own
        await until(lambda: other.heard(LIST_CHANGED, since=changed), within=WITHIN, what="the loser hears of it")
        assert await servers_of(other) == {"open"}
        await until(lambda: not alive(company, lost), within=WITHIN, what="the process of the loser is gone")
        assert alive(company, own)
        assert not member.heard(LIST_CHANGED, since=changed)

        changed = time.monotonic()
        await asyncio.to_thread(company.audience, "near", {"organizations": ["acme", "globex"]})

        assert await other.text("near__echo", text="back") == "back"
        await until(lambda: other.heard(LIST_CHANGED, since=changed), within=WITHIN, what="it is heard")


@pytest.mark.thorough
async def test_a_membership_that_is_gone_at_the_next_sign_in_is_gone_for_every_key_at_once(
    a_company: Callable[..., Company], upstreams: Upstreams
) -> None:
    company = a_company(MCPHUB_GITHUB_ALLOW="acme", MCPHUB_OIDC_ALLOW="domain:corp.example")
    company.oidc.account = EVE
    company.hub.admin.add_servers(
        {
            "core": upstreams.stdio("core", mcphub={"audience": {"teams": ["acme/core"]}}),
            "desk": upstreams.http("desk").config(mcphub={"audience": {"groups": ["staff"]}}),
            "open": upstreams.http("open").config(),
        }
    )
    verified = OidcAccount("s-1", {**EVE.claims, "email_verified": True})
    ann, eve = company.sign_in(ANN), company.sign_in(verified)

    async with company.ide(ann) as one, company.ide(eve) as other:
        for ide in (one, other):
            await ide.tools()
            await ide.follow()
        pid = json.loads(await one.text("core__whoami"))["pid"]
        assert await other.text("desk__echo", text="x") == "x"
        changed = time.monotonic()

        await asyncio.to_thread(company.sign_in, GitHubAccount(42, "ann", orgs={"acme": "active"}))
        await asyncio.to_thread(company.sign_in, OidcAccount("s-1", {**verified.claims, "groups": ["guests"]}))

        assert (await refusal(one, "core__echo")).startswith("-32602 Unknown tool")
        assert (await refusal(other, "desk__echo")).startswith("-32602 Unknown tool")
        for ide in (one, other):
            await until(lambda ide=ide: ide.heard(LIST_CHANGED, since=changed), within=WITHIN, what="it is heard")
        assert (await servers_of(one), await servers_of(other)) == ({"open"}, {"open"})
        await until(lambda: not alive(company, pid), within=WITHIN, what="the process is gone")

        await asyncio.to_thread(company.sign_in, ANN)
        assert await one.text("core__echo", text="back") == "back"


@pytest.mark.thorough
async def test_memberships_outlive_a_restart_and_no_name_of_them_is_in_the_ledger(
    a_company: Callable[..., Company], upstreams: Upstreams
) -> None:
    company = a_company()
    config = upstreams.http("forge").config(mcphub={"audience": {"users": [], "teams": ["acme/core"]}})
    company.hub.admin.add_servers({"forge": config})
    ann = company.sign_in(ANN)
    ann.key()
    changed = [fact for fact in company.hub.admin.audit() if fact["type"] == "UserMembershipsChanged"]

    company.hub.stop()
    company.hub.start()

    async with company.ide(ann) as ide:
        assert await servers_of(ide) == {"forge"}
    assert len(changed) == 1
    assert "acme" not in json.dumps(changed).lower()


async def closed_to(ide: Ide) -> bool:
    """Does the address of one server say that nothing is there?"""
    answer = await ide.post({"jsonrpc": "2.0", "id": 99, "method": "tools/list", "params": {}})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return True
    said = answer.text
    return answer.status_code == httpx.codes.OK and "near" not in said and "echo" not in said


def alive(company: Company, pid: int) -> bool:
    return any(process.pid == pid for process in company.hub.processes())
