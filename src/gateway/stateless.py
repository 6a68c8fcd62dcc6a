"""The door for clients of 2026-07-28: no handshake, no session, every request complete in itself.

An older upstream is spoken to as it expects; its questions become answers the client comes back from (`parked.py`).
A client that goes away has cancelled its request.

Spec: MCP 2026-07-28, Transports, Streamable HTTP; the contract of this hub, section 6.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Raw

from mcphub.domain.access import AccessModel, Principal, View
from mcphub.domain.ids import new_id
from mcphub.gateway import bridge, errors, tasks, wire
from mcphub.gateway.bridge import MANY_ROUNDS, Question
from mcphub.gateway.call import Call
from mcphub.gateway.envelope import (
    NAMING,
    SERVER_INFO,
    Envelope,
    Rejected,
    open_envelope,
    repeated,
    unsupported,
    with_reserved,
    without_reserved,
)
from mcphub.gateway.errors import Answer, BadParams, NotSupported
from mcphub.gateway.exchange import Exchange, Header, failed, loose_stream, respond
from mcphub.gateway.exposure import Asked
from mcphub.gateway.lifecycle import Lifecycle, one_shot
from mcphub.gateway.listening import Listeners
from mcphub.gateway.load import Load, TooBusy
from mcphub.gateway.param_headers import PREFIX
from mcphub.gateway.parked import Conversation, Parked, Subject
from mcphub.gateway.protocol import HANDSHAKE_VERSIONS, MODERN_VERSION
from mcphub.gateway.relay import Relay
from mcphub.gateway.session import ASKED_BY_SERVERS, Asker, Client, Limits, Send, passed_back
from mcphub.gateway.traffic import Request, TrafficWriter
from mcphub.gateway.upstream.runtime import Reply
from mcphub.tracing import Trace

Receive = Callable[[], Any]
LOG_MESSAGE = b'"notifications/message"'
SPOKEN = [MODERN_VERSION, *reversed(HANDSHAKE_VERSIONS)]


class StatelessCall(Call):
    """A request of this revision under way."""

    __slots__ = ("conversation", "envelope")

    def __init__(self, envelope: Envelope, conversation: Conversation, *rest: Any, **options: Any) -> None:
        super().__init__(*rest, **options)
        self.envelope = envelope
        self.conversation = conversation

    @property
    def opens_urls(self) -> bool:
        return self.envelope.opens_urls and self.message.method in MANY_ROUNDS

    @property
    def log_level(self) -> str | None:
        """None for a client that wants to hear nothing."""
        return self.envelope.log_level or None

    def outgoing(self, params: bytes, *, modern: bool) -> bytes:
        self.untouched = self.asker.verbatim and modern
        if modern:
            return self.envelope.stamped(params, tasks=self.untouched)
        if self.message.method in tasks.METHODS:  # an older server's are others
            raise NotSupported(self.message.method)
        if "requestState" in wire.members(params):  # an upstream of an older revision has given none
            raise BadParams("The requestState is none of this call's, or its time is over; call again without it.")
        return params

    def incoming(self, result: bytes) -> bytes:
        return result  # worded by `bridge`

    @property
    def repeats(self) -> Mapping[str, str] | None:
        if self.request.mode == "servers":  # those were for the server tool
            return None
        return {name: value for name, value in self.headers.items() if name.startswith(PREFIX)}

    async def ask(self, method: str, params: bytes) -> Reply:
        if ASKED_BY_SERVERS.get(method, "") not in self.envelope.capabilities:
            return Reply(error=wire.error(errors.METHOD_NOT_FOUND, f"The client does not take {method[:64]}."))
        if self.message.method not in MANY_ROUNDS:
            return Reply(error=wire.error(errors.METHOD_NOT_FOUND, "The client cannot be asked here."))
        return passed_back(await self.conversation.ask(method, without_reserved(params)))


class HttpRound:
    """Implements parked.Round: one HTTP request that waits for the call's next word."""

    def __init__(self, id_: bytes, exchange: Exchange) -> None:
        self._id = id_
        self._exchange = exchange
        self.word: asyncio.Future[tuple[bytes, Mapping[str, Question], str]] = (
            asyncio.get_running_loop().create_future()
        )

    def put(self, frame: bytes, *, droppable: bool = False) -> None:
        self._exchange.put(frame, droppable=droppable)

    def over(self, frame: bytes) -> None:
        if not self.word.done():
            self.word.set_result((frame, {}, ""))

    def asked(self, questions: Mapping[str, Question], state: str) -> None:
        if not self.word.done():
            self.word.set_result((b"", questions, state))


class Stateless:
    """
    Args:
        view_of: the view behind a path for a user; None when it is not there.
        instructions: what the hub says of itself to a user.
    """

    def __init__(
        self,
        *,
        model: AccessModel,
        relay: Relay,
        lifecycle: Lifecycle,
        traffic: TrafficWriter,
        limits: Limits,
        load: Load,
        view_of: Callable[[str, Principal], View | None],
        instructions: Callable[[Principal], str],
    ) -> None:
        self._model = model
        self._relay = relay
        self._lifecycle = lifecycle
        self._traffic = traffic
        self._limits = limits
        self._load = load
        self._view_of = view_of
        self._instructions = instructions
        self._parked = Parked()
        self._parked.expired = lambda conversation: conversation.give_up("not_answered")
        self._server_info = wire.encode({"name": "mcphub", "title": "MCPHub", "version": limits.version})
        self._listeners = Listeners(model, relay, lifecycle, self._server_info, limits.ping)
        self._running: set[asyncio.Task[None]] = set()

    @property
    def parked(self) -> int:
        """Calls that wait for a client that is away."""
        return len(self._parked)

    def stop(self) -> None:
        """The hub is about to stop: nobody is waited for who is away."""
        self._parked.end("hub_stopped")

    async def post(
        self,
        path: str,
        principal: Principal,
        asked: Asked,
        headers: dict[str, str],
        raw_headers: list[tuple[bytes, bytes]],
        body: bytes,
        receive: Receive,
        send: Send,
    ) -> None:
        """
        Args:
            headers: by lower-case name, of repeated ones the first.
        """
        id_ = b""
        try:
            message = _one(body)
            id_ = bytes(message.id)
            if not id_:
                await respond(send, 202)  # nothing a client could tell this hub is of use without a session
                return
            if twice := repeated(raw_headers):
                raise Rejected(errors.HEADER_MISMATCH, f"The header {twice} stands more than once.")
            envelope = open_envelope(message, headers)
        except wire.Unreadable as error:
            await self._refuse(send, id_, error.code, str(error))
            return
        except Rejected as rejected:
            spoken = headers.get("mcp-protocol-version", "")
            if rejected.code == errors.INVALID_PARAMS and spoken != MODERN_VERSION:
                rejected = unsupported(spoken)
            await self._refuse(send, id_, rejected.code, str(rejected), rejected.data)
            return
        view = self._view_of(path, principal)
        if view is None:
            frame = failed(id_, errors.METHOD_NOT_FOUND, "There is nothing at this address.")
            await respond(send, 404, frame)
            return
        message.params = Raw(envelope.params)
        name, version = _said(envelope.info, "name"), _said(envelope.info, "version")
        client = Client(MODERN_VERSION, name, version, envelope.capabilities)
        listens = message.method == "subscriptions/listen"
        asker = one_shot(
            self._model,
            principal,
            view,
            MODERN_VERSION,
            asked,
            client=client,
            client_params=envelope.as_initialize,
            session_id=new_id() if listens else "",
        )
        request = self._traffic.request(asker.row, wire.plain_method(message.method), bytes_in=len(body))
        answer_headers: list[Header] = [(b"x-mcphub-request-id", request.public_id.encode())]
        try:
            await self._load.enter(principal.user_id)
        except TooBusy as busy:
            self._relay.ends(request, None, "Denied", "429", busy.reason)
            data = {"retryAfterSeconds": busy.retry_after}
            frame = failed(id_, errors.INTERNAL_ERROR, str(busy), data)
            await respond(send, 429, frame, [*answer_headers, (b"retry-after", b"%d" % busy.retry_after)])
            return
        if listens:
            trace = self._relay.begins(request, headers, message)
            await self._listen(message, asker, client, path, request, trace, answer_headers, receive, send)
            return
        exchange = Exchange(
            send,
            answer_headers,
            loose_stream,
            commit_after=self._limits.commit_old,
            ping=self._limits.ping,
            primed=False,
        )
        try:
            await self._answer(path, message, asker, envelope, request, headers, exchange, receive)
        finally:
            self._load.leave(principal.user_id)

    async def _answer(
        self,
        path: str,
        message: wire.Msg,
        asker: Asker,
        envelope: Envelope,
        request: Request,
        headers: dict[str, str],
        exchange: Exchange,
        receive: Receive,
    ) -> None:
        id_, method = bytes(message.id), message.method
        if method == "server/discover":
            await self._discover(id_, asker, request, self._relay.begins(request, headers, message), exchange)
            return
        if method in bridge.GONE:
            self._relay.ends(request, None, "Failed", str(errors.METHOD_NOT_FOUND), "unknown_method")
            await exchange.finish(failed(id_, errors.METHOD_NOT_FOUND, f"There is no method {method}."), status=404)
            return
        subject = Subject(asker.principal, path, method, _named(message))
        params = wire.members(message.params)
        state = wire.text(params, "requestState") or ""
        round_ = HttpRound(id_, exchange)
        conversation = self._parked.take(state, subject) if state else None
        if conversation is not None:
            conversation.resumed(request, self._traffic)
            conversation.attach(round_)
            conversation.answered(_responses(params))
        else:
            if state and self._parked.may_begin_again(state, subject):
                kept: dict[str, Raw | bytes] = dict(params)
                for name in ("requestState", "inputResponses"):
                    kept.pop(name, None)
                message.params = Raw(wire.joined(kept))
            conversation = Conversation(self._parked, subject)
            conversation.attach(round_)
            task = asyncio.create_task(
                self._run(conversation, message, asker, envelope, request, headers), name="stateless-call"
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        leaving = asyncio.create_task(_left(receive, conversation), name="client-leaves")
        try:
            frame, questions, state = await round_.word
        finally:
            leaving.cancel()
        if questions:
            self._relay.ends(request, None, "Completed", reason="input_required")
            await exchange.finish(wire.result(id_, bridge.asks(questions, state, self._server_info)))
            return
        untouched = isinstance(conversation.call, StatelessCall) and conversation.call.untouched
        await self._deliver(id_, method, subject, envelope, frame, exchange, untouched=untouched)

    async def _deliver(
        self,
        id_: bytes,
        method: str,
        subject: Subject,
        envelope: Envelope,
        frame: bytes,
        exchange: Exchange,
        *,
        untouched: bool,
    ) -> None:
        """The answer of the call, in this revision's words."""
        found = wire.members(frame)
        if "result" in found:
            result = bytes(found["result"])
            if not untouched:
                result = bridge.completed(method, result, self._server_info)
            await exchange.finish(wire.result(id_, result))
            return
        error = bytes(found["error"])
        pages = bridge.urls_of(error) if method in MANY_ROUNDS and envelope.opens_urls else []
        if pages:
            questions = {f"url{number}": page for number, page in enumerate(pages, 1)}
            asking = bridge.asks(questions, self._parked.again(subject), self._server_info)
            await exchange.finish(wire.result(id_, asking))
            return
        error, status = bridge.translated(error)
        await exchange.finish(wire.failure(id_, error), status=status)

    async def _run(
        self,
        conversation: Conversation,
        message: wire.Msg,
        asker: Asker,
        envelope: Envelope,
        request: Request,
        headers: dict[str, str],
    ) -> None:
        """The call, in a task that outlives the request it came with."""
        call = StatelessCall(
            envelope, conversation, message, asker, None, request, conversation, headers=headers, can_ask=True
        )
        conversation.call = call
        await self._lifecycle.loosely(call, self._relay.run(call))

    async def _listen(
        self,
        message: wire.Msg,
        asker: Asker,
        client: Client,
        path: str,
        request: Request,
        trace: Trace | None,
        headers: list[Header],
        receive: Receive,
        send: Send,
    ) -> None:
        id_ = bytes(message.id)
        try:
            try:
                listening = await self._listeners.open(asker, client, path, id_, bytes(message.params))
            finally:
                self._load.leave(asker.principal.user_id)  # opening asks servers; what follows only waits
        except Answer as answer:
            self._relay.ends(request, trace, "Failed", str(answer.code), answer.reason)
            error, status = bridge.translated(answer.raw)
            await respond(send, status, wire.failure(id_, error), headers)
            return
        self._relay.ends(request, trace, "Completed")
        await self._listeners.carry(listening, receive, send, headers)

    async def _discover(
        self, id_: bytes, asker: Asker, request: Request, trace: Trace | None, exchange: Exchange
    ) -> None:
        try:
            offered, server_info = await self._offered(asker, request)
        except Answer as answer:
            self._relay.ends(request, trace, "Failed", str(answer.code), answer.reason)
            error, status = bridge.translated(answer.raw)
            await exchange.finish(wire.failure(id_, error), status=status)
            return
        result: dict[str, Raw | bytes] = {
            "supportedVersions": wire.encode(SPOKEN),
            **offered,
            "resultType": b'"complete"',
            "ttlMs": b"0",
            "cacheScope": b'"private"',
        }
        frame = wire.result(id_, with_reserved(wire.joined(result), {SERVER_INFO: server_info}))
        self._relay.ends(request, trace, "Completed", size=len(frame))
        await exchange.finish(frame)

    async def _offered(self, asker: Asker, request: Request) -> tuple[Mapping[str, Raw | bytes], bytes]:
        """Capabilities and instructions, and whose: the hub's own, or those of the one server behind the address.

        Raises:
            Answer: the server cannot be opened.
        """
        if not asker.verbatim:
            capabilities = {
                "tools": {"listChanged": True},
                "prompts": {"listChanged": True},
                "resources": {"listChanged": True, "subscribe": True},
                "completions": {},
            }
            return {
                "capabilities": wire.encode(capabilities),
                "instructions": wire.encode(self._instructions(asker.principal)),
            }, self._server_info
        server = self._model.servers[asker.view.id]
        request.server = server.slug
        opened = wire.members(await self._relay.aside.open_server(asker, server, request.public_id))
        own = dict(wire.members(opened.get("capabilities", b"")))
        own.pop("logging", None)  # here it is each request that says what it wants to hear
        own.pop("tasks", None)  # those of an older server; this revision's are an extension
        instructions = {"instructions": opened["instructions"]} if "instructions" in opened else {}
        return {"capabilities": wire.joined(own), **instructions}, bytes(opened.get("serverInfo", self._server_info))

    async def _refuse(self, send: Send, id_: bytes, code: int, message: str, data: Any = None) -> None:
        await respond(send, bridge.STATUS.get(code, 400), failed(id_, code, message, data))


def _one(body: bytes) -> wire.Msg:
    """
    Raises:
        Unreadable: no request and no notification.
    """
    message = wire.read(body)
    if isinstance(message, list) or not message.method:
        raise wire.Unreadable(errors.INVALID_REQUEST, "The body is one JSON-RPC request, or one notification.")
    return message


def _named(message: wire.Msg) -> str:
    naming = NAMING.get(message.method, "")
    return wire.text(wire.members(message.params), naming) or "" if naming else ""


def _said(info: bytes, name: str) -> str:
    return (wire.text(wire.members(info), name) or "")[:100]


def _responses(params: wire.Members) -> Mapping[str, bytes]:
    try:
        return {key: bytes(raw) for key, raw in wire.members(params.get("inputResponses", b"")).items()}
    except wire.Unreadable:
        return {}


async def _left(receive: Receive, conversation: Conversation) -> None:
    """A client that goes away has cancelled its request."""
    while (await receive())["type"] != "http.disconnect":
        pass
    conversation.give_up("client_gone")
