"""The connection test of the settings form: typed values go to the gateway, and nowhere else."""

import json

from mcphub.gateway.trial import Trial
from tests.integration.test_api_values import CANARY, VARS, hub_with_servers, stored_keys, token_keys
from tests.support.api import problem


async def test_typed_values_reach_the_server_and_are_not_stored(api):
    bob = await hub_with_servers(api)

    answer = await bob.post(f"{VARS}/git/test", {"values": {"GITHUB_TOKEN": CANARY, "MAIL_EMAIL": "b@example.com"}})

    what, user, _, typed = api.gateway.asked[-1]
    assert answer.json()["data"] == {"ok": True, "step": "list", "toolCount": 2, "durationMs": 1.0}
    assert (what, user) == ("test_connection", bob.user_id)
    assert json.loads(typed) == {"GITHUB_TOKEN": CANARY, "MAIL_EMAIL": "b@example.com"}
    assert await token_keys(api) == stored_keys(api, bob) == set()
    assert CANARY not in answer.text


async def test_a_failure_is_an_answer_that_says_how_far_it_came(api):
    bob = await hub_with_servers(api)
    api.gateway.trial = Trial(ok=False, step="connect", error="nobody listens there", duration_ms=3.0)

    answer = await bob.post(f"{VARS}/git/test")

    assert answer.status_code == 200
    assert answer.json()["data"] == {
        "ok": False,
        "step": "connect",
        "error": "nobody listens there",
        "durationMs": 3.0,
    }


async def test_what_is_missing_is_named(api):
    bob = await hub_with_servers(api)
    api.gateway.missing = ["GITHUB_TOKEN"]

    answer = await bob.post(f"{VARS}/git/test")

    assert problem(answer) == (409, "variables_missing")
    assert "GITHUB_TOKEN" in answer.json()["title"]


async def test_what_a_place_cannot_take_is_refused_as_in_saving(api):
    bob = await hub_with_servers(api)

    answers = [
        await bob.post(f"{VARS}/git/test", {"values": {"NO_SUCH": "x"}}),
        await bob.post(f"{VARS}/formed/test", {"values": {"USER_REGION": "NOT LOWER"}}),
    ]

    assert [[error["code"] for error in answer.json()["errors"]] for answer in answers] == [
        ["unknown_slot"],
        ["pattern_mismatch"],
    ]
    assert "test_connection" not in {asked[0] for asked in api.gateway.asked}


async def test_only_servers_meant_for_the_caller_and_switched_on_are_tried(api):
    bob = await hub_with_servers(api)

    answers = [await bob.post(f"{VARS}/{name}/test") for name in ("private", "nothing", "off")]

    assert [problem(answer) for answer in answers] == [
        (404, "not_found"),
        (404, "not_found"),
        (409, "server_disabled"),
    ]
    assert "test_connection" not in {asked[0] for asked in api.gateway.asked}
