"""What Prometheus is told: what the hub counted (`metrics.py`), and what is looked at when somebody asks.

Everything that can be told stands in FAMILIES; dashboards and alerts are checked against it. A database that does not
answer takes away what only it knows, and says so itself.
"""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import structlog
from msgspec import Struct

from mcphub.api.health import STANDINGS, python_version
from mcphub.api.services import Services
from mcphub.gateway.protocol import HANDSHAKE_VERSIONS, MODERN_VERSION
from mcphub.metrics import MOST_SERVERS, OTHER, Histogram
from mcphub.operations.backup_age import AGES, backup_age

log = structlog.get_logger()

WITHIN = 2.0  # seconds the database may take
SERVERS_AT_ONCE = 20  # looked at in one go; calls come in between
OUTCOMES = {
    "Completed": "completed",
    "Failed": "failed",
    "TimedOut": "timed_out",
    "Cancelled": "cancelled",
    "Denied": "denied",
    "Interrupted": "interrupted",
}
CONNECTIONS = """
    select case when application_name ~ '^mcphub-[a-z-]{1,30}$' then application_name else 'other' end, count(*)
    from pg_stat_activity
    where datname = current_database() and usename = current_user and backend_type = 'client backend'
    group by 1
"""

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]
Value = float | Histogram


class Family(Struct, frozen=True):
    """A metric. `says`: what it is, for `# HELP`; times are in seconds and sizes in bytes, as the name tells."""

    kind: Kind
    says: str
    labels: Labels = ()


FAMILIES = {
    # requests
    "mcphub_requests_total": Family("counter", "Requests that ended.", ("server", "kind", "outcome")),
    "mcphub_request_reasons_total": Family(
        "counter", "Requests that did not end well, by the hub's own reason code.", ("outcome", "reason")
    ),
    "mcphub_request_duration_seconds": Family("histogram", "From coming in to the answer.", ("kind",)),
    "mcphub_request_added_seconds": Family(
        "histogram", "What the hub itself took of a request that went to a server.", ("kind",)
    ),
    "mcphub_request_wait_seconds": Family(
        "histogram", "Until a request had a connection or a process of its server.", ("server",)
    ),
    "mcphub_upstream_duration_seconds": Family("histogram", "What the server took.", ("server", "kind")),
    "mcphub_upstream_connect_seconds": Family(
        "histogram", "Opening a connection or starting a process, until it can be asked.", ("server", "outcome")
    ),
    "mcphub_authentication_seconds": Family("histogram", "Looking at a key.", ("outcome",)),
    "mcphub_requests_in_flight": Family("gauge", "Requests under way."),
    "mcphub_requests_queued": Family("gauge", "Requests that wait for others of their user."),
    "mcphub_requests_parked": Family("gauge", "Calls that wait for a client to come back with an answer."),
    # sessions and servers
    "mcphub_sessions": Family("gauge", "Live sessions of clients.", ("revision",)),
    "mcphub_streams": Family("gauge", "Sessions on whose stream a client listens."),
    "mcphub_servers": Family("gauge", "Servers.", ("state",)),
    "mcphub_server_failing": Family("gauge", "1 while the server cannot be opened.", ("server",)),
    "mcphub_upstream_runtimes": Family("gauge", "Open connections and processes.", ("transport", "state")),
    # facts
    "mcphub_fact_visible_seconds": Family(
        "histogram", "From the record of a change until it counts, or can be read.", ("to",)
    ),
    "mcphub_decisions_fresh": Family("gauge", "1 while calls are decided on current facts; else they are refused."),
    "mcphub_ledger_position": Family("gauge", "The last fact this process has taken in."),
    "mcphub_ledger_refused": Family("gauge", "1 when the ledger did not go on from its last signed checkpoint."),
    "mcphub_projection_lag_facts": Family("gauge", "Facts a read table does not show yet.", ("table",)),
    "mcphub_projection_lag_seconds": Family("gauge", "Age of the oldest of them.", ("table",)),
    "mcphub_projection_parked": Family("gauge", "1 while a read table stands still at a fact.", ("table",)),
    # history
    "mcphub_history_rows_waiting": Family("gauge", "Rows of calls in memory that PostgreSQL does not have yet."),
    "mcphub_history_spool_bytes": Family("gauge", "Rows of calls on the disk that PostgreSQL does not have yet."),
    "mcphub_history_rows_overflowed_total": Family("counter", "Rows that did not fit into memory and went by disk."),
    "mcphub_history_rows_lost_total": Family("counter", "Rows of calls that are lost."),
    # what it stands on
    "mcphub_database_up": Family("gauge", "1 when PostgreSQL answered this look."),
    "mcphub_database_round_trip_seconds": Family("gauge", "How long that took."),
    "mcphub_database_connections": Family("gauge", "Connections to PostgreSQL, of every hub on it.", ("application",)),
    "mcphub_pool_connections": Family("gauge", "Connections of a pool of this process.", ("pool", "state")),
    "mcphub_pool_waiting": Family("gauge", "Who waits for a connection of a pool.", ("pool",)),
    "mcphub_pool_errors_total": Family("counter", "Who got none in time.", ("pool",)),
    "mcphub_backup_age_seconds": Family("gauge", "Age of the last backup on the record; of the hub when none is."),
    "mcphub_backup_late": Family("gauge", "1 while the last backup is older than it may be."),
    "mcphub_home_free_bytes": Family("gauge", "Room on the disk of the hub's home."),
    "mcphub_home_size_bytes": Family("gauge", "Size of that disk."),
    "mcphub_loop_lag_seconds": Family("histogram", "How late the event loop is; every call waits that long."),
    "mcphub_draining": Family("gauge", "1 while the hub takes in nobody new, as it ends."),
    "mcphub_start_time_seconds": Family("gauge", "Unix time of the start."),
    "mcphub_build_info": Family("gauge", "1, with the versions.", ("version", "python", "postgres")),
}
# The library's own, of the hub's process without PostgreSQL and without the processes of servers.
OF_THE_PROCESS = {
    *("process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes"),
    *("process_open_fds", "process_max_fds", "process_start_time_seconds"),
}


class Figures:
    """Values by family, as one look finds them."""

    def __init__(self) -> None:
        self.values: dict[str, dict[Labels, Value]] = {name: {} for name in FAMILIES}

    def put(self, name: str, value: Value, *labels: str) -> None:
        self.values[name][labels] = value

    def add(self, name: str, value: float, *labels: str) -> None:
        before = self.values[name].get(labels, 0.0)
        assert not isinstance(before, Histogram)
        self.values[name][labels] = before + value


class Scrape:
    """One look at a time, on the event loop; what was found is written in a thread."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._one = asyncio.Lock()

    async def text(self, accept: str) -> tuple[bytes, str]:
        """(the answer, its media type), in the format that the reader prefers."""
        async with self._one:
            figures = await self.look()
            return await asyncio.to_thread(written, figures.values, accept)

    async def look(self) -> Figures:
        figures = Figures()
        postgres = await self._database(figures)
        await self._servers(figures)
        self._counted(figures)
        self._gateway(figures)
        self._process(figures, postgres)
        disk = await asyncio.to_thread(shutil.disk_usage, self._services.settings.home)
        figures.put("mcphub_home_free_bytes", disk.free)
        figures.put("mcphub_home_size_bytes", disk.total)
        return figures

    def _counted(self, figures: Figures) -> None:
        metrics = self._services.metrics
        metrics.forget({server.slug for server in self._services.model.servers.values()})
        for (server, kind, outcome), way in metrics.ways.items():
            figures.put("mcphub_requests_total", way.count, server, kind, OUTCOMES.get(outcome, outcome))
        for (outcome, reason), count in metrics.reasons.items():
            figures.put("mcphub_request_reasons_total", count, OUTCOMES.get(outcome, outcome), reason)
        for name, by_one in (
            ("mcphub_request_duration_seconds", metrics.durations),
            ("mcphub_request_added_seconds", metrics.added),
            ("mcphub_request_wait_seconds", metrics.waits),
            ("mcphub_authentication_seconds", metrics.authentications),
            ("mcphub_fact_visible_seconds", metrics.visible),
        ):
            for label, histogram in by_one.items():
                if histogram.total:
                    figures.put(name, histogram.copy(), label)
        for name, by_two in (
            ("mcphub_upstream_duration_seconds", metrics.upstreams),
            ("mcphub_upstream_connect_seconds", metrics.connects),
        ):
            for labels, histogram in by_two.items():
                if histogram.total:
                    figures.put(name, histogram.copy(), *labels)
        figures.put("mcphub_loop_lag_seconds", metrics.loop_late.copy())

    def _gateway(self, figures: Figures) -> None:
        now = self._services.gateway.figures()
        for revision, count in now.sessions.items():
            spoken = revision if revision in (*HANDSHAKE_VERSIONS, MODERN_VERSION) else OTHER
            figures.add("mcphub_sessions", count, spoken)
        figures.put("mcphub_streams", now.streams)
        figures.put("mcphub_requests_in_flight", now.in_flight)
        figures.put("mcphub_requests_queued", now.queued)
        figures.put("mcphub_requests_parked", now.parked)
        figures.put("mcphub_history_rows_waiting", now.rows_waiting)
        figures.put("mcphub_history_spool_bytes", now.spooled)
        figures.put("mcphub_history_rows_overflowed_total", now.rows_overflowed)
        figures.put("mcphub_history_rows_lost_total", now.rows_lost)

    async def _servers(self, figures: Figures) -> None:
        gateway = self._services.gateway
        for runtime in gateway.runtimes():
            state = "busy" if runtime.in_flight else "ahead" if runtime.ahead else "idle"
            figures.add("mcphub_upstream_runtimes", 1, runtime.kind, state)
        servers = sorted(self._services.model.servers.values(), key=lambda server: server.slug)
        states: Counter[str] = Counter(dict.fromkeys(("idle", "connecting", "connected", "error", "disabled"), 0))
        for number, server in enumerate(servers, 1):
            if not server.enabled:
                states["disabled"] += 1
                continue
            state = gateway.status(server.server_id).state
            states[state] += 1
            if number <= MOST_SERVERS:
                figures.put("mcphub_server_failing", state == "error", server.slug)
            if not number % SERVERS_AT_ONCE:
                await asyncio.sleep(0)
        for state, count in states.items():
            figures.put("mcphub_servers", count, state)

    async def _database(self, figures: Figures) -> str:
        """Returns its version; '' when it does not answer."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(WITHIN), self._services.read.connection() as db:
                await db.execute("select 1")
                figures.put("mcphub_database_round_trip_seconds", time.perf_counter() - began)
                tables = await (await db.execute(STANDINGS)).fetchall()
                ages = await (await db.execute(AGES)).fetchone()
                connections = await (await db.execute(CONNECTIONS)).fetchall()
                version = str(db.info.parameter_status("server_version") or "").split(" ")[0]
        except Exception as error:
            log.info("database_not_measured", why=type(error).__name__)
            figures.values["mcphub_database_round_trip_seconds"].clear()
            figures.put("mcphub_database_up", 0)
            return ""
        figures.put("mcphub_database_up", 1)
        for table, status, lag, waiting in tables:
            figures.put("mcphub_projection_lag_facts", float(lag), table)
            figures.put("mcphub_projection_lag_seconds", max(0.0, float(waiting or 0)) if lag else 0.0, table)
            figures.put("mcphub_projection_parked", status == "failed", table)
        if ages is not None:
            backup = backup_age(ages, self._services.settings.backup_days)
            figures.put("mcphub_backup_age_seconds", backup.age.total_seconds())
            figures.put("mcphub_backup_late", backup.late)
        for application, count in connections:
            figures.put("mcphub_database_connections", float(count), application)
        return version

    def _process(self, figures: Figures, postgres: str) -> None:
        services = self._services
        for pool in services.pools:
            found, name = pool.get_stats(), pool.name.removeprefix("mcphub-")
            idle = found.get("pool_available", 0)
            figures.put("mcphub_pool_connections", idle, name, "idle")
            figures.put("mcphub_pool_connections", found.get("pool_size", 0) - idle, name, "in_use")
            figures.put("mcphub_pool_waiting", found.get("requests_waiting", 0), name)
            figures.put("mcphub_pool_errors_total", found.get("requests_errors", 0), name)
        figures.put("mcphub_ledger_position", services.tail.position)
        figures.put("mcphub_ledger_refused", services.checkpoints.refused)
        figures.put("mcphub_decisions_fresh", services.tail.fresh())
        figures.put("mcphub_draining", services.draining)
        figures.put("mcphub_start_time_seconds", services.started_at)
        figures.put("mcphub_build_info", 1, services.version, python_version(), postgres)


def written(values: Mapping[str, Mapping[Labels, Value]], accept: str) -> tuple[bytes, str]:
    """In a thread: the first time the library is imported, and it may be ten thousand lines."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    registry.register(_Collected(values))
    ProcessCollector(registry=registry)
    encoder, media_type = choose_encoder(accept)
    return encoder(registry), media_type


class _Collected:
    """What the library asks for its own form of the values."""

    def __init__(self, values: Mapping[str, Mapping[Labels, Value]]) -> None:
        self._values = values

    def describe(self) -> Iterable[Any]:
        return []

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        make = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
        for name, found in self._values.items():
            family = FAMILIES[name]
            metric: Any = make[family.kind](name, family.says, labels=family.labels)
            for labels, value in found.items():
                if isinstance(value, Histogram):
                    metric.add_metric(labels, buckets=_buckets(value), sum_value=value.total / 1000)
                else:
                    metric.add_metric(labels, float(value))
            yield metric


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """(upper bound in seconds, how many at most so long)"""
    below, out = 0, []
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        below += count
        out.append(("+Inf" if bound == float("inf") else repr(bound / 1000), float(below)))
    return out
