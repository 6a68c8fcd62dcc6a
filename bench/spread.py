"""What a call costs on one, two and three nodes: ./hub bench spread [--seconds 5] [--rounds 3] [--sessions 24]

The same sessions and calls through nginx, with one hub behind it, with two and with three, in turn in each round. CPU
seconds of the hubs, of PostgreSQL and of nginx are told apart; time says little where all of them share two cores.
"""

import argparse
import statistics
from contextlib import ExitStack

from _cluster import primary
from _hub import client, conditions, far
from _nodes import balanced, nodes, recording_upstream
from _processes import cpu_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=24)
    options = parser.parse_args()
    found: dict[int, list[dict[str, float]]] = {1: [], 2: [], 3: []}
    with ExitStack() as stack:
        server = stack.enter_context(primary())
        three = stack.enter_context(nodes(3, server.make_hub_database()))
        upstream, _ = stack.enter_context(recording_upstream(three[0].home.parent))
        three[0].hub.serve({"far": far(upstream)})
        keys = three[0].hub.users(options.sessions // 2, ["far"])
        loads = {}
        for count in found:
            url, pid = stack.enter_context(balanced([node.port for node in three[:count]]))
            plan = {"url": f"{url}/mcp?mode=tools", "keys": keys, "sessions": options.sessions, "tools": ["far__echo"]}
            loads[count] = stack.enter_context(client(**plan)), pid
        print(conditions())
        for _ in range(options.rounds):
            for count, (load, pid) in loads.items():
                roots = {"hubs": [node.hub.pid for node in three], "postgres": [server.pid], "nginx": [pid]}
                before = {name: sum(map(cpu_seconds, pids)) for name, pids in roots.items()}
                figures = load.round(seconds=options.seconds)
                if set(figures["outcomes"]) != {"answered"}:
                    raise SystemExit(f"{count} nodes: {figures['outcomes']} {figures['examples']}")
                spent = {name: sum(map(cpu_seconds, pids)) - before[name] for name, pids in roots.items()}
                each = {name: seconds * 1000 / figures["calls"] for name, seconds in spent.items()}
                found[count].append({**each, "per_second": figures["per_second"], "p50_ms": figures["p50_ms"]})
    print("CPU in ms a call, median of the rounds")
    print(f"{'nodes':>6}{'hubs':>8}{'postgres':>10}{'nginx':>8}{'all':>8}{'calls/s':>9}{'p50 ms':>8}")
    for count, rounds in found.items():
        of = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        everything = of["hubs"] + of["postgres"] + of["nginx"]
        print(f"{count:6}{of['hubs']:8.3f}{of['postgres']:10.3f}{of['nginx']:8.3f}{everything:8.3f}", end="")
        print(f"{of['per_second']:9.0f}{of['p50_ms']:8.1f}")


if __name__ == "__main__":
    main()
