"""Does anything grow with the calls? ./hub bench soak [--minutes 10] [--rate 100] [--users 20] [--every 15]

Users call tools over HTTP and over stdio, a process of each user, so many calls in each second. Every few seconds it is
looked at what the hub holds: memory (PSS, so that shared pages count once), descriptors, processes, and the disk of its
home. Apart from them: the rows that calls leave, the write-ahead log and PostgreSQL's shared buffers, which fill with
those rows up to bounds of their own (`max_wal_size` and `shared_buffers` in src/postgres/embedded.py).

Flat means: what the last third shows is what the second third showed, the first being for caches and pools to fill.
Exit code 1 when something is not, or a call was not answered.
"""

import argparse
import json
import os
import statistics
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from _hub import client, conditions, far, http_upstream, near, new_home, running
from _processes import cpu_seconds, tree

from mcphub.postgres.embedded import EmbeddedPostgres

MB = 2**20
# What each call leaves on purpose: its rows, and the figures made of them.
ROWS = """
    select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and (relname ~ '^(traffic|request)')
"""
# Of what a series may be more at its end, for the last third over the second: relative, and in its own unit.
GROWTH = {
    "hub MB": (0.05, 2.0),
    "postgres MB": (0.10, 5.0),
    "servers MB": (0.05, 5.0),
    "descriptors": (0.05, 4.0),
    "processes": (0.0, 2.0),
    "other disk MB": (0.02, 1.0),
}


class Watch:
    """What a hub holds, looked at now."""

    def __init__(self, pid: int, home: Path) -> None:
        self.pid = pid
        self.home = home
        self.db = psycopg.connect(EmbeddedPostgres.reach(home).dsn("mcphub_ro"), autocommit=True)

    def look(self) -> dict[str, float]:
        processes = tree(self.pid)
        memory: Counter[str] = Counter()
        for pid in processes:
            whose = "hub" if pid == self.pid else "postgres" if _is_postgres(pid) else "servers"
            shared = _pss(pid, "Pss_Shmem") if whose == "postgres" else 0
            memory[whose] += _pss(pid) - shared
            memory["buffers"] += shared
        rows, wal = self._rows(), _size(self.home / "pg" / "18" / "pg_wal")
        return {
            "hub MB": memory["hub"] / MB,
            "postgres MB": memory["postgres"] / MB,
            "servers MB": memory["servers"] / MB,
            "buffers MB": memory["buffers"] / MB,
            "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")),
            "processes": len(processes),
            "rows MB": rows / MB,
            "wal MB": wal / MB,
            "other disk MB": (_size(self.home) - rows - wal) / MB,
        }

    def _rows(self) -> int:
        ((size,),) = self.db.execute(ROWS).fetchall()
        return int(size)


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("postgres")
    except OSError:
        return False


def _pss(pid: int, kind: str = "Pss") -> int:
    """Bytes."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it ended meanwhile
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{kind}:")), 0)


def _size(folder: Path) -> int:
    """Bytes on the disk; files that go meanwhile are gone."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total


def flat(series: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each measure that must not grow: its median in the second and in the last third, and what it may have."""
    third = max(1, len(series) // 3)
    found = {}
    for name, (share, slack) in GROWTH.items():
        middle = statistics.median(one[name] for one in series[third : 2 * third] or series)
        end = statistics.median(one[name] for one in series[-third:])
        found[name] = {"middle": middle, "end": end, "allowed": middle + max(middle * share, slack)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=100, help="calls in a second")
    parser.add_argument("--users", type=int, default=20, help="with a session and a process of their own each")
    parser.add_argument("--every", type=float, default=15, help="seconds between two looks")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    with ExitStack() as stack:
        home = stack.enter_context(new_home())
        upstream = stack.enter_context(http_upstream())
        hub = stack.enter_context(running(home))
        hub.serve({"far": far(upstream), "near": near()})
        keys = hub.users(options.users, ["far", "near"])
        load = stack.enter_context(
            client(
                url=f"{hub.url}/mcp?mode=tools",
                keys=keys,
                sessions=options.users,
                tools=["far__echo", "near__echo"],
            )
        )
        report = soak(load, Watch(hub.pid, home), options)
    if options.json:
        print(json.dumps(report))
    else:
        show(report)
    if not report["flat"] or report["outcomes"].keys() - {"answered"}:
        raise SystemExit(1)


def soak(load: Any, watch: Watch, options: argparse.Namespace) -> dict[str, Any]:
    before, began = cpu_seconds(watch.pid), time.monotonic()
    series, outcomes, calls, slowest = [{"at": 0.0, **watch.look()}], Counter[str](), 0, 0.0
    for second in range(1, int(options.minutes * 60) + 1):
        figures = load.round(calls=options.rate)
        calls += figures["calls"]
        outcomes.update(figures["outcomes"])
        slowest = max(slowest, figures.get("p99_ms", 0.0))
        if second % options.every < 1:
            series.append({"at": time.monotonic() - began, **watch.look()})
        time.sleep(max(0.0, began + second - time.monotonic()))
    series.append({"at": time.monotonic() - began, **watch.look()})
    compared = flat(series)
    return {
        "conditions": conditions(),
        "seconds": time.monotonic() - began,
        "calls": calls,
        "outcomes": dict(outcomes),
        "slowestMs": slowest,
        "series": series,
        "compared": compared,
        "flat": all(one["end"] <= one["allowed"] for one in compared.values()),
        "bytesPerCall": (series[-1]["rows MB"] - series[0]["rows MB"]) * MB / calls,
        "cpuMsPerCall": (cpu_seconds(watch.pid) - before) * 1000 / calls,
    }


def show(report: dict[str, Any]) -> None:
    print(report["conditions"])
    print(
        f"{report['calls']} calls in {report['seconds']:.0f} s, {report['calls'] / report['seconds']:.1f}/s:"
        f" {report['outcomes']}; slowest second's p99 {report['slowestMs']:.0f} ms;"
        f" {report['cpuMsPerCall']:.2f} ms CPU a call, with the servers' own;"
        f" {report['bytesPerCall']:.0f} bytes of rows a call"
    )
    names = list(report["series"][0])
    print("  ".join(f"{name:>13}" for name in names))
    for one in report["series"]:
        print("  ".join(f"{one[name]:13.1f}" for name in names))
    for name, one in report["compared"].items():
        word = "flat" if one["end"] <= one["allowed"] else "GROWS"
        print(f"{name:>14}: {one['middle']:.1f} in the second third, {one['end']:.1f} in the last: {word}")


if __name__ == "__main__":
    main()
