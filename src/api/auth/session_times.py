"""Until when sessions of the API may be used, and the end of those whose time is over.

A token cannot be renewed once it expired, so a session nobody used for that long is over. A fact says so, and with it
the access model forgets the session.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from psycopg_pool import ConnectionPool

from mcphub.api.services import Services
from mcphub.domain.actor import acting, system
from mcphub.domain.users import EndSessions

log = structlog.get_logger()

AT_ONCE = 500  # facts in one append
WITHIN = 2.0  # seconds for a row; a renewal is not worth more
UNTIL = """
    insert into api_session (session_id, user_id, expires_at) values (%s, %s, %s)
    on conflict (session_id) do update set expires_at = greatest(api_session.expires_at, excluded.expires_at)
"""


class SessionTimes:
    """Rows of `api_session`. Calls block.

    Args:
        pool: connections in autocommit mode, as the application role.
    """

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    def lives_until(self, session_id: str, user_id: str, expires: int) -> None:
        """Before the token that expires then (Unix seconds) is handed out."""
        with self._pool.connection(timeout=WITHIN) as db:
            db.execute(UNTIL, (session_id, user_id, datetime.fromtimestamp(expires, UTC)))

    def living(self, session_ids: Iterable[str]) -> dict[str, datetime]:
        """Which of these are not over, and until when."""
        with self._pool.connection() as db:
            rows = db.execute(
                "select session_id, expires_at from api_session"
                " where session_id = any(%s) and expires_at > clock_timestamp()",
                (list(session_ids),),
            ).fetchall()
        return dict(rows)

    def clear(self) -> None:
        """Of what is over for long nothing is kept."""
        with self._pool.connection() as db:
            db.execute("delete from api_session where expires_at < clock_timestamp() - interval '1 day'")


class SessionExpiry:
    """The role that writes the end of sessions whose time is over."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._times = SessionTimes(services.write)

    async def round(self) -> int:
        """How many ended."""
        # First the sessions, then their rows: a row is written before its session is a fact.
        open_ = [(user.user_id, session) for user in self._services.model.users.values() for session in user.sessions]
        living = await asyncio.to_thread(self._times.living, [session for _, session in open_])
        over: dict[str, list[str]] = {}
        for user, session in open_:
            if session not in living:
                over.setdefault(user, []).append(session)
        with acting(system("session-expiry")):
            for user, sessions in over.items():
                for some in batched(sessions, AT_ONCE):
                    await self._services.commands.run(lambda user=user, some=some: EndSessions(user, some))  # type: ignore[misc]
        await asyncio.to_thread(self._times.clear)
        count = sum(map(len, over.values()))
        if count:
            log.info("sessions_expired", count=count)
        return count


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
