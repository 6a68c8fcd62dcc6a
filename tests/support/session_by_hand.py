"""A client's session without an event loop, for tests that lead a browser: calls one after another, or left running."""

import itertools
import json
from threading import Thread
from typing import Any

import httpx

REVISION = "2025-06-18"
BOTH = "application/json, text/event-stream"


class Session:
    """One MCP session of a client.

    Args:
        url: of the hub, without a path.
    """

    def __init__(self, url: str, key: str, *, client: str = "Cursor", path: str = "/mcp") -> None:
        headers = {"Authorization": f"Bearer {key}", "Accept": BOTH}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)
        self.path = path
        self._numbers = itertools.count(1)
        self._running: list[Thread] = []
        begun = self.send(
            "initialize",
            protocolVersion=REVISION,
            capabilities={},
            clientInfo={"name": client, "version": "2.1"},
        )
        assert begun.status_code == 200, begun.text
        session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], "MCP-Protocol-Version": REVISION}
        self.http.headers.update(session)
        self.http.post(path, json={"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, method: str, **params: Any) -> httpx.Response:
        """A request, and whatever the hub answers."""
        number = next(self._numbers)
        return self.http.post(self.path, json={"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    def tools(self) -> list[str]:
        """Names of the tools it is shown."""
        return [str(tool["name"]) for tool in _message(self.send("tools/list"))["result"]["tools"]]

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool's call came to, an error or a result."""
        answer: dict[str, Any] = _message(self.send("tools/call", name=tool, arguments=arguments))
        return answer

    def leave_running(self, tool: str, **arguments: Any) -> None:
        """Calls, and does not wait for the answer."""
        call = Thread(target=self.send, args=("tools/call",), kwargs={"name": tool, "arguments": arguments})
        call.start()
        self._running.append(call)

    def close(self) -> None:
        """Ends it once what was left running is answered; doing so twice is fine."""
        for call in self._running:
            call.join()
        if self.http.is_closed:
            return
        if "mcp-session-id" in self.http.headers:
            self.http.delete(self.path)
        self.http.close()


def _message(answer: httpx.Response) -> Any:
    """The one message of an answer, which may come as an event stream."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("application/json"):
        return answer.json()
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return json.loads(line.removeprefix("data: "))
