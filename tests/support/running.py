"""A hub as its users run it: `./hub up` in a process group of its own, on a free loopback port, with a home of its own.

Nothing in it is replaced. What it wrote, its processes and its end are seen from outside.
"""

import atexit
import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.support.owners import running
from tests.support.rest import Admin, administrator
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A loopback port nobody listens on now. Below the range clients get theirs from, so nobody takes it meanwhile."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wanted_port(port: int) -> int:
    """The port, or a free one when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


@cache
def cluster() -> Path:
    """A home with the database server as a hub makes it, and nothing in that.

    Dozens of hubs are started, and making a cluster is more than half the work of a first start. Who wants to see that
    start whole says the command.
    """
    home = Path(tempfile.mkdtemp(prefix="mcphub-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    server = EmbeddedPostgres(home)
    server.open()
    server.close()
    return home


def copy_cluster(home: Path) -> None:
    made = cluster()
    subprocess.run(["cp", "-a", str(made / "pg"), str(made / "pg.password"), str(home)], check=True)


class RunningHub:
    """One hub; started, killed and started again on the same home.

    Args:
        home: of the hub.
        logs: a folder for what it prints; what it says is no part of what it keeps.
        env: beside PATH, nothing else of the tests' environment reaches it.
        demo: with the demo server.
        account: the user to run as; None is the present one.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        home: Path,
        logs: Path,
        *,
        env: Mapping[str, str] | None = None,
        demo: bool = False,
        account: pwd.struct_passwd | None = None,
        port: int = 0,
    ) -> None:
        self.home = home
        self.port = port or free_port()
        self.password = f"Pass-{secrets.token_hex(8)}"
        self.demo = demo
        self.account = account
        self.env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "MCPHUB_ADMIN_PASSWORD": self.password,
            "MCPHUB_LOG_FORMAT": "json",
            **(env or {}),
        }
        self.out = logs / f"{home.name}.out"
        self.err = logs / f"{home.name}.err"
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_after = 0.0
        self._admin: Admin | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def mcp(self) -> str:
        return f"{self.url}/mcp"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def admin(self) -> Admin:
        """The administrator, signed in once per start of the hub."""
        if self._admin is None:
            self._admin = administrator(self.url, self.password)
        return self._admin

    def launch(self, *command: str) -> None:
        """Starts it without waiting."""
        arguments = ["--home", str(self.home), "--port", str(self.port), "--no-open"]
        arguments += [] if self.demo else ["--no-demo"]
        options: dict[str, Any] = {}
        if self.account is not None:
            options = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                [*(command or (str(Path(sys.executable).with_name("mcphub")),)), "up", *arguments],
                cwd="/",
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                **options,
            )

    def start(self, *command: str, within: float = 60) -> "RunningHub":
        if not command and self.account is None and "DATABASE_URL" not in self.env and not any(self.home.iterdir()):
            copy_cluster(self.home)
        begun = time.monotonic()
        self.launch(*command)
        self.wait_ready(within)
        self.ready_after = time.monotonic() - begun
        return self

    def wait_ready(self, within: float = 60) -> None:
        try:
            eventually(self._ready_or_dead, within=within, what="the hub is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.said()[-3000:]}") from None

    def _ready_or_dead(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the hub ended with {self.process.returncode}")
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """As the kernel does it: no handler runs."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self._admin = None

    def stop(self, within: float = 40) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self._admin = None
        return self.process.wait(within)

    def end(self) -> None:
        """Whatever state it is in, its home included; the last line of every fixture."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    # what it wrote

    def said(self) -> str:
        """Everything on its standard output and error output."""
        return "".join(path.read_text(errors="replace") for path in (self.out, self.err) if path.exists())

    def lines(self, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> list[dict[str, Any]]:
        """The log so far, a record a line; what is no JSON is no record."""
        found = []
        for line in self.err.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                record = json.loads(line)
                if where(record):
                    found.append(record)
        return found

    def demo_key(self) -> str:
        """The key of the mcp.json it hands out; without a terminal that is a private file, written once it is ready."""
        file = self.home / "first-key"
        eventually(file.exists, within=10, what="the first key is handed out")
        assert file.stat().st_mode & 0o077 == 0
        entry = json.loads(file.read_text())["mcpServers"]["mcphub"]
        assert entry["url"] == self.mcp
        return str(entry["headers"]["Authorization"]).removeprefix("Bearer ")

    # its processes

    def processes(self) -> list["Process"]:
        """Everything that runs for this hub, by parentage and by its home: a database server and a child in a session
        of its own are found even when the hub is gone.
        """
        every = {process.pid: process for process in all_processes()}
        mine = {pid for pid, process in every.items() if process.touches(str(self.home))}
        if self.process is not None and self.process.poll() is None:
            mine.add(self.process.pid)
        while True:
            more = {pid for pid, process in every.items() if process.parent in mine} - mine
            if not more:
                break
            mine |= more
        mine.discard(os.getpid())
        return [every[pid] for pid in sorted(mine) if pid in every and running(pid)]

    def postmaster(self) -> int:
        """Process id of the embedded server."""
        [pidfile] = self.home.glob("pg/*/postmaster.pid")
        return int(pidfile.read_text().split()[0])


class Process:
    """A process as /proc shows it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        folder = Path(f"/proc/{pid}")
        self.owner = folder.stat().st_uid
        self.parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        self.command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        self._where = self.command
        for read in (lambda: os.readlink(folder / "cwd"), lambda: (folder / "environ").read_text(errors="replace")):
            try:
                self._where += "\n" + read()
            except OSError:
                continue  # somebody else's

    def touches(self, path: str) -> bool:
        return path in self._where

    def __repr__(self) -> str:
        return f"{self.pid} (of {self.parent}): {self.command[:200]}"


def all_processes() -> list[Process]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found.append(Process(int(name)))
            except (OSError, IndexError, ValueError):
                continue  # it ended while we looked
    return found
