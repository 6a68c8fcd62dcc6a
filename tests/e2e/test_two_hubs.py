"""Two hub processes on one database: the rules hold between them, and each sees what the other decided."""

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from mcphub.domain.vault import new_ring_text
from tests.conftest import Database
from tests.e2e.conftest import StartHub
from tests.support.ide import HttpError, Ide
from tests.support.recorder import Recorder
from tests.support.rest import Admin, Person, Rest, log_in
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import slower, until

pytestmark = pytest.mark.slow


@pytest.fixture
def two_hubs(empty_database: Database, start_hub: StartHub) -> tuple[RunningHub, RunningHub]:
    """Two nodes with homes of their own and one master key ring."""
    shared = {
        "DATABASE_URL": empty_database.owner_dsn,
        "MCPHUB_MASTER_KEYS": new_ring_text(),
        "MCPHUB_ADMIN_PASSWORD": f"Pass-{secrets.token_hex(8)}",
    }
    first = start_hub(**shared, MCPHUB_NODE="first")
    second = start_hub(**shared, MCPHUB_NODE="second")
    first.password = second.password = shared["MCPHUB_ADMIN_PASSWORD"]
    return first, second


@pytest.mark.parametrize(
    "rounds", [pytest.param(40, id="short"), pytest.param(1000, id="long", marks=pytest.mark.soak)]
)
async def test_two_administrators_demoting_each_other_on_two_nodes_leave_exactly_one(
    two_hubs: tuple[RunningHub, RunningHub], rounds: int
) -> None:
    first, second = two_hubs
    ann = first.admin
    made = ann.user("bob", admin=True)
    await until(lambda: knows(second, made), within=5, what="the second node knows bob")
    bob = Admin(log_in(second.url, made.username, made.password), made.id, made.username, made.password)
    outcomes: list[tuple[int, int]] = []

    for _ in range(rounds):
        answers = await asyncio.gather(asyncio.to_thread(demote, ann, bob.id), asyncio.to_thread(demote, bob, ann.id))
        outcomes.append((answers[0], answers[1]))
        assert answers.count(200) == 1, outcomes
        winner, loser = (ann, bob) if answers[0] == 200 else (bob, ann)
        admins = [user for user in await asyncio.to_thread(admins_seen_by, winner) if user["isAdmin"]]
        assert [user["id"] for user in admins] == [winner.id]
        position = await asyncio.to_thread(promote, winner, loser.id)
        await asyncio.gather(*(asyncio.to_thread(shown, who, position) for who in (ann, bob)))

    assert {outcome for pair in outcomes for outcome in pair} <= {200, 403, 409}
    assert len(outcomes) == rounds


def knows(hub: RunningHub, person: Person) -> bool:
    return person.username in {user["username"] for user in hub.admin.rest.get("/api/admin/users/list")}


def demote(by: Admin, user_id: str) -> int:
    response = by.rest.send("PUT", f"/api/admin/users/{user_id}/admin", json={"isAdmin": False})
    if response.status_code == 409:
        assert response.json()["code"] == "last_admin"
    return response.status_code


def admins_seen_by(winner: Admin) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = winner.rest.get("/api/admin/users/list")
    return found


def promote(by: Admin, user_id: str) -> int:
    response = by.rest.send("PUT", f"/api/admin/users/{user_id}/admin", json={"isAdmin": True})
    assert response.status_code in (200, 202), response.text
    return int(response.headers["x-mcphub-position"])


def shown(who: Admin, position: int) -> None:
    """Waits until the node this administrator talks to has seen the position."""
    response = who.rest.send("GET", "/api/user/me", headers={"X-MCPHub-Min-Position": str(position)})
    assert (response.status_code, response.json()["data"]["isAdmin"]) == (200, True), response.text


async def test_a_user_deactivated_on_one_node_is_out_on_the_other_within_a_second(
    two_hubs: tuple[RunningHub, RunningHub],
) -> None:
    first, second = two_hubs
    person = first.admin.user("bob")
    key = person.key()
    ide = Ide(second.mcp, key)
    await until(lambda: knows(second, person), within=5, what="the second node knows bob")
    await ide.open()
    await ide.follow()

    await asyncio.to_thread(first.admin.set_active, person, False)
    answered = time.monotonic()

    await until(lambda: ide.stream_ended, within=3, what="the stream on the other node ends")
    assert ide.stream_ended - answered <= 1 * slower()
    with pytest.raises(HttpError, match="401"):
        await ide.request("ping")
    await ide.close()


async def test_a_session_opened_on_one_node_goes_on_at_the_other(two_hubs: tuple[RunningHub, RunningHub]) -> None:
    first, second = two_hubs
    key = first.admin.user("bob").key()
    async with Ide(first.mcp, key) as ide:
        moved = Ide(second.mcp, key)
        moved.session, moved.version = ide.session, ide.version

        await follows(moved)
        first.kill()

        assert await moved.request("ping") == {}
        await moved.close()


async def follows(ide: Ide) -> None:
    """Waits until the node the session moves to knows of its key."""
    deadline = time.monotonic() + 3 * slower()
    message = {"jsonrpc": "2.0", "id": "moved", "method": "ping"}
    while (response := await ide.post(message)).status_code != 200:
        assert response.status_code in (401, 404), response.text
        assert time.monotonic() < deadline, response.text
        await asyncio.sleep(0.05)


async def test_what_belongs_on_a_stream_gets_there_from_the_other_node_and_so_does_the_end(
    two_hubs: tuple[RunningHub, RunningHub], upstreams: Upstreams, recorder: Recorder
) -> None:
    """Its requests come to the first node, its stream is open at the second, and its answers go to either."""
    first, second = two_hubs
    first.admin.add_servers({"spread": upstreams.stdio("spread", "roots")})
    person = first.admin.user("bob")
    ide = Ide(f"{first.mcp}?mode=tools", person.key())
    await ide.open({"roots": {"listChanged": True}})
    listening = Ide(second.mcp, "")
    listening.http.headers.update(ide.http.headers)
    listening.session, listening.version = ide.session, ide.version
    await follows(listening)
    await listening.follow()
    assert "spread__echo" in await ide.tool_names()
    begun = recorder.mark()

    await ide.call("spread__echo", text="here")
    await ide.notify("notifications/roots/list_changed")
    for answering, roots in ((listening, "at-the-stream"), (ide, "at-the-asker")):
        await until(lambda: asked(listening), within=10, what="the question on the stream of the other node")
        message = asked(listening).pop()
        listening.messages.clear()
        result = {"roots": [{"uri": f"file:///{roots}"}]}
        await answering.post({"jsonrpc": "2.0", "id": message["id"], "result": result})
        await until(
            lambda roots=roots: roots in str(recorder.received(server="spread", event="answer", since=begun)),
            within=10,
            what="the answer at the server",
        )
        if answering is listening:
            await ide.notify("notifications/roots/list_changed")

    await asyncio.to_thread(first.admin.add_servers, {"more": upstreams.stdio("more")})
    await until(
        lambda: listening.heard("notifications/tools/list_changed"), within=10, what="news on the other node's stream"
    )

    await ide.close()
    await until(lambda: listening.stream_ended, within=3, what="the stream ends with its session")
    with pytest.raises(HttpError, match="404"):
        await listening.request("ping")
    await listening.close()
    nodes = first.admin.rest.get("/api/admin/nodes")
    assert [(node["name"], node["living"]) for node in nodes] == [("first", True), ("second", True)]


@pytest.mark.thorough
async def test_a_hub_drains_and_ends_when_the_database_becomes_too_new_for_its_code(
    two_hubs: tuple[RunningHub, RunningHub], empty_database: Database
) -> None:
    first, second = two_hubs
    with psycopg.connect(empty_database.owner_dsn, autocommit=True) as db:
        db.execute("insert into schema_migration (version, name, sha256) values (900, 'of_a_later_release', '')")

    for hub in (first, second):
        assert hub.process is not None
        await until(lambda hub=hub: hub.process.poll() is not None, within=15, what="it ends by itself")
        assert hub.process.returncode == 1
        (said,) = hub.lines(lambda line: line.get("event") == "database_newer_than_code")
        assert (said["level"], said["migration"]) == ("error", "0900")
        assert hub.lines(lambda line: line.get("event") == "hub_draining")
        assert "Run the newer release" in hub.said()


async def test_an_administrator_at_one_node_sees_and_ends_what_is_live_at_the_other(
    two_hubs: tuple[RunningHub, RunningHub], upstreams: Upstreams
) -> None:
    first, second = two_hubs
    rest = first.admin.rest
    first.admin.add_servers({"far": upstreams.stdio("far")})
    person = first.admin.user("bob")
    key = person.key()
    await until(lambda: knows(second, person), within=5, what="the second node knows bob")
    ide = Ide(f"{second.mcp}?mode=tools", key)
    await ide.open()
    await ide.follow()
    began = datetime.now(UTC) - timedelta(minutes=1)
    await ide.call("far__echo", text="here")
    hanging = asyncio.create_task(ide.call("far__hang"))

    await until(lambda: calls_of(rest, person) == ["hang"], within=10, what="the call under way is shown")
    answer = rest.send("GET", "/api/admin/session-stats").json()
    (session,) = [one for one in answer["data"] if one["userId"] == person.id]
    names = {node["id"]: node["name"] for node in answer["nodes"]}
    (runtime,) = [one for one in rest.get("/api/admin/upstream-sessions") if one["userId"] == person.id]
    assert sorted(names.values()) == ["first", "second"]
    assert [names[node] for node in (*session["nodes"], runtime["node"])] == ["second", "second"]
    await until(
        lambda: "echo" in tools_called(person, began), within=5, what="the user sees the call at the first node"
    )

    assert rest.send("DELETE", f"/api/admin/upstream-sessions/far/{runtime['id']}").status_code == 204
    assert (await hanging)["isError"]
    await until(
        lambda: runtime["id"] not in {one["id"] for one in rest.get("/api/admin/upstream-sessions")},
        within=10,
        what="the process is gone",
    )
    assert rest.send("DELETE", f"/api/admin/sessions/{session['id']}").status_code == 204
    await until(lambda: ide.stream_ended, within=3, what="the stream at the other node ends")
    await until(lambda: calls_of(rest, person) is None, within=3, what="the session is shown no more")
    await ide.close()


def calls_of(rest: Rest, person: Person) -> list[str] | None:
    """Tools of the calls under way in the person's only session, as the node that is asked shows it; None without."""
    for session in rest.get("/api/admin/session-stats"):
        if session["userId"] == person.id:
            return [call["tool"] for call in session["calls"]]
    return None


def tools_called(person: Person, since: datetime) -> list[str]:
    return [request["tool"] for request in person.rest.get("/api/requests", params={"from": since.isoformat()})]


def asked(ide: Ide) -> list[dict[str, Any]]:
    return [message for _, message in ide.messages if "id" in message]
