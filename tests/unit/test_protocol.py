"""The hub's numbers and dates of the protocol are the official SDK's, and starting it does not load the SDK."""

import subprocess
import sys

from mcp_types import jsonrpc, version

from mcphub.gateway import protocol


def test_the_revisions_are_those_of_the_sdk() -> None:
    assert version.HANDSHAKE_PROTOCOL_VERSIONS == protocol.HANDSHAKE_VERSIONS
    assert version.LATEST_HANDSHAKE_VERSION == protocol.LATEST_HANDSHAKE_VERSION
    assert version.MODERN_PROTOCOL_VERSIONS == (protocol.MODERN_VERSION,)


def test_the_error_codes_are_those_of_the_sdk() -> None:
    ours = {name: value for name, value in vars(protocol).items() if isinstance(value, int)}

    assert ours == {name: getattr(jsonrpc, name) for name in ours}
    assert len(ours) == 10


def test_a_start_loads_neither_the_sdk_nor_its_models() -> None:
    """They would be a sixth of it."""
    script = "import sys, mcphub.serve; print(*sorted({name.split('.')[0] for name in sys.modules}))"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert {"mcp", "mcp_types", "pydantic", "httpx", "httpx2", "authlib", "webbrowser"}.isdisjoint(
        loaded.stdout.split()
    )
