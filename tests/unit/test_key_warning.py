"""A key in its last week: its own client is told, and no other."""

from datetime import UTC, datetime, timedelta

import pytest

from mcphub.domain.events import KeyExtended, user_tag
from tests.support.gateway import World

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


@pytest.fixture
async def world():
    return World()


def ends_in(world, user, **time):
    until = datetime.now(UTC) + timedelta(**time)
    world.record(KeyExtended(key_id=f"key-{user}", user_id=user, expires_at=until), user_tag(user))
    return until


async def instructions(world, key):
    return (await world.rpc("initialize", HELLO, key=key)).json["result"]["instructions"]


async def test_the_client_of_a_key_in_its_last_week_is_told_and_no_other(world):
    ann, bob = world.user("ann"), world.user("bob")
    until = ends_in(world, "ann", days=6, hours=23)
    ends_in(world, "bob", days=8)

    told, untold = await instructions(world, ann), await instructions(world, bob)

    assert f"expires on {until:%Y-%m-%d}" in told
    assert "/connect" in told
    assert "expires" not in untold


async def test_an_extended_key_is_not_warned_about_any_more(world):
    ann = world.user("ann")
    ends_in(world, "ann", days=1)
    ends_in(world, "ann", days=90)

    assert "expires" not in await instructions(world, ann)
