"""Downstream sessions: one conversation of one client, its streams, and what is under way in it.

Promises:
- a session belongs to one user, one key and one address; its id is known to the client alone, the hub keeps a digest;
- putting a frame into a stream never waits; a slow reader loses progress and log notifications first, then the stream;
- a stream that broke can be taken up again by the id of the last event seen, as long as the ring holds what came after;
  when it does not, the client is told so.

Spec: MCP 2025-11-25, Transports, Resumability and Redelivery.
"""

import asyncio
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from msgspec import Struct

from mcphub.domain.access import AccessModel, Principal, View
from mcphub.gateway import traffic, wire
from mcphub.gateway.envelope import without_reserved
from mcphub.gateway.errors import CONNECTION_CLOSED
from mcphub.gateway.exposure import NOTHING, Asked
from mcphub.gateway.protocol import MODERN_VERSION
from mcphub.gateway.upstream import frames
from mcphub.gateway.upstream.runtime import Identity, Reply

Send = Callable[[dict[str, Any]], Awaitable[None]]

ASKED_BY_SERVERS = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
    # 2025-11-25: of a question that the client answers as a task
    **dict.fromkeys(("tasks/get", "tasks/result", "tasks/list", "tasks/cancel"), "tasks"),
}
MOST_PAGES = 50  # that a client was sent to and that are not done


COME_BACK_MS = 1000  # what a client waits before it takes up a stream that broke off: less than its own guess, mostly


class Limits(Struct, frozen=True, kw_only=True):
    """How the downstream side behaves; times in seconds, sizes in bytes."""

    public_url: str = "http://127.0.0.1:3000"
    version: str = "0"
    allowed_hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    allowed_origins: frozenset[str] = frozenset()
    key_in_url: bool = True
    strict: bool = False  # a call waits until its start row is durable
    slow_body: float = 15
    in_flight: int = 32  # of one user
    queued: int = 64  # of one user
    a_minute: int = 120_000  # of one user, and as many at once; 0 for no limit
    at_server: int = 256  # under way at one server that users share
    sessions: int = 50  # of one user, from where on the least used gives way
    sessions_in_use: int = 1000  # of one user, when none of them can give way
    in_use: float = 60  # since its last request a session does not give way
    sessions_total: int = 10_000
    idle: float = 15 * 60  # until the live part is freed
    keep_rows: float = 7 * 86400
    ping: float = 25
    commit: float = 1  # until a slow answer becomes a stream, which a 2025-11-25 client can resume
    commit_old: float = 15  # for older clients
    control_timeout: float = 30
    list_deadline: float = 2
    debounce: float = 0.25
    page: int = 1000
    prewarm: int = 5  # servers opened ahead for a new session


class Asker:
    """Who asks, through which address, speaking what: the identity of everything done for a request.

    Args:
        session_id: the session's public id; '' for a request that belongs to none.
        asked: what the address asks for in its query.
        own_names: at a server's own address, names tools as the server does, whatever clients call them.
    """

    __slots__ = (
        "_identities", "asked", "client_params", "kept", "own_names", "principal", "protocol", "row", "session_id",
        "view",
    )  # fmt: skip

    def __init__(
        self,
        principal: Principal,
        view: View,
        *,
        session_id: str = "",
        protocol: str,
        client_params: bytes,
        row: traffic.Session,
        asked: Asked = NOTHING,
        own_names: bool = False,
    ) -> None:
        self.own_names = own_names
        self.principal = principal
        self.view = view
        self.asked = asked
        self.session_id = session_id
        self.protocol = protocol
        self.client_params = client_params
        self.row = row
        self.kept: dict[tuple[str, str], tuple[object, Any]] = {}  # (what, method) → (for what facts and lists, it)
        self._identities: dict[str, tuple[int, Identity]] = {}

    @property
    def verbatim(self) -> bool:
        """Is this one server at its own address, under its own names?"""
        return self.view.kind == "server" and not self.asked.mode

    def identity(self, model: AccessModel, server_id: str) -> Identity:
        """For whom a runtime of this server is opened; made again after each fact about the user
        or about all.
        """
        user = self.principal.user_id
        stood_at = model.stood_at(user)
        known = self._identities.get(server_id)
        if known is not None and known[0] == stood_at:
            return known[1]
        made = Identity(
            user_id=user,
            session_id=self.session_id,
            key_id=self.principal.key_id,
            groups=tuple(group.name for group in model.active_groups(user)),
            protocol_version=self.protocol,
            client_params=self.client_params,
            credential_version=credential_digest(model, user, server_id),
            declared=sha256(self.client_params).hexdigest()[:16] if self.protocol == MODERN_VERSION else "",
        )
        self._identities[server_id] = (stood_at, made)
        return made


def credential_digest(model: AccessModel, user_id: str, server_id: str) -> str:
    """Names the state of a user's values for a server, and neither the variables nor the values; '' without any."""
    version = model.credential_version(user_id, server_id)
    return sha256(f"{user_id}\0{server_id}\0{version}".encode()).hexdigest()[:16] if version else ""


class Client(Struct, frozen=True):
    """What the client said of itself in `initialize`."""

    protocol: str = ""
    name: str = ""
    version: str = ""
    capabilities: Mapping[str, bytes] = {}

    @classmethod
    def of(cls, params: bytes) -> "Client":
        """
        Raises:
            Unreadable: the parameters are not those of `initialize`.
        """
        found = wire.members(params)
        protocol = wire.text(found, "protocolVersion")
        if protocol is None:
            raise wire.Unreadable(-32602, "initialize needs a protocolVersion.")
        info = wire.members(found.get("clientInfo", b""))
        capabilities = wire.members(found.get("capabilities", b""))
        return cls(
            protocol[:32],
            (wire.text(info, "name") or "")[:100],
            (wire.text(info, "version") or "")[:100],
            {name: bytes(raw) for name, raw in capabilities.items()},
        )

    @property
    def opens_urls(self) -> bool:
        """Can it take its user to an address (2025-11-25, elicitation in URL mode)?"""
        raw = self.capabilities.get("elicitation", b"")
        return raw.startswith(b"{") and "url" in wire.members(raw)


# streams


class Ring:
    """The newest events of a session's streams, bounded together."""

    EVENTS = 256
    BYTES = 4 * 1024 * 1024
    BACKLOG = 64  # events nobody has taken yet

    def __init__(self) -> None:
        self.life = secrets.token_hex(3)  # event ids of an earlier life of the session are told apart by it
        self._held: deque[tuple[Stream, int]] = deque()
        self._bytes = 0

    def hold(self, stream: "Stream", size: int) -> None:
        self._held.append((stream, size))
        self._bytes += size
        while len(self._held) > 1 and (len(self._held) > self.EVENTS or self._bytes > self.BYTES):
            oldest, freed = self._held.popleft()
            self._bytes -= freed
            oldest.lose_oldest()


class Outlet:
    """One HTTP response that carries a stream; another one may take its place."""

    __slots__ = ("at", "over")

    def __init__(self, at: int) -> None:
        self.at = at  # number of the last event it sent
        self.over = False


class Stream:
    """Events to the client in order. Number 0 is the session's own; the others belong to one request each.

    Args:
        request_id: raw JSON id of the request it answers; it is part of the event ids, so that even a later life of
            the hub can say which answer was lost.
    """

    def __init__(self, ring: Ring, number: int, request_id: bytes = b"", *, resumable: bool = True) -> None:
        self.number = number
        self.request_id = request_id
        self.finished = False
        self._ring = ring
        self._events: deque[tuple[int, bytes]] = deque()
        self._last = 0
        self._lost = 0  # number of the newest event that is no longer held
        self._taken = 0
        self._outlet: Outlet | None = None
        self._wake = asyncio.Event()
        self._resumable = resumable
        self._prefix = f"{ring.life}-{number}-".encode()
        self._suffix = b"-" + urlsafe_b64encode(request_id).rstrip(b"=") if 0 < len(request_id) <= 128 else b""

    @property
    def open(self) -> bool:
        """Is somebody reading?"""
        return self._outlet is not None

    @property
    def held(self) -> bool:
        return bool(self._events) or not self.finished

    def prime(self) -> bytes:
        """The first event of a stream: an id to come back with and when to, before anything was said."""
        return b"id: " + self._id(0) + b"\nretry: %d\ndata: \n\n" % COME_BACK_MS

    def put(self, frame: bytes, *, droppable: bool = False) -> None:
        """Adds a frame. Droppable ones are passed over while the reader lags."""
        seen = self._outlet.at if self._outlet else self._taken
        if droppable and self._last - seen >= Ring.BACKLOG:
            return
        self._last += 1
        data = wire.one_line(frame)
        data = wire.event(self._id(self._last), data) if self._resumable else b"data: " + data + b"\n\n"
        self._events.append((self._last, data))
        self._ring.hold(self, len(data))
        self._wake.set()

    def pending(self, frame: bytes) -> bool:
        """Does the same frame still wait to be taken?"""
        seen = self._outlet.at if self._outlet else self._taken
        tail = b"data: " + frame + b"\n\n"
        return any(data.endswith(tail) for number, data in self._events if number > seen)

    def finish(self) -> None:
        """Nothing more comes; who reads it gets the rest and then the end."""
        self.finished = True
        self._wake.set()

    def cut(self) -> None:
        """Ends the response that carries it; the stream stays and can be taken up again."""
        if self._outlet is not None:
            self._outlet.over = True
            self._outlet = None
            self._wake.set()

    def lose_oldest(self) -> None:
        self._lost = self._events.popleft()[0]

    def trim(self, most: int) -> None:
        """Keeps at most so many events nobody has taken; for a stream without a reader."""
        waiting = [number for number, _ in self._events if number > self._taken]
        if self._outlet is None and len(waiting) > most:
            self._lost = max(self._lost, waiting[-most - 1])

    def holds_after(self, number: int) -> bool:
        """Is everything after this event still here?"""
        return self._lost <= number <= self._last

    def taken(self) -> int:
        return self._taken

    async def carry(self, send: Send, ping: float, *, after: int | None = None) -> None:
        """Sends events as they come until the stream is finished or cut; `after` None goes on where it was left.

        The response has begun already and is ended here.
        """
        self.cut()
        outlet = self._outlet = Outlet(self._taken if after is None else after)
        try:
            while True:
                self._wake.clear()
                for data in self._after(outlet):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                if outlet.over or (self.finished and outlet.at >= self._last):
                    break
                try:
                    async with asyncio.timeout(ping):
                        await self._wake.wait()
                except TimeoutError:
                    await send({"type": "http.response.body", "body": wire.PING, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the reader is gone; the ring keeps what it has not seen
        finally:
            if self._outlet is outlet:
                self._outlet = None

    def _after(self, outlet: Outlet) -> Iterator[bytes]:
        while not outlet.over and outlet.at < self._last:
            if self._lost > outlet.at:
                if self.request_id:
                    yield b"data: " + lost_answer(self.request_id) + b"\n\n"
                    self.finished, outlet.at = True, self._last
                    return
                outlet.at = self._lost
                continue
            number, data = self._events[outlet.at - self._events[0][0] + 1]
            outlet.at = number
            self._taken = max(self._taken, number)
            yield data

    def _id(self, number: int) -> bytes:
        return b"%b%d%b" % (self._prefix, number, self._suffix)


def lost_answer(request_id: bytes) -> bytes:
    """What a client hears whose answer cannot be replayed; silence would let it wait for ever."""
    message = "The answer to this request is no longer held; whether it was carried out is unknown."
    return wire.failure(request_id, wire.error(CONNECTION_CLOSED, message))


class EventId(Struct, frozen=True):
    life: str
    stream: int
    number: int
    request_id: bytes

    @classmethod
    def parse(cls, text: str) -> "EventId | None":
        """None for an id this hub never gave out."""
        parts = text.split("-", 3)
        if len(parts) < 3 or not parts[1].isdecimal() or not parts[2].isdecimal() or len(text) > 300:
            return None
        encoded = parts[3] if len(parts) > 3 else ""
        try:
            request_id = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            if request_id:
                wire.check_id(request_id)
        except (ValueError, wire.Unreadable):
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]), request_id)


# sessions


class InFlight(Protocol):
    """A request under way, as its session sees it."""

    @property
    def request(self) -> traffic.Request: ...

    def cancel(self, reason: str) -> None: ...


class Session:
    """One conversation.

    Args:
        digest: of the id the client holds.
        path: the address it was opened at; it answers at no other.
        init_params: raw, as the client sent them: upstreams are initialised with the same.
    """

    def __init__(
        self,
        digest: bytes,
        asker: Asker,
        client: Client,
        *,
        path: str,
        created: datetime,
        log_level: str = "",
    ) -> None:
        self.digest = digest
        self.asker = asker
        self.client = client
        self.path = path
        self.created = created
        self.log_level = log_level
        self.seen = time.monotonic()
        self.seen_dirty = False
        self.asked_dirty = False  # log level, subscriptions or the mode changed since they were stored
        self.closed = ""  # why, once it is
        self.in_flight: dict[bytes, InFlight] = {}
        self.questions: dict[bytes, asyncio.Future[Reply]] = {}
        self.node = ""  # of several the one this part of the session lives at; '' while there is no other
        self.away: Callable[[bytes], None] | None = None  # takes what belongs on the stream that another node holds
        self.reports: dict[bytes, tuple[str, bytes]] = {}  # question → (server, its token for the client's progress)
        self.subscriptions: dict[tuple[str, str], str] = {}  # (server id, URI there) → URI here
        self.listed: dict[str, object] = {}  # method → what the client knows of that list
        self._pages: dict[str, str] = {}  # id of a page the client was sent to → the server it is about
        self.ring = Ring()
        self.own = Stream(self.ring, 0)
        self._streams: dict[int, Stream] = {}
        self._numbers = 0
        self._questions = 0

    @property
    def public_id(self) -> str:
        return self.asker.session_id

    @property
    def principal(self) -> Principal:
        return self.asker.principal

    @property
    def busy(self) -> bool:
        """An open stream or a call counts as activity."""
        return bool(self.in_flight) or self.own.open

    @property
    def idle_seconds(self) -> float:
        return time.monotonic() - self.seen

    def touch(self) -> None:
        self.seen = time.monotonic()
        self.seen_dirty = True

    def stream(self, request_id: bytes) -> Stream:
        """A stream for the answer of one request."""
        for number in [number for number, old in self._streams.items() if not old.held]:
            del self._streams[number]
        self._numbers += 1
        made = self._streams[self._numbers] = Stream(self.ring, self._numbers, request_id)
        return made

    def stream_of(self, event: EventId) -> Stream | None:
        """The stream an event belongs to; None when it was of another life or is gone."""
        if event.life != self.ring.life:
            return None
        return self.own if event.stream == 0 else self._streams.get(event.stream)

    def tell(self, frame: bytes) -> None:
        """Something that belongs to no request, on the session's own stream; the same thing waits there only once."""
        if self.away is not None and not self.own.open:
            self.away(frame)
        if not self.own.pending(frame):
            self.own.put(frame, droppable=True)
            self.own.trim(Ring.BACKLOG)

    def answers(self, method: str) -> bool:
        """Did the client declare that it takes such requests?"""
        return ASKED_BY_SERVERS.get(method, "") in self.client.capabilities

    @property
    def listens(self) -> bool:
        """Can it be asked something outside its calls?"""
        return self.own.open

    async def ask(
        self, method: str, params: bytes, *, untouched: bool, through: Callable[[bytes], None] | None = None
    ) -> Reply:
        """A question on the session's own stream.

        Args:
            untouched: who asks and who answers are neighbours in all but the hub.
            through: takes the question to the stream, when another node holds it.
        """
        id_, future = self.question()
        put = through or self.own.put
        put(wire.request(id_, method, params if untouched else without_reserved(params)))
        try:
            reply = await future
        except asyncio.CancelledError:
            put(withdrawn(id_))
            raise
        finally:
            self.questions.pop(id_, None)
        return reply if untouched else passed_back(reply)

    def sent_to(self, page: str, server_id: str) -> None:
        """The client was sent to a page of the hub, to enter something for a server."""
        self._pages[page] = server_id
        if len(self._pages) > MOST_PAGES:
            del self._pages[next(iter(self._pages))]

    def pages_done(self, server_id: str) -> list[str]:
        """The pages about this server, which are done now."""
        done = [page for page, server in self._pages.items() if server == server_id]
        for page in done:
            del self._pages[page]
        return done

    def question(self) -> tuple[bytes, asyncio.Future[Reply]]:
        """A fresh id for a request to the client, and where its answer arrives."""
        self._questions += 1
        # The answer may reach another node, which has questions of its own.
        id_ = b'"u%d-%b"' % (self._questions, self.node.encode()) if self.node else b'"u%d"' % self._questions
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.questions[id_] = future
        return id_, future

    def reporting(self, question: bytes, server: str, params: bytes) -> bytes:
        """The parameters of a question with the hub's own progress token: two servers may have given the same."""
        token = frames.wanted_token(params)
        if not token:
            return params
        self.reports[question] = server, token
        return frames.with_meta(params, {"progressToken": question})

    def reported(self, params: bytes) -> tuple[str, bytes] | None:
        """Whose question a client's progress is about, and the parameters as that server (a slug) knows them."""
        known = self.reports.get(frames.progress_token(params))
        if known is None:
            return None
        server, token = known
        return server, wire.joined({**wire.members(params), "progressToken": token})

    def answered(self, question: bytes, reply: Reply) -> bool:
        """What the client said to a question, named by its raw JSON id; False when nobody here waits for it."""
        future = self.questions.pop(question, None)
        if future is not None and not future.done():
            future.set_result(reply)
        return future is not None

    def release(self) -> None:
        """The hub is about to stop: an open stream is no work, and its client comes back."""
        self.own.cut()

    def close(self, reason: str) -> None:
        """Ends everything in it; what was asked of the client is answered with an error."""
        self.closed = self.closed or reason
        for call in list(self.in_flight.values()):
            call.cancel(reason)
        for future in self.questions.values():
            if not future.done():
                future.set_result(Reply(error=wire.error(CONNECTION_CLOSED, "The client's session ended.")))
        self.questions.clear()
        for stream in (self.own, *self._streams.values()):
            stream.finish()
            stream.cut()


def reply_in(message: wire.Msg) -> Reply:
    """What a client's answer to a question says."""
    error = bytes(message.error)
    return Reply(error=error) if error else Reply(result=bytes(message.result))


def withdrawn(question: bytes) -> bytes:
    """Tells a client that nobody waits for its answer to a question, of its raw JSON id, any more.

    Spec: MCP 2025-11-25, Cancellation.
    """
    return wire.notification("notifications/cancelled", b'{"requestId":%b}' % question)


def asked_by(question: bytes) -> str:
    """The node that asked, of a question's raw JSON id; '' when that cannot be told."""
    return question.rpartition(b"-")[2].rstrip(b'"').decode(errors="replace") if b"-" in question else ""


def passed_back(reply: Reply) -> Reply:
    """What a client answered, for an upstream that is no neighbour of it."""
    return reply if reply.result is None else Reply(result=without_reserved(reply.result))


class Sessions:
    """The live sessions of this process."""

    def __init__(self) -> None:
        self.by_digest: dict[bytes, Session] = {}
        self._of_user: dict[str, dict[bytes, Session]] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self.by_digest.values()))

    def __len__(self) -> int:
        return len(self.by_digest)

    def add(self, session: Session) -> None:
        self.by_digest[session.digest] = session
        self._of_user.setdefault(session.principal.user_id, {})[session.digest] = session

    def remove(self, session: Session) -> bool:
        """False when it was gone already."""
        if self.by_digest.pop(session.digest, None) is None:
            return False
        own = self._of_user[session.principal.user_id]
        del own[session.digest]
        if not own:
            del self._of_user[session.principal.user_id]
        return True

    def of_user(self, user_id: str) -> list[Session]:
        return list(self._of_user.get(user_id, {}).values())

    def least_used(self, user_id: str) -> Session | None:
        """Of a user's sessions the one to give up for a new one: an idle one if there is any."""
        return min(self.of_user(user_id), key=lambda session: (session.busy, session.seen), default=None)


def new_session_id() -> str:
    """192 random bits in visible ASCII."""
    return secrets.token_urlsafe(24)


def session_digest(session_id: str) -> bytes:
    return sha256(session_id.encode()).digest()
