"""Whose request runs when. Time stands still but for what a test lets pass."""

import asyncio

import pytest

from mcphub.gateway.load import ABOUT, Load, TooBusy


class Clock:
    """The loop's time in the hands of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    async def passes(self, seconds: float) -> None:
        """In steps that no timer jumps over."""
        for _ in range(max(1, round(seconds / 0.001))):
            self.now += 0.001
            await settled()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Asked:
    """Requests of one user, begun in order."""

    def __init__(self, load: Load, user: str) -> None:
        self.load = load
        self.user = user
        self.begun = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def add(self, count: int) -> None:
        self.tasks += [asyncio.create_task(self._one()) for _ in range(count)]
        await settled()

    async def _one(self) -> None:
        await self.load.enter(self.user)
        self.begun += 1


async def test_alone_a_user_begins_as_many_as_may_be_at_once(clock: Clock) -> None:
    load = Load(32, 64)
    ann = Asked(load, "ann")

    await ann.add(40)

    assert ann.begun == load.running("ann") == 32


async def test_alone_a_few_of_a_user_begin_in_each_turn_of_the_loop(clock: Clock) -> None:
    load = Load(32, 64)
    ann = Asked(load, "ann")
    ann.tasks += [asyncio.create_task(ann._one()) for _ in range(32)]
    each: list[int] = []

    while ann.begun < 32:
        before = ann.begun
        await asyncio.sleep(0)
        each.append(ann.begun - before)

    assert max(each) == 4
    assert len(each) < 12


async def test_the_next_begins_when_one_is_over(clock: Clock) -> None:
    load = Load(2, 10)
    ann = Asked(load, "ann")
    await ann.add(4)

    load.leave("ann")
    await settled()

    assert (ann.begun, load.running("ann")) == (3, 2)


async def test_beside_another_user_requests_begin_one_by_one_and_the_others_first_one_at_once(clock: Clock) -> None:
    load = Load(32, 64)
    ann, bob = Asked(load, "ann"), Asked(load, "bob")
    await bob.add(1)
    await ann.add(20)
    at_first = ann.begun
    load.leave("bob")

    await bob.add(1)

    assert at_first == 1
    assert bob.begun == 2


async def test_all_that_wait_begin_within_their_pace(clock: Clock) -> None:
    load = Load(32, 64)
    ann, bob = Asked(load, "ann"), Asked(load, "bob")
    await bob.add(1)
    await ann.add(20)

    await clock.passes(0.2)

    assert ann.begun == 20


async def test_when_the_other_user_is_gone_nothing_is_slowed(clock: Clock) -> None:
    load = Load(32, 64)
    ann, bob = Asked(load, "ann"), Asked(load, "bob")
    await bob.add(1)
    load.leave("bob")
    await ann.add(1)
    clock.now += ABOUT + 0.001

    await ann.add(20)

    assert ann.begun == 21


async def test_what_comes_on_top_is_refused_after_a_moment_and_the_rest_is_served(clock: Clock) -> None:
    load = Load(2, 3)
    ann = Asked(load, "ann")
    await ann.add(6)
    early = sum(task.done() for task in ann.tasks)

    await clock.passes(0.6)

    refused = [task for task in ann.tasks if task.done() and task.exception() is not None]
    assert early == 2  # which run
    assert [type(task.exception()) for task in refused] == [TooBusy]
    for _ in range(3):
        load.leave("ann")
        await settled()
    assert ann.begun == 5


async def test_who_is_cancelled_while_waiting_takes_no_place(clock: Clock) -> None:
    load = Load(1, 10)
    ann = Asked(load, "ann")
    await ann.add(3)

    ann.tasks[1].cancel()
    await settled()
    load.leave("ann")
    await settled()

    assert (ann.begun, load.running("ann")) == (2, 1)


async def test_who_is_cancelled_in_the_moment_of_their_turn_passes_it_on(clock: Clock) -> None:
    load = Load(1, 10)
    ann = Asked(load, "ann")
    await ann.add(3)

    load.leave("ann")
    ann.tasks[1].cancel()
    await settled()

    assert (ann.begun, load.running("ann")) == (2, 1)


async def test_nothing_is_kept_of_who_has_nothing_under_way(clock: Clock) -> None:
    load = Load(2, 3)
    ann = Asked(load, "ann")
    await ann.add(5)

    for _ in range(5):
        load.leave("ann")
        await settled()

    assert ann.begun == 5
    assert load.running("ann") == 0
    assert load._users == {}
