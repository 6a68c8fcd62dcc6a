"""How fast the requests of one user may come: steadily so many a minute, and as many at once after a quiet minute.

Nobody is locked out: what comes too fast is refused with the time of the next one, and is taken then.
"""

import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

from mcphub.gateway.load import Load, TooBusy

MINUTE = 60.0
MOST_USERS = 10_000  # remembered before those who are quiet are forgotten


class TooFast(TooBusy):
    """A user's requests come faster than the hub takes them."""

    reason = "too_fast"

    def __init__(self, a_minute: int, wait: float) -> None:
        self.retry_after = max(1, math.ceil(wait))
        Exception.__init__(
            self, f"You may send {a_minute} requests a minute; the next one is taken in {self.retry_after} s."
        )


class Rate:
    """A token bucket for each user, held as one number: when it would be full again.

    Args:
        a_minute: tokens that come in a minute, and that a bucket holds; 0 for no limit.
        now: seconds, never going back.
    """

    def __init__(self, a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self.a_minute = a_minute
        self.now = now
        self._full_at: dict[str, float] = {}

    def take(self, user_id: str) -> None:
        """
        Raises:
            TooFast: there is no token; none is taken.
        """
        if not self.a_minute:
            return
        now = self.now()
        full_at = max(self._full_at.get(user_id, now), now) + MINUTE / self.a_minute
        if full_at - now > MINUTE * (1 + 1e-9):
            raise TooFast(self.a_minute, full_at - now - MINUTE)
        self._full_at[user_id] = full_at
        if len(self._full_at) > MOST_USERS:
            self._full_at = {user: at for user, at in self._full_at.items() if at > now}


class Admission(Load):
    """What a user may have under way, and how fast it may begin.

    Args:
        a_minute: requests of one user; 0 for no limit.
    """

    def __init__(self, at_once: int, queued: int, a_minute: int) -> None:
        super().__init__(at_once, queued)
        self.rate = Rate(a_minute)

    def enter(self, user_id: str) -> Coroutine[Any, Any, None]:
        """
        Raises:
            TooBusy: requests come too fast. Also raised by what is returned, when the queue is full.
        """
        self.rate.take(user_id)
        return super().enter(user_id)
