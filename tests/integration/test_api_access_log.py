"""The access log: who came in and by which way, who did not and why, what was refused; and who may read that."""

import asyncio
import json
from collections import Counter

import psycopg
import pytest

from mcphub.api import access_log
from mcphub.api.access_log import AccessLog, Flood
from mcphub.api.auth import passwords, throttle
from mcphub.api.incoming import Incoming, Note
from mcphub.domain.actor import acting, system
from mcphub.domain.keys import new_key
from mcphub.domain.users import EraseUser, SetUserActive
from mcphub.gateway.spool import Spool
from tests.support.api import PASSWORD, problem, running_api
from tests.support.providers import FakeGitHub, GitHubAccount, hub_env
from tests.support.travel import travel
from tests.support.waiting import until

LOGIN = "/api/auth/login"
AUDIT = "/api/audit"
NEW = "another long enough phrase"
CLEAR = ("mallory-nobody", "127.0.0.1", "the-browser", PASSWORD)


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """The cost of a password hash is not what these tests are about."""
    monkeypatch.setattr(passwords, "HASHER", passwords.argon2.PasswordHasher(1, 8, 1))


async def rows(api, *columns, where="true"):
    """The log as it is stored, oldest first."""
    await api.services.access_log.stored()
    with psycopg.connect(api.dsn) as db:
        return db.execute(f"select {', '.join(columns)} from access_log where {where} order by position").fetchall()


async def run(api, build):
    def work():
        with acting(system("test")):
            return api.services.hub.execute(build)

    done = await asyncio.to_thread(work)
    assert await api.services.commands.shown(done.position)


async def fail(api, name, password="wrong wrong wrong", **options):
    return await api.browser(**options).post(LOGIN, {"username": name, "password": password})


# what is noted


async def test_each_way_in_and_out_is_noted(api):
    bob = await api.user("bob")
    script = await api.log_in("bob", script=True)
    await script.post("/api/auth/logout")
    await bob.delete("/api/user/sessions")
    token = api.link("setup")
    await api.browser().post("/api/setup", {"token": token, "username": "root", "password": NEW})
    invited = await api.make_user("ann", invited=True)
    await api.browser().post("/api/auth/accept-invitation", {"token": api.link("invite", invited), "password": NEW})

    noted = await rows(api, "action", "outcome", "way", "actor = subject", "method", "route")

    assert noted == [
        ("sign_in", "done", "local", True, "POST", LOGIN),
        ("sign_in", "done", "script", True, "POST", LOGIN),
        ("sign_out", "done", "", True, "POST", "/api/auth/logout"),
        ("sign_out", "done", "", True, "DELETE", "/api/user/sessions"),
        ("sign_in", "done", "link", True, "POST", "/api/setup"),
        ("sign_in", "done", "link", True, "POST", "/api/auth/accept-invitation"),
    ]


async def test_an_administrator_who_ends_somebodys_sessions_is_named(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")

    await admin.post(f"/api/admin/users/{bob.user_id}/sign-out")

    assert await rows(api, "actor", "subject", where="action = 'sign_out'") == [(admin.user_id, bob.user_id)]


async def test_each_failed_attempt_is_noted_with_its_reason_and_no_name(api):
    bob, eve = await api.make_user("bob"), await api.make_user("eve")
    await run(api, lambda: SetUserActive(eve, False, by=""))
    await fail(api, "mallory-nobody")
    await fail(api, "bob")
    await fail(api, "eve", PASSWORD)
    for _ in range(5):
        await fail(api, "bob")
    await api.browser().post("/api/setup", {"token": "no-such-link", "username": "root", "password": NEW})
    await api.browser().post("/api/auth/accept-invitation", {"token": "no-such-link", "password": NEW})

    noted = await rows(api, "outcome", "way", "actor", "subject", "name_digest <> ''")

    assert Counter(noted) == Counter(
        {
            ("invalid_credentials", "local", "", "", True): 1,
            ("invalid_credentials", "local", "", bob, True): 5,
            ("rate_limited", "local", "", bob, True): 1,
            ("user_inactive", "local", "", eve, True): 1,
            ("setup_link_used", "link", "", "", False): 1,
            ("invitation_used", "link", "", "", False): 1,
        }
    )


async def test_a_wrong_present_password_is_noted_as_a_refused_command(api):
    bob = await api.user("bob")

    await bob.post("/api/auth/change-password", {"currentPassword": "wrong wrong", "newPassword": NEW})

    assert await rows(api, "action", "outcome", "actor", where="outcome <> 'done'") == [
        ("command", "invalid_credentials", bob.user_id)
    ]


async def test_a_form_that_was_filled_in_badly_is_no_failed_attempt(api):
    await api.browser().post(LOGIN, {"username": "bob"})
    await api.browser().post("/api/setup", {"token": "t", "username": "root", "password": "short"})

    assert await rows(api, "outcome") == []


async def test_administrative_commands_that_are_refused_are_noted_with_the_code(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    key = (await bob.data("POST", "/api/oauth/keys", {"name": "ide"}))["keyValue"]

    await bob.put(f"/api/admin/users/{admin.user_id}/admin?secret=canary", {"isAdmin": False})
    await admin.put(f"/api/admin/users/{admin.user_id}/admin", {"isAdmin": False})
    await api.browser().get("/api/admin/users", headers={"Authorization": f"Bearer {key}"})
    await bob.post("/api/user/groups", {"name": ""})  # his own: no administrative command
    await admin.post("/api/servers", {"name": "", "config": {}})  # a mistake: no rule is in its way

    route = "/api/admin/users/{user_id}/admin"
    noted = await rows(api, "action", "outcome", "actor", "subject", "method", "route", where="outcome <> 'done'")
    assert sorted(noted) == sorted(
        [
            ("command", "admin_required", bob.user_id, admin.user_id, "PUT", route),
            ("command", "last_admin", admin.user_id, admin.user_id, "PUT", route),
            ("command", "key_not_allowed", "", "", "GET", "/api/admin/users"),
        ]
    )


async def test_what_an_address_names_is_noted_only_when_it_is_a_user(api):
    bob = await api.user("bob")

    await bob.put("/api/admin/users/canary-in-the-path/admin", {"isAdmin": True})

    assert await rows(api, "subject", where="action = 'command'") == [("",)]


@pytest.mark.parametrize(
    ("env", "orgs", "code"),
    [
        ({"MCPHUB_GITHUB_ALLOW": "acme"}, {}, "not_a_member"),
        ({"MCPHUB_NEW_USERS": "pending"}, {}, "user_pending"),
        ({}, {}, "done"),
    ],
)
async def test_who_came_by_a_provider_is_noted_whatever_came_of_it(database, home, env, orgs, code):
    with FakeGitHub("http://127.0.0.1:3000/api/oauth/callback") as github:
        github.account = GitHubAccount(42, "ann", orgs=orgs)
        async with running_api(database.app_dsn, home, hub_env(github, **env)) as api:
            await travel(api.browser())
            noted = await rows(api, "action", "outcome", "way", "subject <> ''", "method", "route")

    known = code != "not_a_member"
    assert noted == [("sign_in", code, "github", known, "GET", "/api/oauth/callback")]


async def test_a_browser_with_a_state_of_its_own_making_is_noted(database, home):
    with FakeGitHub("http://127.0.0.1:3000/api/oauth/callback") as github:
        async with running_api(database.app_dsn, home, hub_env(github)) as api:
            await api.browser().get("/api/oauth/callback?state=forged&code=canary")
            noted = await rows(api, "outcome", "way", "subject", "route")

    assert noted == [("state_invalid", "github", "", "/api/oauth/callback")]


async def test_ways_from_a_provider_that_lead_nowhere_are_limited_by_address(database, home, monkeypatch):
    monkeypatch.setattr(throttle, "COMING_BACK", 3)
    with FakeGitHub("http://127.0.0.1:3000/api/oauth/callback") as github:
        github.account = GitHubAccount(42, "ann")
        async with running_api(database.app_dsn, home, hub_env(github)) as api:
            forged = "/api/oauth/callback?state=forged&code=c"
            answers = [await api.browser(ip="192.0.2.1").get(forged) for _ in range(4)]
            elsewhere = await travel(api.browser(ip="192.0.2.2"))
            noted = await rows(api, "outcome", where="outcome <> 'done'")

    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert elsewhere.headers["location"] == "/?welcome=true"
    assert Counter(outcome for (outcome,) in noted) == {"state_invalid": 3, "rate_limited": 1}


# what is in the rows


async def test_no_row_holds_a_name_an_address_an_agent_or_a_password(api):
    await api.user("bob")
    for name in ("bob", "mallory-nobody"):
        await api.browser().post(LOGIN, {"username": name, "password": "wrong"}, headers={"User-Agent": "the-browser"})

    text = repr(await rows(api, "access_log::text"))

    assert not [word for word in ("bob", *CLEAR) if word in text]


async def test_an_address_is_sealed_for_whom_the_row_is_about_and_else_only_told_from_others(api):
    await api.make_user("bob")
    await fail(api, "bob")
    for ip in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        await fail(api, "mallory-nobody", ip=ip)

    known = await rows(api, "ip <> ''", "address", where="subject <> ''")
    unknown = await rows(api, "ip", "agent", "address", where="subject = ''")

    assert known == [(True, "")]
    assert {row[:2] for row in unknown} == {("", "")}
    assert sorted(Counter(row[2] for row in unknown).values()) == [1, 2]


async def test_with_an_erasure_addresses_and_agents_of_the_user_are_gone(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await fail(api, "bob")
    await api.services.access_log.stored()
    before = await admin.data("GET", f"{AUDIT}?kind=access&user={bob.user_id}")

    digest = api.services.model.users[bob.user_id].name_digest
    await run(api, lambda: EraseUser(bob.user_id, by="", name_digest=digest))
    await asyncio.to_thread(api.services.vault.destroy_owner, bob.user_id)
    after = await admin.data("GET", f"{AUDIT}?kind=access&user={bob.user_id}")

    assert {item["ip"] for item in before} == {"127.0.0.1"}
    assert {(item["ip"], item["agent"], item["userName"]) for item in after} == {("erased", "erased", "erased user")}
    assert len(after) == len(before) == 2


# reading it


async def test_the_timeline_says_who_came_in_and_who_did_not(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await fail(api, "mallory-nobody")
    await fail(api, "bob")
    await api.services.access_log.stored()

    items = await admin.data("GET", f"{AUDIT}?kind=access")
    failed = {item["userName"]: item for item in items if item["outcome"] == "invalid_credentials"}
    came = next(item for item in items if item["actor"] == bob.user_id)

    assert {item["kind"] for item in items} == {"access"}
    assert set(failed) == {"bob", "unknown name"}
    assert failed["bob"]["userId"] == bob.user_id
    assert failed["unknown name"]["address"]
    assert (came["type"], came["outcome"], came["category"], came["way"]) == ("sign_in", "done", "sign-in", "local")
    assert (came["actorName"], came["ip"]) == ("bob", "127.0.0.1")


async def test_a_name_that_was_tried_is_that_of_whoever_has_it_now(api):
    admin = await api.user("admin", admin=True)
    await fail(api, "carol")
    await api.services.access_log.stored()

    async def name():
        return [
            item["userName"]
            for item in await admin.data("GET", f"{AUDIT}?kind=access&type=sign_in")
            if not item["actor"]
        ]

    before = await name()
    await api.make_user("carol")

    assert (before, await name()) == (["unknown name"], ["carol"])


async def test_rows_and_facts_are_one_order_and_pages_of_any_size_are_the_same(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    for number in range(3):
        await fail(api, "bob")
        await bob.post("/api/user/groups", {"name": f"group {number}", "servers": []})
        await fail(api, "mallory-nobody")
    await api.services.access_log.stored()

    async def pages(size):
        found, cursor = [], ""
        while True:
            page = (await admin.get(f"{AUDIT}?limit={size}&cursor={cursor}")).json()
            found += page["data"]
            cursor = page["page"]["next"]
            if cursor is None:
                return found

    whole = await pages(200)

    assert [await pages(size) for size in (1, 2, 5)] == [whole] * 3
    assert {item["kind"] for item in whole} == {"fact", "access"}
    positions = [item["position"] for item in whole]
    assert positions == sorted(positions, reverse=True)
    facts = [item["position"] for item in whole if item["kind"] == "fact"]
    assert facts == list(range(facts[0], 0, -1))
    signed_in = next(
        place for place, item in enumerate(whole) if item["type"] == "SignedIn" and item["actor"] == bob.user_id
    )
    assert whole[signed_in - 1]["type"] == "sign_in"


async def test_what_comes_in_meanwhile_moves_nothing(api):
    admin = await api.user("admin", admin=True)
    for _ in range(3):
        await fail(api, "mallory-nobody")
    await api.services.access_log.stored()
    whole = await admin.data("GET", f"{AUDIT}?limit=200")
    first = (await admin.get(f"{AUDIT}?limit=2")).json()

    await api.user("bob")
    await api.services.access_log.stored()
    rest = await admin.data("GET", f"{AUDIT}?limit=200&cursor={first['page']['next']}")

    assert first["data"] + rest == whole


async def test_the_log_is_filtered_by_actor_user_type_category_and_time(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": True})
    await bob.post("/api/auth/logout")
    await api.services.access_log.stored()

    async def types(query):
        return [item["type"] for item in await admin.data("GET", f"{AUDIT}?{query}")]

    assert await types(f"kind=access&actor={bob.user_id}") == ["sign_out", "command", "sign_in"]
    assert await types(f"kind=access&user={admin.user_id}") == ["sign_in"]
    assert await types("category=refused") == ["command"]
    assert await types(f"category=sign-in&actor={bob.user_id}") == ["sign_out", "SignedOut", "sign_in", "SignedIn"]
    assert await types("type=sign_out") == ["sign_out"]
    assert await types("kind=access&to=2020-01-01T00:00:00Z") == []
    assert await types("kind=fact&type=command") == []
    assert problem(await admin.get(f"{AUDIT}?kind=other"))[0] == 422


@pytest.mark.parametrize("cursor", ["x", "1.x", "1.", ".1", "1.2.3", "-1", "١", "9" * 19, "1." + "9" * 19])
async def test_a_cursor_no_page_gave_out_is_refused(api, cursor):
    admin = await api.user("admin", admin=True)

    assert problem(await admin.get(AUDIT, params={"cursor": cursor})) == (422, "invalid_request")


async def test_a_user_sees_their_own_sign_ins_and_attempts_on_their_account_and_no_others(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await fail(api, "bob", ip="192.0.2.7")
    await fail(api, "admin")
    await fail(api, "mallory-nobody")
    await admin.post(f"/api/admin/users/{bob.user_id}/sign-out")
    bob = await api.log_in("bob")
    await api.services.access_log.stored()

    items = await bob.data("GET", f"{AUDIT}?kind=access")

    assert [(item["type"], item["outcome"], item["ip"]) for item in items] == [
        ("sign_in", "done", "127.0.0.1"),
        ("sign_out", "done", ""),  # an administrator's address
        ("sign_in", "invalid_credentials", "192.0.2.7"),
        ("sign_in", "done", "127.0.0.1"),
    ]


async def test_an_auditor_reads_what_strangers_tried(api):
    admin, ada = await api.user("admin", admin=True), await api.user("ada")
    await admin.put(f"/api/admin/users/{ada.user_id}/auditor", {"isAuditor": True})
    await fail(api, "admin", ip="192.0.2.7")
    await api.services.access_log.stored()

    (item,) = await ada.data("GET", f"{AUDIT}?kind=access&user={admin.user_id}&limit=1")

    assert (item["outcome"], item["userName"], item["ip"]) == ("invalid_credentials", "admin", "192.0.2.7")


# it costs little, and it is not lost


async def test_a_flood_of_refusals_costs_a_few_rows_and_one_that_counts_the_others(api, monkeypatch):
    monkeypatch.setattr(access_log, "MINUTE", 0.05)
    monkeypatch.setattr(api.services.access_log._flood, "_clock", lambda: 0.0)
    user = await api.user("bob")

    for _ in range(25):
        assert (await user.get("/api/admin/users")).status_code == 403

    await until(lambda: api.services.access_log._gap is None, within=10, what="the others are counted")
    found = await rows(api, "outcome", "lost", where="outcome <> 'done'")

    assert [outcome for outcome, _ in found].count("admin_required") == Flood.PER_ADDRESS
    assert sum(lost for _, lost in found) == 25 - Flood.PER_ADDRESS


def test_one_address_does_not_use_up_the_room_of_others_and_all_together_have_a_limit():
    flood = Flood(lambda: 0.0)

    assert sum(flood.admits("one") for _ in range(1000)) == Flood.PER_ADDRESS
    assert flood.admits("another")
    assert sum(flood.admits(f"a{number}") for number in range(1000)) == Flood.IN_ALL - Flood.PER_ADDRESS - 1
    assert flood.missed == 1000 - Flood.PER_ADDRESS + 1000 - (Flood.IN_ALL - Flood.PER_ADDRESS - 1)


def test_the_next_minute_has_room_again():
    now = [0.0]
    flood = Flood(lambda: now[0])
    for _ in range(20):
        flood.admits("one")

    now[0] = 60.0

    assert flood.admits("one")


async def test_a_row_left_in_the_spool_is_stored_by_the_next_run_and_once(api, home):
    """The hub died between the answer and PostgreSQL; or after PostgreSQL, before the spool was cut."""
    services = api.services
    folder = home / "access-of-another-run"
    spool = Spool(folder)
    died = AccessLog(services.write, services.vault, services.model, spool, "here", lambda: 7)
    await died.noted(Incoming("r1", ip="192.0.2.1"), "POST", LOGIN)
    await died.noted(
        Incoming("r1", ip="192.0.2.1", notes=[Note(action="sign_in", actor="u", subject="u")]), "POST", LOGIN
    )
    kept = (folder / "spool-0.copy").read_bytes()
    spool.close()

    for _ in range(2):
        (folder / "spool-0.copy").write_bytes(kept)
        reborn = AccessLog(services.write, services.vault, services.model, Spool(folder), "here", lambda: 7)
        await reborn.start()
        await reborn.stop()

    assert await rows(api, "action", "actor", "request_id", "ledger_position") == [("sign_in", "u", "r1", 7)]
    assert (folder / "spool-0.copy").read_bytes() == b""
    assert b"192.0.2.1" not in kept


async def test_a_line_that_cannot_be_read_keeps_no_other_back(api, home):
    services = api.services
    folder = home / "access-of-another-run"
    spool = Spool(folder)
    spool.add(b'{"half": \n')
    writer = AccessLog(services.write, services.vault, services.model, spool, "here", lambda: 7)
    await writer.noted(Incoming("r1", notes=[Note(action="export", actor="u")]), "GET", "/x")

    await writer.stored()

    assert await rows(api, "action") == [("export",)]


async def test_a_sign_in_is_answered_when_the_row_cannot_be_kept(api, monkeypatch):
    """It is a fact already."""
    await api.make_user("bob")

    def full(_):
        raise OSError(28, "No space left on device")

    def away(_):
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(api.services.access_log._spool, "add", full)
    monkeypatch.setattr(api.services.access_log, "_store", away)

    assert (await api.browser().post(LOGIN, {"username": "bob", "password": PASSWORD})).status_code == 200


# nothing tells whether an account exists


async def test_an_answer_to_a_failed_attempt_says_nothing_about_the_account_and_costs_the_same_hash(api, monkeypatch):
    await api.make_user("bob")
    gone, locked = await api.make_user("gone"), await api.make_user("locked")
    await run(api, lambda: EraseUser(gone, by="", name_digest=api.services.model.users[gone].name_digest))
    await run(api, lambda: SetUserActive(locked, False, by=""))
    hashed = []
    verify = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda *given: hashed.append(given[0]) or verify(*given))

    answers = [await fail(api, name) for name in ("bob", "mallory-nobody", "gone", "locked")]

    assert len({(answer.status_code, body_of(answer), header_names(answer)) for answer in answers}) == 1
    assert len(hashed) == len(answers)
    assert all(text.startswith("$argon2id$") for text in hashed)


async def test_too_many_attempts_are_refused_alike_whether_the_account_exists(api):
    await api.make_user("bob")

    answers = []
    for name in ("bob", "mallory-nobody"):
        for _ in range(6):
            answer = await fail(api, name, ip=f"192.0.2.{len(name)}")
        answers.append(answer)

    assert {problem(answer) for answer in answers} == {(429, "rate_limited")}
    assert len({body_of(answer) for answer in answers}) == 1
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)


@pytest.mark.parametrize("path", ["/api/setup", "/api/auth/accept-invitation"])
async def test_a_link_that_is_none_is_answered_like_one_that_was_used(api, path):
    used = api.link("setup" if path == "/api/setup" else "invite", await api.make_user("bob", invited=True))
    about = {"password": NEW, **({"username": "root"} if path == "/api/setup" else {})}
    assert (await api.browser().post(path, {"token": used, **about})).status_code == 200

    answers = [await api.browser().post(path, {"token": token, **about}) for token in (used, "never-was-one")]

    assert len({(answer.status_code, body_of(answer), header_names(answer)) for answer in answers}) == 1


@pytest.mark.parametrize("path", ["/api/setup", "/api/auth/accept-invitation"])
async def test_who_tries_links_is_stopped_and_nobody_else(api, path):
    about = {"password": NEW, **({"username": "root"} if path == "/api/setup" else {})}
    await api.make_user("bob")
    token = api.link("setup" if path == "/api/setup" else "invite", await api.make_user("ann", invited=True))

    guesses = [await api.browser(ip="192.0.2.1").post(path, {"token": f"guess-{n}", **about}) for n in range(21)]
    meanwhile = await fail(api, "bob", PASSWORD, ip="192.0.2.1")
    elsewhere = await api.browser(ip="192.0.2.2").post(path, {"token": token, **about})

    assert [answer.status_code for answer in guesses] == [410] * 20 + [429]
    assert int(guesses[-1].headers["retry-after"]) > 0
    assert (meanwhile.status_code, elsewhere.status_code) == (200, 200)


def body_of(answer):
    body = answer.json()
    del body["requestId"]
    return json.dumps(body, sort_keys=True)


def header_names(answer):
    return tuple(sorted(answer.headers))


async def test_a_key_nobody_has_is_refused_and_noted_without_a_trace_of_it(api):
    key = new_key()

    await api.browser().get("/api/user/me", headers={"Authorization": f"Bearer {key}"})

    assert [row[0] for row in await rows(api, "outcome")] == ["key_not_allowed"]
    assert key[7:20] not in repr(await rows(api, "access_log::text"))
