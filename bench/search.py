"""Finding the right tool: ./hub bench search --catalog FILE --queries FILE [--queries FILE …]

Serves every server of a catalogue to a hub, waits until each tool has a vector, and sends the queries through
search_tools as a client does, while other clients call tools. Beside it, in the same run and on the same PostgreSQL,
the same queries by PostgreSQL's own full text search.

CATALOG  {"tools": [{"server", "name", "description", "inputSchema", …}]}
QUERIES  [{"query", "lang", "answers": ["server/tool", …]}]; found at k: one of the answers is among the first k

With --tools N the same queries go to an index of N tools made up of the catalogue's, without a hub: comparing each of
them beside the candidates that are ranked of so many, with the time and size of the index of neighbours.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from _client import Session
from _hub import conditions, new_home, running
from _large_catalog import measure
from _processes import HERE, OTHERS, free_port, process, tree, wait_for

from mcphub.domain.names import reduced, tool_map
from mcphub.postgres.embedded import EmbeddedPostgres

AT = (1, 5, 10)
FULL_TEXT = """
    select server || '/' || name
    from plain, (select string_agg(quote_literal(word), ' | ')::tsquery as words
                 from unnest(tsvector_to_array(to_tsvector('english', %s))) as word) as asked
    where document @@ words order by ts_rank(document, words) desc, server, name limit 10
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--queries", type=Path, action="append", required=True)
    parser.add_argument("--servers", default="", help="only these, by comma")
    parser.add_argument("--provider", default="builtin", help="MCPHUB_EMBEDDING_PROVIDER")
    parser.add_argument("--calls", type=float, default=50, help="tool calls a second meanwhile")
    parser.add_argument("--rounds", type=int, default=3, help="how often each query is sent, for the times")
    parser.add_argument("--tools", type=int, default=0, help="among so many made-up ones, without a hub")
    parser.add_argument("--misses", action="store_true", help="print the queries without an answer among the first 5")
    options = parser.parse_args()
    tools = json.loads(options.catalog.read_text())["tools"]
    if options.servers:
        tools = [tool for tool in tools if tool["server"] in options.servers.split(",")]
    if options.tools:
        print(conditions())
        wanted = [query for path in options.queries for query in json.loads(path.read_text())]
        measure(tools, wanted, options.tools)
        return
    by_server: dict[str, list[str]] = defaultdict(list)
    for tool in tools:
        by_server[tool["server"]].append(tool["name"])
    ids = {
        id: f"{server}/{name}"
        for server, names in by_server.items()
        for id, name in tool_map(reduced(server), names).items()
    }
    queries = [query | {"file": path.stem} for path in options.queries for query in json.loads(path.read_text())]
    queries = [query for query in queries if set(query["answers"]) & set(ids.values())]
    with ExitStack() as stack:
        port, home = free_port(), stack.enter_context(new_home())
        catalog = home.parent / f"{home.name}.json"
        catalog.write_text(json.dumps({"tools": tools}))
        stack.callback(catalog.unlink)
        stack.enter_context(
            process(sys.executable, HERE / "_catalog_upstream.py", str(port), str(catalog), cores=OTHERS)
        )
        wait_for(port)
        hub = stack.enter_context(running(home, MCPHUB_EMBEDDING_PROVIDER=options.provider))
        idle = memory(hub.pid)
        hub.serve({name: {"type": "streamable-http", "url": f"http://127.0.0.1:{port}/{name}"} for name in by_server})
        key = hub.users(1, [])[0]
        listed, first = asyncio.run(connected(hub.url, key))
        print(conditions())
        print(f"{len(tools)} tools of {len(by_server)} servers; at connect a client is sent {listed} bytes of tools")
        before = memory(hub.pid)
        began = time.monotonic()
        waited = asyncio.run(indexed(hub.url, key, began))
        print(f"a list of all: {first:.1f} s; then by words at once, and with every vector after {waited:.1f} s")
        print(
            f"memory (PSS, whole tree): {idle:.0f} MB idle, {before:.0f} MB listed, {memory(hub.pid):.0f} MB searching"
        )
        found, times = asyncio.run(asked(hub.url, key, queries, options, ids))
        print(f"memory (PSS, whole tree): {memory(hub.pid):.0f} MB after {len(times)} searches")
        plain = by_full_text(home, tools, queries)
    times.sort()
    print(
        f"search_tools while {options.calls:g} calls/s go on: p50 {statistics.median(times) * 1000:.1f} ms,"
        f" p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms, max {times[-1] * 1000:.1f} ms (n = {len(times)})"
    )
    print("\n| queries | n | search_tools @1 | @5 | @10 | full text @1 | @5 | @10 |\n|---|---|---|---|---|---|---|---|")
    for kind in sorted({(query["file"], query["lang"]) for query in queries}):
        chosen = [number for number, query in enumerate(queries) if (query["file"], query["lang"]) == kind]
        cells = [
            f"{sum(each[number] <= at for number in chosen)} ({share(each, chosen, at):.3f})"
            for each in (found, plain)
            for at in AT
        ]
        print(f"| {kind[0]}, {kind[1]} | {len(chosen)} | {' | '.join(cells)} |")
    if options.misses:
        for query, place in zip(queries, found, strict=True):
            if place > 5:
                print(f"{place:3} {query['lang']} {query['query']!r} {query['answers']}")


def share(places: list[int], chosen: list[int], at: int) -> float:
    return sum(places[number] <= at for number in chosen) / len(chosen)


def memory(root: int) -> float:
    """MB of the whole tree, shared pages divided among who shares them."""
    total = 0
    for pid in tree(root):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


async def connected(url: str, key: str) -> tuple[int, float]:
    """(bytes of the list a client gets, seconds of a list of everything)"""
    began = time.monotonic()
    whole = Session(f"{url}/mcp?mode=tools", key)
    await whole.open()
    await whole.request("tools/list", {})
    took = time.monotonic() - began
    searching = Session(f"{url}/mcp/$smart", key)
    await searching.open()
    _, listed, _ = await searching.request("tools/list", {})
    for session in (whole, searching):
        session.close()
    return len(json.dumps(listed["tools"])), took


async def search(session: Session, query: str, limit: int = 10) -> dict[str, Any]:
    text, _ = await session.text("search_tools", {"query": query, "limit": limit})
    answer: dict[str, Any] = json.loads(text)
    return answer


async def indexed(url: str, key: str, began: float) -> float:
    """Seconds until answers go by meaning as well."""
    session = Session(f"{url}/mcp/$smart", key)
    await session.open()
    while (await search(session, "create an issue")).get("degraded"):
        if time.monotonic() - began > 600:
            raise SystemExit("no vectors within ten minutes")
        await asyncio.sleep(0.2)
    session.close()
    return time.monotonic() - began


async def asked(
    url: str, key: str, queries: list[dict[str, Any]], options: argparse.Namespace, ids: dict[str, str]
) -> tuple[list[int], list[float]]:
    """(place of the first right answer of each query, seconds of each search)"""
    session = Session(f"{url}/mcp/$smart", key)
    await session.open()
    others = asyncio.create_task(calls(url, key, options.calls, next(iter(ids))))
    places, times = [], []
    for number in range(options.rounds):
        for query in queries:
            # Not the same text twice: vectors of queries are kept.
            text = query["query"] + " " * number
            began = time.perf_counter()
            answer = await search(session, text)
            times.append(time.perf_counter() - began)
            if number == 0:
                right = [at for at, tool in enumerate(answer["tools"], 1) if ids[tool["id"]] in query["answers"]]
                places.append(right[0] if right else 99)
    others.cancel()
    session.close()
    return places, times


async def calls(url: str, key: str, a_second: float, tool: str) -> None:
    if not a_second:
        return
    session = Session(f"{url}/mcp?mode=tools", key)
    await session.open()
    while True:
        await session.text(tool, {})
        await asyncio.sleep(1 / a_second)


def by_full_text(home: Path, tools: list[dict[str, Any]], queries: list[dict[str, Any]]) -> list[int]:
    """The same by PostgreSQL: English, any of the words, names weighing more than descriptions."""
    places = []
    with psycopg.connect(EmbeddedPostgres.reach(home).dsn("mcphub_owner"), autocommit=True) as db:
        db.execute("create temp table plain (server text, name text, document tsvector)")
        with db.cursor() as cursor:
            cursor.executemany(
                "insert into plain values (%(server)s, %(name)s, setweight(to_tsvector('english',"
                " regexp_replace(%(server)s || ' ' || %(name)s, '[_./-]', ' ', 'g')), 'A')"
                " || setweight(to_tsvector('english', %(description)s), 'C'))",
                [{"description": ""} | {name: tool[name] for name in tool if name != "inputSchema"} for tool in tools],
            )
        for query in queries:
            rows = db.execute(FULL_TEXT, (query["query"],)).fetchall()
            right = [at for at, (found,) in enumerate(rows, 1) if found in query["answers"]]
            places.append(right[0] if right else 99)
    return places


if __name__ == "__main__":
    main()
