"""The life of downstream sessions: opened, found again after a restart, ended when they or their owner are over.

Revocation is news of the tail: with the fact that locks a user out or revokes a key, the sessions, streams and calls
end, and so do the processes that hold the user's values. The clock ends what expires without a fact.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from mcphub.domain.access import AccessModel, Principal, View
from mcphub.domain.codec import Recorded
from mcphub.domain.events import KeyRevoked, KeyRotated, SignedOut, UserDeactivated, UserDeleted, UserErased
from mcphub.domain.ids import new_id
from mcphub.gateway import wire
from mcphub.gateway.call import Call
from mcphub.gateway.envelope import without_reserved
from mcphub.gateway.exposure import NOTHING, Asked, choice
from mcphub.gateway.nodes import Answered, Cancelled, Ended, Message, Moved, Nodes, Put
from mcphub.gateway.session import Asker, Client, Limits, Session, Sessions, asked_by, new_session_id, session_digest
from mcphub.gateway.store import DATABASE_AWAY, Options, Row, SessionRows
from mcphub.gateway.traffic import Session as SessionRow
from mcphub.gateway.traffic import TrafficWriter
from mcphub.gateway.upstream.runtime import Pool, Reply

log = structlog.get_logger()

PROGRESS = "notifications/progress"
ROOTS_CHANGED = "notifications/roots/list_changed"
CLOSE_WITHIN = 2.0
SEEN_EVERY = 30.0  # seconds between writes of what was used
OLD_EVERY = 3600.0


class TooManySessions(Exception):
    """The hub as a whole, or the user, holds as many live sessions as it takes."""


class NotStored(Exception):
    """The session's row could not be written or read: the database does not answer."""


def _now() -> datetime:
    return datetime.now(UTC)


class Lifecycle:
    """
    Args:
        view_of: the view behind a path for a user; None when there is none any more.
        subscribe_again: tells the upstreams of a session that was brought back what it is subscribed to.
        opened: told of each session that a client opened.
        nodes: the others on the database; without them a session lives here alone.
    """

    def __init__(
        self,
        *,
        model: AccessModel,
        rows: SessionRows,
        pool: Pool,
        traffic: TrafficWriter,
        limits: Limits,
        view_of: Callable[[str, Principal], View | None],
        subscribe_again: Callable[[Session], Awaitable[None]],
        opened: Callable[[Session], None] = lambda _: None,
        nodes: Nodes | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.live = Sessions()
        self.loose: dict[str, set[Call]] = {}  # user → requests that belong to no session
        self._model = model
        self._rows = rows
        self._pool = pool
        self._traffic = traffic
        self._limits = limits
        self._view_of = view_of
        self._subscribe_again = subscribe_again
        self._opened = opened
        self._nodes = nodes
        self._now = now
        self._finding: dict[bytes, asyncio.Future[Session | None]] = {}
        self._ended: set[bytes] = set()  # sessions that are over for good, as long as their rows may be there
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen_at = self._old_at = time.monotonic()
        self._attended = asyncio.Event()

    async def loosely(self, call: Call, running: Awaitable[None]) -> None:
        """Runs a request that belongs to no session; what locks its user out ends it."""
        user = call.asker.principal.user_id
        loose = self.loose.setdefault(user, set())
        loose.add(call)
        try:
            await running
        finally:
            loose.discard(call)
            if not loose:
                self.loose.pop(user, None)

    def live_of(self, user_id: str | None) -> list[Session]:
        """The live sessions of a user; None: of everybody."""
        return list(self.live) if user_id is None else self.live.of_user(user_id)

    # between nodes

    def answered(self, session: Session, question: bytes, reply: Reply) -> None:
        """What a client said to a question, which another node may have asked; nobody's is passed over."""
        if not session.answered(question, reply) and self._nodes is not None:
            node = asked_by(question)
            if node in self._nodes.others:
                told = Answered(session.digest, question, reply.result or b"", reply.error or b"")
                self._nodes.to(node, told)

    def cancelled(self, session: Session, request: bytes) -> None:
        """The client gives up a request of this session, wherever it is under way."""
        if (call := session.in_flight.get(request)) is not None:
            call.cancel("client_cancelled")
        elif self._nodes is not None:
            self._nodes.to_all(Cancelled(session.digest, request))

    def heard(self, message: Message) -> None:
        """What another node says of a session that lives here as well; of any other it is passed over."""
        session = self.live.by_digest.get(message.session)
        if session is None:
            return
        match message:
            case Put(frame=frame, droppable=True) if session.listens:
                session.tell(frame)
            case Put(frame=frame) if session.listens:
                session.own.put(frame)
            case Answered(question=question, result=result, error=error):
                session.answered(question, Reply(error=error) if error else Reply(result=result))
            case Cancelled(request=request) if (call := session.in_flight.get(request)) is not None:
                call.cancel("client_cancelled")
            case Ended():
                self.end(session, "ended_elsewhere", forget=False)
            case Moved() if not session.busy:
                self.end(session, "moved", forget=False)

    async def end_elsewhere(self, public_id: str) -> bool:
        """Ends a session that is live at no node that answers; False when there is none."""
        digest = await self._rows.remove_public(public_id)
        if digest is not None and self._nodes is not None:
            self._nodes.to_all(Ended(digest))
        return digest is not None

    # opening and finding

    def draft(self, principal: Principal, view: View, asked: Asked, client: Client, params: bytes) -> Asker:
        """Who a new session would be; nothing is kept of it until `open`."""
        mode = choice(self._model, principal, view, asked)
        return _asker(principal, view, asked, mode, new_id(), client, params, client.protocol)

    def renegotiated(self, asker: Asker, client: Client, protocol: str) -> Asker:
        """The same draft, with the revision that was agreed on."""
        mode, params = asker.row.mode, asker.client_params
        return _asker(asker.principal, asker.view, asker.asked, mode, asker.session_id, client, params, protocol)

    async def open(self, asker: Asker, client: Client, path: str) -> str:
        """A new session; returns the id the client will name it by.

        Raises:
            TooManySessions, NotStored: see there.
        """
        user = asker.principal.user_id
        own = self.live.of_user(user)
        if len(own) >= self._limits.sessions and (oldest := self.live.least_used(user)) is not None:
            # One that is being used is worth more than the one that is asked for, up to a point.
            if not oldest.busy and oldest.idle_seconds > self._limits.in_use:
                self.end(oldest, "too_many_sessions")
            elif len(own) >= self._limits.sessions_in_use:
                raise TooManySessions
        if len(self.live) >= self._limits.sessions_total:
            raise TooManySessions
        session_id = new_session_id()
        session = Session(session_digest(session_id), asker, client, path=path, created=self._now())
        row = Row(
            session.digest,
            session.public_id,
            user,
            asker.principal.key_id,
            path,
            asker.protocol,
            asker.client_params,
            Options(asked=asker.asked),
            session.created,
        )
        try:
            await self._rows.add(row)
        except DATABASE_AWAY as error:
            raise NotStored from error
        self.begin(session)
        self._opened(session)
        return session_id

    def attended(self, session: Session) -> None:
        """A client begins to listen on its own stream."""
        self._attended.set()
        self._attended = asyncio.Event()
        if self._nodes is not None:
            self._soon(self._rows.listens(session.digest, here=True), "note-listening")

    def left(self, session: Session) -> None:
        """A response that carried a stream ended."""
        if self._nodes is not None and not session.own.open:
            self._soon(self._rows.listens(session.digest, here=False), "note-listening")

    async def next_attended(self) -> None:
        await self._attended.wait()

    def pass_on(self, session: Session, method: str, params: bytes) -> None:
        """What a client tells the servers it uses: everything at a server's own address, else what concerns all, and
        its progress with a question of one of them.
        """
        asker = session.asker
        server_id = asker.view.id if asker.verbatim else ""
        if method == PROGRESS and not asker.verbatim and (about := session.reported(params)) is not None:
            slug, params = about
            server = self._model.settings.by_slug(slug)
            server_id = server.server_id if server is not None else ""
        if server_id or method == ROOTS_CHANGED:
            params = params if asker.verbatim else without_reserved(params)
            work = self._pool.tell(session.public_id, session.principal.user_id, server_id, method, params)
            self._soon(work, "tell-upstreams")

    async def find(self, session_id: str, principal: Principal, path: str) -> Session | None:
        """The session of this id, brought back from its row if need be; None unless it is this caller's at this path.

        Raises:
            NotStored: see there.
        """
        digest = session_digest(session_id)
        if digest in self._ended:
            return None
        session = self.live.by_digest.get(digest)
        if session is None:
            session = await self._again(digest)
        if session is None or session.principal != principal or session.path != path:
            return None
        return session

    async def _again(self, digest: bytes) -> Session | None:
        """Single flight: an IDE sends several requests at once after a restart."""
        waiting = self._finding.get(digest)
        if waiting is None:
            waiting = asyncio.ensure_future(self._rehydrated(digest))
            self._finding[digest] = waiting
            waiting.add_done_callback(lambda _: self._finding.pop(digest, None))
        return await asyncio.shield(waiting)

    async def _rehydrated(self, digest: bytes) -> Session | None:
        try:
            row = await self._rows.find(digest)
        except DATABASE_AWAY as error:
            raise NotStored from error
        if row is None:
            return None
        principal = Principal(row.user_id, row.key_id)
        view = self._view_of(row.view, principal)
        if view is None or not self._model.alive(principal, self._now()):
            return None
        try:
            client = Client.of(row.init_params)
        except wire.Unreadable:
            return None
        asked = row.options.asked
        mode = choice(self._model, principal, view, asked)
        asker = _asker(principal, view, asked, mode, row.public_id, client, row.init_params, row.protocol_version)
        session = Session(digest, asker, client, path=row.view, created=row.created_at, log_level=row.options.log_level)
        session.subscriptions = {(server, own): shown for server, own, shown in row.options.subscriptions}
        self.begin(session)
        if self._nodes is not None and row.taken_from in self._nodes.others:
            self._nodes.to(row.taken_from, Moved(digest))
        if session.subscriptions:
            self._soon(self._subscribe_again(session), "subscribe-again")
        return session

    def begin(self, session: Session) -> None:
        """From now on it is live."""
        self.live.add(session)
        if (nodes := self._nodes) is not None:
            session.node = nodes.id
            session.away = lambda frame: nodes.to_listener(Put(session.digest, frame, True))
        self._traffic.session_opened(session.asker.row)
        log.info(
            "session_opened",
            session_id=session.public_id,
            user_id=session.principal.user_id,
            client=session.client.name,
            protocol=session.asker.protocol,
            path=session.path,
        )

    # ending

    def end(self, session: Session, reason: str, *, forget: bool = True) -> None:
        """Ends the live part at once; with `forget` its id is never accepted again."""
        if not self.live.remove(session):
            return
        if forget:
            self._ended.add(session.digest)
        session.close(reason)
        self._traffic.session_closed(session.asker.row, reason)
        log.info("session_closed", session_id=session.public_id, user_id=session.principal.user_id, why=reason)
        self._soon(self._pool.end_session(session.public_id), "end-upstreams")
        if forget:
            self._soon(self._forget([session.digest]), "forget-session")

    async def close(self, session: Session) -> None:
        """Ends it as its client asks for; from then on neither a later life of the hub nor another hub knows it.

        A database that does not answer is not waited for: the row goes when it does.
        """
        self._ended.add(session.digest)
        self.end(session, "client_closed", forget=False)
        with suppress(*DATABASE_AWAY, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._forget([session.digest])

    async def _forget(self, digests: Sequence[bytes]) -> None:
        await self._rows.remove(digests)
        self._ended.difference_update(digests)
        if self._nodes is not None:
            for digest in digests:
                self._nodes.to_all(Ended(digest))

    def end_user(self, user_id: str, reason: str) -> None:
        """Everything of the user: sessions, streams, calls, processes."""
        for session in self.live.of_user(user_id):
            self.end(session, reason)
        for call in list(self.loose.get(user_id, ())):
            call.cancel(reason)
        self._soon(self._pool.end_user(user_id, reason), "end-user")
        self._soon(self._rows.remove_of_user(user_id), "forget-sessions")

    def end_key(self, user_id: str, key_id: str, reason: str) -> None:
        for session in self.live.of_user(user_id):
            if session.principal.key_id == key_id:
                self.end(session, reason)
        for call in list(self.loose.get(user_id, ())):
            if call.asker.principal.key_id == key_id:
                call.cancel(reason)
        self._soon(self._rows.remove_of_key(key_id), "forget-sessions")

    def _soon(self, work: Awaitable[object], name: str) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                log.warning("clean_up_failed", what=name, why=type(error).__name__)

        task = asyncio.create_task(guarded(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # news and time

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """Ends what a fact took the ground from; the model knows the fact already."""
        for recorded in facts:
            match recorded.event:
                case UserDeactivated(user_id=user):
                    self.end_user(user, "user_deactivated")
                case UserDeleted(user_id=user) | UserErased(user_id=user):
                    self.end_user(user, "user_deleted")
                case SignedOut(user_id=user, session_id=""):
                    self.end_user(user, "signed_out")
                case KeyRevoked(user_id=user, key_id=key):
                    self.end_key(user, key, "key_revoked")
                case KeyRotated(user_id=user, key_id=key, grace_until=until) if until <= self._now():
                    self.end_key(user, key, "key_rotated")

    async def round(self) -> None:
        """Every second: ends what expired or idles, and writes now and then what was used."""
        now, clock = self._now(), time.monotonic()
        for session in self.live:
            if not self._model.alive(session.principal, now):
                self.end(session, "key_expired")
            elif not session.busy and clock - session.seen > self._limits.idle:
                self.end(session, "idle", forget=False)
        for call in [call for calls in self.loose.values() for call in calls]:
            if not self._model.alive(call.asker.principal, now):
                call.cancel("key_expired")
        for session in self.live:
            if session.asked_dirty:
                session.asked_dirty = False
                subscriptions = [(server, own, shown) for (server, own), shown in session.subscriptions.items()]
                options = Options(session.log_level, subscriptions, session.asker.asked)
                await self._rows.change(session.digest, options)
        if clock - self._seen_at > SEEN_EVERY:
            self._seen_at = clock
            dirty = [session for session in self.live if session.seen_dirty or session.busy]
            if dirty:
                await self._rows.seen([session.digest for session in dirty])
            for session in dirty:
                session.seen_dirty = False
            if self._ended:  # their removal failed
                await self._forget(list(self._ended))
        if clock - self._old_at > OLD_EVERY:
            self._old_at = clock
            await self._rows.remove_old(self._limits.keep_rows)

    async def stop(self) -> None:
        """Ends the live parts; the rows stay for the next start."""
        for session in self.live:
            self.end(session, "hub_stopped", forget=False)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


def _asker(
    principal: Principal,
    view: View,
    asked: Asked,
    mode: str,
    session_id: str,
    client: Client,
    params: bytes,
    protocol: str,
) -> Asker:
    row = SessionRow(
        principal.user_id,
        principal.key_id,
        session_id,
        client_name=client.name,
        client_version=client.version,
        era=protocol,
        mode=mode,
        view=str(view),
    )
    return Asker(principal, view, session_id=session_id, protocol=protocol, client_params=params, row=row, asked=asked)


def one_shot(
    model: AccessModel,
    principal: Principal,
    view: View,
    protocol: str,
    asked: Asked = NOTHING,
    *,
    client: Client | None = None,
    client_params: bytes = b"{}",
    session_id: str = "",
    own_names: bool = False,
) -> Asker:
    """Who asks in a request that belongs to no session.

    Args:
        session_id: of a stream that lives like one.
        own_names: see Asker.
    """
    row = SessionRow(
        principal.user_id,
        principal.key_id,
        session_id,
        client_name=client.name if client is not None else "",
        client_version=client.version if client is not None else "",
        era=protocol,
        mode=choice(model, principal, view, asked),
        view=str(view),
    )
    return Asker(
        principal,
        view,
        session_id=session_id,
        protocol=protocol,
        client_params=client_params,
        row=row,
        asked=asked,
        own_names=own_names,
    )
