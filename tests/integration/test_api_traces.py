"""A trace: what one request made, what that caused, and a client's call by either form of its id."""

import asyncio

from mcphub.domain.actor import acting, system
from mcphub.domain.users import SetAdmin
from tests.support.api import problem

TRACES = "/api/audit/traces"


async def test_facts_of_one_request_stand_with_what_they_caused(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    answer = await admin.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": True})
    trace = answer.headers["x-request-id"]
    (granted,) = (await admin.get(f"{TRACES}/{trace}")).json()["data"]["facts"]
    with acting(system("later", causation_id=granted["id"])):
        caused = await asyncio.to_thread(api.services.hub.execute, lambda: SetAdmin(bob.user_id, False))
    await api.services.commands.shown(caused.position)

    found = await admin.data("GET", f"{TRACES}/{trace}")

    assert [(fact["type"], fact["trace"]) for fact in found["facts"]] == [("AdminGranted", trace), ("AdminRevoked", "")]
    assert found["facts"][1]["causationId"] == granted["id"]
    assert found["startedAt"] <= granted["at"]
    assert (found["id"], found["call"], found["before"]) == (trace, None, [])


async def test_a_user_sees_what_concerns_them_and_a_trace_of_nothing_is_not_there(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    about_bob = await admin.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": True})
    other = await admin.post("/api/user/groups", {"name": "mine", "servers": []})

    seen = await bob.data("GET", f"{TRACES}/{about_bob.headers['x-request-id']}")
    await admin.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": False})
    hidden = await bob.get(f"{TRACES}/{other.headers['x-request-id']}")
    unknown = [await admin.get(f"{TRACES}/{text}") for text in ("none", "0" * 32, "user-a-b-tools/call-1-2")]

    assert [fact["type"] for fact in seen["facts"]] == ["AdminGranted"]
    assert {problem(one) for one in (hidden, *unknown)} == {(404, "not_found")}


async def test_a_refused_command_is_in_the_trace_of_its_request(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    refused = await bob.post("/api/servers", {"name": "x", "config": {}})
    await api.services.access_log.stored()

    found = await admin.data("GET", f"{TRACES}/{refused.headers['x-request-id']}")

    assert [(row["route"], row["outcome"]) for row in found["access"]] == [("/api/servers", "admin_required")]
    assert found["facts"] == []
