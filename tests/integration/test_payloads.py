"""Arguments and results that a server keeps: sealed, cut, read by their user and administrators, gone with the user."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from mcphub.gateway import payloads as module
from mcphub.gateway.payloads import MOST, Payloads
from mcphub.gateway.traffic import Request, Session
from tests.support.api import problem
from tests.support.waiting import until

REQUESTS = "/api/requests"
STARTED = """
    insert into public.traffic (at, kind, boot, request_id, user_id, server, tool, method, node)
    values (%s, 3, 1, %s, %s, 'desk', 'search', 'tools/call', 'n1')
"""
CANARY = "canary-in-the-arguments"


@pytest.fixture
def payloads(api):
    return Payloads(api.services.vault, api.services.model, api.services.read, 90)


async def called(api, payloads, user, *, arguments=None, frame=b""):
    """A call that was kept; returns its id."""
    request = Request(Session(user, "k"), "tools/call", 10)
    params = json.dumps({"name": "search", "arguments": arguments or {"q": CANARY}}).encode()
    async with api.services.read.connection() as db:
        now = datetime.fromtimestamp((request.id.int >> 80) / 1000, UTC)  # as its row says
        await db.execute("select public.traffic_partition(%s::date)", (now,))
        await db.execute(STARTED, (now, request.id, user))
    payloads.keep(request, params, frame)
    await payloads.round()
    return str(request.id)


async def rows(api):
    async with api.services.read.connection() as db:
        return await (await db.execute("select * from public.request_payload")).fetchall()


async def test_its_user_and_administrators_read_what_was_kept_and_an_auditor_does_not(api, payloads):
    admin, bob, eve = await api.user("admin", admin=True), await api.user("bob"), await api.user("eve")
    await admin.put(f"/api/admin/users/{eve.user_id}/auditor", {"isAuditor": True})
    request = await called(api, payloads, bob.user_id, frame=b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}')

    own, read = [await one.data("GET", f"{REQUESTS}/payloads/{request}") for one in (bob, admin)]
    refused = await eve.get(f"{REQUESTS}/payloads/{request}")
    told = [(await one.data("GET", f"{REQUESTS}/{request}"))["hasPayload"] for one in (bob, admin, eve)]
    await api.services.access_log.stored()

    assert (
        own
        == read
        == {
            "arguments": f'{{"q": "{CANARY}"}}',
            "argumentsBytes": len(CANARY) + 9,
            "result": '{"content":[]}',
            "resultBytes": 14,
        }
    )
    assert problem(refused) == (404, "not_found")
    assert told == [True, True, False]
    noted = await admin.data("GET", "/api/audit?type=export")
    assert [(row["actorName"], row["userName"]) for row in noted] == [("admin", "bob")]
    assert CANARY not in str(await rows(api))


async def test_what_is_long_is_cut_and_says_how_long_it_was(api, payloads):
    bob = await api.user("bob")
    frame = b'{"jsonrpc":"2.0","id":1,"result":{"content":"%s"}}' % (b"x" * 1_000_000)
    request = await called(api, payloads, bob.user_id, arguments={"q": "ä" * MOST}, frame=frame)

    kept = await bob.data("GET", f"{REQUESTS}/payloads/{request}")

    assert len(kept["arguments"].encode()) <= MOST
    assert kept["argumentsBytes"] > MOST
    assert len(kept["result"].encode()) <= MOST
    assert kept["resultBytes"] == len(frame)


async def test_what_was_kept_goes_with_its_user_and_with_the_days(api, payloads):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    of_bob = await called(api, payloads, bob.user_id)
    of_admin = await called(api, payloads, admin.user_id)
    assert len(await rows(api)) == 2

    await asyncio.to_thread(api.services.vault.destroy_owner, bob.user_id)
    gone = await admin.get(f"{REQUESTS}/payloads/{of_bob}")
    await payloads.forget()

    assert problem(gone) == (404, "not_found")
    assert [str(row[0]) for row in await rows(api)] == [of_admin]
    payloads._days = timedelta(0)
    await payloads.forget()
    assert await rows(api) == []


async def test_what_is_old_goes_some_at_a_time_until_all_of_it_is_gone(api, payloads, monkeypatch):
    monkeypatch.setattr(module, "FORGOTTEN_AT_ONCE", 2)
    user = await api.user("ann")
    await kept(api, payloads, user.user_id, 5)
    await payloads.round()
    assert len(await rows(api)) == 5

    payloads._days = timedelta(0)
    await payloads.forget()

    assert await rows(api) == []


class Away:
    """A pool whose first connections are none."""

    def __init__(self, pool, times):
        self.pool = pool
        self.times = times

    def connection(self):
        if self.times:
            self.times -= 1
            raise psycopg.OperationalError("gone")
        return self.pool.connection()


async def kept(api, payloads, user, calls):
    await until(lambda: user in api.services.model.users, within=10, what="the user is known")
    ids = []
    for number in range(calls):
        request = Request(Session(user, "k"), "tools/call", 10)
        payloads.keep(request, json.dumps({"arguments": {"number": number}}).encode(), b"")
        ids.append(request.id)
    return ids


async def test_what_waits_is_written_by_itself_and_once_when_postgresql_was_away(api, payloads, monkeypatch):
    monkeypatch.setattr("mcphub.gateway.payloads.AGAIN", 0.01)
    bob = await api.user("bob")
    payloads._pool = Away(api.services.read, 2)
    await payloads.start()

    ids = await kept(api, payloads, bob.user_id, 3)
    await until(lambda: not payloads._queue, within=5, what="it is written")
    await payloads.stop()

    assert {row[0] for row in await rows(api)} == set(ids)
    assert (payloads.lost, payloads._pool.times) == (0, 0)


async def test_a_round_that_is_cut_off_loses_nothing(api, payloads, monkeypatch):
    """A hub that ends cuts the round under way off, and writes what waits."""
    bob, sealing, seal = await api.user("bob"), threading.Event(), Payloads._sealed
    await payloads.start()

    def slowly(self, batch):
        sealing.set()
        return seal(self, batch)

    monkeypatch.setattr(Payloads, "_sealed", slowly)
    ids = await kept(api, payloads, bob.user_id, 2)
    await asyncio.to_thread(sealing.wait, 5)
    await payloads.stop()

    assert {row[0] for row in await rows(api)} == set(ids)
    assert payloads.lost == 0


async def test_more_than_fits_into_memory_is_counted_and_no_key_is_made_for_who_is_gone(api, payloads, monkeypatch):
    monkeypatch.setattr("mcphub.gateway.payloads.WAITING", 1)
    for _ in range(3):
        payloads.keep(Request(Session("nobody", "k"), "tools/call", 1), b"{}", b"")

    await payloads.round()

    assert payloads.lost == 2
    assert await rows(api) == []
    async with api.services.read.connection() as db:
        made = await (await db.execute("select count(*) from public.data_key where owner = 'nobody'")).fetchone()
    assert made == (0,)
