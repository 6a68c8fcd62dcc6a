"""Signing in and out, sessions, passwords, the first administrator and invitations."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from mcphub.api.auth import passwords, sessions
from mcphub.api.auth.session_times import SessionExpiry
from mcphub.api.auth.tokens import TokenSigner
from mcphub.domain.actor import acting, system
from mcphub.domain.users import DeleteUser, SetUserActive
from mcphub.domain.vault import key_of
from tests.support.api import ORIGIN, PASSWORD, problem

NEW = "another long enough phrase"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """The cost of a password hash is not what these tests are about."""
    monkeypatch.setattr(passwords, "HASHER", passwords.argon2.PasswordHasher(1, 8, 1))


def cookies_of(response: httpx.Response) -> dict[str, str]:
    return {cookie.partition("=")[0]: cookie for cookie in response.headers.get_list("set-cookie")}


def forget_all_but(api, browser) -> None:
    """Lets the time of every other session pass."""
    claims = TokenSigner(api.services.vault.secret("session")).read(browser.client.cookies["mcphub_session"])
    with psycopg.connect(api.dsn, autocommit=True) as db:
        db.execute("update api_session set expires_at = now() where session_id <> %s", (claims.session_id,))


# login


async def test_a_browser_that_signs_in_gets_a_session_no_script_can_read(api):
    await api.make_user("bob")

    answer = await api.browser().post("/api/auth/login", {"username": "bob", "password": PASSWORD})

    data, cookies = answer.json()["data"], cookies_of(answer)
    assert data["user"]["username"] == "bob"
    assert data.keys() == {"user", "csrfToken"}
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookies["mcphub_session"].split("; "))
    assert "HttpOnly" not in cookies["mcphub_csrf"]
    assert data["csrfToken"] in cookies["mcphub_csrf"]


async def test_a_script_gets_a_token_that_works_in_either_header_and_in_no_address(api):
    await api.make_user("bob")
    answer = await api.browser().post("/api/auth/login", {"username": "bob", "password": PASSWORD, "issueToken": True})
    token = answer.json()["data"]["token"]
    nobody = api.browser()

    bearer = await nobody.get("/api/user/me", headers={"Authorization": f"Bearer {token}"})
    own = await nobody.get("/api/user/me", headers={"x-auth-token": token})
    change = await nobody.patch("/api/user/me", {"theme": "dark"}, headers={"x-auth-token": token})
    address = await nobody.get(f"/api/user/me?token={token}")

    assert bearer.json()["data"]["username"] == own.json()["data"]["username"] == "bob"
    assert change.status_code == 200
    assert problem(address) == (401, "not_authenticated")


async def test_two_different_tokens_in_one_request_are_refused(api):
    bob, eve = await api.make_user("bob"), await api.make_user("eve")
    assert bob != eve
    first = await api.log_in("bob", script=True)
    second = await api.log_in("eve", script=True)

    answer = await first.get("/api/user/me", headers={"x-auth-token": second.token})

    assert problem(answer) == (400, "credential_conflict")


async def test_an_unknown_name_and_a_wrong_password_answer_alike_after_like_work(api, monkeypatch):
    await api.make_user("bob")
    verified = []
    real = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda hashed, password: verified.append(1) or real(hashed, password))

    unknown = await api.browser().post("/api/auth/login", {"username": "nobody", "password": PASSWORD})
    wrong = await api.browser().post("/api/auth/login", {"username": "bob", "password": "wrong"})

    assert problem(unknown) == problem(wrong) == (401, "invalid_credentials")
    assert unknown.json()["detail"] == wrong.json()["detail"]
    assert len(verified) == 2


async def test_names_are_compared_without_case_and_blanks(api):
    await api.make_user("bob")

    answer = await api.browser().post("/api/auth/login", {"username": " BOB ", "password": PASSWORD})

    assert answer.status_code == 200


async def test_somebody_locked_out_hears_so_only_with_the_right_password(api):
    bob = await api.make_user("bob")
    await run(api, lambda: SetUserActive(bob, False, by="system"))

    wrong = await api.browser().post("/api/auth/login", {"username": "bob", "password": "wrong"})
    right = await api.browser().post("/api/auth/login", {"username": "bob", "password": PASSWORD})

    assert problem(wrong) == (401, "invalid_credentials")
    assert problem(right) == (403, "user_inactive")


async def test_a_deleted_user_is_nobody(api):
    bob = await api.make_user("bob")
    await run(api, lambda: DeleteUser(bob, by="system"))

    answer = await api.browser().post("/api/auth/login", {"username": "bob", "password": PASSWORD})

    assert problem(answer) == (401, "invalid_credentials")


async def test_five_failures_close_the_door_for_an_account_and_for_no_other(api):
    await api.make_user("bob")
    await api.make_user("eve")
    wrong = {"username": "bob", "password": "wrong"}
    for _ in range(5):
        await api.browser().post("/api/auth/login", wrong)

    sixth = await api.browser().post("/api/auth/login", {**wrong, "password": PASSWORD})
    other = await api.browser().post("/api/auth/login", {"username": "eve", "password": PASSWORD})

    assert problem(sixth) == (429, "rate_limited")
    assert 0 < int(sixth.headers["retry-after"]) <= 15 * 60
    assert other.status_code == 200


async def test_twenty_failures_close_the_door_for_an_address_and_for_no_other(api):
    await api.make_user("bob")
    for number in range(20):
        await api.browser(ip="198.51.100.1").post(
            "/api/auth/login", {"username": f"nobody-{number}", "password": "wrong"}
        )

    right = {"username": "bob", "password": PASSWORD}
    same = await api.browser(ip="198.51.100.1").post("/api/auth/login", right)
    elsewhere = await api.browser(ip="198.51.100.2").post("/api/auth/login", right)

    assert problem(same) == (429, "rate_limited")
    assert elsewhere.status_code == 200


async def test_nobody_is_let_in_on_facts_that_may_be_old(api, monkeypatch):
    bob = await api.user("bob")

    async def unconfirmed(_):
        return False

    monkeypatch.setattr(api.services.tail, "fresh", lambda: False)
    monkeypatch.setattr(api.services.tail, "confirm", unconfirmed)

    me = await bob.get("/api/user/me")
    login = await api.browser().post("/api/auth/login", {"username": "bob", "password": PASSWORD})

    assert problem(me) == problem(login) == (503, "not_ready")
    assert me.headers["retry-after"] == "1"


# sessions


async def test_signing_out_ends_the_session_for_whoever_copied_its_cookie(api):
    bob = await api.user("bob")
    copied = api.browser()
    copied.client.cookies.update(bob.client.cookies)

    answer = await bob.post("/api/auth/logout")

    assert answer.status_code == 204
    assert answer.content == b""
    assert {"Max-Age=0"} <= set(cookies_of(answer)["mcphub_session"].split("; "))
    assert problem(await copied.get("/api/user/me")) == (401, "session_ended")


async def test_a_session_can_be_ended_from_another_one(api):
    bob = await api.user("bob")
    elsewhere = await api.log_in("bob", script=True)
    listed = await bob.data("GET", "/api/user/sessions")
    (other,) = [session for session in listed if not session["current"]]

    answer = await bob.delete(f"/api/user/sessions/{other['id']}")

    assert answer.status_code == 204
    assert (other["kind"], len(listed)) == ("script", 2)
    assert problem(await elsewhere.get("/api/user/me")) == (401, "session_ended")
    assert (await bob.get("/api/user/me")).status_code == 200


async def test_signing_out_everywhere_ends_every_session_this_one_too(api):
    bob = await api.user("bob")
    browser, script, eve = await api.log_in("bob"), await api.log_in("bob", script=True), await api.user("eve")

    answer = await bob.delete("/api/user/sessions")

    assert answer.status_code == 204
    assert "Max-Age=0" in cookies_of(answer)["mcphub_session"].split("; ")
    for caller in (bob, browser, script):
        assert (await caller.get("/api/user/me")).status_code == 401
    assert (await eve.get("/api/user/me")).status_code == 200
    assert [session["current"] for session in await (await api.log_in("bob")).data("GET", "/api/user/sessions")] == [
        True
    ]


async def test_a_list_of_sessions_says_from_where_and_until_when(api):
    await api.make_user("bob")
    browser = api.browser(ip="10.1.2.3")
    body = {"username": "bob", "password": PASSWORD}
    login = await browser.post("/api/auth/login", body, headers={"User-Agent": "Firefox on a train"})
    browser.csrf = login.json()["data"]["csrfToken"]

    (session,) = await browser.data("GET", "/api/user/sessions")

    assert (session["ip"], session["agent"], session["kind"]) == ("10.1.2.3", "Firefox on a train", "browser")
    lives = datetime.fromisoformat(session["expiresAt"]) - datetime.fromisoformat(session["signedInAt"])
    assert 15 * 60 <= lives.total_seconds() < 17 * 60


async def test_a_session_nobody_used_is_over_and_leaves_the_list_and_the_model(api):
    bob = await api.user("bob")
    unused = await api.log_in("bob")
    ends = SessionExpiry(api.services)
    assert await ends.round() == 0

    forget_all_but(api, bob)
    assert len(await bob.data("GET", "/api/user/sessions")) == 1
    assert await ends.round() == 1

    assert len(api.services.model.users[bob.user_id].sessions) == 1
    assert problem(await unused.get("/api/user/me")) == (401, "session_ended")
    assert (await bob.get("/api/user/me")).status_code == 200
    assert await ends.round() == 0


async def test_a_session_that_is_renewed_lives_on(api, monkeypatch):
    monkeypatch.setattr(sessions, "BROWSER_SECONDS", 5 * 60)  # young, but with less than ten minutes left
    bob = await api.user("bob")

    (session,) = await bob.data("GET", "/api/user/sessions")  # a request like any other: it renews

    assert datetime.fromisoformat(session["expiresAt"]) - datetime.now(UTC) > timedelta(minutes=14)


async def test_a_token_that_claims_more_gets_no_more(api):
    """The signature is right; what counts is what the access model says."""
    bob = await api.user("bob")
    signer = TokenSigner(api.services.vault.secret("session"))
    living = next(iter(api.services.model.users[bob.user_id].sessions))
    version = api.services.model.users[bob.user_id].auth_version

    async def sent(*claims, seconds=60):
        token, _ = signer.sign(*claims, seconds)
        return await api.browser().get("/api/user/me", headers={"x-auth-token": token})

    assert (await sent(bob.user_id, living, version)).status_code == 200
    assert problem(await sent(bob.user_id, "another", version)) == (401, "session_ended")
    assert problem(await sent(bob.user_id, living, version - 1)) == (401, "session_ended")
    assert problem(await sent("nobody", living, version)) == (401, "session_ended")
    assert problem(await sent(bob.user_id, living, version, seconds=-1)) == (401, "session_ended")


async def test_a_token_signed_by_somebody_else_is_no_token(api):
    bob = await api.user("bob")
    living = next(iter(api.services.model.users[bob.user_id].sessions))
    token, _ = TokenSigner(b"x" * 32).sign(bob.user_id, living, 0, 60)

    answer = await api.browser().get("/api/user/me", headers={"x-auth-token": token})

    assert problem(answer) == (401, "not_authenticated")


async def test_a_browser_session_is_renewed_while_it_is_used(api, monkeypatch):
    monkeypatch.setattr(sessions, "BROWSER_SECONDS", 5 * 60)  # young, but with less than ten minutes left
    bob = await api.user("bob")

    answer = await bob.get("/api/user/me")

    assert "Max-Age=" in cookies_of(answer)["mcphub_session"]


async def test_a_fresh_session_is_left_alone(api):
    bob = await api.user("bob")

    answer = await bob.get("/api/user/me")

    assert cookies_of(answer) == {}


async def test_deactivation_ends_sessions_and_tokens_at_once(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    script = await api.log_in("bob", script=True)

    await admin.put(f"/api/admin/users/{bob.user_id}/active", {"isActive": False})

    assert problem(await bob.get("/api/user/me")) == (403, "user_inactive")
    assert problem(await script.get("/api/user/me")) == (403, "user_inactive")

    await admin.put(f"/api/admin/users/{bob.user_id}/active", {"isActive": True})

    assert problem(await bob.get("/api/user/me")) == (401, "session_ended")


async def test_rights_that_were_revoked_are_gone_with_the_next_request(api):
    admin, second = await api.user("admin", admin=True), await api.user("second", admin=True)
    assert (await second.get("/api/admin/users")).status_code == 200

    await admin.put(f"/api/admin/users/{second.user_id}/admin", {"isAdmin": False})

    assert problem(await second.get("/api/admin/users")) == (403, "admin_required")


async def test_an_auditor_reads_what_everybody_did_and_changes_nothing(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.post("/api/oauth/keys", {"name": "ide"})
    assert problem(await bob.get("/api/requests?all=true")) == (403, "admin_required")
    assert {fact["actor"] for fact in await bob.data("GET", "/api/audit")} <= {bob.user_id, "system:test"}

    named = await admin.put(f"/api/admin/users/{bob.user_id}/auditor", {"isAuditor": True})

    assert named.json()["data"]["isAuditor"] is True
    assert (await bob.data("GET", "/api/user/me"))["isAuditor"] is True
    assert (await bob.get("/api/requests?all=true")).status_code == 200
    assert (await bob.get(f"/api/requests?user={admin.user_id}")).status_code == 200
    assert (await bob.get("/api/requests/stats?all=true")).status_code == 200
    facts = await bob.data("GET", "/api/audit")
    assert admin.user_id in {fact["actor"] for fact in facts}
    (of_admin,) = [fact for fact in facts if fact["type"] == "AuditorGranted"]
    assert (of_admin["ip"], of_admin["category"]) == ("127.0.0.1", "users")
    assert (await bob.get(f"/api/audit/{of_admin['position']}")).status_code == 200
    for method, path in (
        ("GET", "/api/logs"),
        ("GET", "/api/admin/users"),
        ("GET", "/api/admin/user-keys"),
        ("GET", "/api/admin/settings-file"),
        ("PUT", f"/api/admin/users/{bob.user_id}/admin"),
        ("PUT", f"/api/admin/users/{bob.user_id}/auditor"),
        ("POST", "/api/servers"),
    ):
        assert problem(await bob.send(method, path, json={})) == (403, "admin_required")


async def test_an_auditor_named_no_longer_reads_no_longer(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await admin.put(f"/api/admin/users/{bob.user_id}/auditor", {"isAuditor": True})
    listed = await admin.data("GET", "/api/admin/users?role=auditor")
    assert [user["username"] for user in listed] == ["bob"]

    await admin.put(f"/api/admin/users/{bob.user_id}/auditor", {"isAuditor": False})

    assert problem(await bob.get("/api/requests?all=true")) == (403, "admin_required")
    assert await admin.data("GET", "/api/admin/users?role=auditor") == []


async def test_the_last_administrator_cannot_leave_the_hub_to_an_auditor(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await admin.put(f"/api/admin/users/{bob.user_id}/auditor", {"isAuditor": True})

    answer = await admin.put(f"/api/admin/users/{admin.user_id}/admin", {"isAdmin": False})

    assert problem(answer) == (409, "last_admin")


# changes by cookie


async def test_a_change_by_cookie_needs_the_csrf_token(api):
    bob = await api.user("bob")
    csrf, bob.csrf = bob.csrf, ""

    without = await bob.patch("/api/user/me", {"theme": "dark"})
    wrong = await bob.patch("/api/user/me", {"theme": "dark"}, headers={"X-CSRF-Token": "0" * 64})
    right = await bob.patch("/api/user/me", {"theme": "dark"}, headers={"X-CSRF-Token": csrf})

    assert problem(without) == problem(wrong) == (403, "csrf_failed")
    assert right.status_code == 200


async def test_the_csrf_token_of_another_session_does_not_fit(api):
    bob, eve = await api.user("bob"), await api.user("eve")

    answer = await bob.patch("/api/user/me", {"theme": "dark"}, headers={"X-CSRF-Token": eve.csrf})

    assert problem(answer) == (403, "csrf_failed")


async def test_another_sites_page_changes_nothing_even_with_everything_right(api):
    bob = await api.user("bob")
    change = ("/api/user/me", {"theme": "dark"})

    cross = await bob.patch(*change, headers={"Sec-Fetch-Site": "cross-site"})
    foreign = await bob.patch(*change, headers={"Origin": "http://evil.example"})
    login = await api.browser().post(
        "/api/auth/login",
        {"username": "bob", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
    )
    ours = await bob.patch(*change, headers={"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN})
    same = await bob.patch(*change, headers={"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-origin"})

    assert {problem(answer) for answer in (cross, foreign, login)} == {(403, "csrf_failed")}
    assert ours.status_code == same.status_code == 200


# preferences and passwords


async def test_preferences_are_kept_and_only_differences_recorded(api):
    bob = await api.user("bob")
    wanted = {"language": "ko", "timeZone": "Asia/Seoul", "theme": "dark", "exposureMode": "servers", "showWhy": True}

    first = await bob.patch("/api/user/me", wanted)
    again = await bob.patch("/api/user/me", wanted)

    assert {name: first.json()["data"][name] for name in wanted} == wanted
    assert again.json()["position"] == first.json()["position"]


async def test_a_preference_that_does_not_exist_is_refused_with_its_place(api):
    bob = await api.user("bob")

    answer = await bob.patch("/api/user/me", {"theme": "pink"})

    assert problem(answer) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "/theme"


async def test_a_new_password_ends_other_sessions_and_the_old_one_is_unreadable(api):
    bob = await api.user("bob")
    other = await api.log_in("bob")
    old = key_of(api.services.model.users[bob.user_id].password)

    answer = await bob.post("/api/auth/change-password", {"currentPassword": PASSWORD, "newPassword": NEW})

    assert answer.status_code == 204
    assert (await bob.get("/api/user/me")).status_code == 200
    assert problem(await other.get("/api/user/me")) == (401, "session_ended")
    assert (await api.log_in("bob", NEW)).user_id == bob.user_id
    assert api.services.vault._store.get(old) is None


async def test_a_new_password_needs_the_old_one_and_some_strength(api):
    bob = await api.user("bob")

    wrong = await bob.post("/api/auth/change-password", {"currentPassword": "wrong", "newPassword": NEW})
    weak = await bob.post("/api/auth/change-password", {"currentPassword": PASSWORD, "newPassword": "short"})

    assert problem(wrong) == (401, "invalid_credentials")
    assert problem(weak) == (422, "weak_password")
    assert (await api.log_in("bob")).user_id == bob.user_id


# the first administrator


async def test_a_set_up_link_makes_the_first_administrator_once(api):
    token = await asyncio.to_thread(api.link, "setup")
    nobody = api.browser()
    needed = (await nobody.data("GET", "/login/config"))["setupNeeded"]

    answer = await nobody.post("/api/setup", {"token": token, "username": "root", "password": NEW})
    again = await api.browser().post("/api/setup", {"token": token, "username": "second", "password": NEW})

    assert needed
    assert answer.json()["data"]["user"]["isAdmin"]
    nobody.csrf = answer.json()["data"]["csrfToken"]
    assert (await nobody.get("/api/admin/users")).status_code == 200
    assert problem(again) == (410, "setup_link_used")
    assert not (await nobody.data("GET", "/login/config"))["setupNeeded"]


async def test_somebody_made_a_moment_ago_waits_for_the_read_tables_and_is_in(api):
    await api.make_user("ann")  # the tables are there
    token = await asyncio.to_thread(api.link, "setup")
    nobody = api.browser()

    with psycopg.connect(api.dsn) as db:
        db.execute("lock table tracking in share mode")  # the projector waits, readers do not
        coming = asyncio.create_task(nobody.post("/api/setup", {"token": token, "username": "root", "password": NEW}))
        await asyncio.wait([coming], timeout=2.5)  # a change is answered with 202 after a second
        early = coming.done()
    answer = await coming

    assert not early
    assert answer.status_code == 200
    assert answer.json()["data"]["user"]["username"] == "root"


async def test_a_refused_set_up_leaves_the_link_usable_and_nothing_sealed(api):
    token = await asyncio.to_thread(api.link, "setup")
    await api.make_user("bob")
    keys = await data_keys(api)

    weak = await api.browser().post("/api/setup", {"token": token, "username": "root", "password": "short"})
    taken = await api.browser().post("/api/setup", {"token": token, "username": "bob", "password": NEW})
    named = await api.browser().post("/api/setup", {"token": token, "username": "no good", "password": NEW})
    left = await data_keys(api)
    right = await api.browser().post("/api/setup", {"token": token, "username": "root", "password": NEW})

    assert problem(weak) == (422, "weak_password")
    assert problem(taken) == (409, "username_taken")
    assert problem(named) == (422, "invalid_username")
    assert left == keys
    assert right.status_code == 200


async def test_a_link_is_of_no_use_once_there_is_an_administrator(api):
    token = await asyncio.to_thread(api.link, "setup")
    await api.make_user("admin", admin=True)

    answer = await api.browser().post("/api/setup", {"token": token, "username": "root", "password": NEW})

    assert problem(answer) == (409, "already_set_up")


async def test_a_link_made_on_the_host_lets_an_administrator_back_in(api):
    await api.make_user("admin", admin=True)
    token = await asyncio.to_thread(api.link, "setup", "recover")

    answer = await api.browser().post("/api/setup", {"token": token, "username": "root", "password": NEW})

    assert answer.json()["data"]["user"]["isAdmin"]


# invitations


async def test_an_invitation_lets_a_person_choose_a_password_once(api):
    admin = await api.user("admin", admin=True)
    made = await admin.data("POST", "/api/admin/users", {"username": "bob"})
    page, _, token = made["invitationLink"].partition("#")

    weak = await api.browser().post("/api/auth/accept-invitation", {"token": token, "password": "short"})
    right = await api.browser().post("/api/auth/accept-invitation", {"token": token, "password": NEW})
    again = await api.browser().post("/api/auth/accept-invitation", {"token": token, "password": NEW})

    assert page == "http://127.0.0.1:3000/invite"
    assert problem(weak) == (422, "weak_password")
    assert right.json()["data"]["user"]["username"] == "bob"
    assert problem(again) == (410, "invitation_used")
    assert (await api.log_in("bob", NEW)).user_id == made["user"]["id"]


async def test_an_invitation_of_somebody_locked_out_waits(api):
    admin = await api.user("admin", admin=True)
    made = await admin.data("POST", "/api/admin/users", {"username": "bob"})
    token = made["invitationLink"].partition("#")[2]
    await admin.put(f"/api/admin/users/{made['user']['id']}/active", {"isActive": False})

    locked = await api.browser().post("/api/auth/accept-invitation", {"token": token, "password": NEW})
    await admin.put(f"/api/admin/users/{made['user']['id']}/active", {"isActive": True})
    free = await api.browser().post("/api/auth/accept-invitation", {"token": token, "password": NEW})

    assert problem(locked) == (403, "user_inactive")
    assert free.status_code == 200


async def test_no_fact_of_signing_in_holds_a_name_or_an_address_in_the_clear(api):
    await api.make_user("bob-with-a-name")
    await api.log_in("bob-with-a-name")
    await api.browser(ip="198.51.100.77").post(
        "/api/auth/login", {"username": "bob-with-a-name", "password": PASSWORD}, headers={"User-Agent": "canary-agent"}
    )

    async with api.services.read.connection() as db:
        rows = await (await db.execute("select data::text, meta::text from public.ledger")).fetchall()

    everything = json.dumps(rows)
    assert "SignedIn" in everything
    assert not [word for word in ("bob-with-a-name", "198.51.100.77", "canary-agent", PASSWORD) if word in everything]


async def run(api, build):
    def work():
        with acting(system("test")):
            return api.services.hub.execute(build).position

    assert await api.services.commands.shown(await asyncio.to_thread(work))


async def data_keys(api) -> int:
    async with api.services.read.connection() as db:
        row = await (await db.execute("select count(*) from public.data_key")).fetchone()
    return row[0]
