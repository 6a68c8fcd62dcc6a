"""Many at work at once, and one who asks for more than a share: everybody else is answered.

How long they wait is measured by `./hub bench seventy` and `./hub bench neighbours`.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from tests.support.ide import HttpError, Ide, RpcError, sessions
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

BAR = 0.999
IN_FLIGHT = 150  # 32 run and 64 wait


@pytest.mark.parametrize(
    ("users", "seconds"), [pytest.param(6, 3, id="short"), pytest.param(70, 60, id="long", marks=pytest.mark.soak)]
)
@pytest.mark.thorough
async def test_mixed_lists_and_calls_of_many_users_are_answered(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
    users: int,
    seconds: float,
) -> None:
    far, near = fresh_name("many-far"), fresh_name("many-near")
    serve({far: upstreams.http(far).config(), near: upstreams.stdio(near)})
    keys = [make_user("many").key() for _ in range(users)]
    outcomes: Counter[str] = Counter()

    tools = (f"{far}__echo", f"{near}__echo")
    async with sessions(f"{hub.mcp}?mode=tools", keys) as windows:
        # A list does not wait for processes that are still starting.
        await asyncio.gather(*(ide.text(tool, text="opened") for ide in windows for tool in tools))
        until = time.monotonic() + seconds
        await asyncio.gather(*(works(ide, tools, until, outcomes) for ide in windows))

    assert outcomes["listed"] >= users
    assert outcomes["called"] >= users
    assert (outcomes["listed"] + outcomes["called"]) / outcomes.total() >= BAR, outcomes


async def works(ide: Ide, tools: tuple[str, str], until: float, outcomes: Counter[str]) -> None:
    """A list, then calls of either server, and so on; at least one round."""
    for number in itertools.count():
        if time.monotonic() > until and number > len(tools):
            return
        try:
            if number % 5 == 0:
                assert set(tools) <= set(await ide.tool_names())
                outcomes["listed"] += 1
            else:
                text = f"{ide.session}-{number}"
                assert await ide.text(tools[number % 2], text=text) == text
                outcomes["called"] += 1
        except (AssertionError, HttpError, RpcError, httpx.HTTPError) as failed:
            outcomes[f"{type(failed).__name__}: {failed}"[:200]] += 1


async def test_beside_a_user_with_too_many_calls_in_flight_everybody_else_is_answered(
    hub: RunningHub,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    far = fresh_name("shared-far")
    serve({far: upstreams.http(far).config()})
    greedy, quiet = make_user("greedy").key(), make_user("quiet").key()

    async with sessions(f"{hub.mcp}?mode=tools", [greedy, quiet]) as (many, few):
        storm = [asyncio.create_task(outcome(many, f"{far}__echo")) for _ in range(IN_FLIGHT)]
        answered = [await few.text(f"{far}__echo", text=str(number)) for number in range(10)]
        outcomes = Counter(await asyncio.gather(*storm))

    assert answered == [str(number) for number in range(10)]
    assert set(outcomes) <= {"answered", "429"}
    assert outcomes["answered"] >= 96


async def outcome(ide: Ide, tool: str) -> str:
    try:
        return "answered" if await ide.text(tool, text="x") == "x" else "another's"
    except HttpError as refused:
        return str(refused.status)
