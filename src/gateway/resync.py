"""Lists asked for anew in the background, so that clients hear of what changed and of nothing else.

Promises:
- what an upstream says only marks its lists, and a storm of it costs little more than one word; one worker for each
  list asks, at growing pauses while it goes on;
- a server that could not be listed is asked again until it answers: it comes back by itself, with nobody calling;
- each question is asked as a session that was shown such a list, so it opens nothing that this user has no values for,
  and nothing is asked once no such session is live.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import structlog

from mcphub.domain.access import AccessModel, Kind
from mcphub.domain.settings_state import ServerState
from mcphub.gateway.errors import Answer, ServerFailed, ValuesMissing
from mcphub.gateway.kinds import LISTED, Offer
from mcphub.gateway.router import Key, Router
from mcphub.gateway.session import Asker, Session
from mcphub.gateway.upstream.runtime import ServerStatus

log = structlog.get_logger()

AT_ONCE = 8  # lists asked for in the background, of all servers
LONGEST_PAUSE = 10.0  # seconds, while an upstream keeps saying that its list changed
RETRY_FROM, RETRY_TO = 1.0, 60.0  # seconds, while a server cannot be listed


Word = tuple[str, str | None, Kind]  # server, user or None for all, kind


class Resync:
    """
    Args:
        sessions: the live ones of a user; None: of everybody.
        status: how a server is doing; it says when the pool tries the next time.
        debounce: seconds from the first word of an upstream to the question.
    """

    def __init__(
        self,
        *,
        model: AccessModel,
        router: Router,
        sessions: Callable[[str | None], Iterable[Session]],
        status: Callable[[str], ServerStatus],
        debounce: float,
    ) -> None:
        self._model = model
        self._router = router
        self._sessions = sessions
        self._status = status
        self._debounce = debounce
        self._room = asyncio.Semaphore(AT_ONCE)
        self._workers: dict[Key, asyncio.Task[None]] = {}
        self._said: dict[Word, asyncio.TimerHandle] = {}  # what was said a moment ago
        self._said_again: set[Word] = set()

    def changed(self, server_id: str, user_id: str | None, offer: Offer) -> None:
        """An upstream says that its list is another one now; user None: for everybody."""
        word = (server_id, user_id, offer.kind)
        if word in self._said:
            self._said_again.add(word)
            self._router.mark(*word)
            return
        self._router.changed(server_id, user_id, offer)
        self._said[word] = asyncio.get_running_loop().call_later(self._debounce, self._look, word, offer)

    def _look(self, word: Word, offer: Offer) -> None:
        """Sees who was shown such lists."""
        server_id, user_id, kind = word
        del self._said[word]
        if word in self._said_again:
            self._said_again.discard(word)
            self._router.changed(server_id, user_id, offer)
        server = self._model.servers.get(server_id)
        if server is None:
            return
        alike = [each for each in LISTED.values() if each.kind == kind]
        for session in self._sessions(user_id):
            for each in alike:
                if self._shown(session, server, each):
                    self._begin(self._router.key(session.asker, server, each), server.slug, each, 0.0)

    def not_had(self, asker: Asker, server: ServerState, offer: Offer) -> None:
        """A client was answered without the server's list, or with an older one, as the server did not give it."""
        self._begin(self._router.key(asker, server, offer), server.slug, offer, RETRY_FROM)

    async def stop(self) -> None:
        for timer in self._said.values():
            timer.cancel()
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Lists that are asked for, or will be."""
        return len(self._workers) + len(self._said)

    def _begin(self, key: Key, slug: str, offer: Offer, pause: float) -> None:
        if key in self._workers:
            return  # it looks at the mark before it ends
        worker = asyncio.create_task(self._work(key, offer, pause), name=f"resync-{slug}")
        self._workers[key] = worker

        def over(task: "asyncio.Task[None]") -> None:
            self._workers.pop(key, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("resync_failed", server=slug, exc_info=error)

        worker.add_done_callback(over)

    async def _work(self, key: Key, offer: Offer, pause: float) -> None:
        failed = 0
        while True:
            await asyncio.sleep(pause)
            async with self._room:
                somebody = self._somebody(key, offer)
                if somebody is None or self._router.fresh(key):
                    return
                asker, server = somebody
                try:
                    await self._router.listed(asker, server, offer, anew=True)
                except Answer as failure:
                    if not isinstance(failure, ServerFailed) or isinstance(failure, ValuesMissing):
                        return  # another value is another list, and its user hears of that
                    pause = min(RETRY_FROM * 2**failed, RETRY_TO)
                    failed += 1
                    if (at := self._status(server.server_id).next_retry_at) is not None:
                        pause = max(pause, at - time.time())
                    continue
            failed = 0
            pause = min(max(pause, self._debounce) * 2, LONGEST_PAUSE)  # for what was said while it was asked

    def _somebody(self, key: Key, offer: Offer) -> tuple[Asker, ServerState] | None:
        """One of those who would be shown this very list."""
        server = self._model.servers.get(key[0])
        if server is None:
            return None
        for session in self._sessions(key[2] or None):
            if self._shown(session, server, offer):
                asker = session.asker
                if self._router.key(asker, server, offer) == key:
                    return asker, server
        return None

    def _shown(self, session: Session, server: ServerState, offer: Offer) -> bool:
        """Was it shown such a list, of many servers, and may it see this one?"""
        if session.closed or session.asker.verbatim or offer.list_method not in session.listed:
            return False
        reasons = self._model.reasons(session.principal, session.asker.view, datetime.now(UTC))
        return reasons.get(server.server_id) == "allowed"
