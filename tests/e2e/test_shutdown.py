"""The end of a hub that is being used: calls finish, streams close, servers' processes go, and nothing is left open."""

import asyncio
import os
import signal

import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import Ide
from tests.support.recorder import Recorder
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.slow


@pytest.fixture
def used_hub(start_hub: StartHub, upstreams: Upstreams) -> RunningHub:
    """With one server of each transport."""
    hub = start_hub()
    hub.admin.add_servers({"far": upstreams.http("leaving").config(), "near": upstreams.stdio("staying")})
    return hub


async def ended(hub: RunningHub, within: float) -> int:
    """The exit code, without keeping this loop's clients from reading."""
    process = hub.process
    assert process is not None
    await until(lambda: process.poll() is not None, within=within, what="the hub has ended")
    return process.returncode


async def received(recorder: Recorder, nonce: str) -> None:
    await until(
        lambda: any(call.arguments.get("nonce") == nonce for call in recorder.calls()),
        within=10,
        what="the upstream has the call",
    )


@pytest.mark.parametrize("server", ["far", pytest.param("near", marks=pytest.mark.thorough)])
async def test_a_call_under_way_is_answered_and_its_stream_is_closed(
    used_hub: RunningHub, recorder: Recorder, server: str
) -> None:
    key = used_hub.admin.key()
    ide = Ide(used_hub.mcp, key)
    await ide.open()
    await ide.follow()
    calling = asyncio.create_task(ide.call(f"{server}__sleep", ms=1500, nonce=f"leaving-{server}"))
    await received(recorder, f"leaving-{server}")

    os.kill(used_hub.pid, signal.SIGTERM)
    answer = await calling
    code = await ended(used_hub, 10)

    assert not answer.get("isError")
    assert code == 0
    assert ide.stream_ended > 0
    eventually(lambda: not used_hub.processes(), within=5, what=f"nothing is left: {used_hub.processes()}")
    await ide.close()


@pytest.mark.thorough
async def test_a_call_that_takes_too_long_gets_an_end_when_the_hub_is_told_to_hurry(
    used_hub: RunningHub, recorder: Recorder
) -> None:
    key = used_hub.admin.key()
    ide = Ide(used_hub.mcp, key)
    await ide.open()
    calling = asyncio.create_task(ide.call("near__hang", nonce="never-ending"))
    await received(recorder, "never-ending")

    os.kill(used_hub.pid, signal.SIGTERM)
    # Two signals at once can be one: the system keeps no count of them.
    await until(
        lambda: bool(used_hub.lines(lambda line: line["event"] == "hub_draining")), within=5, what="the hub finishes"
    )
    os.kill(used_hub.pid, signal.SIGTERM)
    code = await ended(used_hub, 10)
    await asyncio.gather(calling, return_exceptions=True)
    await ide.close()

    assert code == 0
    eventually(lambda: not used_hub.processes(), within=5, what=f"nothing is left: {used_hub.processes()}")
    used_hub.start()
    [row] = used_hub.admin.all_requests(method="tools/call")
    assert row["status"] == "Interrupted"


@pytest.mark.thorough
async def test_a_session_goes_on_after_a_restart(used_hub: RunningHub) -> None:
    ide = Ide(used_hub.mcp, used_hub.admin.key())
    await ide.open()
    assert await ide.text("far__echo", text="before") == "before"

    used_hub.stop()
    used_hub.start()

    assert await ide.text("far__echo", text="after") == "after"
    await ide.close()
