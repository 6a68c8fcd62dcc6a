"""The client of a bench: sessions that do the same work at once, every answer checked, every outcome counted.

python _load.py PLAN, the plan as JSON:

    url, keys        session i takes key i, round and round
    sessions         how many
    connections      of each session; each is one request after the other, so this many are in flight (default 1)
    tools            names, used in turn; [] takes whatever ends in `echo`
    arguments        of a call, beside `text`
    secrets          what belongs to each key; then calls are `whoami`, and a foreign one in an answer is counted
    lists            every how-manieth request is a tools/list instead (default: none, 1: all)
    progress         calls ask for progress
    pause            seconds between two requests of a connection
    patient          wait as long as a 429 asks to

It prints a JSON line when all sessions are open and warm. Each line on stdin, {"seconds": …} or {"calls": … in all},
is a round of work, after which a line with its figures is printed. It closes with its input.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from typing import Any

import uvloop
from _client import Failed, Session

WARM = 3
OPENING = 16  # sessions at once
GIVEN_UP = 10.0  # seconds a request may take
MOST_NOTED = 10_000  # failures of a round with their times


class Round:
    """What came of one round."""

    def __init__(self, orders: dict[str, Any], lines: int) -> None:
        self.until = time.perf_counter() + orders.get("seconds", 3600)
        self.left = orders.get("calls", 1 << 60) // lines  # of each connection
        self.calls: list[float] = []
        self.lists: list[float] = []
        self.listed: list[int] = []  # how long each was
        self.outcomes: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.foreign = 0
        self.failed: list[tuple[float, float, str]] = []  # begun, ended, kind; on this machine's monotonic clock
        self.begun = time.perf_counter()

    def figures(self) -> dict[str, Any]:
        seconds = time.perf_counter() - self.begun
        done = len(self.calls) + len(self.lists)
        return {
            "calls": done,
            "seconds": seconds,
            "per_second": done / seconds,
            **quantiles("", self.calls or self.lists),
            **quantiles("list_", self.lists),
            "outcomes": dict(self.outcomes),
            "examples": self.examples,
            "foreign": self.foreign,
            "failed": self.failed,
            "listed": [min(self.listed, default=0), max(self.listed, default=0)],
        }


def quantiles(prefix: str, took: list[float]) -> dict[str, float]:
    took.sort()
    if not took:
        return {}
    names = (("p50_ms", 0.5), ("p99_ms", 0.99))
    return {prefix + name: took[min(len(took) - 1, int(len(took) * part))] * 1000 for name, part in names}


class Crowd:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.lines = plan.get("connections", 1)
        self.secrets = plan.get("secrets") or []
        self.sessions = [
            Session(plan["url"], plan["keys"][number % len(plan["keys"])]) for number in range(plan["sessions"])
        ]
        self.tools: list[str] = plan.get("tools") or []

    async def open(self) -> None:
        gate = asyncio.Semaphore(OPENING)

        async def one(number: int, session: Session) -> None:
            async with gate:
                await session.open(self.lines)
                if not self.tools:
                    listed = await session.tools()
                    wanted = "whoami" if self.secrets else "echo"
                    self.tools = [next(name for name in listed if name.endswith(wanted))]
                blank = Round({"calls": WARM}, 1)
                await self.work(number, session, 0, blank)

        await asyncio.gather(*(one(number, session) for number, session in enumerate(self.sessions)))

    async def round(self, orders: dict[str, Any]) -> dict[str, Any]:
        made = Round(orders, len(self.sessions) * self.lines)
        await asyncio.gather(
            *(
                self.work(number, session, line, made)
                for number, session in enumerate(self.sessions)
                for line in range(self.lines)
            )
        )
        return made.figures()

    async def work(self, number: int, session: Session, line: int, made: Round) -> None:
        pause, lists = self.plan.get("pause", 0), self.plan.get("lists", 0)
        for count in itertools.count(number + line):
            if made.left <= count - number - line or time.perf_counter() > made.until:
                return
            begun = time.perf_counter()
            try:
                async with asyncio.timeout(GIVEN_UP):
                    if lists and count % lists == 0:
                        made.listed.append(len(await session.tools(line)))
                        made.lists.append(time.perf_counter() - begun)
                    else:
                        await self.call(number, session, line, count, made)
                        made.calls.append(time.perf_counter() - begun)
                made.outcomes["answered"] += 1
            except TimeoutError:
                made.outcomes["timeout"] += 1
                made.failed.append((begun, time.perf_counter(), "timeout"))
                session.connections[line].close()
            except Failed as failed:
                made.outcomes[failed.kind] += 1
                if len(made.failed) < MOST_NOTED:
                    made.failed.append((begun, time.perf_counter(), failed.kind))
                made.examples.setdefault(failed.kind, str(failed))
                if self.plan.get("patient") and failed.retry_after:
                    await asyncio.sleep(failed.retry_after)
            if pause:
                await asyncio.sleep(pause)

    async def call(self, number: int, session: Session, line: int, count: int, made: Round) -> None:
        nonce = f"{number}-{line}-{count}"
        tool = self.tools[count % len(self.tools)]
        arguments = {**self.plan.get("arguments", {}), "text": nonce}
        text, told = await session.text(tool, arguments, progress=self.plan.get("progress", False), line=line)
        if not self.secrets:
            if not tool.endswith("blob") and text != nonce:
                raise Failed("another's answer", f"asked with {nonce}, answered {text[:100]}")
            return
        own = self.secrets[number % len(self.secrets)]
        if text != f"{own} {nonce}" or any(message != own for message in told):
            made.foreign += 1
            raise Failed("another's answer", f"{own} {nonce}: {text} {told}")
        if self.plan.get("progress") and len(told) != 2:
            raise Failed("progress lost", str(told))


async def main(plan: dict[str, Any]) -> None:
    crowd = Crowd(plan)
    await crowd.open()
    print(json.dumps({"open": len(crowd.sessions)}), flush=True)
    while orders := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await crowd.round(json.loads(orders))), flush=True)
    for session in crowd.sessions:
        session.close()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
