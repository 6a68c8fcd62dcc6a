"""Every open runtime: opened once for all who wait for it, lent, ended when it is idle or its owner is gone.

Promises:
- what was opened with a user's values is lent to that user only: the key names the server, its transport, the user and
  the versions of that user's values, and the session where a server keeps one conversation each;
- opening is one task for all who wait; its failure is told to each and remembered, so that a server that is down costs
  a look at the clock;
- a new version of values or configuration opens a new runtime, and the old one ends with its last call;
- a user who is locked out has no process left after a second;
- a trial is lent to nobody else, ends with its block, and leaves no failure behind.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from types import TracebackType
from typing import Any, Literal

import structlog

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway.protocol import MODERN_VERSION
from mcphub.gateway.upstream import contained
from mcphub.gateway.upstream.children import Children
from mcphub.gateway.upstream.contained import Contained
from mcphub.gateway.upstream.failures import Failures
from mcphub.gateway.upstream.frames import NOBODY
from mcphub.gateway.upstream.http import HttpRuntime
from mcphub.gateway.upstream.judged import Judged, JudgedTransport
from mcphub.gateway.upstream.modern import ModernHttpRuntime, NotModern
from mcphub.gateway.upstream.openapi import OpenApiRuntime
from mcphub.gateway.upstream.openapi_documents import Documents
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    InitializeRefused,
    Listener,
    Reply,
    Runtime,
    RuntimeInfo,
    ServerStatus,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnavailable,
)
from mcphub.gateway.upstream.slots import Caps, Conversation, Crowd, Key, Open, Place, Slot, key_of
from mcphub.gateway.upstream.sse import SseRuntime
from mcphub.gateway.upstream.stdio import StdioRuntime
from mcphub.gateway.upstream.transport import Transports
from mcphub.gateway.way_out import WayOut
from mcphub.metrics import Metrics
from mcphub.postgres.embedded import outside
from mcphub.settings import Settings

log = structlog.get_logger()

ROUND_SECONDS = 1.0
CLOSE_SECONDS = 6.0


class Lease:
    """Lends a runtime while the block runs; itself the runtime, as the one it is lent to sees it."""

    __slots__ = ("_identity", "_inject", "_pool", "_runtime", "_slot", "_spec")

    def __init__(
        self, pool: "RuntimePool", spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]
    ) -> None:
        self._pool = pool
        self._spec = spec
        self._identity = identity
        self._inject = inject

    async def __aenter__(self) -> Runtime:
        slot = self._pool.slots.get(key_of(self._spec, self._identity))
        if slot is None or slot.runtime is None or slot.runtime.ended:
            slot = await self._pool.ready(self._spec, self._identity, self._inject)
        else:
            slot.leases += 1
            slot.ahead = False
        self._slot = slot
        assert slot.runtime is not None
        self._runtime = slot.runtime
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.give_back(self._slot)

    @property
    def server_id(self) -> str:
        return self._runtime.server_id

    @property
    def slug(self) -> str:
        return self._runtime.slug

    @property
    def user_id(self) -> str | None:
        return self._runtime.user_id

    @property
    def session_id(self) -> str:
        return self._runtime.session_id

    @property
    def modern(self) -> bool:
        return self._runtime.modern

    @property
    def log_level(self) -> str:
        return self._runtime.log_level

    @log_level.setter
    def log_level(self, level: str) -> None:
        self._runtime.log_level = level

    @property
    def initialize_result(self) -> bytes:
        return self._runtime.initialize_result

    def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,
        reset_on_progress: bool,
        max_total: float,
    ) -> Coroutine[Any, Any, Reply]:
        return self._runtime.call(
            method,
            params,
            caller,
            timeout=timeout,
            reset_on_progress=reset_on_progress,
            max_total=max_total,
            identity=self._identity,
        )

    def notify(self, method: str, params: bytes) -> Coroutine[Any, Any, None]:
        return self._runtime.notify(method, params)

    def close(self, reason: str) -> Coroutine[Any, Any, None]:
        return self._pool.end_slot(self._slot, reason)


class Unheard:
    """What a trial says outside its calls is nobody's news."""

    def server_notification(self, runtime: Runtime, method: str, frame: bytes) -> None: ...

    async def server_asks(self, runtime: Runtime, method: str, params: bytes) -> Reply:
        return Reply(error=NOBODY)

    def runtime_ended(self, runtime: Runtime, reason: str) -> None: ...

    def values_judged(self, server_id: str, identity: Identity, refused: bool) -> None: ...


class RuntimePool:
    """Implements runtime.Pool.

    Args:
        mirrors: `systemConfig.install` of the settings document.
        metrics: told how long each took to open.
    """

    def __init__(
        self,
        listener: Listener,
        settings: Settings,
        *,
        mirrors: Callable[[], Mapping[str, str]] = dict,
        caps: Caps = Caps(),  # noqa: B008  immutable
        metrics: Metrics | None = None,
    ) -> None:
        self.slots: dict[Key, Slot] = {}
        self._leaving: set[Slot] = set()  # no longer lent, not yet ended
        self._listener = listener
        self._settings = settings
        self._mirrors = mirrors
        self._caps = caps
        self._metrics = metrics or Metrics()
        self._version = version("mcphub")
        self._way_out = WayOut.of(settings)
        self._transports = Transports(settings.egress_allow, self._way_out)
        self._documents = Documents(self._transports, f"mcphub/{self._version}")
        self._children = Children(settings.home)
        self._protected = [str(path) for path in (settings.home, *settings.secret_files, *outside(settings.home))]
        self._contained: dict[str, Contained] = {}  # server → what held the last of its processes
        self._eras: dict[str, Literal["handshake", "modern"]] = {}  # transport digest → the only one it speaks
        self._failures: dict[Place, Failures] = {}
        self._opened: dict[str, int] = {}  # server → how often one was opened
        self._changed: dict[str, tuple[str, float]] = {}  # server → (state, since)
        self._tasks: set[asyncio.Task[None]] = set()
        self._rounds: asyncio.Task[None] | None = None
        self._closed = False
        self._children.sweep()

    # lending

    def lease(self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]) -> Lease:
        return Lease(self, spec, identity, inject)

    def give_back(self, slot: Slot) -> None:
        slot.leases -= 1
        slot.last_used = time.monotonic()
        if slot.leaving and not slot.leases:
            self._soon(self.end_slot(slot, "replaced"))

    async def ready(self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]) -> Slot:
        """A slot with a runtime, lent once more than before.

        Raises:
            MissingVariables, UnusableValue, UpstreamUnavailable: see Pool.lease.
        """
        key = key_of(spec, identity)
        slot = self.slots.get(key)
        if slot is not None and slot.runtime is not None and slot.runtime.ended:
            self._leave(slot)
            slot = None
        if slot is None:
            slot = self._begin(key, spec, identity, inject)
        assert slot.opening is not None
        slot.leases += 1
        slot.ahead = False
        try:
            refused = await asyncio.shield(slot.opening)
            if refused is not None:
                raise UpstreamUnavailable(
                    refused.server, refused.reason, refused.next_retry_at, refused=refused.refused
                )
        except BaseException as error:
            self.give_back(slot)
            if isinstance(error, asyncio.CancelledError) and slot.opening.cancelled() and not _cancelling():
                raise UpstreamUnavailable(spec.slug, "it was ended while it was being opened") from None
            raise
        return slot

    async def ahead(self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]) -> bool:
        key = key_of(spec, identity)
        if self._closed or key in self.slots or any(crowd.full for crowd in self._crowds(spec, key)):
            return False
        failures = self._failures.get((key[0], key[2]))
        if failures is not None and failures.waiting:
            return False
        slot = self._begin(key, spec, identity, inject)
        slot.ahead = True
        assert slot.opening is not None
        await asyncio.wait({slot.opening})
        return slot.runtime is not None

    @asynccontextmanager
    async def once(
        self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]
    ) -> AsyncIterator[Runtime]:
        self._must_open(spec)
        injected = inject()
        key = key_of(spec, identity)
        self._make_room(spec, key)
        slot = Slot(key, spec, identity, trial=True)
        self._leaving.add(slot)  # and never among those that are lent
        slot.opening = asyncio.create_task(self._open_trial(slot, injected), name=f"try-{spec.slug}")
        try:
            await asyncio.shield(slot.opening)
            assert slot.runtime is not None
            yield slot.runtime
        except asyncio.CancelledError:
            if slot.opening.cancelled() and not _cancelling():
                raise UpstreamUnavailable(spec.slug, "it was ended while it was being opened") from None
            raise
        finally:
            await self.end_slot(slot, "its trial is over", at_once=True)

    async def _open_trial(self, slot: Slot, injected: Injected) -> None:
        slot.runtime = await self._opened_runtime(slot, injected)

    def _must_open(self, spec: ServerSpec) -> None:
        """
        Raises:
            UpstreamUnavailable: nothing is opened any more.
        """
        if self._closed:
            raise UpstreamUnavailable(spec.slug, "the hub is stopping")

    def _begin(self, key: Key, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]) -> Slot:
        self._must_open(spec)
        failures = self._failures.get((key[0], key[2]))
        if failures is not None and failures.waiting:
            raise UpstreamUnavailable(spec.slug, failures.reason, failures.retry_at, refused=failures.refused)
        injected = inject()
        self._make_room(spec, key)
        slot = self.slots[key] = Slot(key, spec, identity)
        slot.opening = asyncio.create_task(self._open(slot, injected), name=f"open-{spec.slug}")
        if self._rounds is None:
            self._rounds = asyncio.create_task(self._round_after_round(), name="idle-reaper")
        self._note_state(spec.server_id)
        return slot

    async def _open(self, slot: Slot, injected: Injected) -> UpstreamUnavailable | None:
        began, spec, user = time.monotonic(), slot.spec, slot.key[2]
        try:
            runtime = await self._opened_runtime(slot, injected)
        except BaseException as error:
            self._remove(slot)
            if isinstance(error, UpstreamFailed):
                outcome = "refused" if isinstance(error, UpstreamRefused) else "failed"
                self._metrics.connected(spec.slug, outcome, (time.monotonic() - began) * 1000)
                return self._not_opened(slot, str(error), refused=isinstance(error, UpstreamRefused))
            raise
        slot.runtime = runtime
        slot.last_used = time.monotonic()
        held = runtime.contained if isinstance(runtime, StdioRuntime) else None
        if held is not None:
            self._contained[spec.server_id] = held
        failures = self._failures.get(slot.place)
        if failures is not None:
            failures.opened()
        self._opened[spec.server_id] = self._opened.get(spec.server_id, 0) + 1
        self._note_state(spec.server_id)
        took = (time.monotonic() - began) * 1000
        self._metrics.connected(spec.slug, "opened", took)
        log.info(
            "server_connected",
            server=spec.slug,
            kind=runtime.kind,
            user_id=user,
            session_id=slot.session_id,
            pid=runtime.pid,
            sandbox=held.level if held else None,
            ms=round(took, 1),
        )
        if runtime.ended:  # in the moment between the two
            self._leave(slot)
        return None

    async def _opened_runtime(self, slot: Slot, injected: Injected) -> Open:
        """A runtime of the era that client and upstream share, the client's own if it can be had.

        Raises:
            UpstreamFailed: it cannot be opened.
        """
        spec, digest = slot.spec, slot.spec.transport_digest
        if spec.type != "streamable-http":
            return await _opened(self._made(slot, injected))
        known = self._eras.get(digest)
        if known == "modern" or (known is None and slot.identity.protocol_version == MODERN_VERSION):
            try:
                return await _opened(self._http(ModernHttpRuntime, slot, injected))
            except NotModern as verdict:
                if verdict.certain:
                    self._eras[digest] = "handshake"
        try:
            return await _opened(self._made(slot, injected))
        except InitializeRefused:
            try:
                runtime = await _opened(self._http(ModernHttpRuntime, slot, injected))
            except (NotModern, UpstreamFailed):
                runtime = None
            if runtime is None:
                raise
            self._eras[digest] = "modern"
            return runtime

    def _http(self, kind: type[HttpRuntime], slot: Slot, injected: Injected) -> HttpRuntime:
        return kind(
            slot.spec,
            slot.identity,
            injected,
            JudgedTransport(self._transports.for_server(slot.spec), self._judged(slot)),
            self._listener_of(slot),
            user_id=slot.key[2] or None,
            hub_version=self._version,
            listens=bool(slot.identity.session_id),
            session_id=slot.session_id,
        )

    def _made(self, slot: Slot, injected: Injected) -> Open:
        spec, key = slot.spec, slot.key
        user = key[2] or None
        listener, judged = self._listener_of(slot), self._judged(slot)
        if slot.is_process:
            return StdioRuntime(
                spec,
                slot.identity,
                injected,
                listener,
                user_id=user,
                session_id=key[4],
                children=self._children,
                mirrors=self._mirrors(),
                way_out=self._way_out.for_children(),
                mode=self._settings.stdio_sandbox,
                protected=self._protected,
                hub_version=self._version,
                over=lambda _: self._ended_by_itself(slot),
            )
        if spec.type == "sse":
            return SseRuntime(
                spec,
                slot.identity,
                injected,
                JudgedTransport(self._transports.for_server(spec), judged),
                listener,
                user_id=user,
                session_id=slot.session_id,
                hub_version=self._version,
                over=lambda _: self._ended_by_itself(slot),
            )
        if spec.type == "openapi":
            return OpenApiRuntime(
                spec,
                slot.identity,
                injected,
                self._transports,
                self._documents,
                user_id=user,
                hub_version=self._version,
                judged=judged,
                proves=slot.trial,
            )
        return self._http(HttpRuntime, slot, injected)

    def _listener_of(self, slot: Slot) -> Listener:
        return Unheard() if slot.trial else self._listener

    def _judged(self, slot: Slot) -> Judged:
        """Tells whose values of which version an upstream refused or took; a trial's are no others."""
        if not slot.key[2] or not slot.spec.slots:
            return lambda refused: None
        return lambda refused: self._listener.values_judged(slot.spec.server_id, slot.identity, refused)

    def _not_opened(self, slot: Slot, reason: str, *, refused: bool) -> UpstreamUnavailable:
        failures = self._failures.setdefault(slot.place, Failures())
        failures.not_opened(reason)
        failures.refused = refused
        self._note_state(slot.spec.server_id)
        log.warning(
            "server_failed", server=slot.spec.slug, user_id=slot.key[2], why=reason, next_retry_at=failures.retry_at
        )
        return UpstreamUnavailable(slot.spec.slug, reason, failures.retry_at, refused=refused)

    def _ended_by_itself(self, slot: Slot) -> None:
        """A process died, or a stream. Its next call begins another one."""
        if slot.runtime is None or slot.trial:
            return  # still opening, and that fails by itself; a trial's end is its block's
        failures = self._failures.setdefault(slot.place, Failures())
        failures.ended(slot.runtime.ended)
        self._soon(self.end_slot(slot, slot.runtime.ended))

    def _make_room(self, spec: ServerSpec, key: Key) -> None:
        """
        Raises:
            UpstreamUnavailable: as many as there may be, and all in use.
        """
        for crowd in self._crowds(spec, key):
            if not crowd.full:
                continue
            if (least := crowd.least_used) is None:
                raise UpstreamUnavailable(spec.slug, crowd.said)
            self._leave(least, "made room for another one")  # from now on, or a call would still be lent it

    def _crowds(self, spec: ServerSpec, key: Key) -> tuple[Crowd, Crowd]:
        """The runtimes a new one would be counted with: those of its user, and all."""
        process, caps = spec.type == "stdio", self._caps
        what = "processes" if process else "connections"
        alike = [slot for slot in (*self.slots.values(), *self._leaving) if slot.is_process == process]
        own = [slot for slot in alike if slot.key[2] == key[2]]
        return (
            Crowd(own, caps.processes_of_user if process else caps.connections_of_user, f"{what} of this user"),
            Crowd(alike, caps.processes if process else caps.connections, f"{what} of this hub"),
        )

    # ending

    def _remove(self, slot: Slot) -> None:
        if self.slots.get(slot.key) is slot:
            del self.slots[slot.key]

    def _leave(self, slot: Slot, reason: str = "replaced") -> None:
        """Not lent any more; it ends with its last lease."""
        self._remove(slot)
        if not slot.leaving:
            slot.leaving = True
            self._leaving.add(slot)
            if not slot.leases:
                self._soon(self.end_slot(slot, reason))

    async def end_slot(self, slot: Slot, reason: str, *, at_once: bool = False) -> None:
        """Ends it whoever uses it; asking again `at_once` hurries an end under way."""
        self._remove(slot)
        slot.leaving = True
        self._leaving.add(slot)
        try:
            if slot.opening is not None and not slot.opening.done():
                slot.opening.cancel()
                await asyncio.wait({slot.opening})
            if slot.runtime is not None:
                await slot.runtime.close(reason, at_once=at_once)
        finally:
            self._leaving.discard(slot)
            self._note_state(slot.spec.server_id)
            if slot.runtime is not None and not slot.reported:
                slot.reported = True
                self._listener.runtime_ended(slot.runtime, slot.runtime.ended or reason)

    async def _end_where(self, fits: Callable[[Slot], bool], reason: str, *, at_once: bool = False) -> None:
        ending = [slot for slot in (*self.slots.values(), *self._leaving) if fits(slot)]
        if ending:
            await asyncio.gather(*(self.end_slot(slot, reason, at_once=at_once) for slot in ending))

    async def end_session(self, session_id: str) -> None:
        await self._end_where(lambda slot: bool(session_id) and slot.key[4] == session_id, "its session ended")

    async def tell(self, session_id: str, user_id: str, server_id: str, method: str, params: bytes) -> None:
        for slot in list(self.slots.values()):
            if slot.runtime is None or slot.key[2] != user_id or server_id not in ("", slot.key[0]):
                continue
            if slot.key[4] in ("", session_id):
                with suppress(UpstreamFailed):
                    await slot.runtime.notify(method, params)

    async def end_user(self, user_id: str, reason: str) -> None:
        await self._end_where(lambda slot: slot.key[2] == user_id, reason, at_once=True)
        for place in [place for place in self._failures if place[1] == user_id]:
            del self._failures[place]

    async def end_server(self, server_id: str, reason: str) -> None:
        self._documents.stale(server_id)
        await self._end_where(lambda slot: slot.key[0] == server_id, reason)

    async def end_barred(self, barred: Callable[[str, str], bool], reason: str) -> None:
        await self._end_where(lambda slot: bool(slot.key[2]) and barred(slot.key[2], slot.key[0]), reason, at_once=True)

    async def end_runtime(self, runtime_id: str, reason: str) -> bool:
        known = any(slot.id == runtime_id for slot in (*self.slots.values(), *self._leaving))
        await self._end_where(lambda slot: slot.id == runtime_id, reason)
        return known

    async def drain_credential(self, user_id: str, server_id: str) -> None:
        self._leave_all(slot for slot in self.slots.values() if slot.key[0] == server_id and slot.key[2] == user_id)
        self._failures.pop((server_id, user_id), None)  # other values may be the right ones

    async def drain_server(self, server_id: str) -> None:
        self._leave_all(slot for slot in self.slots.values() if slot.key[0] == server_id)
        self.forget_failures(server_id)

    def _leave_all(self, slots: Iterable[Slot]) -> None:
        for slot in list(slots):
            self._leave(slot)

    async def tidy(self, servers: Collection[str], gone_users: Collection[str]) -> None:
        await asyncio.to_thread(self._children.tidy, servers, gone_users)

    def forget_failures(self, server_id: str) -> None:
        for place in [place for place in self._failures if place[0] == server_id]:
            del self._failures[place]
        self._note_state(server_id)

    async def close(self) -> None:
        self._closed = True
        if self._rounds is not None:
            self._rounds.cancel()
        await self._end_where(lambda _: True, "the hub stopped")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        await self._documents.close()
        await self._transports.close()

    # rounds

    async def _round_after_round(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            self.round(time.monotonic())

    def round(self, now: float) -> None:
        """Ends what idles and greets what must not be taken for abandoned."""
        for slot in list(self.slots.values()):
            if slot.leases or slot.runtime is None:
                continue
            if now - slot.last_used > slot.idle_seconds:
                self._leave(slot, "idle")
            elif slot.wants_ping(now) and isinstance(slot.runtime, Conversation):
                slot.runtime.pinged = now
                self._soon(slot.runtime.ping())
        for place in [place for place, failures in self._failures.items() if failures.forgotten]:
            del self._failures[place]

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="end-upstream")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what there is

    def status(self, server_id: str) -> ServerStatus:
        slots = [slot for slot in self.slots.values() if slot.key[0] == server_id]
        failures = [failed for place, failed in self._failures.items() if place[0] == server_id and failed.reason]
        state, since = self._note_state(server_id)
        newest = max(failures, key=lambda failed: failed.latest, default=None)
        trouble = next((slot.runtime.trouble for slot in slots if slot.runtime and slot.runtime.trouble), "")
        return ServerStatus(
            state=state,
            since=since,
            error=newest.reason if newest is not None else trouble,
            next_retry_at=newest.retry_at if newest is not None and newest.waiting else None,
            runtimes=sum(slot.runtime is not None for slot in slots),
            leases=sum(slot.leases for slot in slots),
            reconnects=max(0, self._opened.get(server_id, 0) - 1),
        )

    def _note_state(self, server_id: str) -> tuple[Literal["idle", "connecting", "connected", "error"], float]:
        slots = [slot for slot in self.slots.values() if slot.key[0] == server_id]
        state: Literal["idle", "connecting", "connected", "error"] = "idle"
        if any(slot.runtime is not None and not slot.runtime.trouble for slot in slots):
            state = "connected"
        elif any(slot.runtime is None for slot in slots):
            state = "connecting"
        elif slots or any(place[0] == server_id and failed.reason for place, failed in self._failures.items()):
            state = "error"
        known = self._changed.get(server_id)
        if known is None or known[0] != state:
            known = self._changed[server_id] = (state, time.time())
        return state, known[1]

    def runtimes(self) -> list[RuntimeInfo]:
        clock = time.time() - time.monotonic()
        return [
            RuntimeInfo(
                id=slot.id,
                server_id=slot.key[0],
                user_id=slot.runtime.user_id,
                session_id=slot.session_id,
                kind=slot.runtime.kind,
                pid=slot.runtime.pid,
                opened_at=slot.opened_at,
                last_used=clock + slot.last_used,
                in_flight=slot.leases,
                ahead=slot.ahead,
            )
            for slot in (*self.slots.values(), *self._leaving)
            if slot.runtime is not None
        ]

    def sandbox(self, spec: ServerSpec) -> Contained | None:
        if spec.type != "stdio":
            return None
        running = [
            slot.runtime.contained
            for slot in (*self.slots.values(), *self._leaving)
            if slot.key[0] == spec.server_id and isinstance(slot.runtime, StdioRuntime) and slot.runtime.contained
        ]
        known = contained.weakest(running) or self._contained.get(spec.server_id)
        return known or contained.expected(self._settings.stdio_sandbox)

    def stderr(self, runtime_id: str) -> list[str]:
        for slot in (*self.slots.values(), *self._leaving):
            if slot.id == runtime_id and isinstance(slot.runtime, StdioRuntime):
                return slot.runtime.stderr.lines
        return []


async def _opened(runtime: Open) -> Open:
    try:
        await runtime.open()
    except BaseException:
        await runtime.close("not opened", at_once=True)
        raise
    return runtime


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
