"""The hub's own variables through the API: stored before the environment, shown by mask, gone for good."""

import pytest

from mcphub.domain.vault import MASK
from mcphub.roles import Erasure
from tests.support.api import problem, running_api

PATH = "/api/admin/hub-variables"
CANARY = "canary-hub-variable-value"
READS = {
    "type": "http",
    "url": "http://127.0.0.1:9/mcp",
    "headers": {"Authorization": "Bearer ${HUB_DESK}", "X-Team": "${HUB_TEAM}"},
}


@pytest.fixture
async def api(database, home):
    async with running_api(database.app_dsn, home, {"HUB_TEAM": "blue", "HUB_SPARE": "x"}) as running:
        yield running


@pytest.fixture
async def admin(api):
    signed_in = await api.user("admin", admin=True)
    added = await signed_in.post("/api/servers", {"name": "desk", "config": READS})
    assert added.status_code == 201, added.text
    return signed_in


async def sources(admin):
    return {variable["name"]: variable["source"] for variable in await admin.data("GET", PATH)}


async def hub_keys(api):
    async with api.services.read.connection() as db:
        cursor = await db.execute("select id::text from public.data_key where purpose = 'hub_variable'")
        return {row[0] for row in await cursor.fetchall()}


def stored_keys(api):
    return {stored.data_key for stored in api.services.model.hub_variables.stored.values()}


async def test_the_list_says_what_is_read_where_it_comes_from_and_by_whom(api, admin):
    variables = await admin.data("GET", PATH)

    assert [(v["name"], v["source"], v["usedBy"]) for v in variables] == [
        ("HUB_DESK", "unset", ["desk"]),
        ("HUB_SPARE", "environment", []),
        ("HUB_TEAM", "environment", ["desk"]),
    ]
    assert {(v["mask"], v["fingerprint"], v["updatedAt"]) for v in variables} == {(None, None, None)}


async def test_a_stored_value_counts_and_comes_back_as_mask_date_and_fingerprint(api, admin):
    answer = await admin.put(f"{PATH}/HUB_DESK", {"value": f"  {CANARY}  "})

    shown = answer.json()["data"]
    assert answer.headers["x-mcphub-position"] == str(answer.json()["position"])
    assert (shown["source"], shown["inEnvironment"], shown["usedBy"]) == ("stored", False, ["desk"])
    assert shown["mask"] == MASK + CANARY[-4:]
    assert shown["fingerprint"] == api.services.vault.fingerprint(CANARY)
    assert shown["updatedAt"] is not None
    assert CANARY not in answer.text + (await admin.get(PATH)).text + (await admin.get("/api/audit")).text


async def test_what_is_stored_counts_before_the_environment_until_it_is_removed(api, admin):
    await admin.put(f"{PATH}/HUB_TEAM", {"value": "red"})
    stored = await sources(admin)

    removed = await admin.delete(f"{PATH}/HUB_TEAM")

    assert stored["HUB_TEAM"] == "stored"
    assert removed.status_code == 204
    assert (await sources(admin))["HUB_TEAM"] == "environment"


async def test_data_keys_of_replaced_and_removed_values_are_destroyed(api, admin):
    await admin.put(f"{PATH}/HUB_DESK", {"value": "one"})
    first = stored_keys(api)
    await admin.put(f"{PATH}/HUB_DESK", {"value": "two"})
    second = stored_keys(api)
    await admin.put(f"{PATH}/HUB_DESK", {"value": "two"})

    assert await hub_keys(api) == second == stored_keys(api)
    assert first.isdisjoint(second)
    await admin.delete(f"{PATH}/HUB_DESK")
    assert await hub_keys(api) == set()


@pytest.mark.parametrize("name", ["DESK", "hub_desk", "HUB_", "MCPHUB_MASTER_KEYS", "HUB_A-B", f"HUB_{'A' * 128}"])
async def test_only_names_that_documents_may_read_are_stored(api, admin, name):
    answer = await admin.put(f"{PATH}/{name}", {"value": "x"})

    assert problem(answer) == (422, "hub_variable_name")
    assert await hub_keys(api) == set()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "value_not_allowed"),
        ("a\r\nX-Evil: b", "value_not_allowed"),
        ("a\0b", "value_not_allowed"),
        ("x" * (16 * 1024 + 1), "value_not_allowed"),
        (f"{MASK}abcd", "masked_value"),
    ],
)
async def test_a_value_that_some_place_could_not_take_is_refused(api, admin, value, code):
    answer = await admin.put(f"{PATH}/HUB_DESK", {"value": value})

    assert problem(answer) == (422, code)
    assert (await sources(admin))["HUB_DESK"] == "unset"


async def test_removing_what_is_not_stored_says_so(api, admin):
    assert problem(await admin.delete(f"{PATH}/HUB_TEAM")) == (404, "not_found")


async def test_a_document_is_warned_of_variables_that_have_no_value_anywhere(api, admin):
    async def warned():
        answer = await admin.get("/api/admin/settings-file")
        body = {"settings": answer.json()["data"]["settings"]}
        saved = await admin.put(
            "/api/admin/settings-file?dryRun=true", body, headers={"If-Match": answer.headers["etag"]}
        )
        return [found["pointer"] for found in saved.json()["data"]["warnings"] if found["code"] == "hub_variable_unset"]

    before = await warned()
    await admin.put(f"{PATH}/HUB_DESK", {"value": CANARY})

    assert before == ["/mcpServers/desk/headers/Authorization"]
    assert await warned() == []


async def test_a_server_needs_no_set_up_once_its_variable_is_stored(api, admin):
    async def status():
        (server,) = await admin.data("GET", "/api/servers")
        return server["status"], server["error"]

    before = await status()
    await admin.put(f"{PATH}/HUB_DESK", {"value": CANARY})

    assert before == ("needs_setup", "the hub has no value for HUB_DESK")
    assert await status() == ("disconnected", None)


async def test_the_eraser_finds_values_that_no_fact_stores(api, admin):
    await admin.put(f"{PATH}/HUB_DESK", {"value": CANARY})
    key, _ = api.services.vault.seal_new("hub:variables", "hub_variable", ("HUB_LOST",), "lost")
    async with api.services.read.connection() as db:
        await db.execute("update public.data_key set created_at = now() - interval '2 hours'")
    erasure = Erasure(api.services.hub, api.services.vault, api.services.model, api.services.write)

    await erasure.sweep()

    assert await hub_keys(api) == stored_keys(api)
    assert key not in await hub_keys(api)
