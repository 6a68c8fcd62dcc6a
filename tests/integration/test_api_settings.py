"""The settings document and single servers: saved, rehearsed, refused, and what is sealed on the way."""

import asyncio
import gc
import json
import time

import pytest

from mcphub.domain.vault import HUB, MASK
from mcphub.gateway.facade import Tool
from mcphub.gateway.upstream.runtime import RuntimeInfo, ServerStatus
from mcphub.postgres.ledger import LedgerUnavailable
from tests.support.api import problem

CANARY = "canary-literal-secret-1"
DESK = {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer ${USER_DESK_TOKEN}"}}
LITERAL = {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-Api-Key": CANARY}}
FILE = "/api/admin/settings-file"


def document(**servers):
    return {"mcpServers": servers}


async def etag(admin):
    return (await admin.get(FILE)).headers["etag"]


async def save(admin, settings, *, tag=None, **more):
    return await admin.put(FILE, {"settings": settings, **more}, headers={"If-Match": tag or await etag(admin)})


async def hub_keys(api):
    """Ids of the data keys that seal literal secrets."""
    async with api.services.read.connection() as db:
        cursor = await db.execute(
            "select id::text from public.data_key where owner = %s and purpose = 'settings'", (HUB,)
        )
        return {row[0] for row in await cursor.fetchall()}


async def facts(api):
    async with api.services.read.connection() as db:
        cursor = await db.execute("select type from public.ledger where type <> 'SignedIn' order by position")
        return [row[0] for row in await cursor.fetchall()]


# the document


async def test_a_saved_document_comes_back_as_it_was_written(api):
    admin = await api.user("admin", admin=True)
    wanted = {"mcpServers": {"b": DESK, "a": {"command": "npx", "args": ["-y", "x@1.0.0"]}}, "own": {"kept": [1, None]}}

    saved = await save(admin, wanted)
    read = await admin.get(FILE)

    data = read.json()["data"]
    assert saved.status_code == 200
    assert json.dumps(data["settings"]) == json.dumps(wanted)
    assert json.loads(data["text"]) == wanted
    assert read.headers["etag"] == saved.headers["etag"] == f'"{data["version"]}"'
    assert saved.headers["x-mcphub-position"] == str(saved.json()["data"]["version"])


async def test_a_save_lists_the_facts_it_recorded(api):
    admin = await api.user("admin", admin=True)
    before = await facts(api)

    answer = await save(admin, document(desk=DESK))

    changes = answer.json()["data"]["changes"]
    assert changes == [
        {"type": "ServerAdded", "server": "desk", "summary": ""},
        {"type": "SecretSlotDeclared", "server": "desk", "summary": "DESK_TOKEN"},
        {"type": "SettingsFileImported", "server": "", "summary": ""},
    ]
    assert (await facts(api))[len(before) :] == [change["type"] for change in changes]


async def test_an_equal_document_records_nothing(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK, other=LITERAL))
    shown = (await admin.data("GET", FILE))["settings"]
    before, keys, tag = await facts(api), await hub_keys(api), await etag(admin)

    masked = await save(admin, shown)
    in_the_clear = await save(admin, document(desk=DESK, other=LITERAL))

    assert masked.json()["data"]["changes"] == in_the_clear.json()["data"]["changes"] == []
    assert masked.headers["etag"] == tag
    assert await facts(api) == before
    assert await hub_keys(api) == keys


async def test_a_rehearsal_says_what_would_be_recorded_and_records_and_seals_nothing(api):
    admin = await api.user("admin", admin=True)
    before = await facts(api)

    answer = await admin.put(f"{FILE}?dryRun=true", {"settings": document(desk=DESK, other=LITERAL)})

    data = answer.json()["data"]
    assert [change["type"] for change in data["changes"]].count("ServerAdded") == 2
    assert {warning["code"] for warning in data["warnings"]} == {"literal_secret"}
    assert data["impact"]["missing"] == [{"server": "desk", "name": "USER_DESK_TOKEN", "users": 1}]
    assert "position" not in answer.json()
    assert await facts(api) == before
    assert await hub_keys(api) == set()
    assert api.services.model.servers == {}


async def test_a_save_says_which_connections_it_ends(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK, other=LITERAL))
    ids = {server.name: server.server_id for server in api.services.model.servers.values()}
    api.gateway.open = [runtime(ids["desk"]), runtime(ids["desk"]), runtime(ids["other"])]
    moved = {**DESK, "url": "http://127.0.0.1:9/other"}

    answer = await admin.put(f"{FILE}?dryRun=true", {"settings": document(desk=moved, other=LITERAL)})

    assert answer.json()["data"]["impact"]["reconnecting"] == [{"server": "desk", "runtimes": 2}]


async def test_a_save_needs_the_version_it_is_based_on(api):
    admin = await api.user("admin", admin=True)
    old = await etag(admin)
    await save(admin, document(desk=DESK))

    without = await admin.put(FILE, {"settings": document()})
    star = await admin.put(FILE, {"settings": document()}, headers={"If-Match": "*"})
    stale = await save(admin, document(), tag=old)
    by_field = await admin.put(FILE, {"settings": document(), "version": int(old.strip('"'))})

    assert problem(without) == problem(star) == (428, "version_required")
    assert problem(stale) == problem(by_field) == (412, "version_mismatch")
    assert stale.headers["etag"] == without.headers["etag"] == await etag(admin)
    assert list(api.services.model.settings.document()["mcpServers"]) == ["desk"]


async def test_of_two_saves_based_on_the_same_version_one_wins(api):
    admin = await api.user("admin", admin=True)
    tag = await etag(admin)

    answers = await asyncio.gather(
        *(save(admin, document(**{f"s{n}": {**LITERAL, "description": str(n)}}), tag=tag) for n in range(4))
    )

    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200, 412, 412, 412]
    assert len(await hub_keys(api)) == 1  # what was sealed for the losers is destroyed


async def test_errors_are_all_told_at_their_places_and_nothing_changes(api):
    admin = await api.user("admin", admin=True)
    text = '{\n  "mcpServers": {\n    "a": {"command": "rm"},\n    "b": {"url": "ftp://x"}\n  }\n}'

    answer = await admin.put(FILE, {"text": text}, headers={"If-Match": await etag(admin)})

    errors = {error["code"]: error for error in answer.json()["errors"]}
    assert problem(answer) == (422, "settings_invalid")
    assert (errors["command_not_allowed"]["pointer"], errors["command_not_allowed"]["line"]) == (
        "/mcpServers/a/command",
        3,
    )
    assert errors["bad_url"]["line"] == 4
    assert api.services.model.servers == {}


async def test_a_key_written_twice_is_refused_in_either_form(api):
    admin = await api.user("admin", admin=True)
    text = '{"mcpServers": {"a": {"command": "npx", "command": "uvx"}}}'
    headers = {"If-Match": await etag(admin), "Content-Type": "application/json"}

    as_text = await admin.put(FILE, {"text": text}, headers=headers)
    as_object = await admin.send("PUT", FILE, content='{"settings": ' + text + "}", headers=headers)

    for answer in (as_text, as_object):
        assert problem(answer) == (422, "settings_invalid")
        assert [(error["code"], error["pointer"]) for error in answer.json()["errors"]] == [
            ("duplicate_key", "/mcpServers/a/command")
        ]


async def test_a_save_holds_one_form_of_the_document(api):
    admin = await api.user("admin", admin=True)
    headers = {"If-Match": await etag(admin)}

    both = await admin.put(FILE, {"settings": document(), "text": "{}"}, headers=headers)
    neither = await admin.put(FILE, {}, headers=headers)

    assert problem(both) == problem(neither) == (422, "invalid_request")


@pytest.mark.thorough
async def test_a_document_near_the_limit_passes_and_one_over_it_does_not(api):
    admin = await api.user("admin", admin=True)
    near = json.dumps({"mcpServers": {}, "notes": '"' * (2 * 1024 * 1024 - 1000)})
    over = json.dumps({"mcpServers": {}, "notes": "x" * (4 * 1024 * 1024)})

    fits = await admin.put(FILE, {"text": near}, headers={"If-Match": await etag(admin)})
    does_not = await admin.put(FILE, {"text": over}, headers={"If-Match": await etag(admin)})

    assert fits.status_code == 200
    assert problem(does_not) == (413, "body_too_large")


async def test_a_large_save_does_not_stop_the_event_loop(api):
    admin = await api.user("admin", admin=True)
    many = {f"s{n}": {**DESK, "description": "x" * 900} for n in range(800)}
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    gc.collect()
    gc.freeze()  # what earlier tests left in this process is no part of it
    watching = asyncio.create_task(watch())
    try:
        answer = await save(admin, document(**many))
    finally:
        watching.cancel()
        gc.unfreeze()

    assert answer.status_code in {200, 202}  # 202: recorded, and a busy machine shows it later
    assert longest < 0.5  # seconds of work in the loop's thread: parsing, checking and diffing take more, elsewhere


async def test_a_change_that_cannot_be_recorded_did_not_happen(api, monkeypatch):
    admin = await api.user("admin", admin=True)
    tag, before = await etag(admin), await facts(api)

    def fail(*_, **__):
        raise LedgerUnavailable("OperationalError")

    monkeypatch.setattr(api.services.hub.recorder, "append", fail)
    answer = await save(admin, document(desk=DESK), tag=tag)

    assert problem(answer) == (503, "not_recorded")
    assert answer.headers["retry-after"] == "2"
    assert await facts(api) == before
    assert await etag(admin) == tag


async def test_the_schema_of_the_document_is_there_for_editors(api):
    admin = await api.user("admin", admin=True)

    schema = await admin.data("GET", f"{FILE}/schema")

    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "mcpServers" in schema["properties"]


# literal secrets


async def test_a_literal_secret_is_in_no_answer_no_fact_and_no_table(api):
    admin = await api.user("admin", admin=True)
    system = {"routing": {"bearerAuthKey": CANARY}}

    answers = [
        await save(admin, {**document(other=LITERAL), "systemConfig": system}),
        await admin.get(FILE),
        await admin.get("/api/servers"),
        await admin.get("/api/servers/other"),
        await admin.get("/api/system-config"),
        await admin.get("/api/audit"),
        await save(admin, document(other={**LITERAL, "command": CANARY})),
        await admin.post("/api/servers", {"name": "third", "config": {**LITERAL, "headers": {"X-Key": CANARY}}}),
    ]

    async with api.services.read.connection() as db:
        for table in ("public.ledger", "servers", "settings"):
            cursor = await db.execute(f"select t::text from {table} t")
            assert CANARY not in str(await cursor.fetchall())
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 200, 422, 201]
    assert not [answer.url for answer in answers if CANARY in answer.text]
    assert MASK in answers[1].text


async def test_a_literal_secret_opens_to_what_was_written_also_after_the_mask_came_back(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(other=LITERAL))
    shown = (await admin.data("GET", FILE))["settings"]
    shown["mcpServers"]["other"]["description"] = "changed"

    answer = await save(admin, shown)

    (server,) = api.services.model.servers.values()
    sealed = server.config["headers"]["X-Api-Key"]["$sealed"]
    assert answer.status_code == 200
    assert api.services.vault.open(sealed, "settings", ("settings", "/headers/X-Api-Key")) == CANARY


async def test_a_mask_with_nothing_behind_it_is_refused_and_nothing_stays_sealed(api):
    admin = await api.user("admin", admin=True)
    broken = document(other=LITERAL, third={**LITERAL, "headers": {"X-Api-Key": MASK}})

    answer = await save(admin, broken)

    assert problem(answer) == (422, "settings_invalid")
    assert [error["code"] for error in answer.json()["errors"]] == ["masked_value"]
    assert await hub_keys(api) == set()


# systemConfig


async def test_a_system_setting_is_merged_and_taken_out(api):
    admin = await api.user("admin", admin=True)
    await admin.put("/api/system-config", {"install": {"npmRegistry": "https://a.example/"}, "nameSeparator": "__"})

    merged = await admin.put(
        "/api/system-config",
        {"install": {"pythonIndexUrl": "https://b.example/"}, "routing": {"enableGlobalRoute": False}},
    )
    taken = await admin.put("/api/system-config", {"install": {"npmRegistry": None}, "nameSeparator": None})

    assert merged.json()["data"]["install"] == {
        "npmRegistry": "https://a.example/",
        "pythonIndexUrl": "https://b.example/",
    }
    assert taken.json()["data"] == {
        "install": {"pythonIndexUrl": "https://b.example/"},
        "routing": {"enableGlobalRoute": False},
    }
    assert (await admin.data("GET", "/api/settings")) == taken.json()["data"]


async def test_nobody_can_switch_the_key_off(api):
    admin = await api.user("admin", admin=True)

    answer = await admin.put("/api/system-config", {"routing": {"skipAuth": True}})

    assert problem(answer) == (422, "settings_invalid")
    assert [error["code"] for error in answer.json()["errors"]] == ["skip_auth_refused"]


# single servers


async def test_a_server_is_added_changed_renamed_switched_and_removed(api):
    admin = await api.user("admin", admin=True)

    added = await admin.post("/api/servers", {"name": "지라", "config": DESK})
    changed = await admin.put("/api/servers/지라", {"config": {**DESK, "description": "Desk"}})
    renamed = await admin.put("/api/servers/지라", {"name": "My Desk (old)"})
    off = await admin.post("/api/servers/My Desk (old)/toggle", {"enabled": False})
    removed = await admin.delete("/api/servers/My Desk (old)")
    again = await admin.delete("/api/servers/My Desk (old)")

    assert (added.status_code, added.json()["data"]["slug"]) == (201, "jira")
    assert changed.json()["data"]["description"] == "Desk"
    assert (renamed.json()["data"]["name"], renamed.json()["data"]["slug"]) == ("My Desk (old)", "jira")
    assert (off.json()["data"]["enabled"], off.json()["data"]["status"]) == (False, "disabled")
    assert (removed.status_code, removed.content) == (204, b"")
    assert problem(again) == (404, "not_found")


async def test_what_a_server_may_not_say_is_refused_before_anything_is_sealed(api):
    admin = await api.user("admin", admin=True)
    await admin.post("/api/servers", {"name": "desk", "config": DESK})

    refused = {
        "exists": await admin.post("/api/servers", {"name": "desk", "config": LITERAL}),
        "invalid": await admin.post("/api/servers", {"name": "x", "config": {**LITERAL, "url": "nonsense"}}),
        "stdio": await admin.post("/api/servers", {"name": "x", "config": {"command": "bash"}}),
        "taken": await admin.put("/api/servers/desk", {"name": "desk", "config": {**LITERAL, "type": "what"}}),
        "unknown": await admin.put("/api/servers/none", {"config": LITERAL}),
    }

    assert {name: problem(answer) for name, answer in refused.items()} == {
        "exists": (409, "server_exists"),
        "invalid": (422, "settings_invalid"),
        "stdio": (422, "settings_invalid"),
        "taken": (422, "settings_invalid"),
        "unknown": (404, "not_found"),
    }
    assert await hub_keys(api) == set()


async def test_a_server_changed_since_it_was_read_is_not_overwritten(api):
    admin = await api.user("admin", admin=True)
    version = (await admin.data("POST", "/api/servers", {"name": "desk", "config": DESK}))["version"]
    await admin.put("/api/servers/desk", {"config": {**DESK, "description": "first"}})

    answer = await admin.put(
        "/api/servers/desk", {"config": {**DESK, "description": "second"}}, headers={"If-Match": f'"{version}"'}
    )

    assert problem(answer) == (412, "version_mismatch")


async def test_status_comes_from_the_gateway_and_from_what_the_caller_has_saved(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK, plain={"type": "http", "url": "http://127.0.0.1:9/mcp"}))
    ids = {server.name: server.server_id for server in api.services.model.servers.values()}
    api.gateway.statuses = {
        ids["desk"]: ServerStatus(state="connected", since=1.0),
        ids["plain"]: ServerStatus(state="error", since=1.0, error="it said no", next_retry_at=1_800_000_000.0),
    }

    before = {server["name"]: server["status"] for server in await admin.data("GET", "/api/servers")}
    await admin.post("/api/user-env-vars", {"envVars": {"desk": {"DESK_TOKEN": "secret-value"}}})
    after = {server["name"]: server for server in await admin.data("GET", "/api/servers")}
    found = await admin.data("GET", "/api/servers?status=error")

    assert before == {"desk": "needs_setup", "plain": "error"}
    assert after["desk"]["status"] == "connected"
    assert (after["plain"]["error"], after["plain"]["nextRetryAt"]) == ("it said no", "2027-01-15T08:00:00Z")
    assert [server["name"] for server in found] == ["plain"]


async def test_a_user_sees_what_may_be_used_and_no_configuration(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    private = {**DESK, "visibility": "private", "owner": "admin"}
    off = {**DESK, "enabled": False}
    await save(admin, document(open=DESK, private=private, off=off))

    seen = await bob.data("GET", "/api/servers")
    choice = await bob.data("GET", "/api/servers?all=true")
    hidden = await bob.get("/api/servers/private")

    assert [server["name"] for server in seen] == ["open"]
    assert [(server["name"], server["visible"]) for server in choice] == [("open", True), ("off", False)]
    assert not any("config" in server for server in [*seen, *choice])
    assert problem(hidden) == (404, "not_found")
    assert [server["name"] for server in await admin.data("GET", "/api/servers")] == ["open", "private", "off"]


async def test_a_reload_is_the_gateways(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK))
    (server,) = api.services.model.servers.values()

    answer = await admin.post("/api/servers/desk/reload")
    unknown = await admin.post("/api/servers/none/reload")

    assert answer.status_code == 200
    assert api.gateway.asked == [("reload", server.server_id)]
    assert problem(unknown) == (404, "not_found")


# tools


async def test_switching_a_tool_keeps_its_description_and_the_other_way_round(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK))
    knows(api, admin, "search")
    tool = "/api/servers/desk/tools/search"

    await admin.put(f"{tool}/description", {"description": "Finds things"})
    off = await admin.post(f"{tool}/toggle", {"enabled": False})
    settings = (await admin.data("GET", FILE))["settings"]["mcpServers"]["desk"]["tools"]
    reset = await admin.delete(f"{tool}/description")

    assert off.json()["data"]["enabled"] is False
    assert settings == {"search": {"description": "Finds things", "enabled": False}}
    assert reset.status_code == 200
    assert (await admin.data("GET", FILE))["settings"]["mcpServers"]["desk"]["tools"] == {"search": {"enabled": False}}


async def test_a_description_has_1_to_4000_characters(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK))
    place = "/api/servers/desk/tools/search/description"

    answers = [await admin.put(place, {"description": "x" * length}) for length in (0, 4000, 4001)]

    assert [answer.status_code for answer in answers] == [422, 200, 422]


async def test_a_tool_the_server_does_not_have_cannot_be_switched(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(desk=DESK))
    knows(api, admin, "search")

    answer = await admin.post("/api/servers/desk/tools/serach/toggle", {"enabled": False})

    assert problem(answer) == (404, "not_found")


async def test_tools_are_listed_as_the_caller_may_use_them(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await save(
        admin,
        document(
            desk={**DESK, "tools": {"hidden": {"enabled": False}}},
            private={**DESK, "owner": "admin", "visibility": "private"},
        ),
    )
    knows(api, bob, "search", "hidden")
    knows(api, bob, "secret", server="private")

    listed = await bob.data("GET", "/api/tools")
    found = await bob.data("GET", "/api/tools?q=SEAR&server=desk")
    server = await bob.data("GET", "/api/servers/desk")

    assert [(tool["name"], tool["exposedName"], tool["server"]) for tool in listed] == [
        ("search", "desk__search", "desk")
    ]
    assert [tool["name"] for tool in found] == ["search"]
    assert ([tool["name"] for tool in server["tools"]], server["toolCount"]) == (["search"], 1)


def knows(api, browser, *names, server="desk"):
    """The gateway holds a list of these tools for the user."""
    state = api.services.model.settings.by_name(server)
    api.gateway.tools[browser.user_id, state.server_id] = [
        Tool(
            name,
            f"{state.slug}__{name}",
            json.dumps({"name": name, "description": f"Does {name}", "inputSchema": {"type": "object"}}).encode(),
        )
        for name in names
    ]


def runtime(server_id):
    return RuntimeInfo(
        id="r",
        server_id=server_id,
        user_id=None,
        session_id="",
        kind="http",
        pid=None,
        opened_at=1.0,
        last_used=1.0,
        in_flight=0,
    )


async def test_a_document_with_nul_says_where_it_is_and_records_nothing(api):
    admin = await api.user("admin", admin=True)
    broken = {**DESK, "description": "a\0b"}

    answers = [
        await save(admin, document(desk=broken)),
        await admin.post("/api/servers", {"name": "desk", "config": broken}),
        await admin.post("/api/servers", {"name": "de\0sk", "config": DESK}),
        await admin.put("/api/system-config", {"nameSeparator": "\0"}),
    ]

    assert [problem(answer) for answer in answers] == [(422, "settings_invalid")] * 4
    assert answers[0].json()["errors"][0]["pointer"] == "/mcpServers/desk/description"
    assert api.services.model.servers == {}
