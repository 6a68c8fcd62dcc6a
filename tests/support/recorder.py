"""What the test servers received, told to the test process at once and outside every hub.

A server sends a line and goes on only when it is acknowledged, so a call that was received is known here even if the
server, the hub and the database die the moment after.
"""

import json
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """One thing that reached a test server.

    Args:
        event: `initialize`, `list`, `call`, `notification`, `answer` (to a question of the server), `gone` (the caller
            hung up), `delete` (of a session), `stream` (HTTP+SSE), `task` (a question about one), `document` and
            `token` (REST).
        facts: HTTP headers in lower case, or the process environment.
    """

    server: str
    event: str
    method: str = ""
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    session: str = ""
    pid: int = 0
    target: str = ""  # path and query of the HTTP request
    number: int = 0


class Recorder:
    """Listens on loopback; servers are started with its port."""

    def __init__(self) -> None:
        self._received: list[Received] = []
        self._lock = threading.Lock()
        recorder = self

        class Line(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    recorder._keep(json.loads(line))
                    try:
                        self.wfile.write(b"k")
                    except OSError:
                        return

        class Listening(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A server that was killed in the middle of a line is what some tests are about."""

        self._server = Listening(("127.0.0.1", 0), Line)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _keep(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._received.append(Received(**told, number=len(self._received)))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def mark(self) -> int:
        """A place to look from: what is received later has at least this number."""
        with self._lock:
            return len(self._received)

    def received(
        self,
        *,
        server: str = "",
        event: str = "",
        since: int = 0,
        where: Callable[[Received], bool] = lambda _: True,
    ) -> list[Received]:
        with self._lock:
            seen = self._received[since:]
        return [r for r in seen if server in ("", r.server) and event in ("", r.event) and where(r)]

    def calls(self, server: str = "", tool: str = "", since: int = 0) -> list[Received]:
        return self.received(server=server, event="call", since=since, where=lambda r: tool in ("", r.tool))
