"""Does it matter how much there is? ./hub bench scale [--users 10,1000,10000] [--servers 10,500] [--rounds 3]

Hubs with few and many users, each with a key and a saved value, and one with few users and many servers; they run
beside each other, and each round measures one after the other: CPU of a call (16 sessions of nine users), p50 and CPU
of a list of 500 tools, the same amid changes that concern nobody else, and CPU of such a change. The list has 500 tools
on every hub: many servers with few tools, or few with many. The first round is not counted: a hub that was just started
opens connections to its servers, and five hundred take a while. The bar: calls and lists within a fifth of the first
hub's.

Users are made by the hub's own commands while it is stopped, see _fill.py; servers by REST.
"""

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from _hub import Client, Hub, client, conditions, far, http_upstream, new_home, running
from _processes import HERE

TOOLS = 500
SESSIONS, CALLS, LISTS, CHANGES = 16, 800, 300, 60  # so many that ten milliseconds of CPU, one tick, are a few percent


class Place:
    """One of the hubs."""

    def __init__(self, name: str, hub: Hub, keys: list[str], servers: int) -> None:
        self.name = name
        self.hub = hub
        self.keys = keys
        self.servers = servers
        self.calls: Client
        self.lists: Client
        self.found: dict[str, list[float]] = {}

    def note(self, name: str, value: float) -> None:
        self.found.setdefault(name, []).append(value)

    def middle(self, name: str) -> float:
        return statistics.median(self.found[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", default="10,1000,10000")
    parser.add_argument("--servers", default="10,500")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the filled homes; another run takes them from there")
    options = parser.parse_args()
    users = [int(number) for number in options.users.split(",")]
    servers = [int(number) for number in options.servers.split(",")]
    pairs = [*((many, servers[0]) for many in users), *((users[0], many) for many in servers[1:])]
    with ExitStack() as stack:
        places = [made(stack, options.keep, *pair) for pair in pairs]
        print(conditions(), flush=True)
        for counted in range(options.rounds + 1):
            for place in places:
                if counted == 1:
                    place.found.clear()
                measure(place)
    report(places)


def made(stack: ExitStack, keep: Path | None, users: int, servers: int) -> Place:
    upstream = stack.enter_context(http_upstream(tools=TOOLS // servers))
    home = keep / f"{users}x{servers}" if keep else stack.enter_context(new_home())
    held = home.with_suffix(".keys")
    names = [f"s{number:03}" for number in range(servers)]
    plain = {"type": "streamable-http", "url": upstream}
    document = {name: plain if number else far(upstream) for number, name in enumerate(names)}
    if not held.exists():
        with running(home) as hub:
            hub.serve(document)
        held.write_text("\n".join(filled(home, names[0], users)))
    keys = held.read_text().split()
    hub = stack.enter_context(running(home))
    hub.serve(document)
    place = Place(f"{users} users, {servers} servers", hub, keys, servers)
    url = f"{hub.url}/mcp?mode=tools"
    place.calls = stack.enter_context(client(url=url, keys=keys[1:], sessions=SESSIONS, tools=[f"{names[0]}__echo"]))
    place.lists = stack.enter_context(client(url=url, keys=keys[:1], sessions=1, tools=["-"], lists=1))
    whole(place)
    return place


def filled(home: Path, server: str, users: int) -> list[str]:
    begun = time.monotonic()
    command = [sys.executable, HERE / "_fill.py", str(home), server, str(users)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE)
    print(f"{users} users made in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return done.stdout.split()


def whole(place: Place) -> None:
    """The first lists are answered without the servers that take longer."""
    until = time.monotonic() + 60
    while (listed := place.lists.round(calls=1)["listed"]) != [TOOLS, TOOLS]:
        if time.monotonic() > until:
            raise SystemExit(f"{place.name}: lists have {listed} tools, not {TOOLS}")


def measure(place: Place) -> None:
    hub = place.hub
    before = hub.cpu()
    calls = good(place.calls.round(calls=CALLS))
    place.note("CPU ms a call", (hub.cpu() - before) * 1000 / calls["calls"])
    before = hub.cpu()
    lists = good(place.lists.round(calls=LISTS))
    place.note("list p50 ms", lists["list_p50_ms"])
    place.note("CPU ms a list", (hub.cpu() - before) * 1000 / lists["calls"])
    before = hub.cpu()
    for number in range(CHANGES):
        hub.change(number)
    place.note("CPU ms a change", (hub.cpu() - before) * 1000 / CHANGES)
    place.lists.begin(calls=LISTS)
    place.calls.begin(calls=CALLS)
    before = hub.cpu()
    for number in range(CHANGES):
        hub.change(number)
    place.note("list p50 ms amid changes", good(place.lists.figures())["list_p50_ms"])
    good(place.calls.figures())
    place.note("CPU s of all that", hub.cpu() - before)


def good(figures: dict[str, Any]) -> dict[str, Any]:
    if figures["outcomes"] != {"answered": figures["calls"]}:
        raise SystemExit(f"{figures['outcomes']} {figures['examples']}")
    return figures


def report(places: list[Place]) -> None:
    names = list(places[0].found)
    print(f"{'':24}" + "".join(f"{name:>26}" for name in names))
    for place in places:
        shown = ""
        for name in names:
            value, first = place.middle(name), places[0].middle(name)
            shown += f"{value:16.3f} {value / first - 1:+8.0%} "
        print(f"{place.name:24}{shown}")


if __name__ == "__main__":
    main()
