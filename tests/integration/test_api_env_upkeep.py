"""The upkeep of users' values: what is wrong, who has which, what a clean-up takes, when the hub looks by itself."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mcphub.api.env_scheduler import EnvScheduler
from mcphub.domain.actor import acting, system
from mcphub.domain.tokens import SaveValues, SealedValue
from tests.integration.test_api_values import CANARY, VARS, hub_with_servers, stored_keys, token_keys
from tests.support.api import problem, running_api

VALIDATE, REPORT, CLEAN = "/api/env-vars/validate", "/api/env-vars/report", "/api/env-vars/cleanup"
SCHEDULER = "/api/admin/env-scheduler"


async def settle(api, admin, change):
    """One save of the settings document, changed in place."""
    answer = await admin.get("/api/admin/settings-file")
    servers = answer.json()["data"]["settings"]["mcpServers"]
    change(servers)
    saved = await admin.put(
        "/api/admin/settings-file",
        {"settings": {"mcpServers": servers}},
        headers={"If-Match": answer.headers["etag"]},
    )
    assert saved.status_code == 200, saved.text


async def issues(admin, *codes):
    data = await admin.data("GET", VALIDATE)
    return [
        (issue["code"], issue["severity"], issue["server"], issue["name"])
        for issue in data["issues"]
        if issue["code"] in codes
    ]


def places(removals):
    return [(item["userId"], item["server"], item["name"]) for item in removals]


@pytest.fixture
async def people(api):
    """Bob, who has saved two values, and the administrator."""
    bob = await hub_with_servers(api)
    answer = await bob.post(VARS, {"envVars": {"desk": {"DESK_TOKEN": CANARY}, "git": {"GITHUB_TOKEN": "gh-value"}}})
    assert answer.status_code == 200
    return bob, await api.log_in("admin")


async def test_values_of_a_removed_server_and_of_a_retired_variable_are_orphans(api, people):
    _, admin = people

    def change(servers):
        del servers["desk"]
        servers["git"]["env"].pop("TOKEN")

    await settle(api, admin, change)

    assert await issues(admin, "ORPHANED_KEY") == [
        ("ORPHANED_KEY", "WARNING", "desk", "DESK_TOKEN"),
        ("ORPHANED_KEY", "WARNING", "git", "GITHUB_TOKEN"),
    ]


async def test_a_server_of_the_same_name_is_another_server(api, people):
    bob, admin = people
    await settle(api, admin, lambda servers: servers.update(kept=servers.pop("desk")))
    await settle(api, admin, lambda servers: servers.update(desk=servers.pop("kept")))

    assert await issues(admin, "ORPHANED_KEY") == [("ORPHANED_KEY", "WARNING", "desk", "DESK_TOKEN")]
    assert "desk" not in (await bob.get(VARS)).json()["data"]


async def test_a_trial_clean_up_names_exactly_what_the_real_one_destroys(api, people):
    bob, admin = people
    keys = await token_keys(api)
    await settle(api, admin, lambda servers: servers.pop("desk"))
    (orphan,) = [
        stored.data_key
        for server, values in api.services.model.credentials[bob.user_id].items()
        for stored in values.values()
        if server not in api.services.model.servers
    ]

    trial = await admin.data("POST", CLEAN, {"dryRun": True})
    after_trial = await token_keys(api)
    answer = await admin.post(CLEAN, {"dryRun": False})
    real = answer.json()["data"]
    again = await admin.data("POST", CLEAN, {"dryRun": False})

    assert trial == {"dryRun": True, "removed": 1, "items": real["items"]}
    assert places(real["items"]) == [(bob.user_id, "desk", "DESK_TOKEN")]
    assert [item["username"] for item in real["items"]] == ["bob"]
    assert answer.headers["x-mcphub-position"] == str(answer.json()["position"])
    assert after_trial == keys
    assert await token_keys(api) == keys - {orphan} == stored_keys(api, bob)
    assert again == {"dryRun": False, "removed": 0, "items": []}


async def test_who_does_not_say_that_orphans_are_to_be_destroyed_is_told_of_them_only(api, people):
    _, admin = people
    await settle(api, admin, lambda servers: servers.pop("desk"))
    keys = await token_keys(api)

    answers = [await admin.post(CLEAN, {}), await admin.send("POST", CLEAN)]

    assert [(answer.status_code, answer.json()["data"]["dryRun"]) for answer in answers] == [(200, True), (200, True)]
    assert [answer.json()["data"]["removed"] for answer in answers] == [1, 1]
    assert await token_keys(api) == keys


async def test_what_is_asked_for_stays_whatever_else_is_purged(api, people):
    bob, admin = people
    await settle(api, admin, lambda servers: servers.pop("desk"))

    await admin.data("POST", CLEAN, {"dryRun": False})

    assert (await bob.get(VARS)).json()["data"] == {
        "git": {"GITHUB_TOKEN": "••••••••"},
        "git2": {"GITHUB_TOKEN": "••••••••"},
    }


async def test_many_orphans_go_in_appends_of_a_bounded_size(api, people):
    bob, admin = people
    await settle(api, admin, lambda servers: servers.pop("desk"))
    values = [
        SealedValue(f"gone-{n}", "A", f"00000000-0000-4000-8000-{n:012}", "v1.k.x", "", str(n)) for n in range(120)
    ]

    def save():
        with acting(system("test")):
            return api.services.hub.execute(lambda: SaveValues(bob.user_id, values)).position

    await api.services.commands.shown(await asyncio.to_thread(save))

    assert (await admin.data("POST", CLEAN, {"dryRun": False}))["removed"] == 121
    assert await issues(admin, "ORPHANED_KEY") == []


async def test_what_is_missing_is_a_warning_for_those_who_have_begun(api, people):
    bob, admin = people

    found = (await admin.data("GET", VALIDATE))["issues"]

    missing = {
        (issue["userId"], issue["server"], issue["name"]): issue["severity"]
        for issue in found
        if issue["code"] == "MISSING_KEY"
    }
    assert missing[bob.user_id, "git", "USER_MAIL_EMAIL"] == "WARNING"
    assert missing[admin.user_id, "git", "USER_MAIL_EMAIL"] == "INFO"
    assert (bob.user_id, "desk", "USER_DESK_TOKEN") not in missing
    assert {place[1] for place in missing}.isdisjoint({"off", "formed"})
    assert (bob.user_id, "private", "GITHUB_TOKEN") not in missing


async def test_a_value_whose_form_is_another_one_now_is_found_by_a_look_inside(api, people):
    bob, admin = people
    await bob.post(VARS, {"envVars": {"formed": {"REGION": "eu-west"}}})
    form = {"USER_REGION": {"validationRegex": "^[0-9]+$", "required": False}}
    await settle(api, admin, lambda servers: servers["formed"].update(mcphub={"slots": form}))

    answer = await admin.get(VALIDATE)

    assert await issues(admin, "INVALID_KEY_FORMAT") == [("INVALID_KEY_FORMAT", "WARNING", "formed", "USER_REGION")]
    assert "eu-west" not in answer.text


async def test_a_value_whose_data_key_is_gone_is_an_inconsistency(api, people):
    bob, admin = people
    (stored,) = api.services.model.credentials[bob.user_id][
        api.services.model.settings.by_name("desk").server_id
    ].values()
    api.services.vault.destroy(stored.data_key)

    assert await issues(admin, "DB_INCONSISTENCY") == [("DB_INCONSISTENCY", "ERROR", "desk", "USER_DESK_TOKEN")]
    assert (await admin.data("GET", VALIDATE))["valid"] is False


async def test_a_row_that_no_fact_made_is_an_inconsistency(api, people):
    _, admin = people
    async with api.services.read.connection() as db:
        await db.execute("delete from credentials where variable = 'DESK_TOKEN'")

    assert await issues(admin, "DB_INCONSISTENCY") == [("DB_INCONSISTENCY", "ERROR", "desk", "USER_DESK_TOKEN")]


async def test_the_report_counts_who_has_what_and_shows_no_value(api, people):
    bob, admin = people

    answer = await admin.get(REPORT)

    data = answer.json()["data"]
    desk = next(server for server in data["servers"] if server["server"] == "desk")
    assert desk == {
        "server": "desk",
        "enabled": True,
        "users": 2,
        "variables": [
            {
                "name": "USER_DESK_TOKEN",
                "required": True,
                "secret": True,
                "users": 2,
                "configured": 1,
                "percent": 50.0,
                "holders": [{"userId": bob.user_id, "username": "bob", "hasAccess": True}],
            }
        ],
    }
    assert CANARY not in answer.text
    assert "••••" not in answer.text


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "USER_GITHUB_TOKEN"])
async def test_the_report_of_one_variable_covers_all_its_servers(api, people, name):
    _, admin = people

    data = await admin.data("GET", f"/api/admin/env-vars?varName={name}")

    assert [server["server"] for server in data["servers"]] == ["git", "git2", "private"]
    (variable,) = data["variables"]
    assert (variable["name"], variable["servers"]) == ("GITHUB_TOKEN", ["git", "git2", "private"])
    assert (variable["users"], variable["configured"], variable["percent"]) == (2, 1, 50.0)


async def test_the_scheduler_is_off_until_it_is_switched_on(api, people):
    _, admin = people

    status = await admin.data("GET", f"{SCHEDULER}/status")

    assert status == {
        "config": {
            "enabled": False,
            "intervalHours": 24,
            "autoCleanup": False,
            "maxOrphanedKeys": 100,
            "scheduledTime": "00:00",
        },
        "lastRun": None,
        "nextRun": None,
    }


async def test_a_schedule_that_cannot_be_kept_is_refused_whole(api, people):
    _, admin = people

    answer = await admin.post(
        f"{SCHEDULER}/config", {"enabled": True, "intervalHours": 0, "maxOrphanedKeys": -1, "scheduledTime": "24:00"}
    )

    assert problem(answer) == (422, "invalid_schedule")
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "/intervalHours",
        "/maxOrphanedKeys",
        "/scheduledTime",
    ]
    assert (await admin.data("GET", f"{SCHEDULER}/status"))["config"]["enabled"] is False


async def test_a_round_on_demand_reports_and_leaves_orphans_without_automatic_clean_up(api, people):
    _, admin = people
    await settle(api, admin, lambda servers: servers.pop("desk"))

    status = await admin.data("POST", f"{SCHEDULER}/run")

    last = status["lastRun"]
    assert (last["by"], last["byName"], last["due"]) == (admin.user_id, "admin", None)
    assert (last["orphaned"], last["removed"]) == (1, 0)
    assert last["issues"]["ORPHANED_KEY"] == 1
    assert len(await issues(admin, "ORPHANED_KEY")) == 1


async def test_automatic_clean_up_purges_up_to_its_limit_and_leaves_more(api, people):
    bob, admin = people
    await admin.post(f"{SCHEDULER}/config", {"autoCleanup": True, "maxOrphanedKeys": 1})
    await settle(api, admin, lambda servers: [servers.pop(name) for name in ("desk", "git")])

    too_many = (await admin.data("POST", f"{SCHEDULER}/run"))["lastRun"]
    await admin.post(f"{SCHEDULER}/config", {"maxOrphanedKeys": 2})
    fitting = (await admin.data("POST", f"{SCHEDULER}/run"))["lastRun"]

    assert (too_many["orphaned"], too_many["removed"]) == (2, 0)
    assert (fitting["orphaned"], fitting["removed"]) == (2, 2)
    assert await token_keys(api) == stored_keys(api, bob)


async def test_a_due_round_is_made_once_whoever_comes_first(api, people):
    _, admin = people
    await admin.post(f"{SCHEDULER}/config", {"enabled": True})
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    one, other = (EnvScheduler(api.services, lambda: tomorrow) for _ in range(2))

    made = await asyncio.gather(one.round(), other.round())
    later = [await one.round(), await other.round()]

    assert sorted(made) == [False, True]
    assert later == [False, False]
    last = (await admin.data("GET", f"{SCHEDULER}/status"))["lastRun"]
    assert (last["by"], last["due"]) == ("system:env-scheduler", tomorrow.strftime("%Y-%m-%dT00:00:00Z"))


async def test_two_hubs_on_one_database_make_one_round(database, home, tmp_path):
    async with running_api(database.app_dsn, home) as here, running_api(database.app_dsn, tmp_path) as there:
        admin = await here.user("admin", admin=True)
        set_up = await admin.post(f"{SCHEDULER}/config", {"enabled": True})
        await there.services.commands.shown(set_up.json()["position"])
        tomorrow = datetime.now(UTC) + timedelta(days=1)

        rounds = [EnvScheduler(api.services, lambda: tomorrow).round() for api in (here, there, here, there)]
        made = await asyncio.gather(*rounds)
        late = await EnvScheduler(there.services, lambda: tomorrow).round()

        facts = (await admin.get("/api/audit?type=EnvVarsChecked")).json()["data"]
    assert sorted(made) == [False, False, False, True]
    assert late is False
    assert len(facts) == 1


async def test_nothing_is_due_before_its_time_nor_while_it_is_off(api, people):
    _, admin = people
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    off = await EnvScheduler(api.services, lambda: tomorrow).round()
    await admin.post(f"{SCHEDULER}/config", {"enabled": True})
    early = await EnvScheduler(api.services).round()

    assert (off, early) == (False, False)
