"""Many users at once: everybody is served, and neither descriptors nor processes nor memory grow with the calls."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import Ide, sessions
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

USERS, WINDOWS, CALLS = 7, 10, 10


def descriptors(hub: RunningHub) -> int:
    return len(os.listdir(f"/proc/{hub.pid}/fd"))


def resident_mb(hub: RunningHub) -> float:
    return int(Path(f"/proc/{hub.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


async def test_seventy_windows_at_once_are_all_served_and_nothing_grows_with_the_calls(
    start_hub: StartHub, upstreams: Upstreams
) -> None:
    hub = start_hub()
    hub.admin.add_servers({"far": upstreams.http("crowded").config(), "near": upstreams.stdio("crowded-near")})
    people: list[Person] = [hub.admin.user(f"user-{number}") for number in range(USERS)]
    keys = [person.key() for person in people for _ in range(WINDOWS)]
    quiet = descriptors(hub)
    await storm(hub, keys)
    before = (len(hub.processes()), resident_mb(hub))

    answers = await storm(hub, keys)

    assert len(answers) == USERS * WINDOWS * CALLS
    assert answers.count("ok") == len(answers)
    # For each window of both rounds a connection at either side, some kept a while, and a pool for the database; a
    # descriptor a call would be 1,400.
    assert descriptors(hub) <= quiet + 4 * USERS * WINDOWS + 60
    assert len(hub.processes()) <= before[0] + 2
    assert resident_mb(hub) <= before[1] + 20


async def storm(hub: RunningHub, keys: list[str]) -> list[str]:
    async with sessions(f"{hub.mcp}?mode=tools", keys) as windows:
        done = await asyncio.gather(*(conversation(ide) for ide in windows))
    return [answer for answers in done for answer in answers]


async def conversation(ide: Ide) -> list[str]:
    tools = ("far__echo", "near__echo")
    return [await ide.text(tools[number % 2], text="ok") for number in range(CALLS)]


async def test_ended_sessions_free_what_they_held_at_the_servers(
    hub: RunningHub,
    upstreams: Upstreams,
    recorder: Recorder,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    far = fresh_name("far")
    serve({far: upstreams.http(far).config()})
    key = make_user("closer").key()

    for _ in range(3):
        async with Ide(f"{hub.mcp}/{far}", key) as ide:
            await ide.text("echo", text="x")

    await until(lambda: len(recorder.received(server=far, event="delete")) == 3, within=5, what="they are ended there")
    assert len(recorder.received(server=far, event="initialize")) == 3
