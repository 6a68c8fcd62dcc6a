"""A hostile server over stdio gets exactly as far as the hub says it can: below a hub of root, with an account of its
own and without one, and below a hub of an ordinary user.
"""

import json
import os
import pwd
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mcphub.gateway.upstream.sandbox import MOST_FILE, PROCESSES_OF_ACCOUNT, landlock_abi
from tests.support.ide import Ide
from tests.support.owners import Owners, python_for, running
from tests.support.rest import Person
from tests.support.running import ROOT, RunningHub
from tests.support.upstreams import SERVERS
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc, Landlock and accounts are Linux's"),
]

# Anybody can run it, so an account can; the tests' own interpreter may lie in a private directory.
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
REFUSED = {"EACCES", "EPERM"}
KERNEL = ["landlock-files"] * bool(landlock_abi()) + ["landlock-signals"] * (landlock_abi() >= 6)
EVERYWHERE = ["process", "limits", "no-new-privileges"]


@dataclass
class Victim:
    """What there is to steal and to break: the hub, its database, and bob's process of the same server."""

    hub: RunningHub
    beside: Path
    bob: dict[str, Any]

    @property
    def account(self) -> int:
        return self.hub.account.pw_uid if self.hub.account else os.geteuid()


class World:
    """A hub with two hostile servers: `open` is run by a program anybody may run; `tied` names a directory that is
    root's alone.
    """

    def __init__(self, hub: RunningHub, place: Path, beside: Path) -> None:
        self.hub = hub
        self.beside = beside
        closed = place / "closed"
        closed.mkdir(mode=0o700)
        program = shutil.copy(SERVERS / "hostile.py", place)
        os.chmod(program, 0o644)
        hub.admin.add_servers(
            {
                "open": {"command": PYTHON, "args": [program]},
                "tied": {"command": PYTHON, "args": [program, f"--data={closed}"]},
            }
        )
        self.people = {name: hub.admin.user(name) for name in ("ann", "bob")}
        for person in self.people.values():
            person.group("all", "open", "tied")

    @property
    def root(self) -> bool:
        return self.hub.account is None and os.geteuid() == 0

    def report(self, server: str) -> dict[str, Any]:
        states = self.hub.admin.rest.get("/api/admin/upstream-status")
        return next(state for state in states if state["server"] == server)

    def end(self, server: str, person: Person) -> None:
        """The runtime of one user, as an administrator ends it."""
        [one] = [
            runtime
            for runtime in self.hub.admin.rest.get("/api/admin/upstream-sessions")
            if runtime["server"] == server and runtime["userId"] == person.id
        ]
        self.hub.admin.rest.delete(f"/api/admin/upstream-sessions/{server}/{one['id']}")


@pytest.fixture(scope="module", params=[pytest.param("present user", marks=pytest.mark.thorough), "ordinary user"])
def world(
    request: pytest.FixtureRequest, make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    account: pwd.struct_passwd | None = None
    home, place = make_home(), make_home()
    place.chmod(0o755)
    env = {"MCPHUB_STDIO_COMMANDS": PYTHON}
    command: tuple[str, ...] = ()
    beside = place / "beside"
    beside.mkdir(mode=0o755)
    (beside / "secret").write_text("canary")
    (beside / "secret").chmod(0o600)
    if request.param == "ordinary user":
        if os.geteuid() != 0:
            pytest.skip("the test run itself is by an ordinary user")
        account = request.getfixturevalue("ordinary_user")
        sources = place / "python"
        sources.mkdir(mode=0o755)
        for name, target in (("mcphub", "src"), ("migrations", "migrations")):
            (sources / name).symlink_to(ROOT / target)
        env["PYTHONPATH"] = f"{sources}:{sysconfig.get_path('purelib')}"
        command = (python_for(Owners(make_home, account, "", {"PATH": os.environ["PATH"], **env})), "-m", "mcphub")
        for path in (home, beside, beside / "secret"):
            os.chown(path, account.pw_uid, account.pw_gid)
    hub = RunningHub(home, tmp_path_factory.mktemp("hostile"), env=env, account=account)
    try:
        yield World(hub.start(*command), place, beside)
    finally:
        hub.end()


async def attack(ide: Ide, attempt: str, **how: Any) -> Any:
    return json.loads(await ide.text(next(iter(await ide.tool_names())), attempt=attempt, **how))


def test_the_report_says_what_this_hub_can_do(world: World) -> None:
    """Before anything runs it is what the machine gives to any server."""
    reports = {server: world.report(server) for server in ("open", "tied")}

    for report in reports.values():
        assert set(report["sandboxLayers"]).isdisjoint(report["sandboxMissing"])
        expected = "its program has not been looked at yet" if world.root else "the hub is not run by root"
        assert report["sandboxMissing"]["account"] == expected


async def test_a_hostile_server_gets_as_far_as_the_hub_reports_and_no_further(world: World) -> None:
    for server in ("open", "tied") if world.root else ("open",):
        await assault(world, server)

    assert world.hub.process is not None
    assert world.hub.process.poll() is None


async def assault(world: World, server: str) -> None:
    hub, root, ann, bob = world.hub, world.root, world.people["ann"], world.people["bob"]
    async with Ide(f"{hub.mcp}/{server}", ann.key()) as ide, Ide(f"{hub.mcp}/{server}", bob.key()) as other:
        victim = Victim(hub, world.beside, await attack(other, "whoami"))
        me = await attack(ide, "whoami")
        report = world.report(server)
        layers = set(report["sandboxLayers"])

        own = root and server == "open"
        assert layers == {*EVERYWHERE, *KERNEL, *(["account"] * own), *(["no-capabilities"] * (own or not root))}
        level = "landlock" if KERNEL else "limits"
        assert report["sandbox"] == (f"account-{level}" if own else level)
        if root and not own:
            assert "closed to other accounts than root" in report["sandboxMissing"]["account"]

        as_it_is(me, victim, layers)
        await files(ide, me, victim, layers)
        await processes(ide, victim, layers)
        await resources(ide, me, layers)
        await surfaces(ide, me, victim, layers)

        assert (await attack(other, "whoami"))["pid"] == victim.bob["pid"]
    await leaving(world, server, layers)


def as_it_is(me: dict[str, Any], victim: Victim, layers: set[str]) -> None:
    accounts = {me["uid"], victim.bob["uid"], victim.account}
    assert len(accounts) == (3 if "account" in layers else 1)
    assert me["no_new_privileges"] == "1"
    assert me["first_to_go"] >= 500
    if "no-capabilities" in layers:
        assert me["capabilities"] == 0
    assert not {name for name in me["environment"] if "PASSWORD" in name or "DATABASE" in name}


async def files(ide: Ide, me: dict[str, Any], victim: Victim, layers: set[str]) -> None:
    home = victim.hub.home
    kept = layers & {"landlock-files", "account"}
    secrets = [home / "master.key", home / "pg.password", home / "hub.lock", *(home / "spool").glob("*")]
    for path in (*secrets, home / "pg" / "18" / "PG_VERSION"):
        assert (await attack(ide, "read", path=str(path)) in REFUSED) == bool(kept), path
    for path in (home, home / "pg" / "18", home / "children", Path(victim.bob["home"])):
        assert (await attack(ide, "list", path=str(path)) in REFUSED) == bool(kept), path
    for path in (home / "new", Path(victim.bob["home"]) / "new", Path(me["home"]).parent / "new"):
        assert (await attack(ide, "write", path=str(path)) in REFUSED) == bool(kept), path
    assert await attack(ide, "write", path=f"{me['home']}/new") == "done"
    # What lies beside the home is open to whoever is the hub's account.
    beside = await attack(ide, "read", path=str(victim.beside / "secret"))
    assert beside == ("EACCES" if "account" in layers else "done")
    if kept or victim.account:
        assert await attack(ide, "write", path="/etc/mcphub-hostile") in REFUSED
    if victim.account == 0 and kept:
        assert await attack(ide, "write", path="/usr/bin/mcphub-hostile") in REFUSED
        assert await attack(ide, "write", path="/proc/sys/kernel/core_pattern") in REFUSED
        if not ROOT.is_relative_to(tempfile.gettempdir()):  # directories for temporary files are open to it
            assert await attack(ide, "write", path=f"{ROOT}/src/hostile.py") in REFUSED


async def processes(ide: Ide, victim: Victim, layers: set[str]) -> None:
    kept = layers & {"landlock-files", "account"}
    silent = layers & {"landlock-signals", "account"}
    for pid in (victim.hub.pid, victim.hub.postmaster(), victim.bob["pid"]):
        found = await attack(ide, "look", pid=pid)
        if kept:
            assert set(found.values()) <= REFUSED, (pid, found)
        else:
            assert found["environ"] == "done", (pid, found)
        assert (await attack(ide, "signal", pid=pid, number=0) in REFUSED) == bool(silent), pid
        if silent:
            for number in (signal.SIGKILL, signal.SIGSTOP):
                assert await attack(ide, "signal", pid=pid, number=number) in REFUSED, pid


async def resources(ide: Ide, me: dict[str, Any], layers: set[str]) -> None:
    most = PROCESSES_OF_ACCOUNT + 50
    bomb = await attack(ide, "bomb", most=most)
    if "account" in layers:
        assert bomb["tasks"] < PROCESSES_OF_ACCOUNT
        assert bomb["fork"] == "EAGAIN"
    else:
        assert bomb == {"tasks": most, "fork": "done"}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert await attack(ide, "hog", size=max(memory // 2, 4 << 30)) == "ENOMEM"
    assert await attack(ide, "hog", size=1 << 30) == "done"
    assert await attack(ide, "fill", path=f"{me['home']}/big", size=MOST_FILE + 1) == "EFBIG"
    assert await attack(ide, "fill", path=f"{me['home']}/big", size=MOST_FILE) == "done"


async def surfaces(ide: Ide, me: dict[str, Any], victim: Victim, layers: set[str]) -> None:
    [socket] = (victim.hub.home / "run").glob(".s.PGSQL.5432")
    reached = await attack(ide, "database", path=str(socket))
    assert reached == ("EACCES" if "account" in layers else "asked for a password")
    for path in ("/api/admin/users", "/api/admin/settings-file", "/mcp"):
        assert await attack(ide, "fetch", url=f"{victim.hub.url}{path}") in {401, 403}
    if me["uid"]:
        for uid in (0, victim.account, victim.bob["uid"]):
            if uid != me["uid"]:
                assert await attack(ide, "become", uid=uid) == "EPERM"
        assert set(await attack(ide, "regain")) <= {me["uid"]}


async def leaving(world: World, server: str, layers: set[str]) -> None:
    """A process that leaves its group is found by its mark; one that wipes that off as well, by its account."""
    ann = world.people["ann"]
    async with Ide(f"{world.hub.mcp}/{server}", ann.key()) as ide:
        marked, unmarked = [await attack(ide, "leave", marked=marked) for marked in (True, False)]
        try:
            world.end(server, ann)

            eventually(lambda: not running(marked), within=20, what="what left its group has ended")
            if "account" in layers:
                eventually(lambda: not running(unmarked), within=20, what="the account has no process")
            else:
                assert running(unmarked)
        finally:
            if running(unmarked):
                os.kill(unmarked, signal.SIGKILL)
