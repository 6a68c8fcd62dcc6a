"""The daily look at memberships: who is no longer a member is out, keys and all, and who still is notices nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from mcphub.api.auth import membership
from mcphub.api.auth.kinds import Providers
from mcphub.api.auth.membership import DailyLook
from mcphub.domain.actor import acting, system
from mcphub.domain.users import EraseUser, SetAdmin, SetUserActive
from tests.support.api import ORIGIN, problem, running_api
from tests.support.providers import FakeGitHub, FakeOidc, GitHubAccount, OidcAccount, hub_env
from tests.support.travel import OIDC, me, outcome, signed_in, travel

ANN = GitHubAccount(42, "ann", orgs={"acme": "active"})
LEFT = GitHubAccount(42, "ann")
# Partitions are read through their parents.
TABLES = """
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
"""
STAFF = {"email": "ann@corp.example", "groups": ["staff"]}


@pytest.fixture
def github():
    with FakeGitHub(f"{ORIGIN}/api/oauth/callback") as server:
        server.account = ANN
        yield server


@pytest.fixture
def oidc():
    with FakeOidc(f"{ORIGIN}/api/oauth/oidc/oidc/callback") as server:
        server.account = OidcAccount("s-1", dict(STAFF))
        yield server


@pytest.fixture
async def hub(database, home, github, oidc):
    env = hub_env(github, oidc, MCPHUB_GITHUB_ALLOW="acme", MCPHUB_OIDC_ALLOW="group:staff")
    async with running_api(database.app_dsn, home, env) as api:
        yield api


def daily(api):
    return DailyLook(api.services, Providers(api.services.settings))


def later(api, hours=25.0):
    """Lets time pass, as the rows know it."""
    with psycopg.connect(api.dsn, autocommit=True) as db:
        db.execute(
            "update provider_grant set due_at = due_at - %(by)s, seen_at = seen_at - %(by)s,"
            " listed_at = listed_at - %(by)s",
            {"by": timedelta(hours=hours)},
        )


def rows(api):
    with psycopg.connect(api.dsn) as db:
        return db.execute("select user_id, sealed from provider_grant order by user_id").fetchall()


def grant_keys(api):
    """How many data keys seal grants."""
    with psycopg.connect(api.dsn) as db:
        return db.execute("select count(*) from data_key where purpose = 'sign-in'").fetchone()[0]


def shut_outs(api):
    with psycopg.connect(api.dsn) as db:
        return db.execute(
            "select data ->> 'user_id', data ->> 'reason', meta ->> 'actor' from ledger"
            " where type = 'UserDeactivated' and data ->> 'cause' = 'membership' order by position"
        ).fetchall()


async def run(api, build):
    with acting(system("test")):
        return await api.services.commands.run(build)


async def test_who_still_is_a_member_notices_nothing_and_is_asked_for_once_a_day(hub, github):
    ann = await signed_in(hub)
    asked = len(github.asked)
    await daily(hub).round()
    assert len(github.asked) == asked  # it is not a day yet

    later(hub)
    await daily(hub).round()
    assert len(github.asked) > asked
    asked = len(github.asked)
    await daily(hub).round()

    assert len(github.asked) == asked
    assert shut_outs(hub) == []
    assert (await me(ann))["isActive"] is True


async def test_who_left_is_out_within_the_day_keys_and_sessions_and_all(hub, github):
    ann = await signed_in(hub)
    key = (await ann.data("POST", "/api/oauth/keys", {"name": "ide"}))["keyValue"]
    digest = hub.services.vault.key_digest(key)
    assert hub.services.model.authenticate(digest, datetime.now(UTC)) is not None
    for token in github.tokens.values():
        token.account = LEFT

    later(hub)
    await daily(hub).round()

    assert shut_outs(hub) == [(ann.user_id, "not_a_member", "system:membership")]
    assert problem(await ann.get("/api/user/me")) == (403, "user_inactive")
    assert hub.services.model.authenticate(digest, datetime.now(UTC)) is None
    assert (rows(hub), grant_keys(hub)) == ([], 0)


async def test_who_took_the_permission_back_is_out_and_in_again_by_signing_in(hub, github):
    ann = await signed_in(hub)
    github.tokens.clear()

    later(hub)
    await daily(hub).round()

    assert shut_outs(hub) == [(ann.user_id, "membership_unconfirmed", "system:membership")]
    assert (await me(await signed_in(hub)))["id"] == ann.user_id


async def test_a_provider_that_is_down_shuts_nobody_out_for_three_days(hub, github):
    ann = await signed_in(hub)
    github.broken["/api/v3/user"] = 503

    for _ in range(2):
        later(hub)
        await daily(hub).round()
    assert (await me(ann))["isActive"] is True

    later(hub)
    await daily(hub).round()
    assert shut_outs(hub) == [(ann.user_id, "membership_unconfirmed", "system:membership")]


async def test_a_provider_that_is_back_counts_anew(hub, github):
    ann = await signed_in(hub)
    github.broken["/api/v3/user"] = 503
    later(hub, 50)
    await daily(hub).round()
    github.broken.clear()
    later(hub, 2)
    await daily(hub).round()
    github.broken["/api/v3/user"] = 503
    later(hub, 50)
    await daily(hub).round()

    assert shut_outs(hub) == []
    assert (await me(ann))["isActive"] is True


async def test_after_no_answer_it_is_asked_again_within_the_hour(hub, github):
    await signed_in(hub)
    github.broken["/api/v3/user"] = 503
    later(hub)
    await daily(hub).round()
    github.broken.clear()
    asked = len(github.asked)

    later(hub, 1.01)
    await daily(hub).round()

    assert len(github.asked) > asked


@pytest.mark.thorough
async def test_an_account_that_became_somebody_elses_is_no_membership(hub, github):
    ann = await signed_in(hub)
    for token in github.tokens.values():
        token.account = GitHubAccount(43, "eve", orgs={"acme": "active"})

    later(hub)
    await daily(hub).round()

    assert shut_outs(hub) == [(ann.user_id, "membership_unconfirmed", "system:membership")]


@pytest.mark.thorough
async def test_the_last_administrator_stays_and_another_is_demoted(hub, github):
    ann = await signed_in(hub)
    await run(hub, lambda: SetAdmin(ann.user_id, True))
    github.tokens.clear()
    later(hub)
    await daily(hub).round()
    assert (await me(ann))["isAdmin"] is True
    asked = len(github.asked)
    await daily(hub).round()
    assert len(github.asked) == asked  # not again before tomorrow

    root = await hub.user("root", admin=True)
    later(hub)
    await daily(hub).round()

    assert problem(await ann.get("/api/user/me")) == (403, "user_inactive")
    assert (await root.data("GET", "/api/admin/users?q=ann"))[0]["isAdmin"] is False


@pytest.mark.thorough
async def test_tokens_are_sealed_and_leave_with_what_they_were_for(hub, github):
    ann = await signed_in(hub)
    await signed_in(hub)
    ((user, sealed),) = rows(hub)
    assert (user, sealed.startswith("v1."), grant_keys(hub)) == (ann.user_id, True, 1)
    with psycopg.connect(hub.dsn) as db:
        tables = [name for (name,) in db.execute(TABLES)]
        text = "\n".join(str(row) for name in tables for row in db.execute(f"select t::text from {name} t").fetchall())
    assert [token for token in github.given_out if token in text] == []

    digest = hub.services.model.users[ann.user_id].name_digest
    await run(hub, lambda: EraseUser(ann.user_id, by="root", name_digest=digest))
    later(hub)
    await daily(hub).round()

    assert (rows(hub), grant_keys(hub)) == ([], 0)


@pytest.mark.thorough
async def test_without_an_allow_list_a_token_is_kept_only_of_somebody_who_belongs_to_something(
    hub, github, oidc, database, home
):
    oidc.account = OidcAccount("s-1", {"email": "ann@corp.example"})

    async with running_api(database.app_dsn, home, hub_env(github, oidc)) as open_hub:
        await signed_in(open_hub, OIDC)
        assert (rows(open_hub), grant_keys(open_hub)) == ([], 0)
        ann = await signed_in(open_hub)
        assert [user for user, _ in rows(open_hub)] == [ann.user_id]

        github.account = LEFT
        await signed_in(open_hub)
        later(open_hub)
        await daily(open_hub).round()

        assert (rows(open_hub), grant_keys(open_hub)) == ([], 0)


@pytest.mark.thorough
async def test_who_came_before_there_was_an_allow_list_has_a_day_to_sign_in(hub, github, database, home):
    github.account = LEFT
    async with running_api(database.app_dsn, home, hub_env(github)) as open_hub:
        ann = await signed_in(open_hub)
    await hub.services.tail.confirm(1)

    await daily(hub).round()
    assert shut_outs(hub) == []

    later(hub)
    await daily(hub).round()
    assert shut_outs(hub) == [(ann.user_id, "membership_unconfirmed", "system:membership")]


@pytest.mark.thorough
async def test_somebody_waiting_for_an_administrator_keeps_what_the_sign_in_gave(database, home, github):
    env = hub_env(github, MCPHUB_GITHUB_ALLOW="acme", MCPHUB_NEW_USERS="pending")
    async with running_api(database.app_dsn, home, env) as hub:
        assert outcome(await travel(hub.browser())) == "user_pending"
        ((user, _),) = rows(hub)
        later(hub)
        await daily(hub).round()
        assert [row[0] for row in rows(hub)] == [user]
        await run(hub, lambda: SetUserActive(user, True, by="root"))

        await daily(hub).round()

        assert shut_outs(hub) == []


@pytest.mark.thorough
async def test_two_hubs_ask_once(hub, github, database, home):
    await signed_in(hub)
    later(hub)
    env = hub_env(github, MCPHUB_GITHUB_ALLOW="acme")
    async with running_api(database.app_dsn, home, env) as second:
        asked = github.asked.count("/api/v3/user")
        await asyncio.gather(daily(hub).round(), daily(second).round())

    assert github.asked.count("/api/v3/user") == asked + 1


@pytest.mark.thorough
async def test_a_round_that_is_cut_off_is_made_up_for(hub, github, monkeypatch):
    await signed_in(hub)
    later(hub)

    async def cut_off(*_):
        raise RuntimeError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(membership.DailyLook, "_ask", cut_off)
        with pytest.raises(RuntimeError):
            await daily(hub).round()
    asked = len(github.asked)
    await daily(hub).round()
    assert len(github.asked) == asked

    later(hub, 0.2)
    await daily(hub).round()
    assert len(github.asked) > asked


# refresh tokens


@pytest.mark.thorough
async def test_refresh_tokens_rotate_and_the_newest_is_asked_with(hub, oidc):
    ann = await signed_in(hub, OIDC)
    for _ in range(3):
        later(hub)
        await daily(hub).round()

    assert len(oidc.refreshes) == 1
    assert grant_keys(hub) == 1
    assert shut_outs(hub) == []
    assert (await me(ann))["isActive"] is True


@pytest.mark.thorough
async def test_a_refresh_token_is_not_lost_when_the_rest_of_the_look_fails(hub, oidc):
    ann = await signed_in(hub, OIDC)
    oidc.broken["/jwks"] = 503
    later(hub)
    await daily(hub).round()
    oidc.broken.clear()
    later(hub, 2)
    await daily(hub).round()

    assert shut_outs(hub) == []
    assert (await me(ann))["isActive"] is True


@pytest.mark.parametrize("id_token", [True, False])
@pytest.mark.thorough
async def test_who_left_the_group_is_out(hub, oidc, id_token):
    ann = await signed_in(hub, OIDC)
    oidc.id_token_on_refresh = id_token
    oidc.account.claims = {"email": "ann@corp.example", "groups": []}
    oidc.account.userinfo = {"email": "ann@corp.example", "groups": []}

    later(hub)
    await daily(hub).round()

    assert shut_outs(hub) == [(ann.user_id, "not_a_member", "system:membership")]


@pytest.mark.thorough
async def test_who_was_disabled_at_the_provider_is_out(hub, oidc):
    ann = await signed_in(hub, OIDC)
    oidc.account.disabled = True

    later(hub)
    await daily(hub).round()

    assert shut_outs(hub) == [(ann.user_id, "membership_unconfirmed", "system:membership")]


@pytest.mark.thorough
async def test_a_github_app_gives_refresh_tokens_and_those_rotate_too(hub, github):
    github.refresh_tokens = True
    ann = await signed_in(hub)
    for _ in range(2):
        later(hub)
        await daily(hub).round()

    assert len(github.refreshes) == 1
    assert (await me(ann))["isActive"] is True
