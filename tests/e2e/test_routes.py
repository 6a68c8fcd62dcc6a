"""Who is answered what at every address of the API: the committed table, tried at a hub that was started by itself."""

import pytest

from tests.e2e.conftest import StartHub
from tests.support.providers import FakeGitHub, FakeOidc, hub_env
from tests.support.routes import CALLERS, the_rows
from tests.support.upstreams import Upstreams
from tests.support.visits import Visits, said

pytestmark = pytest.mark.slow


async def test_each_caller_is_answered_what_the_table_says(start_hub: StartHub, upstreams: Upstreams) -> None:
    callback, desk, wrong = "http://127.0.0.1/api/oauth/callback", upstreams.http("desk"), []
    with FakeGitHub(callback) as github, FakeOidc(callback) as oidc:
        hub = start_hub(**hub_env(github, oidc))
        async with Visits(hub, desk.config(headers={"X-Token": "${USER_TOKEN}"})) as visits:
            await visits.everybody()

            for row in the_rows():
                for caller in CALLERS:
                    answer = said(await visits.send(row, caller))
                    if answer != row.answers[caller]:
                        wrong.append((row.name, caller, row.answers[caller], answer))

    assert wrong == []
