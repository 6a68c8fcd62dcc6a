"""What a client would see if other groups were active; nothing is switched for it."""

import json

from mcphub.gateway.facade import Tool
from tests.integration.test_api_values import hub_with_servers
from tests.support.api import problem

ACCESS = "/api/user/access"


async def group(user, name, *servers):
    return (await user.data("POST", "/api/user/groups", {"name": name, "servers": list(servers)}))["id"]


def listed(access):
    return {found["server"] for found in access["servers"] if found["reason"] == "allowed"}


async def test_a_preview_shows_what_only_these_groups_would_show(api):
    bob = await hub_with_servers(api)
    one, two = await group(bob, "one", "git"), await group(bob, "two", "desk", "off")
    (git,) = [server for server in api.services.model.servers.values() if server.name == "git"]
    tool = json.dumps({"name": "x", "inputSchema": {}}).encode()
    api.gateway.tools[bob.user_id, git.server_id] = [Tool("x", "git__x", tool)]
    before = await bob.data("GET", ACCESS)

    shown = [await bob.data("GET", f"{ACCESS}?url=/mcp&groups={ids}") for ids in (one, two, f"{one},{two}", "")]

    assert [listed(access) for access in shown] == [{"git"}, {"desk"}, {"git", "desk"}, set()]
    tools = [[tool["reason"] for each in access["servers"] for tool in each["tools"]] for access in shown]
    assert tools == [["allowed"], ["not_in_active_group"], ["allowed"], ["no_active_group"]]
    assert await bob.data("GET", ACCESS) == before


async def test_somebody_elses_groups_are_not_there(api):
    bob, eve = await hub_with_servers(api), await api.user("eve")
    own = await group(bob, "one", "git")

    answers = [await eve.get(f"{ACCESS}?groups={own}"), await bob.get(f"{ACCESS}?groups={own},nothing")]

    assert [problem(answer) for answer in answers] == [(404, "not_found")] * 2


async def test_an_administrator_looks_at_the_preview_of_any_user(api):
    bob = await hub_with_servers(api)
    await group(bob, "one", "git")
    two = await group(bob, "two", "desk")
    admin = await api.log_in("admin")

    access = await admin.data("GET", f"/api/admin/users/{bob.user_id}/access?groups={two}")

    assert listed(access) == {"desk"}
