"""Deactivating a user is felt within a second, wherever that user is."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.ide import HttpError, Ide
from tests.support.owners import running
from tests.support.recorder import Recorder
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import slower, until

pytestmark = pytest.mark.slow


async def test_calls_sessions_streams_and_processes_of_a_deactivated_user_end_within_a_second(
    hub: RunningHub,
    admin: Admin,
    recorder: Recorder,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    far, near, deaf = fresh_name("far"), fresh_name("near"), fresh_name("deaf")
    serve(
        {
            far: upstreams.http(far).config(),
            near: upstreams.stdio(near),
            deaf: upstreams.stdio(deaf, deaf=True),
        }
    )
    leaver, stayer = make_user("leaver"), make_user("stayer")
    ide, other = Ide(f"{hub.mcp}?mode=tools", leaver.key()), Ide(f"{hub.mcp}?mode=tools", stayer.key())
    await asyncio.gather(ide.open(), other.open())
    await ide.follow()
    await other.follow()
    own = {child(hub, json.loads(await ide.text(f"{server}__whoami"))["pid"]) for server in (near, deaf)}
    own |= {process.pid for process in hub.processes() if process.parent in own}
    foreign = json.loads(await other.text(f"{near}__whoami"))["pid"]
    ended: dict[str, float] = {}
    calls = [asyncio.create_task(hang(ide, f"{server}__hang", ended)) for server in (far, near, deaf)]
    await until(
        lambda: len([c for c in recorder.calls(tool="hang") if c.server in (far, near, deaf)]) == 3,
        within=5,
        what="three calls are under way",
    )

    await asyncio.to_thread(admin.set_active, leaver, False)
    answered = time.monotonic()

    def over() -> bool:
        return bool(len(ended) == 3 and ide.stream_ended and not any(running(pid) for pid in own))

    await until(over, within=5, what="calls, stream and processes end")
    assert time.monotonic() - answered <= 1 * slower()
    assert recorder.received(server=far, where=lambda r: r.event in ("gone", "delete") or "cancelled" in r.method)
    with pytest.raises(HttpError, match="401"):
        await ide.tools()
    with pytest.raises(HttpError, match="401"):
        await Ide(hub.mcp, leaver.key()).open()
    assert leaver.rest.send("GET", "/api/user/me").status_code in (401, 403)
    assert (other.stream_ended, running(foreign)) == (0, True)
    assert await other.text(f"{near}__echo", text="still here") == "still here"
    statuses = [row["status"] for row in admin.all_requests(user=leaver.id) if row["tool"] == "hang"]
    assert len(statuses) == 3
    assert "Pending" not in statuses
    await asyncio.gather(*calls, ide.close(), other.close())


def child(hub: RunningHub, pid: int) -> int:
    """The process, which must be one of the hub's."""
    assert pid in {process.pid for process in hub.processes()}
    return pid


async def hang(ide: Ide, tool: str, ended: dict[str, float]) -> Any:
    try:
        return await ide.call(tool)
    except Exception as error:
        return error
    finally:
        ended[tool] = time.monotonic()


async def test_activation_makes_the_key_work_again_but_revives_no_session(
    hub: RunningHub, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    person = make_user("returner")
    ide = Ide(hub.mcp, person.key())
    await ide.open()

    await asyncio.to_thread(admin.set_active, person, False)
    await asyncio.to_thread(admin.set_active, person, True)

    with pytest.raises(HttpError, match="404"):
        await ide.tools()
    async with Ide(hub.mcp, person.key()) as again:
        await again.request("ping")


async def test_a_revoked_key_ends_its_sessions_and_leaves_the_users_other_key_alone(
    hub: RunningHub, make_user: Callable[[str], Person]
) -> None:
    person = make_user("rotator")
    lost, kept = Ide(hub.mcp, person.key("lost")), Ide(hub.mcp, person.key("kept"))
    await asyncio.gather(lost.open(), kept.open())
    await asyncio.gather(lost.follow(), kept.follow())

    await asyncio.to_thread(person.rest.delete, f"/api/oauth/keys/{person.keys['lost']['id']}")
    answered = time.monotonic()

    await until(lambda: lost.stream_ended, within=3, what="the stream of the revoked key ends")
    assert lost.stream_ended - answered <= 1 * slower()
    with pytest.raises(HttpError, match="401"):
        await lost.request("ping")
    assert kept.stream_ended == 0
    await kept.request("ping")
    await asyncio.gather(lost.close(), kept.close())
