"""The one reader of new facts: every position, in order, whatever happens to appends and connections."""

import asyncio
import time

import psycopg
import pytest

from mcphub.domain.access import AccessModel
from mcphub.projections import tail as module
from mcphub.projections.tail import Tail
from tests.support.facts import member, registered
from tests.support.ledger import telling
from tests.support.waiting import until

pytestmark = pytest.mark.slow

NAME = "mcphub-tail"


@pytest.fixture
def teller(database):
    with telling(database) as made:
        yield made


class Seen:
    """A sink that remembers."""

    def __init__(self):
        self.facts = []

    def __call__(self, facts):
        self.facts += facts

    @property
    def positions(self):
        return [fact.position for fact in self.facts]


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
async def tail(database, seen):
    made = Tail(database.app_dsn, [seen])
    yield made
    await made.stop()


async def listening(teller):
    """The tail's connections are up, so that cutting them cuts something."""

    def connected():
        with psycopg.connect(teller.database.admin_dsn, autocommit=True) as db:
            return db.execute(
                "select count(*) = 2 from pg_stat_activity"
                " where application_name = %s and datname = current_database()",
                (NAME,),
            ).fetchone()[0]

    await until(connected, within=5, what="the tail listens")


async def test_what_happened_before_the_start_is_folded_when_it_returns(teller, tail, seen):
    teller.tell(*member("bob"))

    await tail.start()

    assert seen.positions == [1, 2]
    assert seen.facts[0].tags == ("user:bob", "username:bob")
    assert seen.facts[0].meta.actor == "system:test"
    assert tail.fresh()


async def test_a_start_of_many_batches_sees_each_fact_once(teller, tail, seen):
    for _ in range(5):
        teller.tell(*[registered(f"u{number}") for number in range(500)])

    await tail.start()

    assert seen.positions == list(range(1, 2501))


async def test_a_fact_arrives_by_its_notification_and_not_by_the_poll(teller, tail, seen, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 60)
    await tail.start()
    await listening(teller)
    position = await asyncio.to_thread(teller.tell, *member("bob"))

    await asyncio.wait_for(tail.reached(position), 5)

    assert seen.positions == [1, 2]


async def test_a_slow_append_held_open_hides_nothing(teller, tail, seen):
    """The defect of other stores: the fast one got a later position, was seen first, and the slow one never."""
    await tail.start()

    with teller.slow_append():
        fast = teller.in_thread(registered("fast"))
        await asyncio.to_thread(fast.join, 0.3)
        assert fast.is_alive()
        assert seen.positions == []
    await asyncio.to_thread(fast.join, 5)
    await asyncio.wait_for(tail.reached(2), 5)

    assert [(fact.position, fact.event.user_id) for fact in seen.facts] == [(1, "slow"), (2, "fast")]


async def test_appends_from_many_threads_arrive_in_the_order_of_their_positions(teller, tail, seen):
    await tail.start()
    threads = [teller.in_thread(registered(f"u{number}")) for number in range(40)]
    for thread in threads:
        await asyncio.to_thread(thread.join)

    await asyncio.wait_for(tail.reached(40), 10)

    assert seen.positions == list(range(1, 41))


async def test_a_cut_connection_loses_nothing_and_repeats_nothing(teller, tail, seen):
    await tail.start()
    for number in range(3):
        await listening(teller)
        assert teller.cut(NAME) == 2
        position = await asyncio.to_thread(teller.tell, *member(f"u{number}"))
        await asyncio.wait_for(tail.reached(position), 10)

    assert seen.positions == [1, 2, 3, 4, 5, 6]


@pytest.mark.thorough
async def test_without_a_look_at_the_head_the_lease_runs_out_and_comes_back(teller, tail, monkeypatch):
    """Who decides by a tail that lost its database must deny."""
    await tail.start()
    await listening(teller)
    now = time.monotonic
    with psycopg.connect(teller.database.admin_dsn, autocommit=True) as admin:
        admin.execute("alter role mcphub_app nologin")
        try:
            teller.cut(NAME)
            await until(lambda: not tail.fresh(), within=5, what="the lease runs out")
            assert not await tail.confirm(0.1)
        finally:
            admin.execute("alter role mcphub_app login")

    await until(tail.fresh, within=10, what="the lease is back")
    assert now() - tail.confirmed_at < module.LEASE_SECONDS


async def test_asking_now_renews_the_lease(teller, tail, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 60)
    await tail.start()
    await listening(teller)
    tail.confirmed_at = -1e9

    assert not tail.fresh()
    assert await tail.confirm(5)
    assert tail.fresh()


async def test_a_full_batch_renews_no_lease(teller, tail, seen, monkeypatch):
    """What follows it is not known yet: a revocation may be next."""
    teller.tell(*member("bob"))
    monkeypatch.setattr(module, "BATCH", 1)
    fresh = []
    tail.add_sink(lambda _: fresh.append(tail.fresh()))

    await tail.start()

    assert fresh == [False, False]
    assert tail.fresh()


async def test_waiters_that_gave_up_are_no_trouble(teller, tail):
    await tail.start()
    waiting = [asyncio.create_task(tail.reached(position)) for position in (1, 1, 2, 99)]
    await asyncio.sleep(0)
    waiting[0].cancel()

    await asyncio.to_thread(teller.tell, *member("bob"))

    await asyncio.wait_for(asyncio.gather(waiting[1], waiting[2]), 5)
    assert waiting[0].cancelled()
    assert not waiting[3].done()
    waiting[3].cancel()


async def test_a_position_reached_already_waits_for_nothing(teller, tail):
    teller.tell(*member("bob"))
    await tail.start()

    await asyncio.wait_for(tail.reached(2), 0.1)


@pytest.mark.thorough
async def test_a_fact_that_cannot_be_folded_ends_the_lease_and_not_the_tail(teller, database):
    """Fail closed: nothing is decided on half the facts, and what was folded is not folded again."""
    model, broken = AccessModel(), [True]

    def sink(facts):
        for fact in facts:
            if broken and fact.event.user_id == "poison":
                raise KeyError("poison")
            model.apply(fact)

    tail = Tail(database.app_dsn, [sink])
    await tail.start()
    try:
        await asyncio.to_thread(teller.tell, *member("bob"), registered("poison"), registered("ann"))
        await until(lambda: not tail.fresh(), within=10, what="the lease runs out")
        assert (list(model.users), tail.position) == (["bob"], 0)

        broken.clear()
        await asyncio.wait_for(tail.reached(4), 10)
        assert list(model.users) == ["bob", "poison", "ann"]
    finally:
        await tail.stop()


async def test_the_access_model_of_the_tail_is_that_of_the_whole_ledger(teller, database):
    live, later = AccessModel(), AccessModel()
    tail = Tail(database.app_dsn, [lambda facts: [live.apply(fact) for fact in facts]])
    await tail.start()
    for number in range(20):
        await asyncio.to_thread(teller.tell, *member(f"u{number}"))
    await asyncio.wait_for(tail.reached(40), 10)
    await tail.stop()

    again = Tail(database.app_dsn, [lambda facts: [later.apply(fact) for fact in facts]])
    await again.start()
    await again.stop()

    assert live.users == later.users
    assert live.position == later.position == 40


@pytest.mark.parametrize("turns", range(6))
async def test_a_stop_that_comes_with_the_bell_ends_it_all_the_same(tail, turns):
    await tail.start()
    assert await tail.confirm(10)
    for _ in range(10):
        await asyncio.sleep(0)  # now it waits for the bell again

    tail._look.set()
    for _ in range(turns):
        await asyncio.sleep(0)

    await asyncio.wait_for(tail.stop(), 10)
