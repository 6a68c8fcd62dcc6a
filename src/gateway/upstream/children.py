"""What the processes of servers leave on the machine: a directory each, and a mark while they run.

What a process leaves behind outside its group is found by its mark, when it ends and, of a hub that was killed, at the
next start: every process of that session that is as old as the mark says, and every one that carries the mark in its
environment. A number alone is never enough: it may belong to somebody else by now. Processes with an account of their
own are ended with the account, whatever they made of their environment.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import structlog

from mcphub.domain.ids import new_id
from mcphub.gateway.upstream import sandbox
from mcphub.gateway.upstream.accounts import Accounts

log = structlog.get_logger()

MARK = "MCPHUB_PROCESS"  # variable in a child's environment
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FROM_THE_HUB = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
NPM, UV = {"npx", "npm", "pnpm", "yarn", "node"}, {"uvx", "uv", "python", "python3"}
PROC = Path("/proc")
END_SECONDS = 30.0  # to end an account; it takes a fortieth of a second


class Children:
    """The directories and marks of one hub.

    Args:
        home: of the hub.
    """

    def __init__(self, home: Path) -> None:
        self._homes = home / "children"
        self._marks = self._homes / "running"
        self._accounts = Accounts(self._homes)
        self._living: Counter[int] = Counter()  # account → runtimes
        self._ended: set[str] = set()  # marks whose processes are to be looked for
        self._looking = asyncio.Lock()

    def home_of(self, server_id: str, user_id: str, session_id: str) -> Path:
        """A private directory for one server's processes of one user; '' for those of all, or of no one session."""
        place = self.place_of(server_id, user_id)
        # Passed through by accounts of root's hub; what is theirs has 0700.
        passed = 0o711 if os.geteuid() == 0 else 0o700
        for folder, mode in ((self._homes, passed), (place.parent, passed), (place, 0o700)):
            _private(folder, mode)
        if session_id:
            place /= f"session-{_plain(session_id)}"
            _private(place, 0o700)
        with suppress(FileExistsError):
            (place / "tmp").mkdir(mode=0o700)
        return place

    def place_of(self, server_id: str, user_id: str) -> Path:
        """The directory of all processes of a server for a user."""
        return self._homes / _plain(server_id) / (_plain(user_id) if user_id else "shared")

    def packages_of(self, server_id: str, user_id: str) -> Path:
        """What was fetched for a server's processes of one user, for those that have a directory of their session only.

        Its home must be there.
        """
        packages = self.place_of(server_id, user_id) / "packages"
        _private(packages, 0o700)
        return packages

    def account_of(self, server_id: str, user_id: str) -> int:
        """The account of that directory, which must be there; 0 when there are none on this system."""
        return self._accounts.of(self.place_of(server_id, user_id))

    def began(self, account: int) -> None:
        self._living[account] += 1

    async def ended(self, mark: str, account: int, *, held: bool) -> None:
        """Kills what a process left outside its group; one look finds what any number of them left.

        Args:
            account: the one `began` was told of; 0 for none.
            held: its processes are known to have had that account and no other.
        """
        self._living[account] -= 1
        last = self._living[account] <= 0
        if last:
            del self._living[account]
        if account and last:
            await asyncio.to_thread(_end_account, account)
        if not (account and last and held):
            self._ended.add(mark)
            async with self._looking:
                if mark in self._ended:
                    marks, self._ended = self._ended, set()
                    await asyncio.to_thread(_end_marked, marks)
        self.unmark(mark)

    def tidy(self, servers: Collection[str], gone_users: Collection[str]) -> None:
        """Removes what belongs to servers that are no longer there, and to users who were erased. Blocking."""
        kept = {_plain(server) for server in servers}
        gone = {_plain(user) for user in gone_users}
        try:
            places = [place for place in self._homes.iterdir() if place != self._marks and place.is_dir()]
        except OSError:
            return
        for place in places:
            if place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)
                continue
            for user in gone:
                shutil.rmtree(place / user, ignore_errors=True)

    def mark(self, pid: int, mark: str) -> None:
        """Remembers a process that was just started as leader of its own session."""
        self._marks.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._marks / mark).write_text(f"{pid} {started(pid)}")

    def unmark(self, mark: str) -> None:
        (self._marks / mark).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Kills what a hub before this one left behind; returns how many processes."""
        try:
            marks = list(self._marks.iterdir())
        except OSError:
            return 0
        killed = 0
        for mark in marks:
            with suppress(OSError, ValueError):
                pid, _, since = mark.read_text().partition(" ")
                for found in leftovers(int(pid), since, mark.name):
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(found, signal.SIGKILL)
                        killed += 1
            mark.unlink(missing_ok=True)
        given = self._accounts.given()
        for account in {owner for owner in _owners() if owner in given} if given else ():
            _end_account(account)
            killed += 1
        if killed:
            log.warning("leftover_processes_killed", processes=killed)
        return killed


def environment(
    command: str,
    home: Path,
    mirrors: Mapping[str, str],
    injected: Mapping[str, str],
    said: Mapping[str, str],
    way_out: Mapping[str, str],
    packages: Path | None = None,
) -> dict[str, str]:
    """All a child sees: a few harmless variables of the hub's, where to install from, the server's own, and whom for.

    Args:
        mirrors: `pythonIndexUrl`, `npmRegistry` of the settings document.
        said: what the hub tells it; no configuration overrides that.
        way_out: proxy and certificates, where the operator wants that.
        packages: where installers keep what they fetched, when that is not the child's home.
    """
    env = {name: os.environ[name] for name in FROM_THE_HUB if name in os.environ}
    env.setdefault("PATH", os.defpath)
    env |= {"HOME": str(home), "TMPDIR": str(home / "tmp"), **way_out}
    if packages is not None:
        env |= {"npm_config_cache": str(packages / "npm"), "UV_CACHE_DIR": str(packages / "uv")}
    name = os.path.basename(command)
    if name in NPM and mirrors.get("npmRegistry"):
        env["npm_config_registry"] = mirrors["npmRegistry"]
    if name in UV and mirrors.get("pythonIndexUrl"):
        env["UV_DEFAULT_INDEX"] = mirrors["pythonIndexUrl"]
    return {**env, **injected, **said}


def new_mark() -> str:
    return new_id()


def _plain(name: str) -> str:
    return name if PLAIN.fullmatch(name) else "x" + sha256(name.encode()).hexdigest()[:32]


def _private(place: Path, mode: int) -> None:
    """Makes a directory or closes it. Never through a link: what lies in a server's directory may be its doing."""
    with suppress(FileExistsError):
        place.mkdir(mode=mode, parents=True)
    number = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(number, mode)
    finally:
        os.close(number)


# processes


def _end_account(account: int) -> None:
    """In a process of its own, because it becomes that account."""
    command = [sys.executable, "-I", "-S", str(sandbox.__file__), json.dumps({"end": account})]
    subprocess.run(command, check=False, timeout=END_SECONDS, stdin=subprocess.DEVNULL)


def _end_marked(marks: set[str]) -> None:
    """Kills every process that carries one of these in its environment."""
    if sys.platform != "linux":
        return
    tokens = {f"{MARK}={mark}".encode() for mark in marks}
    for place in PROC.iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            with suppress(OSError):
                if not tokens.isdisjoint((place / "environ").read_bytes().split(b"\0")):
                    os.kill(int(place.name), signal.SIGKILL)


def _owners() -> Iterator[int]:
    """The account of every process; who owns its entry in /proc is not always who it is."""
    for place in PROC.iterdir():
        if place.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                lines = (place / "status").read_text().splitlines()
                yield next(int(line.split()[1]) for line in lines if line.startswith("Uid:"))


def started(pid: int) -> str:
    """When a process began, in the system's own words; '' when there is none. Never the same for two of one number."""
    if sys.platform == "linux":
        with suppress(OSError):
            boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
            return f"{_stat(pid)[19]}@{boot}"
        return ""
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return " ".join(shown.stdout.split())


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, group, session, …; 19 is the start time."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def leftovers(leader: int, since: str, mark: str) -> Iterator[int]:
    """What still runs of a process that was started as leader of a session at that time, with that mark."""
    if sys.platform != "linux":
        if since and started(leader) == since:
            yield from _group(leader)
        return
    same = started(leader) == since
    token = f"{MARK}={mark}".encode()
    for place in PROC.iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        with suppress(OSError, ValueError, IndexError):
            fields = _stat(int(place.name))
            if fields[0] == "Z":
                continue
            if (same and fields[3] == str(leader)) or token in (place / "environ").read_bytes().split(b"\0"):
                yield int(place.name)


def _group(leader: int) -> Iterator[int]:
    shown = subprocess.run(["ps", "-axo", "pid=,pgid="], capture_output=True, text=True, check=False)
    for line in shown.stdout.splitlines():
        pid, _, group = line.strip().partition(" ")
        if group.strip() == str(leader):
            yield int(pid)
