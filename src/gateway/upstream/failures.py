"""When a server may be tried again: pauses that double, and a circuit that opens when it keeps failing."""

import random
import time
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds
MOST_FAILURES, WITHIN_SECONDS = 5, 120.0  # then the longest pause


class Failures:
    """What failed for one user of one server, or for all who share it.

    Args:
        now: Unix seconds.
        jitter: a number from 0 to 1.
    """

    def __init__(self, now: Callable[[], float] = time.time, jitter: Callable[[], float] = random.random) -> None:
        self._now = now
        self._jitter = jitter
        self._times: list[float] = []
        self._in_a_row = 0
        self.reason = ""
        self.refused = False  # for the values it was given
        self.retry_at: float | None = None  # Unix seconds
        self.latest = 0.0

    def not_opened(self, reason: str) -> None:
        self._note(reason)
        self._in_a_row += 1
        pause = min(FIRST_PAUSE * 2 ** (self._in_a_row - 1), LONGEST_PAUSE)
        self._wait(LONGEST_PAUSE if self._too_many else pause)

    def ended(self, reason: str) -> None:
        """It ran and ended by itself: the next call may try at once, unless this happens again and again."""
        self._note(reason)
        if self._too_many:
            self._wait(LONGEST_PAUSE)

    def opened(self) -> None:
        """The pauses begin anew; the ends of late still count."""
        self._in_a_row = 0
        self.reason = ""
        self.retry_at = None

    @property
    def waiting(self) -> bool:
        return self.retry_at is not None and self._now() < self.retry_at

    @property
    def forgotten(self) -> bool:
        """Nothing of late, so nothing to remember."""
        return not self.waiting and self._now() - self.latest > WITHIN_SECONDS

    @property
    def _too_many(self) -> bool:
        return len(self._times) >= MOST_FAILURES

    def _note(self, reason: str) -> None:
        self.latest = self._now()
        self._times = [*(at for at in self._times if self.latest - at < WITHIN_SECONDS), self.latest]
        self.reason = reason

    def _wait(self, pause: float) -> None:
        """Between half the pause and all of it, so that not everybody comes back in one moment."""
        self.retry_at = self._now() + pause * (0.5 + self._jitter() / 2)
