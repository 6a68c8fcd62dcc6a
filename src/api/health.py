"""What of the hub is well and what is not: looked at when somebody asks, each part with what was found.

Nothing is changed, and no finding holds a secret. A part that does not answer within two seconds is not well.
"""

import asyncio
import platform
import shutil
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from msgspec import Struct, field

from mcphub.api.services import Services
from mcphub.operations.backup_age import AGES, backup_age
from mcphub.operations.checkpoints import Compared, compare
from mcphub.operations.master_keys import MOST_DAYS, STANDING, standing_of
from mcphub.operations.retention import OLDEST, kept
from mcphub.postgres.ledger import verify
from mcphub.postgres.migrate import newest_schema

log = structlog.get_logger()

LITTLE_SPACE, TOO_LITTLE_SPACE = 2 << 30, 256 << 20  # bytes
WITHIN = 2.0  # seconds a look may take
KEPT = 2.0  # seconds in which several readers get the same findings
LATEST = 500  # facts whose chain is computed anew at each look; `mcphub verify` does all of them
MOST_BEHIND = 5.0  # seconds the read tables may be behind
MOST_SKEW_MS = 1000.0
STANDINGS = """
    select tracking.name, tracking.status, head.position - tracking.position as lag,
           extract(epoch from clock_timestamp() - ledger.recorded_at) as waiting
    from public.tracking cross join public.ledger_head head
    left join public.ledger on ledger.position = tracking.position + 1
    order by tracking.name
"""

Status = Literal["ok", "warning", "error"]
WORSE: dict[Status, int] = {"ok": 0, "warning": 1, "error": 2}


class Found(Struct, frozen=True, kw_only=True):
    """Of one part.

    Args:
        code: what was found, for texts in any language.
        values: numbers that belong to it, by name.
        items: names that belong to it: servers, read tables, providers.
        command: that says more, or mends it.
    """

    status: Status
    code: str
    values: dict[str, float] = field(default_factory=dict)
    items: tuple[str, ...] = ()
    command: str = ""


class Checked(Struct, frozen=True, kw_only=True):
    """`since`: when it was first seen so, after the hub started; `latency_ms`: how long the look took."""

    name: str
    since: datetime
    latency_ms: float
    found: Found


class Health:
    """Looks at every part, and remembers since when each is as it is."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._since: dict[str, tuple[Status, datetime]] = {}
        self._looked = 0.0
        self._known: list[Checked] = []
        self._one = asyncio.Lock()
        self.postgres = ""

    async def look(self) -> list[Checked]:
        async with self._one:
            if not self._known or time.monotonic() - self._looked > KEPT:
                parts: dict[str, Callable[[], Awaitable[Found]]] = {
                    "database": self._database,
                    "ledger": self._ledger,
                    "chain": self._chain,
                    "completeness": self._completeness,
                    "schema": self._schema,
                    "backup": self._backup,
                    "master_key": self._master_key,
                    "retention": self._retention,
                    "tail": self._tail,
                    "read_tables": self._read_tables,
                    "servers": self._servers,
                    "disk": self._disk,
                    "clock": self._clock,
                    "sign_in": self._sign_in,
                    "address": self._address,
                }
                if self._services.replica is not None:
                    parts["replica"] = self._replica
                self._known = [await self._check(name, part) for name, part in parts.items()]
                self._looked = time.monotonic()
            return self._known

    async def _check(self, name: str, part: Callable[[], Awaitable[Found]]) -> Checked:
        began = time.monotonic()
        try:
            async with asyncio.timeout(WITHIN):
                found = await part()
        except Exception as error:
            log.info("health_check_failed", check=name, why=type(error).__name__)
            found = Found(status="error", code="silent", command="mcphub doctor")
        took = round((time.monotonic() - began) * 1000, 2)
        before = self._since.get(name)
        if before is None or before[0] != found.status:
            if before is not None:
                log.warning("health_changed", check=name, was=before[0], status=found.status, code=found.code)
            self._since[name] = (found.status, datetime.now(UTC))
        return Checked(name=name, since=self._since[name][1], latency_ms=took, found=found)

    async def _row(self, query: str) -> list[Any]:
        async with self._services.read.connection() as db:
            cursor = await db.execute(query)
            return list(await cursor.fetchall())

    async def _database(self) -> Found:
        await self._row("select 1")
        ((version,),) = await self._row("show server_version")
        self.postgres = str(version).split(" ")[0]
        return Found(status="ok", code="answers")

    async def _ledger(self) -> Found:
        """By the connections commands use: could a fact be recorded now?"""

        def ask() -> tuple[str, int]:
            with self._services.write.connection(timeout=WITHIN) as db:
                row = db.execute(
                    "select current_setting('transaction_read_only'), position from ledger_head"
                ).fetchone()
                return str(row[0]), int(row[1])

        read_only, position = await asyncio.to_thread(ask)
        if read_only != "off":
            return Found(status="error", code="read_only", command="mcphub doctor")
        return Found(status="ok", code="writable", values={"position": position})

    async def _chain(self) -> Found:
        def ask() -> Any:
            with self._services.write.connection(timeout=WITHIN) as db, db.transaction():
                # One state of the ledger for rows and head, whatever is recorded meanwhile.
                db.execute("set transaction isolation level repeatable read")
                (head,) = db.execute("select position from ledger_head").fetchone()
                after = max(0, int(head) - LATEST)
                link = db.execute("select hash from ledger where position = %s", (after,)).fetchone()
                return verify(db, after=after, previous=bytes(link[0]) if link else None)

        checked = await asyncio.to_thread(ask)
        if checked.broken_at is not None:
            return Found(status="error", code="broken", values={"position": checked.broken_at}, command="mcphub verify")
        return Found(
            status="ok",
            code="holds",
            values={"events": checked.events, "position": checked.position},
            command="mcphub verify",
        )

    async def _completeness(self) -> Found:
        """Is what the last checkpoint names still there? The chain cannot tell when its end is cut off."""
        checkpoints = self._services.checkpoints

        def ask() -> Compared:
            last = checkpoints.file.last()
            with self._services.write.connection(timeout=WITHIN) as db:
                return compare(db, [last.checkpoint] if last else [])

        found = await asyncio.to_thread(ask)
        if found.state in {"cut_off", "rewritten"}:
            values: dict[str, float] = {"position": found.position, "head": found.head}
            return Found(status="error", code=found.state, values=values, command="mcphub verify")
        if found.state == "complete":
            return Found(status="ok", code="complete", values={"position": found.position}, command="mcphub verify")
        if not found.head or not checkpoints.leads:
            return Found(status="ok", code="elsewhere" if found.head else "empty")
        return Found(status="warning", code="unknown", command="mcphub checkpoint")

    async def _schema(self) -> Found:
        """A newer one is fine as long as its migrations say that this code goes on with it."""
        ((newest,),) = await self._row("select max(version) from public.schema_migration")
        known = newest_schema()
        values: dict[str, float] = {"database": newest, "code": known}
        if self._services.outgrown:
            return Found(status="error", code="outgrown", values=values)
        return Found(status="ok", code="newer" if newest > known else "current", values=values)

    async def _replica(self) -> Found:
        replica = self._services.replica
        assert replica is not None
        if replica.seconds is None:
            return Found(status="warning", code="away")
        values = {"seconds": round(replica.seconds, 1), "most": replica.most}
        if replica.follows:
            return Found(status="ok", code="follows", values=values)
        return Found(status="warning", code="behind", values=values)

    async def _backup(self) -> Found:
        (row,) = await self._row(AGES)
        days = self._services.settings.backup_days
        found = backup_age(row, days)
        return Found(
            status="warning" if found.late else "ok",
            code=found.code,
            values={"age": round(found.age.total_seconds()), "days": days},
            command="mcphub backup DIR" if found.late else "",
        )

    async def _master_key(self) -> Found:
        (row,) = await self._row(STANDING)
        found = standing_of(row)
        return Found(
            status="ok" if found.code == "young" else "warning",
            code=found.code,
            values={"days": found.days, "most": MOST_DAYS},
            items=tuple(found.key_ids),
            command="" if found.code == "young" else "mcphub keyring rotate",
        )

    async def _retention(self) -> Found:
        (row,) = await self._row(OLDEST)
        found = kept(row, self._services.settings)
        late = tuple(name for name, one in found.items() if one.late)
        values: dict[str, float] = {name: one.days for name, one in found.items()}
        values |= {f"{name}_most": one.most for name, one in found.items()}
        return Found(status="warning" if late else "ok", code="late" if late else "kept", values=values, items=late)

    async def _tail(self) -> Found:
        tail = self._services.tail
        fresh = tail.fresh() or await tail.confirm(1.0)
        return Found(
            status="ok" if fresh else "error",
            code="follows" if fresh else "behind",
            values={"position": tail.position},
            command="" if fresh else "mcphub doctor",
        )

    async def _read_tables(self) -> Found:
        rows = await self._row(STANDINGS)
        failed = tuple(name for name, status, _, _ in rows if status == "failed")
        if failed:
            return Found(status="error", code="failed", items=failed, command="mcphub rebuild")
        behind = tuple(name for name, _, _, waiting in rows if waiting is not None and float(waiting) > MOST_BEHIND)
        if behind:
            lag = max(int(lag) for name, _, lag, _ in rows if name in behind)
            return Found(status="warning", code="behind", values={"facts": lag}, items=behind)
        return Found(status="ok", code="current", values={"tables": len(rows)})

    async def _servers(self) -> Found:
        on = [server for server in self._services.model.servers.values() if server.enabled]
        failing = [server for server in on if self._services.gateway.status(server.server_id).state == "error"]
        if failing:
            names = tuple(sorted(server.name for server in failing))
            return Found(
                status="warning", code="failing", values={"failing": len(names), "servers": len(on)}, items=names
            )
        return Found(status="ok", code="answering", values={"servers": len(on)})

    async def _disk(self) -> Found:
        used = await asyncio.to_thread(shutil.disk_usage, self._services.settings.home)
        status: Status = "ok" if used.free >= LITTLE_SPACE else "warning" if used.free >= TOO_LITTLE_SPACE else "error"
        return Found(
            status=status,
            code={"ok": "room", "warning": "little", "error": "too_little"}[status],
            values={"free": used.free, "total": used.total},
            command="" if status == "ok" else "mcphub doctor",
        )

    async def _clock(self) -> Found:
        asked = time.time()
        ((there,),) = await self._row("select extract(epoch from clock_timestamp())")
        here = (asked + time.time()) / 2
        skew = round(abs(float(there) - here) * 1000, 1)
        fine = skew <= MOST_SKEW_MS
        return Found(
            status="ok" if fine else "warning", code="agrees" if fine else "differs", values={"milliseconds": skew}
        )

    async def _sign_in(self) -> Found:
        providers = self._services.settings.providers
        open_ = tuple(provider.name for provider in providers if not provider.allow)
        if open_:
            return Found(status="warning", code="open", items=open_, command="mcphub doctor")
        names = tuple(provider.name for provider in providers)
        return Found(status="ok", code="limited" if names else "local", items=names)

    async def _address(self) -> Found:
        settings = self._services.settings
        if settings.https:
            return Found(status="ok", code="https", items=(settings.public_url,))
        if settings.loopback:
            return Found(status="ok", code="loopback", items=(settings.public_url,))
        return Found(status="warning", code="plain", items=(settings.public_url,), command="mcphub doctor")


def worst(checks: list[Checked]) -> Status:
    return max((check.found.status for check in checks), key=WORSE.__getitem__, default="ok")


def python_version() -> str:
    return platform.python_version()
