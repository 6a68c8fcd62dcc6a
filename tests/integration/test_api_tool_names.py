"""Names of tools over REST: given, refused, taken back, and in the settings document."""

import asyncio
from datetime import UTC, datetime

from mcphub.domain.actor import acting, system
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import Listed, ObserveTools
from tests.integration.test_api_settings import DESK, FILE, document, knows, save
from tests.support.api import problem

TOOL = "/api/servers/desk/tools/search"


async def told(api, *names):
    """These tools of `desk` are on the record."""
    listed = [Listed(name, definition_of(b'{"name":"%b"}' % name.encode())) for name in names]
    server = api.services.model.settings.by_name("desk").server_id
    with acting(system("test")):
        build = api.services.commands.run(lambda: ObserveTools(server, listed, (), datetime.now(UTC)))
        await asyncio.wait_for(build, 10)


async def named(admin):
    return (await admin.data("GET", FILE))["settings"]["mcpServers"]["desk"].get("tools")


async def test_a_tool_is_given_a_name_and_its_own_again(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk={**DESK, "tools": {"search": {"x-kept": 1}}}))

    given = await admin.put(f"{TOOL}/name", {"name": "find"})
    again = await admin.put(f"{TOOL}/name", {"name": "find"})
    kept = await named(admin)
    reset = await admin.delete(f"{TOOL}/name")

    assert given.status_code == again.status_code == reset.status_code == 200
    data = given.json()["data"]
    assert (data["name"], data["exposedName"], data["displayName"]) == ("search", "desk__find", "find")
    assert given.headers["x-mcphub-position"] == again.headers["x-mcphub-position"]
    assert kept == {"search": {"x-kept": 1, "name": "find"}}
    assert reset.json()["data"]["exposedName"] == "desk__search"
    assert "displayName" not in reset.json()["data"]
    assert await named(admin) == {"search": {"x-kept": 1}}
    facts = await admin.data("GET", "/api/audit?kind=fact&category=servers&limit=2")
    assert [(fact["type"], fact["command"], fact["data"].get("name")) for fact in facts] == [
        ("ToolNameReset", "SetToolName", None),
        ("ToolRenamed", "SetToolName", "find"),
    ]


async def test_a_name_that_is_none_or_that_another_tool_has_is_refused(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK))
    await told(api, "search", "read", "get.issue")
    await admin.put("/api/servers/desk/tools/read/name", {"name": "look"})

    answers = {
        name: problem(await admin.put(f"{TOOL}/name", {"name": name}))
        for name in ("", "a b", "x" * 65, "find\n", "read", "look", "get_issue")
    }
    unknown = await admin.put("/api/servers/none/tools/search/name", {"name": "find"})
    knows(api, admin, "read")
    missing = await admin.put(f"{TOOL}/name", {"name": "find"})

    assert answers == {
        **dict.fromkeys(("", "a b", "x" * 65), (422, "invalid_request")),
        "find\n": (422, "settings_invalid"),
        **dict.fromkeys(("read", "look", "get_issue"), (409, "tool_name_taken")),
    }
    assert problem(unknown) == problem(missing) == (404, "not_found")
    assert await named(admin) == {"read": {"name": "look"}}


async def test_a_document_gives_names_and_is_taken_again_when_a_tool_of_such_a_name_has_come(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK))
    await told(api, "search", "read")
    tools = {"search": {"enabled": True, "name": "find"}, "find": {"enabled": False}}

    rehearsed = await admin.put(f"{FILE}?dryRun=true", {"settings": document(desk={**DESK, "tools": tools})})
    saved = await save(admin, document(desk={**DESK, "tools": tools}))
    await told(api, "find")
    unchanged = await save(admin, document(desk={**DESK, "tools": tools}, more=DESK))
    taken = await save(admin, document(desk={**DESK, "tools": {"search": {"name": "read"}}}, more=DESK))
    twice = {"search": {"name": "same"}, "read": {"name": "same"}}
    both = await save(admin, document(desk={**DESK, "tools": twice}, more=DESK))

    assert {"type": "ToolDisabled", "server": "desk", "summary": "find"} in rehearsed.json()["data"]["changes"]
    assert {"type": "ToolRenamed", "server": "desk", "summary": "search → find"} in saved.json()["data"]["changes"]
    place = "/mcpServers/desk/tools/search/name"
    for answer in (saved, unchanged):
        assert answer.status_code == 200
        warnings = [(warning["code"], warning["pointer"]) for warning in answer.json()["data"]["warnings"]]
        assert ("tool_name_taken", place) in warnings
    assert problem(taken) == problem(both) == (422, "settings_invalid")
    assert [(error["code"], error["pointer"]) for error in taken.json()["errors"]] == [("tool_name_taken", place)]
    assert len(both.json()["errors"]) == 2
    assert await named(admin) == tools


async def test_only_administrators_name_tools(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await save(admin, document(desk=DESK))

    for answer in (await bob.put(f"{TOOL}/name", {"name": "mine"}), await bob.delete(f"{TOOL}/name")):
        assert problem(answer) == (403, "admin_required")
