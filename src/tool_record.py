"""The role that puts on the record what servers say of their tools, beside the lists and never in their way."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from mcphub.domain.access import AccessModel
from mcphub.domain.hub import Hub
from mcphub.domain.tool_book import HOUR, Definition, definition_of
from mcphub.domain.tools import Listed, ObserveTools
from mcphub.gateway.tool_news import News, ToolNews
from mcphub.roles import run_as, utc_now

log = structlog.get_logger()

AGAIN_SECONDS = 60.0  # what an hour's bound left out is looked at again that often
RETRY_SECONDS = 1.0


class ToolRecord:
    """
    Args:
        news: what the lists of this process brought.
    """

    def __init__(self, hub: Hub, model: AccessModel, news: ToolNews, now: Callable[[], datetime] = utc_now) -> None:
        self._hub = hub
        self._model = model
        self._news = news
        self._now = now
        self._unfinished: set[str] = set()

    async def run(self) -> None:
        """For ever; what cannot be recorded now is tried again a second later."""
        while True:
            try:
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._news.rung.wait()
            except TimeoutError:
                self.look_again()
            if not await self.round():
                await asyncio.sleep(RETRY_SECONDS)

    def look_again(self) -> None:
        """At servers of which more came in than an hour records."""
        unfinished, self._unfinished = self._unfinished, set()
        for server_id in unfinished:
            self._news.brought(server_id)

    async def round(self) -> bool:
        """Records what is new of every marked server; False when one could not be recorded and stays marked."""
        done = True
        for server_id in self._news.take_marked():
            try:
                await self._record(server_id)
            except Exception as error:
                log.warning("tools_not_recorded", server_id=server_id, why=type(error).__name__)
                self._news.brought(server_id)
                done = False
        return done

    async def _record(self, server_id: str) -> None:
        news, now = self._news.of(server_id), self._now()
        book = self._model.tools.get(server_id)
        closed = book.closed if book is not None else None
        if closed is not None:
            self._unfinished.add(server_id)
        if not news or (closed is not None and now - closed < HOUR):
            return
        listed = await asyncio.to_thread(_listed, news)
        await run_as(self._hub, "tools", lambda: ObserveTools(server_id, listed, news.vanished, now))
        self._unfinished.add(server_id)  # perhaps not all of it; the next look finds out


def _listed(news: News) -> list[Listed]:
    found = []
    for item in news.items:
        definition = definition_of(item.raw)
        found.append(Listed(item.name, Definition(definition.hash, None) if item.telling else definition))
    return found
