"""The rules of contract 5.2, 2.7, 5.3, 2.3, 5.1 and 2.6, one by one: each refuses by a code of its own."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mcphub.domain.actor import acting, system
from mcphub.domain.events import Scope
from mcphub.domain.keys import IssueKey, new_key
from tests.support.api import PASSWORD, problem

USERS, KEYS, GROUPS = "/api/admin/users", "/api/oauth/keys", "/api/user/groups"
STDIO = {"command": "npx", "args": ["-y", "x@1.0.0"]}


# users


@pytest.fixture
async def people(api):
    """Name → id, and the administrator `admin`, who does what is tried."""
    admin = await api.user("admin", admin=True)
    ids = {"admin": admin.user_id, "nobody": "nobody"}
    for name, more in (("bob", {}), ("second", {"isAdmin": True}), ("locked", {}), ("gone", {}), ("erased", {})):
        made = await admin.data("POST", USERS, {"username": name, "password": PASSWORD, **more})
        ids[name] = made["user"]["id"]
    await admin.data("PUT", f"{USERS}/{ids['locked']}/active", {"isActive": False})
    await admin.delete(f"{USERS}/{ids['gone']}")
    await admin.send("DELETE", f"{USERS}/{ids['erased']}?hard=true", json={"confirm": "erased"})
    return admin, ids


DEACTIVATE, ACTIVATE = ("PUT", "/active", {"isActive": False}), ("PUT", "/active", {"isActive": True})
PROMOTE, DEMOTE = ("PUT", "/admin", {"isAdmin": True}), ("PUT", "/admin", {"isAdmin": False})
TRUST = ("PUT", "/auditor", {"isAuditor": True})
DELETE, RESTORE, SIGN_OUT = ("DELETE", "", None), ("POST", "/restore", None), ("POST", "/sign-out", None)
KEYS_GONE, SESSIONS = ("DELETE", "/keys", None), ("GET", "/sessions", None)


def erase(name):
    return ("DELETE", "?hard=true", {"confirm": name})


RULES = [
    (DEACTIVATE, "second", (409, "admin_protected")),
    (DEACTIVATE, "admin", (409, "self_deactivation")),
    (DEACTIVATE, "gone", (409, "user_deleted")),
    (DEACTIVATE, "erased", (410, "user_erased")),
    (ACTIVATE, "gone", (409, "user_deleted")),
    (ACTIVATE, "erased", (410, "user_erased")),
    (ACTIVATE, "nobody", (404, "not_found")),
    (PROMOTE, "locked", (409, "user_inactive")),
    (PROMOTE, "gone", (409, "user_deleted")),
    (PROMOTE, "erased", (410, "user_erased")),
    (TRUST, "locked", (409, "user_inactive")),
    (TRUST, "gone", (409, "user_deleted")),
    (DELETE, "second", (409, "admin_protected")),
    (DELETE, "admin", (409, "self_deletion")),
    (DELETE, "erased", (410, "user_erased")),
    (DELETE, "nobody", (404, "not_found")),
    (erase("second"), "second", (409, "admin_protected")),
    (erase("admin"), "admin", (409, "self_deletion")),
    (("DELETE", "?hard=true", None), "bob", (422, "confirmation_needed")),
    (erase(""), "bob", (422, "confirmation_needed")),
    (erase("BOB"), "bob", (422, "confirmation_needed")),
    (erase("erased"), "erased", (410, "user_erased")),
    (erase("nobody"), "nobody", (404, "not_found")),
    (RESTORE, "erased", (410, "user_erased")),
    (RESTORE, "nobody", (404, "not_found")),
    (SIGN_OUT, "erased", (410, "user_erased")),
    (KEYS_GONE, "erased", (410, "user_erased")),
    (SESSIONS, "erased", (410, "user_erased")),
]


async def test_what_is_refused_about_a_user_names_its_rule_and_changes_nothing(people, api):
    admin, ids = people
    before, answers = api.services.tail.position, []

    for (method, path, body), whom, _ in RULES:
        sent = {"json": body} if body is not None else {}
        answers.append(await admin.send(method, f"{USERS}/{ids[whom]}{path}", **sent))

    assert [
        (command, whom, problem(answer)) for (command, whom, _), answer in zip(RULES, answers, strict=True)
    ] == RULES
    assert all(answer.json()["detail"] for answer in answers)
    assert api.services.tail.position == before


async def test_the_last_administrator_stays_one_and_another_may_step_down(people):
    admin, ids = people

    stepped_down = await admin.put(f"{USERS}/{ids['second']}/admin", {"isAdmin": False})
    last = await admin.put(f"{USERS}/{admin.user_id}/admin", {"isAdmin": False})

    assert stepped_down.status_code == 200
    assert problem(last) == (409, "last_admin")


async def test_two_administrators_who_demote_each_other_leave_one(people, api):
    admin, ids = people
    second = await api.log_in("second")

    answers = await asyncio.gather(
        admin.put(f"{USERS}/{ids['second']}/admin", {"isAdmin": False}),
        second.put(f"{USERS}/{admin.user_id}/admin", {"isAdmin": False}),
    )

    # Whoever was later is no administrator any more, or would be the last one to be demoted.
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
    assert sum(user.admin for user in api.services.model.users.values()) == 1


async def test_an_activation_brings_keys_back_and_no_session(people, api):
    admin, ids = people
    bob = await api.log_in("bob")
    key = await bob.data("POST", KEYS, {"name": "ide"})

    def opens():
        return api.services.model.authenticate(api.services.vault.key_digest(key["keyValue"]), datetime.now(UTC))

    await admin.put(f"{USERS}/{ids['bob']}/active", {"isActive": False})
    locked = opens()
    await admin.put(f"{USERS}/{ids['bob']}/active", {"isActive": True})

    assert locked is None
    assert opens() is not None
    assert problem(await bob.get("/api/user/me")) == (401, "session_ended")


# keys


async def issued_at(api, user_id, at, *, days, name="old"):
    """A key from long ago; its id."""
    value = new_key()

    def work():
        with acting(system("test")):
            command = IssueKey(
                user_id,
                name,
                at,
                name=name,
                days=days,
                digest=api.services.vault.key_digest(value),
                shown=("abcd", "wxyz"),
            )
            return api.services.hub.execute(lambda: command).position

    assert await api.services.commands.shown(await asyncio.to_thread(work))
    return name


@pytest.mark.parametrize(
    ("expired_for", "answer"), [(29, (200, "active")), (31, (409, "key_expired"))], ids=["29 days", "31 days"]
)
async def test_an_expired_key_is_extended_within_thirty_days(api, expired_for, answer):
    bob = await api.user("bob")
    key = await issued_at(api, bob.user_id, datetime.now(UTC) - timedelta(days=expired_for + 1), days=1)

    shown = await bob.data("GET", f"{KEYS}/{key}")
    extended = await bob.post(f"{KEYS}/{key}/extend", {"days": 7})

    body = extended.json()
    assert (shown["state"], shown["daysUntilExpiry"]) == ("expired", 0)
    assert (extended.status_code, body["data"]["state"] if extended.status_code == 200 else body["code"]) == answer


@pytest.mark.parametrize("days", [1, 90])
async def test_a_key_lives_one_to_ninety_days(api, days):
    bob = await api.user("bob")

    issued = await bob.data("POST", KEYS, {"name": "ide", "expiryDays": days})
    extended = await bob.data("POST", f"{KEYS}/{issued['id']}/extend", {"days": 91 - days})

    assert (issued["daysUntilExpiry"], extended["daysUntilExpiry"]) == (days, 91 - days)


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/extend", {"days": 0}, (422, "expiry_out_of_range")),
        ("/extend", {"days": 91}, (422, "expiry_out_of_range")),
        ("/extend", {"expiryDays": 91}, (422, "expiry_out_of_range")),
        ("/rotate", {"graceMinutes": -1}, (422, "grace_out_of_range")),
        ("/rotate", {"graceMinutes": 1441}, (422, "grace_out_of_range")),
        ("", {"name": "Other"}, (409, "key_name_taken")),
        ("", {"name": "x" * 101}, (422, "invalid_name")),
        ("", {"description": "x" * 501}, (422, "invalid_request")),
        ("", {"scope": {"servers": ["none"]}}, (422, "unknown_scope")),
        ("", {"scope": {"groups": ["none"]}}, (422, "unknown_scope")),
        ("", {"scope": {"mode": "none"}}, (422, "invalid_request")),
    ],
)
async def test_what_is_refused_about_a_key_names_its_rule(api, path, body, refusal):
    bob = await api.user("bob")
    key = (await bob.data("POST", KEYS, {"name": "ide"}))["id"]
    await bob.data("POST", KEYS, {"name": "other"})

    answer = await bob.send("POST" if path else "PATCH", f"{KEYS}/{key}{path}", json=body)

    assert problem(answer) == refusal


async def test_a_revoked_key_is_neither_changed_nor_extended_nor_rotated(api):
    bob = await api.user("bob")
    key = (await bob.data("POST", KEYS, {"name": "ide"}))["id"]
    await bob.delete(f"{KEYS}/{key}")

    answers = [
        await bob.patch(f"{KEYS}/{key}", {"name": "again"}),
        await bob.post(f"{KEYS}/{key}/extend"),
        await bob.post(f"{KEYS}/{key}/rotate"),
    ]

    assert {problem(answer) for answer in answers} == {(409, "key_revoked")}


async def test_a_rotation_without_grace_ends_the_old_key_at_once_and_the_new_one_keeps_everything(api):
    bob = await api.user("bob")
    group = (await bob.data("POST", GROUPS, {"name": "mine", "servers": []}))["id"]
    old = await bob.data(
        "POST", KEYS, {"name": "ide", "headerOnly": True, "scope": {"groups": [group], "mode": "tools"}}
    )

    new = await bob.data("POST", f"{KEYS}/{old['id']}/rotate", {"graceMinutes": 0})
    again = await bob.post(f"{KEYS}/{old['id']}/rotate")

    model, digest, now = api.services.model, api.services.vault.key_digest, datetime.now(UTC)
    assert model.authenticate(digest(old["keyValue"]), now) is None
    assert model.authenticate(digest(new["keyValue"]), now) is not None
    assert {name: new[name] for name in ("name", "headerOnly", "scope")} == {
        "name": "ide",
        "headerOnly": True,
        "scope": {"groups": [group], "mode": "tools"},
    }
    assert model.keys[new["id"]].scope == Scope(groups=[group], mode="tools")
    assert (await bob.data("GET", f"{KEYS}/{old['id']}"))["state"] == "revoked"
    assert problem(again) == (409, "key_revoked")


async def test_the_overview_of_everybodys_keys_is_narrowed_paged_and_without_secrets(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    await api.user("none")
    value = (await bob.data("POST", KEYS, {"name": "ide"}))["keyValue"]
    revoked = (await eve.data("POST", KEYS, {"name": "lost"}))["id"]
    await eve.delete(f"{KEYS}/{revoked}")

    async def names(query):
        return [row["user"]["username"] for row in await admin.data("GET", f"/api/admin/user-keys{query}")]

    everybody = await admin.get("/api/admin/user-keys?state=all")
    first = (await admin.get("/api/admin/user-keys?limit=3")).json()

    assert await names("?state=hasKey") == ["bob"]
    assert await names("?state=noKey") == ["none", "eve", "admin"]
    assert await names("?state=all&q=ev") == ["eve"]
    assert [row["user"]["username"] for row in first["data"]] == ["none", "eve", "bob"]
    assert await names(f"?limit=3&cursor={first['page']['next']}") == ["admin"]
    assert {row["user"]["username"]: [key["state"] for key in row["keys"]] for row in everybody.json()["data"]} == {
        "admin": [],
        "bob": ["active"],
        "eve": ["revoked"],
        "none": [],
    }
    assert value not in everybody.text
    assert problem(await admin.get("/api/admin/user-keys?state=some")) == (422, "invalid_request")


# groups


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"name": "OTHER"}, (409, "group_name_taken")),
        ({"name": ""}, (422, "invalid_name")),
        ({"name": "x" * 101}, (422, "invalid_name")),
        ({"name": "x\ny"}, (422, "invalid_name")),
        ({"description": "x" * 501}, (422, "invalid_request")),
        ({"servers": ["none"]}, (422, "unknown_server")),
        ({"servers": "desk"}, (422, "invalid_request")),
        ({"isActive": False}, (422, "unknown_field")),
    ],
)
async def test_what_is_refused_about_a_group_names_its_rule_and_changes_nothing(api, body, refusal):
    bob = await api.user("bob")
    group = await bob.data("POST", GROUPS, {"name": "mine", "servers": []})
    await bob.data("POST", GROUPS, {"name": "other", "servers": []})
    before = api.services.tail.position

    changed = await bob.put(f"{GROUPS}/{group['id']}", body)
    made = await bob.post(GROUPS, {"name": "new", "servers": [], **body})

    assert {problem(changed), problem(made)} == {refusal}
    assert api.services.tail.position == before


@pytest.mark.parametrize("wanted", ["yes", 1, None])
async def test_a_group_is_switched_by_a_boolean_and_nothing_else(api, wanted):
    bob = await api.user("bob")
    group = await bob.data("POST", GROUPS, {"name": "mine", "servers": []})

    answer = await bob.patch(f"{GROUPS}/{group['id']}/active", {"isActive": wanted})

    assert problem(answer) == (422, "invalid_request")


async def test_a_renamed_server_is_followed_into_groups_and_scopes(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await admin.data("POST", "/api/servers", {"name": "desk", "config": STDIO})
    await bob.data("POST", GROUPS, {"name": "mine", "servers": ["desk"]})
    await bob.data("POST", KEYS, {"name": "ide", "scope": {"servers": ["desk"]}})

    await admin.data("PUT", "/api/servers/desk", {"name": "table"})

    (group,) = await bob.data("GET", GROUPS)
    (key,) = await bob.data("GET", KEYS)
    assert (group["servers"], group["missingServers"]) == (["table"], [])
    assert key["scope"] == {"servers": ["table"]}
