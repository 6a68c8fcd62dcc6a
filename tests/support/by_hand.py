"""What a client says first, said by hand, for tests that cannot wait for an asynchronous one."""

import json
from typing import Any

import httpx

REVISION = "2025-06-18"


def listed(url: str, key: str, *, client: str = "Cursor", path: str = "/mcp") -> list[str]:
    """Names of the tools a client is shown: initialize, initialized, tools/list, in a session that stays open.

    Args:
        url: of the hub, without a path.
    """
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        params: dict[str, Any] = {
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": {"name": client, "version": "2.1"},
        }
        begun = http.post(path, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        assert begun.status_code == 200, begun.text
        http.headers.update({"Mcp-Session-Id": begun.headers["mcp-session-id"], "MCP-Protocol-Version": REVISION})
        http.post(path, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        answer = http.post(path, json={"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
        assert answer.status_code == 200, answer.text
        return [str(tool["name"]) for tool in _message(answer)["result"]["tools"]]


def _message(answer: httpx.Response) -> Any:
    """The one message of an answer, which may come as an event stream."""
    if answer.headers["content-type"].startswith("application/json"):
        return answer.json()
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return json.loads(line.removeprefix("data: "))
