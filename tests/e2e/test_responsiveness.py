"""Heavy work beside the calls: a rebuild, password hashes, thousands of facts at once. Calls must not feel it."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import StartHub
from tests.support.ide import Ide
from tests.support.rest import Rest
from tests.support.running import ROOT, RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually, slower

pytestmark = pytest.mark.slow

FACTS = 20_000
SIGN_INS = 12
QUICK_S = 0.050
LATE_MS = 50.0


@pytest.fixture
def own_hub(start_hub: StartHub, upstreams: Upstreams) -> RunningHub:
    """At debug level it says when its event loop was more than 50 ms late."""
    hub = start_hub(MCPHUB_LOG_LEVEL="debug")
    hub.admin.add_servers({"far": upstreams.http("steady").config()})
    return hub


@pytest.fixture
def caller(own_hub: RunningHub) -> Iterator[Ide]:
    return Ide(f"{own_hub.mcp}/far", own_hub.admin.user("steady").key())


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


async def other_node_writes(hub: RunningHub) -> int:
    """In a process of its own, as another node does it; returns the last position."""
    dsn = EmbeddedPostgres.reach(hub.home).dsn("mcphub_app")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.other_node", dsn, hub.admin.id, str(FACTS)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return int(out)


def rebuild(hub: RunningHub) -> None:
    """Of every read table; returns when it is done."""
    rest = hub.admin.rest
    name = rest.get("/api/admin/projections")[0]["name"]
    rest.post(f"/api/admin/projections/{name}/rebuild", expect=202)
    eventually(
        lambda: all(found["state"] == "live" for found in rest.get("/api/admin/projections")),
        within=30,
        what="the rebuild has finished",
    )


def sign_in_wrongly(url: str, number: int) -> int:
    """Costs the hub a password hash."""
    nobody = Rest(url)
    answer = nobody.send("POST", "/api/auth/login", json={"username": f"nobody-{number}", "password": "wrong-Pass-1"})
    nobody.close()
    return answer.status_code


def late(hub: RunningHub) -> list[float]:
    """Milliseconds, each time the event loop came late."""
    return [line["ms"] for line in hub.lines(lambda line: line["event"] == "loop_late")]


@asynccontextmanager
async def bystander() -> AsyncIterator[list[float]]:
    """Afterwards holds how late, in milliseconds, a process was that had nothing to do in the meantime."""
    worst: list[float] = []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.bystander"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield worst
    finally:
        out, _ = await process.communicate(b"")  # which closes its input
    worst.append(float(out))


@pytest.mark.thorough
async def test_calls_stay_quick_and_served_while_facts_pour_in_tables_are_rebuilt_and_passwords_hashed(
    own_hub: RunningHub, caller: Ide
) -> None:
    await caller.open()
    await caller.text("echo", text="opened")
    before = len(late(own_hub))
    probe = Probe(caller)
    probing = asyncio.create_task(probe.run())

    async with bystander() as idle:
        position = await other_node_writes(own_hub)
        _, *statuses = await asyncio.gather(
            asyncio.to_thread(rebuild, own_hub),
            *(asyncio.to_thread(sign_in_wrongly, own_hub.url, number) for number in range(SIGN_INS)),
        )
    probing.cancel()
    await caller.close()

    reached = own_hub.admin.rest.send("GET", "/api/user/me", headers={"X-MCPHub-Min-Position": str(position)})
    assert position > FACTS
    assert reached.status_code == 200
    assert statuses == [401] * SIGN_INS
    assert probe.failed == []
    # On a busy machine even a process with nothing to do wakes late; the hub may not be later than that and 50 ms.
    assert max(late(own_hub)[before:], default=0.0) <= LATE_MS + idle[0]
    assert len(probe.took) > 100
    assert statistics.median(probe.took) <= QUICK_S * slower()
