"""Calling a tool from the hub's own pages."""

from mcphub.gateway.facade import TriedTool
from tests.integration.test_api_values import hub_with_servers
from tests.support.api import problem

TRY = "/api/servers/plain/tools/search/try"


async def test_arguments_are_passed_on_and_the_result_comes_back_as_it_is(api):
    bob = await hub_with_servers(api)
    result = b'{"content":[{"type":"text","text":"hi"}]}'
    api.gateway.tried = TriedTool(request_id="0f0f", duration_ms=2.0, result=result)

    answer = await bob.post(TRY, {"arguments": {"q": "  kept  "}})

    assert answer.json()["data"] == {
        "result": {"content": [{"type": "text", "text": "hi"}]},
        "requestId": "0f0f",
        "durationMs": 2.0,
    }
    assert (api.gateway.asked[-1][1], *api.gateway.asked[-1][3:]) == (bob.user_id, "search", '{"q":"  kept  "}')


async def test_refusals_have_their_codes(api):
    bob = await hub_with_servers(api)
    answers = [await bob.post("/api/servers/nothing/tools/search/try"), await bob.post(TRY, {"arguments": [1]})]

    for refused in ("not_visible", "variables_missing"):
        api.gateway.tried = TriedTool(request_id="r", duration_ms=1.0, refused=refused, why="Enter USER_X.")
        answers.append(await bob.post(TRY))

    assert [problem(answer) for answer in answers] == [
        (403, "not_visible"),
        (422, "invalid_request"),
        (403, "not_visible"),
        (409, "variables_missing"),
    ]
    assert answers[-1].json()["detail"] == "Enter USER_X."
