"""Work under way while something is killed: changes through the API, calls through `/mcp`, and what came of them."""

import asyncio
import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.support.ide import HttpError, Ide, RpcError
from tests.support.rest import Person

UNKNOWN = (httpx.TransportError, HttpError, RpcError, AssertionError)


@dataclass
class Busy:
    """Keeps several writers and callers going until stopped.

    Args:
        caller: calls the tools.
        writer: makes groups; not the caller, who would see only what is in a group.
        mcp: address of the MCP endpoint.
        tools: to call, in turn.
    """

    caller: Person
    writer: Person
    mcp: str
    tools: list[str]
    acknowledged: list[str] = field(default_factory=list)  # ids of groups whose making was answered with 201
    answered: Counter[str] = field(default_factory=Counter)  # calls by tool
    failed: int = 0
    statuses: set[int] = field(default_factory=set)
    refusals: set[str] = field(default_factory=set)  # texts of tool errors and of refused changes, the newest ones
    _names: "itertools.count[int]" = field(default_factory=itertools.count)
    _calls: "itertools.count[int]" = field(default_factory=itertools.count)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.acknowledged)} changes, calls {dict(self.answered)}, {self.failed} failed,"
            f" {self.refusals or 'no'} refusals, statuses {sorted(self.statuses)}"
        )

    def start(self, *, writers: int = 3, callers: int = 4) -> None:
        key = self.caller.key()
        self._tasks = [asyncio.create_task(self._write()) for _ in range(writers)]
        self._tasks += [asyncio.create_task(self._call(key)) for _ in range(callers)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self) -> None:
        who = {"Authorization": self.writer.rest.http.headers["authorization"]}
        async with httpx.AsyncClient(base_url=self.writer.url, headers=who, timeout=5, trust_env=False) as http:
            while True:
                body = {"name": f"group {next(self._names)}", "servers": []}
                try:
                    response = await http.post("/api/user/groups", json=body)
                except httpx.TransportError:
                    self.failed += 1
                    await asyncio.sleep(0.01)
                    continue
                self.statuses.add(response.status_code)
                if response.status_code == 201:
                    self.acknowledged.append(response.json()["data"]["id"])
                else:
                    self.refusals.add(response.text[:300])
                    await asyncio.sleep(0.01)

    async def _call(self, key: str) -> None:
        while True:
            ide = Ide(f"{self.mcp}?mode=tools", key)
            with contextlib.suppress(*UNKNOWN):
                await ide.open()
                while True:
                    number = next(self._calls)
                    tool = self.tools[number % len(self.tools)]
                    try:
                        result = await ide.call(tool, ms=number % 7, nonce=f"n{number}")
                        self.answered[tool] += not result.get("isError")
                        if result.get("isError"):
                            self.refusals.add(str(result["content"])[:300])
                    except UNKNOWN as error:
                        self.failed += 1
                        self.refusals.add(f"{tool}: {error}"[:300])
                        raise
            await ide.close()
            await asyncio.sleep(0.01)
