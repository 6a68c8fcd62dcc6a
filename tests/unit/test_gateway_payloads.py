"""What of a call is handed over to be kept: nothing, unless its server's entry says so."""

import json

import pytest

from mcphub.gateway.upstream.runtime import UpstreamUnreachable
from tests.support.gateway import World

KEPT = {"mcphub": {"keepPayloads": True}}


class Keeper:
    """Remembers what it is given: (user, tool, parameters, answer)."""

    def __init__(self):
        self.kept = []

    def keep(self, request, params, frame):
        answer = json.loads(frame) if frame else None
        self.kept.append((request.session.user_id, request.tool, json.loads(params), answer))


@pytest.fixture
async def world():
    made = World()
    made.keeper = made.gateway._relay._payloads = Keeper()
    return made


async def call(world, name, **arguments):
    return await world.rpc("tools/call", {"name": name, "arguments": arguments}, key=world.ann)


async def test_only_calls_of_tools_of_servers_that_say_so_are_kept(world):
    world.ann = world.user("ann")
    world.server("desk", "search", **KEPT)
    world.server("wiki", "search")

    await world.rpc("tools/list", key=world.ann)
    await call(world, "wiki__search", q="quiet")
    answer = await call(world, "desk__search", q="loud")

    ((user, tool, params, kept),) = world.keeper.kept
    assert (user, tool, params) == ("ann", "search", {"name": "search", "arguments": {"q": "loud"}})
    assert kept["result"] == answer.json["result"]


async def test_a_call_that_failed_is_kept_without_an_answer(world):
    world.ann = world.user("ann")
    desk = world.server("desk", "search", **KEPT)
    await world.rpc("tools/list", key=world.ann)

    async def broken(user, method, params, caller):
        raise UpstreamUnreachable("gone")

    desk.answer = broken
    await call(world, "desk__search", q="x")

    assert [(tool, kept) for _, tool, _, kept in world.keeper.kept] == [("search", None)]
