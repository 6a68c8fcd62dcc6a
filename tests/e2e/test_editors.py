"""Cursor, Claude Code and VS Code in front of the hub: what a day with them is like, and two windows with one key."""

import asyncio
import json
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def own_hub(
    make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams
) -> Iterator[RunningHub]:
    """One that each client's test kills, with a server over HTTP and one over stdio."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("editors"))
    try:
        running.start()
        running.admin.add_servers({"far": upstreams.http("far").config(), "near": upstreams.stdio("near")})
        yield running
    finally:
        running.end()


@each
async def test_it_connects_lists_and_calls_and_goes_on_with_its_session_after_the_hub_was_killed(
    own_hub: RunningHub, editor: type[Editor]
) -> None:
    person = own_hub.admin.user(editor.label.replace(" ", "-").lower())
    async with editor(own_hub.mcp, person.key()) as ide:
        session = ide.session
        tools = await listed(ide, "far__echo", "near__echo")
        pid = json.loads(await ide.text("near__whoami"))["pid"]
        before = await ide.text("far__echo", text="before")

        await asyncio.to_thread(own_hub.kill)
        await until(lambda: not ide.hears, within=10, what="its stream breaks")
        own_hub.launch()
        await asyncio.to_thread(own_hub.wait_ready)

        after = await ide.text("far__echo", text="after")
        again = await listed(ide, "far__echo", "near__echo")
        successor = json.loads(await ide.text("near__whoami"))["pid"]
        await ide.hear_again()
        await ide.call("far__grow", name=f"grown_{editor.__name__.lower()}")
        await until(lambda: ide.heard("notifications/tools/list_changed"), within=10, what="it hears of a new tool")

        assert [tool["name"] for tool in tools if not ide.shown(tool["name"])] == [], "names this client drops"
        assert (before, after) == ("before", "after")
        assert again == tools
        assert ide.session == session
        assert ide.sent.count(("POST", "initialize")) == 1
        assert successor != pid
        assert not running(pid)
    rows = person.requests()
    assert {(row["clientName"], row["clientVersion"]) for row in rows} == {(ide.info["name"], ide.info["version"])}


async def listed(ide: Editor, *names: str) -> list[dict[str, Any]]:
    """Its list, once these are in it: a server that is slow to start may be late for the first one."""
    async with asyncio.timeout(30):
        while True:
            tools = await ide.tools()
            if set(names) <= {tool["name"] for tool in tools}:
                return tools
            await asyncio.sleep(0.1)


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
