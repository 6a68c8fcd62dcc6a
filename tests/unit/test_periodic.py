import asyncio

from structlog.testing import capture_logs

from mcphub import periodic
from mcphub.periodic import Periodic


class Rounds:
    """A job that counts its rounds and fails in the first one."""

    def __init__(self) -> None:
        self.count = 0
        self.third = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        if self.count == 1:
            raise ValueError("no luck")
        if self.count == 3:
            self.third.set()


async def test_a_failing_round_is_logged_and_the_next_one_still_comes():
    rounds = Rounds()
    role = Periodic("sweeper", rounds, every=0.001)

    with capture_logs() as logs:
        await role.start()
        await asyncio.wait_for(rounds.third.wait(), 5)
        await role.stop()

    assert [(line["event"], line["role"], line["retry_in_s"]) for line in logs] == [
        ("role_round_failed", "sweeper", 0.001)
    ]


async def test_stopping_cuts_the_present_round_off():
    begun, cut_off = asyncio.Event(), asyncio.Event()

    async def endless():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    role = Periodic("sweeper", endless, every=60)
    await role.start()
    await asyncio.wait_for(begun.wait(), 5)
    await asyncio.wait_for(role.stop(), 5)

    assert cut_off.is_set()


async def test_stopping_twice_and_before_the_start_is_fine():
    role = Periodic("sweeper", Rounds(), every=60)

    await role.stop()
    await role.start()
    await role.stop()
    await role.stop()


async def test_a_job_that_forgets_it_was_told_to_stop_is_told_again(monkeypatch):
    monkeypatch.setattr(periodic, "AGAIN_SECONDS", 0.01)
    told = []

    async def forgetful():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("once")

    role = Periodic("sweeper", forgetful, every=60)
    await role.start()
    await asyncio.sleep(0)

    await asyncio.wait_for(role.stop(), 5)

    assert told == ["once"]
