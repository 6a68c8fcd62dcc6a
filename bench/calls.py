"""What a tool call through the hub costs: ./hub bench calls [--sessions 1,16] [--calls 4000]

Three ways to the same server, one after the other in one run: directly; through the least gateway in Python (`floor`);
through a hub with authentication, isolation and history on. CPU is that of everything between client and server, from
/proc: the hub with its PostgreSQL. Ratios in one run say more than milliseconds on a shared machine.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from _hub import client, conditions, far, http_upstream, new_home, running
from _processes import HERE, MEASURED, cpu_seconds, free_port, process, wait_for


class Way:
    """A way to the server. `pid` is the root of what costs on it; 0 when nothing is between."""

    def __init__(self, name: str, url: str, key: str, pid: int) -> None:
        self.name = name
        self.url = url
        self.key = key
        self.pid = pid


@contextmanager
def direct(upstream: str) -> Iterator[Way]:
    yield Way("direct", upstream, "-", 0)


@contextmanager
def floor(upstream: str) -> Iterator[Way]:
    port = free_port()
    with process(sys.executable, HERE / "_floor.py", str(port), upstream, cores=MEASURED) as started:
        wait_for(port)
        yield Way("floor", f"http://127.0.0.1:{port}/mcp", "floor", started.pid)


@contextmanager
def hub(upstream: str) -> Iterator[Way]:
    with new_home() as home, running(home) as started:
        started.serve({"bench": far(upstream)})
        [key] = started.users(1, ["bench"])
        yield Way("hub", f"{started.url}/mcp?mode=tools", key, started.pid)


def measure(way: Way, sessions: int, calls: int) -> dict[str, Any]:
    """One round of the load client; CPU is read exactly around it."""
    with client(url=way.url, keys=[way.key], sessions=sessions) as load:
        before = cpu_seconds(way.pid) if way.pid else 0.0
        figures = load.round(calls=calls)
        spent = (cpu_seconds(way.pid) if way.pid else 0.0) - before
    if figures["outcomes"] != {"answered": figures["calls"]}:
        raise SystemExit(f"{way.name}: {figures['outcomes']} {figures['examples']}")
    return {"way": way.name, "sessions": sessions, **figures, "cpu_ms_per_call": spent * 1000 / figures["calls"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", default="1,16", help="how many at once, one run each")
    parser.add_argument("--calls", type=int, default=4000, help="in each run")
    parser.add_argument("--json", action="store_true", help="one JSON line a run instead of a table")
    options = parser.parse_args()
    rows = []
    with ExitStack() as stack:
        upstream = stack.enter_context(http_upstream())
        ways: list[Callable[[str], Any]] = [direct, floor, hub]
        for way in ways:
            with way(upstream) as there:
                for sessions in map(int, options.sessions.split(",")):
                    rows.append(measure(there, sessions, options.calls))
                    if options.json:
                        print(json.dumps(rows[-1]), flush=True)
    if not options.json:
        report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    print(conditions())
    print(f"{'way':8} {'sessions':>8} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms/call':>12}")
    for row in rows:
        print(
            f"{row['way']:8} {row['sessions']:8} {row['per_second']:9.0f} {row['p50_ms']:8.3f} {row['p99_ms']:8.3f}"
            f" {row['cpu_ms_per_call']:12.3f}"
        )


if __name__ == "__main__":
    main()
