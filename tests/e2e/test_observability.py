"""What those who watch a hub get to see: its metrics at an address of their own, and one trace of each call."""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.ide import Ide, frames_of
from tests.support.otlp import Collector, Span
from tests.support.recorder import Received, Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub, free_port
from tests.support.short_form import in_short_form
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

STATE = "vendor=1"
NEWEST = "2026-07-28"
RESERVED = "io.modelcontextprotocol/"
KINDS = ["stdio", "streamable-http", "sse", "newest", "openapi"]
COLLECTORS_KEY = "key-of-the-collector"  # scan:allow
CANARY = "canary-in-the-arguments"


@dataclass
class Watched:
    """A hub that is watched, with one server of each kind and somebody who calls them."""

    hub: RunningHub
    metrics: str
    collector: Collector
    names: dict[str, str]
    person: Person
    recorder: Recorder

    async def call(self, kind: str, *, meta: Any = None, **headers: str) -> Received:
        """What the server received."""
        name, begun = self.names[kind], self.recorder.mark()
        params: dict[str, Any] = {"name": f"{name}__whoami", "arguments": {"nonce": CANARY}}
        if meta is not None:
            params["_meta"] = meta
        async with Ide(f"{self.hub.mcp}?mode=tools", self.person.key()) as ide:
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            [answer] = frames_of(await ide.post(message, **headers))
        assert not answer["result"].get("isError"), answer
        [call] = self.recorder.calls(name, since=begun)
        return call

    async def spans(self, trace: str) -> dict[str, Span]:
        """Of a trace, by kind and, of the internal ones, by name; waits for the one that ends last."""
        await until(
            lambda: any(span.kind == "server" for span in self.collector.of(trace)), within=20, what="the trace"
        )
        return {span.name if span.kind == "internal" else span.kind: span for span in self.collector.of(trace)}


@pytest.fixture(scope="module")
def watched(
    make_home: Callable[[], Path],
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: Upstreams,
    recorder: Recorder,
) -> Iterator[Watched]:
    collector, port = Collector(), free_port()
    env = {
        "MCPHUB_METRICS_ADDR": f"127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={COLLECTORS_KEY}",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    hub = RunningHub(make_home(), tmp_path_factory.mktemp("watched"), env=env)
    try:
        hub.start()
        names = {kind: f"watched-{number}" for number, kind in enumerate(KINDS)}
        hub.admin.add_servers(
            {
                names["stdio"]: upstreams.stdio(names["stdio"]),
                names["streamable-http"]: upstreams.http(names["streamable-http"]).config(
                    headers={"Authorization": "Bearer ${USER_WATCHED_TOKEN}"}
                ),
                names["sse"]: upstreams.sse(names["sse"]).config(),
                names["newest"]: upstreams.newest(names["newest"]).config(),
                names["openapi"]: upstreams.rest(names["openapi"]).config(),
            }
        )
        person = hub.admin.user("watched")
        person.save(names["streamable-http"], USER_WATCHED_TOKEN="value-of-a-user")
        yield Watched(hub, f"http://127.0.0.1:{port}/metrics", collector, names, person, recorder)
    finally:
        hub.end()
        collector.close()


def parent_of(received: Received) -> tuple[str, str, str]:
    """(trace, span, flags) that a server was told."""
    _, trace, span, flags = (received.meta.get("traceparent") or received.facts["traceparent"]).split("-")
    return trace, span, flags


@pytest.mark.parametrize("sent_in", in_short_form(["header", "_meta"], 1))
@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_is_one_trace_from_the_client_through_the_hub_to_the_server(
    watched: Watched, kind: str, sent_in: str
) -> None:
    trace, above = secrets.token_hex(16), secrets.token_hex(8)
    said = {"traceparent": f"00-{trace}-{above}-01", "tracestate": STATE}

    if sent_in == "header":
        received = await watched.call(kind, **said)
    else:
        received = await watched.call(kind, meta={**said, "vendor/own": 1})

    spans = await watched.spans(trace)
    request, out = spans["server"], spans["client"]
    assert (request.parent, request.name) == (above, "tools/call whoami")
    assert out.parent == request.id
    assert parent_of(received) == (trace, out.id, "01")
    assert (received.meta.get("tracestate") or received.facts["tracestate"]) == STATE
    assert received.facts.get("traceparent", f"00-{trace}-{out.id}-01") == f"00-{trace}-{out.id}-01"
    assert all(span.parent == request.id for name, span in spans.items() if name in ("queue", "turn", "connect"))
    assert request.begin <= out.begin <= out.end <= request.end
    assert out.said["mcphub.server"] == watched.names[kind]
    assert (request.said["mcphub.outcome"], request.failed) == ("Completed", False)


@pytest.mark.parametrize("method", ["initialize", "server/discover"])
async def test_the_beginning_of_a_conversation_is_a_trace_with_the_wait_for_the_server(
    watched: Watched, method: str
) -> None:
    trace, above = secrets.token_hex(16), secrets.token_hex(8)
    name = watched.names["stdio"]
    await asyncio.to_thread(watched.hub.admin.rest.post, f"/api/servers/{name}/reload")
    ide = Ide(f"{watched.hub.mcp}/{name}", watched.person.key())
    params: dict[str, Any] = {"protocolVersion": "2025-11-25", "capabilities": {}}
    headers = {"traceparent": f"00-{trace}-{above}-01"}
    if method == "server/discover":
        meta = {RESERVED + "protocolVersion": NEWEST, RESERVED + "clientCapabilities": {}}
        params, headers = {"_meta": meta}, {**headers, "MCP-Protocol-Version": NEWEST, "Mcp-Method": method}

    answer = await ide.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, **headers)
    await ide.close()

    assert "result" in answer.json()
    spans = await watched.spans(trace)
    request = spans["server"]
    assert (request.parent, request.name, request.said["mcphub.outcome"]) == (above, method, "Completed")
    assert request.said["mcphub.server"] == name
    assert method != "initialize" or spans["connect"].parent == request.id


async def test_opening_a_server_is_seen_in_the_trace_of_who_waited_for_it(watched: Watched) -> None:
    trace = secrets.token_hex(16)
    name = watched.names["stdio"]
    await asyncio.to_thread(watched.hub.admin.rest.post, f"/api/servers/{name}/reload")

    await watched.call("stdio", traceparent=f"00-{trace}-{'b2' * 8}-01")

    spans = await watched.spans(trace)
    assert spans["connect"].parent == spans["server"].id
    assert spans["connect"].end <= spans["client"].begin + 1_000_000


async def test_a_trace_that_nobody_began_begins_at_the_hub_and_its_number_is_in_the_log(watched: Watched) -> None:
    received = await watched.call("streamable-http")

    trace, span, _ = parent_of(received)
    spans = await watched.spans(trace)
    assert (spans["server"].parent, spans["client"].id) == ("", span)
    assert spans["server"].service["service.name"] == "mcphub"
    assert spans["server"].service["deployment.environment"] == "test"
    lines = [json.loads(line) for line in watched.hub.err.read_text().splitlines() if trace in line]
    [line] = [line for line in lines if line["event"] == "mcp_request"]
    assert line["trace_id"] == trace
    assert line["request_id"] == spans["server"].said["mcphub.request.id"]


async def test_a_trace_that_is_not_sampled_goes_on_and_is_not_sent(watched: Watched) -> None:
    trace, after = secrets.token_hex(16), secrets.token_hex(16)

    received = await watched.call("streamable-http", traceparent=f"00-{trace}-{'b2' * 8}-00")
    await watched.call("streamable-http", traceparent=f"00-{after}-{'b2' * 8}-01")

    assert (parent_of(received)[0], parent_of(received)[2]) == (trace, "00")
    await watched.spans(after)
    assert watched.collector.of(trace) == []


async def test_a_call_that_fails_says_why_in_a_code_and_names_no_tool_that_is_none(watched: Watched) -> None:
    trace = secrets.token_hex(16)
    params = {"name": "ghp_0123456789abcdefghij", "arguments": {}}  # scan:allow
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}

    async with Ide(f"{watched.hub.mcp}?mode=tools", watched.person.key()) as ide:
        await ide.post(message, traceparent=f"00-{trace}-{'b2' * 8}-01")

    request = (await watched.spans(trace))["server"]
    assert request.name == "tools/call"
    assert (request.said["error.type"], request.said["mcphub.outcome"]) == ("unknown_tool", "Denied")


async def test_nothing_of_a_call_but_ids_names_and_codes_is_sent(watched: Watched) -> None:
    trace = secrets.token_hex(16)

    await watched.call("streamable-http", traceparent=f"00-{trace}-{'b2' * 8}-01")
    await watched.spans(trace)

    sent = b"".join(watched.collector.bodies)
    assert watched.collector.headers[-1]["x-key"] == COLLECTORS_KEY
    for secret in (CANARY, "value-of-a-user", watched.person.key(), COLLECTORS_KEY):
        assert secret.encode() not in sent
    assert COLLECTORS_KEY not in watched.hub.err.read_text()


async def test_calls_are_counted_by_server_and_class_where_a_scraper_reads_them(watched: Watched) -> None:
    def counted() -> dict[Any, float]:
        text = httpx.get(watched.metrics, trust_env=False).text
        families = text_string_to_metric_families(text)
        return {(one.name, *sorted(one.labels.items())): one.value for family in families for one in family.samples}

    name = watched.names["streamable-http"]
    calls = ("mcphub_requests_total", ("kind", "call"), ("outcome", "completed"), ("server", name))
    times = ("mcphub_upstream_duration_seconds_count", ("kind", "call"), ("server", name))
    added = ("mcphub_request_added_seconds_count", ("kind", "call"))
    before = await asyncio.to_thread(counted)

    await watched.call("streamable-http")
    await watched.call("streamable-http")

    after = await asyncio.to_thread(counted)
    assert [after[metric] - before.get(metric, 0) for metric in (calls, times, added)] == [2, 2, 2]
    assert after["mcphub_upstream_connect_seconds_count", ("outcome", "opened"), ("server", name)] >= 1
    assert after["mcphub_authentication_seconds_count", ("outcome", "accepted")] >= 2
    assert after["mcphub_fact_visible_seconds_count", ("to", "read_tables")] > 0
