"""How long a call may take."""

import asyncio

import pytest

from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.runtime import UpstreamTimeout, UpstreamUnreachable

SOON, LONG = 0.02, 30.0


async def living(clock: Clock) -> None:
    with clock:
        while True:
            await asyncio.sleep(SOON / 4)
            clock.sign_of_life()


async def test_a_call_without_a_sign_of_life_ends_when_its_time_is_over() -> None:
    with pytest.raises(UpstreamTimeout) as over, Clock(SOON, LONG, True):
        await asyncio.Event().wait()

    assert over.value.seconds == SOON


async def test_signs_of_life_keep_it_going_beyond_its_time() -> None:
    clock = Clock(0.2, LONG, True)
    began = asyncio.get_running_loop().time()

    with clock:
        while asyncio.get_running_loop().time() - began < 0.4:
            await asyncio.sleep(0.02)
            clock.sign_of_life()


async def test_signs_of_life_do_not_count_where_they_must_not() -> None:
    with pytest.raises(UpstreamTimeout):
        await living(Clock(SOON, LONG, False))


async def test_no_sign_of_life_moves_the_end_of_all_time() -> None:
    with pytest.raises(UpstreamTimeout) as over:
        await living(Clock(LONG, SOON, True))

    assert over.value.seconds == SOON


async def test_it_can_be_stopped_with_a_reason_from_elsewhere() -> None:
    clock = Clock(LONG, LONG, False)
    asyncio.get_running_loop().call_later(SOON, clock.stop, UpstreamUnreachable("gone", sent=True))

    with pytest.raises(UpstreamUnreachable, match="gone"), clock:
        await asyncio.Event().wait()


async def test_being_cancelled_stays_being_cancelled() -> None:
    async def waiting() -> None:
        with Clock(LONG, LONG, False):
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_outer_of_two_clocks_rings_through_the_inner() -> None:
    with pytest.raises(UpstreamTimeout, match=r"0\.02"), Clock(SOON, LONG, False), Clock(LONG, LONG, False):
        await asyncio.Event().wait()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_clock_whose_block_is_over_does_nothing() -> None:
    clock = Clock(LONG, LONG, True)
    with clock:
        pass

    clock.sign_of_life()
    clock.stop(UpstreamUnreachable("late", sent=True))
    await asyncio.sleep(0)
