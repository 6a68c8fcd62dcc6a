"""What one user feels of another: ./hub bench neighbours [--rounds 5] [--seconds 3]

A quiet user calls a fast server, twenty milliseconds between the calls. In each round they are alone, and then beside
another user with 200 calls in flight: at a slow server, at the fast one, and at the fast one without waiting as long as
a 429 asks to.

Then a server that is down when the hub starts, comes up, is killed and comes back, while another user calls it all the
time: what the quiet user of the fast server feels of it, and how long after the server its calls succeed again.

The bar is twice the quiet user's own p50 and p99. Medians of the rounds.
"""

import argparse
import statistics
import time
from contextlib import ExitStack
from typing import Any

from _hub import Client, client, conditions, far, http_upstream, new_home, running
from _processes import free_port

IN_FLIGHT = 200
PAUSE = 0.02  # seconds
Rows = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each part of a round")
    options = parser.parse_args()
    with ExitStack() as stack:
        fast, slow = (stack.enter_context(http_upstream()) for _ in range(2))
        gone = free_port()
        home = stack.enter_context(new_home())
        with running(home) as hub:
            hub.serve({"fast": far(fast), "slow": far(slow), "gone": far(f"http://127.0.0.1:{gone}/mcp")})
            quiet, greedy = hub.users(2, ["fast", "slow", "gone"])
            print(conditions())
            crowded(options, f"{hub.url}/mcp?mode=tools", quiet, greedy)
        with running(home) as hub:
            faults(options, f"{hub.url}/mcp?mode=tools", quiet, greedy, gone)


def probe_of(url: str, key: str) -> Any:
    return client(url=url, keys=[key], sessions=1, tools=["fast__echo"], pause=PAUSE)


def crowded(options: argparse.Namespace, url: str, quiet: str, greedy: str) -> None:
    crowd: dict[str, Any] = {"url": url, "keys": [greedy], "sessions": 1, "connections": IN_FLIGHT}
    with (
        probe_of(url, quiet) as probe,
        client(**crowd, tools=["slow__sleep"], arguments={"ms": 200}, patient=True) as at_slow,
        client(**crowd, tools=["fast__echo"], patient=True) as at_fast,
        client(**crowd, tools=["fast__echo"]) as impatient,
    ):
        neighbours: dict[str, Client | None] = {
            "alone": None,
            "200 at a slow server": at_slow,
            "200 at the fast server": at_fast,
            "200 that do not wait": impatient,
        }
        found: dict[str, Rows] = {name: [] for name in neighbours}
        theirs: dict[str, dict[str, Any]] = {}
        for _ in range(options.rounds):
            for name, neighbour in neighbours.items():
                if neighbour is not None:
                    neighbour.begin(seconds=options.seconds + 1)
                    time.sleep(0.5)  # until all are under way
                found[name].append(felt(probe, options.seconds))
                if neighbour is not None:
                    theirs[name] = neighbour.figures()
    head("one user beside another")
    for name, rows in found.items():
        report(name, rows, found["alone"], of(theirs[name]) if name in theirs else "")


def faults(options: argparse.Namespace, url: str, quiet: str, greedy: str, port: int) -> None:
    callers: dict[str, Any] = {"url": url, "keys": [greedy], "tools": ["gone__echo"]}
    found: dict[str, Rows] = {}
    notes: dict[str, str] = {}
    with (
        probe_of(url, quiet) as probe,
        client(**callers, sessions=8, pause=0.01) as callers_of_it,
        client(**callers, sessions=1) as knocking,
    ):

        def measure(name: str, *, beside: bool = True) -> None:
            rows = found[name] = []
            for _ in range(options.rounds):
                if beside:
                    callers_of_it.begin(seconds=options.seconds)
                rows.append(felt(probe, options.seconds))
                if beside:
                    notes[name] = of(callers_of_it.figures())

        measure("alone", beside=False)
        measure("8 at one down at boot")
        with http_upstream(port=port):
            notes["8 while it is up"] = f"back after {seconds_until_answered(knocking):.2f} s; "
            before = notes["8 while it is up"]
            measure("8 while it is up")
            notes["8 while it is up"] = before + notes["8 while it is up"]
            callers_of_it.begin(seconds=options.seconds)
            time.sleep(options.seconds / 2)
        callers_of_it.figures()  # it went in the middle of that
        measure("8 after it was killed")
        with http_upstream(port=port):
            notes["8 when it is there again"] = f"back after {seconds_until_answered(knocking):.2f} s; "
            before = notes["8 when it is there again"]
            measure("8 when it is there again")
            notes["8 when it is there again"] = before + notes["8 when it is there again"]
    head("one user beside a server that comes and goes")
    for name, rows in found.items():
        report(name, rows, found["alone"], notes.get(name, ""))


def seconds_until_answered(knocking: Client) -> float:
    begun = time.monotonic()
    while knocking.round(calls=1)["outcomes"] != {"answered": 1}:
        if time.monotonic() > begun + 120:
            raise SystemExit("the server is up, and calls still fail after two minutes")
        time.sleep(0.05)
    return time.monotonic() - begun


def of(figures: dict[str, Any]) -> str:
    """What came of the neighbours' calls."""
    counted = sorted(figures["outcomes"].items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {count / figures['seconds']:.0f}/s" for name, count in counted)


def felt(probe: Client, seconds: float) -> dict[str, Any]:
    """A round of the quiet user."""
    row = probe.round(seconds=seconds)
    if "p50_ms" not in row:
        raise SystemExit(f"none of the quiet user's calls was answered: {row['outcomes']} {row['examples']}")
    return row


def median(rows: Rows, name: str) -> float:
    return statistics.median(row[name] for row in rows)


def head(title: str) -> None:
    print(f"\n{title:34} {'p50 ms':>7} {'p99 ms':>7} {'p50 ×':>6} {'p99 ×':>6}  what the others got")


def report(name: str, rows: Rows, alone: Rows, note: str) -> None:
    p50, p99 = median(rows, "p50_ms"), median(rows, "p99_ms")
    times = p50 / median(alone, "p50_ms"), p99 / median(alone, "p99_ms")
    failed = sum(count for row in rows for kind, count in row["outcomes"].items() if kind != "answered")
    own = f"{failed} of the quiet user's calls failed; " if failed else ""
    print(f"{name:34} {p50:7.2f} {p99:7.2f} {times[0]:6.2f} {times[1]:6.2f}  {own}{note}", flush=True)


if __name__ == "__main__":
    main()
