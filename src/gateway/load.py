"""Whose request runs when: how many of one user are under way at once, and how fast they begin beside those of others.

Promises:
- of one user's requests so many run, so many more wait in their order, and what comes on top is refused;
- nobody's first request waits for those of others: while several users are about, each begins one in a pace that leaves
  the event loop room, and the rest of theirs one by one;
- alone, a user is not slowed, but a few begin in each turn of the loop: who comes then waits for these few;
- a refusal comes after a moment: who asks again at once, whatever it says, does not keep the hub busy with refusing.
"""

import asyncio
import time
from collections import deque

PACE = 0.001  # seconds between two beginnings of one user, while others are about
MOST_PACE = 0.005
BURST = 4  # that begin at once when the process itself had to wait for its turn
SLICE = 4  # of one user alone in a turn of the loop; the next turn looks at the network first
ABOUT = 1.0  # seconds a user counts as being about since their last request
REFUSED_AFTER = 0.25  # seconds; and up to as much again, so that refusals do not come back all at once
SPREAD = 0.618  # of that from one refusal to the next: whatever their number, they are apart


class TooBusy(Exception):
    """The user has as many requests under way and waiting as the hub takes.

    Args:
        retry_after: seconds.
    """

    reason = "too_busy"

    def __init__(self, at_once: int, queued: int) -> None:
        super().__init__(f"{at_once} requests of yours are under way and {queued} wait; more are not taken.")
        self.retry_after = 1


class _User:
    __slots__ = ("begins_at", "begun", "begun_at", "running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.begins_at = 0.0  # the next may begin then, while others are about
        self.begun_at = 0.0  # a turn of the loop: its clock stands still for as long
        self.begun = 0  # in that turn


class Load:
    """Counts by user; of one user first come, first served."""

    def __init__(self, at_once: int, queued: int) -> None:
        self._at_once = at_once
        self._queued = queued
        self._users: dict[str, _User] = {}
        self._latest = ""  # who asked last
        self._latest_at = self._mixed_until = 0.0
        self._pace = PACE
        self._ticked_at = self._cpu_then = 0.0
        self._due: set[str] = set()  # users of whom one waits although they may have more under way
        self._tick: asyncio.Handle | None = None
        self._refused = 0

    async def enter(self, user_id: str) -> None:
        """Returns when the request may run; each return is followed by one `leave`.

        Raises:
            TooBusy: the queue is full.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._note(user_id, now)
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = _User()
        if user.running < self._at_once and not user.waiting and self._may_begin(user, now):
            self._begin(user, now)
            return
        if user.running + len(user.waiting) >= self._at_once + self._queued:
            self._refused += 1
            await asyncio.sleep(REFUSED_AFTER * (1 + self._refused * SPREAD % 1))
            raise TooBusy(self._at_once, self._queued)
        turn: asyncio.Future[None] = loop.create_future()
        user.waiting.append(turn)
        self._look(user_id, user)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(user_id)  # the turn came and will not be taken
            else:
                user.waiting.remove(turn)
                self._drop_if_idle(user_id, user)
            raise

    def leave(self, user_id: str) -> None:
        user = self._users[user_id]
        user.running -= 1
        self._look(user_id, user)
        self._drop_if_idle(user_id, user)

    def running(self, user_id: str) -> int:
        user = self._users.get(user_id)
        return user.running if user else 0

    @property
    def waiting(self) -> int:
        """Requests of all users that have not begun."""
        return sum(len(user.waiting) for user in self._users.values())

    def _note(self, user_id: str, now: float) -> None:
        """Several users are about when requests of two came within a second."""
        if user_id != self._latest:
            if now - self._latest_at < ABOUT:
                self._mixed_until = now + ABOUT
            self._latest = user_id
        self._latest_at = now

    def _may_begin(self, user: _User, now: float) -> bool:
        """Without waiting for the user's pace, or alone for the next turn of the loop."""
        if now < self._mixed_until:
            return now >= user.begins_at
        return user.begun < SLICE or now != user.begun_at

    def _begin(self, user: _User, now: float) -> None:
        user.running += 1
        user.begins_at = now + self._pace
        if now != user.begun_at:
            user.begun_at, user.begun = now, 0
        user.begun += 1

    def _look(self, user_id: str, user: _User) -> None:
        """Lets the next one begin, in the next turn of the loop or in the user's pace."""
        if not user.waiting or user.running >= self._at_once:
            return
        self._due.add(user_id)
        if self._tick is None:
            loop = asyncio.get_running_loop()
            now = loop.time()
            self._ticked_at, self._cpu_then = now, time.thread_time()
            alone = now >= self._mixed_until
            self._tick = loop.call_soon(self._ticked) if alone else loop.call_at(max(now, user.begins_at), self._ticked)

    def _next(self, user: _User, now: float) -> None:
        while user.waiting:
            turn = user.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._begin(user, now)
                return

    def _ticked(self) -> None:
        """One of each user begins, or some when the clock went on without this process. The pace leaves the loop as
        much time as it spends: there is room for who comes with a single request. Of a user alone some begin.
        """
        loop = asyncio.get_running_loop()
        now, cpu = loop.time(), time.thread_time()
        self._pace = min(max(PACE, 2 * (cpu - self._cpu_then)), MOST_PACE)
        at_once = min(max(1, int((now - self._ticked_at) / self._pace)), BURST)
        alone = now >= self._mixed_until
        if alone:
            at_once = SLICE
        self._ticked_at, self._cpu_then, self._tick = now, cpu, None
        for user_id in list(self._due):
            if not self._begin_some(user_id, at_once, now):
                self._due.discard(user_id)
        if self._due:
            self._tick = loop.call_soon(self._ticked) if alone else loop.call_later(self._pace, self._ticked)

    def _begin_some(self, user_id: str, most: int, now: float) -> bool:
        """Does the user have more that could begin?"""
        user = self._users.get(user_id)
        if user is None:
            return False
        for _ in range(most):
            if user.waiting and user.running < self._at_once:
                self._next(user, now)
        return bool(user.waiting) and user.running < self._at_once

    def _drop_if_idle(self, user_id: str, user: _User) -> None:
        if not user.running and not user.waiting and self._users.get(user_id) is user:
            del self._users[user_id]
