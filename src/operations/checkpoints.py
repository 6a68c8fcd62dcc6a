"""The file of checkpoints beside the ledger: signed and added to while the hub runs, and compared with the ledger.

Two questions, answered apart. Integrity: is what stands in the ledger what was recorded? Completeness: is all of it
there, or was its end cut off? The chain answers the first; only something kept outside the database answers the second.
"""

import asyncio
import fcntl
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import psycopg
import structlog
from msgspec import Struct

from mcphub.domain.checkpoint import SAYS, Checkpoint, Signed, encode, is_signed_by, public_key, read_line, sign, sum_up
from mcphub.domain.codec import decode
from mcphub.postgres.leader import lead
from mcphub.postgres.ledger import verify
from mcphub.postgres.pool import conninfo

log = structlog.get_logger()

FILE = "checkpoints.jsonl"
PUBLIC_KEY = "checkpoints.pub"
LEADER_LOCK = 7_206_011  # of several hubs on a database one signs
SINCE = "select data::text from ledger where position > %s and position <= %s and type = any(%s) order by position"
HASHES = "select position, encode(hash, 'hex') from ledger where position = any(%s)"
# Of the rows themselves: whoever cuts rows off can set the head as well, or forget to.
LAST = "select coalesce(max(position), 0) from ledger"

State = Literal["unknown", "complete", "cut_off", "rewritten"]


class CheckpointsUnusable(Exception):
    """What was named holds no checkpoints that can be believed; the message says which line and why."""


class CheckpointRefused(Exception):
    """Nothing was signed: it would vouch for what somebody rewrote or cut off. `position` is where that shows."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"no checkpoint is signed, because of position {position}: {why}")
        self.position = position
        self.why = why


class Compared(Struct, frozen=True, kw_only=True):
    """A ledger beside checkpoints.

    Args:
        state: `unknown` with nothing to compare; `cut_off` when a checkpoint is behind the ledger's end; `rewritten`
            when another hash stands at the position of one.
        head: position of the last row.
        position: of the last checkpoint, or of the first that does not agree; 0 for none.
        hash: the checkpoint's.
        agrees_upto: position of the last checkpoint before that which agrees.
    """

    state: State
    head: int
    position: int = 0
    hash: str = ""
    agrees_upto: int = 0


class CheckpointFile:
    """Checkpoints in a directory, one a line, and the public key beside them.

    Args:
        folder: made when it is missing; only the hub needs to write there.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.key_path = folder / PUBLIC_KEY

    def read(self) -> list[Signed]:
        """In order; none when there is no file.

        Raises:
            CheckpointsUnusable: a line is none.
        """
        return read_checkpoints(self.path) if self.path.exists() else []

    def last(self) -> Signed | None:
        """
        Raises:
            CheckpointsUnusable: the last line is no checkpoint.
        """
        try:
            with open(self.path, "rb") as file:
                whole = _last_line(file)
        except FileNotFoundError:
            return None
        return _parse(whole, self.path, "the last line") if whole else None

    def key(self) -> str:
        """The public key that was noted when the file began; '' for none."""
        try:
            return self.key_path.read_text().strip()
        except FileNotFoundError:
            return ""

    def add(self, signed: Signed) -> None:
        """On the disk when this returns. What a crash left of a line before is cut off."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.key_path.exists():
            with _open_private(self.key_path, os.O_WRONLY | os.O_CREAT) as file:
                file.write(signed.key.encode() + b"\n")
                _to_disk(file)
        with _open_private(self.path, os.O_RDWR | os.O_CREAT) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # a command beside a running hub
            file.seek(_whole_bytes(file))
            file.truncate()
            file.write(encode(signed) + b"\n")
            _to_disk(file)


class Checkpoints:
    """The role: signs where the ledger stands, whenever it moved, once its chain was found to hold up to there.

    Args:
        dsn: a direct connection.
        folder: for the file.
        secret: 32 bytes that sign.
    """

    def __init__(self, dsn: str, folder: Path, secret: bytes) -> None:
        self._dsn = conninfo(dsn, name="mcphub-checkpoints")
        self._secret = secret
        self._db: psycopg.Connection[Any] | None = None  # holds the office as long as it lives
        self._one = threading.Lock()  # a round that was cut off goes on in its thread
        self.file = CheckpointFile(folder)
        self.refused = False  # the last time this hub looked the ledger did not go on from the last checkpoint

    @property
    def leads(self) -> bool:
        """Is this the hub that signs?"""
        return self._db is not None and not self._db.closed

    async def round(self) -> None:
        await asyncio.to_thread(self._round)

    async def stop(self) -> None:
        """The last checkpoint, and the office is free."""
        try:
            await self.round()
        finally:
            if self._db is not None:
                self._db.close()

    def _round(self) -> None:
        with self._one:
            if not self.leads:
                self._db = self._elected()
            if self._db is None:
                return
            try:
                self.sign(self._db)
                self.refused = False
            except CheckpointRefused as refused:
                self.refused = True
                log.error("checkpoint_refused", position=refused.position, why=refused.why)
            except psycopg.Error:
                self._db.close()
                raise

    def _elected(self) -> psycopg.Connection[Any] | None:
        db = psycopg.connect(self._dsn, autocommit=True)
        if lead(db, LEADER_LOCK):
            return db
        db.close()
        return None

    def sign(self, db: psycopg.Connection[Any]) -> Signed | None:
        """Adds a checkpoint of the head, and returns it; None when the last one says it already.

        Raises:
            CheckpointRefused: the ledger does not go on from the last one, or its chain breaks.
            CheckpointsUnusable: the last line of the file is no checkpoint.
        """
        last = self.file.last()
        if (known := self.file.key()) and known != public_key(self._secret):
            raise CheckpointRefused(0, f"the hub signs with another key than that of {self.file.path}")
        before = last.checkpoint if last else Checkpoint(position=0, hash="", at=0)
        with db.transaction():
            # One state of the ledger for rows and head, whatever is recorded meanwhile.
            db.execute("set transaction isolation level repeatable read, read only")
            found = verify(db, after=before.position, previous=bytes.fromhex(before.hash) if last else None)
            rows = db.execute(SINCE, (before.position, found.position, list(SAYS))).fetchall()
            ((head,),) = db.execute(LAST).fetchall()
        if head < before.position:
            raise CheckpointRefused(head + 1, f"the ledger ends before the last checkpoint, {before.position}")
        if found.broken_at is not None:
            raise CheckpointRefused(found.broken_at, found.why)
        if found.position == before.position:
            return None
        events = [decode(data) for (data,) in rows]
        now = time.time_ns() // 1000
        signed = sign(sum_up(found.position, found.hash, now, before.position, events), self._secret)
        self.file.add(signed)
        log.info("checkpoint_signed", position=found.position, hash=found.hash)
        return signed


def compare(db: psycopg.Connection[Any], checkpoints: Sequence[Checkpoint]) -> Compared:
    """The ledger that is there beside checkpoints of it, in order of position."""
    ((head,),) = db.execute(LAST).fetchall()
    there = dict(db.execute(HASHES, ([one.position for one in checkpoints],)).fetchall())
    agrees = Compared(state="unknown", head=head)
    for one in sorted(checkpoints, key=lambda one: one.position):
        state: State = "complete"
        if there.get(one.position) != one.hash:
            state = "cut_off" if one.position > head else "rewritten"
        before = agrees.position
        agrees = Compared(
            state=state,
            head=head,
            position=one.position,
            hash=one.hash,
            agrees_upto=one.position if state == "complete" else before,
        )
        if state != "complete":
            break
    return agrees


def read_checkpoints(path: Path) -> list[Signed]:
    """Every line of a file. One without an end is what a crash left, and passed over.

    Raises:
        CheckpointsUnusable: it cannot be read, or a line is no checkpoint.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CheckpointsUnusable(f"{path} cannot be read: {error.strerror}") from None
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    return [_parse(line, path, f"line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def must_be_signed(checkpoints: Sequence[Signed], key: str, path: Path) -> None:
    """
    Raises:
        CheckpointsUnusable: somebody else, or nobody, signed one of them.
    """
    for number, signed in enumerate(checkpoints, 1):
        if not is_signed_by(signed, key):
            raise CheckpointsUnusable(f"line {number} of {path} is not signed with the key {key}")


def _parse(line: bytes, path: Path, which: str) -> Signed:
    try:
        return read_line(line)
    except (msgspec.MsgspecError, ValueError):
        raise CheckpointsUnusable(f"{which} of {path} is no checkpoint") from None


def _last_line(file: IO[bytes]) -> bytes:
    """The last whole line, read from the end."""
    end = _whole_bytes(file)
    begin, block = end, b""
    while begin and block.count(b"\n") < 2:
        begin = max(0, begin - 65_536)
        file.seek(begin)
        block = file.read(end - begin)
    return block.splitlines()[-1] if block else b""


def _whole_bytes(file: IO[bytes]) -> int:
    """Length of the file up to the end of its last whole line."""
    begin = file.seek(0, os.SEEK_END)
    while begin:
        start = max(0, begin - 65_536)
        file.seek(start)
        at = file.read(begin - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        begin = start
    return 0


def _open_private(path: Path, flags: int) -> IO[bytes]:
    return os.fdopen(os.open(path, flags | os.O_NOFOLLOW, 0o600), "r+b" if flags & os.O_RDWR else "wb")


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
