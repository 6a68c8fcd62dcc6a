"""Failed sign-ins are counted per account and per address, and too many close the door for a while.

An attempt counts from its beginning, so that many at once do not slip through; one that succeeds is taken back.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from mcphub.api.problems import Problem

WINDOW = 15 * 60  # seconds
PER_ACCOUNT, PER_ADDRESS = 5, 20
SETTING_OUT = 600  # to a provider, per address: a company may have only one
MOST_ENTRIES = 20_000


class Throttle:
    """Sliding windows in memory, bounded; the oldest are forgotten first.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def attempt(self, account: str, address: str) -> None:
        """Counts an attempt as failed until `succeeded` says otherwise.

        Raises:
            Problem: 429 with the seconds to wait.
        """
        limits = ((f"account:{account}", PER_ACCOUNT), (f"address:{address}", PER_ADDRESS))
        self._count(limits, "Too many attempts to sign in failed.")

    def set_out(self, address: str) -> None:
        """Counts a browser that is sent to a provider; each is a row until it is back.

        Raises:
            Problem: 429 with the seconds to wait.
        """
        self._count(((f"out:{address}", SETTING_OUT),), "Too many sign-ins began at this address.")

    def _count(self, limits: Sequence[tuple[str, int]], why: str) -> None:
        now = self._clock()
        waits = [self._wait(name, limit, now) for name, limit in limits]
        if longest := max(waits):
            raise Problem(
                429,
                "rate_limited",
                why,
                f"Wait {-(-longest // 60)} minutes, then try again.",
                retry_after=longest,
            )
        for name, _ in limits:
            self._failed.setdefault(name, deque()).append(now)
            self._failed.move_to_end(name)
        while len(self._failed) > MOST_ENTRIES:
            self._failed.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """The account starts anew; of the address only this attempt is taken back."""
        self._failed.pop(f"account:{account}", None)
        times = self._failed.get(f"address:{address}")
        if times:
            times.pop()

    def _wait(self, name: str, limit: int, now: float) -> int:
        times = self._failed.get(name)
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if times is None or len(times) < limit:
            return 0
        return int(times[-limit] + WINDOW - now) + 1
