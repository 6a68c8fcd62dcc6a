"""How many requests of one user may be under way at once; more wait their turn, and far more are refused."""

import asyncio
from collections import deque


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
    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Load:
    """Counts by user; first come, first served."""

    def __init__(self, at_once: int, queued: int) -> None:
        self._at_once = at_once
        self._queued = queued
        self._users: dict[str, _User] = {}

    async def enter(self, user_id: str) -> None:
        """Returns when the request may run; each return is followed by one `leave`.

        Raises:
            TooBusy: the queue is full.
        """
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = _User()
        if user.running < self._at_once:
            user.running += 1
            return
        if len(user.waiting) >= self._queued:
            raise TooBusy(self._at_once, self._queued)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        user.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(user_id)  # the turn came and will not be taken
            else:
                user.waiting.remove(turn)
            raise

    def leave(self, user_id: str) -> None:
        user = self._users[user_id]
        while user.waiting:
            turn = user.waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # the place passes on, so `running` stays
                return
        user.running -= 1
        if not user.running:
            del self._users[user_id]

    def running(self, user_id: str) -> int:
        user = self._users.get(user_id)
        return user.running if user else 0
