"""Why a user sees something or does not: the decision's own reason, and the fact that made it so, now and then."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from mcphub.api.why import SAID
from mcphub.domain.access import Reason
from mcphub.domain.actor import acting, system
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import Listed, ObserveTools
from tests.support.api import problem

CONFIG = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


@pytest.fixture
async def admin(api):
    admin = await api.user("admin", admin=True)
    await admin.data("POST", "/api/servers", {"name": "desk", "config": CONFIG})
    server_id = api.services.model.settings.by_name("desk").server_id
    listed = [Listed(name, definition_of(json.dumps({"name": name}).encode())) for name in ("search", "create")]
    with acting(system("test")):
        done = api.services.hub.execute(lambda: ObserveTools(server_id, listed, (), datetime.now(UTC)))
    await api.services.tail.reached(done.position)
    return admin


async def newest(browser):
    return (await browser.data("GET", "/api/audit?kind=fact&limit=1"))[0]["position"]


async def why(browser, **query):
    found = await browser.data("GET", "/api/admin/why", params=query)
    return found["reason"], found["since"] and found["since"]["type"]


async def test_each_thing_in_the_way_is_told_with_the_fact_that_put_it_there(api, admin):
    bob = await api.user("bob")
    asked = {"user": "bob", "server": "desk"}
    assert await why(admin, **asked) == ("allowed", "UserActivated")

    group = await bob.data("POST", "/api/user/groups", {"name": "mine", "servers": []})
    assert await why(admin, **asked) == ("not_in_active_group", "GroupCreated")
    await bob.data("PATCH", f"/api/user/groups/{group['id']}/active", {"isActive": False})
    assert await why(admin, **asked) == ("no_active_group", "GroupDeactivated")
    await bob.delete(f"/api/user/groups/{group['id']}")
    await admin.data("PUT", "/api/servers/desk/audience", {"audience": {"users": ["admin"]}})
    assert await why(admin, **asked) == ("not_in_audience", "ServerAudienceChanged")
    await admin.data("POST", "/api/servers/desk/toggle", {"enabled": False})
    assert await why(admin, **asked) == ("server_disabled", "ServerDisabled")
    await admin.delete("/api/servers/desk")
    assert await why(admin, **asked) == ("unknown_server", "ServerRemoved")
    await admin.data("PUT", f"/api/admin/users/{bob.user_id}/active", {"isActive": False})
    assert await why(admin, **asked) == ("unknown_server", "ServerRemoved")


async def test_a_tool_is_asked_about_by_any_of_its_names(api, admin):
    bob = await api.user("bob")
    await admin.data("POST", "/api/servers/desk/tools/search/toggle", {"enabled": False})

    for name in ("search", "desk__search"):
        found = await admin.data("GET", "/api/admin/why", params={"user": bob.user_id, "server": "desk", "tool": name})
        assert (found["allowed"], found["reason"], found["tool"]) == (False, "switched_off", "search")
        assert (found["since"]["type"], found["since"]["actorName"]) == ("ToolDisabled", "admin")
    assert await why(admin, user="bob", server="desk", tool="create") == ("allowed", "UserActivated")
    answer = await admin.get("/api/admin/why", params={"user": "bob", "server": "desk", "tool": "nothing"})
    assert problem(answer) == (404, "not_found")


async def test_then_is_asked_as_now(api, admin):
    await api.user("bob")
    before = await newest(admin)
    await admin.data("POST", "/api/servers/desk/toggle", {"enabled": False})
    off = await newest(admin)
    await admin.data("POST", "/api/servers/desk/toggle", {"enabled": True})

    assert (await why(admin, user="bob", server="desk", at=str(before)))[0] == "allowed"
    then = await admin.data("GET", "/api/admin/why", params={"user": "bob", "server": "desk", "at": str(off)})
    assert (then["reason"], then["since"]["position"], then["position"]) == ("server_disabled", off, off)
    assert (await why(admin, user="bob", server="desk"))[0] == "allowed"
    answer = await admin.get("/api/admin/why", params={"user": "bob", "server": "desk", "at": "1"})
    assert problem(answer) == (404, "not_found")


async def test_a_key_and_an_address_count(api, admin):
    bob = await api.user("bob")
    key = await bob.data("POST", "/api/oauth/keys", {"name": "narrow", "scope": {"servers": []}})

    narrowed = {"user": "bob", "server": "desk", "keyId": key["id"]}
    assert await why(admin, **narrowed) == ("outside_key_scope", "KeyIssued")
    await bob.delete(f"/api/oauth/keys/{key['id']}")
    assert await why(admin, **narrowed) == ("key_unusable", "KeyRevoked")
    answer = await admin.get("/api/admin/why", params={"user": "bob", "server": "desk", "url": "/mcp/nothing"})
    assert problem(answer) == (404, "not_found")


async def test_values_that_are_missing_are_named(api, admin):
    config = {**CONFIG, "headers": {"Authorization": "Bearer ${USER_TOKEN}"}}
    await admin.data("POST", "/api/servers", {"name": "vault", "config": config})

    found = await admin.data("GET", "/api/admin/why", params={"user": "admin", "server": "vault"})

    assert (found["reason"], found["missing"]) == ("allowed", ["USER_TOKEN"])


async def test_it_is_for_administrators(api, admin):
    bob = await api.user("bob")

    assert problem(await bob.get("/api/admin/why", params={"user": "bob", "server": "desk"})) == (403, "admin_required")


def test_every_reason_is_said():
    assert set(SAID) == set(get_args(Reason))
