"""Servers opened ahead when a session begins: whose, which, and never for who may not have them."""

import asyncio

import psycopg
import pytest

from mcphub.domain.events import SERVERS, KeyRevoked, Scope, ServerDisabled, server_tag, user_tag
from tests.support.gateway import World


@pytest.fixture
def world():
    return World()


async def settled(world):
    """Everything that was to be opened ahead is."""
    tasks = list(world.gateway._prewarming._tasks)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    return [server for _, server, _ in world.pool.opened_ahead]


async def test_what_a_user_called_of_late_is_opened_for_the_new_session_and_nobody_waits_for_it(world):
    ann, bob = world.user("ann"), world.user("bob")
    for name in ("desk", "mail", "wiki"):
        world.server(name, "a")
    world.recent = {"ann": ["wiki", "gone", "desk"], "bob": []}

    await world.client(ann)
    await world.client(bob)
    await settled(world)

    [session] = [session.session_id for session in world.gateway.sessions() if session.user_id == "ann"]
    assert world.pool.opened_ahead == [("ann", "wiki", session), ("ann", "desk", session)]


async def test_so_many_are_opened_and_no_more_and_none_when_it_is_switched_off():
    for most, wanted in ((2, ["a", "b"]), (0, [])):
        world = World(prewarm=most)
        key = world.user("ann")
        for name in ("a", "b", "c"):
            world.server(name, "x")
        world.recent = {"ann": ["a", "b", "c"]}

        await world.client(key)

        assert await settled(world) == wanted


async def test_a_server_may_be_kept_from_it_or_be_opened_for_everybody(world):
    key = world.user("ann")
    world.server("calm", "x", mcphub={"prewarm": False})
    world.server("eager", "x", startOnDemand=False)
    world.recent = {"ann": ["calm"]}

    await world.client(key)

    assert await settled(world) == ["eager"]


async def test_nothing_is_opened_for_who_has_no_values_or_may_not_see_it(world):
    narrow = world.user("ann", scope=Scope(servers=["needs", "off", "seen"]))
    world.server("needs", "x", headers={"X-Token": "${USER_NEEDS_TOKEN}"})
    world.server("off", "x", enabled=False)
    world.server("others", "x", mcphub={"audience": {"users": ["bob"]}})
    world.server("scoped", "x")
    world.server("seen", "x")
    world.recent = {"ann": ["needs", "off", "others", "scoped", "seen"]}

    await world.client(narrow)

    assert await settled(world) == ["seen"]


async def test_what_a_fact_took_away_meanwhile_is_not_opened(world, monkeypatch):
    key = world.user("ann")
    for name in ("desk", "wiki"):
        world.server(name, "x")
    world.recent = {"ann": ["desk", "wiki"]}
    prepare = world.gateway._injector.prepare

    async def facts_come(spec, user, typed=None):
        if spec.name == "desk":
            world.record(ServerDisabled(server_id="desk"), server_tag("desk"), SERVERS)
        else:
            world.record(KeyRevoked(key_id="key-ann", user_id="ann"), user_tag("ann"))
        return await prepare(spec, user, typed)

    monkeypatch.setattr(world.gateway._injector, "prepare", facts_come)

    await world.client(key)

    assert await settled(world) == []


async def test_a_history_that_cannot_be_read_is_nobodys_failure(world):
    key = world.user("ann")
    world.server("eager", "x", startOnDemand=False)

    async def away(user, most):
        raise psycopg.OperationalError("gone")

    world.gateway._prewarming._recent = away

    await world.client(key)

    assert await settled(world) == ["eager"]
