"""Failed sign-ins are counted per account and per address, and too many close the door for a while.

An attempt counts from its beginning, so that many at once do not slip through; one that succeeds is taken back.
One-time links and the ways to and from a provider are counted per address only: nobody else's failures close them.

The counts are this process's own, in memory: a row for each attempt would make a guess cost the database more than the
guesser, and a hub that starts anew has forgotten at most a quarter of an hour. Of several hubs each counts for itself.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from mcphub.api.addresses import counted
from mcphub.api.problems import Problem

WINDOW = 15 * 60  # seconds
PER_ACCOUNT, PER_ADDRESS = 5, 20
LINKS = 20  # that did not work, per address
SETTING_OUT = 600  # to a provider, per address: a company may have only one
COMING_BACK = 600  # from one, in vain
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
        limits = ((f"account:{account}", PER_ACCOUNT), (f"address:{counted(address)}", PER_ADDRESS))
        self._count(limits, "Too many attempts to sign in failed.")

    def set_out(self, address: str) -> None:
        """Counts a browser that is sent to a provider; each is a row until it is back.

        Raises:
            Problem: 429 with the seconds to wait.
        """
        self._count(((f"out:{counted(address)}", SETTING_OUT),), "Too many sign-ins began at this address.")

    def come_back(self, address: str) -> None:
        """Counts a browser that comes from a provider, until `came_back` says that it was let in.

        Raises:
            Problem: 429 with the seconds to wait.
        """
        self._count(((f"back:{counted(address)}", COMING_BACK),), "Too many sign-ins from this address failed.")

    def came_back(self, address: str) -> None:
        self._take_back(f"back:{counted(address)}")

    def use_link(self, address: str) -> None:
        """Counts a one-time link that somebody tries, until `link_worked` says that it was one.

        Raises:
            Problem: 429 with the seconds to wait.
        """
        self._count(((f"link:{counted(address)}", LINKS),), "Too many links from this address did not work.")

    def link_worked(self, address: str) -> None:
        self._take_back(f"link:{counted(address)}")

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
        self._take_back(f"address:{counted(address)}")

    def _take_back(self, name: str) -> None:
        times = self._failed.get(name)
        if times:
            times.pop()

    def _wait(self, name: str, limit: int, now: float) -> int:
        times = self._failed.get(name)
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if times is None or len(times) < limit:
            return 0
        return int(times[-limit] + WINDOW - now) + 1
