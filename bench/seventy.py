"""Everybody at work: ./hub bench seventy [--users 70] [--seconds 60] [--pause 0.05]

Users with one session each call tools over HTTP and over stdio, a process of each user, in turn, and list all tools at
every fifth request; a little pause after each. The bar: at least 99.9 % are answered.
"""

import argparse
import os
from contextlib import ExitStack
from pathlib import Path

from _hub import client, conditions, far, http_upstream, near, new_home, running
from _processes import tree

LIST_EVERY = 5
BAR = 0.999


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=70)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds after each request")
    options = parser.parse_args()
    with ExitStack() as stack:
        upstream = stack.enter_context(http_upstream(tools=14))
        hub = stack.enter_context(running(stack.enter_context(new_home())))
        hub.serve({"far": far(upstream), "near": near()})
        keys = hub.users(options.users, ["far", "near"])
        load = stack.enter_context(
            client(
                url=f"{hub.url}/mcp?mode=tools",
                keys=keys,
                sessions=options.users,
                tools=["far__echo", "near__echo"],
                lists=LIST_EVERY,
                pause=options.pause,
            )
        )
        print(conditions())
        held, before = holdings(hub.pid), hub.cpu()
        figures = load.round(seconds=options.seconds)
        spent, after = hub.cpu() - before, holdings(hub.pid)
    outcomes = figures["outcomes"]
    asked = sum(outcomes.values())
    share = outcomes.get("answered", 0) / asked
    print(f"{options.users} users, {figures['seconds']:.0f} s, {asked} requests, {figures['per_second']:.0f}/s")
    for kind, count in sorted(outcomes.items(), key=lambda pair: -pair[1]):
        print(f"  {kind:20} {count:8}  {figures['examples'].get(kind, '')[:200]}")
    print(f"answered: {share:.4%} (bar {BAR:.1%}); CPU {spent * 1000 / asked:.2f} ms a request, with the servers' own")
    print(f"calls p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms;", end=" ")
    print(f"lists p50 {figures['list_p50_ms']:.1f} ms, p99 {figures['list_p99_ms']:.1f} ms")
    for name in held:
        print(f"{name}: {held[name]} before, {after[name]} after")
    if share < BAR:
        raise SystemExit(1)


def holdings(pid: int) -> dict[str, int]:
    """What must not grow with the calls."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "processes": len(tree(pid)),
        "descriptors of the hub": len(os.listdir(f"/proc/{pid}/fd")),
        "resident MB of the hub": pages * os.sysconf("SC_PAGESIZE") // 2**20,
    }


if __name__ == "__main__":
    main()
