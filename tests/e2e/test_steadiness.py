"""Many users at once: everybody is served, and neither descriptors nor processes nor memory grow with the calls."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import Ide
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

USERS, CALLS = 10, 5


def processes(hub: RunningHub) -> int:
    """Without the database's, whose pools grow and shrink with the work."""
    return sum(not each.command.startswith("postgres") for each in hub.processes())


def descriptors(hub: RunningHub) -> int:
    """Without connections to the database."""
    backends = sum(" [local] " in each.command or "127.0.0.1(" in each.command for each in hub.processes())
    return len(os.listdir(f"/proc/{hub.pid}/fd")) - backends


def connections(hub: RunningHub) -> int:
    """Sockets of the hub that go to clients and servers."""
    own = {os.readlink(f"/proc/{hub.pid}/fd/{name}") for name in listed(f"/proc/{hub.pid}/fd")}
    rows = [line.split() for line in Path(f"/proc/{hub.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] != LISTENING and f"socket:[{row[9]}]" in own for row in rows)


LISTENING = "0A"


def listed(folder: str) -> list[str]:
    """Descriptors that are still there a moment later."""
    return [name for name in os.listdir(folder) if os.path.lexists(f"{folder}/{name}")]


def resident_mb(hub: RunningHub) -> float:
    return int(Path(f"/proc/{hub.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def sessions_live(hub: RunningHub) -> int:
    return len(hub.admin.rest.get("/api/admin/session-stats"))


def runtimes(hub: RunningHub) -> list[tuple[str, str]]:
    """(server, user) of everything that is open at servers."""
    found = hub.admin.rest.get("/api/admin/upstream-sessions")
    return sorted((each["server"], each["userId"]) for each in found)


@pytest.mark.parametrize(
    "windows",
    [
        pytest.param(2, id="100 calls, 20 sessions"),
        pytest.param(20, id="1,000 calls, 200 sessions", marks=pytest.mark.thorough),
    ],
)
async def test_many_calls_and_sessions_leave_everything_where_it_was(
    windows: int, start_hub: StartHub, upstreams: Upstreams
) -> None:
    hub = start_hub(MCPHUB_SESSION_IDLE="3")
    hub.admin.add_servers({"far": upstreams.http("crowded").config(), "near": upstreams.stdio("crowded-near")})
    people: list[Person] = [hub.admin.user(f"user-{number}") for number in range(USERS)]
    keys = [person.key() for person in people]
    await storm(hub, keys)
    await until(lambda: not sessions_live(hub), within=60, what="the sessions are over")
    before, sockets, files = processes(hub), connections(hub), descriptors(hub)
    await storm(hub, keys * (windows // 2))
    memory = resident_mb(hub)

    answers = await storm(hub, keys * windows)

    assert len(answers) == USERS * windows * CALLS
    assert answers.count("ok") == len(answers)
    await until(lambda: not sessions_live(hub), within=60, what="sessions that nobody uses are freed")
    near = sorted(("near", person.id) for person in people)
    await until(lambda: runtimes(hub) == near, within=30, what="their conversations are over")
    assert processes(hub) == before
    # A connection to a server may be used again for some seconds.
    await until(lambda: connections(hub) <= sockets, within=60, what="connections are closed")
    await until(lambda: descriptors(hub) <= files + 4, within=10, what="descriptors are where they were")
    assert resident_mb(hub) <= memory + 20


async def storm(hub: RunningHub, keys: list[str]) -> list[str]:
    """Windows that all call at once; half of them end their sessions, half are just gone."""
    windows = [Ide(f"{hub.mcp}?mode=tools", key) for key in keys]
    try:
        await asyncio.gather(*(ide.open() for ide in windows))
        done = await asyncio.gather(*(conversation(ide) for ide in windows))
    finally:
        await asyncio.gather(*(ide.close() for ide in windows[::2]))
        await asyncio.gather(*(ide.http.aclose() for ide in windows[1::2]))
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
