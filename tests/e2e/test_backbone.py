"""The whole way of a change and of a call, once: what is saved is injected, answered, recorded, audited."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.support.ide import Ide
from tests.support.recorder import Recorder
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def far(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> str:
    """A server over HTTP that asks for a value."""
    name = fresh_name("far")
    serve({name: upstreams.http(name).config(headers={"Authorization": "Bearer ${USER_FAR_TOKEN}"})})
    return name


async def test_a_saved_value_reaches_the_server_with_the_callers_identity_and_nothing_of_the_client(
    hub: RunningHub, far: str, recorder: Recorder, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    person.save(far, USER_FAR_TOKEN="value-of-ann")
    group = person.group("my servers", far)
    key = person.key()

    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        ide.http.headers["Cookie"] = "mine=1"
        ide.http.headers["X-MCPHub-User-Id"] = "forged"
        text = await ide.text(f"{far}__echo", text="through")

    [call] = recorder.calls(far, "echo")
    assert text == "through"
    assert call.facts["authorization"] == "Bearer value-of-ann"
    assert call.facts["x-mcphub-user-id"] == person.id
    assert call.facts["x-mcphub-source-server"] == far
    assert call.facts["x-mcphub-user-groups"] == "my%20servers"
    assert call.facts["x-mcphub-request-id"] == ide.request_ids[-1]
    assert abs(int(call.facts["x-mcphub-timestamp"]) / 1000 - time.time()) < 60
    assert call.facts["traceparent"].startswith("00-")
    assert "cookie" not in call.facts
    assert not [value for value in call.facts.values() if key in value]
    assert group["slug"] == "my-servers"


async def test_the_call_is_in_the_history_with_what_an_operator_asks_for(
    hub: RunningHub, far: str, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    person = make_user("bea")
    person.save(far, USER_FAR_TOKEN="value-of-bea")
    key = person.key()

    async with Ide(f"{hub.mcp}?mode=tools", key, name="test-ide") as ide:
        await ide.text(f"{far}__echo", text="recorded")
        public_id = ide.request_ids[-1]

    def found() -> list[dict[str, Any]]:
        return [row for row in person.requests(tool="echo", server=far) if row["status"] != "Pending"]

    await until(lambda: len(found()) == 1, within=3, what="the call is in the history")
    [row] = found()
    assert row["status"] == "Completed"
    assert row["userId"] == person.id
    assert row["keyId"] == person.keys["ide"]["id"]
    assert (row["clientName"], row["era"], row["mode"]) == ("test-ide", "2025-11-25", "tools")
    assert row["ledgerPosition"] > 0
    assert row["credentialVersion"]
    assert 0 < row["durationMs"] < 5000
    assert "value-of-bea" not in str(row)
    assert row["requestId"] == public_id
    assert person.rest.get(f"/api/requests/{public_id}")["id"] == row["id"]
    [figures] = admin.rest.get("/api/requests/stats", params={"all": "true", "server": far, "tool": "echo"})
    assert (figures["count"], figures["errors"]) == (1, 0)
    assert figures["p50Ms"] == pytest.approx(row["durationMs"])


async def test_another_user_finds_neither_the_row_nor_its_figures(
    hub: RunningHub, far: str, make_user: Callable[[str], Person]
) -> None:
    caller, other = make_user("caller"), make_user("nosy")
    caller.save(far, USER_FAR_TOKEN="v")
    async with Ide(f"{hub.mcp}?mode=tools", caller.key()) as ide:
        await ide.text(f"{far}__echo", text="mine")
        public_id = ide.request_ids[-1]

    await until(lambda: caller.requests(tool="echo", server=far), within=3, what="the call is in the history")

    assert other.requests() == []
    other.rest.get(f"/api/requests/{public_id}", expect=404)
    other.rest.get("/api/requests", params={"all": "true"}, expect=403)


def test_every_change_is_in_the_audit_with_who_did_it_and_from_where(
    far: str, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    person = make_user("cyd")
    person.save(far, USER_FAR_TOKEN="value-of-cyd")

    entries = admin.audit(user=person.id)

    [saved] = [entry for entry in entries if entry["type"] == "ServiceTokenSaved" and person.id in str(entry)]
    assert (saved["actor"], saved["actorName"], saved["source"]) == (person.id, person.username, "api")
    assert saved["ip"] == "127.0.0.1"
    assert abs(datetime.fromisoformat(saved["at"]).timestamp() - time.time()) < 60
    assert "value-of-cyd" not in str(entries)
    assert [entry["position"] for entry in entries] == sorted((e["position"] for e in entries), reverse=True)
