"""A server asked for its tools from the hub's own pages, and what its view says of that."""

import json

from mcphub.gateway.errors import ServerFailed, values_missing
from mcphub.gateway.facade import Tool
from tests.integration.test_api_settings import DESK, document, save
from tests.support.api import problem

LIST = "/api/servers/desk/tools"


def listed_by(api, user, raises=None):
    """The server answers one tool to this user, from now on, or it does not."""
    server_id = api.services.model.settings.by_name("desk").server_id
    definition = {"name": "search", "description": "Finds.", "inputSchema": {"type": "object"}}

    async def list_tools(principal, asked):
        assert (principal.user_id, asked) == (user.user_id, server_id)
        if raises is not None:
            raise raises
        tool = Tool("search", "desk__search", json.dumps(definition).encode())
        api.gateway.tools[user.user_id, server_id] = [tool]
        return [tool]

    api.gateway.list_tools = list_tools


async def test_a_server_is_asked_for_its_tools_as_the_caller(api):
    admin, ann = await api.user("admin", admin=True), await api.user("ann")
    await save(admin, document(desk=DESK))
    listed_by(api, ann)

    before = await ann.data("GET", "/api/servers/desk")
    answer = await ann.post(LIST)
    after = await ann.data("GET", "/api/servers/desk")

    assert [tool["name"] for tool in answer.json()["data"]["tools"]] == ["search"]
    assert (before["toolsListed"], before["tools"]) == (False, [])
    assert (after["toolsListed"], [tool["name"] for tool in after["tools"]]) == (True, ["search"])


async def test_why_a_server_listed_nothing_is_said(api):
    admin, ann = await api.user("admin", admin=True), await api.user("ann")
    await save(admin, document(desk=DESK))

    listed_by(api, ann, ServerFailed("Server 'desk' could not be reached."))
    failed = await ann.post(LIST)
    listed_by(api, ann, values_missing("desk", ["USER_X"], "http://hub", "r1"))
    missing = problem(await ann.post(LIST))

    assert failed.json()["data"] == {"tools": [], "error": "Server 'desk' could not be reached."}
    assert missing[:2] == (409, "variables_missing")


async def test_who_may_not_use_a_server_cannot_have_it_asked(api):
    admin, ann = await api.user("admin", admin=True), await api.user("ann")
    await save(admin, document(desk={**DESK, "mcphub": {"audience": {"users": ["admin"]}}}))

    hidden, unknown = await ann.post(LIST), await ann.post("/api/servers/none/tools")

    assert problem(hidden)[:2] == problem(unknown)[:2] == (403, "not_visible")
