"""What a large history costs: a year of facts of every type, and a month of requests by users of whom few do most.

    ./hub bench history [--facts 1000000] [--requests 10000000] [--home DIR] [PART ...]

Parts: rebuild, state, timeline, figures; all of them by default, in one run with a raw scan of the same rows. The
history is made once: with --home it stays there, and the next run measures the same one. A million facts and ten
million requests take 9 GB and some minutes to make.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import _calls
import _facts
import psycopg
from _processes import cpu_seconds
from psycopg import AsyncConnection

from mcphub.domain.access import AccessModel
from mcphub.domain.events import EVENT_TYPES
from mcphub.domain.state import SECTIONS, state_of
from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import command_pool, read_pool
from mcphub.projections import requests as asking
from mcphub.projections.apart import rebuild_apart
from mcphub.projections.history import History
from mcphub.projections.projector import all_projections, ensure_schema
from mcphub.projections.requests import Filters, Requests
from mcphub.projections.rollups import add
from mcphub.projections.timeline import Choice, Place, Timeline, Wanted

# Only to make the history: it is measured as a hub runs it.
IN_A_HURRY = {
    "fsync": "off", "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "4GB", "shared_buffers": "512MB",
    "maintenance_work_mem": "512MB", "log_min_duration_statement": "-1",
}  # fmt: skip
NOTES_OF_FACTS = 5  # facts for each row of the access log
RAW = "copy (select position, recorded_at, id, tags, meta, data from ledger order by position) to stdout"
FIRST, AGAIN = 1, 5  # a page's first look and the others after it
NEVER = timedelta(days=9999)
POSITIONS_AT_ONCE = 2_000_000  # three days; a hub adds what is new a little at a time
KEPT = """
    select grain, span, count(*), sum(pg_column_size(kept.*)) / 1000000 from request_rollup as kept
    group by 1, 2 order by 1, 2
"""
SIZES = """
    select name, pg_total_relation_size(name::regclass) / 1000000
    from unnest(array['request_rollup', 'request_hour', 'request_user', 'request_tool']) as name
"""
BUSIEST = """
    select {0} from request_rollup where grain = {1} and span = 3 and {0} <> ''
    group by 1 order by sum(count) desc limit 1
"""
BUSIEST_USER, BUSIEST_SERVER = BUSIEST.format("user_id", 3), BUSIEST.format("server", 2)


class Bench:
    """A history in its server, and what measuring it needs."""

    def __init__(self, home: Path) -> None:
        self.server = EmbeddedPostgres(home)

    @property
    def dsn(self) -> str:
        return self.server.dsn("mcphub_app")

    def cpu(self) -> float:
        """Seconds so far: of this process, its children, and PostgreSQL."""
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return own + cpu_seconds(self.server.pid or 0)

    def timed(self, work: Callable[[], Any], times: int = 1) -> tuple[float, float]:
        """(median seconds by the clock, mean seconds of CPU)"""
        clocks, cpu = [], self.cpu()
        for _ in range(times):
            begun = time.perf_counter()
            work()
            clocks.append(time.perf_counter() - begun)
        return statistics.median(clocks), (self.cpu() - cpu) / times


def make(home: Path, count: int, requests: int) -> None:
    """The history, into an empty home."""
    until, begun = datetime.now(UTC), time.perf_counter()
    server = EmbeddedPostgres(home, extra_settings=IN_A_HURRY)
    server.open()
    try:
        owner = server.dsn("mcphub_owner")
        migrate(owner, migrations_folder())
        with psycopg.connect(owner, autocommit=True) as db:
            _facts.fill(db, count, until)
            db.execute("vacuum (freeze, analyze) ledger")
        print(f"{count:,} facts made in {time.perf_counter() - begun:.0f} s", flush=True)
        if requests:
            begun = time.perf_counter()
            _calls.fill(owner, requests, until, count // NOTES_OF_FACTS)
            print(f"{requests:,} requests made in {time.perf_counter() - begun:.0f} s", flush=True)
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as db:
            db.execute("checkpoint")
    finally:
        server.close()


@contextmanager
def history(home: Path | None, count: int, requests: int) -> Any:
    """The bench on a history of that size: the one in the home, or one that is gone afterwards."""
    place = home or Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    try:
        mark = place / "history.json"
        if not mark.exists():
            place.mkdir(parents=True, exist_ok=True)
            make(place, count, requests)
            mark.write_text(json.dumps({"facts": count, "requests": requests}))
        elif json.loads(mark.read_text()) != {"facts": count, "requests": requests}:
            raise SystemExit(f"{place} holds another history: {mark.read_text()}")
        bench = Bench(place)
        bench.server.open()
        try:
            migrate(bench.server.dsn("mcphub_owner"), migrations_folder())
            yield bench
        finally:
            bench.server.close()
    finally:
        if home is None:
            shutil.rmtree(place, ignore_errors=True)


def shown(what: str, clock: float, cpu: float, more: str = "") -> None:
    print(f"{what:44}{clock * 1e3:>10,.1f} ms {cpu * 1e3:>10,.1f} ms CPU  {more}", flush=True)


def raw_scan(bench: Bench) -> float:
    """PostgreSQL hands out the whole ledger, nothing is decoded; seconds of CPU."""

    def copied() -> None:
        with psycopg.connect(bench.dsn) as db, db.cursor() as cursor, cursor.copy(RAW) as copy:
            for _ in copy:
                pass

    clock, cpu = bench.timed(copied, 2)
    shown("raw scan of the ledger", clock, cpu)
    return cpu


def rebuild(bench: Bench, count: int) -> None:
    with psycopg.connect(bench.dsn, autocommit=True) as db:
        ensure_schema(db, all_projections())
    scan = raw_scan(bench)
    # From the start of the process that makes the tables until they are in place.
    clock, cpu = bench.timed(lambda: rebuild_apart(bench.dsn), 2)
    shown("rebuild of every table", clock, cpu, f"{count / clock:,.0f} facts/s, CPU {cpu / scan:.1f} x the scan")


def state(bench: Bench, count: int) -> None:
    scan = raw_scan(bench)

    def said(what: str, work: Callable[[], Any]) -> None:
        gc.collect()
        clock, cpu = bench.timed(work)
        shown(what, clock, cpu, f"CPU {cpu / scan:.2f} x the scan")

    with command_pool(bench.dsn, size=1) as pool:
        past = History(pool, AccessModel)
        now = past.moment(None)
        ask = lambda position: lambda: past.ask(position, lambda model: len(model.users))  # noqa: E731
        said("state of now, cold", ask(now.position))
        for back in (0, 1, 100, 1_000, 5_000, 12_345, 50_000):
            if back < count:
                said(f"state {back:,} facts earlier", ask(now.position - back))
        said("time to position", lambda: past.moment(now.at - timedelta(days=100)))
        past.forget()
        said("state half-way, cold", ask(count // 2))
        said("state a third of the way", ask(count // 3))
        for name in SECTIONS:
            said(f"all {name} of it", lambda name=name: past.ask(
                count // 3, lambda model: state_of(model, now.at, sections=[name])
            ))  # fmt: skip


async def looked(bench: Bench, what: str, work: Callable[[], Awaitable[Any]]) -> None:
    """The first look, and the others."""
    begun = time.perf_counter()
    found = await work()
    first, cpu, clocks = time.perf_counter() - begun, bench.cpu(), []
    for _ in range(AGAIN):
        begun = time.perf_counter()
        await work()
        clocks.append(time.perf_counter() - begun)
    size = f"{len(found)} rows, " if isinstance(found, list) else ""
    shown(what, statistics.median(clocks), (bench.cpu() - cpu) / AGAIN, f"{size}at first {first * 1e3:,.1f} ms")


async def timeline(bench: Bench, count: int) -> None:
    raw_scan(bench)
    async with read_pool(bench.dsn, search_path="read, public") as pool:
        line = Timeline(pool)

        async def busy(skip: int) -> str:
            rows = await line._tuples(
                "select tagged_user(tags) from ledger where tagged_user(tags) <> '' group by 1 order by count(*) desc"
                f" limit 1 offset {skip}"
            )
            return str(rows[0][0])

        often, seldom, until = await busy(0), await busy(9 * count // 1000), datetime.now(UTC)
        request = (await line._tuples(f"select meta ->> 'request_id' from ledger where position = {count // 2}"))[0][0]
        added = "select data ->> 'server_id' from ledger where type = 'ServerAdded' order by position desc limit 1"
        server = (await line._tuples(added))[0][0]
        for what, wanted, before in (
            ("first page", Wanted(), None),
            ("page half-way", Wanted(), Place(count // 2)),
            ("own, of the busiest", Wanted(own=often), None),
            ("own, of one who does little", Wanted(own=seldom), None),
            ("by actor, the busiest", Wanted(actor=Choice((often,))), None),
            ("about a user who does little", Wanted(user=Choice((seldom,))), None),
            ("category sign-in", Wanted(category=Choice(("sign-in",))), None),
            ("category settings", Wanted(category=Choice(("settings",))), None),
            ("category not sign-in nor values", Wanted(category=Choice(None, ("sign-in", "values"))), None),
            ("category of facts alone", Wanted(kind="fact", category=Choice(("groups",))), None),
            ("type AuditorRevoked", Wanted(type=Choice(("AuditorRevoked",))), None),
            ("type MasterKeyRotated", Wanted(type=Choice(("MasterKeyRotated",))), None),
            ("type User*", Wanted(type=Choice(("User*",))), None),
            ("source system", Wanted(source=Choice(("system",))), None),
            ("source cli (none)", Wanted(source=Choice(("cli",))), None),
            ("tag of a server", Wanted(tag=Choice((f"server:{server}",))), None),
            ("tag of the one who does little", Wanted(tag=Choice((f"user:{seldom}",))), None),
            ("one cause", Wanted(trace=Choice((str(request),))), None),
            ("text Auditor", Wanted(text="Auditor"), None),
            ("text tool_7", Wanted(text="tool_7"), None),
            ("text of a server's name", Wanted(text="newer"), None),
            ("text nothing has", Wanted(text="xyzzy"), None),
            ("text of a letter that nothing has", Wanted(text="ö"), None),
            ("refused", Wanted(kind="access", outcome=Choice(None, ("done",))), None),
            ("a day half a year ago", Wanted(since=until - timedelta(180), until=until - timedelta(179)), None),
            ("settings of that day",
             Wanted(category=Choice(("settings",)), since=until - timedelta(180), until=until - timedelta(179)), None),
            ("sign-ins of the busiest in that month",
             Wanted(user=Choice((often,)), category=Choice(("sign-in",)), since=until - timedelta(180),
                    until=until - timedelta(150)), None),
        ):  # fmt: skip

            async def page(wanted: Wanted = wanted, before: Place | None = before) -> list[Any]:
                await line.newest()
                return await line.page(wanted, before=before, size=51)

            await looked(bench, what, page)
        since = await line.began()
        assert since is not None
        await looked(bench, "histogram of the year", lambda: line.counts(Wanted(), since, until, 120))


async def figures(bench: Bench, count: int) -> None:
    until = datetime.now(UTC)
    month = until - timedelta(days=30, minutes=-17)
    before, begun = bench.cpu(), time.perf_counter()
    async with await AsyncConnection.connect(bench.dsn, autocommit=True) as db:
        added = 0
        while (reached := await add(db, POSITIONS_AT_ONCE))[0] != reached[1]:
            added += reached[1] - reached[0]
    shown("new positions made into figures", time.perf_counter() - begun, bench.cpu() - before, f"{added:,}")
    with psycopg.connect(bench.server.dsn("postgres"), autocommit=True) as admin:
        admin.execute("vacuum analyze request_rollup, request_hour")
        for kind in admin.execute(KEPT):
            print("  grain {} span {}: {:,} rows, {:,} MB".format(*kind))
        for table, size in admin.execute(SIZES):
            print(f"  {table}: {size:,} MB with its indexes")
        user, slug = (admin.execute(busiest).fetchone() for busiest in (BUSIEST_USER, BUSIEST_SERVER))
    assert user is not None
    assert slug is not None
    asking.QUERY_WITHIN_MS = 600_000
    of = lambda **more: Filters(from_=month, to=until, **more)  # noqa: E731
    questions: list[tuple[str, Filters, dict[str, Any]]] = [
        ("over all", of(), {}),
        ("by time, 6 h", of(), {"by": "time", "bucket": timedelta(hours=6)}),
        ("by user", of(), {"by": "user"}),
        ("by server", of(), {"by": "server"}),
        ("by tool", of(), {"by": "tool"}),
        ("of a tool, by time", of(server=slug[0], tool="tool_1"), {"by": "time", "bucket": timedelta(hours=6)}),
        ("of a server, by user", of(server=slug[0]), {"by": "user"}),
        ("of a user, by tool", of(user=user[0]), {"by": "tool"}),
        ("of a user, by time", of(user=user[0]), {"by": "time", "bucket": timedelta(hours=6)}),
        ("calls alone, by user", of(method="tools/call"), {"by": "user"}),
        ("a day, by time, 12 min", Filters(from_=until - timedelta(days=1), to=until),
         {"by": "time", "bucket": timedelta(minutes=12)}),
        ("a day, by tool", Filters(from_=until - timedelta(days=1), to=until), {"by": "tool"}),
        ("an hour, by time, 1 min", Filters(from_=until - timedelta(hours=1), to=until),
         {"by": "time", "bucket": timedelta(minutes=1)}),
    ]  # fmt: skip
    async with read_pool(bench.dsn, search_path="read, public") as pool:
        past = Requests(pool)
        for name, filters, asked in questions:
            await looked(bench, name, lambda filters=filters, asked=asked: past.stats(filters, **asked))
        await looked(bench, "own, of the busiest", lambda: past.of_user(user[0]))
        short, asking.SHORT = asking.SHORT, NEVER
        before, begun = bench.cpu(), time.perf_counter()
        await past.stats(of())
        shown("over all, from the rows", time.perf_counter() - begun, bench.cpu() - before)
        asking.SHORT = short


PARTS = {"rebuild": rebuild, "state": state, "timeline": timeline, "figures": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []])
    options = parser.parse_args()
    with history(options.home, options.facts, options.requests) as bench:
        with psycopg.connect(bench.dsn) as db:
            [[found, types]] = db.execute("select count(*), count(distinct type) from ledger").fetchall()
        print(
            f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, load"
            f" {os.getloadavg()[0]:.1f}; {found:,} facts of {types} of {len(EVENT_TYPES)} types"
        )
        for name in options.parts or PARTS:
            print(f"-- {name}", flush=True)
            work = PARTS[name]
            result = work(bench, found)
            if result is not None:
                asyncio.run(result)


if __name__ == "__main__":
    main()
