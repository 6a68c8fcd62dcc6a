"""Servers opened ahead, when a session begins: what its user called of late is there before the first call.

Promises:
- a client never waits for it, and what cannot be opened is no failure of anybody's call;
- nothing is opened for a user without the values a server needs, or that this session may not see at that moment;
- nothing that is open makes room for it, and it makes room first for what is asked for;
- so many at once, however many clients come back in the morning.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import structlog
from psycopg_pool import PoolTimeout, TooManyRequests

from mcphub.domain.access import AccessModel, Capability, decide
from mcphub.domain.settings_state import ServerState
from mcphub.domain.substitution import MissingVariables, UnusableValue
from mcphub.domain.vault import Unopenable
from mcphub.gateway.injection import Injector
from mcphub.gateway.session import Session
from mcphub.gateway.upstream.runtime import Pool, UpstreamFailed

log = structlog.get_logger()

AT_ONCE = 4
CANNOT = (MissingVariables, UnusableValue, Unopenable, UpstreamFailed)

#: user id, how many → slugs of the servers the user called of late, the latest first
Recent = Callable[[str, int], Awaitable[list[str]]]


class Prewarming:
    """
    Args:
        recent: see there; asked once for each session.
        most: servers opened ahead for a session; 0 for none at all.
    """

    def __init__(self, *, model: AccessModel, pool: Pool, injector: Injector, recent: Recent, most: int) -> None:
        self._model = model
        self._pool = pool
        self._injector = injector
        self._recent = recent
        self._most = most
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, session: Session) -> None:
        """A client has opened a session."""
        if self._most:
            task = asyncio.create_task(self._ahead(session), name="prewarming")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ahead(self, session: Session) -> None:
        for server in (await self._wanted(session))[: self._most]:
            async with self._room:
                try:
                    await self._open(session, server)
                except CANNOT as why:
                    log.info("not_opened_ahead", server=server.slug, user_id=session.principal.user_id, why=str(why))
                except Exception:
                    log.exception("opening_ahead_broke", server=server.slug)

    async def _wanted(self, session: Session) -> list[ServerState]:
        """What the user called of late, then what is to be started before anybody calls."""
        settings = self._model.settings
        try:
            slugs = await self._recent(session.principal.user_id, self._most)
        except (psycopg.Error, PoolTimeout, TooManyRequests):  # it would only have been quicker
            slugs = []
        wanted = {server.server_id: server for slug in slugs if (server := settings.by_slug(slug)) is not None}
        wanted |= {
            server.server_id: server for server in self._model.servers.values() if not server.spec.start_on_demand
        }
        return [server for server in wanted.values() if self._may(session, server)]

    def _may(self, session: Session, server: ServerState) -> bool:
        if session.closed or not server.spec.prewarm or server.server_id not in self._model.servers:
            return False
        capability = Capability(server.server_id)
        return decide(self._model, session.principal, capability, datetime.now(UTC), session.asker.view).allowed

    async def _open(self, session: Session, server: ServerState) -> None:
        spec = server.spec
        inject = await self._injector.prepare(spec, session.principal.user_id)
        if not self._may(session, server) or server.spec is not spec:
            return  # something changed meanwhile
        await self._pool.ahead(spec, session.asker.identity(self._model, server.server_id), inject)
