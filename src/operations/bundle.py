"""What an auditor takes along: the ledger, the checkpoints, the public key, sealed days, and a script that checks them.

It holds no key and no secret in clear: sealed values are in it as in the ledger, and cannot be opened without the hub.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from mcphub.domain.codec import decode
from mcphub.domain.events import DaySealed
from mcphub.operations import auditor
from mcphub.operations.checkpoints import CheckpointFile
from mcphub.postgres import days
from mcphub.postgres.transfer import export

HEAD = "select position, encode(hash, 'hex') from ledger_head"
SEALS = "select data::text from ledger where type = 'DaySealed' order by position"


class BundleExists(Exception):
    """The directory holds something; nothing was written."""


def write_bundle(
    db: psycopg.Connection[Any],
    folder: Path,
    checkpoints: CheckpointFile,
    *,
    with_days: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Writes the bundle; returns the number of events. Whatever is wrong with the ledger is in it, for all to see.

    Args:
        db: autocommit; everything is read from one state of the database.
        folder: made; others cannot read it.
        with_days: the rows of sealed days, too: all calls of all users within retention, with no argument or result.

    Raises:
        BundleExists: there is something in it.
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BundleExists(f"{folder} is not empty: name a directory that does not exist yet")
    # Before the ledger is read: a checkpoint of what came afterwards would speak of events that are not in the bundle.
    for path in (checkpoints.path, checkpoints.key_path):
        if path.exists():
            _write(folder / path.name, path.read_bytes())
    with db.transaction():
        db.execute("set transaction isolation level repeatable read, read only")
        ((position, hash_),) = db.execute(HEAD).fetchall()
        events = 0
        with open(folder / "ledger.jsonl", "xb") as file:
            for events, line in enumerate(export(db), 1):
                file.write(line + b"\n")
                progress(events)
        if with_days:
            _write_days(db, folder / "days")
    about = {
        "format": 1,
        "madeAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "hub": version("mcphub"),
        "head": {"position": position, "hash": hash_},
    }
    _write(folder / "bundle.json", msgspec.json.format(msgspec.json.encode(about)) + b"\n")
    _write(folder / "verify.py", Path(auditor.__file__).read_bytes())
    return events


def _write_days(db: psycopg.Connection[Any], folder: Path) -> None:
    """A file for each sealed day that is still there, a row a line, as it was hashed."""
    folder.mkdir(mode=0o700)
    for (data,) in db.execute(SEALS).fetchall():
        seal = decode(data)
        if not isinstance(seal, DaySealed) or (of_log := days.LOGS.get(seal.log)) is None:
            continue
        path = folder / f"{seal.log}-{seal.day.isoformat()}.jsonl"
        with open(path, "xb") as file:
            for line in days.lines(db, of_log, seal.day, seal.last, seal.form):
                file.write(line.encode() + b"\n")
        if not path.stat().st_size:  # it left retention, or somebody took it
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
