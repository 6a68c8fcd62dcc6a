"""An upstream of 2026-07-28 over Streamable HTTP: no handshake, no session, every request complete in itself.

For a client of the same revision its requests and its answers pass as they are. For an older client the hub asks in
the upstream's place: a result that needs input becomes a question to the client, and the answers go with the next try.

Spec: MCP 2026-07-28, Transports; Discovery; Multi round-trip requests.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from msgspec import Raw
from multidict import CIMultiDict

from mcphub.gateway import wire
from mcphub.gateway.envelope import (
    CAPABILITIES,
    INFO,
    LOG_LEVEL,
    NAMING,
    VERSION,
    encoded,
    with_reserved,
    without_reserved,
)
from mcphub.gateway.protocol import LATEST_HANDSHAKE_VERSION, MODERN_VERSION
from mcphub.gateway.tasks import without_tasks
from mcphub.gateway.upstream import frames
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.context import EVENTS, JSON_OR_EVENTS
from mcphub.gateway.upstream.events import EventStream, EventTooLarge
from mcphub.gateway.upstream.frames import Flight
from mcphub.gateway.upstream.http import JSON, LISTEN_AGAIN, LISTEN_TRIES, MOST_ERROR, HttpRuntime
from mcphub.gateway.upstream.runtime import Caller, Identity, Reply, UpstreamBroken, UpstreamFailed
from mcphub.gateway.wire import Msg, Unreadable

DISCOVER_SECONDS = 30.0
MOST_ROUNDS = 20  # of questions in one call
# What says nothing of whether the upstream knows the revision.
INCONCLUSIVE = {401, 403, 407, 408, 425, 429}
LISTEN = "subscriptions/listen"
CHANGES = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")
ASIDE = {"ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
OF_THIS_ERA = ("resultType", "ttlMs", "cacheScope")


class NotModern(Exception):
    """The upstream is of another era, as far as can be told.

    Args:
        certain: it said so itself; else it may say something else tomorrow.
    """

    def __init__(self, *, certain: bool) -> None:
        super().__init__("it does not speak this revision")
        self.certain = certain


class ModernHttpRuntime(HttpRuntime):
    """Implements Runtime."""

    modern = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._uris: set[str] = set()

    async def open(self) -> None:
        """
        Raises:
            NotModern: see there.
            UpstreamFailed: it cannot be reached.
        """
        params = self._stamped(b"{}", self._identity)
        with Clock(DISCOVER_SECONDS, DISCOVER_SECONDS, False):
            result = await self._discovered(wire.request(self._next_id(), "server/discover", params))
        self._headers.conversation("", MODERN_VERSION)
        self.initialize_result = wire.joined(
            {
                "protocolVersion": wire.encode(LATEST_HANDSHAKE_VERSION),
                "capabilities": self._offered(bytes(result.get("capabilities", b"{}"))),
                "serverInfo": _server_info(result, self.slug),
                **({"instructions": result["instructions"]} if "instructions" in result else {}),
            }
        )

    def _offered(self, capabilities: bytes) -> bytes:
        """As far as its client knows them: an older one has other tasks."""
        return capabilities if self._identity.protocol_version == MODERN_VERSION else without_tasks(capabilities)

    async def _discovered(self, frame: bytes) -> Mapping[str, Raw | bytes]:
        headers = self._for_method(self._headers.first(self._own), "server/discover", b"{}", None)
        headers["MCP-Protocol-Version"] = MODERN_VERSION
        headers["Accept"] = JSON_OR_EVENTS
        response = await self._http.send("POST", self._url, headers, frame)
        status = response.status
        if status in INCONCLUSIVE or status >= 500:
            response.close()
            raise NotModern(certain=False)
        if response.kind != JSON:
            response.close()
            raise NotModern(certain=True)
        try:
            result = wire.members(wire.members(await response.read(MOST_ERROR)).get("result", b""))
            versions = wire.items(bytes(result.get("supportedVersions", b"[]")))
        except (Unreadable, RecursionError):
            raise NotModern(certain=True) from None
        if wire.encode(MODERN_VERSION) not in versions:  # some answer it while they negotiate down
            raise NotModern(certain=True)
        return result

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109
        reset_on_progress: bool,
        max_total: float,
        identity: Identity | None = None,
    ) -> Reply:
        if method in ASIDE:
            return self._aside(method, params)
        whose = identity or self._identity
        times = (timeout, reset_on_progress, max_total)
        if caller is not None and whose.protocol_version == MODERN_VERSION:
            return await self._once(method, params, caller, times, identity)
        kept = params
        for _ in range(MOST_ROUNDS):
            reply = await self._once(method, self._stamped(params, whose, caller), caller, times, identity)
            if reply.result is None:
                return reply
            result = _members(reply.result)
            kind = wire.text(result, "resultType")
            if kind == "task":
                raise UpstreamBroken("it answers with a task, though nobody here said to know them")
            if kind != "input_required":
                return Reply(result=_older(result))
            if caller is None:
                break
            params = wire.joined({**_members(kept), **await _answers(result, caller)})
        raise UpstreamBroken("it asks without an end")

    def _aside(self, method: str, params: bytes) -> Reply:
        """What an older client asks for and this revision says on a stream of its own."""
        uri = wire.text(_members(params), "uri")
        before = set(self._uris)
        if method == "resources/subscribe" and uri is not None:
            self._uris.add(uri)
        elif method == "resources/unsubscribe" and uri is not None:
            self._uris.discard(uri)
        if self._may_listen and (self._listening is None or self._uris != before):
            if self._listening is not None:
                self._listening.cancel()
            self._listening = asyncio.create_task(self._listen(), name=f"listen-{self.slug}")
        return Reply(result=b"{}")

    async def _listen(self) -> None:
        """Its own stream: opened again when it ends, given up where there is none."""
        pause, failures = LISTEN_AGAIN[0], 0
        while failures < LISTEN_TRIES:
            wanted: dict[str, object] = dict.fromkeys(CHANGES, True)
            params = wire.encode({"notifications": {**wanted, "resourceSubscriptions": sorted(self._uris)}})
            params = self._stamped(params, self._identity)
            frame = wire.request(self._next_id(), LISTEN, params)
            headers = self._for_method(self._headers.of(self._own, None), LISTEN, params, None)
            try:
                response = await self._http.send("POST", self._url, headers, frame)
                if response.status != 200 or response.kind != EVENTS:
                    response.close()
                    if 400 <= response.status < 500 and response.status not in INCONCLUSIVE:
                        return  # it has none
                    failures += 1
                else:
                    failures, pause, parser = 0, LISTEN_AGAIN[0], EventStream()
                    try:
                        async for chunk in response.chunks():
                            for data in parser.feed(chunk):
                                self._heard_outside(data)
                    finally:
                        response.close()
            except (UpstreamFailed, EventTooLarge):
                failures += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, LISTEN_AGAIN[1])

    def _hear(self, frame: bytes, message: Msg, flight: Flight | None) -> "asyncio.Task[None] | None":
        """Whose subscription it was is between the hub and this upstream."""
        if message.method in frames.ANNOUNCED:
            with suppress(Unreadable):
                params = without_reserved(bytes(message.params) or b"{}")
                frame = wire.notification(message.method, params if params != b"{}" else b"")
        return super()._hear(frame, message, flight)

    async def _once(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        times: tuple[float, bool, float],
        identity: Identity | None,
    ) -> Reply:
        timeout, reset_on_progress, max_total = times
        return await super().call(
            method,
            params,
            caller,
            timeout=timeout,
            reset_on_progress=reset_on_progress,
            max_total=max_total,
            identity=identity,
        )

    async def _exchange(self, flight: Flight, method: str, headers: CIMultiDict[str]) -> tuple[Reply, str]:
        headers = self._for_method(headers, method, flight.params, flight.caller)
        reply, _ = await super()._exchange(flight, method, headers)
        return reply, ""  # a session it names would be one nobody asked for

    def _for_method(
        self, headers: CIMultiDict[str], method: str, params: bytes, caller: Caller | None
    ) -> CIMultiDict[str]:
        """What a request says in its headers, too."""
        headers["Mcp-Method"] = method
        naming = NAMING.get(method)
        if naming is not None and (name := wire.text(_members(params), naming)) is not None:
            headers["Mcp-Name"] = encoded(name)
        if caller is not None:
            headers.update(caller.repeated)
        return headers

    def _stamped(self, params: bytes, identity: Identity, caller: Caller | None = None) -> bytes:
        """Parameters with what the hub says in the place of a client that does not."""
        said = _members(identity.client_params)
        info = said.get("clientInfo", wire.encode({"name": "mcphub", "version": "1"}))
        stamps = {
            VERSION: wire.encode(MODERN_VERSION),
            CAPABILITIES: without_tasks(bytes(said.get("capabilities", b"{}"))),
            INFO: bytes(info),
        }
        if caller is not None and caller.log_level:
            stamps[LOG_LEVEL] = wire.encode(caller.log_level)
        return with_reserved(params or b"{}", stamps)

    async def ping(self) -> None:
        """There is nothing to keep alive."""

    async def _cancelled(self, id_: bytes, why: str) -> None:
        """Whoever leaves has cancelled."""

    async def notify(self, method: str, params: bytes) -> None:
        """It takes none."""


def _members(raw: bytes) -> wire.Members:
    try:
        return wire.members(raw)
    except (Unreadable, RecursionError):
        return {}


def _server_info(result: Mapping[str, Raw | bytes], slug: str) -> bytes:
    with suppress(Unreadable):
        info = wire.members(Raw(bytes(result.get("_meta", b"")))).get("io.modelcontextprotocol/serverInfo")
        if info is not None:
            return bytes(info)
    return wire.encode({"name": slug, "version": ""})


def _older(result: wire.Members) -> bytes:
    """A result as an older client knows it."""
    kept: dict[str, Raw | bytes] = {name: raw for name, raw in result.items() if name not in OF_THIS_ERA}
    return without_reserved(wire.joined(kept))


async def _answers(result: wire.Members, caller: Caller) -> Mapping[str, bytes]:
    """What the client says to each question, as members of the next try.

    Raises:
        UpstreamBroken: the client refuses to be asked.
    """
    asked = _members(bytes(result.get("inputRequests", b"")))
    requests = {key: _members(bytes(raw)) for key, raw in asked.items()}
    replies = await asyncio.gather(
        *(caller.ask(wire.text(one, "method") or "", bytes(one.get("params", b"{}"))) for one in requests.values())
    )
    answers: dict[str, bytes] = {}
    for key, reply in zip(requests, replies, strict=True):
        if reply.result is None:
            raise UpstreamBroken(
                f"it needs an answer to {wire.text(requests[key], 'method')}, which the client refuses"
            )
        answers[key] = reply.result
    out: dict[str, bytes] = {"inputResponses": wire.joined({**answers})}
    if "requestState" in result:
        out["requestState"] = bytes(result["requestState"])
    return out
