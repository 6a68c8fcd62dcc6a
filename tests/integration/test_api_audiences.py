"""From what a provider says of somebody to what they see: at sign-in, once a day, and when an audience changes."""

import json
from datetime import timedelta

import psycopg
import pytest

from mcphub.api.auth.kinds import Providers
from mcphub.api.auth.membership import DailyLook
from mcphub.domain.access import AccessModel
from mcphub.domain.actor import acting, system
from mcphub.domain.users import EraseUser, SetAdmin, SetUserActive
from mcphub.folded import folding
from mcphub.projections.tail import Tail
from tests.support.api import ORIGIN, PASSWORD, problem, running_api
from tests.support.providers import FakeGitHub, FakeOidc, GitHubAccount, OidcAccount, hub_env
from tests.support.short_form import in_short_form
from tests.support.travel import OIDC, me, outcome, signed_in, travel

STDIO = {"command": "npx", "args": ["-y", "server@1.0.0"]}
CORE = {"acme/core"}
ALLOWED = {"MCPHUB_GITHUB_ALLOW": "acme", "MCPHUB_OIDC_ALLOW": "domain:corp.example"}


def ann(**more):
    return GitHubAccount(42, "ann", **more)


@pytest.fixture
def github():
    with FakeGitHub(f"{ORIGIN}/api/oauth/callback") as server:
        server.account = ann(orgs={"Acme": "active"}, teams={"Acme/Core"})
        yield server


@pytest.fixture
def oidc():
    with FakeOidc(f"{ORIGIN}/api/oauth/oidc/oidc/callback") as server:
        server.account = OidcAccount("s-1", {"email": "eve@corp.example", "email_verified": True, "groups": ["staff"]})
        yield server


@pytest.fixture(params=in_short_form([ALLOWED, {}], 1), ids=["with an allow-list", "open to anybody"])
async def hub(request, database, home, github, oidc):
    async with running_api(database.app_dsn, home, hub_env(github, oidc, **request.param)) as api:
        api.root = await api.user("root", admin=True)
        yield api


@pytest.fixture
async def open_hub(database, home, github, oidc):
    async with running_api(database.app_dsn, home, hub_env(github, oidc)) as api:
        api.root = await api.user("root", admin=True)
        yield api


async def with_servers(api, **audiences):
    for name, audience in audiences.items():
        config = {**STDIO, "mcphub": {"audience": audience}}
        await api.root.data("POST", "/api/servers", {"name": name, "config": config})


async def sees(browser):
    return {server["name"] for server in await browser.data("GET", "/api/servers?all=true")}


def facts(api, type_):
    with psycopg.connect(api.dsn) as db:
        rows = db.execute("select data::text, tags from ledger where type = %s order by position", (type_,)).fetchall()
    return [(json.loads(data), tags) for data, tags in rows]


def order(api, *types):
    """Types of facts in the order they were recorded."""
    with psycopg.connect(api.dsn) as db:
        rows = db.execute("select type from ledger where type = any(%s) order by position", (list(types),)).fetchall()
    return [type_ for (type_,) in rows]


def later(api, hours=25.0):
    with psycopg.connect(api.dsn, autocommit=True) as db:
        db.execute(
            "update provider_grant set due_at = due_at - %(by)s, seen_at = seen_at - %(by)s,"
            " listed_at = listed_at - %(by)s",
            {"by": timedelta(hours=hours)},
        )


def now_is(github, account):
    """Everybody who signed in at this GitHub is this account from now on."""
    github.account = account
    for token in github.tokens.values():
        token.account = account


async def look(api, hours=25.0):
    later(api, hours)
    await DailyLook(api.services, Providers(api.services.settings)).round()


async def run(api, build):
    with acting(system("test")):
        return await api.services.commands.run(build)


# at sign-in

FOUR = {
    "acme": {"organizations": ["ACME"]},
    "core": {"teams": ["acme/core"]},
    "staff": {"groups": ["staff"]},
    "all": "everyone",
}


async def test_members_see_what_is_for_them_from_the_first_sign_in_on(hub, github):
    await with_servers(hub, **FOUR, none={}, both={"users": ["bob"], "teams": ["acme/core"]})

    browser = await signed_in(hub)

    assert await sees(browser) == {"acme", "core", "both", "all"}
    assert await sees(await signed_in(hub, OIDC)) == {"staff", "all"}
    assert await sees(await hub.user("local")) == {"all"}
    assert order(hub, "UserRegistered", "UserMembershipsChanged", "SignedIn")[2:8] == [
        *("UserRegistered", "UserMembershipsChanged", "SignedIn"),
        *("UserRegistered", "UserMembershipsChanged", "SignedIn"),
    ]


async def test_facts_hold_digests_and_no_name(hub, github):
    await signed_in(hub)

    ((fact, tags),) = facts(hub, "UserMembershipsChanged")
    assert tags == [f"user:{fact['user_id']}"]
    assert len(fact["memberships"]) == 2
    assert fact["memberships"] == sorted(fact["memberships"])
    with psycopg.connect(hub.dsn) as db:
        everything = db.execute("select string_agg(data::text || tags::text, ' ') from ledger").fetchone()[0].lower()
    assert "acme" not in everything
    assert "core" not in everything


async def test_a_sign_in_records_what_changed_and_only_that(hub, github):
    await with_servers(hub, **FOUR)
    await signed_in(hub)
    browser = await signed_in(hub)
    assert len(facts(hub, "UserMembershipsChanged")) == 1

    github.account = ann(orgs={"acme": "active"})
    assert await sees(await signed_in(hub)) == {"acme", "all"}
    assert await sees(browser) == {"acme", "all"}  # the session that was open, too
    assert len(facts(hub, "UserMembershipsChanged")) == 2


async def test_an_invitation_not_taken_is_no_membership_nor_is_a_team_of_such_an_organisation(open_hub, github):
    await with_servers(open_hub, **FOUR)
    github.account = ann(orgs={"acme": "pending"}, teams=CORE)

    assert await sees(await signed_in(open_hub)) == {"all"}
    assert facts(open_hub, "UserMembershipsChanged") == []


async def test_a_provider_that_does_not_say_keeps_nobody_out_and_changes_nothing(hub, github):
    await with_servers(hub, **FOUR)
    await signed_in(hub)
    github.broken["/api/v3/user/teams"] = 503
    github.account = ann(orgs={"acme": "active"})

    assert await sees(await signed_in(hub)) == {"acme", "core", "all"}
    assert len(facts(hub, "UserMembershipsChanged")) == 1


async def test_all_pages_of_a_long_list_are_read_as_far_as_they_are_kept(open_hub, github):
    await with_servers(open_hub, last={"organizations": ["org-249"]})
    github.account = ann(orgs={f"org-{n:03}": "active" for n in range(250)})
    assert await sees(await signed_in(open_hub)) == {"last"}

    github.account = ann(orgs={f"org-{n:04}": "active" for n in range(501)}, teams={"org-0001/core"})
    await signed_in(open_hub)

    assert len(facts(open_hub, "UserMembershipsChanged")[-1][0]["memberships"]) == 500


@pytest.mark.parametrize(
    ("claims", "userinfo", "seen"),
    [
        ({"groups": ["staff", 7, ""]}, {}, {"staff", "all"}),
        ({"groups": "staff"}, {}, {"staff", "all"}),
        ({}, {"groups": ["staff"]}, {"staff", "all"}),
        ({"groups": ["Staff"]}, {}, {"all"}),
        ({"groups": {"staff": True}}, {}, {"all"}),
        ({"roles": ["staff"]}, {}, {"all"}),
    ],
)
@pytest.mark.thorough
async def test_groups_are_what_the_provider_writes_letter_for_letter(open_hub, oidc, claims, userinfo, seen):
    await with_servers(open_hub, **FOUR)
    oidc.account = OidcAccount("s-1", {"email": "eve@corp.example", **claims}, userinfo)

    assert await sees(await signed_in(open_hub, OIDC)) == seen


async def test_the_claim_of_groups_is_a_setting(database, home, oidc):
    async with running_api(database.app_dsn, home, hub_env(None, oidc, MCPHUB_OIDC_GROUPS_CLAIM="roles")) as hub:
        hub.root = await hub.user("root", admin=True)
        await with_servers(hub, **FOUR)
        oidc.account = OidcAccount("s-1", {"email": "eve@corp.example", "groups": ["x"], "roles": ["staff"]})

        assert await sees(await signed_in(hub, OIDC)) == {"staff", "all"}


async def test_userinfo_that_is_down_is_no_answer_about_groups_and_no_reason_to_stay_out(open_hub, oidc):
    await with_servers(open_hub, **FOUR)
    await signed_in(open_hub, OIDC)
    oidc.account = OidcAccount("s-1", {"email": "eve@corp.example"})
    oidc.broken["/userinfo"] = 503

    assert await sees(await signed_in(open_hub, OIDC)) == {"staff", "all"}

    oidc.broken.clear()
    assert await sees(await signed_in(open_hub, OIDC)) == {"all"}


async def test_who_waits_for_an_administrator_sees_it_once_let_in(database, home, github):
    async with running_api(database.app_dsn, home, hub_env(github, MCPHUB_NEW_USERS="pending")) as hub:
        hub.root = await hub.user("root", admin=True)
        await with_servers(hub, **FOUR)
        assert outcome(await travel(hub.browser())) == "user_pending"
        ((fact, _),) = facts(hub, "UserMembershipsChanged")

        await run(hub, lambda: SetUserActive(fact["user_id"], True, by="root"))

        assert await sees(await signed_in(hub)) == {"acme", "core", "all"}
        assert len(facts(hub, "UserMembershipsChanged")) == 1


# once a day


async def test_who_left_a_team_loses_what_was_for_it_within_the_day_and_nothing_else(hub, github):
    await with_servers(hub, **FOUR)
    browser = await signed_in(hub)
    now_is(github, ann(orgs={"acme": "active"}))

    await look(hub)

    assert await sees(browser) == {"acme", "all"}
    assert (await me(browser))["isActive"] is True


async def test_who_joined_a_team_gets_it_within_the_day(hub, github):
    await with_servers(hub, **FOUR)
    now_is(github, ann(orgs={"acme": "active"}))
    browser = await signed_in(hub)
    now_is(github, ann(orgs={"acme": "active"}, teams=CORE))

    await look(hub)

    assert await sees(browser) == {"acme", "core", "all"}


async def test_without_an_allow_list_losing_everything_locks_nobody_out(open_hub, github):
    await with_servers(open_hub, **FOUR)
    browser = await signed_in(open_hub)
    now_is(github, ann())

    await look(open_hub)

    assert await sees(browser) == {"all"}
    assert (await me(browser))["isActive"] is True


async def test_without_an_allow_list_taking_the_permission_back_loses_the_memberships_alone(open_hub, github):
    await with_servers(open_hub, **FOUR)
    browser = await signed_in(open_hub)
    github.tokens.clear()

    await look(open_hub)

    assert await sees(browser) == {"all"}
    assert (await me(browser))["isActive"] is True
    assert await sees(await signed_in(open_hub)) == {"acme", "core", "all"}


async def test_what_nobody_confirms_is_believed_for_three_days(open_hub, github):
    await with_servers(open_hub, **FOUR)
    browser = await signed_in(open_hub)
    github.broken["/api/v3/user"] = 503
    for _ in range(2):
        await look(open_hub)
    assert await sees(browser) == {"acme", "core", "all"}

    await look(open_hub)

    assert await sees(browser) == {"all"}
    assert (await me(browser))["isActive"] is True


async def test_a_provider_that_vouches_and_does_not_say_is_believed_for_three_days_too(hub, github):
    await with_servers(hub, **FOUR)
    browser = await signed_in(hub)
    github.broken["/api/v3/user/teams"] = 403
    await look(hub)
    asked = len(github.asked)
    await look(hub, 1.1)  # it is asked again within the hour
    assert len(github.asked) > asked
    await look(hub)
    assert await sees(browser) == {"acme", "core", "all"}

    await look(hub)

    assert await sees(browser) == {"all"}
    assert (await me(browser))["isActive"] is True


async def test_a_provider_that_is_no_longer_configured_confirms_nothing(open_hub, github, database, home):
    await with_servers(open_hub, **FOUR)
    browser = await signed_in(open_hub)

    async with running_api(database.app_dsn, home) as without:
        await look(without)
        assert await sees(browser) == {"acme", "core", "all"}
        await look(without, 50)
    await open_hub.services.tail.confirm(1)

    assert await sees(browser) == {"all"}


async def test_the_last_administrator_whom_the_allow_list_lost_stays_and_belongs_to_nothing(database, home, github):
    async with running_api(database.app_dsn, home, hub_env(github, MCPHUB_GITHUB_ALLOW="acme")) as hub:
        browser = await signed_in(hub)
        await run(hub, lambda: SetAdmin(browser.user_id, True))
        now_is(github, ann(teams=CORE))

        await look(hub)

        assert (await me(browser))["isAdmin"] is True
        assert hub.services.model.users[browser.user_id].memberships == frozenset()


async def test_who_was_locked_out_and_let_in_again_belongs_to_nothing_until_the_next_sign_in(hub, github):
    await with_servers(hub, **FOUR)
    browser = await signed_in(hub)
    await run(hub, lambda: SetUserActive(browser.user_id, False, by="root"))
    await run(hub, lambda: SetUserActive(browser.user_id, True, by="root"))
    assert hub.services.model.users[browser.user_id].memberships == frozenset()

    assert await sees(await signed_in(hub)) == {"acme", "core", "all"}


async def test_another_process_folds_the_same_from_the_ledger(hub, github, database):
    await with_servers(hub, **FOUR)
    await signed_in(hub)
    await hub.root.data("PUT", "/api/servers/all/audience", {"audience": {"teams": ["acme/core"]}})
    live = hub.services.model

    again = AccessModel(live._name_digest, live._membership_digest)
    tail = Tail(database.app_dsn, [folding(again)])
    await tail.start()
    await tail.stop()

    assert again.users == live.users
    assert again.settings.document() == live.settings.document()


# an audience over REST


async def test_an_audience_is_said_and_read_by_rest_and_counts_at_once(open_hub):
    await with_servers(open_hub, jira="everyone")
    browser = await signed_in(open_hub)

    answer = await open_hub.root.put("/api/servers/jira/audience", {"audience": {"users": ["root"]}})

    assert answer.status_code == 200
    assert answer.json()["data"]["audience"] == {"users": ["root"]}
    assert answer.headers["x-mcphub-position"] == str(answer.json()["position"])
    assert await sees(browser) == set()
    assert problem(await browser.get("/api/servers/jira")) == (404, "not_found")
    again = await open_hub.root.put("/api/servers/jira/audience", {"audience": {"users": ["root"]}})
    assert again.json()["data"]["version"] == answer.json()["data"]["version"]

    await open_hub.root.data("PUT", "/api/servers/jira/audience", {"audience": "everyone"})
    assert await sees(browser) == {"jira"}
    view = await browser.data("GET", "/api/servers/jira")
    assert "audience" not in view
    assert "config" not in view


async def test_the_settings_document_and_rest_are_one_audience(open_hub):
    await with_servers(open_hub, jira={"users": ["root"]})
    await open_hub.root.data("PUT", "/api/servers/jira/audience", {"audience": {"groups": ["staff"]}})

    file = await open_hub.root.get("/api/admin/settings-file")
    settings = file.json()["data"]["settings"]
    assert settings["mcpServers"]["jira"]["mcphub"] == {"audience": {"groups": ["staff"]}}

    settings["mcpServers"]["jira"]["mcphub"]["audience"] = {"groups": ["staff"], "teams": ["acme/core"]}
    options = {"headers": {"If-Match": file.headers["etag"]}}
    tried = await open_hub.root.data("PUT", "/api/admin/settings-file?dryRun=true", {"settings": settings}, **options)
    saved = await open_hub.root.data("PUT", "/api/admin/settings-file", {"settings": settings}, **options)

    named = {"type": "ServerAudienceChanged", "server": "jira", "summary": "teams acme/core; groups staff"}
    assert tried["changes"] == saved["changes"]
    assert [change for change in saved["changes"] if change["server"] == "jira"] == [named]
    assert saved["impact"]["reconnecting"] == []
    view = await open_hub.root.data("GET", "/api/servers/jira")
    assert view["audience"] == {"groups": ["staff"], "teams": ["acme/core"]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"audience": "nobody"}, 422, "invalid_request"),
        ({"audience": None}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"audience": {"organisations": ["acme"]}}, 422, "unknown_field"),
        ({"audience": {"users": "ann"}}, 422, "invalid_request"),
        ({"audience": {"teams": ["core"]}}, 422, "settings_invalid"),
    ],
)
async def test_what_is_no_audience_is_refused_by_rest(open_hub, body, status, code):
    await with_servers(open_hub, jira="everyone")

    answer = await open_hub.root.put("/api/servers/jira/audience", body)

    assert problem(answer) == (status, code)
    if code == "settings_invalid":
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
            ("/audience/teams/0", "bad_audience")
        ]


async def test_an_audience_is_saved_over_the_version_that_was_seen_only(open_hub):
    await with_servers(open_hub, jira="everyone", wiki="everyone")
    version = (await open_hub.root.data("GET", "/api/servers/jira"))["version"]
    await open_hub.root.data("PUT", "/api/servers/jira/audience", {"audience": {}})

    answer = await open_hub.root.put(
        "/api/servers/jira/audience", {"audience": "everyone"}, headers={"If-Match": f'"{version}"'}
    )
    assert problem(answer) == (412, "version_mismatch")
    assert problem(await open_hub.root.put("/api/servers/none/audience", {"audience": {}})) == (404, "not_found")

    version = (await open_hub.root.data("GET", "/api/servers/jira"))["version"]
    await open_hub.root.data(
        "PUT", "/api/servers/jira/audience", {"audience": "everyone"}, headers={"If-Match": f'"{version}"'}
    )


# why


async def test_the_simulator_tells_an_administrator_whom_a_hidden_server_is_for_and_the_user_nothing(open_hub):
    await with_servers(open_hub, jira={"organizations": ["globex"], "teams": ["globex/core"]}, wiki="everyone")
    browser = await signed_in(open_hub)

    told = await open_hub.root.data("GET", f"/api/admin/users/{browser.user_id}/access?url=/mcp")
    own = await browser.get("/api/user/access?url=/mcp")

    assert {server["server"]: (server["reason"], server.get("detail")) for server in told["servers"]} == {
        "jira": ("not_in_audience", "for organizations globex; teams globex/core"),
        "wiki": ("allowed", None),
    }
    assert [server["server"] for server in own.json()["data"]["servers"]] == ["wiki"]
    assert "globex" not in own.text
    of_root = await open_hub.root.data("GET", "/api/user/access?url=/mcp")
    assert of_root["servers"][0]["detail"] == (
        "for organizations globex; teams globex/core; the user is not known to belong to anything"
    )


# names that cannot be claimed


async def test_facts_are_shown_without_digests_and_audiences_to_administrators_only(open_hub):
    await with_servers(open_hub, jira="everyone")
    browser = await signed_in(open_hub)
    await open_hub.root.data("PUT", "/api/servers/jira/audience", {"audience": {"users": ["root"]}})

    told = {fact["type"]: fact for fact in await open_hub.root.data("GET", "/api/audit")}
    own = {fact["type"]: fact for fact in await browser.data("GET", "/api/audit")}

    assert told["UserMembershipsChanged"]["data"]["memberships"] == 2
    assert own["UserMembershipsChanged"]["data"]["memberships"] == 2
    assert told["ServerAudienceChanged"]["data"]["audience"] == {"users": ["root"]}
    assert "ServerAudienceChanged" not in own


async def username(browser):
    return (await me(browser))["username"]


async def test_a_name_in_an_audience_is_not_given_to_somebody_who_carries_it_elsewhere(open_hub, github):
    saved = await open_hub.root.put("/api/servers/jira/audience", {"audience": {}})
    assert saved.status_code == 404
    await with_servers(open_hub, jira="everyone")
    answer = await open_hub.root.put("/api/servers/jira/audience", {"audience": {"users": ["Ann", "ann-2", "root"]}})
    assert [(warning["pointer"], warning["code"]) for warning in answer.json()["warnings"]] == [
        ("/mcpServers/jira/mcphub/audience/users/0", "unknown_user"),
        ("/mcpServers/jira/mcphub/audience/users/1", "unknown_user"),
    ]

    browser = await signed_in(open_hub)

    assert await username(browser) == "ann-3"
    assert await sees(browser) == set()


async def test_a_name_of_an_owner_is_not_given_away_either_and_the_save_warns_of_it(open_hub, github):
    config = {**STDIO, "visibility": "private", "owner": "ann"}
    added = await open_hub.root.post("/api/servers", {"name": "jira", "config": config})
    assert "unknown_user" in [warning["code"] for warning in added.json()["warnings"]]

    assert await username(await signed_in(open_hub)) == "ann-2"


async def test_an_administrator_gives_the_name_to_whom_it_was_meant_for(open_hub, github):
    await with_servers(open_hub, jira={"users": ["ann"]}, wiki="everyone")

    made = await open_hub.root.data("POST", "/api/admin/users", {"username": "Ann", "password": PASSWORD})

    assert made["namedBy"] == ["jira"]
    assert await sees(await open_hub.log_in("ann")) == {"jira", "wiki"}
    assert await username(await signed_in(open_hub)) == "ann-2"


async def test_the_name_of_an_erased_user_does_not_pass_on_what_it_opened(open_hub, github):
    browser = await signed_in(open_hub)
    await with_servers(open_hub, jira={"users": ["ann"]})
    assert await sees(browser) == {"jira"}
    digest = open_hub.services.model.users[browser.user_id].name_digest
    await run(open_hub, lambda: EraseUser(browser.user_id, by="root", name_digest=digest))

    newcomer = await signed_in(open_hub)

    assert newcomer.user_id != browser.user_id
    assert await username(newcomer) == "ann-2"
    assert await sees(newcomer) == set()
