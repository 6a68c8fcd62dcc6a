"""Live streams to browsers: server-sent events that end when their reader may no longer read them."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import msgspec
from litestar.response import Stream

from mcphub.api.problems import Problem

PING_SECONDS = 15.0
LOOK_SECONDS = 0.5  # how long a stream may outlive its reader's rights
MOST = 20  # that one user follows at a time


def stream(events: AsyncIterator[bytes]) -> Stream:
    """The answer that carries them."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events, media_type="text/event-stream", headers=headers)


class OpenStreams:
    """How many each user follows. Every one of them asks the database again and again."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def one_more(self, user_id: str, events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """The same events, counted while somebody reads them.

        Raises:
            Problem: the user follows as many as may be.
        """
        if self._of[user_id] >= MOST:
            raise Problem(
                429, "too_busy", f"You follow {MOST} streams already.", "Close one, then try again.", retry_after=5
            )
        return self._counted(user_id, events)

    async def _counted(self, user_id: str, events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        self._of[user_id] += 1
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self._of[user_id] -= 1
            if not self._of[user_id]:
                del self._of[user_id]


async def events(source: AsyncIterator[dict[str, Any]], still: Callable[[], bool]) -> AsyncGenerator[bytes]:
    """Records as events; a comment when nothing happens for a while.

    Args:
        source: records; `n`, a number or a text without a line's end, becomes the event's id when there is one.
        still: may the reader go on reading? Asked before each event and twice a second.
    """
    yield b": open\n\n"
    silent = 0.0
    following = asyncio.ensure_future(anext(source))
    try:
        while still():
            done, _ = await asyncio.wait({following}, timeout=LOOK_SECONDS)
            if not done:
                silent += LOOK_SECONDS
                if silent >= PING_SECONDS:
                    silent = 0.0
                    yield b": ping\n\n"
                continue
            try:
                record = following.result()
            except StopAsyncIteration:
                return
            if not still():
                return
            following, silent = asyncio.ensure_future(anext(source)), 0.0
            name = f"id: {record['n']}\n".encode() if isinstance(record.get("n"), int | str) else b""
            yield name + b"data: " + msgspec.json.encode(record, enc_hook=str) + b"\n\n"
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
