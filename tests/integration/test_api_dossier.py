"""What administrators ask before they act: all a user has, through which key, and whom an audience would take in."""

import json
from datetime import UTC, datetime

from mcphub.gateway.facade import LiveSession, Tool
from tests.integration.test_api_values import hub_with_servers
from tests.support.api import problem

USERS = "/api/admin/users"
SECRET = "jira-token-of-bob-9Q"  # scan:allow


def session(user_id):
    now = datetime.now(UTC)
    return LiveSession(
        session_id=f"s-{user_id}",
        user_id=user_id,
        key_id="k",
        client_name="Cursor",
        client_version="2",
        protocol_version="2025-11-25",
        view="all",
        created_at=now,
        idle_seconds=0.0,
        in_flight=0,
        stream_open=True,
    )


async def test_a_dossier_holds_what_a_user_has_and_no_value(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    await bob.data("POST", "/api/oauth/keys", {"name": "notebook"})
    await bob.data("POST", "/api/user/groups", {"name": "mine", "servers": ["git"]})
    servers = await bob.data("GET", "/api/servers?all=true")
    asks = {server["name"]: [slot["canonical"] for slot in server["slots"]] for server in servers if server["slots"]}
    name, (variable, *_) = next(iter(asks.items()))
    await bob.data("POST", "/api/user-env-vars", {"envVars": {name: {variable: SECRET}}})
    api.gateway.live = [session(bob.user_id), session("somebody")]

    answer = await admin.get(f"{USERS}/{bob.user_id}")
    found = answer.json()["data"]

    assert found["user"]["username"] == "bob"
    assert [key["name"] for key in found["keys"]] == ["notebook"]
    assert [(group["name"], group["servers"]) for group in found["groups"]] == [("mine", ["git"])]
    slots = {
        slot["canonical"]: slot["configured"]
        for one in found["variables"]
        if one["server"] == name
        for slot in one["slots"]
    }
    assert slots == {each: each == variable for each in asks[name]}
    assert (found["connections"], found["invited"], found["onlyAdmin"]) == (1, False, False)
    assert len(found["sessions"]) >= 1
    assert SECRET not in answer.text


async def test_a_dossier_says_who_is_the_only_administrator_and_who_has_no_password(api):
    admin = await api.user("admin", admin=True)
    eve = (await admin.data("POST", USERS, {"username": "eve"}))["user"]["id"]

    own, hers = [await admin.data("GET", f"{USERS}/{user_id}") for user_id in (admin.user_id, eve)]

    assert (own["onlyAdmin"], own["invited"]) == (True, False)
    assert (hers["onlyAdmin"], hers["invited"]) == (False, True)
    assert problem(await admin.get(f"{USERS}/nobody")) == (404, "not_found")


async def test_the_simulator_looks_through_a_key_of_the_user(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    narrow = await bob.data("POST", "/api/oauth/keys", {"name": "narrow", "scope": {"servers": ["git"]}})
    foreign = await admin.data("POST", "/api/oauth/keys", {"name": "foreign"})
    (git,) = [server for server in api.services.model.servers.values() if server.name == "git"]
    tool = json.dumps({"name": "x", "inputSchema": {}}).encode()
    api.gateway.tools[bob.user_id, git.server_id] = [Tool("x", "git__x", tool)]

    async def reasons(query):
        access = await admin.data("GET", f"{USERS}/{bob.user_id}/access?{query}")
        return {server["server"]: server["reason"] for server in access["servers"]}

    plain, through = await reasons("url=/mcp"), await reasons(f"url=/mcp&keyId={narrow['id']}")

    assert (plain["git"], plain["desk"]) == ("allowed", "allowed")
    assert (through["git"], through["desk"]) == ("allowed", "outside_key_scope")
    await admin.send("DELETE", f"/api/oauth/keys/{narrow['id']}")
    assert (await reasons(f"url=/mcp&keyId={narrow['id']}"))["git"] == "key_unusable"
    refused = await admin.get(f"{USERS}/{bob.user_id}/access?keyId={foreign['id']}")
    assert problem(refused) == (404, "not_found")


async def test_a_preview_counts_whom_an_audience_takes_in_and_saves_nothing(api):
    bob = await hub_with_servers(api)
    admin, eve = await api.log_in("admin"), await api.user("eve")
    path = "/api/servers/git/audience"
    await admin.put(path, {"audience": {"users": ["bob"]}})

    async def preview(audience):
        found = await admin.data("POST", f"{path}/preview", {"audience": audience})
        return {name: found[name] for name in ("reaches", "gains", "loses", "lost", "unknownUsers")}

    assert await preview({"users": ["bob"]}) == {"reaches": 1, "gains": 0, "loses": 0, "lost": [], "unknownUsers": []}
    assert await preview({"users": ["eve", "nobody"]}) == {
        "reaches": 1,
        "gains": 1,
        "loses": 1,
        "lost": ["bob"],
        "unknownUsers": ["nobody"],
    }
    everyone = await preview("everyone")
    of = (await admin.data("POST", f"{path}/preview", {"audience": "everyone"}))["of"]
    assert (everyone["reaches"], everyone["gains"]) == (of, of - 1)
    assert (await preview({}))["lost"] == ["bob"]
    assert "git" in {server["name"] for server in await bob.data("GET", "/api/servers")}
    assert "git" not in {server["name"] for server in await eve.data("GET", "/api/servers")}
    wrong = await admin.post(f"{path}/preview", {"audience": {"teams": ["core"]}})
    assert problem(wrong) == (422, "invalid_request")
    assert problem(await admin.post("/api/servers/none/audience/preview", {"audience": "everyone"}))[0] == 404
