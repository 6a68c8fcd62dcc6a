"""Long lists and large results: ./hub bench sizes [--rounds 5]

A list of 400 tools (bar: 3 ms at p50) and results of 100 KB (bar: 0.6 ms CPU of the whole tree each), four sessions at
a time for the results, as they come from the server itself and through the hub.
"""

import argparse
import statistics
from contextlib import ExitStack
from typing import Any

from _hub import client, conditions, far, http_upstream, new_home, running

TOOLS, KILOBYTES = 400, 100
LISTS, RESULTS = 100, 400  # in each round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        upstream = stack.enter_context(http_upstream(tools=TOOLS))
        hub = stack.enter_context(running(stack.enter_context(new_home())))
        hub.serve({"bench": far(upstream)})
        [key] = hub.users(1, ["bench"])
        ways = {"direct": upstream, "hub": f"{hub.url}/mcp?mode=tools"}
        lists = {
            way: stack.enter_context(client(url=url, keys=[key], sessions=1, lists=1)) for way, url in ways.items()
        }
        results = {
            way: stack.enter_context(
                client(
                    url=url,
                    keys=[key],
                    sessions=4,
                    tools=["blob" if way == "direct" else "bench__blob"],
                    arguments={"kb": KILOBYTES},
                )
            )
            for way, url in ways.items()
        }
        print(conditions())
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(options.rounds):
            for what, clients, count in ((f"list of {TOOLS} tools", lists, LISTS), ("100 KB result", results, RESULTS)):
                for way, load in clients.items():
                    before = hub.cpu()
                    figures = load.round(calls=count)
                    figures["cpu_ms"] = (hub.cpu() - before) * 1000 / figures["calls"]
                    found.setdefault(f"{what}, {way}", []).append(figures)
    print(f"{'':26} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}  outcomes")
    for name, rows in found.items():
        p50, p99, cpu = (statistics.median(row[figure] for row in rows) for figure in ("p50_ms", "p99_ms", "cpu_ms"))
        shown = "-" if name.endswith("direct") else f"{cpu:.3f}"
        print(f"{name:26} {p50:8.2f} {p99:8.2f} {shown:>8}  {rows[-1]['outcomes']}")


if __name__ == "__main__":
    main()
