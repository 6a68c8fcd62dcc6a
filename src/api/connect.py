"""What an IDE is given to connect: `mcp.json` and Cursor's link. Both hold the key and exist once, in the answer that
issues it.
"""

from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

NAME = "mcphub"


def mcp_json(public_url: str, key: str) -> dict[str, Any]:
    """Goes into `~/.cursor/mcp.json` as it is."""
    return {"mcpServers": {NAME: _server(public_url, key)}}


def mcp_json_key_in_url(public_url: str, key: str) -> dict[str, Any]:
    """For clients that cannot send headers; the key then stands in an address."""
    return {"mcpServers": {NAME: {"url": f"{public_url}/mcp?{urlencode({'key': key})}"}}}


def cursor_link(public_url: str, key: str) -> str:
    """Spec: Cursor documentation, MCP install links."""
    config = b64encode(msgspec.json.encode(_server(public_url, key))).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={quote(config, safe='')}"


def _server(public_url: str, key: str) -> dict[str, Any]:
    return {"url": f"{public_url}/mcp", "headers": {"Authorization": f"Bearer {key}"}}
