"""The door for MCP clients: Streamable HTTP for the handshake revisions, 2024-11-05 to 2025-11-25, and past it
`stateless.py` for those after them.

In this order, and nothing is looked at before: Host and Origin, the key, the size. What goes wrong inside `initialize`
is a JSON-RPC error in a 200: Cursor and VS Code take a 4xx there for a server of the old transport.

Spec: MCP 2025-11-25, Transports, Streamable HTTP; the contract of this hub, section 6.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import structlog
from msgspec import Raw

from mcphub.domain.access import ALL, AccessModel, Principal, View
from mcphub.domain.body_limit import LEAST, most_bytes
from mcphub.domain.keys import well_formed
from mcphub.domain.settings_file import objects
from mcphub.domain.vault import Vault
from mcphub.gateway import errors, wire
from mcphub.gateway.call import Call, log_ended
from mcphub.gateway.errors import Answer
from mcphub.gateway.exchange import Exchange, Header, Part, begin_stream, failed, loose_stream, respond
from mcphub.gateway.exposure import NOTHING, Asked, UnknownMode, asked_in, is_smart
from mcphub.gateway.lifecycle import Lifecycle, NotStored, TooManySessions, one_shot
from mcphub.gateway.load import TooBusy
from mcphub.gateway.protocol import HANDSHAKE_VERSIONS, LATEST_HANDSHAKE_VERSION, MODERN_VERSION
from mcphub.gateway.rate import Admission
from mcphub.gateway.relay import Relay
from mcphub.gateway.session import (
    COME_BACK_MS,
    Asker,
    Client,
    EventId,
    Limits,
    Send,
    Session,
    lost_answer,
    reply_in,
)
from mcphub.gateway.stateless import Stateless
from mcphub.gateway.traffic import Request, TrafficWriter
from mcphub.metrics import Metrics
from mcphub.projections.tail import Tail

log = structlog.get_logger()

Receive = Callable[[], Any]

RESUMABLE = "2025-11-25"
BATCHES = "2025-03-26"
ASSUMED = "2025-03-26"  # of a client that names no revision; 2025-06-18, Transports, Protocol Version Header
ONE_SHOT = {"tools/list", "prompts/list", "resources/list", "tools/call", "ping"}
JSON, EVENTS = "application/json", "text/event-stream"
BOTH = f"{JSON}, {EVENTS}"  # what nearly every client says
CHALLENGE: Header = (b"www-authenticate", b'Bearer realm="mcphub", error="invalid_token"')
UNAUTHORIZED = wire.encode(
    {
        "error": "invalid_token",
        "error_description": "No usable MCPHub key. Issue one, and send it as 'Authorization: Bearer mcphub_…'.",
    }
)
TOO_SLOW = "the body is too slow"
FRESH_WITHIN = 1.0  # seconds to wait for the tail's look at the head before refusing


class Refusal(Exception):
    """An HTTP answer instead of an MCP one."""

    def __init__(
        self, status: int, message: str, *, code: int = errors.INVALID_REQUEST, data: Any = None, headers: Any = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = failed(b"", code, message, data)
        self.headers: list[Header] = list(headers)


class Inbound(NamedTuple):
    """A request's headers, lower case; of repeated ones the first."""

    method: str
    path: str
    query: bytes  # without the key
    headers: dict[str, str]
    raw_headers: list[Header]
    key_in_url: str


class Front:
    """
    Args:
        view_of: the view behind a path for a user; None when it is not there.
        key_used: told the key of each request.
        metrics: told how long a look at each key took.
    """

    def __init__(
        self,
        *,
        model: AccessModel,
        tail: Tail,
        vault: Vault,
        relay: Relay,
        lifecycle: Lifecycle,
        traffic: TrafficWriter,
        limits: Limits,
        view_of: Callable[[str, Principal], View | None],
        key_used: Callable[[str], None],
        metrics: Metrics,
    ) -> None:
        self._model = model
        self._tail = tail
        self._vault = vault
        self._relay = relay
        self._lifecycle = lifecycle
        self._traffic = traffic
        self._limits = limits
        self._view_of = view_of
        self._key_used = key_used
        self._metrics = metrics
        self._load = Admission(limits.in_flight, limits.queued, limits.a_minute)
        self.closing = False
        self._stateless = Stateless(
            model=model,
            relay=relay,
            lifecycle=lifecycle,
            traffic=traffic,
            limits=limits,
            load=self._load,
            view_of=view_of,
            instructions=self._instructions,
        )

    @property
    def queued(self) -> int:
        """Requests that wait for others of their user."""
        return self._load.waiting

    @property
    def parked(self) -> int:
        """Calls that wait for a client that is away."""
        return self._stateless.parked

    def stop(self) -> None:
        """No stream is opened any more, and no call is kept for a client that is away."""
        self.closing = True
        self._stateless.stop()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        inbound = _inbound(scope)
        try:
            self._check_site(inbound)
            outcome, began = "undecided", time.perf_counter()
            try:
                principal = await self._authenticated(inbound)
                outcome = "refused" if principal is None else "accepted"
            finally:
                self._metrics.authenticated(outcome, (time.perf_counter() - began) * 1000)
            if principal is None:
                await respond(send, 401, UNAUTHORIZED, [CHALLENGE])
                return
            if inbound.method != "POST" and inbound.headers.get("mcp-protocol-version") == MODERN_VERSION:
                raise Refusal(405, "This revision has nothing but POST.", headers=[(b"allow", b"POST")])
            match inbound.method:
                case "POST":
                    await self._post(inbound, principal, receive, send)
                case "GET":
                    await self._get(inbound, principal, send)
                case "DELETE":
                    await self._delete(inbound, principal, send)
                case _:
                    raise Refusal(405, "Use POST, GET or DELETE.", headers=[(b"allow", b"POST, GET, DELETE")])
        except Refusal as refusal:
            await respond(send, refusal.status, refusal.body, refusal.headers)
        except NotStored:
            await respond(send, 503, failed(b"", errors.INTERNAL_ERROR, "The hub's database does not answer."), RETRY)

    # who

    def _check_site(self, inbound: Inbound) -> None:
        host = inbound.headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name.lower() not in self._limits.allowed_hosts:
            raise Refusal(403, f"This hub does not answer for the host {host[:100]!r}.")
        origin = inbound.headers.get("origin")
        if origin is not None and origin.lower() not in self._limits.allowed_origins:
            raise Refusal(403, f"Pages of {origin[:100]!r} may not call this hub.")

    async def _authenticated(self, inbound: Inbound) -> Principal | None:
        """The principal behind the presented key; the same None for every way in which it is no good."""
        headers = inbound.headers
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        own = headers.get("x-mcphub-key", "")
        in_url = inbound.key_in_url if self._limits.key_in_url else ""
        if (bearer and (own or inbound.key_in_url)) or (own and inbound.key_in_url):
            self._one_credential(bearer, own, inbound.key_in_url)
        key = bearer or own or in_url
        if not key or not well_formed(key):
            return None
        if not self._tail.fresh() and not await self._tail.confirm(FRESH_WITHIN):
            raise Refusal(
                503, "The hub cannot decide on current facts right now.", code=errors.INTERNAL_ERROR, headers=RETRY
            )
        principal = self._model.authenticate(self._vault.key_digest(key), datetime.now(UTC))
        if principal is None:
            return None
        if not (bearer or own) and self._model.keys[principal.key_id].header_only:
            return None
        self._key_used(principal.key_id)
        return principal

    def _one_credential(self, *places: str) -> None:
        """
        Raises:
            Refusal: what stands in the places is not the same.
        """
        presented = [key.encode() for key in places if key]
        if not all(hmac.compare_digest(key, presented[0]) for key in presented[1:]):
            raise Refusal(400, "Two different credentials came with one request.", data={"code": "credential_conflict"})

    # POST

    async def _post(self, inbound: Inbound, principal: Principal, receive: Receive, send: Send) -> None:
        headers = inbound.headers
        asked = _asked(inbound.query, inbound.path)
        body = await self._body(headers, receive)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        protocol = headers.get("mcp-protocol-version", "")
        stateless = protocol and protocol not in HANDSHAKE_VERSIONS
        if kind != "application/json":
            raise Refusal(400 if stateless else 415, "Send application/json.")
        if stateless:
            if not _accepts(headers.get("accept", "")):
                raise Refusal(406, "Accept has to allow application/json and text/event-stream.")
            await self._stateless.post(
                inbound.path, principal, asked, headers, inbound.raw_headers, body, receive, send
            )
            return
        try:
            message = wire.read(body)
        except wire.Unreadable as error:
            raise Refusal(400, str(error), code=error.code) from None
        if isinstance(message, list):
            await self._batch(inbound, principal, asked, message, len(body), send)
            return
        if message.method == "initialize" and bytes(message.id):
            await self._initialize(inbound, principal, asked, message, len(body), send)
            return
        if not _accepts(headers.get("accept", "")):
            raise Refusal(406, "Accept has to allow application/json and text/event-stream.")
        session = await self._session(inbound, principal, asked)
        if not message.method or not bytes(message.id):
            await respond(send, 202)  # before it is relayed: what follows from it must not overtake this answer
            if session is not None:
                self._told(session, message)
            return
        if session is None and message.method not in ONE_SHOT:
            raise Refusal(400, "This request needs an Mcp-Session-Id; call initialize first.")
        asker = session.asker if session is not None else self._loose_asker(inbound, principal, asked, protocol)
        request = self._traffic.request(asker.row, wire.plain_method(message.method), bytes_in=len(body))
        answer_headers = [(b"x-mcphub-request-id", request.public_id.encode())]
        try:
            await self._load.enter(principal.user_id)
        except TooBusy as busy:
            self._refuse(request, busy.reason)
            data = {"retryAfterSeconds": busy.retry_after}
            retry = (b"retry-after", b"%d" % busy.retry_after)
            frame = failed(bytes(message.id), errors.INTERNAL_ERROR, str(busy), data)
            await respond(send, 429, frame, [*answer_headers, retry])
            return
        try:
            exchange = self._exchange(send, answer_headers, asker, session, bytes(message.id))
            await self._run(message, asker, session, request, exchange, headers, can_ask=True)
        finally:
            self._load.leave(principal.user_id)

    def _exchange(
        self, send: Send, headers: list[Header], asker: Asker, session: Session | None, id_: bytes
    ) -> Exchange:
        resumable = session is not None and asker.protocol >= RESUMABLE
        return Exchange(
            send,
            headers,
            loose_stream if session is None else lambda: session.stream(id_),
            commit_after=self._limits.commit if resumable else self._limits.commit_old,
            ping=self._limits.ping,
            primed=resumable,
        )

    async def _run(
        self,
        message: wire.Msg,
        asker: Asker,
        session: Session | None,
        request: Request,
        answerer: Exchange | Part,
        headers: dict[str, str],
        *,
        can_ask: bool,
    ) -> Call:
        call = Call(message, asker, session, request, answerer, headers=headers, can_ask=can_ask)
        if session is None:
            await self._lifecycle.loosely(call, self._relay.run(call))
            return call
        session.touch()
        id_ = bytes(message.id)
        session.in_flight[id_] = call
        try:
            await self._relay.run(call)
        finally:
            if session.in_flight.get(id_) is call:
                del session.in_flight[id_]
            session.touch()
        return call

    async def once(
        self, asker: Asker, method: str, params: bytes, gone: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[Call, bytes]:
        """A request that no client sent: decided, recorded and counted like one. Returns it with its answer.

        Args:
            gone: returns when nobody waits for the answer any more, which cancels the request.

        Raises:
            TooBusy: the user has as much under way as may be.
        """
        message = wire.Msg(jsonrpc="2.0", id=Raw(b"1"), method=method, params=Raw(params))
        request = self._traffic.request(asker.row, method, bytes_in=len(params))
        user, part = asker.principal.user_id, Part()
        try:
            await self._load.enter(user)
        except TooBusy as busy:
            self._refuse(request, busy.reason)
            raise
        calls: list[Call] = []

        async def run() -> None:
            calls.append(Call(message, asker, None, request, part, headers={}, can_ask=False))
            await self._lifecycle.loosely(calls[0], self._relay.run(calls[0]))

        async def give_up(gone: Callable[[], Awaitable[None]]) -> None:
            await gone()
            calls[0].cancel("client_gone")

        # A task of its own: what ends the call must not end the one who waits for its answer.
        running = asyncio.create_task(run())
        watching = asyncio.create_task(give_up(gone)) if gone is not None else None
        try:
            await running
        finally:
            if watching is not None:
                watching.cancel()
            self._load.leave(user)
        return calls[0], part.frame

    def _told(self, session: Session, message: wire.Msg) -> None:
        """A notification of the client, or its answer to a question."""
        session.touch()
        if not message.method:
            self._lifecycle.answered(session, bytes(message.id), reply_in(message))
        elif message.method == "notifications/cancelled":
            try:
                target = bytes(wire.members(message.params).get("requestId", b""))
            except wire.Unreadable:
                return
            self._lifecycle.cancelled(session, target)
        elif message.method != "notifications/initialized":  # its upstreams were told when they were opened
            self._lifecycle.pass_on(session, message.method, bytes(message.params))

    async def _batch(
        self, inbound: Inbound, principal: Principal, asked: Asked, messages: list[wire.Msg], size: int, send: Send
    ) -> None:
        """Several messages at once, which only 2025-03-26 knows; the answers come together."""
        session = await self._session(inbound, principal, asked)
        asker = session.asker if session is not None else self._loose_asker(inbound, principal, asked, BATCHES)
        requests = [message for message in messages if message.method and bytes(message.id)]
        if asker.protocol != BATCHES or len(messages) > MOST_IN_BATCH or not messages:
            raise Refusal(400, f"A batch is taken from {BATCHES} clients, with up to {MOST_IN_BATCH} messages.")
        if any(message.method == "initialize" for message in requests):
            raise Refusal(400, "initialize comes alone.")
        if session is None and any(message.method not in ONE_SHOT for message in requests):
            raise Refusal(400, "This request needs an Mcp-Session-Id; call initialize first.")
        if not requests:
            await respond(send, 202)
        for message in messages:
            if session is not None and message not in requests:
                self._told(session, message)
        if not requests:
            return
        parts = await asyncio.gather(
            *(self._part(message, asker, session, inbound, size // len(messages)) for message in requests)
        )
        await respond(send, 200, b"[" + b",".join(part.frame for part in parts) + b"]")

    async def _part(
        self, message: wire.Msg, asker: Asker, session: Session | None, inbound: Inbound, size: int
    ) -> Part:
        part = Part()
        request = self._traffic.request(asker.row, wire.plain_method(message.method), bytes_in=size)
        try:
            await self._load.enter(asker.principal.user_id)
        except TooBusy as busy:
            self._refuse(request, busy.reason)
            data = {"retryAfterSeconds": busy.retry_after}
            part.frame = failed(bytes(message.id), errors.INTERNAL_ERROR, str(busy), data)
            return part
        try:
            # A task of its own: cancelling one request of a batch must not end the others.
            await asyncio.create_task(self._run(message, asker, session, request, part, inbound.headers, can_ask=False))
        finally:
            self._load.leave(asker.principal.user_id)
        return part

    def _refuse(self, request: Request, reason: str) -> None:
        took = self._traffic.ended(request, "Denied", error_code="429", reason=reason)
        log_ended(request, "Denied", took, reason)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        declared = headers.get("content-length", "")
        length = int(declared) if declared.isdecimal() else 0
        # A body is never longer than declared, and no setting goes below the least: most need not be read.
        limit = LEAST if 0 < length <= LEAST else self._most_bytes()
        if length > limit:
            raise Refusal(413, f"A message has at most {limit} bytes.")
        chunks: list[bytes] = []
        size, more = 0, True
        task = asyncio.current_task()
        assert task is not None
        # What asyncio.timeout does, for a fifth of its price.
        timer = asyncio.get_running_loop().call_later(self._limits.slow_body, task.cancel, TOO_SLOW)
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "The body broke off.")
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                more = message.get("more_body", False)
                if size > limit:
                    raise Refusal(413, f"A message has at most {limit} bytes.")
        except asyncio.CancelledError as stopped:
            if stopped.args != (TOO_SLOW,) or task.uncancel():
                raise
            raise Refusal(408, "The body did not arrive in time.", headers=[(b"connection", b"close")]) from None
        finally:
            timer.cancel()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _most_bytes(self) -> int:
        return most_bytes(objects(self._model.settings.system, "routing").get("jsonBodyLimit"))

    # sessions

    async def _session(self, inbound: Inbound, principal: Principal, asked: Asked = NOTHING) -> Session | None:
        """The session the request names, None when it names none. What its address asks for stays with the session.

        Raises:
            Refusal: 404, the same for one that never was, that ended, and that is somebody else's.
        """
        session_id = inbound.headers.get("mcp-session-id")
        if session_id is None:
            return None
        session = await self._lifecycle.find(session_id, principal, inbound.path)
        if session is None:
            raise Refusal(404, "There is no such session; call initialize for a new one.", code=SESSION_NOT_FOUND)
        if asked not in (NOTHING, session.asker.asked):
            session.asker.asked, session.asked_dirty = asked, True
        return session

    def _loose_asker(self, inbound: Inbound, principal: Principal, asked: Asked, protocol: str) -> Asker:
        view = self._view_of(inbound.path, principal)
        if view is None:
            raise Refusal(404, "There is nothing at this address.", code=SESSION_NOT_FOUND)
        return one_shot(self._model, principal, view, protocol or ASSUMED, asked)

    async def _initialize(
        self, inbound: Inbound, principal: Principal, asked: Asked, message: wire.Msg, size: int, send: Send
    ) -> None:
        id_ = bytes(message.id)
        view = self._view_of(inbound.path, principal)
        blank = one_shot(self._model, principal, view or ALL, inbound.headers.get("mcp-protocol-version", ""), asked)
        request = self._traffic.request(blank.row, "initialize", bytes_in=size)
        headers = [(b"x-mcphub-request-id", request.public_id.encode())]
        trace = self._relay.begins(request, inbound.headers, message)
        over = partial(self._relay.ends, request, trace)
        try:
            client = Client.of(bytes(message.params))
            if view is None:
                raise errors.UnknownName("server", inbound.path.rpartition("/")[2], "unknown_server")
            asker = self._lifecycle.draft(principal, view, asked, client, bytes(message.params))
            request.session = asker.row
            await self._load.enter(principal.user_id)
            began = time.perf_counter()
            try:
                result, protocol = await self._opened(asker, client, request)
            finally:
                if trace is not None:
                    trace.waited("connect", began, time.perf_counter())
                self._load.leave(principal.user_id)
            if protocol != asker.protocol:
                asker = self._lifecycle.renegotiated(asker, client, protocol)
                request.session = asker.row
            session_id = await self._lifecycle.open(asker, client, inbound.path)
        except TooBusy as busy:
            over("Denied", "429", busy.reason)
            data = {"retryAfterSeconds": busy.retry_after}
            await respond(send, 200, failed(id_, errors.INTERNAL_ERROR, str(busy), data), headers)
            return
        except (wire.Unreadable, Answer) as error:
            code = error.code
            reason = error.reason if isinstance(error, Answer) else "bad_params"
            over("Failed", str(code), reason)
            await respond(send, 200, failed(id_, code, str(error)), headers)
            return
        except (TooManySessions, NotStored) as error:
            reason = "too_many_sessions" if isinstance(error, TooManySessions) else "not_stored"
            over("Failed", "503", reason)
            text = "The hub cannot hold another session right now."
            await respond(send, 503, failed(id_, errors.INTERNAL_ERROR, text), [*headers, *RETRY])
            return
        frame = wire.result(id_, result)
        over("Completed", size=len(frame))
        await respond(send, 200, frame, [*headers, (b"mcp-session-id", session_id.encode())])

    async def _opened(self, asker: Asker, client: Client, request: Request) -> tuple[bytes, str]:
        """(InitializeResult, revision): of the hub itself, or of the one server behind the address."""
        if not asker.verbatim:
            protocol = client.protocol if client.protocol in HANDSHAKE_VERSIONS else LATEST_HANDSHAKE_VERSION
            return self._own_result(protocol, asker.principal), protocol
        server = self._model.servers[asker.view.id]
        request.server = server.slug
        result = await self._relay.aside.open_server(asker, server, request.public_id)
        protocol = wire.text(wire.members(result), "protocolVersion") or client.protocol
        return result, protocol if protocol in HANDSHAKE_VERSIONS else LATEST_HANDSHAKE_VERSION

    def _instructions(self, principal: Principal) -> str:
        instructions = (
            "Tools and prompts of several servers, each named server__name. When they are many, one tool stands for"
            " each server instead: server_name takes tool_name and arguments, and describe tells them."
        )
        key = self._model.keys.get(principal.key_id)
        if key is not None and key.ends_soon(datetime.now(UTC)):
            instructions += (
                f" The MCPHub key in use expires on {key.expires_at.astimezone(UTC):%Y-%m-%d};"
                f" tell the user to extend or rotate it at {self._limits.public_url}/connect."
            )
        return instructions

    def _own_result(self, protocol: str, principal: Principal) -> bytes:
        return wire.encode(
            {
                "protocolVersion": protocol,
                "capabilities": {
                    "tools": {"listChanged": True},
                    "prompts": {"listChanged": True},
                    "resources": {"listChanged": True, "subscribe": True},
                    "completions": {},
                    "logging": {},
                },
                "serverInfo": {"name": "mcphub", "title": "MCPHub", "version": self._limits.version},
                "instructions": self._instructions(principal),
            }
        )

    # GET and DELETE

    async def _get(self, inbound: Inbound, principal: Principal, send: Send) -> None:
        session_id = inbound.headers.get("mcp-session-id")
        session = None
        if session_id is not None and _allows(inbound.headers.get("accept", ""), EVENTS):
            session = await self._lifecycle.find(session_id, principal, inbound.path)
        if session is None:
            # Never 400, 404 or 409: Cursor counts those as failures and gives the server up.
            raise Refusal(405, "There is no stream here without a session.", headers=[(b"allow", b"POST, DELETE")])
        if self.closing:  # whoever comes back finds another node, or this one started again
            await begin_stream(send)
            await send({"type": "http.response.body", "body": b"retry: %d\n\n" % COME_BACK_MS, "more_body": False})
            return
        session.touch()
        last = inbound.headers.get("last-event-id")
        event = EventId.parse(last) if last else None
        # A proxy would keep the connection when the stream ends, and send a call on it to a node that is leaving.
        await begin_stream(send, [(b"connection", b"close")])
        self._lifecycle.attended(session)
        try:
            await self._carried(session, event, send)
        finally:
            self._lifecycle.left(session)

    async def _carried(self, session: Session, event: EventId | None, send: Send) -> None:
        if event is None:
            await session.own.carry(send, self._limits.ping)
            return
        stream = session.stream_of(event)
        if stream is not None and stream.holds_after(event.number):
            await stream.carry(send, self._limits.ping, after=event.number)
        elif event.request_id:
            frame = b"data: " + lost_answer(event.request_id) + b"\n\n"
            await send({"type": "http.response.body", "body": frame, "more_body": False})
        else:
            await session.own.carry(send, self._limits.ping)

    async def _delete(self, inbound: Inbound, principal: Principal, send: Send) -> None:
        session = await self._session(inbound, principal)
        if session is None:
            raise Refusal(400, "DELETE needs an Mcp-Session-Id.")
        await self._lifecycle.close(session)
        await respond(send, 204)


RETRY: list[Header] = [(b"retry-after", b"1")]
SESSION_NOT_FOUND = -32001
MOST_IN_BATCH = 50


def _inbound(scope: Any) -> Inbound:
    # Backwards, so that of repeated ones the first stays.
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
    path = scope["path"]
    query = scope.get("query_string", b"")
    raw, key = scope["headers"], scope.get("mcphub.key", "")
    return Inbound(scope["method"], path.rstrip("/") or path, query, headers, raw, key)


def _asked(query: bytes, path: str) -> Asked:
    """What the address asks for; 400 also for `initialize`: the address is wrong, and no other transport has it."""
    try:
        return asked_in(query, path) if query or is_smart(path) else NOTHING
    except UnknownMode as unknown:
        raise Refusal(400, str(unknown), code=errors.INVALID_PARAMS, data={"code": unknown.code}) from None


def _accepts(accept: str) -> bool:
    return accept == BOTH or _allows(accept, JSON, EVENTS)


def _allows(accept: str, *kinds: str) -> bool:
    """Media types are the same in upper case, and a range allows all in it; RFC 9110, section 12.5.1."""
    accept = accept.lower()
    return "*/*" in accept or all(kind in accept or f"{kind.partition('/')[0]}/*" in accept for kind in kinds)
