"""Search on running hubs: how soon a change is found, what it loads and when, and an endpoint that falls silent.

What was measured is printed (`pytest -s`).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartHub
from tests.support.ide import Ide
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import slower, until

pytestmark = pytest.mark.slow

LEXICAL_SECONDS, MEANING_SECONDS, SILENT_SECONDS = 1.0, 10.0, 2.0


def tool(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": {"type": "object"}}


async def search(ide: Ide, query: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await ide.text("search_tools", query=query, limit=3))
    return found


async def first_of(ide: Ide, query: str) -> str:
    return str(next((one["id"] for one in (await search(ide, query))["tools"]), ""))


def model_loaded(hub: RunningHub) -> bool:
    """numpy is what every local model is computed with, and nothing else in the hub needs it."""
    return "numpy" in Path(f"/proc/{hub.pid}/maps").read_text()


def vectors_of(hub: RunningHub) -> dict[str, Any]:
    state: dict[str, Any] = hub.admin.rest.get("/api/admin/search")
    return state


def switch(hub: RunningHub, on: bool) -> None:
    settings, _ = hub.admin.settings()
    hub.admin.save_settings({**settings, "systemConfig": {"smartRouting": {"enabled": on}}})


async def test_a_changed_tool_is_found_by_words_in_a_second_and_by_meaning_in_ten_and_no_model_is_loaded_before(
    start_hub: StartHub, upstreams: Upstreams
) -> None:
    hub, server = start_hub(), upstreams.http("desk")
    switch(hub, on=False)
    hub.admin.add_servers({"desk": server.config()})
    async with Ide(f"{hub.mcp}?mode=search", hub.admin.user("early").key()) as ide:
        assert "search_tools" not in await ide.tool_names()
    assert vectors_of(hub)["state"] in ("off", "asleep")
    assert not model_loaded(hub)
    switch(hub, on=True)

    async with Ide(f"{hub.mcp}/$smart", hub.admin.key()) as ide, Ide(server.url, "") as itself:
        assert not model_loaded(hub)  # it is possible to search, but nobody has
        await ide.follow()  # as clients do, so the hub listens at the server
        await search(ide, "echo a text")
        await until(lambda: vectors_of(hub)["state"] == "ready", within=30, what=lambda: str(vectors_of(hub)))
        assert model_loaded(hub)
        before = vectors_of(hub)["tools"]
        said = [tool("invoice", "Sends the customer a bill for what was bought."), tool("other", "Counts birds.")]

        await itself.call("become", tools=said, announced=True)

        changed = time.monotonic()
        while await first_of(ide, "invoice bill") != "desk__invoice":
            assert time.monotonic() - changed < LEXICAL_SECONDS * slower()
        by_words = time.monotonic() - changed

        def every_vector() -> bool:
            state = vectors_of(hub)
            whole: bool = state["vectors"] == state["tools"] != before
            return whole

        await until(every_vector, within=MEANING_SECONDS, what=lambda: str(vectors_of(hub)))
        by_meaning = time.monotonic() - changed
        assert await first_of(ide, "charge a client for their purchase") == "desk__invoice"
        print(f"a changed tool: found by words after {by_words:.2f} s, by meaning after {by_meaning:.2f} s")


@dataclass
class EmbeddingServer:
    """OpenAI's /embeddings of few words; it falls silent: what comes is accepted and never answered."""

    port: int = 0
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                texts = json.loads(await reader.readexactly(size))["input"]
                self.asked += texts
                if self.silent:
                    await asyncio.sleep(3600)
                data = [{"index": at, "embedding": vector(text)} for at, text in enumerate(texts)]
                body = json.dumps({"data": data}).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)
        except asyncio.IncompleteReadError:
            writer.close()


def vector(text: str) -> list[float]:
    return [float(any(word in text.lower() for word in ("echo", "parrot"))), 0.1]


@asynccontextmanager
async def embedding_server() -> AsyncIterator[EmbeddingServer]:
    made = EmbeddingServer()
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()


async def test_an_endpoint_that_falls_silent_costs_less_than_two_seconds_and_the_answer_says_so(
    start_hub: StartHub, upstreams: Upstreams
) -> None:
    async with embedding_server() as embedding:
        hub = await asyncio.to_thread(
            start_hub,
            MCPHUB_EMBEDDING_PROVIDER="openai",
            MCPHUB_EMBEDDING_BASE_URL=f"http://127.0.0.1:{embedding.port}/v1",
            MCPHUB_EMBEDDING_MODEL="few-words",
        )
        server = upstreams.http("birds")
        await asyncio.to_thread(hub.admin.add_servers, {"birds": server.config()})
        key = await asyncio.to_thread(hub.admin.key)
        async with Ide(f"{hub.mcp}/$smart", key) as ide:
            begun = time.monotonic()
            while "degraded" in (found := await search(ide, f"parrot {time.monotonic()}")):
                assert time.monotonic() - begun < 30 * slower(), embedding.asked
            assert found["tools"][0]["id"] == "birds__echo"
            embedding.silent = True
            took = []
            for number in range(3):
                begun = time.monotonic()
                found = await search(ide, f"echo {number}")
                took.append(time.monotonic() - begun)
                assert found["degraded"] is True
                assert found["tools"][0]["id"] == "birds__echo"
            assert max(took) < SILENT_SECONDS * slower()
            assert sorted(took)[1] < 1, "a query behind one that waited in vain waits again"
            print(f"an endpoint that is silent: answers after {', '.join(f'{each:.2f} s' for each in took)}")
