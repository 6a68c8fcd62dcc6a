"""Variables: what the form asks for, and values saved, shared, cleared."""

import json

from mcphub.domain.vault import MASK
from tests.support.api import problem

CANARY = "canary-service-token-value"
SERVERS = {
    "desk": {
        "type": "http",
        "url": "http://127.0.0.1:9/mcp",
        "headers": {"Authorization": "Bearer ${USER_DESK_TOKEN}"},
    },
    "git": {
        "command": "npx",
        "args": ["-y", "x@1.0.0"],
        "env": {"TOKEN": "${GITHUB_TOKEN}", "MAIL": "${USER_MAIL_EMAIL}"},
    },
    "git2": {"command": "npx", "args": ["-y", "x@1.0.0"], "env": {"TOKEN": "${GITHUB_TOKEN}"}},
    "twice": {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-A": "${USER_USER_X}"}},
    "off": {"command": "npx", "args": ["-y", "x@1.0.0"], "env": {"USER_CRAWL_KEY": "sample"}, "enabled": False},
    "plain": {"command": "npx", "args": ["-y", "x@1.0.0"]},
    "formed": {
        "command": "npx",
        "args": ["-y", "x@1.0.0", "${USER_REGION}"],
        "mcphub": {"slots": {"USER_REGION": {"validationRegex": "^[a-z-]+$", "required": False}}},
    },
    "private": {
        "type": "http",
        "url": "http://127.0.0.1:9/mcp",
        "headers": {"X-A": "${GITHUB_TOKEN}"},
        "visibility": "private",
        "owner": "admin",
    },
}
VARS = "/api/user-env-vars"


async def hub_with_servers(api):
    """A hub with these servers, and a user."""
    admin = await api.user("admin", admin=True)
    etag = (await admin.get("/api/admin/settings-file")).headers["etag"]
    saved = await admin.put(
        "/api/admin/settings-file", {"settings": {"mcpServers": SERVERS}}, headers={"If-Match": etag}
    )
    assert saved.status_code == 200, saved.text
    return await api.user("bob")


async def save(user, only=None, **servers):
    body = {"envVars": servers}
    return await user.post(VARS, body if only is None else {**body, "only": only})


def errors(answer):
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def token_keys(api):
    async with api.services.read.connection() as db:
        cursor = await db.execute("select id::text from public.data_key where purpose = 'token'")
        return {row[0] for row in await cursor.fetchall()}


def stored_keys(api, user):
    values = api.services.model.credentials.get(user.user_id, {}).values()
    return {stored.data_key for server in values for stored in server.values()}


async def test_the_form_lists_servers_and_variables_in_the_documents_order(api):
    bob = await hub_with_servers(api)

    answer = (await bob.get("/api/env-templates")).json()

    assert list(answer["data"].items()) == [
        ("desk", ["USER_DESK_TOKEN"]),
        ("git", ["GITHUB_TOKEN", "USER_MAIL_EMAIL"]),
        ("git2", ["GITHUB_TOKEN"]),
        ("twice", ["USER_USER_X"]),
        ("off", ["USER_CRAWL_KEY"]),
        ("formed", ["USER_REGION"]),
    ]
    (token, mail) = answer["slots"]["git"]
    assert (token["canonical"], token["secret"], token["servers"]) == ("GITHUB_TOKEN", True, ["git", "git2"])
    assert (mail["canonical"], mail["secret"], mail["label"]) == ("MAIL_EMAIL", False, "Mail Email")
    assert answer["slots"]["off"][0]["placeholder"] == "sample"
    assert answer["slots"]["formed"][0]["required"] is False


async def test_saving_works_without_any_key_and_shows_masks_and_what_is_no_secret(api):
    bob = await hub_with_servers(api)

    saved = await save(bob, git={"GITHUB_TOKEN": CANARY, "MAIL_EMAIL": "  bob@example.com "})
    answer = (await bob.get(VARS)).json()

    assert api.services.model.keys == {}
    assert saved.json()["data"]["saved"] == [
        {"server": "git", "name": "GITHUB_TOKEN"},
        {"server": "git", "name": "USER_MAIL_EMAIL"},
    ]
    assert answer["data"]["git"] == {"GITHUB_TOKEN": f"{MASK}alue", "USER_MAIL_EMAIL": "bob@example.com"}
    assert answer["meta"]["git"]["USER_MAIL_EMAIL"]["valid"] is True
    assert answer["meta"]["git"]["GITHUB_TOKEN"]["version"] > 0
    assert saved.headers["x-mcphub-position"] == str(saved.json()["position"])


async def test_a_value_also_goes_to_visible_servers_that_ask_for_it_and_have_none(api):
    bob = await hub_with_servers(api)

    answer = await save(bob, git={"GITHUB_TOKEN": CANARY})

    ids = {server.name: server.server_id for server in api.services.model.servers.values()}
    model = api.services.model
    assert answer.json()["data"]["alsoSavedFor"] == [{"server": "git2", "name": "GITHUB_TOKEN"}]
    assert model.credentials_of(bob.user_id, ids["private"]) == {}
    one, two = (model.credentials_of(bob.user_id, ids[name])["GITHUB_TOKEN"] for name in ("git", "git2"))
    assert one.data_key != two.data_key


async def test_a_value_stays_where_it_was_put_when_only_that_is_asked_or_the_other_has_one(api):
    bob = await hub_with_servers(api)

    alone = await save(bob, only=True, git={"GITHUB_TOKEN": "one-value"})
    await save(bob, git2={"GITHUB_TOKEN": "another-value"})
    changed = await save(bob, git={"GITHUB_TOKEN": "third-value"})

    assert alone.json()["data"]["alsoSavedFor"] == changed.json()["data"]["alsoSavedFor"] == []


async def test_a_hidden_server_receives_nothing_by_itself(api):
    bob = await hub_with_servers(api)
    await bob.post("/api/user/groups", {"name": "only git", "servers": ["git"]})

    answer = await save(bob, git={"GITHUB_TOKEN": CANARY})

    assert answer.json()["data"]["alsoSavedFor"] == []


async def test_names_are_taken_with_or_without_one_prefix(api):
    bob = await hub_with_servers(api)

    answers = [
        await save(bob, desk={"DESK_TOKEN": "a"}),
        await save(bob, desk={"USER_DESK_TOKEN": "b"}),
        await save(bob, git={"USER_GITHUB_TOKEN": "c"}, only=True),
        await save(bob, twice={"USER_USER_X": "d"}),
        await save(bob, twice={"USER_X": "e"}),
    ]

    assert [answer.json()["data"]["saved"] for answer in answers] == [
        [{"server": "desk", "name": "USER_DESK_TOKEN"}],
        [{"server": "desk", "name": "USER_DESK_TOKEN"}],
        [{"server": "git", "name": "GITHUB_TOKEN"}],
        [{"server": "twice", "name": "USER_USER_X"}],
        [{"server": "twice", "name": "USER_USER_X"}],
    ]


async def test_null_clears_blank_leaves_and_the_same_value_changes_nothing(api):
    bob = await hub_with_servers(api)
    await save(bob, desk={"DESK_TOKEN": CANARY}, git={"MAIL_EMAIL": "a@b.example"})
    before = api.services.tail.position

    same = await save(bob, desk={"DESK_TOKEN": CANARY}, git={"MAIL_EMAIL": ""})
    unchanged_at = api.services.tail.position
    cleared = await save(bob, desk={"DESK_TOKEN": None}, git={"MAIL_EMAIL": "   "})
    again = await save(bob, desk={"DESK_TOKEN": None})

    assert same.json()["data"]["unchanged"] == [{"server": "desk", "name": "USER_DESK_TOKEN"}]
    assert unchanged_at == before
    assert cleared.json()["data"]["cleared"] == [{"server": "desk", "name": "USER_DESK_TOKEN"}]
    assert again.json()["data"] == {"saved": [], "cleared": [], "unchanged": [], "alsoSavedFor": []}
    assert (await bob.data("GET", VARS)) == {"git": {"USER_MAIL_EMAIL": "a@b.example"}}


async def test_one_wrong_value_refuses_all_of_them_and_each_is_named(api):
    bob = await hub_with_servers(api)
    await save(bob, desk={"DESK_TOKEN": CANARY})
    mask = (await bob.data("GET", VARS))["desk"]["USER_DESK_TOKEN"]
    before = await token_keys(api)

    answer = await save(
        bob,
        desk={"DESK_TOKEN": mask},
        git={"NO_SUCH": "x", "GITHUB_TOKEN": "good"},
        twice={"USER_X": f"{CANARY}\r\nX-Evil: 1"},
        formed={"REGION": "EU!"},
        private={"GITHUB_TOKEN": "x"},
        none={"X": "y"},
    )

    assert problem(answer) == (422, "invalid_values")
    assert errors(answer) == [
        ("/envVars/desk/DESK_TOKEN", "masked_value"),
        ("/envVars/git/NO_SUCH", "unknown_slot"),
        ("/envVars/twice/USER_X", "value_not_allowed"),
        ("/envVars/formed/REGION", "pattern_mismatch"),
        ("/envVars/private", "unknown_server"),
        ("/envVars/none", "unknown_server"),
    ]
    assert CANARY not in answer.text
    assert await token_keys(api) == before
    assert (await bob.data("GET", VARS)).keys() == {"desk"}


async def test_a_single_wrong_value_gives_its_own_code(api):
    bob = await hub_with_servers(api)

    codes = [
        problem(await save(bob, desk={"DESK_TOKEN": "x" * (16 * 1024 + 1)})),
        problem(await save(bob, desk={"DESK_TOKEN": "a\0b"})),
        problem(await save(bob, formed={"REGION": "--flag"})),
        problem(await save(bob, desk={"NOTHING": "x"})),
        problem(await save(bob, desk={"DESK_TOKEN": 7})),
        problem(await bob.post(VARS, {"envVars": {"desk": None}})),
    ]

    assert codes == [
        (422, "value_not_allowed"),
        (422, "value_not_allowed"),
        (422, "value_not_allowed"),
        (422, "unknown_slot"),
        (422, "invalid_request"),
        (422, "invalid_request"),
    ]


async def test_exactly_the_data_keys_of_stored_values_remain(api):
    bob = await hub_with_servers(api)

    await save(bob, desk={"DESK_TOKEN": "first"}, git={"GITHUB_TOKEN": "one"})
    await save(bob, desk={"DESK_TOKEN": "second"})
    await save(bob, desk={"DESK_TOKEN": "second"}, git={"GITHUB_TOKEN": None})
    await bob.delete(f"{VARS}/git2/USER_GITHUB_TOKEN")

    assert await token_keys(api) == stored_keys(api, bob)
    assert len(await token_keys(api)) == 1


async def test_a_cleared_value_is_gone_and_clearing_it_twice_is_fine(api):
    bob = await hub_with_servers(api)
    await save(bob, desk={"DESK_TOKEN": CANARY})

    answers = [await bob.delete(f"{VARS}/desk/{name}") for name in ("DESK_TOKEN", "USER_DESK_TOKEN", "NOTHING")]
    elsewhere = await bob.delete(f"{VARS}/private/GITHUB_TOKEN")

    assert [answer.status_code for answer in answers] == [204, 204, 404]
    assert problem(elsewhere) == (404, "not_found")
    assert await bob.data("GET", VARS) == {}


async def test_sharing_seals_the_value_anew_and_never_shows_it(api):
    bob = await hub_with_servers(api)
    await save(bob, only=True, git={"GITHUB_TOKEN": CANARY})

    shared = await bob.post(f"{VARS}/share", {"name": "GITHUB_TOKEN", "from": "git", "to": ["git2"]})
    nothing = await bob.post(f"{VARS}/share", {"name": "MAIL_EMAIL", "from": "git", "to": ["git2"]})
    hidden = await bob.post(f"{VARS}/share", {"name": "GITHUB_TOKEN", "from": "git", "to": ["private"]})

    ids = {server.name: server.server_id for server in api.services.model.servers.values()}
    stored = api.services.model.credentials_of(bob.user_id, ids["git2"])["GITHUB_TOKEN"]
    opened = api.services.vault.open(stored.sealed, "token", (bob.user_id, ids["git2"], "GITHUB_TOKEN"))
    assert opened == CANARY
    assert CANARY not in shared.text
    assert problem(nothing) == (404, "not_found")
    assert problem(hidden) == (422, "unknown_server")


async def test_values_are_in_no_fact_no_table_and_no_answer(api):
    bob = await hub_with_servers(api)

    answers = [
        await save(bob, desk={"DESK_TOKEN": CANARY}, git={"GITHUB_TOKEN": CANARY}),
        await save(bob, desk={"DESK_TOKEN": f"{CANARY}-2"}),
        await bob.get(VARS),
        await bob.get("/api/env-templates"),
        await bob.get("/api/servers"),
        await bob.get("/api/audit"),
        await bob.get("/api/api-keys"),
        await save(bob, desk={"NO_SUCH": CANARY}),
    ]

    assert not [answer.url for answer in answers if CANARY in answer.text]
    async with api.services.read.connection() as db:
        for table in ("public.ledger", "credentials", "public.data_key"):
            assert CANARY not in str(await (await db.execute(f"select t::text from {table} t")).fetchall())


async def test_one_users_values_are_nobody_elses(api):
    bob = await hub_with_servers(api)
    eve = await api.user("eve")
    await save(bob, desk={"DESK_TOKEN": CANARY})

    await save(eve, desk={"DESK_TOKEN": None})

    assert await eve.data("GET", VARS) == {}
    assert (await bob.data("GET", VARS)).keys() == {"desk"}
    assert problem(await eve.post(f"{VARS}/share", {"name": "DESK_TOKEN", "from": "desk", "to": []})) == (
        404,
        "not_found",
    )


# forms of the earlier hub


async def test_the_earlier_form_saves_for_every_server_that_asks(api):
    bob = await hub_with_servers(api)
    key = (await bob.data("POST", "/api/keys", {}))["id"]

    saved = await bob.put(f"/api/oauth/keys/{key}/tokens", {"GITHUB_TOKEN": CANARY, "DESK_TOKEN": ""})
    unknown = await bob.put(f"/api/oauth/keys/{key}/tokens", {"NO_SUCH": "x"})
    masks = await bob.data("GET", f"/api/oauth/keys/{key}/tokens")

    assert [place["server"] for place in saved.json()["data"]["saved"]] == ["git", "git2"]
    assert problem(unknown) == (422, "unknown_slot")
    assert errors(unknown) == [("/NO_SUCH", "unknown_slot")]
    assert masks == await bob.data("GET", "/api/api-keys") == {"GITHUB_TOKEN": f"{MASK}alue"}
    assert json.dumps(masks).count(CANARY) == 0


async def test_a_secret_of_one_server_is_not_readable_through_another_that_calls_it_none(api):
    """What is saved for one goes to the other as well; a form must not become the way to see it."""
    bob, admin = await hub_with_servers(api), await api.log_in("admin")
    open_slot = {"USER_DESK_TOKEN": {"isSecret": False}}
    made = await admin.post(
        "/api/servers", {"name": "curious", "config": {**SERVERS["desk"], "mcphub": {"slots": open_slot}}}
    )
    assert made.status_code == 201

    saved = await save(bob, desk={"USER_DESK_TOKEN": CANARY})

    assert saved.json()["data"]["alsoSavedFor"] == [{"server": "curious", "name": "USER_DESK_TOKEN"}]
    answer = await bob.get(VARS)
    assert answer.json()["data"]["curious"] == {"USER_DESK_TOKEN": MASK + CANARY[-4:]}
    assert CANARY not in answer.text
