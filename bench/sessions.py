"""How many sessions at once: ./hub bench sessions [--sessions 1,16,64,256] [--seconds 4] [--rounds 3]

The sessions belong to 50 users, and each has one call after the other under way. Bars: no error; calls per second at
256 at least half of those at 64; what one session waits longer than without the hub, 0.8 ms at p50 and 1.5 ms at p99.
"""

import argparse
import statistics
from contextlib import ExitStack
from typing import Any

from _hub import client, conditions, far, http_upstream, new_home, running

USERS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", default="1,16,64,256")
    parser.add_argument("--seconds", type=float, default=4, help="of each number of sessions, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    numbers = [int(number) for number in options.sessions.split(",")]
    with ExitStack() as stack:
        upstream = stack.enter_context(http_upstream())
        hub = stack.enter_context(running(stack.enter_context(new_home())))
        hub.serve({"bench": far(upstream)})
        keys = hub.users(USERS, ["bench"])
        direct = stack.enter_context(client(url=upstream, keys=["-"], sessions=1))
        clients = {
            number: stack.enter_context(client(url=f"{hub.url}/mcp?mode=tools", keys=keys, sessions=number))
            for number in numbers
        }
        print(conditions())
        rows: dict[int, list[dict[str, Any]]] = {number: [] for number in [0, *numbers]}
        for _ in range(options.rounds):
            rows[0].append(direct.round(seconds=min(options.seconds, 2)))
            for number, load in clients.items():
                before = hub.cpu()
                figures = load.round(seconds=options.seconds)
                rows[number].append({**figures, "cpu_ms": (hub.cpu() - before) * 1000 / figures["calls"]})
    report(rows)


def report(rows: dict[int, list[dict[str, Any]]]) -> None:
    def middle(number: int, name: str) -> float:
        return statistics.median(row[name] for row in rows[number])

    print(f"{'sessions':>8} {'calls/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms/call':>12} {'calls':>7}  errors")
    for number, found in rows.items():
        failed = {
            kind: count for row in found for kind, count in row["outcomes"].items() if kind != "answered"
        } or "none"
        cpu = middle(number, "cpu_ms") if number else 0.0
        print(
            f"{number or 'direct':>8} {middle(number, 'per_second'):8.0f} {middle(number, 'p50_ms'):8.2f}"
            f" {middle(number, 'p99_ms'):8.2f} {cpu:12.3f} {sum(row['calls'] for row in found):7}  {failed}"
        )
    if 1 in rows:
        added = [middle(1, name) - middle(0, name) for name in ("p50_ms", "p99_ms")]
        print(f"added to one session: {added[0]:.2f} ms at p50, {added[1]:.2f} ms at p99")
    if {64, 256} <= rows.keys():
        print(f"calls/s at 256 of those at 64: {middle(256, 'per_second') / middle(64, 'per_second'):.0%}")


if __name__ == "__main__":
    main()
