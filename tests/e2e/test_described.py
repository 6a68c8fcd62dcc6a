"""The hub does what its own description says, and the description can be followed: every operation is answered as
described, to a user and to an administrator, and nothing that can be made from the description breaks it.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.conftest import StartHub
from tests.support.providers import FakeGitHub, FakeOidc, hub_env
from tests.support.rest import log_in
from tests.support.routes import WORDS, pattern_of, served_by, the_rows
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.visits import Visits, said

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


# Ends the caller's session, or never ends, or takes a process of its own each time.
LEFT_OUT = r"logs/stream|requests/stream|events/stream|projections/stream|/check$|auth/logout|user/sessions$|rebuild"
# What succeeds only where something is parked, was rebuilt beside, kept, or not found: no visit makes that.
SPECIAL = {
    "DELETE /api/admin/search/misses",
    "POST /api/admin/projections/{name}/check",
    "POST /api/admin/projections/{name}/retry",
    "GET /api/requests/payloads/{request_id}",
}
# Parameter of a path → what it may name that is there. Half of the requests do, the others name whatever comes.
NAMED = {
    "key_id": "key",
    "group_id": "group",
    "user_id": "user",
    "sid": "session",
    "name": "server",
    "server": "server",
    "tool": "tool",
    "position": "fact",
    "request_id": "request",
}


@pytest.fixture
def hub(start_hub: StartHub) -> Iterator[RunningHub]:
    """Started by itself, with providers to sign in at."""
    callback = "http://127.0.0.1/api/oauth/callback"
    with FakeGitHub(callback) as github, FakeOidc(callback) as oidc:
        yield start_hub(**hub_env(github, oidc))


@pytest.fixture
def description(hub: RunningHub) -> Any:
    return hub.admin.rest.send("GET", "/api/openapi.json").json()


async def test_every_operation_is_answered_as_described(
    hub: RunningHub, upstreams: Upstreams, description: Any
) -> None:
    desk = upstreams.http("desk")
    schema = schemathesis.openapi.from_dict(description)
    operations = {
        f"{method.upper()} {path}": schema[path][method.upper()]
        for path, methods in description["paths"].items()
        for method in methods
    }
    patterns = {route: pattern_of(route) for route in operations}
    answered: dict[str, set[str]] = {"user": set(), "admin": set()}
    refused, wrong = set(), []

    tried = [(row, route, caller) for row in the_rows() if (route := served_by(row, patterns)) for caller in answered]
    async with Visits(hub, desk.config(headers={"X-Token": "${USER_TOKEN}"})) as visits:
        await visits.arrive("user")
        for row, route, caller in tried:
            visits.owner = caller
            response = await visits.send(row, caller)
            sent = re.fullmatch(patterns[route], f"{row.method} {response.request.url.path}")
            case = operations[route].Case(path_parameters=sent.groupdict() if sent else {})
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as failure:
                wrong.append((row.name, caller, response.status_code, str(failure)[:600]))
            if str(response.status_code) in operations[route].definition.raw["responses"]:
                answered[caller].add(route)
            elif said(response) == WORDS["admins"]:
                refused.add(route)

    assert wrong == []
    assert operations.keys() - answered["admin"] == SPECIAL
    assert operations.keys() - answered["user"] - SPECIAL == refused - answered["user"] - SPECIAL


@pytest.mark.parametrize(
    ("role", "examples"),
    [
        pytest.param("admin", 3, id="admin", marks=pytest.mark.thorough),
        pytest.param("user", 3, id="user", marks=pytest.mark.thorough),
    ],
)
async def test_nothing_that_can_be_made_from_the_description_breaks_the_hub(
    role: str, examples: int, start_hub: StartHub, upstreams: Upstreams, tmp_path: Path
) -> None:
    hub = start_hub()
    there: dict[str, str] = {}
    async with Visits(hub, upstreams.http("desk").config(headers={"X-Token": "${USER_TOKEN}"})) as visits:
        await visits.arrive("user")
        visits.owner = role
        for name in ("request", "key", "group", "session", "user", "server", "fact"):
            there |= await visits.made(name, role)
    words = {name: word if name == "fact" else f'"{word}"' for name, word in there.items()}
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        "[parameters]\n"
        + "".join(f'"path.{name}" = {{ dictionary = "{of}", probability = 0.5 }}\n' for name, of in NAMED.items())
        + "".join(f"[dictionaries.{of}]\nvalues = [{words[of]}]\n" for of in sorted(set(NAMED.values())))
    )
    token = log_in(hub.url, role, visits.password(role)).http.headers["Authorization"]

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{hub.url}/api/openapi.json", "-H", f"Authorization: {token}", "--exclude-path-regex", LEFT_OUT),
        *("--phases", "fuzzing", "-n", str(examples), "--seed", "1", "--generation-deterministic"),
        *("-c", ",".join(check.__name__ for check in CHECKS), "--request-timeout", "20", "--no-color"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await asyncio.wait_for(process.communicate(), 240)

    assert process.returncode == 0, told.decode()[-6000:]
    assert b"Tested:" in told
