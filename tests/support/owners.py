"""Processes that own an embedded PostgreSQL, for tests that kill them, run as the present user or as another."""

import json
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# A hub reduced to its database: starts it, says where, and stops it when asked to.
OWNER = """
import asyncio, json, signal, structlog, sys
from pathlib import Path
from mcphub.postgres.embedded import EmbeddedPostgres

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    server = await EmbeddedPostgres.start(Path(sys.argv[1]), extra_settings=json.loads(sys.argv[2]))
    print(json.dumps({
        "postmaster": server.pid,
        "watchdog": server._watchdog.pid,
        "data": str(server.data),
        "dsn": {role: server.dsn(role) for role in ("mcphub_owner", "mcphub_app", "postgres")},
    }), flush=True)
    await asked.wait()
    await server.stop()

asyncio.run(main())
"""


@dataclass
class Owners:
    """Starts processes that own an embedded server; what is left of them at the end of the test is ended.

    Args:
        account: the user to run as; None is the present one.
        python: an interpreter that user can run, with the environment it needs.
    """

    make_home: Callable[[], Path]
    account: pwd.struct_passwd | None
    python: str
    env: dict[str, str]
    started: list["Owner"] = field(default_factory=list)

    def home(self) -> Path:
        made = self.make_home()
        if self.account:
            os.chown(made, self.account.pw_uid, self.account.pw_gid)
        return made

    def launch(self, home: Path, settings: dict[str, str] | None = None) -> "Owner":
        """Starts one without waiting for it."""
        process = self.popen(
            [self.python, "-c", OWNER, str(home), json.dumps(settings or {})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(Owner(process))
        return self.started[-1]

    def start(self, home: Path, settings: dict[str, str] | None = None, *, within: float = 30) -> "Owner":
        """Starts one and waits until its server accepts connections; `within` in seconds."""
        owner = self.launch(home, settings)
        owner.read(within)
        return owner

    def popen(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Any command as the account."""
        if self.account:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return subprocess.Popen(command, cwd="/", env=self.env, start_new_session=True, **options)

    def end(self) -> None:
        for owner in self.started:
            owner.end()


@dataclass
class Owner:
    """One process that owns a server, and what it said about it."""

    process: subprocess.Popen[bytes]
    postmaster: int = 0
    watchdog: int = 0
    data: str = ""
    dsn: dict[str, str] = field(default_factory=dict)

    def read(self, within: float) -> None:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], within)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            self.process.kill()
            raise AssertionError(f"no server within {within} s: {self.errors()}")
        for name, value in json.loads(line).items():
            setattr(self, name, value)

    def errors(self) -> str:
        """What it wrote to its error output, once it has ended."""
        return self.process.communicate(timeout=30)[1].decode()

    def kill(self) -> None:
        """As the kernel does it: no handler runs."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        if self.process.poll() is None:
            self.stop()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


def running(pid: int) -> bool:
    """A zombie nobody has reaped yet is not running."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()


def python_for(owners: Owners) -> str:
    """An interpreter of this version that the user can run: the tests' own may lie in a private directory."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    why = ""
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            probe = owners.popen([python, "-c", "import mcphub.postgres.embedded"], stderr=subprocess.PIPE)
        except OSError as error:
            why = why or f"{python}: {error.strerror}"
            continue
        if (failed := probe.communicate(timeout=30)[1]) == b"":
            return python
        why = failed.decode().strip().splitlines()[-1]
    pytest.skip(f"an ordinary user can reach neither this interpreter nor one of its version ({why})")
