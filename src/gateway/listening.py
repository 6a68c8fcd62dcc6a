"""`subscriptions/listen`: the stream on which a 2026-07-28 client hears what belongs to no request.

It lives like a session, with the stream as its only part: what ends sessions ends it, and who tells sessions tells it.
It hears the kinds it asked for and nothing else, of what its user may see at that moment.

Spec: MCP 2026-07-28, Subscriptions.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from msgspec import Raw

from mcphub.domain.access import AccessModel, visible_servers
from mcphub.gateway import wire
from mcphub.gateway.envelope import SERVER_INFO, SUBSCRIPTION, with_reserved
from mcphub.gateway.errors import Answer, BadParams
from mcphub.gateway.exchange import Header, begin_stream
from mcphub.gateway.kinds import LISTED, PROMPTS, RESOURCES, TOOLS
from mcphub.gateway.lifecycle import Lifecycle
from mcphub.gateway.relay import Relay
from mcphub.gateway.session import Asker, Client, Send, Session, Stream

KINDS = {"toolsListChanged": TOOLS, "promptsListChanged": PROMPTS, "resourcesListChanged": RESOURCES}
URIS = "resourceSubscriptions"
UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
MOST_OF_USER = 50
MOST_URIS = 200
ATTEND_WITHIN = 5.0  # seconds until the client is told what it will hear, whoever has not answered


class Listening(Session):
    """
    Args:
        subscription: the raw id of the request that began it; every word on the stream carries it.
    """

    def __init__(self, asker: Asker, client: Client, *, path: str, subscription: bytes, server_info: bytes) -> None:
        super().__init__(secrets.token_bytes(32), asker, client, path=path, created=datetime.now(UTC))
        self.own = Stream(self.ring, 0, resumable=False)
        self._stamp = {SUBSCRIPTION: subscription}
        self._last = wire.result(
            subscription, with_reserved(b'{"resultType":"complete"}', {**self._stamp, SERVER_INFO: server_info})
        )

    @property
    def listens(self) -> bool:
        return False  # this revision asks in answers only

    def tell(self, frame: bytes) -> None:
        found = wire.members(frame)
        method = wire.text(found, "method") or ""
        params = bytes(found.get("params", b"{}"))
        if not any(LISTED[kind].changed == method for kind in self.listed) and not (
            method == UPDATED and self._subscribed(params)
        ):
            return
        super().tell(wire.notification(method, with_reserved(params, self._stamp)))

    def _subscribed(self, params: bytes) -> bool:
        return wire.text(wire.members(params), "uri") in self.subscriptions.values()

    def acknowledge(self, granted: Mapping[str, Raw | bytes]) -> None:
        """The first word: what it will hear."""
        params = wire.joined({"notifications": wire.joined(granted)})
        self.own.put(wire.notification(ACKNOWLEDGED, with_reserved(params, self._stamp)))

    def release(self) -> None:
        self._say_goodbye()

    def close(self, reason: str) -> None:
        """A stream that ends on purpose says so; the client fetches anew and listens again."""
        self.closed = self.closed or reason
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        if not self.own.finished:
            self.own.put(self._last)
            self.own.finish()


class Listeners:
    """Opens streams and carries them to their end."""

    def __init__(self, model: AccessModel, relay: Relay, lifecycle: Lifecycle, server_info: bytes, ping: float) -> None:
        self._model = model
        self._relay = relay
        self._lifecycle = lifecycle
        self._server_info = server_info
        self._ping = ping

    async def open(self, asker: Asker, client: Client, path: str, subscription: bytes, params: bytes) -> Listening:
        """
        Raises:
            BadParams: the filter is none.
            Answer: the user listens on as many streams as may be.
        """
        kinds, uris = _wanted(params)
        own = self._lifecycle.live.of_user(asker.principal.user_id)
        if sum(isinstance(session, Listening) for session in own) >= MOST_OF_USER:
            raise Answer(f"You listen on {MOST_OF_USER} streams; close one of them.", reason="too_many_streams")
        listening = Listening(asker, client, path=path, subscription=subscription, server_info=self._server_info)
        now = datetime.now(UTC)
        for kind in kinds:
            for offer in LISTED.values():
                if offer.changed == KINDS[kind].changed:
                    listening.listed[offer.list_method] = self._relay.lists.seen_by(asker, offer, now)
        self._lifecycle.begin(listening)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(ATTEND_WITHIN):
                    await self._attend(listening, bool(kinds), uris)
        except BaseException:
            self._lifecycle.end(listening, "not_opened", forget=False)
            raise
        granted: dict[str, Raw | bytes] = dict.fromkeys(kinds, b"true")
        if heard := [uri for uri in uris if uri in listening.subscriptions.values()]:
            granted[URIS] = wire.encode(heard)
        listening.acknowledge(granted)
        return listening

    async def carry(
        self, listening: Listening, receive: Callable[[], Awaitable[Any]], send: Send, headers: Iterable[Header]
    ) -> None:
        """Until the client leaves or the stream is ended here."""

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self._lifecycle.end(listening, "client_gone", forget=False)

        leaving = asyncio.create_task(left(), name="listener-leaves")
        try:
            await begin_stream(send, headers)
            await listening.own.carry(send, self._ping)
        finally:
            leaving.cancel()
            self._lifecycle.end(listening, "client_gone", forget=False)

    async def _attend(self, listening: Listening, kinds: bool, uris: Collection[str]) -> None:
        """Sees to it that the servers tell this hub; one that does not answer is heard when it does."""
        asker, now = listening.asker, datetime.now(UTC)
        servers = visible_servers(self._model, asker.principal, now, asker.view) if kinds else []
        await asyncio.gather(
            *(self._relay.aside.attend(asker, server) for server in servers),
            *(self._subscribe(listening, uri) for uri in uris),
        )

    async def _subscribe(self, listening: Listening, uri: str) -> None:
        with suppress(Answer):
            server, own = await self._relay.subscribe(listening.asker, uri)
            listening.subscriptions[server, own] = uri


def _wanted(params: bytes) -> tuple[list[str], list[str]]:
    """(kinds, URIs) of the filter; what this hub does not know of it is not granted.

    Raises:
        BadParams: it cannot be read.
    """
    try:
        found = wire.members(wire.members(params)["notifications"])
        raws = wire.items(bytes(found.get(URIS, b"[]")))
        uris = [uri for uri in (wire.text({"": Raw(raw)}, "") for raw in raws) if uri is not None]
    except (KeyError, wire.Unreadable):
        raise BadParams("subscriptions/listen needs notifications: an object of the kinds to hear of.") from None
    if len(uris) != len(raws) or len(uris) > MOST_URIS:
        raise BadParams(f"{URIS} is a list of at most {MOST_URIS} addresses.")
    return [kind for kind in KINDS if bytes(found.get(kind, b"")) == b"true"], uris
