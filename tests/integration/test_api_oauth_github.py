"""Signing in with GitHub: who gets in, who does not, and what nobody may be tricked into."""

import asyncio
import json

import psycopg
import pytest
from aiohttp import web

from mcphub.domain.actor import acting, system
from mcphub.domain.users import DeleteUser, EraseUser, SetUserActive
from tests.support.api import ORIGIN, problem, running_api
from tests.support.providers import CLIENT_SECRET, FakeGitHub, GitHubAccount, challenge_of, hub_env
from tests.support.travel import GITHUB, agree, come_back, me, outcome, query_of, set_out, signed_in, travel

CALLBACK = f"{ORIGIN}/api/oauth/callback"
WELCOME = "/?welcome=true"
ANN = GitHubAccount(
    42, "ann", name="Ann Ode", emails=["ann@corp.example"], orgs={"acme": "active"}, teams={"acme/platform"}
)


@pytest.fixture
def github():
    with FakeGitHub(CALLBACK) as server:
        server.account = ANN
        yield server


@pytest.fixture
async def hub(database, home, github):
    """A hub that anybody of this GitHub may come to."""
    async with running_api(database.app_dsn, home, hub_env(github)) as api:
        yield api


@pytest.fixture
def a_hub(database, home, github):
    """Makes a hub with more in its environment."""
    return lambda **env: running_api(database.app_dsn, home, hub_env(github, **env))


async def run(api, build):
    """As the hub itself."""

    def work():
        with acting(system("test")):
            return api.services.hub.execute(build)

    done = await asyncio.to_thread(work)
    assert await api.services.commands.shown(done.position)
    return done


def facts(api, *types):
    """(type, fields, tags) of facts of these types, in order."""
    with psycopg.connect(api.dsn) as db:
        rows = db.execute(
            "select type, data::text, tags from ledger where type = any(%s) order by position", (list(types),)
        ).fetchall()
    return [(type_, json.loads(data), tags) for type_, data, tags in rows]


# getting in


@pytest.mark.thorough
async def test_the_first_time_is_welcomed_and_makes_a_user_who_is_no_administrator(hub):
    browser = hub.browser()

    answer = await travel(browser)

    assert (answer.status_code, answer.headers["location"]) == (302, WELCOME)
    data = await me(browser)
    assert {name: data[name] for name in ("username", "githubUsername", "displayName", "email", "provider")} == {
        "username": "ann",
        "githubUsername": "ann",
        "displayName": "Ann Ode",
        "email": "ann@corp.example",
        "provider": "github",
    }
    assert data["avatarUrl"] == "https://avatars.example/42"
    assert (data["isAdmin"], data["isAuditor"], data["isActive"]) == (False, False, True)
    assert [type_ for type_, *_ in facts(hub, "UserRegistered", "UserActivated", "AdminGranted", "SignedIn")] == [
        "UserRegistered",
        "UserActivated",
        "SignedIn",
    ]


async def test_the_second_time_is_the_same_user_and_writes_a_session_only(hub):
    first = await signed_in(hub)

    answer = await travel(second := hub.browser())

    assert answer.headers["location"] == "/"
    assert (await me(second))["id"] == first.user_id
    assert [type_ for type_, *_ in facts(hub, "UserRegistered", "UserProfileSynced", "SignedIn")] == [
        "UserRegistered",
        "SignedIn",
        "SignedIn",
    ]


async def test_the_way_out_carries_a_challenge_and_nothing_secret(hub, github):
    browser = hub.browser()

    address = await set_out(browser)

    query = query_of(address)
    assert address.startswith(f"{github.url}/login/oauth/authorize?")
    assert set(query) == {
        *("client_id", "redirect_uri", "response_type", "scope", "state"),
        *("code_challenge", "code_challenge_method"),
    }
    assert (query["redirect_uri"], query["code_challenge_method"]) == (CALLBACK, "S256")
    assert len(query["state"]) == len(query["code_challenge"]) == 43
    assert CLIENT_SECRET not in address
    with psycopg.connect(hub.dsn) as db:
        (verifier, row) = db.execute("select verifier, sign_in_flow::text from sign_in_flow").fetchone()
    assert challenge_of(verifier) == query["code_challenge"]
    assert query["state"] not in row
    assert browser.client.cookies["mcphub_flow"] not in row


async def test_no_token_is_in_any_address_cookie_of_scripts_or_log_of_the_way(hub, github, capsys):
    browser = hub.browser()
    out = await set_out(browser)
    back = await agree(out)
    answer = await come_back(browser, back)

    session = browser.client.cookies["mcphub_session"]
    told = capsys.readouterr()
    for secret in (CLIENT_SECRET, session, *github.tokens):
        assert secret not in out + back + answer.headers["location"] + answer.text
        assert secret not in told.out + told.err
    for passing in (query_of(back)["code"], query_of(back)["state"]):
        assert passing not in told.out + told.err
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie for cookie in cookies if cookie.startswith("mcphub_session=") and "HttpOnly" in cookie]
    assert answer.headers["cache-control"] == "no-store"


async def test_every_path_of_the_earlier_hub_leads_the_same_way(hub):
    for start in ("/api/oauth/github", "/api/auth/github"):
        for back in ("/api/oauth/callback", "/api/auth/github/callback", "/api/oauth/github/callback"):
            browser = hub.browser()
            query = query_of(await agree(await set_out(browser, start)))

            answer = await browser.get(back, params=query)

            assert outcome(answer) == ""
            assert (await browser.get("/api/auth/me")).json()["data"]["username"] == "ann"


async def test_a_callback_registered_by_the_earlier_hub_is_the_one_asked_for(a_hub, github):
    github.callback = f"{ORIGIN}/api/auth/github/callback"

    async with a_hub(GITHUB_CALLBACK_URL=github.callback) as hub:
        assert outcome(await travel(hub.browser())) == ""


async def test_the_sign_in_page_learns_how_one_signs_in(hub):
    data = (await hub.browser().get("/login/config")).json()["data"]

    assert data == {"providers": ["github"], "localLogin": True, "setupNeeded": True}


async def test_what_is_not_configured_is_not_there(hub, database, home):
    for path in ("/api/oauth/oidc/oidc", "/api/oauth/oidc/github", "/api/oauth/oidc/oidc/callback"):
        assert problem(await hub.browser().get(path)) == (404, "provider_disabled")
    async with running_api(database.app_dsn, home) as bare:
        for path in (GITHUB, "/api/oauth/callback?code=c&state=s"):
            assert problem(await bare.browser().get(path)) == (404, "provider_disabled")


async def test_a_browser_may_be_on_its_way_in_two_tabs(hub):
    browser = hub.browser()
    first, second = await set_out(browser), await set_out(browser)

    assert outcome(await come_back(browser, await agree(second))) == ""

    # The first tab comes back to a browser that is signed in already; its cookie is gone.
    assert outcome(await come_back(browser, await agree(first))) == "state_invalid"
    assert (await me(browser))["username"] == "ann"


async def test_two_browsers_coming_for_the_first_time_at_once_are_one_user(hub):
    browsers = [hub.browser() for _ in range(4)]
    backs = [await agree(await set_out(browser)) for browser in browsers]

    answers = await asyncio.gather(*(come_back(*pair) for pair in zip(browsers, backs, strict=True)))

    assert {outcome(answer) for answer in answers} == {""}
    assert len({(await me(browser))["id"] for browser in browsers}) == 1
    assert len(facts(hub, "UserRegistered")) == 1


# the page to come back to


@pytest.mark.parametrize(
    "page", ["/servers", "/settings#jira", "/activity?from=2026-01-01", "/user-groups/1/%ED%95%9C"]
)
async def test_the_browser_comes_back_to_the_page_it_wanted(hub, page):
    await signed_in(hub)

    answer = await travel(hub.browser(), next=page)

    assert answer.headers["location"] == page


@pytest.mark.parametrize(
    "page",
    [
        *("https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example"),
        *("javascript:alert(1)", "servers", "/%0d%0aSet-Cookie:x=1\r\n", "/a\\..\\b", "/ /evil.example"),
        *("/api/oauth/github", "/api", "/mcp", "/oauth/authorize", "/auth/error?code=x", "/" + "a" * 600),
    ],
)
@pytest.mark.thorough
async def test_no_address_leads_out_of_the_hub_after_signing_in(hub, page):
    answer = await hub.browser().get(GITHUB, params={"next": page})

    assert problem(answer) == (400, "bad_next")
    assert "set-cookie" not in answer.headers


# not getting in


async def test_a_new_user_waits_under_the_policy_pending_until_an_administrator_activates(a_hub):
    async with a_hub(MCPHUB_NEW_USERS="pending") as hub:
        browser = hub.browser()
        assert outcome(await travel(browser)) == "user_pending"
        assert outcome(await travel(browser)) == "user_pending"
        assert "mcphub_session" not in browser.client.cookies
        assert [type_ for type_, *_ in facts(hub, "UserRegistered", "UserActivated", "SignedIn")] == ["UserRegistered"]

        admin = await hub.user("root", admin=True)
        (waiting,) = await admin.data("GET", "/api/admin/users?state=pending")
        assert (waiting["username"], waiting["provider"], waiting["login"]) == ("ann", "github", "ann")
        await admin.put(f"/api/admin/users/{waiting['id']}/active", {"isActive": True})

        assert outcome(await travel(browser)) == ""
        assert (await me(browser))["id"] == waiting["id"]


async def test_without_an_allow_list_a_hub_on_the_network_lets_nobody_in_at_once(database, home):
    callback = "https://hub.example/api/oauth/callback"
    with FakeGitHub(callback) as github:
        env = hub_env(github, MCPHUB_PUBLIC_URL="https://hub.example", MCPHUB_NEW_USERS="active")
        async with running_api(database.app_dsn, home, env) as hub:
            browser = hub.browser(base_url="https://hub.example")

            assert outcome(await travel(browser)) == "user_pending"


async def test_cookies_are_the_hosts_own_where_there_is_https(database, home):
    callback = "https://hub.example/api/oauth/callback"
    with FakeGitHub(callback) as github:
        github.account = ANN
        env = hub_env(github, MCPHUB_PUBLIC_URL="https://hub.example", MCPHUB_GITHUB_ALLOW="acme")
        async with running_api(database.app_dsn, home, env) as hub:
            browser = hub.browser(base_url="https://hub.example")
            out = await browser.get(GITHUB)

            answer = await come_back(browser, await agree(out.headers["location"]))

            assert outcome(answer) == ""
            (flow,) = out.headers.get_list("set-cookie")
            assert flow.startswith("__Host-mcphub_flow=")
            assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(flow.split("; "))
            assert [one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-mcphub_session=")]


async def test_who_is_locked_out_cannot_sign_in_and_is_told_so(hub):
    ann = await signed_in(hub)
    await run(hub, lambda: SetUserActive(ann.user_id, False, by="root"))

    assert outcome(await travel(browser := hub.browser())) == "user_inactive"

    assert "mcphub_session" not in browser.client.cookies
    assert problem(await ann.get("/api/user/me")) == (403, "user_inactive")


async def test_who_was_deleted_does_not_come_back_as_somebody_new(hub):
    ann = await signed_in(hub)
    await run(hub, lambda: DeleteUser(ann.user_id, by="root"))

    assert outcome(await travel(hub.browser())) == "user_inactive"
    assert len(facts(hub, "UserRegistered")) == 1


async def test_who_was_erased_comes_back_as_somebody_new(hub):
    ann = await signed_in(hub)
    digest = hub.services.model.users[ann.user_id].name_digest
    await run(hub, lambda: EraseUser(ann.user_id, by="root", name_digest=digest))

    again = hub.browser()
    assert (await travel(again)).headers["location"] == WELCOME
    assert (await me(again))["id"] != ann.user_id


# who is who


async def test_a_login_that_was_given_to_somebody_else_is_somebody_else(hub, github):
    """GitHub gives a login that became free to anybody; the number of the account is what counts."""
    ann = await signed_in(hub)
    github.account = GitHubAccount(43, "ann", name="Impostor")

    other = await signed_in(hub)

    assert other.user_id != ann.user_id
    assert ((await me(other))["username"], (await me(other))["githubUsername"]) == ("ann-2", "ann")
    assert ((await me(ann))["username"], (await me(ann))["displayName"]) == ("ann", "Ann Ode")


async def test_a_login_that_changed_is_the_same_user_under_the_same_name_of_the_hub(hub, github):
    ann = await signed_in(hub)
    github.account = GitHubAccount(42, "ann-with-a-new-login", name="Ann Ode", emails=["ann@corp.example"])

    again = await signed_in(hub)

    assert again.user_id == ann.user_id
    data = await me(again)
    assert (data["username"], data["githubUsername"]) == ("ann", "ann-with-a-new-login")


async def test_a_local_user_of_the_same_name_is_somebody_else_and_keeps_the_password(hub):
    local = await hub.make_user("ann")

    ann = await signed_in(hub)

    assert ann.user_id != local
    assert (await me(ann))["username"] == "ann-2"
    assert (await hub.log_in("ann")).user_id == local


async def test_somebody_called_admin_elsewhere_does_not_take_the_name_the_hub_gives(hub, github):
    github.account = GitHubAccount(7, "Admin")

    assert (await me(await signed_in(hub)))["username"] == "Admin-2"


async def test_somebody_from_elsewhere_has_no_password_here(hub):
    ann = await signed_in(hub)

    change = await ann.post(
        "/api/auth/change-password", {"currentPassword": "x", "newPassword": "correct horse battery staple"}
    )
    login = await hub.browser().post("/api/auth/login", {"username": "ann", "password": ""})

    assert problem(change) == (403, "not_local_account")
    assert problem(login) == (401, "invalid_credentials")


async def test_a_profile_that_changed_is_recorded_once_sealed_and_only_what_changed(hub, github):
    ann = await signed_in(hub)
    github.account = GitHubAccount(42, "ann", name="Ann Other", emails=["ann@corp.example"])

    await signed_in(hub)
    await signed_in(hub)

    ((_, data, tags),) = facts(hub, "UserProfileSynced")
    assert data.keys() == {"type", "user_id", "display_name"}
    assert data["display_name"].startswith("v1.")
    assert tags == [f"user:{ann.user_id}"]
    assert (await me(ann))["displayName"] == "Ann Other"


async def test_nothing_a_provider_says_of_a_person_is_in_the_ledger_in_clear(hub):
    await signed_in(hub)

    with psycopg.connect(hub.dsn) as db:
        text = "\n".join(row for (row,) in db.execute("select ledger::text from ledger").fetchall())

    assert [
        word for word in ("Ann Ode", "ann@corp.example", "avatars.example", '"42"', ":42,", ":42}") if word in text
    ] == []
    ((_, data, tags),) = facts(hub, "UserRegistered")
    assert data["issuer"].startswith("http://127.0.0.1:")
    assert tags == [f"identity:{data['identity']}", f"user:{data['user_id']}", tags[2]]


@pytest.mark.parametrize("hostile", ["javascript:alert(1)", "data:text/html,x", 7, None, "https://"])
@pytest.mark.thorough
async def test_an_address_that_is_none_is_not_shown(hub, github, hostile, monkeypatch):
    async def user(self, request):
        return web.json_response({"id": 9, "login": "eve", "avatar_url": hostile, "html_url": hostile, "name": hostile})

    monkeypatch.setattr(FakeGitHub, "_user", user)
    with FakeGitHub(CALLBACK) as other:
        async with running_api(hub.dsn, hub.services.settings.home, hub_env(other)) as second:
            assert (await me(await signed_in(second)))["avatarUrl"] is None


# members


@pytest.mark.parametrize("allow", ["acme", "ACME", "other, acme", "acme/platform", "nobody/x,acme/platform"])
async def test_a_member_of_what_the_allow_list_names_gets_in(a_hub, allow):
    async with a_hub(MCPHUB_GITHUB_ALLOW=allow) as hub:
        assert outcome(await travel(hub.browser())) == ""


@pytest.mark.parametrize("allow", ["other", "acme/other", "other/platform"])
async def test_a_stranger_is_refused_and_nothing_is_known_of_them(a_hub, allow):
    async with a_hub(MCPHUB_GITHUB_ALLOW=allow) as hub:
        browser = hub.browser()

        assert outcome(await travel(browser)) == "not_a_member"

        assert "mcphub_session" not in browser.client.cookies
        assert facts(hub, "UserRegistered", "SignedIn") == []
        with psycopg.connect(hub.dsn) as db:
            assert db.execute("select count(*) from provider_grant").fetchone() == (0,)


async def test_an_invitation_not_yet_taken_is_no_membership(a_hub, github):
    github.account = GitHubAccount(5, "bob", orgs={"acme": "pending"})
    async with a_hub(MCPHUB_GITHUB_ALLOW="acme") as hub:
        assert outcome(await travel(hub.browser())) == "not_a_member"


async def test_an_organisation_that_will_not_say_lets_nobody_in_and_shuts_nobody_out(a_hub, github):
    """403 is what an organisation answers that closed itself to the app, and GitHub when it was asked too often."""
    async with a_hub(MCPHUB_GITHUB_ALLOW="acme") as hub:
        ann = await signed_in(hub)
        github.broken["/api/v3/user/memberships/orgs/acme"] = 403

        assert outcome(await travel(hub.browser())) == "provider_error"
        assert (await me(ann))["username"] == "ann"


async def test_who_left_the_organisation_is_shut_out_when_seen_and_back_in_when_a_member_again(a_hub, github):
    async with a_hub(MCPHUB_GITHUB_ALLOW="acme") as hub:
        ann = await signed_in(hub)
        github.account = GitHubAccount(42, "ann", emails=["ann@corp.example"], name="Ann Ode")

        assert outcome(await travel(hub.browser())) == "not_a_member"
        assert problem(await ann.get("/api/user/me")) == (403, "user_inactive")
        ((_, data, _),) = facts(hub, "UserDeactivated")
        assert (data["cause"], data["reason"]) == ("membership", "not_a_member")

        github.account = ANN
        assert (await me(await signed_in(hub)))["id"] == ann.user_id


async def test_membership_does_not_undo_what_an_administrator_decided(a_hub, github):
    async with a_hub(MCPHUB_GITHUB_ALLOW="acme") as hub:
        ann = await signed_in(hub)
        github.account = GitHubAccount(42, "ann")
        await travel(hub.browser())
        await run(hub, lambda: SetUserActive(ann.user_id, False, by="root"))
        github.account = ANN

        assert outcome(await travel(hub.browser())) == "user_inactive"


# attacks


async def test_a_state_works_once(hub):
    browser = hub.browser()
    back = await agree(await set_out(browser))
    assert outcome(await come_back(browser, back)) == ""

    assert outcome(await come_back(browser, back)) == "state_invalid"


async def test_a_state_nobody_was_given_is_refused_before_the_provider_is_asked(hub, github):
    browser = hub.browser()
    query = query_of(await agree(await set_out(browser)))
    asked = len(github.asked)

    for forged in ({"state": "x" * 43}, {"state": ""}, {"state": query["state"][:-1]}):
        assert outcome(await browser.get("/api/oauth/callback", params=query | forged)) == "state_invalid"
    assert outcome(await browser.get("/api/oauth/callback")) == "state_invalid"
    assert outcome(await browser.get(f"/api/oauth/callback?state={query['state']}&state=x&code=c")) == "state_invalid"

    assert len(github.asked) == asked
    assert facts(hub, "UserRegistered") == []


async def test_nobody_is_signed_in_as_somebody_else_by_a_link(hub, github):
    """Login CSRF: an attacker sends the victim the way back of a sign-in of their own."""
    attacker, victim = hub.browser(), hub.browser()
    back = await agree(await set_out(attacker))
    await set_out(victim)  # the victim is on a way of their own

    answer = await come_back(victim, back)

    assert outcome(answer) == "state_invalid"
    assert "mcphub_session" not in victim.client.cookies
    assert outcome(await come_back(attacker, back)) == "state_invalid"  # used up all the same


async def test_a_browser_without_the_flow_cookie_does_not_get_in(hub):
    back = await agree(await set_out(hub.browser()))

    assert outcome(await come_back(hub.browser(), back)) == "state_invalid"


async def test_a_way_that_took_longer_than_ten_minutes_is_over(hub):
    browser = hub.browser()
    back = await agree(await set_out(browser))
    with psycopg.connect(hub.dsn, autocommit=True) as db:
        (left,) = db.execute("select extract(epoch from expires_at - clock_timestamp()) from sign_in_flow").fetchone()
    assert 590 < left <= 600
    # The row's own time is moved, as ten minutes would; the application may not update it.
    await expire(hub)

    assert outcome(await come_back(browser, back)) == "state_invalid"


async def test_a_code_of_another_flow_does_not_fit_the_verifier(hub):
    """Code injection: the attacker puts a code of theirs into the victim's own way back."""
    attacker, victim = hub.browser(), hub.browser()
    stolen = query_of(await agree(await set_out(attacker)))["code"]
    own = query_of(await agree(await set_out(victim)))

    answer = await victim.get("/api/oauth/callback", params=own | {"code": stolen})

    assert outcome(answer) == "provider_error"
    assert "mcphub_session" not in victim.client.cookies


async def test_a_code_redeemed_already_is_refused_although_github_says_200(hub, github):
    browser = hub.browser()
    back = await agree(await set_out(browser))
    github.codes.clear()

    answer = await come_back(browser, back)

    assert outcome(answer) == "provider_error"
    assert "canary" not in answer.text + str(answer.headers)


async def test_somebody_who_does_not_agree_is_told_so_and_no_text_of_the_provider_is_shown(hub):
    browser = hub.browser()
    state = query_of(await set_out(browser))["state"]
    said = {"state": state, "error": "access_denied", "error_description": "<b>canary</b>", "code": "c"}

    answer = await browser.get("/api/oauth/callback", params=said)

    assert outcome(answer) == "provider_error"
    assert "canary" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("path", ["/login/oauth/access_token", "/api/v3/user"])
@pytest.mark.parametrize("status", [401, 500])
async def test_a_provider_that_fails_is_an_error_page_and_no_session(hub, github, path, status, capsys):
    github.broken[path] = status

    assert outcome(await travel(browser := hub.browser())) == "provider_error"

    assert "mcphub_session" not in browser.client.cookies
    told = capsys.readouterr()
    assert "canary" not in told.out + told.err


async def test_a_secret_that_does_not_fit_is_an_error_page(a_hub):
    async with a_hub(MCPHUB_GITHUB_CLIENT_SECRET="another") as hub:
        assert outcome(await travel(hub.browser())) == "provider_error"


async def test_a_provider_nobody_answers_for_is_an_error_page(database, home):
    with FakeGitHub(CALLBACK) as github:
        env = hub_env(github)
    async with running_api(database.app_dsn, home, env) as hub:
        browser = hub.browser()
        state = query_of(await set_out(browser))["state"]

        assert (
            outcome(await browser.get("/api/oauth/callback", params={"state": state, "code": "c"})) == "provider_error"
        )


async def test_browsers_of_one_address_cannot_fill_the_table(hub, monkeypatch):
    from mcphub.api.auth import throttle

    monkeypatch.setattr(throttle, "SETTING_OUT", 3)
    for _ in range(3):
        await set_out(hub.browser())

    refused = await hub.browser().get(GITHUB)

    assert problem(refused) == (429, "rate_limited")
    assert (await hub.browser(ip="10.9.8.7").get(GITHUB)).status_code == 302


async def expire(hub):
    """Lets the ten minutes of every way pass."""
    with psycopg.connect(hub.dsn, autocommit=True) as db:
        rows = db.execute("delete from sign_in_flow returning *").fetchall()
        for row in rows:
            db.execute(
                "insert into sign_in_flow values (%s, %s, %s, %s, %s, %s, clock_timestamp() - interval '1 second')",
                row[:6],
            )
