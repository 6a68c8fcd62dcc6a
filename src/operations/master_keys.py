"""The master key ring in its file, and its rotation: a new key wraps every data key, then the old one is forgotten.

A rotation is cut off anywhere and begun again, and goes on where it was; each state on the way is one to work with:

1. the ring holds the new key in front of the old one: what is sealed from here on needs the new one, all else opens;
2. rows are wrapped anew, some at a time;
3. the old key is retired: the database takes no row that needs it (migrations/0016_retired_master_key.sql);
4. the table is rewritten, as PostgreSQL leaves replaced bytes in its pages, and the fact is recorded;
5. the ring forgets the old key.

A running hub looks at the file whenever it wraps or unwraps, so it follows at once. The ledger holds ciphertext under
data keys, which stay as they are, so nothing of it changes.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psycopg
import structlog
from msgspec import Struct

from mcphub.domain.hub import Hub
from mcphub.domain.master_keys import NoteMasterKeyRotated
from mcphub.domain.vault import Ring, RingUnusable, WrappedKey, active_alone, loose, with_fresh_key
from mcphub.postgres.home import replace_private

log = structlog.get_logger()

MOST_DAYS = 365  # a master key should be no older
BATCH = 500  # rows a transaction
REWRITE_TRIES = 50
LOCK = "select pg_try_advisory_lock(hashtext('mcphub.master-keys'))"
HUBS = "select count(*) from node where seen_at > clock_timestamp() - interval '10 seconds'"
TO_DO = "select count(*) from data_key where kek_id <> %s"
STALE = """
    select id::text, owner, purpose, kek_id, wrapped from data_key
    where kek_id <> %s order by id limit %s
"""
# Only as it was read: a row that was destroyed meanwhile stays so.
REWRAP = "update data_key set kek_id = %s, wrapped = %s where id = %s and wrapped = %s"
RETIRE = "insert into retired_master_key (id) values (%s) on conflict do nothing"
RETIRED = "select id from retired_master_key"
STANDING = """
    select array(select distinct kek_id from public.data_key order by kek_id),
           coalesce((select max(retired_at) from public.retired_master_key),
                    (select min(created_at) from public.data_key)),
           clock_timestamp()
"""

Progress = Callable[[int, int], None]


class RotationRefused(Exception):
    """The master key cannot be rotated; the message says why and what to do. Nothing was changed."""


class Rotated(Struct, frozen=True, kw_only=True, rename="camel"):
    """`resumed`: it went on from where one was cut off. `rewritten`: no page of the table holds an old form."""

    key_id: str
    retired: list[str]
    rewrapped: int
    resumed: bool
    rewritten: bool
    position: int


class Standing(Struct, frozen=True):
    """Ids of the master keys that data keys need, and since when that is so; None before the first data key."""

    key_ids: list[str]
    since: datetime | None
    now: datetime  # by the database's clock

    @property
    def days(self) -> int:
        return (self.now - self.since).days if self.since else 0

    @property
    def code(self) -> Literal["young", "old", "unfinished"]:
        if len(self.key_ids) > 1:
            return "unfinished"
        return "old" if self.days > MOST_DAYS else "young"


class RingFile:
    """A master key ring whose file may change while the hub runs.

    Raises:
        RingUnusable: at first, when it is loose or unreadable. Later the last usable state counts, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._seen = _signature(path)
        self._ring = read_ring(path)

    def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        return self._now().wrap(key, context)

    def open(self, key: WrappedKey) -> bytes:
        return self._now().open(key)

    def _now(self) -> Ring:
        with self._guard:
            try:
                signature = _signature(self._path)
                if signature != self._seen:
                    self._seen = signature  # before reading: a change that comes in between is seen the next time
                    self._ring = read_ring(self._path)
                    log.info("master_keys_read", active=self._ring.active, keys=len(self._ring.ids))
            except (OSError, RingUnusable) as error:
                why = str(error) if isinstance(error, RingUnusable) else error.strerror
                log.warning("master_keys_not_read", why=why)
            return self._ring


def read_ring(path: Path) -> Ring:
    """
    Raises:
        RingUnusable: others may read it, or it is none.
    """
    if loose(path.stat().st_mode):
        raise RingUnusable(f"others may read {path}: run chmod 600 on it, and consider rotating the key")
    return Ring.parse(path.read_text())


def rotate(
    owner: str, path: Path, hub: Hub, *, readers: int | None, progress: Progress = lambda _, __: None
) -> Rotated:
    """Rotates the key of a ring in a file, or finishes a rotation that was cut off. Blocking.

    Args:
        owner: how to reach the database as the owner of the schema.
        hub: records the fact, for the present actor.
        readers: how many of the hubs that run on the database read this file; None for all, as with an embedded one.

    Raises:
        RotationRefused: hubs run elsewhere, which do not read this file; or another rotation is under way.
        RingUnusable: the ring does not open what is there.
    """
    with _alone(owner) as db:
        others = 0 if readers is None else int(_one(db, HUBS)) - readers
        if others > 0:
            raise RotationRefused(
                f"{others} more hubs run on this database, or did ten seconds ago, and would not know the new key: stop"
                f" them, rotate, copy {path} to them, and start them again"
            )
        text = path.read_text()
        resumed = len(read_ring(path).ids) > 1
        if not resumed:
            text = with_fresh_key(text, _ids(db))
            replace_private(path, text)
        done = rewrap(db, Ring.parse(text), hub, resumed=resumed, progress=progress)
        replace_private(path, active_alone(text))
        return done


def rotate_to(owner: str, ring: Ring, hub: Hub, *, progress: Progress = lambda _, __: None) -> Rotated:
    """The same for a ring that stands in the environment, where somebody put a new key in front of the old one.

    Raises:
        RotationRefused: there is no other key; or another rotation is under way.
    """
    if len(ring.ids) == 1:
        raise RotationRefused(
            f"MCPHUB_MASTER_KEYS holds the key {ring.active} alone: put a new one in front of it"
            " (mcphub keyring new prints one), start every hub with that, then run this again"
        )
    with _alone(owner) as db:
        return rewrap(db, ring, hub, resumed=False, progress=progress)


def rewrap(db: "psycopg.Connection[Any]", ring: Ring, hub: Hub, *, resumed: bool, progress: Progress) -> Rotated:
    """All data keys by the active key of the ring, the others retired, and that on the record."""
    ((total,),) = db.execute(TO_DO, (ring.active,)).fetchall()
    done = 0
    while not _retired(db, ring):
        while more := _rewrap_some(db, ring):
            done += more
            progress(done, total)
    rewritten = _rewritten(db)
    position = hub.execute(lambda: NoteMasterKeyRotated(ring.active, ring.ids[1:], done)).position
    return Rotated(
        key_id=ring.active,
        retired=ring.ids[1:],
        rewrapped=done,
        resumed=resumed,
        rewritten=rewritten,
        position=position,
    )


def standing(db: "psycopg.Connection[Any]") -> Standing:
    return standing_of(db.execute(STANDING).fetchall()[0])


def standing_of(row: tuple[Any, ...]) -> Standing:
    """
    Args:
        row: of `STANDING`.
    """
    key_ids, since, now = row
    return Standing(list(key_ids), since, now)


def _rewrap_some(db: "psycopg.Connection[Any]", ring: Ring) -> int:
    rows = db.execute(STALE, (ring.active, BATCH)).fetchall()
    found = [WrappedKey(id_, owner, purpose, kek, bytes(wrapped)) for id_, owner, purpose, kek, wrapped in rows]
    fresh = [(key, ring.rewrapped(key)) for key in found]
    with db.transaction(), db.cursor() as cursor:
        cursor.executemany(REWRAP, [(new.kek_id, new.wrapped, old.id, old.wrapped) for old, new in fresh])
    return len(rows)


def _retired(db: "psycopg.Connection[Any]", ring: Ring) -> bool:
    """Retires all keys but the active one; False when rows need one of them still."""
    with db.transaction():
        # Whoever adds a row at this moment is waited for, and whoever comes later finds the key retired.
        db.execute("lock table data_key in share row exclusive mode")
        if db.execute(STALE, (ring.active, 1)).fetchone() is not None:
            return False
        for key_id in ring.ids[1:]:
            db.execute(RETIRE, (key_id,))
    return True


def _rewritten(db: "psycopg.Connection[Any]") -> bool:
    db.execute("set lock_timeout = '200ms'")
    for _ in range(REWRITE_TRIES):
        try:
            db.execute("vacuum (full) data_key")
            return True
        except psycopg.errors.LockNotAvailable:
            time.sleep(0.1)  # a dump reads it; those who seal and open must not wait behind us
    return False


def _ids(db: "psycopg.Connection[Any]") -> list[str]:
    """Every id that a master key of this hub has had, as far as its database knows."""
    return [*standing(db).key_ids, *(id_ for (id_,) in db.execute(RETIRED).fetchall())]


@contextmanager
def _alone(owner: str) -> "Iterator[psycopg.Connection[Any]]":
    """A connection of the one rotation that runs."""
    with psycopg.connect(owner, autocommit=True, application_name="mcphub-master-keys") as db:
        if not _one(db, LOCK):
            raise RotationRefused("another rotation is under way: wait for it")
        yield db


def _one(db: "psycopg.Connection[Any]", query: str) -> Any:
    ((value,),) = db.execute(query).fetchall()
    return value


def _signature(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
