"""How long figures of a month take, from those that are kept and from the rows, and what keeping them costs.

    ./hub bench figures [REQUESTS]

Requests of 30 days by skewed users (the busiest makes a tenth of them), 40 servers with 10 tools each.
"""

import asyncio
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import read_pool
from mcphub.projections import requests as asking
from mcphub.projections.requests import Filters, Requests
from mcphub.projections.rollups import Rollups

USERS, DAYS, TIMES = 500, 30, 5
# The end alone: figures are of what ended.
FILL = """
    insert into traffic (at, kind, boot, request_id, user_id, server, tool, method, status, duration_ms, bytes_in,
                         bytes_out, node)
    select %(day)s + random() * interval '1 day', 4, 1, gen_random_uuid(),
           'user-' || floor(%(users)s * power(random(), 2.4)),
           'server-' || floor(40 * power(random(), 2)), 'tool-' || floor(10 * random()), 'tools/call',
           case when random() < 0.97 then 'Completed' else 'Failed' end, exp(4 + 1.2 * (random() + random() - 1) * 3),
           300, 2000, 'n'
    from generate_series(1, %(count)s)
    order by 1
"""


def fill(db: psycopg.Connection[Any], count: int) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(DAYS, 0, -1):
        day = today - timedelta(days=ago)
        db.execute("select traffic_partition(%s)", (day.date(),))
        db.execute(FILL, {"day": day, "users": USERS, "count": count // DAYS})
    db.execute("vacuum analyze traffic")


async def took(history: Requests, filters: Filters, **asked: Any) -> tuple[float, int]:
    """(median milliseconds, rows)"""
    found = []
    rows = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        rows = await history.stats(filters, **asked)
        found.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(found), len(rows)


async def measure(dsn: str) -> None:
    until = datetime.now(UTC)
    month = Filters(from_=until - timedelta(days=DAYS, minutes=-17), to=until)
    questions: list[tuple[str, Filters, dict[str, Any]]] = [
        ("over all", month, {}),
        ("by time, 6 h", month, {"by": "time", "bucket": timedelta(hours=6)}),
        ("by user", month, {"by": "user"}),
        ("by server", month, {"by": "server"}),
        ("by tool", month, {"by": "tool"}),
        ("of a user, by tool", Filters(from_=month.from_, to=month.to, user="user-0"), {"by": "tool"}),
    ]
    asking.QUERY_WITHIN_MS = 600_000
    async with read_pool(dsn) as pool:
        history = Requests(pool)
        print(f"{'30 days':<22}{'kept':>10}{'rows':>12}")
        for name, filters, asked in questions:
            kept, groups = await took(history, filters, **asked)
            long, asking.LONG = asking.LONG, timedelta(days=999)
            begun = time.perf_counter()
            await history.stats(filters, **asked)
            raw = (time.perf_counter() - begun) * 1e3
            asking.LONG = long
            print(f"{name:<22}{kept:>7,.0f} ms{raw:>9,.0f} ms   {groups} groups")
        begun = time.perf_counter()
        await history.of_user("user-0")
        print(f"{'own, of the busiest':<22}{(time.perf_counter() - begun) * 1e3:>7,.0f} ms")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    home = Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    server = EmbeddedPostgres(home)
    server.open()
    try:
        migrate(server.dsn("mcphub_owner"), migrations_folder())
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as db:
            fill(db, count)
            print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {count:,} requests")
            begun = time.perf_counter()
            asyncio.run(Rollups(server.dsn("mcphub_app")).round())
            seconds = time.perf_counter() - begun
            db.execute("vacuum analyze request_rollup")
            rows, size = db.execute(
                "select count(*), pg_total_relation_size('request_rollup') from request_rollup"
            ).fetchone() or (0, 0)
            print(f"kept at {count / seconds:,.0f} requests/s; {rows:,} rows, {size / 1e6:,.0f} MB")
        asyncio.run(measure(server.dsn("mcphub_app")))
    finally:
        server.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
