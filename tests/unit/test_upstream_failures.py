"""When a server may be tried again."""

import pytest

from mcphub.gateway.upstream.failures import Failures


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> Failures:
    return Failures(now=clock, jitter=lambda: 1.0)


def pause(failures: Failures, clock: Clock) -> float:
    assert failures.retry_at is not None
    return failures.retry_at - clock.now


def test_the_pauses_double(failures: Failures, clock: Clock) -> None:
    pauses = []
    for _ in range(4):
        failures.not_opened("down")
        pauses.append(pause(failures, clock))
        clock.now += pauses[-1]

    assert pauses == [0.5, 1, 2, 4]


def test_failing_slowly_never_waits_longer_than_a_minute(failures: Failures, clock: Clock) -> None:
    for _ in range(12):
        failures.not_opened("down")
        clock.now += 130

    failures.not_opened("down")

    assert pause(failures, clock) == 60


def test_five_failures_within_two_minutes_are_a_minutes_pause(failures: Failures, clock: Clock) -> None:
    for _ in range(5):
        failures.not_opened("down")
        clock.now += 1

    assert pause(failures, clock) == 59
    assert failures.waiting


def test_pauses_differ_so_that_not_everybody_comes_back_at_once(clock: Clock) -> None:
    early = Failures(now=clock, jitter=lambda: 0.0)

    early.not_opened("down")

    assert pause(early, clock) == 0.25


def test_a_process_that_dies_may_be_started_again_at_once(failures: Failures) -> None:
    failures.ended("killed")

    assert not failures.waiting
    assert failures.reason == "killed"


def test_one_that_dies_again_and_again_waits_also_when_it_starts_well(failures: Failures, clock: Clock) -> None:
    for _ in range(5):
        failures.opened()
        failures.ended("crashed")
        clock.now += 1

    assert pause(failures, clock) == 59


def test_once_it_opens_the_pauses_begin_anew(failures: Failures, clock: Clock) -> None:
    failures.not_opened("down")
    failures.not_opened("down")
    failures.opened()

    assert (failures.reason, failures.retry_at) == ("", None)
    failures.not_opened("down")
    assert pause(failures, clock) == 0.5


def test_what_is_long_ago_is_forgotten(failures: Failures, clock: Clock) -> None:
    failures.not_opened("down")
    clock.now += 119
    assert not failures.forgotten

    clock.now += 2

    assert failures.forgotten
