"""Every open runtime: opened once for many waiters, leased, reaped when idle, ended with its session or its user.

The key of a runtime names the server, its transport, the user and the state of that user's values, and for HTTP the
downstream session. Nothing a user's values opened is ever lent to another user.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import structlog

from mcphub.domain.ids import new_id
from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway.upstream.http import HttpRuntime
from mcphub.gateway.upstream.runtime import (
    Identity,
    Listener,
    Runtime,
    RuntimeInfo,
    ServerStatus,
    UpstreamFailed,
    UpstreamUnavailable,
)
from mcphub.gateway.upstream.stdio import StdioRuntime
from mcphub.gateway.upstream.transport import AioHttp
from mcphub.settings import Settings

log = structlog.get_logger()

Key = tuple[str, str, str, str, str]

BACKOFF_FROM, BACKOFF_TO = 0.5, 60.0
CIRCUIT_FAILURES, CIRCUIT_SECONDS = 5, 120.0
LOOSE_SECONDS = 60.0  # a connection of requests without a session lives that long without use
SESSION_IDLE_SECONDS = 15 * 60.0
PROCESSES_OF_USER, PROCESSES = 20, 200
REAP_EVERY = 1.0
FORCED = 0.4  # seconds between SIGTERM and SIGKILL when a user is locked out


class Entry:
    __slots__ = ("draining", "id", "identity", "last_used", "leases", "opened_at", "opening", "runtime", "spec")

    def __init__(self, spec: ServerSpec, identity: Identity) -> None:
        self.id = new_id()
        self.spec = spec
        self.identity = identity
        self.runtime: Any = None
        self.opening: asyncio.Task[Any] | None = None
        self.leases = 0
        self.draining = False
        self.opened_at = time.time()
        self.last_used = time.monotonic()


class Failures:
    """What went wrong with a server for a user lately."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.reason = ""
        self.retry_at = 0.0  # Unix seconds

    def add(self, reason: str) -> None:
        now = time.time()
        self.times = [*(at for at in self.times if now - at < CIRCUIT_SECONDS), now]
        self.reason = reason
        pause = min(BACKOFF_TO, BACKOFF_FROM * 2 ** (len(self.times) - 1))
        self.retry_at = now + pause * random.uniform(0.8, 1.2)  # noqa: S311


class RuntimePool:
    """Implements `runtime.Pool`."""

    def __init__(self, listener: Listener, settings: Settings) -> None:
        self._listener = listener
        self._settings = settings
        self._http = AioHttp(settings.egress_allow)
        self._entries: dict[Key, Entry] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._failures: dict[tuple[str, str], Failures] = {}
        self._reaper: asyncio.Task[None] | None = None
        self._reconnects: dict[str, int] = {}
        self._closed = False
        self.mirrors: Callable[[], dict[str, str]] = dict

    # leases

    @asynccontextmanager
    async def lease(
        self, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]
    ) -> AsyncIterator[Runtime]:
        key = _key(spec, identity)
        entry = self._entries.get(key)
        if entry is None or entry.draining or _over(entry):
            entry = self._new(key, spec, identity, inject)
        entry.leases += 1
        try:
            if entry.runtime is None:
                await self._opened(key, entry)
            yield entry.runtime
        finally:
            entry.leases -= 1
            entry.last_used = time.monotonic()
            if entry.draining and not entry.leases:
                self._end(entry, "drained")

    def _new(self, key: Key, spec: ServerSpec, identity: Identity, inject: Callable[[], Injected]) -> Entry:
        if self._closed:
            raise UpstreamUnavailable(spec.slug, "the hub is stopping")
        if spec.type in ("sse", "openapi"):
            raise UpstreamUnavailable(spec.slug, f"transport {spec.type} is not connectable yet")
        failures = self._failures.get((spec.server_id, key[2]))
        if failures is not None and time.time() < failures.retry_at:
            raise UpstreamUnavailable(spec.slug, failures.reason, failures.retry_at)
        injected = inject()
        old = self._entries.pop(key, None)
        if old is not None:
            self._reconnects[spec.server_id] = self._reconnects.get(spec.server_id, 0) + 1
            self._end(old, "replaced")
        entry = Entry(spec, identity)
        if spec.type == "stdio":
            self._make_room(identity.user_id)
            folder = self._settings.home / "children" / sha256("\0".join(key[:3]).encode()).hexdigest()[:24]
            runtime: Any = StdioRuntime(
                spec, identity, injected, self._listener, folder, self.mirrors(), self._settings.stdio_sandbox
            )
        else:
            runtime = HttpRuntime(spec, identity, injected, self._http, self._listener)
        entry.opening = asyncio.create_task(self._open(runtime), name=f"open-{spec.slug}")
        self._entries[key] = entry
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap(), name="idle-reaper")
        return entry

    async def _open(self, runtime: Any) -> Any:
        try:
            await runtime.open()
        except BaseException:
            await runtime.close("not opened")
            raise
        return runtime

    async def _opened(self, key: Key, entry: Entry) -> None:
        assert entry.opening is not None
        place = (entry.spec.server_id, key[2])
        try:
            entry.runtime = await asyncio.shield(entry.opening)
        except UpstreamFailed as error:
            if self._entries.get(key) is entry:
                del self._entries[key]
                failures = self._failures.setdefault(place, Failures())
                failures.add(str(error))
                log.warning("upstream_failed", server=entry.spec.slug, why=str(error)[:300])
            failures = self._failures.get(place) or Failures()
            raise UpstreamUnavailable(entry.spec.slug, str(error), failures.retry_at or None) from None
        except asyncio.CancelledError:
            if entry.opening.cancelled():
                raise UpstreamUnavailable(entry.spec.slug, "it was ended while it was opening") from None
            raise
        self._failures.pop(place, None)
        if entry.leases == 1:
            log.info("upstream_connected", server=entry.spec.slug, kind=entry.spec.type, user_id=entry.identity.user_id)

    def _make_room(self, user_id: str) -> None:
        """The least used idle process makes room for a new one."""
        running = [(key, entry) for key, entry in self._entries.items() if entry.spec.type == "stdio"]
        own = [(key, entry) for key, entry in running if entry.identity.user_id == user_id]
        for group, most in ((own, PROCESSES_OF_USER), (running, PROCESSES)):
            if len(group) >= most:
                idle = [(key, entry) for key, entry in group if not entry.leases]
                if not idle:
                    raise UpstreamUnavailable("hub", f"{most} processes are running, and all are in use")
                key, entry = min(idle, key=lambda pair: pair[1].last_used)
                del self._entries[key]
                self._end(entry, "made room")

    # ends

    def _end(self, entry: Entry, reason: str, *, forced: bool = False) -> asyncio.Task[None]:
        task = asyncio.create_task(self._close(entry, reason, forced), name=f"end-{entry.spec.slug}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _close(self, entry: Entry, reason: str, forced: bool) -> None:
        if entry.opening is not None and not entry.opening.done():
            entry.opening.cancel()
        runtime = entry.runtime
        if runtime is None and entry.opening is not None:
            done = await asyncio.gather(entry.opening, return_exceptions=True)
            runtime = done[0] if not isinstance(done[0], BaseException) else None
        if runtime is None:
            return
        if forced and isinstance(runtime, StdioRuntime):
            await runtime.close(reason, gentle=FORCED)
        else:
            await runtime.close(reason)

    async def _end_where(self, fits: Callable[[Key, Entry], bool], reason: str, *, forced: bool = False) -> None:
        ended = []
        for key, entry in list(self._entries.items()):
            if fits(key, entry):
                del self._entries[key]
                ended.append(self._end(entry, reason, forced=forced))
        if ended:
            await asyncio.gather(*ended, return_exceptions=True)

    async def end_session(self, session_id: str) -> None:
        await self._end_where(lambda key, _: bool(session_id) and key[4] == session_id, "session ended")

    async def end_user(self, user_id: str, reason: str) -> None:
        await self._end_where(lambda key, _: key[2] == user_id, reason, forced=True)

    async def end_server(self, server_id: str, reason: str) -> None:
        await self._end_where(lambda key, _: key[0] == server_id, reason)

    async def end_runtime(self, runtime_id: str) -> bool:
        found = [entry for entry in self._entries.values() if entry.id == runtime_id]
        await self._end_where(lambda _, entry: entry.id == runtime_id, "ended by an administrator")
        return bool(found)

    async def drain_server(self, server_id: str) -> None:
        self._drain(lambda key: key[0] == server_id)

    async def drain_credential(self, user_id: str, server_id: str) -> None:
        self._drain(lambda key: key[0] == server_id and key[2] == user_id)

    def _drain(self, fits: Callable[[Key], bool]) -> None:
        for key, entry in list(self._entries.items()):
            if fits(key):
                del self._entries[key]
                entry.draining = True
                if not entry.leases:
                    self._end(entry, "drained")

    def forget_failures(self, server_id: str) -> None:
        for place in [place for place in self._failures if place[0] == server_id]:
            del self._failures[place]

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_EVERY)
            now = time.monotonic()
            for key, entry in list(self._entries.items()):
                if entry.leases or entry.runtime is None:
                    continue
                if now - entry.last_used > _idle_seconds(entry.spec, key) or _over(entry):
                    del self._entries[key]
                    self._end(entry, "idle")

    async def close(self) -> None:
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        await self._end_where(lambda *_: True, "hub stopped")
        if self._ending:
            await asyncio.wait(self._ending, timeout=6)
        await self._http.aclose()

    # what is there

    def status(self, server_id: str) -> ServerStatus:
        entries = [entry for key, entry in self._entries.items() if key[0] == server_id]
        failures = [found for place, found in self._failures.items() if place[0] == server_id]
        open_ = [entry for entry in entries if entry.runtime is not None]
        newest = max(failures, key=lambda found: found.times[-1], default=None)
        state = "connected" if open_ else "connecting" if entries else "error" if newest else "idle"
        since = min((entry.opened_at for entry in open_ or entries), default=newest.times[0] if newest else 0.0)
        return ServerStatus(
            state=state,  # type: ignore[arg-type]
            since=since,
            error=newest.reason if newest else "",
            next_retry_at=newest.retry_at if newest else None,
            runtimes=len(open_),
            leases=sum(entry.leases for entry in entries),
            reconnects=self._reconnects.get(server_id, 0),
        )

    def runtimes(self) -> list[RuntimeInfo]:
        now = time.time() - time.monotonic()
        return [
            RuntimeInfo(
                id=entry.id,
                server_id=entry.spec.server_id,
                user_id=entry.runtime.user_id,
                session_id=key[4],
                kind=entry.spec.type,
                pid=entry.runtime.pid,
                opened_at=entry.opened_at,
                last_used=now + entry.last_used,
                in_flight=entry.leases,
            )
            for key, entry in self._entries.items()
            if entry.runtime is not None
        ]


def _key(spec: ServerSpec, identity: Identity) -> Key:
    shared = spec.isolation == "shared"
    per_session = spec.isolation == "per-session"
    return (
        spec.server_id,
        spec.transport_digest,
        "" if shared else identity.user_id,
        "" if shared else identity.credential_version,
        identity.session_id if per_session else "",
    )


def _over(entry: Entry) -> bool:
    """Did its process end by itself?"""
    return isinstance(entry.runtime, StdioRuntime) and bool(entry.runtime.ended)


def _idle_seconds(spec: ServerSpec, key: Key) -> float:
    if spec.type == "stdio":
        return spec.idle_timeout_ms / 1000
    return SESSION_IDLE_SECONDS if key[4] else LOOSE_SECONDS
