"""Whose turn it is at a server that many use: so many requests at once, and then user by user.

Who has a hundred requests waiting is served like who has one: each user in turn, of one user first come, first served.
"""

import asyncio
from collections import deque


class _Server:
    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}  # user → requests; the first is the next one served


class Turns:
    """
    Args:
        at_once: requests under way at one server, of all users.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._servers: dict[str, _Server] = {}

    def free(self, server_id: str) -> bool:
        """May a request go out at once? Then one `leave` follows; else its turn is to be waited for."""
        server = self._servers.get(server_id)
        if server is None:
            server = self._servers[server_id] = _Server()
        if server.running >= self._at_once:
            return False
        server.running += 1
        return True

    async def come(self, server_id: str, user_id: str) -> None:
        """After `free` said no: returns when the request may go out, and one `leave` follows."""
        server = self._servers[server_id]
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        server.waiting.setdefault(user_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(server_id)  # the turn came and will not be taken
            raise

    def leave(self, server_id: str) -> None:
        server = self._servers[server_id]
        while server.waiting:
            user_id = next(iter(server.waiting))
            turns = server.waiting.pop(user_id)
            while turns and turns[0].done():  # who gave up
                turns.popleft()
            if not turns:
                continue
            turns.popleft().set_result(None)  # the place passes on, so `running` stays
            if turns:
                server.waiting[user_id] = turns  # behind all others
            return
        server.running -= 1
        if not server.running:
            del self._servers[server_id]
