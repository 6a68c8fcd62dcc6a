"""The settings document as it was: its versions, any of them read again, and one brought back by a new save."""

from msgspec.structs import replace

from mcphub.domain.literal_secrets import PURPOSE, SEALED, place
from mcphub.domain.vault import MASK, key_of
from tests.support.api import problem

FILE = "/api/admin/settings-file"
VERSIONS = f"{FILE}/versions"
CANARY = "canary-literal-secret-2"
DESK = {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer ${USER_DESK_TOKEN}"}}
LITERAL = {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-Api-Key": CANARY}}
PLAIN = {"type": "http", "url": "http://127.0.0.1:9/mcp"}


def document(**servers):
    return {"mcpServers": servers}


async def save(admin, settings):
    """Saves, and says which version that made."""
    tag = (await admin.get(FILE)).headers["etag"]
    answer = await admin.put(FILE, {"settings": settings}, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["version"]


async def restore(admin, version, *, query=""):
    tag = (await admin.get(FILE)).headers["etag"]
    return await admin.post(f"{VERSIONS}/{version}/restore{query}", {}, headers={"If-Match": tag})


def opened(api, server):
    """What is sealed in a server's header now."""
    sealed = api.services.model.settings.by_name(server).config["headers"]["X-Api-Key"][SEALED]
    return api.services.vault.open(sealed, PURPOSE, place("/headers/X-Api-Key"))


async def test_each_save_and_each_switch_is_one_version_newest_first(api):
    admin = await api.user("admin", admin=True)
    first = await save(admin, document(desk=DESK))
    await admin.post("/api/servers/desk/toggle", {"enabled": False})

    answer = (await admin.get(VERSIONS)).json()

    switched, saved = answer["data"]
    assert answer["page"]["next"] is None
    assert saved["version"] == first
    assert (saved["command"], switched["command"]) == ("ApplySettings", "SetServerEnabled")
    assert (saved["actorName"], saved["actorKind"], saved["source"]) == ("admin", "user", "ui")
    assert saved["facts"] == 3
    assert saved["changes"] == [
        {"type": "ServerAdded", "server": "desk", "summary": ""},
        {"type": "SecretSlotDeclared", "server": "desk", "summary": "DESK_TOKEN"},
        {"type": "SettingsFileImported", "server": "", "summary": ""},
    ]
    assert switched["changes"] == [{"type": "ServerDisabled", "server": "desk", "summary": ""}]


async def test_versions_come_in_pages_that_cut_no_save_in_two(api):
    admin = await api.user("admin", admin=True)
    saved = [await save(admin, document(desk=DESK, **{f"s{n}": PLAIN})) for n in range(3)]

    pages, cursor = [], ""
    while cursor is not None:
        answer = (await admin.get(f"{VERSIONS}?limit=1&cursor={cursor}")).json()
        pages += [[row["version"] for row in answer["data"]]]
        cursor = answer["page"]["next"]
    wrong = await admin.get(f"{VERSIONS}?cursor=soon")

    assert pages == [[version] for version in reversed(saved)]
    assert problem(wrong) == (422, "invalid_request")


async def test_a_save_of_many_servers_names_the_first_and_counts_the_rest(api):
    admin = await api.user("admin", admin=True)
    await save(admin, document(**{f"s{n}": PLAIN for n in range(30)}))

    (version,) = await admin.data("GET", VERSIONS)

    assert version["facts"] == 31
    assert [change["server"] for change in version["changes"]] == [f"s{n}" for n in range(20)]


async def test_the_document_is_read_as_of_any_position(api):
    admin = await api.user("admin", admin=True)
    first = await save(admin, document(desk=LITERAL))
    second = await save(admin, document(other=PLAIN))

    then = await admin.get(f"{VERSIONS}/{first}")
    between = await admin.data("GET", f"{VERSIONS}/{second - 1}")
    before = await admin.data("GET", f"{VERSIONS}/0")
    unborn = await admin.get(f"{VERSIONS}/{second + 1}")

    assert then.json()["data"]["settings"] == document(desk={**LITERAL, "headers": {"X-Api-Key": MASK}})
    assert then.json()["data"]["version"] == first
    assert CANARY not in then.text
    assert between["version"] == second - 1  # inside of the save: the old server is gone, the new one added
    assert (before["settings"], before["version"]) == (document(), 0)
    assert problem(unborn) == (404, "not_found")


async def test_a_version_brought_back_is_a_new_save_with_its_secrets(api):
    admin = await api.user("admin", admin=True)
    first = await save(admin, document(desk=LITERAL, other=PLAIN))
    wanted = (await admin.data("GET", FILE))["settings"]
    await save(admin, document(desk={**LITERAL, "headers": {"X-Api-Key": "another-literal"}}))

    tried = await restore(admin, first, query="?dryRun=true")
    untouched = (await admin.data("GET", FILE))["settings"]
    done = await restore(admin, first)

    assert list(untouched["mcpServers"]) == ["desk"]
    assert done.json()["data"]["changes"] == tried.json()["data"]["changes"]
    assert [change["type"] for change in done.json()["data"]["changes"]] == [
        "ServerChanged",
        "ServerAdded",
        "SettingsFileImported",
    ]
    assert (await admin.data("GET", FILE))["settings"] == wanted
    assert opened(api, "desk") == CANARY
    assert (await admin.data("GET", VERSIONS))[0]["command"] == "RestoreSettings"
    assert (await restore(admin, first)).json()["data"]["changes"] == []


async def test_a_secret_whose_key_is_gone_is_the_present_one_of_its_place(api):
    admin = await api.user("admin", admin=True)
    first = await save(admin, document(desk=LITERAL))
    sealed = api.services.model.settings.by_name("desk").config["headers"]["X-Api-Key"][SEALED]
    await save(admin, document(desk={**LITERAL, "headers": {"X-Api-Key": "another-literal"}, "enabled": False}))
    api.services.vault.destroy(key_of(sealed))

    replaced = await restore(admin, first)
    kept = opened(api, "desk")
    await save(admin, document(desk=PLAIN))
    refused = await restore(admin, first)

    assert replaced.status_code == 200
    assert kept == "another-literal"
    assert problem(refused) == (422, "settings_invalid")
    assert refused.json()["errors"][0]["pointer"] == "/mcpServers/desk/headers/X-Api-Key"
    assert refused.json()["errors"][0]["code"] == "sealed_value_gone"


async def test_a_server_that_was_renamed_since_gets_its_name_back_and_stays_itself(api):
    admin = await api.user("admin", admin=True)
    first = await save(admin, document(desk=DESK))
    server_id = api.services.model.settings.by_name("desk").server_id
    await admin.put("/api/servers/desk", {"name": "helpdesk"})
    assert api.services.model.settings.by_name("helpdesk").server_id == server_id

    done = await restore(admin, first)

    assert done.json()["data"]["changes"][0] == {"type": "ServerRenamed", "server": "desk", "summary": "helpdesk"}
    assert api.services.model.settings.by_name("desk").server_id == server_id


async def test_a_version_is_brought_back_by_whoever_saw_the_present_one_only(api):
    admin = await api.user("admin", admin=True)
    first = await save(admin, document(desk=DESK))
    second = await save(admin, document(desk=PLAIN))

    blind = await admin.post(f"{VERSIONS}/{first}/restore", {})
    stale = await admin.post(f"{VERSIONS}/{first}/restore", {"version": first})
    unborn = await admin.post(f"{VERSIONS}/{second + 1}/restore", {"version": second})

    assert problem(blind) == (428, "version_required")
    assert problem(stale) == (412, "version_mismatch")
    assert problem(unborn) == (404, "not_found")
    assert (await admin.data("GET", FILE))["version"] == second


async def test_what_would_be_refused_today_is_not_brought_back(api):
    admin = await api.user("admin", admin=True)
    today = api.services.settings
    api.services.settings = replace(today, stdio_commands=frozenset({"/opt/own"}))
    first = await save(admin, document(local={"command": "/opt/own"}))
    await save(admin, document())
    api.services.settings = today

    answer = await restore(admin, first)

    assert problem(answer) == (422, "settings_invalid")
    assert answer.json()["errors"][0]["code"] == "command_not_allowed"
