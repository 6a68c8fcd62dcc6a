"""A replica gives the history of calls, falls behind, comes back and dies: ./hub bench replica [--most 4]

Two servers, the second a standby of the first; a hub that reads the history from it. The replay of the standby is
held back and let go again, as a long question or a slow disk does it. The bars:

- while it is not too far behind, the history is read there;
- held back for longer than that, health says so, and a call that ended since is in the history: the primary is asked;
- let go, health says that it follows;
- killed, health says that it is away, and the primary is asked.
"""

import argparse
import time
from contextlib import ExitStack
from typing import Any

import psycopg
from _bars import Bars
from _cluster import Server
from _hub import conditions
from _nodes import Node, nodes
from failover import pair

WITHIN = 20.0
CALLS = "select count(*) from traffic where kind = 4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=4, help="seconds the replica may be behind")
    options = parser.parse_args()
    bar = Bars()

    with ExitStack() as stack:
        first, second = pair(stack)
        more = {
            "MCPHUB_DATABASE_REPLICA_URL": second.dsn("mcphub", "mcphub"),
            "MCPHUB_DATABASE_REPLICA_LAG": str(options.most),
        }
        (node,) = stack.enter_context(nodes(1, first.dsn("mcphub", "mcphub"), **more))
        (key,) = node.hub.users(1, [])
        print(conditions())
        bar(until(node, "follows"), f"a replica that follows: {found(node)}")
        one_call(node, key, first)

        with psycopg.connect(second.dsn(), autocommit=True) as db:
            db.execute("select pg_wal_replay_pause()")
        began = time.monotonic()
        here = one_call(node, key, first)
        shown, there = history(node), rows(second)
        bar(there == shown < here, f"not yet too far behind, it is asked: calls {here}, there {there}, shown {shown}")
        bar(until(node, "behind"), f"held back for {time.monotonic() - began:.1f} s: {found(node)}")
        here, there, shown = one_call(node, key, first), rows(second), history(node)
        bar(there < here == shown, f"the primary is asked: calls {here}, there {there}, shown {shown}")

        with psycopg.connect(second.dsn(), autocommit=True) as db:
            db.execute("select pg_wal_replay_resume()")
        began = time.monotonic()
        bar(until(node, "follows"), f"let go, it follows after {time.monotonic() - began:.1f} s: {found(node)}")
        second.kill()
        began = time.monotonic()
        bar(until(node, "away"), f"killed, it is found to be away after {time.monotonic() - began:.1f} s")
        shown, here = history(node), rows(first)
        bar(here == shown, f"the primary is asked: calls {here}, shown {shown}")
    bar.end()


def found(node: Node) -> dict[str, Any]:
    """What health says of the replica."""
    checks = {check["name"]: check for check in node.hub.ask("GET", "/api/admin/health")["checks"]}
    return {name: checks["replica"][name] for name in ("status", "code", "values")}


def until(node: Node, code: str) -> bool:
    end = time.monotonic() + WITHIN
    while found(node)["code"] != code:
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def one_call(node: Node, key: str, primary: Server) -> int:
    """A request of a client; returns how many calls the primary knows when it knows this one."""
    before, end = rows(primary), time.monotonic() + WITHIN
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
    node.hub.http.post("/mcp", json=message, headers=headers).raise_for_status()
    while (now := rows(primary)) == before and time.monotonic() < end:
        time.sleep(0.05)
    return now


def rows(server: Server) -> int:
    with psycopg.connect(server.dsn("mcphub", "mcphub"), autocommit=True) as db:
        row = db.execute(CALLS).fetchone()
    assert row is not None
    return int(row[0])


def history(node: Node) -> int:
    """Calls as the hub shows them to an administrator."""
    return len(node.hub.ask("GET", "/api/requests?all=true&limit=100"))


if __name__ == "__main__":
    main()
