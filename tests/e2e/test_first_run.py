"""The first minutes with a hub: `./hub up`, a call through `/mcp`, a clean end, and a quick second start."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.ide import HttpError, Ide
from tests.support.rest import Rest
from tests.support.running import ROOT, RunningHub
from tests.support.waiting import eventually, slower

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo_hub(make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub started as the README says, with the demo."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("demo"), demo=True)
    try:
        yield running.start(sys.executable, str(ROOT / "hub"))
    finally:
        running.end()


async def first_answer(hub: RunningHub, key: str) -> None:
    async with Ide(hub.mcp, key) as ide:
        names = await ide.tool_names()
        assert (
            await ide.text(
                next(name for name in names if name.endswith("days_between")), first="2026-01-01", second="2026-01-31"
            )
            == "30"
        )


async def test_a_fresh_home_answers_a_call_with_the_printed_key_and_no_other_step(demo_hub: RunningHub) -> None:
    await first_answer(demo_hub, demo_hub.demo_key())

    assert demo_hub.url in demo_hub.said()


async def test_the_demo_user_sees_the_demo_server_only_and_administers_nothing(demo_hub: RunningHub) -> None:
    key = demo_hub.demo_key()
    script = Rest(demo_hub.url, key)

    async with Ide(demo_hub.mcp, key) as ide:
        names = await ide.tool_names()

    assert {name.split("__")[0] for name in names} == {names[0].split("__")[0]}
    assert script.get("/api/user/me", expect=403)["code"] == "key_not_allowed"


def test_the_key_is_in_no_log_line(demo_hub: RunningHub) -> None:
    assert demo_hub.demo_key() not in demo_hub.err.read_text()


async def test_it_ends_cleanly_and_the_second_start_answers_a_call_within_three_seconds(demo_hub: RunningHub) -> None:
    key = demo_hub.demo_key()

    code = demo_hub.stop()

    assert code == 0
    eventually(lambda: not demo_hub.processes(), within=5, what=f"no process is left: {demo_hub.processes()}")
    begun = time.monotonic()
    demo_hub.launch(sys.executable, str(ROOT / "hub"))
    while True:
        try:
            await first_answer(demo_hub, key)
            break
        except (httpx.TransportError, HttpError):
            assert time.monotonic() - begun < 30 * slower(), demo_hub.said()[-2000:]
            await asyncio.sleep(0.02)
    assert time.monotonic() - begun <= 3 * slower()


async def test_one_command_removes_the_demo_user_key_and_server(demo_hub: RunningHub) -> None:
    key = demo_hub.demo_key()

    command = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("mcphub")),
        "demo",
        "remove",
        "--home",
        str(demo_hub.home),
        env=demo_hub.env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await command.communicate()

    assert command.returncode == 0, (out, err)
    with pytest.raises(HttpError, match="401"):
        await Ide(demo_hub.mcp, key).open()
    assert demo_hub.admin.rest.get("/api/servers") == []
    assert [user["username"] for user in demo_hub.admin.rest.get("/api/admin/users/list")] == ["admin"]


def test_a_hub_that_runs_refuses_a_second_one_on_its_home_with_one_clear_line(
    demo_hub: RunningHub, tmp_path: Path
) -> None:
    second = RunningHub(demo_hub.home, tmp_path)

    second.launch()
    assert second.process is not None
    code = second.process.wait(20)

    assert code == 1
    assert str(demo_hub.pid) in second.said()
    assert len(second.said().strip().splitlines()) == 1
