"""The API does what its own description says, whatever is sent to it: schemathesis against a running server."""

import asyncio
import sys

import pytest
import structlog

from mcphub.http_server import HttpServer, listen
from tests.support.api import running_api

# Ends the caller's session, or never ends, or takes seconds each time.
LEFT_OUT = r"logs/stream|auth/|user/sessions/|sign-out|rebuild|api/setup|/connections"


@pytest.fixture
def few_lines():
    """Thousands of requests, each with a debug line that pytest would keep."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    yield
    structlog.configure(**before)


@pytest.mark.slow
async def test_no_request_that_can_be_made_from_the_description_breaks_the_hub(database, home, few_lines):
    async with running_api(database.app_dsn, home) as api:
        admin = await api.user("admin", admin=True)
        script = await api.log_in("admin", script=True)
        await admin.post("/api/servers", {"name": "0", "config": {"command": "npx", "args": ["-y", "x@1.0.0"]}})
        sockets = listen("127.0.0.1", 0)
        server = HttpServer(api.app)
        await server.start(sockets)
        try:
            port = sockets[0].getsockname()[1]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/api/openapi.json"),
                *("-H", f"Authorization: Bearer {script.token}", "--exclude-path-regex", LEFT_OUT),
                *("--phases", "fuzzing", "-n", "6", "--seed", "1", "--generation-deterministic"),
                *("-c", "not_a_server_error,response_schema_conformance,content_type_conformance"),
                *("--request-timeout", "20", "--no-color"),
                cwd=home,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await asyncio.wait_for(process.communicate(), 240)
        finally:
            await server.close()

    assert process.returncode == 0, said.decode()[-6000:]
    assert b"Tested:" in said
