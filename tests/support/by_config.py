"""A real MCP client, told nothing but what a person pastes: the official Python client in a process of its own.

`python -m tests.support.by_config TOOL ARGUMENTS < mcp.json` connects as the file says, lists the tools, calls one and
prints `{"tools": [...], "text": "..."}`. Tests in a browser use it: the browser's event loop stands in their thread.
"""

import asyncio
import json
import subprocess
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

WITHIN = 60.0  # seconds


def used(config: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a client that was given this `mcp.json` sees and gets.

    Args:
        tool: the end of its name.
    """
    command = [sys.executable, "-m", "tests.support.by_config", tool, json.dumps(arguments)]
    done = subprocess.run(command, input=config, capture_output=True, text=True, timeout=2 * WITHIN, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


async def _use(config: dict[str, Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    (entry,) = config["mcpServers"].values()
    async with (
        httpx2.AsyncClient(headers=entry["headers"], timeout=WITHIN, trust_env=False) as http,
        Client(streamable_http_client(entry["url"], http_client=http)) as client,
    ):
        names = [found.name for found in (await client.list_tools()).tools]
        answer = await client.call_tool(next(name for name in names if name.endswith(tool)), arguments)
        return {"tools": names, "text": "".join(part.text for part in answer.content if part.type == "text")}


if __name__ == "__main__":
    given = json.loads(sys.stdin.read())
    print(json.dumps(asyncio.run(_use(given, sys.argv[1], json.loads(sys.argv[2])))))
