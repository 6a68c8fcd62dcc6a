"""One process of the hub, put together: what it stands on, what it remembers, who calls it; and taken apart in order.

Nothing here waits for an upstream. When PostgreSQL dies the process lives on: tail, projector and traffic writer come
back by themselves, and until then what cannot be decided or recorded is refused.
"""

import asyncio
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from mcphub import address
from mcphub.api.access_log import AccessLog
from mcphub.api.app import make_app
from mcphub.api.auth.accounts import name_digest
from mcphub.api.auth.kinds import Providers
from mcphub.api.auth.membership import ROUND_SECONDS, DailyLook
from mcphub.api.auth.session_times import SessionExpiry
from mcphub.api.env_scheduler import EnvScheduler
from mcphub.api.metrics import Scrape
from mcphub.api.metrics_port import MetricsPort
from mcphub.api.services import Commands, Services
from mcphub.domain.access import AccessModel
from mcphub.domain.checkpoint import SIGNING
from mcphub.domain.settings_file import objects
from mcphub.embedding import Embedding
from mcphub.first_run import FirstRun, Parts, first_run
from mcphub.folded import folding
from mcphub.foundation import Foundation
from mcphub.gateway.core import HubGateway
from mcphub.gateway.glossaries import Glossaries
from mcphub.gateway.nodes import SEALING, Nodes
from mcphub.gateway.payloads import Payloads
from mcphub.gateway.rejections import Rejections
from mcphub.gateway.session import Limits
from mcphub.gateway.spool import Spool
from mcphub.gateway.tool_search import SearchParts
from mcphub.gateway.traffic import TrafficWriter
from mcphub.gateway.upstream.pool import RuntimePool
from mcphub.gateway.values import OpenedValues
from mcphub.http_server import HttpServer, PortUnusable, close_all, listen
from mcphub.logging import LogRing
from mcphub.loop_lag import Collections, LoopLag
from mcphub.metrics import FactTimes, Metrics
from mcphub.operations.checkpoints import Checkpoints
from mcphub.operations.sealing import DaySealer
from mcphub.periodic import Periodic
from mcphub.postgres.home import AlreadyRunning, running_hub
from mcphub.postgres.migrate import newest_schema, outgrown
from mcphub.postgres.pool import Preferred, read_pool
from mcphub.projections.directory import Directory
from mcphub.projections.projector import Projector, all_projections
from mcphub.projections.requests import Requests
from mcphub.projections.tail import Tail
from mcphub.replica import LOOK_SECONDS, ReplicaLag
from mcphub.roles import Erasure, KeyExpiry, KeyRemains, KeyUse, utc_now
from mcphub.search.misses import Misses
from mcphub.search.packages import missing
from mcphub.search.tables import SCHEMA
from mcphub.search.vectors import Vectors
from mcphub.settings import Settings
from mcphub.tool_index import ToolIndex
from mcphub.tool_record import ToolRecord
from mcphub.tracing import tracing_of

log = structlog.get_logger()

MINUTE = 60.0
THREADS = 16  # for commands, the vault and passwords
OPEN_FILES = 65_536  # a session holds a connection, and a process two pipes
SWITCH_SECONDS = 0.001  # how long a busy thread may keep the event loop waiting; Python's own 5 ms would show in calls
LEAVE_BALANCER_S = 5.0  # between saying "not ready" and closing the door, for whoever watches /readyz
READY_EVERY_S = 0.02


class Shutdown:
    """SIGTERM and SIGINT: the first asks the hub to finish, the second to hurry."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask)

    def ask(self) -> None:
        if self.asked.is_set():
            self.hurry.set()
        self.asked.set()


class RunningHub:
    """The parts of a running hub, started one after the other, stopped the other way round."""

    def __init__(self, settings: Settings, ring: LogRing, *, migrating: bool = True) -> None:
        self.settings = settings
        self._ring = ring
        self._migrating = migrating
        self._stack = AsyncExitStack()
        self.services: Services
        self._gateway: HubGateway
        self._server: HttpServer
        self._first: FirstRun
        self.leave: Callable[[], None] = lambda: None  # called when this code has no place on the database any more

    async def start(self, sockets: list[socket.socket], *, demo: bool, keep_key: bool) -> FirstRun:
        """Everything is up when this returns; `/readyz` says when the read tables have caught up."""
        began = time.monotonic()
        settings = self.settings
        base = await self._stack.enter_async_context(Foundation(settings, migrating=self._migrating))
        # Stopped last of all, so that it has seen the last fact.
        secret = await asyncio.to_thread(base.vault.secret, SIGNING)
        checkpoints = Checkpoints(base.database.direct, settings.checkpoint_folder, secret)
        self._stack.push_async_callback(_quietly, checkpoints.stop)
        address.note(settings.home, settings.public_url)
        for warning in base.warnings:
            log.warning("database_limited", why=warning)
        for provider in settings.providers:
            if not provider.allow:
                waits = not settings.lets_in_at_once(provider)
                log.warning("sign_in_open_to_any_account", provider=provider.name, new_users_wait=waits)
        model = AccessModel(name_digest(base.vault), base.vault.membership)
        directory = Directory(base.vault)
        values = OpenedValues(model, base.vault)
        erasure = Erasure(base.hub, base.vault, model, base.pool)
        projector = Projector(base.database.direct, all_projections())
        tail = Tail(
            base.database.direct,
            [folding(model), directory.facts_applied, values.facts_applied, erasure.facts_applied, projector.wake],
        )
        await tail.start()
        self._stack.push_async_callback(tail.stop)
        parts = Parts(settings, base.hub, base.vault, model, base.pool)
        self._first = await first_run(parts, demo=demo, keep_key=keep_key)
        projector.start()
        self._stack.push_async_callback(projector.stop)
        metrics = Metrics(lambda slug: model.settings.by_slug(slug) is not None)
        traffic = TrafficWriter(
            base.database.direct,
            Spool(settings.home / "traffic"),
            settings.node,
            strict=settings.audit_mode == "strict",
            metrics=metrics,
        )
        await traffic.start()
        self._stack.push_async_callback(traffic.stop)
        spool = Spool(settings.home / "access")
        access_log = AccessLog(base.pool, base.vault, model, spool, settings.node, lambda: tail.position)
        await access_log.start()
        self._stack.push_async_callback(access_log.stop)
        reads = await self._pool(read_pool(base.database.app, search_path="read, public"))
        history: AsyncConnectionPool[Any] | Preferred = reads
        behind: ReplicaLag | None = None
        if settings.database_replica_url:
            replica = read_pool(settings.database_replica_url, search_path="read, public", name="mcphub-replica")
            await replica.open()  # one that is away keeps no hub from starting
            self._stack.push_async_callback(replica.close)
            history = Preferred(replica, reads)
            behind = ReplicaLag(replica, reads, history, settings.database_replica_lag)
            await behind.round()
            looks = Periodic("replica-lag", behind.round, LOOK_SECONDS)
            await looks.start()
            self._stack.push_async_callback(looks.stop)
        rows = await self._pool(read_pool(base.database.app, name="mcphub-sessions"))
        uses = KeyUse(base.hub, model, base.pool)
        self._stack.push_async_callback(_quietly, uses.round)
        rejections = Rejections(model, base.pool, utc_now)
        self._stack.push_async_callback(_quietly, rejections.round)
        payloads = Payloads(base.vault, model, rows, settings.payload_days)
        await payloads.start()
        self._stack.push_async_callback(payloads.stop)
        forgetful = Periodic("old-payloads", one_of(projector, payloads.forget), 60 * MINUTE)
        await forgetful.start()
        self._stack.push_async_callback(forgetful.stop)
        tracing = tracing_of(settings, version("mcphub"))
        if tracing is not None:
            self._stack.push_async_callback(tracing.stop)
        indexed = await self._pool(
            read_pool(base.database.app, search_path=f"{SCHEMA},public", name="mcphub-search", min_size=0, max_size=4)
        )
        embedding = Embedding(settings, model, base.vault, lambda named: client_of(settings, named))
        if why := missing(settings.embedding.provider):
            log.warning("search_by_words_only", why=why)
        vectors = Vectors(indexed, embedding.make, many=settings.search_exact)
        embedding.changed = vectors.configured_anew
        misses = Misses(rows)
        parts_of_search = SearchParts(indexed, vectors, Glossaries(model), misses)
        nodes = Nodes(
            rows,
            tail,
            key=await asyncio.to_thread(base.vault.secret, SEALING),
            name=settings.node,
            version=version("mcphub"),
            schema=newest_schema(),
        )
        self._gateway = HubGateway(
            limits=limits_of(settings),
            model=model,
            tail=tail,
            vault=base.vault,
            values=values,
            traffic=traffic,
            make_pool=lambda listener: RuntimePool(
                listener, settings, mirrors=lambda: mirrors_of(model), metrics=metrics
            ),
            rows=rows,
            node=settings.node,
            hub_variables=settings.hub_variables,
            key_used=uses.used,
            values_judged=rejections.judged,
            recent=Requests(reads).recent_servers,
            payloads=payloads,
            nodes=nodes,
            metrics=metrics,
            tracing=tracing,
            search=parts_of_search,
        )
        assert self._gateway.tool_search is not None
        index = ToolIndex(model, indexed, vectors, self._gateway.tool_search.index_changed)
        tail.add_sink(embedding.facts_applied)
        tail.add_sink(index.facts_applied)
        self._stack.push_async_callback(vectors.close)
        for name, work in (("tool-index", index.run()), ("vectors", vectors.run())):
            self._stack.push_async_callback(_ended, asyncio.create_task(work, name=name))
        written = Periodic("search-misses", misses.round, 5.0)
        await written.start()
        self._stack.push_async_callback(written.stop)
        tail.add_sink(self._gateway.facts_applied)
        tail.add_sink(rejections.facts_applied)
        times = FactTimes(metrics.shown)
        tail.add_sink(times.facts_applied)
        projector.advanced = times.tables_advanced
        await self._gateway.start()
        self._stack.push_async_callback(self._gateway.stop, 0.0)
        self.services = Services(
            settings=settings,
            version=version("mcphub"),
            hub=base.hub,
            vault=base.vault,
            model=model,
            tail=tail,
            projector=projector,
            directory=directory,
            commands=Commands(base.hub, base.vault, tail, projector),
            read=reads,
            history=history,
            write=base.pool,
            gateway=self._gateway,
            log_ring=self._ring,
            access_log=access_log,
            search=parts_of_search,
            rejections=rejections,
            checkpoints=checkpoints,
            started_at=time.time(),
            metrics=metrics,
            pools=(base.pool, reads, rows),
            replica=behind,
        )
        nodes.outgrown = self._outgrown
        sealer = DaySealer(base.hub, base.database.direct, settings.traffic_days, settings.access_days)
        remains = KeyRemains(base.database.owner)
        await self._roles(erasure, remains, KeyExpiry(base.hub, model), uses, traffic, sealer)
        self._server = HttpServer(make_app(self.services))
        await self._server.start(sockets)
        self._stack.push_async_callback(self._server.close)
        await self._tell_metrics()
        log.info(
            "hub_started",
            version=self.services.version,
            host=settings.host,
            port=settings.port,
            position=tail.position,
            seconds=round(time.monotonic() - began, 3),
        )
        return self._first

    def _outgrown(self, migration: int) -> None:
        if self.services.outgrown:
            return
        log.error("database_newer_than_code", migration=f"{migration:04}", known=f"{newest_schema():04}")
        self.services.outgrown = migration
        self.leave()

    async def _tell_metrics(self) -> None:
        """At an address of their own, when there is one; also while the hub drains.

        Raises:
            PortUnusable: somebody else listens there.
        """
        if (place := self.settings.metrics_addr) is None:
            return
        try:
            sockets = listen(*place)
        except PortUnusable as error:
            raise PortUnusable(f"{str(error).partition('. ')[0]}. Give another MCPHUB_METRICS_ADDR.") from None
        server = HttpServer(MetricsPort(self.settings, Scrape(self.services)))
        await server.start(sockets)
        self._stack.push_async_callback(server.close)

    async def _pool(self, pool: AsyncConnectionPool[Any]) -> AsyncConnectionPool[Any]:
        await pool.open(wait=True, timeout=10)
        self._stack.push_async_callback(pool.close)
        return pool

    async def _roles(
        self,
        erasure: Erasure,
        remains: KeyRemains,
        expiry: KeyExpiry,
        uses: KeyUse,
        traffic: TrafficWriter,
        sealer: DaySealer,
    ) -> None:
        tools = ToolRecord(self.services.hub, self.services.model, self._gateway.tool_news)
        leader, membership = self.services.projector, DailyLook(self.services, Providers(self.settings))
        for name, work in (("erasure", erasure.run()), ("tool-record", tools.run())):
            running = asyncio.create_task(work, name=name)
            self._stack.push_async_callback(_ended, running)
        for role in (
            Periodic("orphaned-keys", one_of(leader, erasure.sweep), 60 * MINUTE),
            Periodic("key-remains", one_of(leader, remains.round), 5 * MINUTE),
            Periodic("key-expiry", one_of(leader, expiry.round), MINUTE),
            Periodic("key-use", uses.round, MINUTE),
            Periodic("value-rejections", self.services.rejections.round, 1.0),
            Periodic("env-scheduler", EnvScheduler(self.services).round, MINUTE),
            Periodic("session-expiry", one_of(leader, SessionExpiry(self.services).round), 5 * MINUTE),
            Periodic("membership", one_of(leader, membership.round), ROUND_SECONDS),
            Periodic("traffic-keeper", lambda: traffic.keep(self.settings.traffic_days), MINUTE),
            Periodic("rollups", one_of(leader, sealer.rollups.round), MINUTE),
            Periodic("day-sealer", one_of(leader, sealer.round), 5 * MINUTE),
            Periodic("checkpoints", self.services.checkpoints.round, 5 * MINUTE),
            LoopLag(self.services.metrics.late).role(),
        ):
            await role.start()
            self._stack.push_async_callback(role.stop)

    async def ready(self) -> None:
        """Returns once `/readyz` answers 200, asked over the network as anybody would."""
        while not await _answers_200(self.settings, "/readyz"):  # noqa: ASYNC110  it is asked from outside
            await asyncio.sleep(READY_EVERY_S)

    async def drain(self, shutdown: Shutdown) -> None:
        """Says that it leaves, lets in nobody new, and finishes what is under way; the second signal cuts it short."""
        log.info("hub_draining", calls=self._gateway.in_flight, seconds=self.settings.drain_seconds)
        self.services.draining = True
        await self._gateway.leave()
        finishing = asyncio.create_task(self._finish(), name="drain")
        hurried = asyncio.create_task(shutdown.hurry.wait(), name="hurry")
        await asyncio.wait({finishing, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            log.warning("hub_hurried", calls=self._gateway.in_flight)
        for task in (finishing, hurried):
            await _ended(task)

    async def _finish(self) -> None:
        if not self.settings.loopback or self.settings.trusted_proxies:  # a balancer stands in front
            self._server.leave()
            await asyncio.sleep(LEAVE_BALANCER_S)
        self._server.stop_accepting()
        self._gateway.release()
        deadline = time.monotonic() + self.settings.drain_seconds
        while self._server.calls and time.monotonic() < deadline:  # noqa: ASYNC110  at the end only
            await asyncio.sleep(0.02)
        await self._gateway.stop(max(0.0, deadline - time.monotonic()))

    async def stop(self) -> None:
        """Takes down what stands, PostgreSQL last; also after half a start."""
        await self._stack.aclose()


async def serve(
    settings: Settings,
    ring: LogRing,
    *,
    demo: bool = False,
    keep_key: bool = True,
    migrating: bool = True,
    ready: Callable[[FirstRun], None] = lambda _: None,
) -> None:
    """Runs a hub until a signal ends it.

    Args:
        demo: make the demo on a home that never had one.
        keep_key: leave its key in a private file, as nobody sees what is printed.
        migrating: bring the schema up to date; otherwise refuse an outdated one.
        ready: told once, when `/readyz` answers 200.

    Raises:
        PortUnusable, HomeUnusable, PostgresFailed, MigrationError, RingUnusable, SettingsUnusable, psycopg.Error:
            it could not start, and why; MigrationError also after it ran, when another hub migrated the database for
            a newer release.
    """
    _prepare_process(ring)
    shutdown = Shutdown()
    shutdown.listen()
    sockets = _listen(settings)
    hub = RunningHub(settings, ring, migrating=migrating)
    hub.leave = shutdown.ask
    try:
        starting = asyncio.create_task(hub.start(sockets, demo=demo, keep_key=keep_key), name="start")
        if not await _before(shutdown.asked, starting):
            return
        Collections().start()
        greeting = asyncio.create_task(_greet(hub, starting.result(), ready), name="greeting")
        await shutdown.asked.wait()
        await _ended(greeting)
        await hub.drain(shutdown)
    finally:
        await hub.stop()
        close_all(sockets)
    log.info("hub_stopped")
    if hub.services.outgrown:
        raise outgrown(hub.services.outgrown)


async def _greet(hub: RunningHub, first: FirstRun, ready: Callable[[FirstRun], None]) -> None:
    await hub.ready()
    try:
        ready(first)
    except OSError as error:  # nobody reads what is printed; the hub runs all the same
        log.warning("greeting_not_printed", why=str(error))


async def _before(event: asyncio.Event, task: "asyncio.Task[Any]") -> bool:
    """Waits for the task; False when the event came first, and the task was cancelled.

    Raises: what the task raised.
    """
    asked = asyncio.create_task(event.wait())
    await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not task.done():
        await _ended(task)
        return False
    task.result()
    return True


def one_of(leader: Projector, job: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """The job, of which one on a database is enough: it waits until this hub is the one."""

    async def when_leading() -> None:
        await leader.leading()
        await job()

    return when_leading


def client_of(settings: Settings, named: Iterable[str]) -> Any:
    """For an embedder elsewhere. Its library is loaded where one is configured."""
    from mcphub.api.outgoing import guarded_client

    return guarded_client(settings, named)


def mirrors_of(model: AccessModel) -> dict[str, str]:
    """Package mirrors that the settings document names for servers' installers."""
    install = objects(model.settings.system, "install")
    return {name: value for name, value in install.items() if isinstance(value, str)}


def limits_of(settings: Settings) -> Limits:
    return Limits(
        public_url=settings.public_url,
        version=version("mcphub"),
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
        key_in_url=settings.key_in_url,
        strict=settings.audit_mode == "strict",
        prewarm=settings.prewarm,
        a_minute=settings.user_rate,
        idle=settings.session_idle,
    )


def _listen(settings: Settings) -> list[socket.socket]:
    """
    Raises:
        AlreadyRunning: the port is in use, and by the hub of this very home: the likeliest of all reasons.
        PortUnusable: somebody else listens there, or this user may not.
    """
    try:
        return listen(settings.host, settings.port)
    except PortUnusable:
        if (pid := running_hub(settings.home)) is not None:
            raise AlreadyRunning(settings.home, str(pid)) from None
        raise


def _prepare_process(ring: LogRing) -> None:
    loop = asyncio.get_running_loop()
    ring.bind(loop)
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
    sys.setswitchinterval(SWITCH_SECONDS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _answers_200(settings: Settings, path: str) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    try:
        reader, writer = await asyncio.open_connection(host, settings.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{settings.port}\r\nConnection: close\r\n\r\n".encode())
        status = await reader.readline()
        writer.close()
    except OSError:
        return False
    return status.split(b" ")[1:2] == [b"200"]


async def _ended(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _quietly(work: Callable[[], Awaitable[object]]) -> None:
    """A last round on the way down; what fails now was counted for nothing worse than a statistic."""
    try:
        await work()
    except Exception as error:
        log.warning("last_round_failed", why=type(error).__name__)
