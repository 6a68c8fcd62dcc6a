"""The drill of docs/backup.md: a hub is lost and restored elsewhere, and one moves to another PostgreSQL and back.

Keys, tokens and history go along; who was erased and what was cleared stays gone, also after a backup from before.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.conftest import Database
from tests.e2e.conftest import StartHub
from tests.support.canaries import files_below, leaks, plain_canary
from tests.support.command import run_mcphub
from tests.support.ide import HttpError, Ide
from tests.support.oracles import read_tables
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow


def cli(home: Path, *arguments: str, stdin: str = "", code: int = 0, **env: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home), **env}
    done = run_mcphub(*arguments, home=home, env=environment, stdin=stdin.encode())
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done


def answered(home: Path, *arguments: str, **how: Any) -> Any:
    return json.loads(cli(home, *arguments, "--json", **how).stdout)


async def told(hub: RunningHub, key: str, tool: str = "far__whoami") -> str:
    """What the server behind was told by a call with this key."""
    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        result = await ide.call(tool)
    return str(result["content"][0]["text"])


def furnish(hub: RunningHub, upstreams: Upstreams) -> tuple[Person, Person, dict[str, str]]:
    """A server, two people with values of their own, and a second value of the one who stays."""
    far = upstreams.http("far").config(headers={"Authorization": "Bearer ${USER_FAR_TOKEN}"})
    near = upstreams.http("near").config(headers={"Authorization": "Bearer ${USER_NEAR_TOKEN}"})
    hub.admin.add_servers({"far": far, "near": near})
    stayer, leaver = hub.admin.user("stayer"), hub.admin.user("leaver")
    values = {name: plain_canary(name) for name in ("stays", "goes", "cleared")}
    stayer.save("far", USER_FAR_TOKEN=values["stays"])
    stayer.save("near", USER_NEAR_TOKEN=values["cleared"])
    leaver.save("far", USER_FAR_TOKEN=values["goes"])
    return stayer, leaver, values


async def test_a_hub_is_restored_in_a_new_home_and_what_was_erased_since_stays_gone(
    start_hub: StartHub, make_home: Callable[[], Path], upstreams: Upstreams, tmp_path: Path
) -> None:
    lost, home, folder = start_hub(), make_home(), tmp_path / "backup"
    stayer, leaver, values = furnish(lost, upstreams)
    keys = {person.username: person.key() for person in (stayer, leaver)}
    assert values["stays"] in await told(lost, keys["stayer"])
    backed_up = answered(lost.home, "backup", str(folder))
    (made,) = lost.admin.audit(type="BackupMade")
    assert (made["data"]["upto"], made["data"]["with_keys"], made["actor"]) == (
        backed_up["position"],
        False,
        "system:cli",
    )
    lost.admin.rest.ask("DELETE", f"/api/admin/users/{leaver.id}?hard=true", json={"confirm": leaver.username})
    stayer.save("near", USER_NEAR_TOKEN=None)
    assert lost.stop() == 0

    assert not (folder / "master.key").exists()
    assert leaks({**values, **keys}, dict(files_below(folder, without=set()))) == []
    cli(home, "restore", str(folder), code=2)
    assert list(home.iterdir()) == []
    ring, kept = str(lost.home / "master.key"), str(lost.home / "checkpoints.jsonl")
    restored = answered(home, "restore", str(folder), "--keys", ring, "--checkpoints", kept)

    assert (restored["ok"], restored["position"], restored["hash"]) == (
        True,
        backed_up["position"],
        backed_up["hash"],
    )
    assert (restored["erased"], restored["cleared"], restored["notErased"]) == ([leaver.id], 1, [])
    assert restored["knownUpto"] > backed_up["position"]
    hub = start_hub(home=home)
    hub.password = lost.password
    (fact,) = hub.admin.audit(type="HubRestored")
    assert (fact["position"], fact["actor"]) == (backed_up["position"] + 1, "system:cli")
    said = {"upto": backed_up["position"], "hash": backed_up["hash"], "known_upto": restored["knownUpto"]}
    assert {name: fact["data"][name] for name in said} == said
    assert values["stays"] in await told(hub, keys["stayer"])
    assert "USER_NEAR_TOKEN" in await told(hub, keys["stayer"], "near__whoami")
    with pytest.raises(HttpError, match="401"):
        await told(hub, keys["leaver"])
    dsn = EmbeddedPostgres.reach(home).dsn("postgres")
    with psycopg.connect(dsn) as db:
        caused = "select count(*) from ledger where type = 'UserErased' and meta ->> 'causation_id' = %s"
        assert db.execute(caused, (fact["id"],)).fetchone() == (1,)
        assert db.execute("select count(*) from data_key where owner = %s", (leaver.id,)).fetchone() == (0,)
        gone = db.execute(
            "select count(*) from data_key where id::text = any(%s)", (cleared_keys(Path(kept)),)
        ).fetchone()
    assert gone == (0,)
    assert len(cleared_keys(Path(kept))) == 1
    assert answered(home, "rebuild", "--check")["equal"]


def cleared_keys(checkpoints: Path) -> list[str]:
    lines = [json.loads(line)["checkpoint"] for line in checkpoints.read_text().splitlines()]
    return [key for line in lines for key in line.get("cleared", ())]


@pytest.mark.thorough
async def test_a_hub_moves_to_a_managed_server_and_back(
    start_hub: StartHub, empty_database: Database, upstreams: Upstreams
) -> None:
    hub = start_hub()
    stayer, leaver, values = furnish(hub, upstreams)
    key = stayer.key()
    hub.admin.rest.ask("DELETE", f"/api/admin/users/{leaver.id}?hard=true", json={"confirm": leaver.username})
    await told(hub, key)
    home, there = hub.home, empty_database.owner_dsn
    cli(home, "move", "--to", "-", stdin=there, code=1)  # it runs
    assert hub.stop() == 0

    moved = answered(home, "move", "--to", "-", stdin=there)

    assert moved["rows"] > 20
    assert answered(home, "verify", DATABASE_URL=there)["completeness"] == "complete"
    assert answered(home, "rebuild", "--check", DATABASE_URL=there)["equal"]
    hub.env["DATABASE_URL"] = there
    hub.start()
    assert values["stays"] in await told(hub, key)
    assert leaver.id not in {user["id"] for user in hub.admin.rest.get("/api/admin/users/list")}
    assert hub.stop() == 0
    before = read_tables(there)

    back = answered(home, "move", "--to", "embedded", DATABASE_URL=there)

    del hub.env["DATABASE_URL"]
    hub.start()
    assert back["to"] == str(home)
    assert values["stays"] in await told(hub, key)
    dsn = EmbeddedPostgres.reach(home).dsn("postgres")
    assert read_tables(dsn) == before
    with psycopg.connect(dsn) as db:
        assert db.execute("select count(*) from data_key where owner = %s", (leaver.id,)).fetchone() == (0,)
