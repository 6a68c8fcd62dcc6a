"""A change tried on the calls of the last days: nothing is recorded, and it says which would have been refused."""

import pytest

from tests.integration.test_api_history import call
from tests.support.api import problem

CONFIG = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}
REHEARSE = "/api/admin/rehearse"


@pytest.fixture
async def admin(api):
    admin = await api.user("admin", admin=True)
    await admin.data("POST", "/api/servers", {"name": "desk", "config": CONFIG})
    return admin


def refused(found):
    return {
        (one["userName"], one["server"], one["tool"]): (one["reason"], one["calls"])
        for one in found["refusals"]["first"]
    }


async def newest(browser):
    return (await browser.data("GET", "/api/audit?kind=fact&limit=1"))[0]["position"]


async def test_an_audience_is_tried_on_what_was_called(api, admin):
    bob, eve = await api.user("bob"), await api.user("eve")
    await call(api, 1, bob.user_id)
    await call(api, 2, bob.user_id, ago=30)
    await call(api, 3, eve.user_id)
    await call(api, 4, bob.user_id, status="Denied", tool="hidden")
    await call(api, 5, bob.user_id, ago=10 * 86_400, tool="long_ago")
    before = await newest(admin)

    audience = {"server": "desk", "audience": {"users": ["eve"]}}
    found = await admin.data("POST", REHEARSE, {"audience": audience})

    assert refused(found) == {("bob", "desk", "search"): ("not_in_audience", 2)}
    said = {name: found["refusals"][name] for name in ("calls", "refused", "users", "already")}
    assert said == {"calls": 3, "refused": 2, "users": 1, "already": 0}
    assert [change["type"] for change in found["changes"]] == ["ServerAudienceChanged"]
    assert {one["userName"] for one in found["affected"]["first"]} == {"admin", "bob"}
    longer = await admin.data("POST", REHEARSE, {"audience": audience, "days": 30})
    assert ("bob", "desk", "long_ago") in refused(longer)
    assert await newest(admin) == before, "a rehearsal records nothing"


async def test_a_document_and_a_group_are_tried_alike(api, admin):
    bob = await api.user("bob")
    await call(api, 1, bob.user_id)
    group = (await bob.data("POST", "/api/user/groups", {"name": "mine", "servers": ["desk"]}))["id"]

    off = {"mcpServers": {"desk": {**CONFIG, "tools": {"search": {"enabled": False}}}}}
    by_document = await admin.data("POST", REHEARSE, {"settings": {"settings": off}})
    assert refused(by_document) == {("bob", "desk", "search"): ("switched_off", 1)}
    for change, reason in (
        ({"servers": []}, "not_in_active_group"),
        ({"isActive": False}, "no_active_group"),
        ({"servers": ["desk"]}, None),
        ({"deleted": True}, None),  # who has no group sees everything
    ):
        body = {"group": {"userId": bob.user_id, "groupId": group, **change}}
        found = await admin.data("POST", REHEARSE, body)
        assert refused(found) == ({("bob", "desk", "search"): (reason, 1)} if reason else {})


async def test_what_could_not_be_made_is_refused_as_it_would_be(api, admin):
    bob = await api.user("bob")

    assert problem(await admin.post(REHEARSE, {})) == (422, "invalid_request")
    assert problem(await admin.post(REHEARSE, {"days": 0})) == (422, "invalid_request")
    nobody = {"audience": {"server": "nothing", "audience": "everyone"}}
    assert problem(await admin.post(REHEARSE, nobody)) == (404, "not_found")
    assert problem(await admin.post(REHEARSE, {"settings": {"text": "{"}})) == (422, "settings_invalid")
    assert problem(await bob.post(REHEARSE, nobody)) == (403, "admin_required")
