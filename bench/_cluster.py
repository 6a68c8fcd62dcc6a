"""PostgreSQL servers of a bench on loopback TCP, from the project's own programs: a primary, and standbys of it."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from _processes import free_port

from mcphub.postgres.programs import Programs

HOST = "127.0.0.1"
SETTINGS = {"listen_addresses": HOST, "timezone": "UTC", "jit": "off", "shared_buffers": "128MB"}


class Server:
    """One server in a directory of its own. It is killed, never asked, unless `stop` is.

    Args:
        home: a directory its account can pass through.
    """

    def __init__(self, home: Path, name: str, password: str) -> None:
        self.name = name
        self.port = free_port()
        self.data = home / name
        self.log = home / f"{name}.log"
        self.password = password
        self._home = home
        self._programs = Programs.find(home)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def dsn(self, user: str = "postgres", dbname: str = "postgres") -> str:
        return f"postgresql://{user}:{self.password}@{HOST}:{self.port}/{dbname}"

    def initialise(self) -> None:
        self._own_folder()
        given = self._home / f"{self.name}.password"
        given.write_text(self.password)
        self._programs.own(given)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--encoding=UTF8", "--locale-provider=builtin",
            "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={given}", "--no-instructions",
        )  # fmt: skip

    def follow(self, primary: "Server") -> None:
        """Becomes a copy of the primary that streams from it, under its own name as `application_name`."""
        self._own_folder()
        source = f"{primary.dsn()}?application_name={self.name}"
        self._run("pg_basebackup", "-D", str(self.data), "-d", source, "-R", "-X", "stream", "-c", "fast")

    def start(self, settings: Mapping[str, str] | None = None, *, wait: bool = True) -> None:
        given = {**SETTINGS, "port": str(self.port), "unix_socket_directories": "", **(settings or {})}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            command = self._programs.command("postgres", "-D", str(self.data), *options)
            self.process = self._programs.spawn(command, output=log)
        until = time.monotonic() + 60
        while wait and self._programs.run("pg_isready", "-q", "-h", HOST, "-p", str(self.port)).returncode:
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{self.name} did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def promote(self) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as db:
            db.execute("select pg_promote(true, 60)")

    def make_hub_database(self) -> str:
        """A role that is no superuser, and its database, as deploy/database.sh makes them; the role's connection."""
        with psycopg.connect(self.dsn(), autocommit=True) as db:
            db.execute(f"create role mcphub login createrole password '{self.password}'")
            db.execute("create database mcphub owner mcphub encoding 'UTF8' template template0")
        with psycopg.connect(self.dsn(dbname="mcphub"), autocommit=True) as db:
            db.execute("create extension vector")
        return self.dsn("mcphub", "mcphub")

    def kill(self) -> None:
        """As a machine dies: the postmaster and every backend at once, nothing written any more."""
        if self.process is not None and self.process.poll() is None:
            for pid in [*_children(self.process.pid), self.process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def _own_folder(self) -> None:
        self.data.mkdir(mode=0o700)
        self._programs.own(self.data)

    def _run(self, name: str, *args: str) -> None:
        done = self._programs.run(name, *args)
        if done.returncode:
            raise SystemExit(f"{name} failed: {done.stdout[-2000:]}")


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextmanager
def folder() -> Iterator[Path]:
    """For clusters: the account of the servers can pass through, and nobody can list it."""
    made = Path(tempfile.mkdtemp(prefix="mcphub-cluster-"))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def primary(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """One server of its own, started."""
    with folder() as home:
        server = Server(home, "primary", secrets.token_hex(16))
        server.initialise()
        server.start(settings)
        try:
            yield server
        finally:
            server.stop()
