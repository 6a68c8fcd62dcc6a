"""What `mcphub doctor` finds of those who watch: a scraper's port, and where traces go."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mcphub.doctor import Finding, _metrics, _traces
from mcphub.settings import read
from tests.support.otlp import Collector
from tests.support.running import free_port

PASSWORD = "canary-password"


def found(home: Path, look, **env: str) -> Finding:
    [finding] = look(read(env, home=home))
    return finding


@pytest.fixture
def refusing() -> Iterator[int]:
    """The port of something that answers 401."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_without_a_word_of_it_both_are_well_and_say_what_to_set(tmp_path: Path) -> None:
    assert "MCPHUB_METRICS_ADDR" in found(tmp_path, _metrics).found
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in found(tmp_path, _traces).found


def test_a_collector_that_takes_traces_is_well_and_one_that_is_away_is_an_error(tmp_path: Path) -> None:
    collector = Collector()
    taken = found(tmp_path, _traces, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    collector.close()
    away = found(tmp_path, _traces, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://u:{PASSWORD}@127.0.0.1:{free_port()}")

    assert (taken.level, collector.spans) == ("ok", [])
    assert (away.level, "ConnectError" in away.found) == ("error", True)
    assert PASSWORD not in str(away)


def test_a_collector_that_knows_nobody_points_at_the_headers(tmp_path: Path, refusing: int) -> None:
    finding = found(tmp_path, _traces, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{refusing}")

    assert (finding.level, "OTEL_EXPORTER_OTLP_HEADERS" in finding.remedy) == ("error", True)


def test_a_port_of_metrics_is_free_or_wants_another_token(tmp_path: Path, refusing: int) -> None:
    free = found(tmp_path, _metrics, MCPHUB_METRICS_ADDR=str(free_port()))
    token = found(tmp_path, _metrics, MCPHUB_METRICS_ADDR=str(refusing))

    assert (free.level, token.level) == ("ok", "warning")
    assert "MCPHUB_METRICS_TOKEN" in token.remedy


@pytest.mark.parametrize(("said", "level"), [(b"mcphub_build_info 1", "ok"), (b"hi", "error")])
def test_what_answers_at_the_port_of_metrics_is_a_hub_or_an_error(tmp_path: Path, said: bytes, level: str) -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        finding = found(tmp_path, _metrics, MCPHUB_METRICS_ADDR=str(server.server_address[1]))
        server.shutdown()

    assert finding.level == level
