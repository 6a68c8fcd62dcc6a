"""Health, live state, logs, read tables, positions, and the description of the API."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import psycopg
import structlog
from msgspec.structs import replace

from mcphub.api import health, streams
from mcphub.api.controllers import operation
from mcphub.domain.actor import acting, system
from mcphub.domain.backups import NoteBackup
from mcphub.domain.events import BackupMade
from mcphub.gateway.facade import AtNode, LiveCall, LiveSession
from mcphub.gateway.upstream.contained import Contained
from mcphub.gateway.upstream.runtime import RuntimeInfo, ServerStatus
from mcphub.logging import LogRing, configure
from tests.support.api import problem

STDIO = {"command": "npx", "args": ["-y", "x@1.0.0"]}


# health


async def test_health_says_version_and_uptime_in_the_envelope(api):
    answer = (await api.browser().get("/api/health")).json()

    assert answer["success"] is True
    assert (answer["data"]["status"], answer["data"]["version"]) == ("ok", "0.0.0")
    assert answer["data"]["uptime"] >= 0
    assert answer["data"]["timestamp"].endswith("Z")


async def test_a_hub_is_ready_while_its_database_answers_and_it_does_not_drain(api):
    nobody = api.browser()
    ready = await nobody.get("/readyz")

    api.services.draining = True
    draining = await nobody.get("/readyz")
    api.services.draining = False
    await api.services.read.close()
    gone = await nobody.get("/readyz")
    alive = await nobody.get("/livez")

    assert ready.status_code == alive.status_code == 200
    assert problem(draining) == problem(gone) == (503, "not_ready")


async def test_a_hub_whose_read_tables_lag_is_not_ready(api, monkeypatch):
    await api.make_user("bob")
    await api.services.projector.stop()
    async with api.services.read.connection() as db:
        await db.execute("update public.tracking set position = 0")

    just_now = await api.browser().get("/readyz")
    monkeypatch.setattr(operation, "MOST_LAG", 0.0)
    late = await api.browser().get("/readyz")

    assert just_now.status_code == 200
    assert problem(late) == (503, "not_ready")


async def test_each_part_of_a_hub_is_looked_at_and_one_that_is_not_well_says_what_to_run(api, monkeypatch):
    monkeypatch.setattr(health, "KEPT", 0.0)
    admin = await api.user("admin", admin=True)
    await admin.post("/api/servers", {"name": "git", "config": STDIO})
    git = api.services.model.settings.by_name("git").server_id

    well = await admin.data("GET", "/api/admin/health")
    api.gateway.statuses[git] = ServerStatus(state="error", since=1.0, error="no answer")
    async with api.services.read.connection() as db:
        await db.execute("update public.tracking set status = 'failed' where name = 'groups'")
    ill = await admin.data("GET", "/api/admin/health")

    before, after = ({check["name"]: check for check in report["checks"]} for report in (well, ill))
    assert {name for name, check in before.items() if check["status"] != "ok"} == set()
    assert (well["status"], ill["status"], well["version"]) == ("ok", "error", "0.0.0")
    position = before["ledger"]["values"]["position"]
    assert before["chain"]["values"] == {"events": position, "position": position}
    assert before["servers"]["values"] == {"servers": 1}
    assert (after["servers"]["status"], after["servers"]["items"]) == ("warning", ["git"])
    tables = after["read_tables"]
    assert (tables["code"], tables["items"], tables["command"]) == ("failed", ["groups"], "mcphub rebuild")
    assert before["servers"]["since"] < after["servers"]["since"]
    assert before["disk"]["since"] == after["disk"]["since"]


async def test_a_changed_fact_breaks_the_chain_that_health_looks_at(api, database):
    admin = await api.user("admin", admin=True)
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute("alter table ledger disable trigger all")
        db.execute("update ledger set type = type || 'X' where position = 2")

    report = await admin.data("GET", "/api/admin/health")

    chain = next(check for check in report["checks"] if check["name"] == "chain")
    assert (chain["code"], chain["values"], chain["command"]) == ("broken", {"position": 2}, "mcphub verify")


async def test_an_end_that_was_cut_off_shows_in_health_beside_a_chain_that_holds(api, database, monkeypatch):
    monkeypatch.setattr(health, "KEPT", 0.0)
    await api.user("admin", admin=True)
    reader = await api.user("second", admin=True)
    await api.services.checkpoints.stop()
    signed = api.services.checkpoints.file.last().checkpoint
    checks = [await completeness(reader)]
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute("set session_replication_role = replica")
        db.execute("delete from ledger where position = %s", (signed.position,))
        db.execute(
            "update ledger_head set (position, hash) = (select position, hash from ledger where position = %s)",
            (signed.position - 1,),
        )
    checks.append(await completeness(reader))

    assert [(check["status"], check["code"]) for check in checks] == [("ok", "complete"), ("error", "cut_off")]
    assert checks[1]["values"] == {"position": signed.position, "head": signed.position - 1}


async def completeness(reader):
    report = await reader.data("GET", "/api/admin/health")
    by_name = {check["name"]: check for check in report["checks"]}
    assert by_name["chain"]["code"] == "holds"
    return by_name["completeness"]


async def test_the_age_of_the_last_backup_shows_in_health_and_warns_with_the_command(api, monkeypatch):
    monkeypatch.setattr(health, "KEPT", 0.0)
    admin = await api.user("admin", admin=True)

    async def seen():
        report = await admin.data("GET", "/api/admin/health")
        (check,) = [check for check in report["checks"] if check["name"] == "backup"]
        return check["status"], check["code"], check["values"]["age"] // 86400, check["command"]

    found = [await seen()]
    for days in (8, 1):
        made = BackupMade(upto=1, hash="", rows=1, with_keys=False, made_at=datetime.now(UTC) - timedelta(days=days))
        with acting(system("test")):
            done = api.services.hub.execute(lambda made=made: NoteBackup(made))
        await api.services.tail.reached(done.position)
        found.append(await seen())

    assert found == [("ok", "young", 0, ""), ("warning", "old", 8, "mcphub backup DIR"), ("ok", "recent", 1, "")]


async def test_a_database_that_is_gone_is_said_for_each_part_that_needs_it(api, monkeypatch):
    monkeypatch.setattr(health, "WITHIN", 0.2)
    await api.services.read.close()

    found = {check.name: check.found.code for check in await health.Health(api.services).look()}

    assert (found["database"], found["read_tables"], found["disk"]) == ("silent", "silent", "room")


# positions


async def test_a_reader_may_ask_to_see_a_position(api):
    bob = await api.user("bob")
    here = api.services.tail.position

    seen = await bob.get("/api/user/groups", headers={"X-MCPHub-Min-Position": str(here)})
    later = await bob.get("/api/user/groups", headers={"X-MCPHub-Min-Position": str(here + 1000)})

    assert seen.json() == {"success": True, "data": []}
    assert later.status_code == 202
    assert later.json() == {"success": True, "position": here + 1000}


async def test_a_change_the_read_tables_do_not_show_in_time_is_accepted_and_a_key_is_not_lost(api):
    bob = await api.user("bob")
    await api.services.projector.stop()

    group = await bob.post("/api/user/groups", {"name": "mine", "servers": []})
    key = await bob.post("/api/oauth/keys", {"name": "ide"})

    assert group.status_code == key.status_code == 202
    assert group.json() == {"success": True, "position": int(group.headers["x-mcphub-position"])}
    assert key.json()["data"]["keyValue"].startswith("mcphub_")
    assert "mine" in [found.name for found in api.services.model.groups_of[bob.user_id].values()]


async def test_what_was_made_and_is_not_shown_yet_is_accepted_again_when_it_is_asked_for_again(api):
    admin = await api.user("admin", admin=True)
    await api.services.projector.stop()
    again = {"headers": {"Idempotency-Key": "one"}}

    keys = [await admin.post("/api/oauth/keys", {"name": "ide"}, **again) for _ in range(2)]
    users = [await admin.post("/api/admin/users", {"username": "bob"}, **again) for _ in range(2)]

    assert [answer.status_code for answer in (*keys, *users)] == [202] * 4
    assert len({answer.headers["x-mcphub-position"] for answer in keys}) == 1


# live state


def live_session(user, key="k1"):
    call = LiveCall(
        request_id="user-1", method="tools/call", server="jira", tool="search", since=datetime(2026, 1, 2, tzinfo=UTC)
    )
    return LiveSession(
        session_id="s1",
        user_id=user,
        key_id=key,
        client_name="cursor-vscode",
        client_version="1.0",
        protocol_version="2025-06-18",
        view="/mcp",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        idle_seconds=1.5,
        in_flight=1,
        stream_open=True,
        calls=(call,),
    )


async def test_sessions_of_ides_are_shown_with_names_and_ended(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    key = (await bob.data("POST", "/api/oauth/keys", {"name": "laptop"}))["id"]
    api.gateway.live = [live_session(bob.user_id, key)]

    (shown,) = await admin.data("GET", "/api/admin/session-stats")
    ended = await admin.delete("/api/admin/sessions/s1")
    unknown = await admin.delete("/api/admin/sessions/s2")

    assert shown["nodes"] == ["n1"]
    assert (shown["username"], shown["keyName"], shown["clientName"], shown["inFlight"]) == (
        "bob",
        "laptop",
        "cursor-vscode",
        1,
    )
    assert shown["calls"] == [
        {
            "requestId": "user-1",
            "method": "tools/call",
            "server": "jira",
            "tool": "search",
            "since": "2026-01-02T00:00:00Z",
            "timeoutMs": None,
        }
    ]
    assert ended.status_code == 204
    assert problem(unknown) == (404, "not_found")
    assert api.gateway.asked[0] == ("end_session", "s1", "ended_by_admin")


async def test_sessions_of_all_nodes_are_shown_and_a_node_that_does_not_answer_is_named(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    far = replace(live_session(bob.user_id), session_id="s2")
    here = live_session(bob.user_id)
    api.gateway.live = [here]
    api.gateway.elsewhere = [
        AtNode(id="n2", name="far", at=0.0, found=[far, replace(here, idle_seconds=9.0, calls=(), in_flight=0)]),
        AtNode(id="n3", name="dead", at=0.0, found=None),
    ]

    answer = (await admin.get("/api/admin/session-stats")).json()
    totals = await admin.data("GET", "/api/admin/stats")
    dossier = await admin.data("GET", f"/api/admin/users/{bob.user_id}")

    assert [(session["id"], session["nodes"], session["idleSeconds"]) for session in answer["data"]] == [
        ("s1", ["n1", "n2"], 1.5),
        ("s2", ["n2"], 1.5),
    ]
    assert [(node["id"], node["name"], node["answered"]) for node in answer["nodes"]] == [
        ("n1", "here", True),
        ("n2", "far", True),
        ("n3", "dead", False),
    ]
    assert (totals["sessions"], dossier["connections"]) == (2, 2)


async def test_upstreams_are_shown_by_server_and_runtime(api):
    admin = await api.user("admin", admin=True)
    await admin.post("/api/servers", {"name": "git", "config": STDIO})
    await admin.post("/api/servers", {"name": "off", "config": {**STDIO, "enabled": False}})
    git = api.services.model.settings.by_name("git").server_id
    api.gateway.statuses[git] = ServerStatus(state="connected", since=1.0, runtimes=2, leases=1, reconnects=3)
    api.gateway.open = [
        RuntimeInfo(
            id="r1",
            server_id=git,
            user_id=admin.user_id,
            session_id="",
            kind="stdio",
            pid=42,
            opened_at=1.0,
            last_used=2.0,
            in_flight=1,
        )
    ]
    api.gateway.sandboxes[git] = Contained(
        ("process", "limits", "landlock-files"), {"account": "the hub is not root's"}
    )
    api.gateway.written["r1"] = ["line 1", "line 2"]

    states = {state["server"]: state for state in await admin.data("GET", "/api/admin/upstream-status")}
    (runtime,) = await admin.data("GET", "/api/admin/upstream-sessions")
    totals = await admin.data("GET", "/api/admin/stats")

    assert (states["git"]["state"], states["git"]["runtimes"], states["git"]["reconnects"]) == ("connected", 2, 3)
    assert states["off"]["state"] == "disabled"
    assert (states["git"]["sandbox"], states["off"]["sandbox"]) == ("landlock", None)
    assert states["git"]["sandboxLayers"] == ["process", "limits", "landlock-files"]
    assert states["git"]["sandboxMissing"] == {"account": "the hub is not root's"}
    assert (runtime["server"], runtime["username"], runtime["pid"]) == ("git", "admin", 42)
    assert (runtime["node"], runtime["stderr"]) == ("n1", ["line 1", "line 2"])
    assert (totals["users"], totals["admins"], totals["servers"], totals["serversByStatus"]) == (
        1,
        1,
        2,
        {"connected": 1, "disabled": 1},
    )


async def test_an_upstream_runtime_is_ended_by_its_server_and_id(api):
    admin = await api.user("admin", admin=True)
    await admin.post("/api/servers", {"name": "git", "config": STDIO})
    await admin.post("/api/servers", {"name": "other", "config": STDIO})
    git = api.services.model.settings.by_name("git").server_id
    at = {"opened_at": 1.0, "last_used": 2.0, "in_flight": 0}
    api.gateway.open = [RuntimeInfo(id="r1", server_id=git, user_id=None, session_id="", kind="stdio", pid=42, **at)]

    answers = [
        await admin.delete(f"/api/admin/upstream-sessions/{place}") for place in ("other/r1", "git/r2", "git/r1")
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 204]
    assert api.gateway.asked == [("end_runtime", "r1", "ended by an administrator")]


# logs


async def test_logs_are_the_ring_filtered(api):
    admin = await api.user("admin", admin=True)
    ring = api.services.log_ring
    for level, event in (("debug", "one"), ("info", "two"), ("error", "three")):
        ring.keep(None, "", {"level": level, "event": event, "logger": f"mcphub.{event}"})

    async def events(query):
        return [record["event"] for record in await admin.data("GET", f"/api/logs?{query}")]

    assert await events("") == ["three", "two", "one"]
    assert await events("level=info") == ["three", "two"]
    assert await events("source=mcphub.t&limit=1") == ["three"]
    assert await events("q=TWO") == ["two"]
    assert problem(await admin.get("/api/logs?level=loud")) == (422, "invalid_request")


async def test_logs_are_narrowed_to_a_server_and_a_request_and_looked_around_in(api):
    admin = await api.user("admin", admin=True)
    ring = api.services.log_ring
    for number in range(1, 61):
        server = "git" if number % 2 else "jira"
        ring.keep(None, "", {"level": "info", "event": f"e{number}", "server": server, "request_id": f"r{number}"})
    first = ring.newest - 59  # number of e1

    async def events(query):
        return [record["event"] for record in await admin.data("GET", f"/api/logs?{query}")]

    assert await events("server=git&limit=2") == ["e59", "e57"]
    assert await events("request=r8") == ["e8"]
    assert await events(f"server=git&before={first + 2}") == ["e1"]
    assert await events(f"around={first + 40}&server=git") == [f"e{number}" for number in range(60, 20, -1)]
    assert (await admin.get("/api/logs?q=nothing-of-it")).json()["head"] >= first + 59


async def test_who_follows_the_log_from_a_number_on_misses_nothing_and_hears_nothing_twice():
    ring = LogRing(10)
    ring.bind(asyncio.get_running_loop())
    for number in range(1, 5):
        ring.keep(None, "", {"event": f"e{number}"})

    async def heard(after, count):
        following = ring.follow(after)
        try:
            return [(await asyncio.wait_for(anext(following), 5))["event"] for _ in range(count)]
        finally:
            await following.aclose()

    missed = asyncio.create_task(heard(2, 3))
    restarted = asyncio.create_task(heard(99, 5))
    await asyncio.sleep(0)
    ring.keep(None, "", {"event": "e5"})

    assert await missed == ["e3", "e4", "e5"]
    assert await restarted == ["e1", "e2", "e3", "e4", "e5"]


class Reader:
    """A client of a stream, message by message."""

    def __init__(self, app, path, browser):
        cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        self.messages = asyncio.Queue()
        self.left = asyncio.Event()
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "query_string": b"level=info",
            "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookies.encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 3000),
        }
        self.asked = False
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def send(self, message):
        await self.messages.put(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.left.set()  # as a server says it, once an answer is complete

    async def receive(self):
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def next(self):
        return await asyncio.wait_for(self.messages.get(), 5)


async def test_a_log_stream_carries_records_and_ends_with_the_rights_of_its_reader(api):
    admin, second = await api.user("admin", admin=True), await api.user("second", admin=True)
    reader = Reader(api.app, "/api/logs/stream", second)
    start, opened = await reader.next(), await reader.next()

    api.services.log_ring.keep(None, "", {"level": "debug", "event": "quiet"})
    api.services.log_ring.keep(None, "", {"level": "info", "event": "heard"})
    record = await reader.next()
    await admin.put(f"/api/admin/users/{second.user_id}/admin", {"isAdmin": False})
    api.services.log_ring.keep(None, "", {"level": "info", "event": "after"})
    await asyncio.wait_for(reader.task, 2)

    rest = b"".join(reader.messages.get_nowait().get("body", b"") for _ in range(reader.messages.qsize()))
    headers = dict(start["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert opened["body"] == b": open\n\n"
    assert b'"event":"heard"' in record["body"]
    assert b"after" not in rest


async def test_a_stream_of_sessions_says_what_changed_and_ends_with_the_rights_of_its_reader(api):
    admin, second = await api.user("admin", admin=True), await api.user("second", admin=True)
    reader = Reader(api.app, "/api/admin/session-stats/stream", second)
    _, _, nobody = [await reader.next() for _ in range(3)]

    api.gateway.live = [live_session(second.user_id)]
    somebody = await reader.next()
    await admin.put(f"/api/admin/users/{second.user_id}/admin", {"isAdmin": False})
    api.gateway.live = []
    await asyncio.wait_for(reader.task, 2)

    rest = b"".join(reader.messages.get_nowait().get("body", b"") for _ in range(reader.messages.qsize()))
    (shown,) = json.loads(somebody["body"].removeprefix(b"data: "))["data"]
    here = {"id": "n1", "name": "here", "answered": True}
    assert json.loads(nobody["body"].removeprefix(b"data: ")) == {"data": [], "nodes": [here]}
    assert (shown["id"], shown["username"], shown["inFlight"]) == ("s1", "second", 1)
    assert b"data" not in rest


async def test_one_user_follows_so_many_streams_and_a_closed_one_makes_room(api, monkeypatch):
    monkeypatch.setattr(streams, "MOST", 2)
    admin, second = await api.user("admin", admin=True), await api.user("second", admin=True)
    readers = [Reader(api.app, "/api/logs/stream", admin) for _ in range(2)]
    for reader in readers:
        await reader.next(), await reader.next()

    refused = await admin.get("/api/logs/stream")
    other = Reader(api.app, "/api/logs/stream", second)
    assert (await other.next())["status"] == 200
    readers[0].left.set()
    await asyncio.wait_for(readers[0].task, 2)
    again = Reader(api.app, "/api/logs/stream", admin)

    assert refused.status_code == 429
    assert refused.json()["code"] == "too_busy"
    assert (await again.next())["status"] == 200
    for reader in (readers[1], other, again):
        reader.left.set()
        await asyncio.wait_for(reader.task, 2)


async def test_what_the_log_page_shows_was_redacted_when_it_was_written(api):
    admin = await api.user("admin", admin=True)
    before = structlog.get_config()
    configure("debug", "json", api.services.log_ring)
    try:
        structlog.get_logger().info("probe", password="canary-password", text="Bearer canary-bearer")
    finally:
        structlog.configure(**before)

    answer = await admin.get("/api/logs?q=probe")

    assert len(answer.json()["data"]) == 1
    assert "canary" not in answer.text


# read tables


async def test_read_tables_are_rebuilt_on_request_and_say_where_they_stand(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    async with api.services.read.connection() as db:
        await db.execute("update public.tracking set status = 'failed', error = 'broken' where name = 'groups'")

    before = {view["name"]: view for view in await admin.data("GET", "/api/admin/projections")}
    asked = await admin.post("/api/admin/projections/groups/rebuild")
    unknown = await admin.post("/api/admin/projections/none/rebuild")
    async with asyncio.timeout(30):
        while any(view["state"] != "live" for view in await admin.data("GET", "/api/admin/projections")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    assert (before["groups"]["state"], before["groups"]["error"]) == ("failed", "broken")
    assert {"users", "keys", "groups", "settings"} <= before.keys()
    assert asked.status_code == 202
    assert problem(unknown) == (404, "not_found")
    assert {user["username"] for user in await admin.data("GET", "/api/admin/users")} == {"admin", "bob"}
    assert (await bob.post("/api/user/groups", {"name": "mine", "servers": []})).status_code == 201


async def ended(admin):
    """The work on the tables, once it has ended."""
    async with asyncio.timeout(30):
        while True:
            answer = (await admin.get("/api/admin/projections")).json()
            if not answer["work"]["running"]:
                return answer
            await asyncio.sleep(0.05)


async def test_a_check_finds_the_table_that_is_not_what_a_rebuild_makes_and_changes_none(api):
    admin = await api.user("admin", admin=True)
    async with api.services.read.connection() as db:
        await db.execute("update read.users set username = 'somebody else'")

    asked = await admin.post("/api/admin/projections/users/check")
    again = await admin.post("/api/admin/projections/users/rebuild")
    found = await ended(admin)

    assert (asked.status_code, asked.json()["work"]["kind"]) == (202, "check")
    assert problem(again) == (409, "rebuild_running")
    checked = {view["name"]: view["checked"] for view in found["data"]}
    assert [name for name, one in checked.items() if not one["equal"]] == ["users"]
    assert {one["position"] for one in checked.values()} == {api.services.tail.position}
    assert {len(one["checksum"]) for one in checked.values()} == {64}
    assert (found["work"]["error"], {view["state"] for view in found["data"]}) == ("", {"live"})
    async with api.services.read.connection() as db:
        assert await (await db.execute("select username from read.users")).fetchone() == ("somebody else",)
        assert await (await db.execute("select to_regnamespace('read_check')")).fetchone() == (None,)
    await admin.post("/api/admin/projections/users/rebuild")
    assert {str(view["checked"]) for view in (await ended(admin))["data"]} == {"None"}


async def test_a_parked_table_shows_its_event_and_tries_it_again(api):
    admin = await api.user("admin", admin=True)
    async with api.services.read.connection() as db:
        await db.execute(
            "update public.tracking set status = 'failed', error = 'KeyError at 2', failed_at_position = 2,"
            " position = 1 where name = 'groups'"
        )

    parked = (await admin.get("/api/admin/projections/groups")).json()["data"]
    retried = await admin.post("/api/admin/projections/groups/retry")
    await admin.post("/api/user/groups", {"name": "mine", "servers": []})
    again = await admin.post("/api/admin/projections/groups/retry")

    assert (parked["state"], parked["error"], parked["failedAtPosition"]) == ("failed", "KeyError at 2", 2)
    assert parked["failedAt"]["type"] == "PasswordSet"
    assert parked["lag"] > 0
    assert parked["lateSeconds"] >= 0
    assert parked["bytes"] > 0
    assert retried.status_code == 202
    assert problem(again) == (409, "not_parked")
    (live,) = [view for view in await admin.data("GET", "/api/admin/projections") if view["name"] == "groups"]
    assert (live["state"], live["lag"], live["failedAt"]) == ("live", 0, None)
    unknown = [await admin.get("/api/admin/projections/none")]
    unknown += [await admin.post(f"/api/admin/projections/none/{what}") for what in ("check", "retry")]
    assert {problem(one) for one in unknown} == {(404, "not_found")}


async def test_a_stream_of_the_read_tables_says_how_far_a_rebuild_is(api):
    admin = await api.user("admin", admin=True)
    reader = Reader(api.app, "/api/admin/projections/stream", admin)
    _, _, before = [await reader.next() for _ in range(3)]

    await admin.post("/api/admin/projections/users/rebuild")
    said = [json.loads(before["body"].removeprefix(b"data: "))]
    while said[-1]["work"] is None or said[-1]["work"]["running"]:
        said.append(json.loads((await asyncio.wait_for(reader.messages.get(), 30))["body"].removeprefix(b"data: ")))
    reader.left.set()
    await asyncio.wait_for(reader.task, 2)

    assert said[0]["work"] is None
    assert {view["name"] for view in said[0]["data"]} >= {"users", "settings"}
    work = said[-1]["work"]
    assert (work["kind"], work["error"], work["position"]) == ("rebuild", "", api.services.tail.position)


# the description


async def test_the_description_names_every_route_once_and_the_form_of_problems(api):
    bob = await api.user("bob")

    description = (await bob.get("/api/openapi.json")).json()

    operations = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations)) > 80
    assert {"login", "setUserActive", "saveSettingsFile", "issueKey"} <= set(operations)
    assert description["components"]["schemas"]["ProblemDetails"]["properties"].keys() >= {"code", "requestId"}
    login = description["paths"]["/api/auth/login"]["post"]
    assert list(login["responses"]) == ["200", "202", "default"]
    references = str(description).split("'$ref': '#/components/schemas/")[1:]
    assert {reference.partition("'")[0] for reference in references} <= description["components"]["schemas"].keys()


async def test_pages_are_told_what_they_need(api):
    bob = await api.user("bob")

    about = await api.browser().data("GET", "/config")
    runtime = await bob.data("GET", "/api/config/runtime")
    login = await api.browser().data("GET", "/login/config")

    assert about == {"basePath": "", "version": "0.0.0", "name": "MCPHub"}
    assert runtime["publicUrl"] == "http://127.0.0.1:3000"
    assert runtime["modes"] == ["tools", "servers", "search", "auto"]
    assert runtime["limits"]["keysPerUser"] == 10
    assert login == {"providers": [], "localLogin": True, "setupNeeded": True}
