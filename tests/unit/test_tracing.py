"""The hub's part of a trace; what goes over the wire is tried in tests/e2e/test_observability.py."""

import json
import socket
import subprocess
import sys
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mcphub.gateway.envelope import with_trace
from mcphub.settings import SettingsUnusable, read
from mcphub.tracing import Seldom, Tracing, tracing_of

PARENT = f"00-{'a1' * 16}-{'b2' * 8}-01"
HERE = f"00-{'c3' * 16}-{'d4' * 8}-01"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider, exporter, "1")


def begun(tracing, method="tools/call", parent=PARENT, came_in=None):
    return tracing.begins(method, parent, "", time.perf_counter() if came_in is None else came_in)


def test_a_server_that_did_not_answer_ends_its_span_with_the_reason(tracing, exporter):
    trace = begun(tracing)
    trace.goes_out("git", "search")
    trace.ended("TimedOut", "timed_out", "git", "search", {})

    out, request = exporter.get_finished_spans()
    assert (out.name, out.attributes["error.type"], out.status.is_ok) == ("tools/call search", "timed_out", False)
    assert (request.attributes["error.type"], request.status.is_ok) == ("timed_out", False)


def test_a_call_that_was_refused_is_no_failure_of_the_hub(tracing, exporter):
    begun(tracing).ended("Denied", "unknown_tool", "", "whatever", {})

    [request] = exporter.get_finished_spans()
    assert (request.name, request.status.is_unset) == ("tools/call", True)
    assert request.attributes["error.type"] == "unknown_tool"


def test_what_a_client_calls_a_method_or_a_resource_is_in_no_span(tracing, exporter):
    begun(tracing, "secret/method").ended("Failed", "", "git", "x", {})
    begun(tracing, "resources/read").ended("Completed", "", "git", "https://user:password@host/", {})

    assert [span.name for span in exporter.get_finished_spans()] == ["other", "resources/read"]
    assert "password" not in str([span.attributes for span in exporter.get_finished_spans()])


def test_a_wait_has_a_span_when_it_took_a_millisecond(tracing, exporter):
    trace = begun(tracing, came_in=time.perf_counter() - 0.5)
    trace.waited("connect", 10.0, 10.0005)
    trace.waited("turn", 10.0, 10.25)

    queue, turn = exporter.get_finished_spans()
    assert (queue.name, turn.name) == ("queue", "turn")
    assert round((turn.end_time - turn.start_time) / 1e9, 3) == 0.25
    assert queue.end_time - queue.start_time > 0.5e9


@pytest.mark.parametrize("parent", [PARENT.replace("-01", "-03"), PARENT.replace("-01", "-ff")])
def test_flags_nobody_knows_are_not_passed_on(tracing, parent):
    out, _ = begun(tracing, parent=parent).goes_out("git", "search")

    assert out.endswith("-01")


@pytest.mark.parametrize(
    ("params", "after"),
    [
        ({"name": "x"}, None),
        ({"_meta": {"progressToken": 1}}, None),
        ({"text": '"traceparent"'}, None),
        ({"_meta": {"traceparent": PARENT, "tracestate": "a=1", "v/x": 2}}, {"v/x": 2, "traceparent": HERE}),
    ],
)
def test_only_a_trace_that_a_client_named_is_replaced(params, after):
    raw = json.dumps(params).encode()

    replaced = with_trace(raw, HERE, "")

    assert replaced == raw if after is None else json.loads(replaced) == {**params, "_meta": after}


async def test_a_collector_that_takes_nothing_does_not_hold_up_the_end_of_the_hub(monkeypatch):
    monkeypatch.setattr("mcphub.tracing.LAST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5")
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        tracing = tracing_of(read({"OTEL_EXPORTER_OTLP_ENDPOINT": address}), "1")
        begun(tracing).ended("Completed", "", "", "", {})
        began = time.monotonic()

        await tracing.stop()

        assert time.monotonic() - began < 2


def test_a_collector_that_is_away_is_told_once_a_minute(monkeypatch):
    now = iter([100.0, 101.0, 159.0, 161.0])
    monkeypatch.setattr("mcphub.tracing.time.monotonic", lambda: next(now))
    seldom = Seldom()

    assert [seldom.filter(None) for _ in range(4)] == [True, False, False, True]


def test_a_hub_starts_without_what_only_sends_traces_or_writes_metrics():
    late = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
    asked = f"import sys, mcphub.serve; print([name for name in sys.modules if name.startswith({late})])"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert tracing_of(read({}), "1") is None
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/in"}, "https://c/in"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, ""),
    ],
)
def test_opentelemetry_s_own_variables_say_where_traces_go(env, address):
    assert read(env).traces == address


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"MCPHUB_METRICS_ADDR": "0.0.0.0:9464"},
        {"MCPHUB_METRICS_ADDR": "127.0.0.1"},
        {"MCPHUB_METRICS_ADDR": "127.0.0.1:0"},
        {"MCPHUB_METRICS_ADDR": "0.0.0.0:9464", "MCPHUB_METRICS_TOKEN": "short"},
    ],
)
def test_what_cannot_be_sent_or_would_be_open_to_everybody_keeps_the_hub_from_starting(env):
    with pytest.raises(SettingsUnusable):
        read(env)


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("", None),
    ],
)
def test_the_port_of_metrics_is_on_this_machine_unless_another_address_is_named(said, place):
    assert read({"MCPHUB_METRICS_ADDR": said}).metrics_addr == place
