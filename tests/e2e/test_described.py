"""The hub does what its own description says, and the description can be followed: every operation is answered as
described, to a user and to an administrator, and nothing that can be made from the description breaks it.
"""

import re
from collections.abc import Iterator
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
from tests.support.routes import WORDS, pattern_of, served_by, the_rows
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.visits import VisitsOverLoopback, said

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


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
    visits = VisitsOverLoopback(hub, desk.config(headers={"X-Token": "${USER_TOKEN}"}))
    visits.callers["admin"] = await visits.log_in("admin")
    await visits.begin("user")
    schema = schemathesis.openapi.from_dict(description)
    operations = {
        f"{method.upper()} {path}": schema[path][method.upper()]
        for path, methods in description["paths"].items()
        for method in methods
    }
    patterns = {route: pattern_of(route) for route in operations}
    answered: dict[str, set[str]] = {"user": set(), "admin": set()}
    refused, wrong = set(), []

    for row in the_rows():
        route = served_by(row, patterns)
        if route is None:
            continue  # a page
        for caller in answered:
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
    assert operations.keys() - answered["admin"] == set()
    assert operations.keys() - answered["user"] == refused - answered["user"]
