"""The primary PostgreSQL dies under load: ./hub bench failover [--seconds 8]

Two servers, the second a synchronous standby of the first; a hub that knows both (`target_session_attrs=read-write`),
with calls and changes going on. The primary is killed with all its processes and the standby promoted, as a manager of
the cluster would do it. The bars:

- every change that was acknowledged is in the ledger of the new primary, at its position;
- the hub, never started again, takes changes and calls again; how long after the promotion is told;
- the chain of the ledger holds;
- each call the server received has one start and one end in the history.
"""

import argparse
import secrets
import threading
import time
from contextlib import ExitStack

import httpx
import psycopg
from _bars import Bars
from _cluster import HOST, Server, folder
from _hub import Hub, client, conditions, far, secret_of
from _nodes import nodes, recording_upstream
from nodes import history

from mcphub.postgres.ledger import verify

SYNCHRONOUS = {"synchronous_standby_names": "standby", "synchronous_commit": "on", "wal_keep_size": "64MB"}
PROMOTED_AFTER = 4.0  # seconds: whoever looks after the cluster takes its time as well
AGAIN_WITHIN = 15.0


class Changes:
    """Facts one after the other, each remembered with its position once it is acknowledged."""

    def __init__(self, hub: Hub) -> None:
        self.acknowledged: list[tuple[int, float]] = []  # position, when
        self.refused = 0
        self._hub = hub
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(0.01):
            number += 1
            try:
                answer = self._hub.http.patch(
                    "/api/user/me", json={"theme": ("dark", "light")[number % 2]}, headers=self._hub.admin, timeout=10
                )
            except httpx.TransportError:
                self.refused += 1
                continue
            if answer.status_code in (200, 202):
                self.acknowledged.append((int(answer.headers["x-mcphub-position"]), time.monotonic()))
            else:
                self.refused += 1
                time.sleep(0.1)


def pair(stack: ExitStack) -> tuple[Server, Server]:
    """A primary that acknowledges nothing before its standby has it, and that standby."""
    home = stack.enter_context(folder())
    password = secrets.token_hex(16)
    first, second = Server(home, "primary", password), Server(home, "standby", password)
    for server in (first, second):
        stack.callback(server.kill)
    first.initialise()
    first.start()
    first.make_hub_database()
    second.follow(first)
    second.start()
    first.stop()
    first.start(SYNCHRONOUS)
    with psycopg.connect(first.dsn(), autocommit=True) as db:
        until = time.monotonic() + 30
        while db.execute("select sync_state from pg_stat_replication").fetchone() != ("sync",):
            if time.monotonic() > until:
                raise SystemExit("the standby does not follow")
            time.sleep(0.1)
    return first, second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of load before the kill, and after it")
    options = parser.parse_args()
    bar = Bars()

    with ExitStack() as stack:
        first, second = pair(stack)
        both = f"{HOST}:{first.port},{HOST}:{second.port}"
        url = f"postgresql://mcphub:{first.password}@{both}/mcphub?target_session_attrs=read-write"
        (node,) = stack.enter_context(nodes(1, url))
        upstream, noted = stack.enter_context(recording_upstream(node.home.parent))
        node.hub.serve({"far": far(upstream)})
        keys = node.hub.users(4, ["far"])
        load = stack.enter_context(
            client(
                url=f"{node.hub.url}/mcp?mode=tools",
                keys=keys,
                secrets=[secret_of(number) for number in range(1, 5)],
                sessions=8,
                tools=["far__whoami"],
                arguments={"ms": 20},
                pause=0.02,
            )
        )
        print(conditions())
        pid = node.hub.pid
        changes = Changes(node.hub)
        stack.callback(changes.end)
        changes.begin()
        load.begin(seconds=options.seconds)
        before = load.figures()
        load.begin(seconds=options.seconds + AGAIN_WITHIN)
        time.sleep(1)
        first.kill()
        time.sleep(PROMOTED_AFTER)
        promoting = time.monotonic()
        second.promote()
        during = load.figures()
        load.begin(seconds=options.seconds)
        after = load.figures()
        changes.end()
        # Not since the kill: an append of before it is answered up to a second later.
        again = [when for _, when in changes.acknowledged if when > promoting]
        with psycopg.connect(second.dsn("mcphub", "mcphub"), autocommit=True) as db:
            there = {position for (position,) in db.execute("select position from ledger")}
            checked = verify(db)
        whole, broken = history(second.dsn("mcphub", "mcphub"), noted)
        alive = node.process is not None and node.process.poll() is None and node.process.pid == pid

    lost = [position for position, _ in changes.acknowledged if position not in there]
    print(f"changes acknowledged {len(changes.acknowledged)}, refused {changes.refused};", end=" ")
    print(f"calls before {before['outcomes']}, during {during['outcomes']}, after {after['outcomes']}")
    bar(not lost, f"acknowledged changes that are not in the new primary: {len(lost)}")
    took = again[0] - promoting if again else None
    bar(
        took is not None and took <= AGAIN_WITHIN,
        f"the first change {took or 0:.1f} s after the promotion was asked for",
    )
    bar(alive, "the hub was not started again")
    bar(set(after["outcomes"]) == {"answered"}, f"calls after it: {after['outcomes']}")
    bar(checked.broken_at is None, f"the chain holds over {checked.events} events")
    bar(broken == 0, f"calls with one start and one end: {whole}, others: {broken}")
    bar.end()


if __name__ == "__main__":
    main()
