"""The history of requests and the timeline of facts: each sees their own, administrators everything."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from mcphub.domain.vault import MASK
from tests.support.api import problem

REQUESTS = "/api/requests"
AUDIT = "/api/audit"
STARTED = """
    insert into public.traffic (at, kind, boot, request_id, session_id, user_id, server, tool, method, node)
    values (%(at)s, 3, 1, %(id)s, %(session)s, %(user)s, %(server)s, %(tool)s, 'tools/call', 'n1')
"""
ENDED = """
    insert into public.traffic
        (at, kind, boot, request_id, session_id, user_id, server, tool, method, status, reason, duration_ms, node)
    values (%(at)s, 4, 1, %(id)s, %(session)s, %(user)s, %(server)s, %(tool)s, 'tools/call', %(status)s, %(reason)s,
            %(took)s, 'n1')
"""


ENDED_LIST = """
    insert into public.traffic (at, kind, boot, request_id, user_id, method, status, left_out, node)
    values (now() - interval '10 minutes', 4, 1, %(id)s, %(user)s, 'tools/list', 'Completed', %(left_out)s, 'n1')
"""


async def call(
    api,
    number,
    user,
    *,
    server="desk",
    tool="search",
    status="Completed",
    reason=None,
    took=10.0,
    ago=60.0,
    session=None,
):
    """A request in the history; without a status it still runs."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    request_id = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number)
    given = {
        "at": at,
        "id": request_id,
        "user": user,
        "server": server,
        "tool": tool,
        "status": status,
        "reason": reason,
        "took": took,
        "session": session,
    }
    async with api.services.read.connection() as db:
        await db.execute("select public.traffic_partition(%s::date)", (at,))
        await db.execute(STARTED, given)
        if status:
            await db.execute(ENDED, {**given, "at": at + timedelta(milliseconds=took)})
    return str(request_id)


# requests


async def test_a_user_reads_their_own_requests_and_an_administrator_everybodys(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    own = await call(api, 1, bob.user_id, ago=30)
    other = await call(api, 2, eve.user_id, ago=20)

    mine = await bob.data("GET", REQUESTS)
    every = await admin.data("GET", f"{REQUESTS}?all=true")
    of_eve = await admin.data("GET", f"{REQUESTS}?user={eve.user_id}")
    none = await admin.data("GET", REQUESTS)
    refused = [await bob.get(f"{REQUESTS}?{query}") for query in ("all=true", f"user={eve.user_id}")]

    assert [row["id"] for row in mine] == [own]
    assert [row["id"] for row in every] == [other, own]
    assert [row["id"] for row in of_eve] == [other]
    assert none == []
    assert {problem(answer) for answer in refused} == {(403, "admin_required")}


async def test_one_request_is_found_by_either_form_of_its_id_and_only_by_its_owner(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    own = await call(api, 1, bob.user_id, took=12.5)

    by_uuid = await bob.data("GET", f"{REQUESTS}/{own}")
    by_told = await bob.data("GET", f"{REQUESTS}/{by_uuid['requestId']}")
    by_admin = await admin.data("GET", f"{REQUESTS}/{own}")
    hidden = await eve.get(f"{REQUESTS}/{own}")
    garbage = await bob.get(f"{REQUESTS}/garbage")

    assert by_uuid == by_told == by_admin
    assert (by_uuid["status"], by_uuid["durationMs"], by_uuid["server"], by_uuid["tool"]) == (
        "Completed",
        12.5,
        "desk",
        "search",
    )
    assert by_uuid["requestId"].startswith(f"user-{bob.user_id}-none-tools/call-")
    assert problem(hidden) == problem(garbage) == (404, "not_found")


async def test_requests_and_figures_say_the_names_of_users_and_are_found_by_them(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    await call(api, 1, bob.user_id)
    await call(api, 2, eve.user_id)

    (row,) = await admin.data("GET", f"{REQUESTS}?all=true&user=eve")
    nobody = await admin.data("GET", f"{REQUESTS}?all=true&user=mallory")
    (figures,) = await admin.data("GET", f"{REQUESTS}/stats?all=true&by=user&user=bob")
    refused = await bob.get(f"{REQUESTS}?user=eve")

    assert (row["userId"], row["username"]) == (eve.user_id, "eve")
    assert nobody == []
    assert (figures["user"], figures["username"], figures["count"]) == (bob.user_id, "bob", 1)
    assert problem(refused) == (403, "admin_required")


async def test_requests_of_one_session_are_found(api):
    bob = await api.user("bob")
    session = uuid4()
    within, _ = await call(api, 1, bob.user_id, session=session), await call(api, 2, bob.user_id)

    rows = await bob.data("GET", f"{REQUESTS}?session={session}")
    (figures,) = await bob.data("GET", f"{REQUESTS}/stats?session={session}")

    assert [row["id"] for row in rows] == [within]
    assert figures["count"] == 1
    assert problem(await bob.get(f"{REQUESTS}?session=mine"))[0] == 422


async def test_requests_are_filtered_and_paged(api):
    bob = await api.user("bob")
    ids = [await call(api, number, bob.user_id, ago=100 - number, took=number) for number in range(5)]
    failed = await call(api, 9, bob.user_id, server="git", tool="push", status="Failed", took=900.0, ago=10)
    running = await call(api, 10, bob.user_id, status="", ago=5)

    async def found(query):
        return [row["id"] for row in await bob.data("GET", f"{REQUESTS}?{query}")]

    first = (await bob.get(f"{REQUESTS}?limit=3")).json()
    second = (await bob.get(f"{REQUESTS}?limit=4&cursor={first['page']['next']}")).json()
    since = (datetime.now(UTC) - timedelta(seconds=50)).isoformat().replace("+", "%2B")

    assert [row["id"] for row in first["data"] + second["data"]] == [running, failed, *reversed(ids)]
    assert second["page"]["next"] is None
    assert await found("status=Failed") == await found("server=git") == await found("tool=push") == [failed]
    assert await found("status=Pending") == [running]
    assert await found("latency=100") == [failed]
    assert len(await found("latency=1.9e-179")) == 6
    assert await found(f"from={since}") == [running, failed]
    for query in (
        "cursor=forged",
        "status=Lost",
        "from=yesterday",
        "from=2026-01-01T00:00:00",
        "limit=x",
        "latency=-1",
        "latency=nan",
        "tool=%00",
    ):
        assert problem(await bob.get(f"{REQUESTS}?{query}"))[0] == 422


async def test_what_went_wrong_is_found_whoever_it_was_that_failed(api):
    bob = await api.user("bob")
    await call(api, 1, bob.user_id, ago=50)
    told = await call(api, 2, bob.user_id, reason="tool_error", ago=40)
    failed = await call(api, 3, bob.user_id, status="Failed", reason="unreachable", ago=30)
    late = await call(api, 4, bob.user_id, status="TimedOut", ago=20)
    await call(api, 5, bob.user_id, status="Denied", reason="no_active_group", ago=10)
    await call(api, 6, bob.user_id, status="", ago=5)

    async def found(query):
        rows = await bob.data("GET", f"{REQUESTS}?{query}")
        figures = await bob.data("GET", f"{REQUESTS}/stats?{query}")
        return [row["id"] for row in rows], sum(each["count"] for each in figures)

    (figures,) = await bob.data("GET", f"{REQUESTS}/stats")
    assert await found("is=error") == ([late, failed, told], 3)
    assert await found("is=tool_error") == ([told], 1)
    assert await found("is=error&status=Failed") == ([failed], 1)
    assert (figures["count"], figures["errors"], figures["toolErrors"], figures["errorRate"]) == (5, 2, 1, 0.4)
    assert problem(await bob.get(f"{REQUESTS}?is=slow"))[0] == 422


async def test_a_list_says_what_it_left_out_and_of_servers_for_others_only_to_who_reads_everything(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    listed, called = await call(api, 1, bob.user_id, status=""), await call(api, 2, bob.user_id, ago=50)
    left_out = {
        "items": {"switched_off": 2},
        "servers": {"not_in_audience": 4, "server_disabled": 1, "no_active_group": 3},
    }
    async with api.services.read.connection() as db:
        await db.execute(ENDED_LIST, {"id": listed, "user": bob.user_id, "left_out": json.dumps(left_out)})

    own, whole = [await each.data("GET", f"{REQUESTS}/{listed}") for each in (bob, admin)]

    assert (await bob.data("GET", f"{REQUESTS}/{called}"))["leftOut"] is None
    assert whole["leftOut"] == {**left_out, "stale": {}}
    assert own["leftOut"] == {"items": {"switched_off": 2}, "servers": {"no_active_group": 3}, "stale": {}}


async def test_figures_are_those_of_the_planted_requests(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    for number, took in enumerate([10.0, 20.0, 30.0, 40.0]):
        await call(api, number, bob.user_id, took=took)
    await call(api, 8, bob.user_id, status="Failed", took=100.0)
    await call(api, 9, bob.user_id, status="", ago=5)
    await call(api, 10, eve.user_id, took=5.0)

    own = (await bob.get(f"{REQUESTS}/stats")).json()
    every = (await admin.get(f"{REQUESTS}/stats?all=true&by=user")).json()

    (figures,) = own["data"]
    assert (figures["count"], figures["errors"], figures["errorRate"], figures["meanMs"]) == (5, 1, 0.2, 40.0)
    assert figures["p50Ms"] == 30.0
    assert own["mine"]["totalRequests"] == 6
    assert own["mine"]["pendingRequests"] == 1
    assert own["mine"]["averageResponseTime"] == 40.0
    assert "pending" not in own
    assert {row["user"]: row["count"] for row in every["data"]} == {bob.user_id: 5, eve.user_id: 1}
    assert every["pending"] == 1
    assert problem(await bob.get(f"{REQUESTS}/stats?all=true")) == (403, "admin_required")
    assert problem(await bob.get(f"{REQUESTS}/stats?bucket=0")) == (422, "invalid_request")


# facts


async def test_the_timeline_says_who_did_what_to_whom_from_where(api):
    admin = await api.user("admin", admin=True)
    bob = (await admin.data("POST", "/api/admin/users", {"username": "bob", "password": "correct horse battery"}))[
        "user"
    ]
    changed = await admin.put(
        f"/api/admin/users/{bob['id']}/active",
        {"isActive": False, "reason": "left the company"},
        headers={"User-Agent": "the-browser"},
    )

    (fact,) = await admin.data("GET", f"{AUDIT}?type=UserDeactivated")
    same = await admin.data("GET", f"{AUDIT}/{fact['position']}")

    assert fact == same
    assert fact["position"] == changed.json()["position"]
    assert (fact["actor"], fact["actorName"], fact["source"], fact["command"]) == (
        admin.user_id,
        "admin",
        "ui",
        "SetUserActive",
    )
    assert (fact["userId"], fact["userName"], fact["category"]) == (bob["id"], "bob", "users")
    assert (fact["ip"], fact["agent"]) == ("127.0.0.1", "the-browser")
    assert fact["requestId"] == changed.headers["x-request-id"]
    assert fact["data"] == {"user_id": bob["id"], "reason": "left the company"}


async def test_facts_are_filtered_and_paged_by_position(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    script = await api.log_in("bob", script=True)
    await script.post("/api/oauth/keys", {"name": "ide"})
    await bob.post("/api/user/groups", {"name": "mine", "servers": []})

    async def types(query):
        return [fact["type"] for fact in await admin.data("GET", f"{AUDIT}?kind=fact&{query}")]

    first = (await admin.get(f"{AUDIT}?kind=fact&limit=3")).json()
    second = (await admin.get(f"{AUDIT}?kind=fact&limit=200&cursor={first['page']['next']}")).json()
    positions = [fact["position"] for fact in first["data"] + second["data"]]
    (key,) = await admin.data("GET", f"{AUDIT}?category=keys")

    assert positions == list(range(positions[0], 0, -1))
    assert await types(f"actor={bob.user_id}") == ["GroupCreated", "KeyIssued", "SignedIn", "SignedIn"]
    assert await types(f"user={admin.user_id}&type=AdminGranted") == ["AdminGranted"]
    assert await types("to=2020-01-01T00:00:00Z") == []
    assert (key["type"], key["source"]) == ("KeyIssued", "api")
    for query in ("cursor=x", "from=2026-01-01T00:00:00"):
        assert problem(await admin.get(f"{AUDIT}?{query}"))[0] == 422


async def test_a_user_sees_the_facts_that_concern_them_and_no_others(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    await admin.put(
        "/api/admin/settings-file",
        {"settings": {"mcpServers": {"desk": {"command": "npx", "args": ["x@1.0.0"]}}}},
        headers={"If-Match": '"0"'},
    )
    await eve.post("/api/user/groups", {"name": "hers", "servers": []})
    await admin.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": True})
    await admin.put(f"/api/admin/users/{bob.user_id}/admin", {"isAdmin": False})

    seen = await bob.data("GET", AUDIT)
    of_eve = await bob.data("GET", f"{AUDIT}?user={eve.user_id}")
    (hers,) = await admin.data("GET", f"{AUDIT}?type=GroupCreated")
    granted = next(fact for fact in seen if fact["type"] == "AdminGranted")

    assert {fact["userId"] for fact in seen} == {bob.user_id}
    assert of_eve == []
    assert problem(await bob.get(f"{AUDIT}/{hers['position']}")) == (404, "not_found")
    assert (granted["actorName"], granted["ip"], granted["agent"]) == ("admin", "", "")


async def test_nothing_sealed_hashed_or_personal_is_in_the_timeline(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.post("/api/oauth/keys", {"name": "ide"})
    literal = {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-Key": "literal-canary"}}
    await admin.post("/api/servers", {"name": "desk", "config": literal})

    facts = await admin.data("GET", f"{AUDIT}?limit=200")

    text = json.dumps(facts)
    digests = [key.digest for key in api.services.model.keys.values()]
    assert not [word for word in ("v1.", "literal-canary", "username:", *digests) if word in text]
    (added,) = [fact for fact in facts if fact["type"] == "ServerAdded"]
    assert added["data"]["config"]["headers"] == {"X-Key": MASK}
    (registered,) = [fact for fact in facts if fact["type"] == "UserRegistered" and fact["userName"] == "bob"]
    assert registered["data"]["username"] == MASK


@pytest.mark.parametrize("position", ["0", "99999999999999999999", "-1", "x"])
async def test_a_position_that_is_none_is_not_found(api, position):
    bob = await api.user("bob")

    assert problem(await bob.get(f"{AUDIT}/{position}"))[0] in {404, 422}
