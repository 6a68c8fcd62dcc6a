"""User administration."""

import json

import pytest

from mcphub.gateway.facade import Tool
from tests.support.api import PASSWORD, problem

USERS = "/api/admin/users"
NEW = "another long enough phrase"


async def make(admin, username, **more):
    return (await admin.data("POST", USERS, {"username": username, "password": PASSWORD, **more}))["user"]


async def names(admin, query=""):
    return [user["username"] for user in await admin.data("GET", f"{USERS}{query}")]


async def test_a_made_user_is_active_and_signs_in(api):
    admin = await api.user("admin", admin=True)

    made = await make(admin, "bob", displayName="Bob B.", email="bob@example.com")

    assert (made["state"], made["isAdmin"], made["displayName"], made["email"]) == (
        "active",
        False,
        "Bob B.",
        "bob@example.com",
    )
    assert (await api.log_in("bob")).user_id == made["id"]


async def test_what_cannot_be_a_user_is_refused_and_leaves_nothing_sealed(api):
    admin = await api.user("admin", admin=True)
    await make(admin, "bob")

    async def owners():
        async with api.services.read.connection() as db:
            return await (await db.execute("select count(distinct owner) from public.data_key")).fetchone()

    before = await owners()
    refused = [
        problem(await admin.post(USERS, {"username": "BOB", "password": PASSWORD})),
        problem(await admin.post(USERS, {"username": "bob"})),
        problem(await admin.post(USERS, {"username": "no good", "password": PASSWORD})),
        problem(await admin.post(USERS, {"username": "eve", "password": "short"})),
        problem(await admin.post(USERS, {"username": "eve", "pasword": PASSWORD})),
        problem(await admin.post(USERS, {"username": "eve", "email": "eve@corp.example\nBcc: x@corp.example"})),
        problem(await admin.post(USERS, {"username": "eve", "displayName": "admin\u202e"})),
    ]

    assert refused == [
        (409, "username_taken"),
        (409, "username_taken"),
        (422, "invalid_username"),
        (422, "weak_password"),
        (422, "unknown_field"),
        (422, "invalid_text"),
        (422, "invalid_text"),
    ]
    assert await owners() == before


async def test_the_list_is_searched_filtered_and_paged(api):
    admin = await api.user("admin", admin=True)
    for number in range(5):
        await make(admin, f"user-{number}", email=f"{number}@example.com")
    locked = await make(admin, "locked")
    await admin.put(f"{USERS}/{locked['id']}/active", {"isActive": False})

    first = (await admin.get(f"{USERS}?limit=4")).json()
    second = (await admin.get(f"{USERS}?limit=4&cursor={first['page']['next']}")).json()

    assert [user["username"] for user in first["data"]] == ["locked", "user-4", "user-3", "user-2"]
    assert [user["username"] for user in second["data"]] == ["user-1", "user-0", "admin"]
    assert second["page"] == {"next": None, "limit": 4}
    assert await names(admin, "?q=3@EXAMPLE") == ["user-3"]
    assert await names(admin, "?state=inactive") == ["locked"]
    assert await names(admin, "?role=admin") == ["admin"]
    assert problem(await admin.get(f"{USERS}?cursor=forged")) == (422, "invalid_request")
    assert problem(await admin.get(f"{USERS}?state=strange")) == (422, "invalid_request")


async def test_counts_of_keys_and_groups_stand_with_the_user(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.post("/api/oauth/keys", {"name": "one"})
    revoked = (await bob.data("POST", "/api/oauth/keys", {"name": "two"}))["id"]
    await bob.delete(f"/api/oauth/keys/{revoked}")
    await bob.post("/api/user/groups", {"name": "mine", "servers": []})

    (shown,) = await admin.data("GET", f"{USERS}?q=bob")

    assert (shown["keyCount"], shown["groupCount"]) == (1, 1)
    assert shown["lastSeenAt"] == shown["lastLoginAt"] is not None


async def test_asking_for_the_present_state_answers_200_and_records_nothing(api):
    admin = await api.user("admin", admin=True)
    bob = await make(admin, "bob")
    before = api.services.tail.position

    answers = [
        await admin.put(f"{USERS}/{bob['id']}/active", {"isActive": True}),
        await admin.put(f"{USERS}/{bob['id']}/admin", {"isAdmin": False}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert api.services.tail.position == before


async def test_a_deleted_user_is_hidden_and_comes_back_inactive(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.post("/api/oauth/keys", {"name": "ide"})

    deleted = await admin.delete(f"{USERS}/{bob.user_id}")
    hidden, found = await names(admin), await names(admin, "?state=deleted")
    restored = await admin.post(f"{USERS}/{bob.user_id}/restore")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (hidden, found) == (["admin"], ["bob"])
    assert problem(await bob.get("/api/user/me")) == (403, "user_inactive")
    assert (restored.json()["data"]["state"], restored.json()["data"]["keyCount"]) == ("inactive", 0)


async def test_erasing_needs_the_name_and_leaves_nothing_that_opens(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.post("/api/oauth/keys", {"name": "ide"})

    unconfirmed = await admin.delete(f"{USERS}/{bob.user_id}?hard=true")
    wrong = await admin.send("DELETE", f"{USERS}/{bob.user_id}?hard=true", json={"confirm": "alice"})
    erased = await admin.send("DELETE", f"{USERS}/{bob.user_id}?hard=true", json={"confirm": "bob"})
    restored = await admin.post(f"{USERS}/{bob.user_id}/restore")
    again = await make(admin, "bob")

    async with api.services.read.connection() as db:
        left = await (
            await db.execute("select count(*) from public.data_key where owner = %s", (bob.user_id,))
        ).fetchone()
    audit = await admin.data("GET", f"/api/audit?user={bob.user_id}")
    assert problem(unconfirmed) == problem(wrong) == (422, "confirmation_needed")
    assert erased.status_code == 204
    assert problem(restored) == (410, "user_erased")
    assert left == (0,)
    assert {fact["userName"] for fact in audit} == {"erased user"}
    assert again["id"] != bob.user_id


async def test_signing_a_user_out_ends_all_sessions(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    script = await api.log_in("bob", script=True)

    answer = await admin.post(f"{USERS}/{bob.user_id}/sign-out")

    assert answer.status_code == 204
    assert {problem(await caller.get("/api/user/me")) for caller in (bob, script)} == {(401, "session_ended")}
    assert problem(await admin.post(f"{USERS}/nobody/sign-out")) == (404, "not_found")


async def test_aliases_do_the_same(api):
    admin = await api.user("admin", admin=True)
    bob = await make(admin, "bob")

    listed = await admin.data("GET", "/admin/users/list")
    promoted = await admin.put(f"/admin/users/{bob['id']}/admin", {"isAdmin": True})
    demoted = await admin.put(f"/admin/users/{bob['id']}/admin", {"isAdmin": False})
    locked = await admin.put(f"/admin/users/{bob['id']}/active", {"isActive": False, "reason": "left"})
    deleted = await admin.delete(f"/admin/users/{bob['id']}")

    assert [user["username"] for user in listed] == ["bob", "admin"]
    assert [answer.status_code for answer in (promoted, demoted, locked, deleted)] == [200, 200, 200, 204]


@pytest.mark.parametrize("groups", [0, 1])
async def test_the_simulator_says_what_a_user_would_see_and_why_not_more(api, groups):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    stdio = {"command": "npx", "args": ["-y", "x@1.0.0"]}
    servers = {
        "open": {**stdio, "tools": {"off": {"enabled": False}}},
        "private": {**stdio, "visibility": "private", "owner": "admin"},
        "off": {**stdio, "enabled": False},
    }
    await admin.put("/api/admin/settings-file", {"settings": {"mcpServers": servers}}, headers={"If-Match": '"0"'})
    (server,) = [server for server in api.services.model.servers.values() if server.name == "open"]
    tool = json.dumps({"name": "x", "inputSchema": {}}).encode()
    api.gateway.tools[bob.user_id, server.server_id] = [Tool("on", "open__on", tool), Tool("off", "open__off", tool)]
    if groups:
        await bob.post("/api/user/groups", {"name": "empty", "servers": []})

    access = await admin.data("GET", f"{USERS}/{bob.user_id}/access?url=http://127.0.0.1:3000/mcp")
    own = await bob.data("GET", "/api/user/access")
    nowhere = await admin.data("GET", f"{USERS}/{bob.user_id}/access?url=/mcp/none")

    reasons = {found["server"]: found["reason"] for found in access["servers"]}
    tools = {found["name"]: found["reason"] for found in access["servers"][0]["tools"]}
    visible = "not_in_active_group" if groups else "allowed"
    assert reasons == {"open": visible, "private": "not_in_audience", "off": "server_disabled"}
    assert tools == {"on": visible, "off": visible if groups else "switched_off"}
    assert [found["server"] for found in own["servers"]] == ["open", "off"]
    assert (nowhere["found"], nowhere["servers"]) == (False, [])
