"""What an IDE notices when something behind it is restarted: nothing, or one clear sentence."""

import asyncio
import json
import os
import signal
from collections.abc import Callable

import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import HttpError, Ide
from tests.support.owners import running
from tests.support.recorder import Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@pytest.mark.thorough
async def test_a_session_goes_on_after_the_hub_was_killed_and_started_again(
    start_hub: StartHub, upstreams: Upstreams
) -> None:
    hub = start_hub()
    hub.admin.add_servers({"far": upstreams.http("far").config(), "near": upstreams.stdio("near")})
    ide = Ide(f"{hub.mcp}?mode=tools", hub.admin.user("ann").key())
    await ide.open()
    tools = await ide.tools()
    await ide.follow()
    before = ide.session
    pid = json.loads(await ide.text("near__whoami"))["pid"]

    await asyncio.to_thread(hub.kill)
    await until(lambda: ide.stream_ended, within=5, what="the stream breaks")
    hub.launch()
    await asyncio.to_thread(hub.wait_ready)

    assert await ide.tools() == tools
    assert await ide.text("far__echo", text="still") == "still"
    assert json.loads(await ide.text("near__whoami"))["pid"] != pid
    assert not running(pid)
    await ide.follow()
    assert ide.session == before
    await ide.close()
    with pytest.raises(HttpError, match="404"):
        await Ide.request(again(ide, hub.mcp), "ping")


def again(ide: Ide, url: str) -> Ide:
    """The same session id, from a client that does not know it was deleted."""
    other = Ide(f"{url}?mode=tools", "")
    other.http.headers["Authorization"] = ide.http.headers["Authorization"]
    other.session, other.version = ide.session, ide.version
    return other


async def test_a_restarted_http_server_is_reopened_by_the_next_call(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    far = fresh_name("far")
    server = upstreams.http(far)
    serve({far: server.config()})

    async with Ide(f"{hub.mcp}/{far}", make_user("ann").key()) as ide:
        first = json.loads(await ide.text("whoami"))
        await asyncio.to_thread(server.kill)
        gone = await ide.call("echo", text="nobody there")
        await asyncio.to_thread(server.start)
        second = await eventually_answers(ide, "whoami")

        assert gone["isError"]
        assert far in gone["content"][0]["text"]
        assert second["pid"] != first["pid"]


async def test_a_killed_child_is_started_again_and_the_call_it_took_along_says_the_outcome_is_unknown(
    hub: RunningHub,
    upstreams: Upstreams,
    recorder: Recorder,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    near = fresh_name("near")
    serve({near: upstreams.stdio(near)})

    async with Ide(f"{hub.mcp}/{near}", make_user("ann").key()) as ide:
        pid = json.loads(await ide.text("whoami"))["pid"]
        call = asyncio.create_task(ide.call("hang"))
        await until(lambda: recorder.calls(near, "hang"), within=5, what="the call is under way")
        os.kill(pid, signal.SIGKILL)
        ended = await call
        again = await eventually_answers(ide, "whoami")

        assert ended["isError"]
        assert "unknown" in ended["content"][0]["text"]
        assert again["pid"] != pid
        assert len(recorder.calls(near, "hang")) == 1, "a call that may have run was sent again"


async def test_a_server_that_is_down_neither_delays_nor_hides_the_others(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    up, down = fresh_name("up"), fresh_name("down")
    dead = upstreams.http(down)
    dead.kill()
    serve({up: upstreams.http(up).config(), down: dead.config()})
    person = make_user("ann")
    person.group("both", up, down)

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        names = await ide.tool_names()
        refused = await ide.call(f"{down}__echo", text="x")
        answered = await ide.text(f"{up}__echo", text="x")
        dead.start()
        back = await eventually_answers(ide, f"{down}__whoami")

    assert f"{up}__echo" in names
    assert not [name for name in names if name.startswith(down)]
    assert refused["isError"]
    assert answered == "x"
    assert back["pid"] > 0


async def eventually_answers(ide: Ide, tool: str) -> dict[str, object]:
    """What `whoami` says as soon as it says something; a server that was gone may be left alone for some seconds."""
    async with asyncio.timeout(15):
        while True:
            result = await ide.call(tool)
            if not result.get("isError"):
                seen: dict[str, object] = json.loads(result["content"][0]["text"])
                return seen
            await asyncio.sleep(0.1)


@pytest.mark.thorough
async def test_a_server_that_is_down_when_the_hub_starts_is_back_by_itself(
    start_hub: StartHub, upstreams: Upstreams
) -> None:
    hub = start_hub()
    far = upstreams.http("far-later")
    hub.admin.add_servers({"far": far.config()})
    person = hub.admin.user("ann")
    key = person.key()
    far.kill()
    assert await asyncio.to_thread(hub.stop) == 0
    await asyncio.to_thread(hub.start)

    def state() -> dict[str, object]:
        [found] = hub.admin.rest.get("/api/admin/upstream-status")
        return dict(found)

    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        await ide.follow()
        missing = await ide.tool_names()
        down = state()
        far.start()
        # No request of a client, and none of a person, makes it come back.
        await until(lambda: ide.heard("notifications/tools/list_changed"), within=30, what="the client is told")
        up = state()
        names = await ide.tool_names()

    assert missing == []
    assert (down["state"], up["state"], up["error"], up["nextRetryAt"]) == ("error", "connected", None, None)
    assert down["error"]
    assert str(down["since"]) < str(down["nextRetryAt"])
    assert str(down["since"]) < str(up["since"])
    assert "far__echo" in names

    def rows() -> list[tuple[object, ...]]:
        found = person.requests(method="tools/list")
        return [(row["shown"], row["filtered"], row["leftOut"], row["ledgerPosition"] is not None) for row in found]

    nothing = {"items": {}, "servers": {}, "stale": {}}
    wanted = [(len(names), 0, nothing, True), (0, 0, {**nothing, "servers": {"unavailable": 1}}, True)]
    await until(lambda: len(rows()) == 2, within=10, what="each list has its row")
    assert rows() == wanted
