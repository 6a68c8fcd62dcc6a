"""Servers that are there before the first call of a session."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.ide import Ide
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow


def runtimes(admin: Admin, user: Person) -> list[dict[str, Any]]:
    return [each for each in admin.rest.get("/api/admin/upstream-sessions") if each["userId"] == user.id]


async def test_what_a_user_called_before_is_started_with_the_next_session(
    hub: RunningHub,
    admin: Admin,
    upstreams: Upstreams,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> None:
    near, never, secret = fresh_name("near"), fresh_name("never"), fresh_name("secret")
    calm = {"mcphub": {"prewarm": False}}
    serve(
        {
            near: upstreams.stdio(near),
            never: upstreams.stdio(never, **calm),
            secret: upstreams.stdio(secret, env={"S_TOKEN": "${USER_S_TOKEN}"}, startOnDemand=False),
        }
    )
    person, other = make_user("early"), make_user("other")
    async with Ide(hub.mcp, person.key()) as ide:
        first = json.loads(await ide.text(f"{near}__whoami"))
        await ide.text(f"{never}__echo", text="x")
    await until(
        lambda: {row["server"] for row in person.requests(method="tools/call", status="Completed")} == {near, never},
        within=10,
        what="the calls are in the history",
    )
    for each in runtimes(admin, person):
        await asyncio.to_thread(admin.rest.delete, f"/api/admin/upstream-sessions/{each['server']}/{each['id']}")

    async with Ide(hub.mcp, other.key()), Ide(hub.mcp, person.key()) as ide:
        await until(lambda: runtimes(admin, person), within=10, what="a process is started with no request")
        [ahead] = runtimes(admin, person)
        called = json.loads(await ide.text(f"{near}__whoami"))
        [used] = runtimes(admin, person)

    assert (ahead["server"], ahead["ahead"], ahead["inFlight"]) == (near, True, 0)
    assert called["pid"] != first["pid"]
    assert (used["id"], used["ahead"]) == (ahead["id"], False)
    assert runtimes(admin, other) == []
