"""An MCP server over HTTP that lets in whoever shows the right token, and remembers what everybody showed.

Spec: MCP 2025-11-25, Transports (Streamable HTTP), the part that a server without sessions and streams needs.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

TOOL = {"name": "knock", "inputSchema": {"type": "object"}}
RESULTS: dict[str, Any] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "doorman", "version": "1"},
    },
    "ping": {},
    "tools/list": {"tools": [TOOL]},
    "tools/call": {"content": [{"type": "text", "text": "come in"}]},
}


class Doorman:
    """
    Args:
        tokens: who shows one of these is let in; others are answered `status`, and their token is in the body.
    """

    def __init__(self, *tokens: str, status: int = 401) -> None:
        self.tokens = set(tokens)
        self.status = status
        self.shown: list[tuple[str, str]] = []  # (method, token) of every request
        doorman = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                method = message.get("method", "")
                doorman.shown.append((method, token))
                if token not in doorman.tokens:
                    self.answer(doorman.status, {"error": f"not you, {token}"})
                elif "id" not in message:
                    self.answer(202, None)
                else:
                    self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": RESULTS[method]})

            def do_GET(self) -> None:
                self.answer(405, None)

            def do_DELETE(self) -> None:
                self.answer(405, None)

            def answer(self, status: int, body: Any) -> None:
                content = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/mcp"

    def config(self, variable: str) -> dict[str, Any]:
        """Its entry in the settings document; the token comes from this variable."""
        return {"type": "http", "url": self.url, "headers": {"Authorization": f"Bearer ${{{variable}}}"}}

    def called_with(self) -> list[str]:
        """The token of each call of its tool."""
        return [token for method, token in self.shown if method == "tools/call"]

    def __enter__(self) -> "Doorman":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
