"""What administrators keep of the search for tools: other words for a tool, what words mean, what was not found."""

import json

import pytest

from mcphub.gateway.facade import FoundTool, Tool
from mcphub.search import tables
from tests.support.api import problem

pytestmark = pytest.mark.slow


def tool(name, description=""):
    return Tool(name, f"notes__{name}", json.dumps({"name": name, "description": description}).encode())


@pytest.fixture
async def admin(api):
    admin = await api.user("ann", admin=True)
    await admin.post("/api/servers", {"name": "notes", "config": {"command": "uvx", "args": ["notes==1"]}})
    (server,) = api.services.model.servers.values()
    api.gateway.tools[admin.user_id, server.server_id] = [tool("keep", "Keep a note"), tool("keepsake")]
    return admin


async def test_other_words_for_a_tool_are_a_part_of_its_servers_entry(api, admin):
    answer = await admin.put("/api/servers/notes/tools/keep/aliases", {"aliases": " 메모   저장 "})

    assert answer.status_code == 200, answer.text
    (server,) = api.services.model.servers.values()
    assert server.config["tools"] == {"keep": {"aliases": "메모 저장"}}
    before = api.services.tail.position
    await admin.put("/api/servers/notes/tools/keep/aliases", {"aliases": "메모 저장"})
    assert api.services.tail.position == before
    await admin.put("/api/servers/notes/tools/keep/aliases", {"aliases": ""})
    (server,) = api.services.model.servers.values()
    assert "tools" not in server.config


async def test_other_words_leave_what_else_is_said_of_the_tool(api, admin):
    await admin.put("/api/servers/notes/tools/keep/description", {"description": "Other"})
    await admin.put("/api/servers/notes/tools/keep/aliases", {"aliases": "memo"})
    await admin.put("/api/servers/notes/tools/keep/aliases", {"aliases": ""})

    (server,) = api.services.model.servers.values()
    assert server.config["tools"] == {"keep": {"description": "Other"}}


async def test_a_word_of_the_glossary_counts_and_is_taken_back(api, admin):
    answer = await admin.put("/api/admin/search/glossary/ko/꼬마별", {"meaning": "note memo"})

    assert answer.json()["data"] == {"language": "ko", "word": "꼬마별", "meaning": "note memo", "ours": True}
    assert api.services.search.glossary().translated("꼬마별을") == ["note memo"]
    ours = (await admin.get("/api/admin/search/glossary?words=ours")).json()["data"]
    assert [(one["word"], one["meaning"]) for one in ours] == [("꼬마별", "note memo")]
    assert (await admin.delete("/api/admin/search/glossary/ko/꼬마별")).status_code == 204
    assert api.services.search.glossary().translated("꼬마별") == []
    assert (await admin.get("/api/admin/search/glossary?words=ours")).json()["data"] == []


async def test_a_word_every_hub_knows_can_be_made_to_mean_nothing(api, admin):
    assert api.services.search.glossary().translated("지라") == ["jira"]

    await admin.put("/api/admin/search/glossary/ko/지라", {"meaning": ""})

    assert api.services.search.glossary().translated("지라") == []


@pytest.mark.parametrize(("path", "meaning"), [("ja/a", "b"), ("ko/" + "가" * 61, "b"), ("ko/가", "b" * 201)])
async def test_what_is_no_word_is_refused(admin, path, meaning):
    answer = await admin.put(f"/api/admin/search/glossary/{path}", {"meaning": meaning})

    assert answer.status_code in (404, 422)


async def test_what_was_not_found_is_listed_without_what_could_be_a_key(api, admin):
    misses = api.services.search.misses
    for query in ("회식 장소", "회식  장소!", "send a3f9c0d17b22e8 home", "x" * 21):
        misses.note(query, "no_glossary")
    await misses.round()

    found = (await admin.get("/api/admin/search/misses")).json()["data"]

    assert [(one["query"], one["times"]) for one in found] == [("회식 장소", 2), ("send home", 1)]
    assert (await admin.delete("/api/admin/search/misses?words=회식 장소")).status_code == 204
    assert problem(await admin.delete("/api/admin/search/misses?words=회식 장소")) == (404, "not_found")


async def test_the_state_of_search_says_what_is_indexed(api, admin):
    async with api.services.search.pool.connection() as db:
        await tables.ensure(db)

    data = (await admin.get("/api/admin/search")).json()["data"]

    assert data == {"enabled": True, "state": "asleep", "error": "", "model": None, "tools": 0, "vectors": 0}


async def test_a_list_of_tools_begins_with_those_that_fit_best(api, admin):
    (server,) = api.services.model.servers.values()
    api.gateway.found = [FoundTool(server.server_id, tool("keepsake"))]

    found = (await admin.get("/api/tools?q=keep")).json()["data"]

    assert [one["name"] for one in found] == ["keepsake", "keep"]
    assert ("find_tools", admin.user_id, "keep", "") in api.gateway.asked
    assert [one["name"] for one in (await admin.get("/api/tools")).json()["data"]] == ["keep", "keepsake"]
