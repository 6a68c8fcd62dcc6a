"""How much the hub writes: a line for what an operator wants to know, none more than a request."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import Ide
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CALLS = 1000


@pytest.fixture
def own_hub(start_hub: StartHub, upstreams: Upstreams) -> Iterator[RunningHub]:
    hub = start_hub()
    hub.admin.add_servers({"far": upstreams.http("logged").config()})
    return hub


def ended(hub: RunningHub, ide: Ide) -> bool:
    """Lines of calls are written together, a moment later."""
    return any(line.get("request_id") == ide.request_ids[-1] for line in hub.lines())


async def test_a_thousand_calls_write_at_most_a_thousand_info_lines_each_with_a_request_id(
    own_hub: RunningHub,
) -> None:
    key = own_hub.admin.user("caller").key()
    async with Ide(f"{own_hub.mcp}?mode=tools", key) as ide:
        await ide.tools()
        await ide.text("far__echo", text="opened")
        await until(lambda: ended(own_hub, ide), within=5, what="the line of that call is written")
        before = len(own_hub.lines())

        for _ in range(CALLS // 20):
            await asyncio.gather(*(ide.text("far__echo", text="x") for _ in range(20)))

        await until(lambda: ended(own_hub, ide), within=5, what="the line of the last call is written")
        written = own_hub.lines()[before:]
    info = [line for line in written if line["level"] != "debug"]
    assert len(ide.request_ids) == len(set(ide.request_ids)) == CALLS + 3
    assert len(info) <= CALLS
    assert [line for line in info if not line.get("request_id")] == []
    assert [line for line in written if line["level"] == "debug"] == []


@pytest.mark.thorough
async def test_start_server_session_and_command_have_a_line_each(own_hub: RunningHub) -> None:
    key = own_hub.admin.user("seen").key()
    async with Ide(f"{own_hub.mcp}/far", key) as ide:
        await ide.text("echo", text="x")

    events = [line["event"] for line in own_hub.lines()]

    assert events.count("hub_started") == 1
    for event in ("server_connected", "session_opened", "session_closed", "command_committed"):
        assert event in events, sorted(set(events))


@pytest.mark.thorough
async def test_the_same_lines_are_on_the_administrators_page(own_hub: RunningHub) -> None:
    page = own_hub.admin.rest.get("/api/logs", params={"q": "hub_started"})

    assert [line["event"] for line in page] == ["hub_started"]
