"""Undo: what it would change and for whom, done by the ordinary command, and refused with a reason."""

import json
from datetime import UTC, datetime

import pytest

from mcphub.domain.actor import acting, system
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import Listed, ObserveTools
from mcphub.gateway.facade import LiveSession
from tests.support.api import problem

CONFIG = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


@pytest.fixture
async def admin(api):
    return await api.user("admin", admin=True)


async def newest(browser, type_):
    return (await browser.data("GET", f"/api/audit?type={type_}&limit=1"))[0]


async def preview(browser, position):
    return await browser.data("GET", f"/api/audit/{position}/undo")


async def undo(browser, position, seen=None):
    seen = (await preview(browser, position))["seen"] if seen is None else seen
    return await browser.post(f"/api/audit/{position}/undo", {"seen": seen})


def lists(api, server, *tools):
    """The server's first list is on the record."""
    listed = [Listed(name, definition_of(json.dumps({"name": name}).encode())) for name in tools]
    server_id = api.services.model.settings.by_name(server).server_id
    with acting(system("test")):
        position = api.services.hub.execute(lambda: ObserveTools(server_id, listed, (), datetime.now(UTC))).position
    return api.services.tail.reached(position)


def session_of(user):
    now = datetime.now(UTC)
    return LiveSession(
        session_id="s1",
        user_id=user,
        key_id="",
        client_name="ide",
        client_version="1",
        protocol_version="2025-11-25",
        view="all",
        created_at=now,
        idle_seconds=0.0,
        in_flight=0,
        stream_open=True,
    )


async def test_a_preview_says_what_is_recorded_and_who_gains_what(api, admin):
    bob = await api.user("bob")
    await admin.data("POST", "/api/servers", {"name": "desk", "config": CONFIG})
    await lists(api, "desk", "search", "create")
    await admin.data("POST", "/api/servers/desk/toggle", {"enabled": False})
    switched = await newest(admin, "ServerDisabled")
    api.gateway.live = [session_of(bob.user_id)]
    before = await newest(admin, "*")

    found = await preview(admin, switched["position"])

    assert found["refused"] is None
    assert found["seen"] == before["position"]
    assert [(fact["type"], fact["position"], fact["actorName"]) for fact in found["facts"]] == [
        ("ServerChanged", 0, "admin")
    ]
    affected = {one["userName"]: one for one in found["affected"]["first"]}
    assert (found["affected"]["users"], found["affected"]["sessions"], set(affected)) == (2, 1, {"admin", "bob"})
    assert affected["bob"] == {
        "userId": bob.user_id,
        "userName": "bob",
        "sessions": 1,
        "serversGained": {"count": 1, "names": ["desk"]},
        "serversLost": {"count": 0, "names": []},
        "toolsGained": {"count": 2, "names": ["desk__create", "desk__search"]},
        "toolsLost": {"count": 0, "names": []},
    }
    assert await newest(admin, "*") == before, "a preview records nothing"


async def test_an_undo_is_a_new_fact_that_points_at_the_old_one(api, admin):
    bob = await api.user("bob")
    await admin.data("PUT", f"/api/admin/users/{bob.user_id}/active", {"isActive": False, "reason": "left"})
    locked = await newest(admin, "UserDeactivated")

    answer = await undo(admin, locked["position"])

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == {"undoes": locked["position"]}
    new = await newest(admin, "UserActivated")
    assert new["position"] == answer.json()["position"] == int(answer.headers["X-MCPHub-Position"])
    assert (new["command"], new["actor"], new["ip"]) == ("SetUserActive", admin.user_id, locked["ip"])
    async with api.services.read.connection() as db:
        row = await (
            await db.execute("select id::text from ledger where position = %s", (locked["position"],))
        ).fetchone()
    assert new["causationId"] == row[0]
    assert api.services.model.users[bob.user_id].active
    again = await preview(admin, locked["position"])
    assert (again["refused"]["code"], again["refused"]["position"]) == ("undo_already", new["position"])
    assert problem(await undo(admin, locked["position"])) == (409, "undo_already")


async def test_a_preview_that_is_out_of_date_is_refused_and_a_sign_in_makes_none_so(api, admin):
    bob = await api.user("bob")
    await admin.data("PUT", f"/api/admin/users/{bob.user_id}/auditor", {"isAuditor": True})
    granted = (await newest(admin, "AuditorGranted"))["position"]
    seen = (await preview(admin, granted))["seen"]
    await bob.data("POST", "/api/user/groups", {"name": "mine", "servers": []})

    assert problem(await undo(admin, granted, seen)) == (409, "undo_preview_outdated")
    assert problem(await undo(admin, granted, 10**12)) == (409, "undo_preview_outdated")

    seen = (await preview(admin, granted))["seen"]
    await api.log_in("bob")
    assert (await undo(admin, granted, seen)).status_code == 200


async def test_the_rules_hold_and_say_so_before_and_after(api, admin):
    bob = await api.user("bob")
    await admin.data("PUT", f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": True})
    granted = (await newest(admin, "AdminGranted"))["position"]
    await admin.data("PUT", f"/api/admin/users/{admin.user_id}/admin", {"isAdmin": False})

    refused = (await preview(bob, granted))["refused"]

    assert (refused["code"], refused["position"]) == ("last_admin", 0)
    assert problem(await undo(bob, granted)) == (409, "last_admin")
    assert problem(await admin.get(f"/api/audit/{granted}/undo")) == (403, "admin_required")


async def test_a_removed_server_comes_back_with_what_users_saved_for_it(api, admin):
    config = {**CONFIG, "headers": {"Authorization": "Bearer ${USER_TOKEN}", "X-Api-Key": "literal-value-1"}}
    await admin.data("POST", "/api/servers", {"name": "desk", "config": config})
    saved = {"envVars": {"desk": {"USER_TOKEN": "typed-by-admin"}}}
    await admin.data("POST", "/api/user-env-vars", saved)
    server_id = api.services.model.settings.by_name("desk").server_id
    await admin.delete("/api/servers/desk")
    removed = await newest(admin, "ServerRemoved")
    slot = await newest(admin, "SecretSlotRetired")

    assert (await preview(admin, slot["position"]))["refused"]["position"] == removed["position"]
    assert (await undo(admin, removed["position"])).status_code == 200

    server = api.services.model.settings.by_name("desk")
    assert server.server_id == server_id
    assert "USER_TOKEN" in (await admin.data("GET", "/api/user-env-vars"))["desk"]
    shown = (await admin.data("GET", "/api/servers/desk"))["config"]["headers"]
    assert "literal-value-1" not in json.dumps(shown)


async def test_a_replaced_value_does_not_come_back_and_a_first_one_is_cleared(api, admin):
    config = {**CONFIG, "headers": {"Authorization": "Bearer ${USER_TOKEN}"}}
    await admin.data("POST", "/api/servers", {"name": "desk", "config": config})
    await admin.data("POST", "/api/user-env-vars", {"envVars": {"desk": {"USER_TOKEN": "first-value"}}})
    first = (await newest(admin, "ServiceTokenSaved"))["position"]
    assert (await preview(admin, first))["facts"][0]["type"] == "ServiceTokenRemoved"
    await admin.data("POST", "/api/user-env-vars", {"envVars": {"desk": {"USER_TOKEN": "second-value"}}})
    second = (await newest(admin, "ServiceTokenSaved"))["position"]

    assert (await preview(admin, first))["refused"]["code"] == "undo_overtaken"
    assert (await preview(admin, second))["refused"]["code"] == "undo_value_gone"


async def test_there_is_nothing_to_undo_where_nothing_is(api, admin):
    assert problem(await admin.get("/api/audit/999999/undo")) == (404, "not_found")
    assert problem(await admin.post("/api/audit/999999/undo", {"seen": 1})) == (404, "not_found")
    assert problem(await admin.post("/api/audit/1/undo", {})) == (422, "invalid_request")
