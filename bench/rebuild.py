"""How fast every read table is rebuilt from the ledger, beside PostgreSQL's own COPY of the same rows, and what the
event loop of the same process feels of it.

    ./hub bench rebuild [EVENTS]
"""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import _facts
import psycopg
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from history import Bench

from mcphub.domain.codec import LedgerEvent, encode
from mcphub.postgres.ledger import Ledger
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import command_pool
from mcphub.projections import projector
from mcphub.projections.projector import all_projections, ensure_schema, rebuild_apart

TICK = 0.005
RAW = """
    copy (select position, recorded_at, id::text, tags, meta::text, data::text from ledger order by position) to stdout
"""


def fill(dsn: str, count: int) -> float:
    """Appends facts as hubs record them, in transactions of a thousand; returns how many a second."""
    anything = DCBAppendCondition(DCBQuery([DCBQueryItem(["Never"], ["never:matches"])]), after=None)
    year = _facts.Year(count, datetime.now(UTC))
    told = [
        LedgerEvent(type=event.TOPIC, data=encode(event), tags=sorted(set(tags)), meta=year.meta(actor))
        for event, tags, actor in year.told()
    ]
    with command_pool(dsn, size=1) as pool:
        ledger, begun = Ledger(pool), time.perf_counter()
        for low in range(0, count, 1000):
            ledger.append(told[low : low + 1000], anything)
        return count / (time.perf_counter() - begun)


def copied(db: psycopg.Connection) -> None:
    """PostgreSQL hands the rows out, nothing is decoded."""
    with db.cursor() as cursor, cursor.copy(RAW) as copy:
        for _ in copy:
            pass


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
    bench = Bench(home)
    bench.server.open()
    try:
        migrate(bench.server.dsn("mcphub_owner"), migrations_folder())
        with psycopg.connect(bench.dsn, autocommit=True) as db:
            ensure_schema(db, all_projections())
            appended = fill(bench.dsn, count)
            with psycopg.connect(bench.server.dsn("postgres"), autocommit=True) as admin:
                admin.execute("vacuum analyze ledger")
            size = projector.head(db)
            print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, fsync on")
            print(f"{size} events, appended at {appended:,.0f}/s with their hash chain")
            raw, raw_cpu = bench.timed(lambda: copied(db), 3)
            # From the start of the process that makes the tables until they are in place.
            full, full_cpu = bench.timed(lambda: rebuild_apart(bench.dsn), 3)
        micro = 1e6 / size
        print(f"raw COPY of the rows     {size / raw:>10,.0f} events/s  {raw_cpu * micro:5.1f} µs CPU an event")
        print(
            f"rebuild of every table   {size / full:>10,.0f} events/s  {full_cpu * micro:5.1f} µs CPU an event"
            f"  {raw / full:.0%} of the speed of COPY, {raw_cpu / full_cpu:.0%} by CPU"
        )
        seconds, late = asyncio.run(lag_during(lambda: rebuild_apart(bench.dsn)))
        lag = [f"{late[int(len(late) * share)] * 1e3:.1f} ms" for share in (0.5, 0.99)]
        print(f"the same beside a loop   {size / seconds:>10,.0f} events/s")
        print(f"  lateness of its ticks: median {lag[0]}, p99 {lag[1]}, longest {late[-1] * 1e3:.1f} ms")
    finally:
        bench.server.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
