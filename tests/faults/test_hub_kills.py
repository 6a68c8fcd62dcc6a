"""kill -9 in the middle of changes and calls: nothing acknowledged is lost, nothing received is unrecorded.

Seeded; the seed is in the name of the test. The long form is `./hub test tests/faults -m soak`.
"""

import asyncio
import os
import random
import signal

import psycopg
import pytest

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.support.busy import Busy
from tests.support.command import mcphub
from tests.support.oracles import (
    ledger_is_gapless,
    not_exactly_once,
    unbalanced,
    without_start_and_one_end,
)
from tests.support.owners import running
from tests.support.recorder import Recorder
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.slow

READY_WITHIN_S = 15
SEEDED = [
    pytest.param(2, 20260301, id="2-kills-seed-20260301"),
    pytest.param(4, 20260302, id="4-kills-seed-20260302", marks=pytest.mark.thorough),
    pytest.param(20, 7, id="20-kills-seed-7", marks=pytest.mark.soak),
    pytest.param(20, 8, id="20-kills-seed-8", marks=pytest.mark.soak),
]


@pytest.fixture
def busy(hub: RunningHub, upstreams: Upstreams) -> Busy:
    hub.admin.add_servers({"far": upstreams.http("far").config(), "near": upstreams.stdio("near")})
    return Busy(hub.admin.user("caller"), hub.admin.user("writer"), hub.mcp, ["far__sleep", "near__sleep"])


def dsn(hub: RunningHub) -> str:
    return EmbeddedPostgres.reach(hub.home).dsn("postgres")


async def some_work(busy: Busy, chance: random.Random) -> None:
    """Waits until calls and changes are under way, and then a moment nobody can foresee."""
    changes, calls = len(busy.acknowledged) + 3, {tool: busy.answered[tool] + 3 for tool in busy.tools}
    await until(
        lambda: len(busy.acknowledged) >= changes and all(busy.answered[tool] >= calls[tool] for tool in calls),
        within=30,
        what=lambda: f"work is under way: {busy}",
    )
    await asyncio.sleep(chance.uniform(0, 0.05))


def kill_behind_an_append(hub: RunningHub) -> None:
    """The moment between a change being in the ledger and its answer, as well as it can be met from outside."""
    with psycopg.connect(dsn(hub), autocommit=True) as db:
        statement = "select position from ledger_head"
        before = db.execute(statement, prepare=True).fetchone()
        while db.execute(statement, prepare=True).fetchone() == before:
            pass
        hub.kill()


def unanswered(hub: RunningHub, busy: Busy) -> int:
    """Changes that are in the ledger although nobody was told so."""
    with psycopg.connect(dsn(hub)) as db:
        made = {group for (group,) in db.execute("select data ->> 'group_id' from ledger where type = 'GroupCreated'")}
    return len(made - set(busy.acknowledged))


def check(hub: RunningHub, busy: Busy, recorder: Recorder) -> None:
    """The oracles, once the hub is ready again and nobody works."""
    calls = recorder.calls()
    assert {call.server for call in calls} == {"far", "near"}, str(busy)

    def wrong() -> list[object]:
        return [*without_start_and_one_end(dsn(hub), calls), *unbalanced(dsn(hub))]

    eventually(lambda: wrong() == [], within=10, what=lambda: f"one start, one end: {wrong()[:5]}")
    assert not_exactly_once(dsn(hub), "GroupCreated", "group_id", busy.acknowledged) == []
    assert ledger_is_gapless(dsn(hub))


@pytest.mark.parametrize(("kills", "seed"), SEEDED)
async def test_a_killed_hub_loses_nothing_and_leaves_no_process(
    hub: RunningHub, busy: Busy, recorder: Recorder, kills: int, seed: int
) -> None:
    chance = random.Random(seed)
    children: set[int] = set()
    busy.start()

    for number in range(kills):
        await some_work(busy, chance)
        children |= {call.pid for call in recorder.calls("near")}
        await asyncio.to_thread(kill_behind_an_append if number % 2 else RunningHub.kill, hub)
        await until(lambda: not hub.processes(), within=10, what=lambda: f"nothing of it runs: {hub.processes()}")
        hub.launch()
        await asyncio.to_thread(hub.wait_ready, READY_WITHIN_S)
    await some_work(busy, chance)
    await busy.stop()

    await asyncio.to_thread(check, hub, busy, recorder)
    if kills > 10:
        assert await asyncio.to_thread(unanswered, hub, busy) > 0, "no kill came between append and answer"
    await asyncio.to_thread(mcphub, "verify", home=hub.home, env=hub.env)
    await asyncio.to_thread(mcphub, "rebuild", "--check", home=hub.home, env=hub.env)
    assert await asyncio.to_thread(hub.stop) == 0
    assert hub.processes() == []
    assert [pid for pid in children if running(pid)] == []


@pytest.mark.parametrize(("kills", "seed"), SEEDED)
@pytest.mark.thorough
async def test_a_killed_database_server_comes_back_and_nothing_is_lost(
    hub: RunningHub, busy: Busy, recorder: Recorder, kills: int, seed: int
) -> None:
    chance = random.Random(seed)
    hub_pid = hub.pid
    busy.start()

    for _ in range(kills):
        await some_work(busy, chance)
        enough = len(busy.acknowledged) + 4
        os.kill(hub.postmaster(), signal.SIGKILL)
        await until(lambda n=enough: len(busy.acknowledged) >= n, within=READY_WITHIN_S, what="it is writable again")
    await some_work(busy, chance)
    await busy.stop()

    assert hub.pid == hub_pid
    assert hub.process is not None
    assert hub.process.poll() is None
    await asyncio.to_thread(hub.wait_ready, READY_WITHIN_S)
    await asyncio.to_thread(check, hub, busy, recorder)
    await asyncio.to_thread(mcphub, "verify", home=hub.home, env=hub.env)
    assert await asyncio.to_thread(hub.stop) == 0
    assert hub.processes() == []
