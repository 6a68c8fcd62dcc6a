"""Time travel by the API: what there was, what changed, what a client would have seen, and who could have used what."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from mcphub.api.past import MOST_WAITING
from mcphub.domain.actor import acting, system
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import Listed, ObserveTools
from mcphub.domain.vault import MASK
from mcphub.projections import history
from tests.integration.test_api_values import hub_with_servers, save
from tests.support.api import problem

STATE, DIFF, WHO, MOMENT = (f"/api/audit/{name}" for name in ("state", "diff", "who-could", "moment"))


async def now(user):
    return (await user.data("GET", MOMENT))["position"]


async def observe(api, server, *tools, **said):
    """The server's list is put on the record; `said` of each tool."""
    (found,) = [one for one in api.services.model.servers.values() if one.name == server]
    listed = [Listed(tool, definition_of(json.dumps({"name": tool, **said}).encode())) for tool in tools]
    with acting(system("test")):
        done = api.services.hub.execute(
            lambda: ObserveTools(found.server_id, listed, [], datetime.now(UTC)),
        )
    await api.services.commands.shown(done.position)


async def test_a_time_is_a_position_or_a_moment_and_neither_may_be_still_to_come(api):
    admin = await api.user("admin", admin=True)
    head = await now(admin)
    first = await admin.data("GET", f"{MOMENT}?at=1")

    by_time = await admin.data("GET", f"{MOMENT}?at={quote(first['recordedAt'])}")
    nothing = await admin.data("GET", f"{MOMENT}?at=1999-01-01T00:00:00Z")
    refused = [
        await admin.get(f"{MOMENT}?at={at}")
        for at in (str(head + 1), "2999-01-01T00:00:00Z", "2026-01-01T00:00:00", "yesterday", "-1", "1e3")
    ]

    assert (first["position"], first["later"], first["head"]) == (1, head - 1, head)
    assert by_time["recordedAt"] == first["recordedAt"]  # all facts of one append have one time
    assert (nothing["position"], nothing["recordedAt"], nothing["later"]) == (0, None, head)
    assert {problem(answer) for answer in refused} == {(422, "no_such_time")}


async def test_the_state_of_then_has_what_was_there_and_nothing_that_came_later(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    before = await now(admin)
    group = await bob.data("POST", "/api/user/groups", {"name": "one", "servers": ["git"]})
    await admin.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": True})
    between = await now(admin)
    await bob.delete(f"/api/user/groups/{group['id']}")
    await admin.post("/api/servers/git/toggle", {"enabled": False})

    none, then, last = [await admin.data("GET", f"{STATE}?at={at}") for at in (before, between, "")]

    people = [{user["username"]: user["isAdmin"] for user in state["users"]} for state in (none, then, last)]
    assert people == [{"admin": True, "bob": False}, {"admin": True, "bob": True}, {"admin": True, "bob": True}]
    assert [[one["name"] for one in state["groups"]] for state in (none, then, last)] == [[], ["one"], []]
    assert then["groups"][0]["username"] == "bob"
    assert then["counts"]["groups"] == 1
    git = [next(one for one in state["servers"] if one["name"] == "git") for state in (then, last)]
    assert [one["isEnabled"] for one in git] == [True, False]
    assert [state["moment"]["position"] for state in (none, then)] == [before, between]


async def test_no_secret_is_in_a_state_or_in_a_difference_but_that_it_changed_is(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    secret = {"url": "https://h.example/mcp", "headers": {"Authorization": "Bearer canary-one-1234567890"}}
    await admin.data("POST", "/api/servers", {"name": "own", "config": secret})
    assert (await save(bob, desk={"USER_DESK_TOKEN": "canary-two-1234567890"})).status_code == 200
    before = await now(admin)
    secret["headers"] = {"Authorization": "Bearer canary-three-1234567890"}
    await admin.data("PUT", "/api/servers/own", {"config": secret})
    await save(bob, desk={"USER_DESK_TOKEN": "canary-four-1234567890"})

    answers = [await admin.get(f"{STATE}?at={before}"), await admin.get(f"{DIFF}?from={before}")]

    for answer in answers:
        assert "canary" not in answer.text
        assert "$sealed" not in answer.text
    own = next(one for one in answers[0].json()["data"]["servers"] if one["name"] == "own")
    assert own["config"]["headers"] == {"Authorization": MASK}
    found = {one["name"]: one for one in answers[1].json()["data"]["changes"]}
    hidden = [field["field"] for field in found["own"]["fields"] if field["hidden"]]
    assert hidden == ["/config/headers/Authorization"]
    assert {field["field"] for field in found["desk USER_DESK_TOKEN"]["fields"]} == {"/savedAt", "/version"}


async def test_a_difference_says_what_came_what_went_and_what_became_another(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    old = await bob.data("POST", "/api/user/groups", {"name": "old", "servers": []})
    kept = await bob.data("POST", "/api/user/groups", {"name": "kept", "servers": []})
    before = await now(admin)
    await bob.delete(f"/api/user/groups/{old['id']}")
    await bob.put(f"/api/user/groups/{kept['id']}", {"name": "renamed"})
    await bob.data("POST", "/api/user/groups", {"name": "new", "servers": []})

    whole = await admin.data("GET", f"{DIFF}?from={before}&section=groups")
    page = await admin.get(f"{DIFF}?from={before}&section=groups&limit=2")
    rest = await admin.data("GET", f"{DIFF}?from={before}&section=groups&limit=2&cursor={page.json()['page']['next']}")
    back = await admin.data("GET", f"{DIFF}?from={whole['to']['position']}&to={before}&section=groups")

    assert {(one["name"], one["kind"]) for one in whole["changes"]} == {
        ("old", "removed"),
        ("renamed", "changed"),
        ("new", "added"),
    }
    (changed,) = [one for one in whole["changes"] if one["kind"] == "changed"]
    fields = {field["field"]: (field["before"], field["after"]) for field in changed["fields"]}
    assert fields["/name"] == ("kept", "renamed")
    assert whole["counts"] == {"groups": 3}
    assert [*page.json()["data"]["changes"], *rest["changes"]] == whole["changes"]
    assert {(one["name"], one["kind"]) for one in back["changes"]} == {
        ("old", "added"),
        ("kept", "changed"),
        ("new", "removed"),
    }


async def test_a_user_travels_among_their_own_things_alone(api):
    bob = await hub_with_servers(api)
    eve = await api.user("eve")
    await bob.data("POST", "/api/user/groups", {"name": "of bob", "servers": ["git"]})
    await eve.data("POST", "/api/user/groups", {"name": "of eve", "servers": ["git"]})

    state = await eve.data("GET", STATE)
    tried = await eve.data("GET", f"{STATE}?user={bob.user_id}")
    diff = await eve.data("GET", f"{DIFF}?from=0&user={bob.user_id}")
    refused = await eve.get(f"{WHO}?server=git")

    for seen in (state, tried):
        assert [one["username"] for one in seen["users"]] == ["eve"]
        assert [one["name"] for one in seen["groups"]] == ["of eve"]
        assert [seen[name] for name in ("servers", "tools", "settings", "hubVariables")] == [[], [], [], []]
    assert {(one["section"], one["username"]) for one in diff["changes"]} == {("users", "eve"), ("groups", "eve")}
    assert problem(refused) == (403, "admin_required")


async def test_a_list_of_then_says_of_each_tool_what_its_server_said_then(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    await observe(api, "plain", "search", description="Of old.", inputSchema={"type": "object"})
    await observe(api, "desk", "open")
    await admin.put("/api/servers/plain/tools/search/description", {"description": "Ours."})
    ours = await now(admin)
    await admin.delete("/api/servers/plain/tools/search/description")
    old = await now(admin)
    await observe(api, "plain", "search", description="Of today.")
    await admin.put("/api/servers/plain/tools/search/name", {"name": "find"})

    async def said(at):
        path = f"/api/admin/users/{bob.user_id}/access?url=/mcp?mode=tools&definitions=true&at={at}"
        servers = {one["server"]: one["tools"] for one in (await admin.data("GET", path))["servers"]}
        return servers["plain"][0]["definition"], servers["desk"][0]

    then, desk = await said(old)
    assert then == {"name": "plain__search", "description": "Of old.", "inputSchema": {"type": "object"}}
    assert "definition" not in desk, "it would not have been listed without bob's value"
    assert (await said(ours))[0]["description"] == "Ours."
    assert (await said(await now(admin)))[0] == {"name": "plain__find", "description": "Of today."}
    plain = await admin.data("GET", f"/api/admin/users/{bob.user_id}/access?at={old}")
    assert "definition" not in str(plain)


async def test_a_list_of_then_is_made_by_the_decision_of_then(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    await observe(api, "plain", "search", "create")
    await observe(api, "desk", "open")
    await admin.post("/api/servers/plain/tools/create/toggle", {"enabled": False})
    before = await now(admin)
    await bob.data("POST", "/api/user/groups", {"name": "one", "servers": ["git"]})
    path = f"/api/admin/users/{bob.user_id}/access"

    then = await admin.data("GET", f"{path}?url=/mcp?mode=tools%26x&at={before}")
    last = await admin.data("GET", f"{path}?at={await now(admin)}")
    own = await bob.data("GET", f"/api/user/access?at={before}")
    nobody = await admin.get(f"{path}?at=1")

    def seen(access):
        return {one["server"]: (one["reason"], {tool["name"]: tool["reason"] for tool in one["tools"]})
                for one in access["servers"] if one["server"] == "plain"}  # fmt: skip

    assert seen(then) == {"plain": ("allowed", {"create": "switched_off", "search": "allowed"})}
    assert then["listed"] == ["plain__search"]
    (desk,) = [one for one in then["servers"] if one["server"] == "desk"]
    assert (desk["reason"], desk["missing"], len(desk["tools"])) == ("allowed", ["USER_DESK_TOKEN"], 1)
    assert seen(last)["plain"][0] == "not_in_active_group"
    assert last["listed"] == []
    assert own["listed"] == ["plain__search"]
    assert problem(nobody) == (404, "not_found")


async def test_who_could_is_answered_with_keys_of_then_and_values_of_then(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    key = await bob.data("POST", "/api/oauth/keys", {"name": "ide"})
    before = await now(admin)
    await save(bob, desk={"USER_DESK_TOKEN": "canary-1234567890-abcdef"})
    after = await now(admin)
    await bob.delete(f"/api/oauth/keys/{key['id']}")
    await admin.put(f"/api/admin/users/{bob.user_id}/active", {"isActive": False})
    last = await now(admin)

    async def asked(at, **more):
        found = await admin.data("GET", WHO, params={"server": "desk", "at": str(at), **more})
        return {one["username"]: one for one in found["users"]}, found

    (early, _), (later, _), (end, found) = [await asked(at) for at in (before, after, last)]
    everybody, _ = await asked(last, which="all")
    (sought, counts), (none, _) = await asked(after, q="BO"), await asked(last, q="BO")
    gone = await admin.get(f"{WHO}?server=nothing")

    assert {name: (one["could"], one["couldByKey"]) for name, one in early.items()} == {
        "admin": (True, False),
        "bob": (True, False),
    }
    assert early["bob"]["missing"] == ["USER_DESK_TOKEN"]
    assert (later["bob"]["couldByKey"], later["bob"]["missing"]) == (True, [])
    assert [(one["name"], one["reason"]) for one in later["bob"]["keys"]] == [("ide", "allowed")]
    assert set(end) == {"admin"}
    assert everybody["bob"]["reason"] == "user_inactive"
    assert found["reasons"] == {"allowed": 1, "user_inactive": 1}
    assert (set(sought), counts["reasons"], set(none)) == ({"bob"}, {"allowed": 2}, set())
    assert problem(gone) == (404, "not_found")


async def test_whoever_is_erased_by_now_is_erased_in_the_past_as_well(api):
    bob = await hub_with_servers(api)
    admin = await api.log_in("admin")
    await bob.data("POST", "/api/user/groups", {"name": "canary group", "servers": ["git"]})
    await bob.data("POST", "/api/oauth/keys", {"name": "canary key"})
    before = await now(admin)
    await admin.put(f"/api/admin/users/{bob.user_id}/active", {"isActive": False})
    erased = await admin.delete(f"/api/admin/users/{bob.user_id}?hard=true", json={"confirm": "bob"})
    assert erased.status_code == 204, erased.text

    state = await admin.get(f"{STATE}?at={before}")
    diff = await admin.get(f"{DIFF}?from=0&to={before}")
    who = await admin.get(f"{WHO}?server=git&at={before}")

    for answer in (state, diff, who):
        assert answer.status_code == 200, answer.text
        assert "canary" not in answer.text
        assert '"bob"' not in answer.text
    of_bob = next(one for one in state.json()["data"]["users"] if one["id"] == bob.user_id)
    assert (of_bob["state"], of_bob["username"], of_bob["keyCount"]) == ("erased", "erased user", 0)


async def test_a_section_is_read_page_by_page_and_searched_by_name(api):
    await hub_with_servers(api)
    admin = await api.log_in("admin")
    for name in ("ann", "carl"):
        await api.make_user(name)

    first = await admin.get(f"{STATE}?section=users&limit=3")
    rest = await admin.get(f"{STATE}?section=users&limit=3&cursor={first.json()['page']['next']}")
    found = await admin.data("GET", f"{STATE}?section=users&q=CAR")
    refused = await admin.get(f"{STATE}?section=users&cursor=x")

    names = [[one["username"] for one in page.json()["data"]["users"]] for page in (first, rest)]
    assert names == [["carl", "ann", "bob"], ["admin"]]
    assert rest.json()["page"]["next"] is None
    assert set(found) == {"moment", "counts", "users"}
    assert ([one["username"] for one in found["users"]], found["counts"]) == (["carl"], {"users": 1})
    assert problem(refused)[0] == 422


async def test_a_key_that_ran_out_is_a_change_without_a_fact(api, monkeypatch):
    bob = await hub_with_servers(api)
    await bob.data("POST", "/api/oauth/keys", {"name": "short", "expiryDays": 1})
    admin = await api.log_in("admin")
    position = await now(admin)
    past = await admin.data("GET", f"{STATE}?at={position}&section=keys")
    assert past["keys"][0]["state"] == "active"

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=2)

    monkeypatch.setattr(history, "datetime", Later)
    diff = await admin.data("GET", f"{DIFF}?from={position}&section=keys")

    assert [field["after"] for field in diff["changes"][0]["fields"]] == ["expired"]


async def test_who_asks_for_too_much_at_once_is_told_to_wait(api, monkeypatch):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    asked, go_on = history.History.ask_of, threading.Event()

    def slowly(*given):
        assert go_on.wait(30)
        return asked(*given)

    monkeypatch.setattr(history.History, "ask_of", slowly)
    waiting = [asyncio.create_task(admin.get(STATE)) for _ in range(MOST_WAITING + 4)]
    other = asyncio.create_task(bob.get(STATE))
    while sum(task.done() for task in waiting) < 4:
        await asyncio.wait([task for task in waiting if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    refused = {problem(task.result()) for task in waiting if task.done()}
    go_on.set()
    answers = await asyncio.gather(*waiting)

    assert refused == {(429, "rate_limited")}
    assert sorted(answer.status_code for answer in answers) == [200] * MOST_WAITING + [429] * 4
    assert (await other).status_code == 200
    assert (await admin.get(STATE)).status_code == 200


@pytest.mark.parametrize("path", [f"{STATE}?at=99999999", f"{DIFF}?from=99999999", f"{DIFF}?from=0&to=x"])
async def test_a_refusal_names_the_parameter(api, path):
    admin = await api.user("admin", admin=True)

    answer = await admin.get(path)

    assert problem(answer) == (422, "no_such_time")
    assert answer.json()["errors"][0]["pointer"] == ("/at" if STATE in path else "/from" if "99" in path else "/to")
