"""Administration of many users, and of what one user comes in with."""

import asyncio
from datetime import UTC, datetime

import pytest

from mcphub.domain.access import Principal
from mcphub.domain.actor import acting, system
from mcphub.domain.users import RegisterUser
from tests.support.api import PASSWORD, problem

USERS = "/api/admin/users"


async def make(admin, username, **more):
    return (await admin.data("POST", USERS, {"username": username, "password": PASSWORD, **more}))["user"]["id"]


async def elsewhere(api, user_id, *, active=True):
    """Somebody who signs in elsewhere, under this name."""

    def work():
        with acting(system("test")):
            vault = api.services.vault
            sealed = vault.seal_personal(user_id, "user.username", user_id)
            name = vault.tag("username", user_id)
            return api.services.hub.execute(
                lambda: RegisterUser(user_id, name, sealed, active=active, provider="github")
            ).position

    assert await api.services.commands.shown(await asyncio.to_thread(work))


async def counts(admin, query=""):
    return (await admin.get(f"{USERS}{query}")).json()["counts"]


async def facts(admin, user_id, *types):
    found = await admin.data("GET", f"/api/audit?user={user_id}&kind=fact&limit=200")
    return [fact["type"] for fact in reversed(found) if fact["type"] in types]


# counts


async def test_counts_are_of_everybody_whatever_the_list_is_narrowed_to(api):
    admin = await api.user("admin", admin=True)
    ids = {name: await make(admin, name) for name in ("bob", "eve", "ada", "gone", "locked")}
    await elsewhere(api, "waiting", active=False)
    await admin.put(f"{USERS}/{ids['ada']}/auditor", {"isAuditor": True})
    await admin.put(f"{USERS}/{ids['locked']}/active", {"isActive": False})
    await admin.delete(f"{USERS}/{ids['gone']}")
    await admin.send("DELETE", f"{USERS}/{ids['eve']}?hard=true", json={"confirm": "eve"})

    found = await counts(admin)

    assert found == {
        "total": 5,
        "active": 3,
        "pending": 1,
        "inactive": 1,
        "deleted": 1,
        "admins": 1,
        "auditors": 1,
    }
    assert await counts(admin, "?state=pending&role=user&limit=1") == found
    assert [user["id"] for user in await admin.data("GET", f"{USERS}?state=pending")] == ["waiting"]
    assert [user["id"] for user in await admin.data("GET", f"{USERS}?role=auditor")] == [ids["ada"]]


# the same request, sent again


async def test_a_user_is_made_once_with_one_idempotency_key(api):
    admin = await api.user("admin", admin=True)
    again = {"headers": {"Idempotency-Key": "one"}}

    answers = [await admin.post(USERS, {"username": "bob"}, **again) for _ in range(2)]
    refused = await admin.post(USERS, {"username": "bob"}, headers={"Idempotency-Key": "two"})
    erased = answers[0].json()["data"]["user"]["id"]
    opened = await accept(api, answers[0].json()["data"]["invitationLink"])
    await admin.send("DELETE", f"{USERS}/{erased}?hard=true", json={"confirm": "bob"})
    after = await admin.post(USERS, {"username": "bob"}, **again)

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["data"]["user"] == answers[1].json()["data"]["user"]
    assert ["invitationLink" in answer.json()["data"] for answer in answers] == [True, False]
    assert problem(refused) == (409, "username_taken")
    assert opened.status_code == 200
    assert problem(after) == (410, "user_erased")


async def test_of_many_at_once_with_one_idempotency_key_one_user_is_made_and_can_be_read(api):
    admin = await api.user("admin", admin=True)
    body, again = {"username": "bob", "displayName": "Bob B."}, {"headers": {"Idempotency-Key": "one"}}

    answers = await asyncio.gather(*(admin.post(USERS, body, **again) for _ in range(4)))

    assert [answer.status_code for answer in answers] == [201] * 4
    assert [user["displayName"] for user in await admin.data("GET", f"{USERS}?q=bob")] == ["Bob B."]
    links = [answer.json()["data"].get("invitationLink") for answer in answers]
    (link,) = [link for link in links if link]
    assert (await accept(api, link)).status_code == 200


# many at once


async def test_many_are_let_in_at_once_and_each_refusal_says_its_rule(api):
    admin = await api.user("admin", admin=True)
    bob, eve = await make(admin, "bob"), await make(admin, "eve")
    second, gone, erased = await make(admin, "second", isAdmin=True), await make(admin, "gone"), await make(admin, "er")
    await admin.delete(f"{USERS}/{gone}")
    await admin.send("DELETE", f"{USERS}/{erased}?hard=true", json={"confirm": "er"})
    everybody = [bob, second, admin.user_id, gone, erased, "nobody", eve]

    locked = await admin.post(f"{USERS}/bulk", {"ids": everybody, "action": "deactivate", "reason": "spring clean"})
    states = [(await admin.data("GET", f"{USERS}?q={name}"))[0]["state"] for name in ("bob", "eve", "second")]
    back = await admin.post(f"{USERS}/bulk", {"ids": [bob, eve, eve, gone], "action": "activate"})

    assert {one["id"]: one.get("code", "ok") for one in locked.json()["data"]} == {
        bob: "ok",
        second: "admin_protected",
        admin.user_id: "self_deactivation",
        gone: "user_deleted",
        erased: "user_erased",
        "nobody": "not_found",
        eve: "ok",
    }
    assert [one["id"] for one in locked.json()["data"]] == everybody
    assert all(one["detail"] for one in locked.json()["data"] if not one["ok"])
    assert states == ["inactive", "inactive", "active"]
    assert [one["ok"] for one in back.json()["data"]] == [True, True, False]
    assert back.headers["x-mcphub-position"] == str(back.json()["position"])
    assert await facts(admin, bob, "UserDeactivated", "UserActivated") == [
        "UserActivated",
        "UserDeactivated",
        "UserActivated",
    ]


async def test_who_is_so_already_counts_as_done_and_records_nothing(api):
    admin = await api.user("admin", admin=True)
    bob = await make(admin, "bob")
    before = api.services.tail.position

    answer = await admin.post(f"{USERS}/bulk", {"ids": [bob], "action": "activate"})

    assert answer.json()["data"] == [{"id": bob, "ok": True}]
    assert api.services.tail.position == before


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "action": "activate"},
        {"ids": ["x"] * 201, "action": "activate"},
        {"ids": ["x"], "action": "delete"},
        {"ids": ["x"], "action": "activate", "reason": "x" * 501},
        {"ids": ["x"]},
    ],
)
async def test_what_is_no_list_of_users_is_refused_as_a_whole(api, body):
    admin = await api.user("admin", admin=True)

    assert problem(await admin.post(f"{USERS}/bulk", body)) == (422, "invalid_request")


# keys


async def test_all_keys_of_a_user_end_at_once_and_for_good(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    issued = [await bob.data("POST", "/api/oauth/keys", {"name": name}) for name in ("one", "two")]
    await bob.delete(f"/api/oauth/keys/{issued[0]['id']}")
    third = await bob.data("POST", "/api/oauth/keys", {"name": "three", "expiryDays": 1})

    def opens():
        return api.services.model.authenticate(api.services.vault.key_digest(third["keyValue"]), datetime.now(UTC))

    before = opens()

    answer = await admin.send("DELETE", f"{USERS}/{bob.user_id}/keys")
    again = await admin.data("DELETE", f"{USERS}/{bob.user_id}/keys")

    assert before == Principal(bob.user_id, third["id"])
    assert opens() is None
    assert answer.json()["data"] == {"revoked": 2}
    assert again == {"revoked": 0}
    assert {shown["state"] for shown in await bob.data("GET", "/api/oauth/keys")} == {"revoked"}
    assert problem(await bob.post(f"/api/oauth/keys/{third['id']}/extend")) == (409, "key_revoked")
    assert await facts(admin, bob.user_id, "KeyRevoked") == ["KeyRevoked"] * 3
    assert problem(await admin.send("DELETE", f"{USERS}/nobody/keys")) == (404, "not_found")


async def test_an_administrator_revokes_a_single_key_of_anybody(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    key = (await bob.data("POST", "/api/oauth/keys", {"name": "ide"}))["id"]

    answers = [(await admin.delete(f"/api/oauth/keys/{key}")).status_code for _ in range(2)]

    assert answers == [204, 204]
    assert (await bob.data("GET", f"/api/oauth/keys/{key}"))["state"] == "revoked"


# sessions


async def test_sessions_of_a_user_are_shown_and_ended_one_by_one(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    script = await api.log_in("bob", script=True)
    listed = await admin.data("GET", f"{USERS}/{bob.user_id}/sessions")
    (of_script,) = [session["id"] for session in listed if session["kind"] == "script"]

    ended = await admin.delete(f"{USERS}/{bob.user_id}/sessions/{of_script}")
    again = await admin.delete(f"{USERS}/{bob.user_id}/sessions/{of_script}")

    assert sorted((session["kind"], session["current"], session["ip"]) for session in listed) == [
        ("browser", False, "127.0.0.1"),
        ("script", False, "127.0.0.1"),
    ]
    assert (ended.status_code, problem(again)) == (204, (404, "not_found"))
    assert problem(await script.get("/api/user/me")) == (401, "session_ended")
    assert (await bob.get("/api/user/me")).status_code == 200
    own = (await admin.data("GET", f"{USERS}/{admin.user_id}/sessions"))[0]
    assert own["current"] is True


async def test_a_session_is_ended_as_its_users_only(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    (session,) = await admin.data("GET", f"{USERS}/{bob.user_id}/sessions")

    answer = await admin.delete(f"{USERS}/{eve.user_id}/sessions/{session['id']}")

    assert problem(answer) == (404, "not_found")
    assert (await bob.get("/api/user/me")).status_code == 200


# the timeline on a dashboard


async def test_the_newest_entries_of_the_timeline_come_first(api):
    admin = await api.user("admin", admin=True)
    bob = await make(admin, "bob")
    await admin.put(f"{USERS}/{bob}/active", {"isActive": False, "reason": "left"})

    newest = await admin.data("GET", "/api/admin/activities?limit=1")
    more = await admin.data("GET", "/api/admin/activities?limit=3")

    assert [(entry["type"], entry["actorName"], entry["userName"]) for entry in newest] == [
        ("UserDeactivated", "admin", "bob")
    ]
    assert len(more) == 3


# invitations


async def accept(api, link, password=PASSWORD):
    return await api.browser().post(
        "/api/auth/accept-invitation", {"token": link.partition("#")[2], "password": password}
    )


async def test_a_new_invitation_takes_the_place_of_the_old_one_and_works_once(api):
    admin = await api.user("admin", admin=True)
    made = await admin.data("POST", USERS, {"username": "bob"})
    path = f"{USERS}/{made['user']['id']}/invitation"

    again = (await admin.data("POST", path))["invitationLink"]

    assert problem(await accept(api, made["invitationLink"])) == (410, "invitation_used")
    assert (await accept(api, again)).status_code == 200
    assert problem(await accept(api, again)) == (410, "invitation_used")
    assert problem(await admin.post(path)) == (409, "has_password")


async def test_a_link_that_outlived_the_choice_of_a_password_changes_nothing(api):
    """Two links at once can only come from a race; the second must not open what is somebody's own."""
    admin = await api.user("admin", admin=True)
    made = await admin.data("POST", USERS, {"username": "bob"})
    late = api.link("invite", made["user"]["id"])
    await accept(api, made["invitationLink"])

    answers = [await accept(api, f"#{late}", "another long enough phrase") for _ in range(2)]

    assert {problem(answer) for answer in answers} == {(410, "invitation_used")}
    assert (await api.log_in("bob")).user_id == made["user"]["id"]


async def test_an_invitation_is_for_a_living_local_account_without_a_password_only(api):
    admin = await api.user("admin", admin=True)
    bob, gone = await make(admin, "bob"), await make(admin, "gone")
    await admin.delete(f"{USERS}/{gone}")
    await elsewhere(api, "ann")

    answers = [await admin.post(f"{USERS}/{user}/invitation") for user in (bob, gone, "ann", "nobody")]

    assert [problem(answer) for answer in answers] == [
        (409, "has_password"),
        (409, "user_deleted"),
        (403, "not_local_account"),
        (404, "not_found"),
    ]


async def test_an_invitation_is_on_the_record(api):
    admin = await api.user("admin", admin=True)
    made = await admin.data("POST", USERS, {"username": "bob"})

    await admin.data("POST", f"{USERS}/{made['user']['id']}/invitation")

    (fact,) = [fact for fact in await admin.data("GET", "/api/audit?kind=fact") if fact["type"] == "UserInvited"]
    assert (fact["actor"], fact["userName"], fact["category"]) == (admin.user_id, "bob", "users")
    assert "invite#" not in str(fact)
