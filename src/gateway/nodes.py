"""The nodes of one database: which there are, and what one has to say to another about a session both know.

A session's requests may reach any node, and its own stream is open at one of them. What belongs on that stream goes
there, an answer goes to the node that asked, and an end to all of them. An administrator's look, and an end of what
only its own node knows, is asked of all and answered by each. A notification only rings; the message is a
row, sealed, taken by whom it is for. Nothing waits for delivery, and what a dead node does not take is gone in a
minute: a question then ends as one nobody answered.

Rings are coalesced: at most twenty a second, as each takes a lock that all commits of the database share.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from mcphub.gateway.store import DATABASE_AWAY
from mcphub.periodic import Periodic, end
from mcphub.postgres.migrate import OUTGROWN
from mcphub.postgres.pool import execute_many
from mcphub.projections.tail import Tail

log = structlog.get_logger()

SEALING = "node-messages"  # name of the hub's own 32 bytes that seal them
BEAT_SECONDS = 2.0
GONE_AFTER = 10.0  # seconds without a beat
KEPT = "1 day"  # a node that is gone is shown so long
UNTAKEN = "1 minute"
LEAST_BETWEEN = 0.05  # seconds between two rings
ANSWERED_WITHIN = 1.5  # seconds another node has for a question of this one

BEAT = """
    insert into node (id, name, version, schema_version, started_at, seen_at, draining, sessions, streams, in_flight,
                      runtimes, cores)
    select %(id)s, %(name)s, %(version)s, %(schema)s, clock_timestamp(), clock_timestamp(), %(draining)s, %(sessions)s,
           %(streams)s, %(in_flight)s, %(runtimes)s, %(cores)s
    from (select set_config('synchronous_commit', 'off', true)) as a_beat_may_be_lost
    on conflict (id) do update set
        seen_at = clock_timestamp(), draining = excluded.draining, sessions = excluded.sessions,
        streams = excluded.streams, in_flight = excluded.in_flight, runtimes = excluded.runtimes, cores = excluded.cores
"""
OTHERS = "select id, name from node where id <> %s and seen_at > clock_timestamp() - %s * interval '1 second'"
TIDY = f"""
    with old as (delete from node_message where made_at < clock_timestamp() - interval '{UNTAKEN}')
    delete from node where seen_at < clock_timestamp() - interval '{KEPT}'
"""
LISTENER = """
    select s.listening from gateway_session s join node n on n.id = s.listening
    where s.digest = %s and s.listening <> %s and n.seen_at > clock_timestamp() - %s * interval '1 second'
"""
ADD = "insert into node_message (node, body) values (%s, %s)"
TAKE = "delete from node_message where node = %s returning id, body"
SHOWN = """
    select id, name, version, schema_version, started_at, seen_at, draining, sessions, streams, in_flight, runtimes,
           cores, seen_at > clock_timestamp() - %s * interval '1 second'
    from node order by name, started_at
"""


class Put(Struct, frozen=True, tag=True, array_like=True):
    """A frame for a session's own stream. Droppable ones are notifications, the others questions."""

    session: bytes
    frame: bytes
    droppable: bool


class Answered(Struct, frozen=True, tag=True, array_like=True):
    """What the client said to a question of the node it goes to."""

    session: bytes
    question: bytes  # raw JSON id
    result: bytes
    error: bytes


class Cancelled(Struct, frozen=True, tag=True, array_like=True):
    """The client gives up a request, which one of the others may have under way."""

    session: bytes
    request: bytes  # raw JSON id


class Ended(Struct, frozen=True, tag=True, array_like=True):
    """The session is over for good."""

    session: bytes


class Moved(Struct, frozen=True, tag=True, array_like=True):
    """Another node has taken the session up; what is not in use of it here can go."""

    session: bytes


class ShowSessions(Struct, frozen=True, tag=True, array_like=True):
    """Which sessions are live at the node?"""


class ShowRuntimes(Struct, frozen=True, tag=True, array_like=True):
    """Which runtimes are open at the node?"""


class ShowStatuses(Struct, frozen=True, tag=True, array_like=True):
    """How are the servers doing at the node?"""


class EndSession(Struct, frozen=True, tag=True, array_like=True):
    """End the session if it is live at the node; was it?"""

    session_id: str  # the public one
    reason: str


class EndRuntime(Struct, frozen=True, tag=True, array_like=True):
    """End the runtime if it is open at the node; was it?"""

    runtime_id: str
    reason: str


Question = ShowSessions | ShowRuntimes | ShowStatuses | EndSession | EndRuntime


class Asked(Struct, frozen=True, tag=True, array_like=True):
    """A question of a node to another."""

    node: str  # that asks
    number: int
    question: Question


class Told(Struct, frozen=True, tag=True, array_like=True):
    """What came of a question."""

    number: int
    answer: bytes


Message = Put | Answered | Cancelled | Ended | Moved
decode = msgspec.msgpack.Decoder(Message | Asked | Told).decode


class Load(Struct, frozen=True):
    """What a node has to do right now."""

    sessions: int
    streams: int
    in_flight: int
    runtimes: int


class Node(Struct, frozen=True, kw_only=True):
    """One run of a hub. `cores` is the CPU its process used; `living` says that it was heard of lately."""

    id: str
    name: str
    version: str
    schema_version: int
    started_at: datetime
    seen_at: datetime
    draining: bool
    sessions: int
    streams: int
    in_flight: int
    runtimes: int
    cores: float
    living: bool


class Nodes:
    """This node among the others.

    Args:
        pool: connections in autocommit mode, as the application role.
        tail: whose connection the rings come in on.
        key: 32 bytes that the nodes share.
        schema: the newest schema the code of this node knows.

    Attributes:
        others: names of the living others, by id.
        load: asked at each beat.
        hear: told each message about a session, in the order in which another node sent them.
        answer: asked what another node asks.
        outgrown: told, at each beat, the number of a migration that leaves no place for the code of this node.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        tail: Tail,
        *,
        key: bytes,
        name: str,
        version: str,
        schema: int,
    ) -> None:
        self.load: Callable[[], Load] = lambda: Load(0, 0, 0, 0)
        self.hear: Callable[[Message], None] = lambda _: None
        self.answer: Callable[[Question], Awaitable[bytes]] = _nothing
        self.outgrown: Callable[[int], None] = lambda _: None
        self.id = secrets.token_hex(4)
        self.name = name
        self.others: Mapping[str, str] = {}
        self.draining = False
        self._pool = pool
        self._tail = tail
        self._seal = AESGCM(key)
        self._about = {"id": self.id, "name": name, "version": version, "schema": schema}
        self._cpu = (time.monotonic(), time.process_time())
        self._away = False
        self._one_beat = asyncio.Lock()
        self._queue: list[tuple[str | bytes, bytes]] = []  # (node, or digest of a session it listens to, body)
        self._queued = asyncio.Event()
        self._rung = asyncio.Event()
        self._beats = Periodic("node-beat", self._beat, BEAT_SECONDS)
        self._tasks: list[asyncio.Task[None]] = []
        self._asked: dict[int, asyncio.Future[bytes]] = {}  # questions of this node that wait for their answers
        self._numbers = count(1)
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._beat()
        self._tail.hear(channel(self.id), self._rung.set)
        self._tasks = [
            asyncio.create_task(self._send(), name="node-sender"),
            asyncio.create_task(self._receive(), name="node-receiver"),
        ]
        await self._beats.start()

    async def leave(self) -> None:
        """The others and administrators see that it goes."""
        self.draining = True
        await self._beat()

    async def stop(self) -> None:
        """What is queued is sent; of a node that ended by itself no row stays."""
        await self._beats.stop()
        for task in (*self._tasks, *self._answering):
            await end(task)
        try:
            await self._flush()
            async with self._pool.connection(timeout=2) as db:
                await db.execute("delete from node where id = %s", (self.id,))
        except DATABASE_AWAY:
            log.info("node_not_signed_off", node=self.id)

    async def shown(self) -> list[Node]:
        """Those of the last day, the ones that are gone among them."""
        async with self._pool.connection() as db:
            rows = await (await db.execute(SHOWN, (GONE_AFTER,))).fetchall()
        return [Node(**dict(zip(Node.__struct_fields__, row, strict=True))) for row in rows]

    # saying

    def to_listener(self, message: Put) -> None:
        """For whichever other node holds the session's stream; nothing happens when none does."""
        self._say(message.session, message)

    def to(self, node: str, message: Message) -> None:
        self._say(node, message)

    def to_all(self, message: Message) -> None:
        for node in self.others:
            self._say(node, message)

    async def listener(self, session: bytes) -> str:
        """The other node that holds the session's stream; '' when none does.

        Raises:
            psycopg.Error, PoolTimeout: the database does not answer.
        """
        if not self.others:
            return ""
        async with self._pool.connection() as db:
            row = await (await db.execute(LISTENER, (session, self.id, GONE_AFTER))).fetchone()
        return str(row[0]) if row else ""

    async def ask(self, question: Question) -> dict[str, bytes | None]:
        """What each of the others says, by its id; None of one that does not answer in time."""
        others = list(self.others)
        answers = await asyncio.gather(*(self._ask(node, question) for node in others))
        return dict(zip(others, answers, strict=True))

    async def _ask(self, node: str, question: Question) -> bytes | None:
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._say(node, Asked(self.id, number, question))
            async with asyncio.timeout(ANSWERED_WITHIN):
                return await answer
        except TimeoutError:
            log.warning("node_does_not_answer", node=node, what=type(question).__name__)
            return None
        finally:
            del self._asked[number]

    def _say(self, target: str | bytes, message: Message | Asked | Told) -> None:
        if self.others:
            nonce = os.urandom(12)
            self._queue.append((target, nonce + self._seal.encrypt(nonce, msgspec.msgpack.encode(message), None)))
            self._queued.set()

    async def _send(self) -> None:
        while True:
            await self._queued.wait()
            try:
                await self._flush()
            except DATABASE_AWAY as error:
                log.warning("node_messages_lost", count=len(self._queue), why=type(error).__name__)
                self._queue.clear()
            await asyncio.sleep(LEAST_BETWEEN)

    async def _flush(self) -> None:
        self._queued.clear()
        queue, self._queue = self._queue, []
        if not queue:
            return
        async with self._pool.connection() as db, db.transaction():
            rows: list[tuple[str, bytes]] = []
            listeners: dict[bytes, str] = {}
            for target, body in queue:
                if isinstance(target, bytes):
                    if target not in listeners:
                        found = await (await db.execute(LISTENER, (target, self.id, GONE_AFTER))).fetchone()
                        listeners[target] = str(found[0]) if found else ""
                    target = listeners[target]
                if target:
                    rows.append((target, body))
            await execute_many(db, ADD, rows)
            for node in sorted({node for node, _ in rows}):
                await db.execute("select pg_notify(%s, '')", (channel(node),))

    # hearing

    async def _receive(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            try:
                async with self._pool.connection() as db:
                    rows = await (await db.execute(TAKE, (self.id,))).fetchall()
            except DATABASE_AWAY as error:
                log.warning("node_messages_not_read", why=type(error).__name__)
                continue  # the next beat rings again
            for _, body in sorted(rows):
                self._heard(bytes(body))

    def _heard(self, body: bytes) -> None:
        try:
            message = decode(self._seal.decrypt(body[:12], body[12:], None))
        except (InvalidTag, ValueError) as error:  # another key, or a kind a newer node sends
            log.warning("node_message_unreadable", why=type(error).__name__)
            return
        if isinstance(message, Asked):
            task = asyncio.create_task(self._answered(message), name="node-answer")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        if isinstance(message, Told):
            waiting = self._asked.get(message.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(message.answer)
            return
        try:
            self.hear(message)
        except Exception:
            log.exception("node_message_failed", kind=type(message).__name__)

    async def _answered(self, asked: Asked) -> None:
        try:
            answer = await self.answer(asked.question)
        except Exception:
            log.exception("node_question_failed", what=type(asked.question).__name__)
            return
        self._say(asked.node, Told(asked.number, answer))

    # being there

    async def _beat(self) -> None:
        async with self._one_beat:  # an older one must not overtake the one that says "I go"
            await self._beaten()

    async def _beaten(self) -> None:
        load, (at, cpu) = self.load(), self._cpu
        self._cpu = time.monotonic(), time.process_time()
        cores = (self._cpu[1] - cpu) / max(self._cpu[0] - at, 0.001)
        about = {**self._about, **msgspec.structs.asdict(load), "draining": self.draining, "cores": cores}
        try:
            async with self._pool.connection(timeout=2) as db:
                await db.execute(BEAT, about)
                rows = await (await db.execute(OTHERS, (self.id, GONE_AFTER))).fetchall()
                newer = await (await db.execute(OUTGROWN, self._about)).fetchone()
                await db.execute(TIDY)
        except DATABASE_AWAY as error:
            if not self._away:
                log.warning("node_not_seen", why=type(error).__name__)
            self._away = True
            return
        self._away = False
        if newer is not None and newer[0] is not None:
            self.outgrown(newer[0])
        others = {str(node): str(name) for node, name in rows}
        if others != self.others:
            log.info("nodes_changed", node=self.id, others=sorted(others))
        self.others = others
        if others:
            self._rung.set()  # a ring can be lost with its connection


async def _nothing(_: Question) -> bytes:
    return b""


def channel(node: str) -> str:
    return f"node_{node}"
