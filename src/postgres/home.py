"""The home directory of a hub: one hub at a time, and nobody else's eyes in it."""

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import IO

LOCK_FILE = "hub.lock"
PID_WRITTEN_WITHIN_S = 0.5  # between taking the lock and naming oneself in it


class HomeUnusable(Exception):
    """The hub cannot live in this directory; the message says why and what to do. Nothing was changed."""


class AlreadyRunning(HomeUnusable):
    """Another hub holds the lock of this home."""

    def __init__(self, home: Path, pid: str) -> None:
        super().__init__(
            f"already running: pid {pid} uses {home}. Stop that hub, or choose another directory with --home."
        )


class HomeLock:
    """The right to use a home. The kernel takes it back when this process dies, however it dies."""

    def __init__(self, home: Path, file: IO[bytes]) -> None:
        self.home = home
        self._file = file

    @classmethod
    def take(cls, home: Path) -> "HomeLock":
        """Makes the directory if need be, closes it to others, and locks it.

        Raises:
            AlreadyRunning: another hub lives there.
            HomeUnusable: it belongs to somebody else, or is shared with others.
        """
        home = home.absolute()
        _make_private(home)
        try:
            file = os.fdopen(os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        except OSError as error:
            raise HomeUnusable(f"{home} cannot be written to: {error.strerror}. Choose another with --home.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _holder(file)
            file.close()
            raise AlreadyRunning(home, pid) from None
        file.truncate(0)
        file.write(b"pid %d\n" % os.getpid())
        file.flush()
        return cls(home, file)

    def release(self) -> None:
        """Lets the next hub in; releasing twice is fine."""
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()


def _make_private(home: Path) -> None:
    """0700; for root 0711, because the service user passes through the home to its data."""
    root = os.geteuid() == 0
    mode = 0o711 if root else 0o700
    try:
        home.mkdir(mode=mode, parents=True, exist_ok=True)
        found = home.stat()
    except OSError as error:
        raise HomeUnusable(f"{home} cannot be made: {error.strerror}. Choose another with --home.") from error
    if found.st_uid != os.geteuid():
        raise HomeUnusable(f"{home} belongs to another user (uid {found.st_uid}). Choose another with --home.")
    if found.st_mode & stat.S_ISVTX or home == home.parent:
        raise HomeUnusable(f"{home} is shared with other programs. Choose a directory of its own with --home.")
    ours = (home / LOCK_FILE).exists() or not any(home.iterdir())
    if ours:
        home.chmod(mode)
    elif root:  # a directory that held other things before: open the way through, take nothing away
        home.chmod(stat.S_IMODE(found.st_mode) | 0o011)


def _holder(file: IO[bytes]) -> str:
    deadline = time.monotonic() + PID_WRITTEN_WITHIN_S
    while True:
        file.seek(0)
        word, _, pid = file.read(64).decode("ascii", "replace").partition(" ")
        if word == "pid" and pid.strip().isdigit():
            return pid.strip()
        if time.monotonic() > deadline:
            return "unknown"
        time.sleep(0.01)


def running_hub(home: Path) -> int | None:
    """Process id of the hub on this home, when one says so in the lock file."""
    try:
        word, _, pid = (home / LOCK_FILE).read_text().strip().partition(" ")
    except OSError:
        return None
    if word != "pid" or not pid.isdigit():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # somebody else's, but it lives
    return int(pid)


def replace_private(path: Path, text: str) -> None:
    """A file's content: whole or as it was before, 0600 from its first moment, on the disk when this returns. Never
    through a link.
    """
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Names in it outlive a power cut from here on."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
