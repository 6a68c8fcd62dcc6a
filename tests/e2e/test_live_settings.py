"""A save of the settings document while sessions are open: applied at once, and to nobody else's harm."""

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from tests.support.ide import Ide
from tests.support.recorder import Recorder
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import slower, until

pytestmark = pytest.mark.slow

CHANGED = "notifications/tools/list_changed"


async def test_a_save_that_adds_servers_shows_within_a_second_and_touches_no_other_server(
    hub: RunningHub,
    admin: Admin,
    recorder: Recorder,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    far, near, plain, asking = (fresh_name(stem) for stem in ("far", "near", "plain", "asking"))
    serve({far: upstreams.http(far).config(), near: upstreams.stdio(near)})
    added = {
        plain: upstreams.http(plain, "one-more").config(),
        asking: upstreams.http(asking).config(headers={"X-Api-Key": "${USER_ASKED_KEY}"}),
    }
    person = make_user("watcher")

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        await ide.tools()
        before = [json.loads(await ide.text(f"{server}__whoami")) for server in (far, near)]
        await ide.follow()
        mark, saved = recorder.mark(), time.monotonic()
        await asyncio.to_thread(serve, added)
        answered = time.monotonic()

        await until(lambda: ide.heard(CHANGED, since=saved), within=3, what="list_changed")
        names = await ide.tool_names()
        after = [json.loads(await ide.text(f"{server}__whoami")) for server in (far, near)]

        assert ide.heard(CHANGED, since=saved)[0] - answered <= 1 * slower()
        assert f"{plain}__one-more" in names
        assert person.rest.get("/api/env-templates")[asking] == ["USER_ASKED_KEY"]
        for then, now in zip(before, after, strict=True):
            assert (now["pid"], now["session"]) == (then["pid"], then["session"])
        assert recorder.received(since=mark, event="initialize", where=lambda r: r.server in (far, near)) == []


async def test_a_value_saved_for_the_new_server_makes_its_tools_appear_and_reach_it(
    hub: RunningHub,
    upstreams: Upstreams,
    recorder: Recorder,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    asking = fresh_name("asking")
    serve({asking: upstreams.http(asking).config(headers={"X-Api-Key": "${USER_ASKED_KEY}"})})
    person = make_user("filler")

    async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
        await ide.follow()
        assert f"{asking}__echo" not in await ide.tool_names()
        saved = time.monotonic()
        await asyncio.to_thread(person.save, asking, USER_ASKED_KEY="value-of-the-filler")

        await until(lambda: ide.heard(CHANGED, since=saved), within=3, what="list_changed")
        assert f"{asking}__echo" in await ide.tool_names()
        await ide.text(f"{asking}__echo", text="x")
        assert recorder.calls(asking)[-1].facts["x-api-key"] == "value-of-the-filler"


async def test_a_changed_value_is_used_by_the_very_next_call_and_the_old_runtime_drains(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    near = fresh_name("near")
    serve({near: upstreams.stdio(near, env={"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"})})
    person = make_user("changer")
    person.save(near, USER_SERVICE_TOKEN="first-value")

    async with Ide(f"{hub.mcp}/{near}", person.key()) as ide:
        old = json.loads(await ide.text("whoami"))
        slow = asyncio.create_task(ide.text("sleep", ms=400, nonce="finished by the old one"))
        await asyncio.sleep(0)
        await asyncio.to_thread(person.save, near, USER_SERVICE_TOKEN="second-value")
        new = json.loads(await ide.text("whoami"))

        assert (old["facts"]["SERVICE_TOKEN"], new["facts"]["SERVICE_TOKEN"]) == ("first-value", "second-value")
        assert await slow == "finished by the old one"
        await until(lambda: not alive(hub, old["pid"]), within=5, what="the old process is gone")
        assert alive(hub, new["pid"])


def alive(hub: RunningHub, pid: int) -> bool:
    return any(process.pid == pid for process in hub.processes())


async def test_switching_a_tool_or_its_description_restarts_no_runtime(
    hub: RunningHub,
    admin: Admin,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    near = fresh_name("near")
    config = upstreams.stdio(near)
    serve({near: config})
    key = make_user("switcher").key()

    async with Ide(f"{hub.mcp}/{near}", key) as ide:
        before = json.loads(await ide.text("whoami"))
        switches = {"echo": {"enabled": False}, "get": {"enabled": True, "description": "Ours."}}
        await asyncio.to_thread(admin.add_servers, {near: {**config, "tools": switches}})
        tools = {tool["name"]: tool for tool in await ide.tools()}
        after = json.loads(await ide.text("whoami"))

        assert "echo" not in tools
        assert tools["get"]["description"] == "Ours."
        assert after["pid"] == before["pid"]


async def test_a_removed_server_ends_its_processes_and_is_an_unknown_name_at_once(
    hub: RunningHub,
    admin: Admin,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    near = fresh_name("near")
    serve({near: upstreams.stdio(near)})
    key = make_user("leaver").key()

    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        pid = json.loads(await ide.text(f"{near}__whoami"))["pid"]
        await asyncio.to_thread(admin.remove_servers, near)

        with pytest.raises(Exception, match="Unknown tool"):
            await ide.call(f"{near}__echo", text="x")
        await until(lambda: not alive(hub, pid), within=5, what="its process is gone")
