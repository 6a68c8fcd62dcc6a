"""Three nodes, nginx and one PostgreSQL: ./hub bench nodes [--seconds 60] [--users 12] [--sessions 36]

Users with a secret each call a server that takes 40 ms, over sessions through nginx, and as many sessions listen on
streams. A quarter into it a node is asked to stop (SIGTERM), later another is killed; both come back. Then a user whose
stream is at one node is locked out at another. The bars:

- no call fails because of the node that is asked to stop, and it ends cleanly;
- of the killed node's calls those under way fail, and none that begins later;
- every session goes on, every answer holds the caller's own secret;
- the stream ends within a second of the lock-out;
- each call the server received has one start and one end in the history.
"""

import argparse
import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
from _bars import Bars
from _client import VERSION
from _cluster import primary
from _hub import client, conditions, far, secret_of
from _nodes import Node, balanced, nodes, recording_upstream

TOOL_MS = 40
ROUND = 2.5  # seconds of load at a time; it goes on until both nodes are back
REVOKED_WITHIN = 1.0
IN_FLIGHT_GRACE = 0.25  # seconds after the kill in which a connection may still be handed to the dead node
SWEPT_WITHIN = 150.0  # nodes look once a minute for calls that died with another

ROWS = """
    select request_id::text, count(*) filter (where kind = 3), count(*) filter (where kind = 4)
    from traffic where method = 'tools/call' group by 1
"""


class Follower:
    """A session with its stream, as an IDE keeps one: taken up again whenever it ends."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
        self._http = httpx.AsyncClient(headers=headers, timeout=30, trust_env=False)
        self._url = url
        self.taken_up = 0
        self.listens = asyncio.Event()
        self.refused: list[str] = []
        self.ended_at = 0.0

    async def open(self) -> None:
        params = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "follower", "version": "1"}}
        answer = await self._post("initialize", params)
        answer.raise_for_status()
        self._http.headers.update({"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": VERSION})

    async def _post(self, method: str, params: dict[str, Any]) -> httpx.Response:
        return await self._http.post(self._url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    async def follow(self, *, again: bool = True) -> None:
        while True:
            try:
                async with self._http.stream("GET", self._url, timeout=None) as answer:
                    if answer.status_code != 200:
                        self.refused.append(f"http {answer.status_code}")
                        await asyncio.sleep(0.2)
                    else:
                        self.taken_up += 1
                        self.listens.set()
                        async for _ in answer.aiter_bytes():
                            pass
            except httpx.TransportError as error:
                if self.taken_up == 0:
                    self.refused.append(type(error).__name__)
            self.ended_at = time.monotonic()
            if not again:
                return
            await asyncio.sleep(0.05)

    async def lives(self) -> bool:
        """Does the session still answer under its first id?"""
        return (await self._post("ping", {})).status_code == 200

    async def close(self) -> None:
        await self._http.aclose()


async def locked_out(at: Node, listening: Node) -> float:
    """Seconds from the request to lock a user out at one node to the end of their stream at another."""
    hub, number = at.hub, 9000
    key = await asyncio.to_thread(hub.user, number, [])
    follower = Follower(f"{listening.hub.url}/mcp", key)
    until = time.monotonic() + 5
    while True:
        try:
            await follower.open()
            break
        except httpx.HTTPStatusError:
            if time.monotonic() > until:
                raise SystemExit("the other node never heard of the new key") from None
            await asyncio.sleep(0.05)
    following = asyncio.create_task(follower.follow(again=False))
    await follower.listens.wait()
    people = await asyncio.to_thread(hub.ask, "GET", "/api/admin/users/list")
    (user,) = [one["id"] for one in people if one["username"] == f"bench-{number}"]
    asked = time.monotonic()
    await asyncio.to_thread(hub.ask, "PUT", f"/api/admin/users/{user}/active", {"isActive": False})
    await asyncio.wait_for(following, 10)
    await follower.close()
    return follower.ended_at - asked


async def disturbed(three: list[Node], seconds: float) -> tuple[float, float, int]:
    """(when one was asked to stop, when another was killed, exit code of the first); both are back at the end."""
    first, second, _ = three
    await asyncio.sleep(seconds * 0.2)
    asked = time.perf_counter()
    first.ask_to_stop()
    code = await asyncio.to_thread(first.stopped)
    first.start()
    await asyncio.to_thread(first.ready)
    await asyncio.sleep(max(0.0, asked + seconds * 0.4 - time.perf_counter()))
    killed = time.perf_counter()
    second.kill()
    await asyncio.sleep(seconds * 0.1)
    second.start()
    await asyncio.to_thread(second.ready)
    return asked, killed, code


def history(database: str, noted: Path) -> tuple[int, int]:
    """(calls with one start and one end, others), of those the server received; waits for the sweepers."""
    received = sorted({line for line in noted.read_text().splitlines() if line})
    until = time.monotonic() + SWEPT_WITHIN
    with psycopg.connect(database, autocommit=True) as db:
        while True:
            rows = {_ends(id_): (starts, ends) for id_, starts, ends in db.execute(ROWS)}
            whole = sum(rows.get(_ends_of(line)) == (1, 1) for line in received)
            if whole == len(received) or time.monotonic() > until:
                return whole, len(received) - whole
            time.sleep(1)


def _ends(uuid: str) -> tuple[int, str]:
    """What a readable request id keeps of a row's UUID: its milliseconds and its last twelve digits."""
    digits = uuid.replace("-", "")
    return int(digits[:12], 16), digits[-12:]


def _ends_of(readable: str) -> tuple[int, str]:
    *_, milliseconds, last = readable.split("-")
    return int(milliseconds), last


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--sessions", type=int, default=36)
    options = parser.parse_args()
    bar = Bars()

    with ExitStack() as stack:
        database = stack.enter_context(primary()).make_hub_database()
        three = stack.enter_context(nodes(3, database))
        upstream, noted = stack.enter_context(recording_upstream(three[0].home.parent))
        hub = three[0].hub
        hub.serve({"far": far(upstream)})
        keys = hub.users(options.users, ["far"])
        await asyncio.sleep(1)  # until every node knows them
        url, _ = stack.enter_context(balanced([node.port for node in three]))
        load = stack.enter_context(
            client(
                url=f"{url}/mcp?mode=tools",
                keys=keys,
                secrets=[secret_of(number) for number in range(1, options.users + 1)],
                sessions=options.sessions,
                tools=["far__whoami"],
                arguments={"ms": TOOL_MS},
                pause=0.02,
            )
        )
        followers = [Follower(f"{url}/mcp", keys[number % len(keys)]) for number in range(options.sessions)]
        for follower in followers:
            await follower.open()
        following = [asyncio.create_task(follower.follow()) for follower in followers]
        print(conditions())
        disturbing = asyncio.create_task(disturbed(three, options.seconds))
        rounds: list[dict[str, Any]] = []
        while not disturbing.done() or sum(one["seconds"] for one in rounds) < options.seconds:
            rounds.append(await asyncio.to_thread(load.round, seconds=ROUND))
        asked, killed, code = disturbing.result()
        took = await locked_out(three[0], three[2])
        alive = [await follower.lives() for follower in followers]
        whole, broken = await asyncio.to_thread(history, database, noted)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for follower in followers:
            await follower.close()
        taken_up = sum(follower.taken_up for follower in followers)
        refused = Counter(why for follower in followers for why in follower.refused)

    outcomes: Counter[str] = sum((Counter(one["outcomes"]) for one in rounds), Counter())
    seconds = sum(one["seconds"] for one in rounds)
    print(f"{options.sessions} sessions and as many streams, {seconds:.0f} s, {outcomes.total()} calls,", end=" ")
    print(f"{outcomes.total() / seconds:.0f}/s, worst p99 of {ROUND} s: {max(one['p99_ms'] for one in rounds):.0f} ms")
    print(f"outcomes {dict(outcomes)}, {[one['examples'] for one in rounds if one['examples']] or ''}")
    failed = [one for each in rounds for one in each["failed"]]
    at_kill = [one for one in failed if one[0] <= killed + IN_FLIGHT_GRACE and one[1] >= killed]
    others = [one for one in failed if one not in at_kill]
    elsewhere = [(f"{began - asked:+.2f} s after SIGTERM", kind) for began, _, kind in others]
    bar(code == 0, f"the node asked to stop ended with {code}")
    bar(not elsewhere, f"calls that failed before the kill or began after it: {len(elsewhere)} {elsewhere[:5] or ''}")
    bar(len(at_kill) <= options.sessions, f"calls that failed with the killed node: {len(at_kill)}")
    foreign = sum(one["foreign"] for one in rounds)
    bar(foreign == 0, f"answers with another's secret: {foreign}")
    bar(all(alive), f"sessions that live: {sum(alive)} of {len(alive)}; streams were taken up {taken_up} times")
    bar(not refused, f"streams refused: {dict(refused) or 0}")
    bar(
        took <= REVOKED_WITHIN,
        f"a stream ended {took * 1000:.0f} ms after its user was to be locked out at another node",
    )
    bar(broken == 0, f"calls with one start and one end: {whole}, others: {broken}")
    bar.end()


if __name__ == "__main__":
    asyncio.run(main())
