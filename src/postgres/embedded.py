"""The embedded PostgreSQL: a server of our own below the hub's home, started, watched, restarted and stopped with it.

Promises:
- It never outlives the hub: a watchdog process shuts it down when the hub dies, by whatever signal.
- It comes back by itself when it dies, and a full disk is given the ballast file's space to recover with.
- Nobody reaches it over the network, and nobody without a password over its unix socket.
- A torn first start leaves nothing behind that a second one would trust.
- A cluster of another major version is neither started nor passed over: `mcphub upgrade-database` is for that.
- Its log has a bound.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal

import structlog
from psycopg.conninfo import make_conninfo

from mcphub.postgres.home import HomeLock, replace_private, sync_directory
from mcphub.postgres.programs import SHELF, TEMP_DIRECTORIES, PostgresFailed, Programs, temp_directory

__all__ = ["MAJOR", "EmbeddedPostgres", "OtherMajor", "PostgresFailed", "Role", "clusters"]

log = structlog.get_logger(__name__)

Role = Literal["mcphub_owner", "mcphub_app", "mcphub_ro", "postgres"]

MAJOR = "18"
DATABASE = "mcphub"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 100  # bytes; the kernels allow 104 (macOS) and 108 (Linux)
READY_WITHIN_S = 600.0  # crash recovery of a large log takes its time
STOP_WITHIN_S = 60.0
REMNANTS_GONE_WITHIN_S = 10.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
BALLAST_BYTES = 16 << 20
UPKEEP_EVERY_S = 30.0  # how often a missing ballast is tried again, and the log looked at
LOG_BYTES = 10 << 20  # what the server writes between two looks comes on top
LOGS_KEPT = 3  # with the one being written

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "idle_in_transaction_session_timeout": "60s",
    "log_min_duration_statement": "500ms",
    "log_connections": "",
    # Rows hold what users wrote: neither their parameters nor the row of a failed statement belong in a log file.
    "log_parameter_max_length": "0",
    "log_error_verbosity": "terse",
    # Five processes fewer when idle: no I/O workers, no parallel or logical replication, no compiler in memory.
    "io_method": "sync",
    "jit": "off",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
}

# Runs once, before the cluster gets its name, so that no hub ever connects as superuser. One statement a line.
ROLES_AND_DATABASE = """
create role mcphub_owner login password '{mcphub_owner}'
create role mcphub_app login password '{mcphub_app}'
create role mcphub_ro login password '{mcphub_ro}'
grant pg_read_all_data to mcphub_ro
create database mcphub owner mcphub_owner
revoke connect, temporary on database mcphub from public
grant connect on database mcphub to mcphub_app, mcphub_ro
"""
EXTENSIONS = "create extension vector\n"


class OtherMajor(PostgresFailed):
    """The home's cluster is of another major version of PostgreSQL than the programs."""


def clusters(home: Path) -> dict[int, Path]:
    """The home's clusters by major version; whole ones only."""
    return {
        int(path.parent.name): path.parent
        for path in (home / "pg").glob("*/PG_VERSION")
        if path.parent.name.isdecimal()
    }


def outside(home: Path) -> list[Path]:
    """What the server of this home has in a temp directory, because it could not have it in the home."""
    places = [Path(tempfile.gettempdir()), *TEMP_DIRECTORIES]
    found = {place / name for place in places for name in (SHELF, _sockets_name(home.absolute()))}
    return sorted(path for path in found if path.exists())


def _sockets_name(home: Path) -> str:
    return f"mcphub-{os.geteuid()}-{sha256(os.fsencode(home)).hexdigest()[:12]}"


class EmbeddedPostgres:
    """One PostgreSQL server below one home.

    `start` and `stop` are for the event loop; `open` and `close` are the same, blocking, for any thread. A thread of
    its own watches the server in between.

    Args:
        home: the hub's home directory, made when it is missing.
        extra_settings: added to the server's configuration, such as `fsync` for tests.
        lock: the home's lock when the caller holds it already; it is then the caller's to release.
        data: another data directory below the home, while a cluster is being upgraded.
        programs: others than those of this release, for a cluster of theirs, which keeps its configuration.
    """

    def __init__(
        self,
        home: Path,
        *,
        extra_settings: Mapping[str, str] | None = None,
        lock: HomeLock | None = None,
        data: Path | None = None,
        programs: Programs | None = None,
    ) -> None:
        self.home = home.absolute()
        self._own_cluster = data is None
        self.data = data.absolute() if data else self.home / "pg" / MAJOR
        self.log_path = self.home / "logs" / "postgres.log"
        self.restarts = 0
        self._settings = {**SETTINGS, **(extra_settings or {})}
        self._durable = self._settings.get("fsync") != "off"
        self._lock = lock
        self._own_lock = lock is None
        self._stopping = threading.Event()
        self._guard = threading.Lock()  # spawning and the decision to stop exclude each other
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None  # write end of the watchdog's pipe; open as long as this process lives
        self._watcher: threading.Thread | None = None
        self._passwords: dict[str, str] = {}
        self._given_programs = programs
        self._programs: Programs
        self._sockets = self.home / "run"

    @classmethod
    async def start(
        cls, home: Path, *, extra_settings: Mapping[str, str] | None = None, lock: HomeLock | None = None
    ) -> "EmbeddedPostgres":
        """A server that accepts connections. Cancelling takes back what was begun.

        Raises:
            HomeUnusable: the home is taken (`AlreadyRunning`), foreign or shared.
            PostgresFailed: the server did not start; nothing of it is left running.
        """
        server = cls(home, extra_settings=extra_settings, lock=lock)
        opening = asyncio.ensure_future(asyncio.to_thread(server.open))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            server._stopping.set()
            with contextlib.suppress(Exception):
                await opening
            await asyncio.to_thread(server.close)
            raise
        return server

    @classmethod
    def reach(cls, home: Path) -> "EmbeddedPostgres":
        """A handle on the server that another process runs in this home; only its `dsn` works.

        Raises:
            PostgresFailed: no hub has ever run there.
        """
        server = cls(home)
        if not (server.data / "PG_VERSION").exists():
            raise PostgresFailed(f"{server.home} holds no database. Start a hub there first, or name its --home.")
        server._programs = Programs.find(server.home)
        server._passwords = server._read_passwords()
        server._sockets = server._socket_directory()
        return server

    async def stop(self) -> None:
        """Shuts down fast but cleanly; stopping twice is fine."""
        await asyncio.to_thread(self.close)

    def open(self) -> None:
        """Blocking `start`."""
        try:
            self._lock = self._lock or HomeLock.take(self.home)
            if self._own_cluster:
                self._must_be_ours()
            self._programs = self._given_programs or Programs.find(self.home)
            self._passwords = self._read_passwords()
            self._sockets = self._socket_directory()
            self._make_directories()
            self._initialise()
            self._launch_patiently()
        except BaseException:
            self.close()
            raise
        self._watcher = threading.Thread(target=self._watch, name="postgres-watch", daemon=True)
        self._watcher.start()
        threading.Thread(target=self._upkeep, name="postgres-upkeep", daemon=True).start()

    def close(self) -> None:
        """Blocking `stop`."""
        with self._guard:
            self._stopping.set()
            process = self._process
        if process is not None:
            for number, patience in ((signal.SIGINT, STOP_WITHIN_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
                    break
        if self._watcher is not None:
            self._watcher.join(STOP_WITHIN_S)
        self._end_watchdog()
        if self._sockets.parent != self.home:
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        if self._lock is not None and self._own_lock:
            self._lock.release()

    @property
    def ready(self) -> bool:
        """False while the server is down and being restarted."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """The postmaster's, for tests and `doctor`."""
        return self._process.pid if self._process else None

    def dsn(self, role: Role = "mcphub_app", dbname: str = DATABASE) -> str:
        """Connection string over the unix socket, with the role's password: a secret."""
        return make_conninfo(
            host=str(self._sockets), port=5432, user=role, password=self._passwords[role], dbname=dbname
        )

    # Preparing the ground

    def _must_be_ours(self) -> None:
        """
        Raises:
            OtherMajor: of the clusters in the home none is for these programs.
        """
        found = clusters(self.home)
        if not found or int(MAJOR) in found:
            return
        latest = max(found)
        if latest > int(MAJOR):
            raise OtherMajor(
                f"the database in {found[latest]} is of PostgreSQL {latest}, and this release has {MAJOR}, which cannot"
                " read it. Install the release it was made with, or restore a backup into another --home."
            )
        raise OtherMajor(
            f"the database in {found[latest]} is of PostgreSQL {latest}, and this release has {MAJOR}."
            " Run `mcphub upgrade-database`: it makes a new one of it and keeps the old. Nothing was changed."
        )

    def _read_passwords(self) -> dict[str, str]:
        path = self.home / "pg.password"
        if path.exists():
            found: dict[str, str] = json.loads(path.read_text())
            return found
        if (self.data / "PG_VERSION").exists():
            raise PostgresFailed(
                f"{path} is missing, and the database in {self.data} cannot be opened without it."
                " Restore both from the same backup."
            )
        made = {role: secrets.token_urlsafe(32) for role in ("postgres", "mcphub_owner", "mcphub_app", "mcphub_ro")}
        replace_private(path, json.dumps(made, indent=1) + "\n")
        return made

    def _make_directories(self) -> None:
        for folder in (self.data.parent, self.log_path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self._programs.account:
            self.data.parent.chmod(0o711)

    def _socket_directory(self) -> Path:
        folder = self.home / "run"
        too_long = len(os.fsencode(folder / SOCKET)) > SOCKET_PATH_LIMIT
        # libpq takes a comma for the end of one host in a list, and knows no way to write one inside.
        if too_long or "," in str(folder) or not self._programs.home_reachable:
            folder = temp_directory(self._programs.account) / _sockets_name(self.home)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._programs.own(folder)
        # A temp directory is everybody's: what lies there under our name may be somebody else's trap.
        found = folder.lstat()
        owner = self._programs.account.pw_uid if self._programs.account else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise PostgresFailed(f"{folder} should hold PostgreSQL's socket and belongs to somebody else. Remove it.")
        self._programs.own(folder)
        folder.chmod(0o700)
        return folder

    def _initialise(self) -> None:
        """Makes the cluster under another name and renames it when it is complete, so a torn one is never used."""
        if (self.data / "PG_VERSION").exists():
            return
        for left in self.data.parent.glob(f"{MAJOR}.init-*"):
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own for each try: an initdb outlives a killed hub, and would go on in the directory of the next.
        torn = self.data.with_name(f"{MAJOR}.init-{secrets.token_hex(4)}")
        torn.mkdir(mode=0o700)
        self._programs.own(torn)
        password_file = torn.with_suffix(".password")
        replace_private(password_file, self._passwords["postgres"] + "\n")
        self._programs.own(password_file)
        try:
            with self._programs.reach(torn) as (data, held), self._programs.reach(password_file) as (pwfile, held_too):
                self._must_run(
                    "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale-provider=builtin",
                    "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={pwfile}", "--no-instructions",
                    *([] if self._durable else ["--no-sync"]), inherit=(*held, *held_too),
                )  # fmt: skip
        finally:
            password_file.unlink(missing_ok=True)
        self._single_user(torn, "postgres", ROLES_AND_DATABASE.format(**self._passwords).lstrip())
        self._single_user(torn, DATABASE, EXTENSIONS)
        with open(torn / "postgresql.conf", "a", opener=_no_follow) as file:
            file.write("\ninclude_if_exists = 'mcphub.conf'\n")
            os.fsync(file.fileno())
        torn.rename(self.data)
        sync_directory(self.data.parent)

    def _single_user(self, folder: Path, dbname: str, script: str) -> None:
        with self._programs.reach(folder) as (data, held):
            self._must_run(
                "postgres", "--single", "-D", data, "-c", "exit_on_error=on", "-c", "log_min_error_statement=panic",
                *([] if self._durable else ["-c", "fsync=off"]), dbname, input=script, inherit=held,
            )  # fmt: skip

    def _must_run(self, name: str, *args: str, input: str | None = None, inherit: Sequence[int] = ()) -> None:
        try:
            done = self._programs.run(name, *args, input=input, inherit=inherit)
        except (OSError, subprocess.SubprocessError) as error:
            raise PostgresFailed(f"{name} could not be run: {error}") from None
        if done.returncode != 0:
            last = done.stdout.strip().splitlines()[-3:]
            raise PostgresFailed(f"{name} failed in {self.home}: {' / '.join(last)}")

    def _write_settings(self) -> None:
        if self._given_programs is not None:
            return
        path = self.data / "mcphub.conf"
        text = "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in self._settings.items())
        text = "# Written by the hub at every start.\n" + text
        if path.exists() and path.read_text() == text:
            return  # a full disk must not keep the server from coming back
        replace_private(path, text)
        self._programs.own(path)

    # Running

    def _launch_patiently(self) -> None:
        """The first launch. After a crash the processes of the dead server may hold its memory a moment longer."""
        crashed = self._recorded_pid() is not None
        deadline = time.monotonic() + REMNANTS_GONE_WITHIN_S
        while True:
            try:
                return self._launch()
            except PostgresFailed:
                ended = self._process is not None and self._process.poll() is not None
                if not (crashed and ended) or time.monotonic() > deadline or self._stopping.wait(0.25):
                    raise
                self._end_watchdog()

    def _launch(self) -> None:
        """Starts the server on whatever a dead one left behind, and returns when it accepts connections."""
        foreign = self._settle_stale_state()
        for left in (self._sockets / f"{SOCKET}.lock", self._sockets / SOCKET):
            left.unlink(missing_ok=True)  # the lock names a pid as well; the home's own lock makes it needless
        self._write_settings()
        # The socket directory may hold spaces and commas, and the server reads a list.
        sockets = '"' + str(self._sockets).replace('"', '""') + '"'
        # A pid the server is told is an ancestor's counts as dead for it: the supported way (pg_ctl's own) past a
        # pid file that names a live stranger, with the check for orphaned shared memory still made.
        env = {"PG_GRANDPARENT_PID": str(foreign)} if foreign else None
        with self._open_log() as log_file, self._programs.reach(self.data) as (data, held), self._guard:
            if self._stopping.is_set():
                raise PostgresFailed("PostgreSQL was stopped while it was starting")
            self._process = self._programs.spawn(
                self._programs.command("postgres", "-D", data, "-k", sockets, "-c", _mark(self.data)),
                output=log_file, env=env, inherit=held,
            )  # fmt: skip
            self._start_watchdog(self._process.pid)
        self._wait_until_ready(self._process)
        self._ready.set()

    def _start_watchdog(self, pid: int) -> None:
        """A shell that sleeps on a pipe nobody writes to: when this process dies its end closes, and it acts.

        Portable where PR_SET_PDEATHSIG is not. Our end stays close-on-exec: a copy in any child would keep it open.
        """
        reading, self._lifeline = os.pipe()
        try:
            self._watchdog = self._programs.spawn(["/bin/sh", "-c", f"read _; kill -INT {pid}"], stdin=reading)
        finally:
            os.close(reading)

    def _end_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
            self._watchdog = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        begun = time.monotonic()
        while True:
            if process.poll() is not None:
                raise PostgresFailed(f"PostgreSQL ended while it was starting. Its log says why: {self.log_path}")
            if self._stopping.is_set():
                raise PostgresFailed("PostgreSQL was stopped while it was starting")
            if self._programs.run("pg_isready", "-q", "-h", str(self._sockets), "-t", "5").returncode == 0:
                return
            waited = time.monotonic() - begun
            if waited > READY_WITHIN_S:
                raise PostgresFailed(
                    f"PostgreSQL did not answer within {READY_WITHIN_S:.0f} s. Its log says why: {self.log_path}"
                )
            self._stopping.wait(0.02 if waited < 2 else 0.25)

    def _settle_stale_state(self) -> int | None:
        """Ends the server of a dead hub. Returns the pid in the pid file when it is a stranger's or a zombie's.

        That file proves nothing after a crash, and `pg_ctl` believes it: it would signal the stranger.
        """
        pid = self._recorded_pid()
        if pid is None or not _alive(pid):
            return None
        if not _is_server_of(pid, self.data):
            log.warning("postgres_pid_file_misleads", pid=pid)
            return pid
        log.warning("postgres_orphan_found", pid=pid)
        for mode in ("fast", "immediate"):
            with self._programs.reach(self.data) as (data, held):
                self._programs.run(
                    "pg_ctl", "stop", "-D", data, "-m", mode, "-w", "-t", f"{STOP_WITHIN_S:.0f}",
                    timeout=STOP_WITHIN_S + 10, inherit=held,
                )  # fmt: skip
            # pg_ctl also fails when the server ended by itself in the meantime: what counts is that it is gone.
            if self._recorded_pid() != pid or not _is_server_of(pid, self.data):
                return None
        raise PostgresFailed(
            f"the PostgreSQL server of an earlier hub (pid {pid}) does not stop. End it, then try again"
        )

    def _recorded_pid(self) -> int | None:
        try:
            first = (self.data / "postmaster.pid").read_text().split("\n", 1)[0].strip()
        except FileNotFoundError:
            return None
        return int(first) if first.isdigit() else None

    def _watch(self) -> None:
        """Restarts the server whenever it ends unasked, with growing pauses while that fails."""
        pause = FIRST_PAUSE_S
        while self._process is not None:
            code = self._process.wait()
            self._ready.clear()
            if self._stopping.is_set():
                return
            log.error("postgres_ended", code=code, retry_in_s=pause, log=str(self.log_path))
            self._end_watchdog()
            if self._stopping.wait(pause):
                return
            try:
                self._free_ballast_when_full()
                self._launch()
            except Exception as error:
                if not self._stopping.is_set():
                    log.error("postgres_restart_failed", why=str(error))
                pause = min(pause * 2, LONGEST_PAUSE_S)
                if self._process.poll() is None:  # too slow to be called ready: end it before another try
                    self._process.kill()
                continue
            pause = FIRST_PAUSE_S
            self.restarts += 1
            log.info("postgres_restarted", pid=self._process.pid)

    # A full disk

    def _upkeep(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                self._shorten_log()
            self._keep_ballast()
            self._stopping.wait(UPKEEP_EVERY_S)

    def _keep_ballast(self) -> None:
        """Sets space aside for the day the disk is full, and again after that day."""
        path = self.home / "ballast"
        free = shutil.disk_usage(self.home).free
        if not path.exists() and self.ready and free > 4 * BALLAST_BYTES:
            with contextlib.suppress(OSError), open(path, "wb", opener=_no_follow) as file:
                for _ in range(BALLAST_BYTES >> 20):
                    file.write(os.urandom(1 << 20))  # zeros would be compressed away, holes take no space

    def _free_ballast_when_full(self) -> None:
        path = self.home / "ballast"
        if path.exists() and shutil.disk_usage(self.home).free < BALLAST_BYTES:
            path.unlink()
            log.warning("ballast_freed", bytes=BALLAST_BYTES)

    # Its log

    def _open_log(self) -> IO[bytes]:
        self._shorten_log()
        return open(self.log_path, "ab", opener=_no_follow)

    def _shorten_log(self) -> None:
        """Copies a long log away and empties it: the server holds it open, and appends to what it finds.

        Lines of the moment between the two are lost, and on a full disk the copy is.
        """
        path = self.log_path
        if not path.exists() or path.stat().st_size <= LOG_BYTES:
            return
        for number in range(LOGS_KEPT - 1, 1, -1):
            older = path.with_suffix(f".log.{number - 1}")
            if older.exists():
                older.replace(path.with_suffix(f".log.{number}"))
        copy = path.with_suffix(".log.1")
        copy.unlink(missing_ok=True)
        try:
            with open(path, "rb", opener=_no_follow_reading) as read, open(copy, "xb", opener=_no_follow) as written:
                shutil.copyfileobj(read, written)
        except OSError:
            copy.unlink(missing_ok=True)
        os.truncate(path, 0)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _mark(data: Path) -> str:
    """A setting without effect: it shows in the process list which directory a server works on."""
    return f"mcphub.data={data}"


def _is_server_of(pid: int, data: Path) -> bool:
    """Is that process, living and no zombie, a PostgreSQL started on this data directory?"""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        marks = {os.fsencode(data), os.fsencode(_mark(data))}
        return os.path.basename(command[0]) == b"postgres" and not marks.isdisjoint(command)
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "/postgres -D " in shown.stdout and str(data) in shown.stdout


def _no_follow(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW, 0o600)


def _no_follow_reading(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW)
