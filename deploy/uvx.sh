#!/bin/sh
# uvx that finds the servers of MCP_PACKAGES, whatever its home is. Anything else it fetches, as always.
export UV_TOOL_DIR=/opt/mcp/tools UV_PYTHON_DOWNLOADS=never
exec /opt/uv/uvx "$@"
