"""Heavy work beside the calls: a rebuild, password hashes, thousands of facts at once. Calls must not feel it."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from mcphub.domain import events as facts
from mcphub.domain.actor import Meta
from mcphub.domain.codec import LedgerEvent, encode
from mcphub.domain.events import session_tag, user_tag
from mcphub.domain.ids import new_id
from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.ledger import Ledger
from mcphub.postgres.pool import command_pool
from tests.e2e.conftest import StartHub
from tests.support.ide import Ide
from tests.support.owners import eventually
from tests.support.rest import Rest
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

FACTS = 20_000
SLOWEST_S = 0.050


@pytest.fixture
def own_hub(start_hub: StartHub, upstreams: Upstreams) -> RunningHub:
    """At debug level it says when its event loop was late."""
    hub = start_hub(MCPHUB_LOG_LEVEL="debug")
    hub.admin.add_servers({"far": upstreams.http("steady").config()})
    return hub


def other_node_writes(hub: RunningHub, user_id: str, count: int) -> int:
    """Appends facts as another node of the same database would; returns the last position."""
    meta = encode(Meta(actor=user_id, source="ui", request_id=new_id(), command="Elsewhere"))
    anything = DCBAppendCondition(DCBQuery([DCBQueryItem(["Never"], ["never:matches"])]), after=None)

    def fact(number: int) -> LedgerEvent:
        session = new_id()
        event = facts.SignedIn(user_id=user_id, session_id=session)
        tags = sorted([user_tag(user_id), session_tag(session)])
        return LedgerEvent(type=event.TOPIC, data=encode(event), tags=tags, meta=meta)

    position = 0
    with command_pool(EmbeddedPostgres.reach(hub.home).dsn("mcphub_app"), size=1) as pool:
        ledger = Ledger(pool)
        for start in range(0, count, 2000):
            position = ledger.append([fact(number) for number in range(start, start + 2000)], anything)
    return position


class Probe:
    """Calls one tool again and again, a little pause between, and keeps how long each took and what failed."""

    def __init__(self, ide: Ide) -> None:
        self._ide = ide
        self.took: list[float] = []
        self.failed: list[str] = []

    async def run(self) -> None:
        while True:
            begun = time.perf_counter()
            try:
                await self._ide.text("echo", text="still here")
            except Exception as error:
                self.failed.append(str(error))
            self.took.append(time.perf_counter() - begun)
            await asyncio.sleep(0.005)


def sign_in_wrongly(url: str, number: int) -> int:
    """Costs the hub a password hash."""
    nobody = Rest(url)
    answer = nobody.send("POST", "/api/auth/login", json={"username": f"nobody-{number}", "password": "wrong-Pass-1"})
    nobody.close()
    return answer.status_code


def late(hub: RunningHub) -> list[float]:
    return [line["ms"] for line in hub.lines(lambda line: line["event"] == "loop_late")]


@pytest.fixture
def caller(own_hub: RunningHub) -> Iterator[Ide]:
    return Ide(f"{own_hub.mcp}/far", own_hub.admin.user("steady").key())


async def test_calls_stay_quick_and_served_while_facts_pour_in_tables_are_rebuilt_and_passwords_hashed(
    own_hub: RunningHub, caller: Ide
) -> None:
    await caller.open()
    await caller.text("echo", text="opened")
    before = len(late(own_hub))
    probe = Probe(caller)
    probing = asyncio.create_task(probe.run())

    position = await asyncio.to_thread(other_node_writes, own_hub, own_hub.admin.id, FACTS)
    rebuilding = asyncio.create_task(asyncio.to_thread(rebuild, own_hub))
    statuses = await asyncio.gather(*(asyncio.to_thread(sign_in_wrongly, own_hub.url, number) for number in range(12)))
    await rebuilding
    probing.cancel()
    await caller.close()

    reached = own_hub.admin.rest.send("GET", "/api/user/me", headers={"X-MCPHub-Min-Position": str(position)})
    probe.took.sort()
    assert reached.status_code == 200
    assert set(statuses) == {401}
    assert probe.failed == []
    assert len(probe.took) > 100
    assert late(own_hub)[before:] == []
    assert probe.took[int(len(probe.took) * 0.99)] <= SLOWEST_S


def rebuild(hub: RunningHub) -> None:
    """Of every read table, in the hub's own process; returns when it is done."""
    rest = hub.admin.rest
    name = rest.get("/api/admin/projections")[0]["name"]
    rest.post(f"/api/admin/projections/{name}/rebuild", expect=202)
    eventually(
        lambda: all(found["state"] == "live" for found in rest.get("/api/admin/projections")),
        within=30,
        what="the rebuild has finished",
    )
