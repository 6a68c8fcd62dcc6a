"""What a client would see if other groups were active; nothing is switched for it."""

import json
from urllib.parse import urlencode

from mcphub.domain.access import View
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


async def asked(user, url):
    access = await user.data("GET", f"{ACCESS}?{urlencode({'url': url})}")
    return access["mode"], access["listed"]


async def test_the_simulator_names_the_mode_and_what_is_sent_at_an_address(api):
    bob = await hub_with_servers(api)
    ids = {server.name: server.server_id for server in api.services.model.servers.values()}
    for server, count in (("git", 6), ("desk", 42)):
        names = [f"t{number:02}" for number in range(count)]
        api.gateway.tools[bob.user_id, ids[server]] = [Tool(name, f"{server}__{name}", b"{}") for name in names]
    api.gateway.views["/mcp/git"] = View("server", ids["git"])
    off = {"enabled": False}
    admin = await api.log_in("admin")

    assert await asked(bob, "/mcp") == ("servers", ["server_desk", "server_git"])
    assert await asked(bob, "http://127.0.0.1:3000/mcp?mode=server") == ("servers", ["server_desk", "server_git"])
    mode, listed = await asked(bob, "/mcp?mode=tools")
    assert (mode, len(listed), listed[0], listed[-1]) == ("tools", 48, "desk__t00", "git__t05")
    assert await asked(bob, "/mcp/git") == ("verbatim", ["t00", "t01", "t02", "t03", "t04", "t05"])
    for number in range(8):
        assert (await admin.post(f"/api/servers/desk/tools/t{number:02}/toggle", off)).status_code == 200
    mode, listed = await asked(bob, "/mcp")
    assert (mode, len(listed), listed[0]) == ("tools", 40, "desk__t08")
    await bob.patch("/api/user/me", {"exposureMode": "servers"})
    assert await asked(bob, "/mcp?other=1") == ("servers", ["server_desk", "server_git"])


async def test_a_mode_that_is_not_there_cannot_be_looked_at_or_chosen(api):
    bob = await hub_with_servers(api)

    assert problem(await bob.get(f"{ACCESS}?{urlencode({'url': '/mcp?mode=clever'})}")) == (422, "unknown_mode")
    assert problem(await bob.get(f"{ACCESS}?{urlencode({'url': 'http://[/mcp'})}")) == (422, "invalid_request")
    assert (await bob.patch("/api/user/me", {"exposureMode": "clever"})).status_code == 422
    key = {"name": "k", "scope": {"mode": "clever"}}
    assert (await bob.post("/api/keys", key)).status_code == 422
