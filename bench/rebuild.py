"""How fast every read table is rebuilt from the ledger, beside PostgreSQL's own COPY of the same rows, and what the
event loop of the same process feels of it.

    ./hub bench rebuild [EVENTS]
"""

import asyncio
import os
import platform
import random
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from msgspec import Raw

from mcphub.domain import events as facts
from mcphub.domain.actor import Meta
from mcphub.domain.codec import LedgerEvent, encode
from mcphub.domain.events import Event, ServerRef, group_tag, key_tag, server_tag, session_tag, user_tag
from mcphub.domain.ids import new_id
from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.ledger import Ledger
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import command_pool
from mcphub.projections import projector
from mcphub.projections.projector import all_projections, ensure_schema, rebuild_apart

SEALED = "v1.0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000." + "x" * 124
TICK = 0.005
RAW = """
    copy (select position, recorded_at, id::text, tags, meta::text, data::text from ledger order by position) to stdout
"""


def history(count: int) -> Iterator[tuple[Event, list[str]]]:
    """A hub's life: a few administrators' changes among many people who sign in, use keys and save values."""
    random.seed(7)
    expires = datetime(2026, 6, 1, tzinfo=UTC)
    servers = [new_id() for _ in range(40)]
    for number, server in enumerate(servers):
        config = Raw(encode({"command": "npx", "args": ["-y", f"server-{number}"], "env": {"TOKEN": "${USER_TOKEN}"}}))
        yield (
            facts.ServerAdded(server_id=server, name=f"server {number}", slug=f"server_{number}", config=config),
            [server_tag(server), facts.SERVERS],
        )
    users: list[str] = []
    made = len(servers)
    while made < count:
        dice = random.random()
        if dice < 0.05 or not users:
            user, key = new_id(), new_id()
            users.append(user)
            yield (
                facts.UserRegistered(user_id=user, username=SEALED, email=SEALED),
                [user_tag(user), f"username:{user}"],
            )
            yield facts.UserActivated(user_id=user), [user_tag(user)]
            yield (
                facts.KeyIssued(
                    key_id=key, user_id=user, name="ide", digest=key, prefix="abcd", last4="wxyz", expires_at=expires
                ),
                [user_tag(user), key_tag(key)],
            )
            made += 3
            continue
        user, server = random.choice(users), random.choice(servers)
        me = user_tag(user)
        made += 1
        if dice < 0.45:
            session = new_id()
            yield facts.SignedIn(user_id=user, session_id=session), [me, session_tag(session)]
        elif dice < 0.80:
            yield (
                facts.ServiceTokenSaved(
                    user_id=user, server_id=server, variable="TOKEN", data_key=new_id(), sealed=SEALED, mask="••••••••",
                    fingerprint="0123456789abcdef",
                ),
                [me, server_tag(server)],
            )  # fmt: skip
        elif dice < 0.90:
            group = new_id()
            refs = [ServerRef(server, "server")]
            yield (
                facts.GroupCreated(group_id=group, user_id=user, name=group, slug=group, servers=refs),
                [me, group_tag(group)],
            )
        elif dice < 0.97:
            yield facts.UserPreferencesChanged(user_id=user, theme="dark", language="ko"), [me]
        elif dice < 0.999:
            tool = f"tool_{random.randrange(50)}"
            fact = random.choice([facts.ToolEnabled, facts.ToolDisabled])
            yield fact(server_id=server, tool=tool), [server_tag(server), facts.SERVERS]
        else:
            users.remove(user)
            yield facts.UserErased(user_id=user), [me]


def fill(dsn: str, count: int) -> float:
    """Appends the history in transactions of a thousand; returns events per second."""
    meta = encode(Meta(actor=new_id(), source="ui", ip=SEALED, ua=SEALED, request_id=new_id(), command="Bench"))
    anything = DCBAppendCondition(DCBQuery([DCBQueryItem(["Never"], ["never:matches"])]), after=None)
    begun, batch = time.perf_counter(), []
    with command_pool(dsn, size=1) as pool:
        ledger = Ledger(pool)
        for event, tags in history(count):
            batch.append(LedgerEvent(type=event.TOPIC, data=encode(event), tags=sorted(tags), meta=meta))
            if len(batch) == 1000:
                ledger.append(batch, anything)
                batch = []
        if batch:
            ledger.append(batch, anything)
    return count / (time.perf_counter() - begun)


def copied(db: psycopg.Connection) -> None:
    """PostgreSQL hands the rows out, nothing is decoded."""
    with db.cursor() as cursor, cursor.copy(RAW) as copy:
        for _ in copy:
            pass


class Meter:
    """Seconds of a work, by the clock and of CPU: this process, its children, and PostgreSQL with all it started."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster

    def _cpu(self) -> float:
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        ticks = 0
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = file.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(fields[1]) == self._postmaster:
                ticks += int(fields[11]) + int(fields[12])
            elif int(file.parent.name) == self._postmaster:
                ticks += sum(map(int, fields[11:15]))
        return own + ticks / os.sysconf("SC_CLK_TCK")

    def of(self, work: Callable[[], object], times: int = 3) -> tuple[float, float]:
        """The median of each."""
        found = []
        for _ in range(times):
            cpu, clock = self._cpu(), time.perf_counter()
            work()
            found.append((time.perf_counter() - clock, self._cpu() - cpu))
        return statistics.median(each[0] for each in found), statistics.median(each[1] for each in found)


async def lag_during(work: Callable[[], object]) -> tuple[float, list[float]]:
    """Runs the work in a thread; (its seconds, how late each tick of the loop came, in seconds)."""
    late: list[float] = []
    thread = threading.Thread(target=work)
    begun = time.perf_counter()
    thread.start()
    while thread.is_alive():
        asked = time.perf_counter()
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - asked - TICK)
    return time.perf_counter() - begun, sorted(late)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    home = Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    server = EmbeddedPostgres(home)
    server.open()
    try:
        migrate(server.dsn("mcphub_owner"), migrations_folder())
        dsn = server.dsn("mcphub_app")
        with psycopg.connect(dsn, autocommit=True) as db:
            ensure_schema(db, all_projections())
            appended = fill(dsn, count)
            with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
                admin.execute("vacuum analyze ledger")
            size = projector.head(db)
            print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, fsync on")
            print(
                f"{size} events of {len(facts.EVENT_TYPES)} types, appended at {appended:,.0f}/s with their hash chain"
            )
            meter = Meter(server.pid or 0)
            raw, raw_cpu = meter.of(lambda: copied(db))
            # From the start of the process that makes the tables until they are in place.
            full, full_cpu = meter.of(lambda: rebuild_apart(dsn))
        micro = 1e6 / size
        print(f"raw COPY of the rows     {size / raw:>10,.0f} events/s  {raw_cpu * micro:5.1f} µs CPU an event")
        print(
            f"rebuild of every table   {size / full:>10,.0f} events/s  {full_cpu * micro:5.1f} µs CPU an event"
            f"  {raw / full:.0%} of the speed of COPY, {raw_cpu / full_cpu:.0%} by CPU"
        )
        seconds, late = asyncio.run(lag_during(lambda: rebuild_apart(dsn)))
        lag = [f"{late[int(len(late) * share)] * 1e3:.1f} ms" for share in (0.5, 0.99)]
        print(f"the same beside a loop   {size / seconds:>10,.0f} events/s")
        print(f"  lateness of its ticks: median {lag[0]}, p99 {lag[1]}, longest {late[-1] * 1e3:.1f} ms")
    finally:
        server.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
