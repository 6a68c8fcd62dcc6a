"""Keys and groups: the caller's own."""

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from mcphub.domain.keys import well_formed
from tests.support.api import problem, running_api

KEYS = "/api/oauth/keys"
GROUPS = "/api/user/groups"
STDIO = {"command": "npx", "args": ["-y", "x@1.0.0"]}


async def with_servers(api, *names, **more):
    admin = await api.user("admin", admin=True)
    servers = {**dict.fromkeys(names, STDIO), **more}
    etag = (await admin.get("/api/admin/settings-file")).headers["etag"]
    await admin.put("/api/admin/settings-file", {"settings": {"mcpServers": servers}}, headers={"If-Match": etag})
    return admin


async def issue(user, **more):
    return await user.data("POST", KEYS, {"name": "ide", **more})


# keys


async def test_a_key_is_shown_once_ready_to_paste_and_masked_ever_after(api):
    bob = await api.user("bob")

    issued = await issue(bob)
    listed = await bob.data("GET", KEYS)
    value = await bob.get(f"{KEYS}/{issued['id']}/full-value")

    key = issued["keyValue"]
    assert well_formed(key)
    assert issued["mcpJson"] == {
        "mcpServers": {"mcphub": {"url": "http://127.0.0.1:3000/mcp", "headers": {"Authorization": f"Bearer {key}"}}}
    }
    assert issued["mcpJsonKeyInUrl"]["mcpServers"]["mcphub"] == {"url": f"http://127.0.0.1:3000/mcp?key={key}"}
    link = urlsplit(issued["deepLink"])
    assert (link.scheme, link.netloc) == ("cursor", "anysphere.cursor-deeplink")
    assert json.loads(b64decode(parse_qs(link.query)["config"][0])) == issued["mcpJson"]["mcpServers"]["mcphub"]
    assert listed[0]["maskedKey"] == f"mcphub_{key[7:11]}…{key[-4:]}"
    assert (listed[0]["state"], listed[0]["daysUntilExpiry"], listed[0]["usageCount"]) == ("active", 90, 0)
    assert key not in json.dumps(listed)
    assert problem(value) == (410, "key_shown_once")


async def test_a_key_authenticates_from_the_moment_it_was_shown(api):
    bob = await api.user("bob")

    key = (await issue(bob))["keyValue"]

    principal = api.services.model.authenticate(api.services.vault.key_digest(key), datetime.now(UTC))
    assert principal is not None
    assert principal.user_id == bob.user_id


async def test_a_key_without_a_body_is_the_default_one(api):
    bob = await api.user("bob")

    answer = await bob.send("POST", KEYS)

    assert answer.status_code == 201
    assert answer.json()["data"]["name"] == "Default Key"


async def test_what_a_key_may_not_be_is_refused(api):
    bob = await api.user("bob")
    await issue(bob)

    refused = [
        problem(await bob.post(KEYS, {"name": "IDE"})),
        problem(await bob.post(KEYS, {"name": ""})),
        problem(await bob.post(KEYS, {"name": "x", "expiryDays": 91})),
        problem(await bob.post(KEYS, {"name": "x", "expiryDays": 0})),
        problem(await bob.post(KEYS, {"name": "x", "scope": {"servers": ["none"]}})),
        problem(await bob.post(KEYS, {"name": "x", "scope": {"groups": ["none"]}})),
        problem(await bob.post(KEYS, {"name": "x", "scope": {"mode": "all"}})),
        problem(await bob.post(KEYS, {"name": "x", "scope": {"serverz": []}})),
    ]

    assert refused == [
        (409, "key_name_taken"),
        (422, "invalid_name"),
        (422, "expiry_out_of_range"),
        (422, "expiry_out_of_range"),
        (422, "unknown_scope"),
        (422, "unknown_scope"),
        (422, "invalid_request"),
        (422, "unknown_field"),
    ]


async def test_the_eleventh_usable_key_is_refused_until_one_is_revoked(api):
    bob = await api.user("bob")
    ids = [(await issue(bob, name=f"k{number}"))["id"] for number in range(10)]

    full = await bob.post(KEYS, {"name": "k10"})
    await bob.delete(f"{KEYS}/{ids[0]}")
    room = await bob.post(KEYS, {"name": "k10"})

    assert problem(full) == (409, "key_limit")
    assert room.status_code == 201


async def test_a_scope_is_said_in_names_and_kept_by_id(api):
    await with_servers(api, "desk", "git")
    bob = await api.user("bob")
    group = (await bob.data("POST", GROUPS, {"name": "mine", "servers": ["git"]}))["id"]
    scope = {"servers": ["desk"], "groups": [group], "mode": "tools"}

    issued = await issue(bob, scope=scope)
    read = await bob.data("GET", f"{KEYS}/{issued['id']}")
    narrowed = await bob.patch(f"{KEYS}/{issued['id']}", {"scope": {"servers": []}})
    widened = await bob.patch(f"{KEYS}/{issued['id']}", {"scope": None})

    assert issued["scope"] == read["scope"] == scope
    assert narrowed.json()["data"]["scope"] == {"servers": []}
    assert widened.json()["data"]["scope"] is None


async def test_a_private_server_of_somebody_else_is_in_no_scope(api):
    await with_servers(api, private={**STDIO, "visibility": "private", "owner": "admin"})
    bob = await api.user("bob")

    assert problem(await bob.post(KEYS, {"name": "x", "scope": {"servers": ["private"]}})) == (422, "unknown_scope")


async def test_a_key_is_renamed_extended_rotated_and_revoked(api):
    bob = await api.user("bob")
    first = await issue(bob, expiryDays=1, headerOnly=True)

    renamed = await bob.patch(f"{KEYS}/{first['id']}", {"name": "laptop", "description": "mine", "headerOnly": False})
    extended = await bob.post(f"{KEYS}/{first['id']}/extend", {"expiryDays": 30})
    rotated = await bob.post(f"{KEYS}/{first['id']}/rotate", {"graceMinutes": 60})
    states = {key["id"]: key["state"] for key in await bob.data("GET", KEYS)}
    revoked = await bob.delete(f"{KEYS}/{first['id']}")
    again = await bob.delete(f"{KEYS}/{first['id']}")
    late = await bob.post(f"{KEYS}/{first['id']}/extend")

    second = rotated.json()["data"]
    assert "mcpJsonKeyInUrl" not in first
    assert renamed.json()["data"]["name"] == "laptop"
    assert extended.json()["data"]["daysUntilExpiry"] == 30
    assert (rotated.status_code, second["name"], second["description"]) == (201, "laptop", "mine")
    assert well_formed(second["keyValue"])
    assert states == {first["id"]: "rotating", second["id"]: "active"}
    assert (revoked.status_code, again.status_code) == (204, 204)
    assert problem(late) == (409, "key_revoked")
    assert [key["id"] for key in await bob.data("GET", f"{KEYS}?state=revoked")] == [first["id"]]


async def test_the_key_form_of_an_address_is_not_offered_where_it_does_not_work(database, home):
    async with running_api(database.app_dsn, home, {"MCPHUB_KEY_IN_URL": "off"}) as api:
        issued = await issue(await api.user("bob"))

    assert "mcpJsonKeyInUrl" not in issued


async def test_use_of_a_key_is_shown(api):
    bob = await api.user("bob")
    key = (await issue(bob))["id"]
    used = datetime.now(UTC) - timedelta(minutes=5)
    async with api.services.read.connection() as db:
        await db.execute("insert into public.key_use (key_id, last_used_at, use_count) values (%s, %s, 7)", (key, used))

    shown = await bob.data("GET", f"{KEYS}/{key}")

    assert (shown["usageCount"], datetime.fromisoformat(shown["lastUsedAt"])) == (7, used)


async def test_an_administrator_sees_and_revokes_everybodys_keys_and_gets_none(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    key = await issue(bob)

    listed = await admin.data("GET", f"{KEYS}?all=true")
    by_user = await admin.data("GET", "/api/admin/user-keys?state=hasKey")
    without = await admin.data("GET", "/admin/user-keys?state=noKey")
    asked_by_user = await bob.get(f"{KEYS}?all=true")
    revoked = await admin.delete(f"{KEYS}/{key['id']}")

    assert [(found["userId"], found["name"]) for found in listed] == [(bob.user_id, "ide")]
    assert [(row["user"]["username"], len(row["keys"])) for row in by_user] == [("bob", 1)]
    assert [row["user"]["username"] for row in without] == ["admin"]
    assert key["keyValue"] not in json.dumps([listed, by_user])
    assert problem(asked_by_user) == (403, "admin_required")
    assert revoked.status_code == 204
    assert (await bob.data("GET", KEYS))[0]["state"] == "revoked"


async def test_the_names_of_saved_values_stand_with_the_key(api):
    await with_servers(api, git={**STDIO, "env": {"TOKEN": "${GITHUB_TOKEN}"}})
    bob = await api.user("bob")
    await bob.post("/api/user-env-vars", {"envVars": {"git": {"GITHUB_TOKEN": "some-secret-value"}}})

    issued = await issue(bob)

    assert issued["serviceTokens"] == ["GITHUB_TOKEN"]


# groups


async def test_a_group_narrows_what_its_owner_sees_and_deleting_the_last_one_opens_again(api):
    await with_servers(api, "desk", "git", "time")
    bob = await api.user("bob")

    async def seen():
        return [server["name"] for server in await bob.data("GET", "/api/servers")]

    nothing = await seen()
    group = await bob.data("POST", GROUPS, {"name": "Daily work", "servers": ["git", "desk"]})
    active = await seen()
    off = await bob.patch(f"{GROUPS}/{group['id']}/active", {"isActive": False})
    inactive = await seen()
    deleted = await bob.delete(f"{GROUPS}/{group['id']}")

    assert nothing == ["desk", "git", "time"]
    assert (group["isActive"], group["slug"], group["servers"]) == (True, "daily-work", ["git", "desk"])
    assert active == ["desk", "git"]
    assert off.json()["data"]["isActive"] is False
    assert inactive == []
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await seen() == ["desk", "git", "time"]


async def test_groups_come_newest_change_first_and_names_are_unique(api):
    bob = await api.user("bob")
    first = await bob.data("POST", GROUPS, {"name": "one", "servers": []})
    await bob.data("POST", GROUPS, {"name": "two", "servers": []})

    taken = await bob.post(GROUPS, {"name": "ONE", "servers": []})
    await bob.put(f"{GROUPS}/{first['id']}", {"description": "changed"})

    assert problem(taken) == (409, "group_name_taken")
    assert [group["name"] for group in await bob.data("GET", GROUPS)] == ["one", "two"]


async def test_a_removed_server_stays_named_in_the_group_until_one_of_that_name_returns(api):
    admin = await with_servers(api, "desk", "git")
    bob = await api.user("bob")
    group = await bob.data("POST", GROUPS, {"name": "mine", "servers": ["desk", "git"]})
    await admin.delete("/api/servers/desk")

    (missing,) = await bob.data("GET", GROUPS)
    kept = await bob.put(f"{GROUPS}/{group['id']}", {"servers": ["git", "desk"]})
    await admin.post("/api/servers", {"name": "desk", "config": STDIO})
    (back,) = await bob.data("GET", GROUPS)

    assert (missing["servers"], missing["missingServers"]) == (["git"], ["desk"])
    assert kept.json()["data"]["missingServers"] == ["desk"]
    assert (back["servers"], back["missingServers"]) == (["git", "desk"], [])


async def test_a_group_names_servers_its_owner_has(api):
    await with_servers(api, "desk", private={**STDIO, "visibility": "private", "owner": "admin"})
    bob = await api.user("bob")

    answer = await bob.post(GROUPS, {"name": "mine", "servers": ["desk", "private", "none"]})
    no_boolean = await bob.patch(f"{GROUPS}/x/active", {"isActive": "yes"})

    assert problem(answer) == (422, "unknown_server")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/servers/1", "/servers/2"]
    assert problem(no_boolean) == (422, "invalid_request")


async def test_servers_can_be_put_in_a_group_while_none_is_visible(api):
    await with_servers(api, "desk")
    bob = await api.user("bob")
    group = await bob.data("POST", GROUPS, {"name": "empty", "servers": []})

    changed = await bob.put(f"{GROUPS}/{group['id']}", {"servers": ["desk"]})

    assert changed.json()["data"]["servers"] == ["desk"]


# the same request, sent again


async def test_a_request_sent_again_with_its_idempotency_key_makes_nothing_twice(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    again = {"headers": {"Idempotency-Key": "one"}}

    keys = [await bob.post(KEYS, {"name": "ide"}, **again) for _ in range(2)]
    rotated = [await bob.post(f"{KEYS}/{keys[0].json()['data']['id']}/rotate", {}, **again) for _ in range(2)]
    groups = [await bob.post(GROUPS, {"name": "mine", "servers": []}, **again) for _ in range(2)]
    literal = {**STDIO, "env": {"API_KEY": "literal"}}
    servers = [await admin.post("/api/servers", {"name": "git", "config": literal}, **again) for _ in range(2)]

    for first, second in (keys, rotated, groups, servers):
        one, two = first.json()["data"], second.json()["data"]
        assert (first.status_code, second.status_code) == (201, 201)
        assert one["name"] == two["name"]
        assert one.get("id") == two.get("id")
    assert "keyValue" in keys[0].json()["data"]
    assert "keyValue" not in keys[1].json()["data"]
    assert "mcphub_" + keys[0].json()["data"]["keyValue"][7:] not in keys[1].text
    assert "keyValue" not in rotated[1].json()["data"]
    assert len(await bob.data("GET", KEYS)) == 2
    assert len(await bob.data("GET", GROUPS)) == 1


async def test_of_many_at_once_with_one_idempotency_key_one_is_made(api):
    bob = await api.user("bob")

    answers = await asyncio.gather(
        *(bob.post(KEYS, {"name": "ide"}, headers={"Idempotency-Key": "one"}) for _ in range(4))
    )

    shown = [answer.json()["data"].get("keyValue") for answer in answers]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len([key for key in shown if key]) == 1
    assert len(api.services.model.key_by_digest) == 1


async def test_an_idempotency_key_is_its_senders_own(api):
    bob, eve = await api.user("bob"), await api.user("eve")
    again = {"headers": {"Idempotency-Key": "one"}}

    first = await bob.post(GROUPS, {"name": "mine", "servers": []}, **again)
    second = await eve.post(GROUPS, {"name": "mine", "servers": []}, **again)
    other = await bob.post(GROUPS, {"name": "other", "servers": []}, headers={"Idempotency-Key": "two"})
    long = await bob.post(GROUPS, {"name": "long", "servers": []}, headers={"Idempotency-Key": "x" * 201})

    ids = {answer.json()["data"]["id"] for answer in (first, second, other)}
    assert len(ids) == 3
    assert problem(long) == (422, "invalid_request")
