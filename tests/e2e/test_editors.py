"""Cursor, Claude Code and VS Code in front of the hub: what a day with them is like, and two windows with one key."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.editors import EDITORS, Editor, GivesUp, VSCode
from tests.support.owners import running
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

each = pytest.mark.parametrize("editor", EDITORS, ids=lambda editor: editor.label)


@dataclass
class Day:
    """What one client saw before and after its hub was killed."""

    client: Editor
    tools: list[dict[str, Any]]
    session: str
    answers: list[str]  # of the server over HTTP
    pids: list[int]  # of the server over stdio
    tools_after: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)  # of the history


@pytest.fixture(scope="module")
def days(
    make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams
) -> Iterator[dict[str, Day]]:
    """All of them in front of one hub of their own, which is killed once and started again."""
    hub = RunningHub(make_home(), tmp_path_factory.mktemp("editors"))
    try:
        hub.start()
        hub.admin.add_servers({"far": upstreams.http("far").config(), "near": upstreams.stdio("near")})
        yield asyncio.run(lived(hub))
    finally:
        hub.end()


async def lived(hub: RunningHub) -> dict[str, Day]:
    people = [hub.admin.user(editor.__name__.lower()) for editor in EDITORS]
    async with AsyncExitStack() as windows:
        ides = [
            await windows.enter_async_context(editor(hub.mcp, person.key()))
            for editor, person in zip(EDITORS, people, strict=True)
        ]
        found = [await morning(ide) for ide in ides]
        await asyncio.to_thread(hub.kill)
        await until(lambda: not any(ide.hears for ide in ides), within=10, what="every stream breaks")
        hub.launch()
        await asyncio.to_thread(hub.wait_ready)
        await asyncio.gather(*(afternoon(day) for day in found))
        since = time.monotonic()
        await ides[0].call("far__grow", name="grown")
        await until(
            lambda: all(ide.heard("notifications/tools/list_changed", since) for ide in ides),
            within=20,
            what="each hears of a new tool on its old session",
        )
    for day, person in zip(found, people, strict=True):
        day.rows = person.requests()
    return {day.client.label: day for day in found}


async def morning(ide: Editor) -> Day:
    tools = await listed(ide, "far__echo", "near__echo")
    pid = json.loads(await ide.text("near__whoami"))["pid"]
    return Day(ide, tools, ide.session, [await ide.text("far__echo", text="before")], [pid])


async def afternoon(day: Day) -> None:
    ide = day.client
    day.answers.append(await ide.text("far__echo", text="after"))
    day.tools_after = await listed(ide, "far__echo", "near__echo")
    day.pids.append(json.loads(await ide.text("near__whoami"))["pid"])
    await ide.hear_again()


async def listed(ide: Editor, *names: str) -> list[dict[str, Any]]:
    """Its list, once these are in it: a server that is slow to start may be late for the first one."""
    async with asyncio.timeout(30):
        while True:
            tools = await ide.tools()
            if set(names) <= {tool["name"] for tool in tools}:
                return tools
            await asyncio.sleep(0.1)


@each
def test_it_connects_lists_and_calls_and_goes_on_with_its_session_after_the_hub_was_killed(
    days: dict[str, Day], editor: type[Editor]
) -> None:
    day = days[editor.label]

    assert [tool["name"] for tool in day.tools if not day.client.shown(tool["name"])] == [], "names it drops"
    assert day.answers == ["before", "after"]
    assert day.tools_after == day.tools
    assert day.client.session == day.session
    assert day.client.sent.count(("POST", "initialize")) == 1
    assert day.pids[0] != day.pids[1]
    assert not running(day.pids[0])
    assert {(row["clientName"], row["clientVersion"]) for row in day.rows} == {
        (editor.info["name"], editor.info["version"])
    }


@each
async def test_two_windows_with_one_key_are_two_sessions_and_closing_one_leaves_the_other(
    hub: RunningHub,
    upstreams: Upstreams,
    recorder: Recorder,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
    editor: type[Editor],
) -> None:
    far, near, apart = fresh_name("far"), fresh_name("near"), fresh_name("apart")
    serve(
        {
            far: upstreams.http(far).config(),
            near: upstreams.stdio(near),
            apart: upstreams.stdio(apart, perSessionClient=True),
        }
    )
    person = make_user("windows")
    person.group("mine", far, near, apart)
    key = person.key()

    async with editor(hub.mcp, key) as right:
        async with editor(hub.mcp, key) as left:
            for ide, topic in ((left, "left"), (right, "right")):
                for server in (far, near, apart):
                    await ide.call(f"{server}__put", key="topic", value=topic)
            kept = {server: await remembered(server, left, right) for server in (far, near, apart)}
            processes = {server: await pids(server, left, right) for server in (near, apart)}
            sessions = {left.session, right.session}

        still = json.loads(await right.text(f"{far}__get", key="topic"))
        alone = {server: await pids(server, right) for server in (near, apart)}
        await right.call(f"{far}__grow", name="grown")
        await until(lambda: right.heard("notifications/tools/list_changed"), within=10, what="the other window hears")

        assert len(sessions) == 2
        assert kept == {far: ["left", "right"], near: ["right", "right"], apart: ["left", "right"]}
        assert len(recorder.received(server=far, event="initialize")) == 2
        assert processes[near][0] == processes[near][1], "one user's sessions share a process"
        assert processes[apart][0] != processes[apart][1], "perSessionClient gives each its own"
        assert still == "right"
        assert alone == {server: pair[1:] for server, pair in processes.items()}
    if editor is VSCode:
        for pid in processes[apart]:
            await until(lambda pid=pid: not running(pid), within=10, what="a deleted session's process ends")
        assert running(processes[near][0])


async def remembered(server: str, *windows: Editor) -> list[Any]:
    return [json.loads(await ide.text(f"{server}__get", key="topic")) for ide in windows]


async def pids(server: str, *windows: Editor) -> list[int]:
    return [json.loads(await ide.text(f"{server}__whoami"))["pid"] for ide in windows]


@each
async def test_a_session_that_is_gone_for_good_is_what_each_of_them_takes_for_a_broken_server(
    hub: RunningHub, make_user: Callable[[str], Person], editor: type[Editor]
) -> None:
    """Nothing else here may be answered like that; the test is that these clients would notice."""
    async with editor(hub.mcp, make_user("gone").key()) as ide:
        await ide.http.delete(hub.mcp, headers={"Mcp-Session-Id": ide.session})

        with pytest.raises(GivesUp, match=r"404, so it (begins a new session|shows the server as failed)"):
            await ide.request("ping")
        await until(lambda: not ide.hears, within=10, what="its stream ends")
        with pytest.raises(GivesUp, match="405"):
            await ide.hear_again()
