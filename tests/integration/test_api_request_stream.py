"""The stream of one's own requests: as they begin and end, nobody else's, and on where it broke."""

from datetime import UTC, datetime, timedelta

import pytest

from mcphub.projections import followed
from tests.integration.test_api_audit import Stream
from tests.integration.test_api_history import ENDED, REQUESTS, call
from tests.support.api import problem

STREAM = "/api/requests/stream"


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch):
    monkeypatch.setattr(followed, "LOOK_SECONDS", 0.02)


async def end(api, request_id, user):
    given = {"id": request_id, "user": user, "server": "desk", "tool": "search", "session": None, "reason": None}
    async with api.services.read.connection() as db:
        await db.execute(ENDED, {**given, "at": datetime.now(UTC), "status": "Completed", "took": 7.0})


async def test_a_request_is_told_when_it_begins_and_when_it_has_ended(api):
    bob = await api.user("bob")
    await call(api, 1, bob.user_id, ago=30)
    stream = await Stream(api.app, bob, path=STREAM).opened()

    own = await call(api, 2, bob.user_id, status=None, ago=0)
    began = await stream.next()
    await end(api, own, bob.user_id)
    over = await stream.next()

    assert (began["id"], began["status"], began["endedAt"]) == (own, "Pending", None)
    assert (over["id"], over["status"], over["durationMs"]) == (own, "Completed", 7.0)
    assert over == {**await bob.data("GET", f"{REQUESTS}/{own}"), "n": over["n"]}
    assert stream.items.empty()
    await stream.close()


async def test_nobody_follows_the_requests_of_others(api):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    streams = [await Stream(api.app, one, path=STREAM).opened() for one in (admin, bob)]

    await call(api, 1, eve.user_id, ago=0)
    own = await call(api, 2, bob.user_id, ago=0)

    assert (await streams[1].next())["id"] == own
    assert [stream.items.qsize() for stream in streams] == [0, 0]
    for stream in streams:
        await stream.close()


async def test_what_came_in_since_a_time_is_told_first(api):
    bob = await api.user("bob")
    await call(api, 1, bob.user_id, ago=60)
    ids = [await call(api, 2, bob.user_id, ago=20), await call(api, 3, bob.user_id, ago=10)]
    since = (datetime.now(UTC) - timedelta(seconds=40)).strftime("%Y-%m-%dT%H:%M:%SZ")

    stream = await Stream(api.app, bob, query=f"from={since}", path=STREAM).opened()

    assert [(await stream.next())["id"] for _ in ids] == ids
    await stream.close()


async def test_one_that_was_open_when_the_stream_broke_is_told_to_have_ended(api):
    bob = await api.user("bob")
    since = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    long = await call(api, 1, bob.user_id, status=None, ago=300)
    young = await call(api, 2, bob.user_id, ago=10)
    stream = await Stream(api.app, bob, query=f"from={since}", path=STREAM).opened()
    assert [(await stream.next())["id"] for _ in range(2)] == [long, young]
    await stream.close()
    await end(api, long, bob.user_id)

    again = await Stream(api.app, bob, last=stream.ids[-1], path=STREAM).opened()

    first = await again.next()
    assert (first["id"], first["status"]) == (long, "Completed")
    await again.close()


async def test_one_that_comes_behind_a_younger_one_is_told_as_well(api):
    bob = await api.user("bob")
    stream = await Stream(api.app, bob, query="from=2026-01-01T00:00:00Z", path=STREAM).opened()
    young = await call(api, 2, bob.user_id, ago=1)
    assert (await stream.next())["id"] == young

    late = await call(api, 1, bob.user_id, ago=3)

    assert (await stream.next())["id"] == late
    last = await call(api, 3, bob.user_id, ago=0)
    assert (await stream.next())["id"] == last  # and none a second time
    await stream.close()


async def test_a_place_nobody_gave_out_is_refused_and_one_of_the_future_is_not_waited_for(api):
    bob = await api.user("bob")
    forged = await bob.get(STREAM, headers={"Last-Event-ID": "x"})
    assert problem(forged) == (422, "invalid_request")

    stream = await Stream(api.app, bob, last="f" * 32, path=STREAM).opened()
    own = await call(api, 1, bob.user_id, ago=0)

    assert (await stream.next())["id"] == own
    await stream.close()
