"""A backup of the whole hub in a directory, and a hub made of one.

In it are the durable tables, each with its checksum, and the checkpoints. Read tables are not: they are made anew from
the ledger. The master key ring is not either, unless it is asked for: without it whoever finds the backup can open
nothing, and whoever restores it must bring the ring along.

Data keys are in it, wrapped, also of people and values that are erased and cleared later. A restore therefore applies
what checkpoints behind the backup say was erased and cleared (forgetting.py), and says what it cannot know.
"""

import gzip
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import structlog
from msgspec import Struct

from mcphub.domain.checkpoint import SIGNING, Signed, is_signed_by, public_key
from mcphub.domain.vault import HUB, Ring, WrappedKey
from mcphub.operations.checkpoints import CheckpointFile, CheckpointsUnusable
from mcphub.postgres import copying
from mcphub.postgres.copying import NotTheSame, Sum, Table
from mcphub.postgres.migrate import MigrationError, migrate, migrations_folder
from mcphub.settings import Settings

log = structlog.get_logger()

FORMAT = 1
ABOUT = "backup.json"
RING = "master.key"
TABLES = "tables"
BEFORE = "before-migration-"  # the names of those made before migrations
LEVEL = 3  # of compression: text of rows gains little from more

SCHEMA = "select coalesce(max(version), 0) from schema_migration"
HEAD = "select position, encode(hash, 'hex') from ledger_head"
RINGS = "select distinct on (kek_id) kek_id, id::text, owner, purpose, wrapped from data_key order by kek_id"
SIGNER = "select kek_id, id::text, owner, purpose, wrapped from data_key where owner = %s and purpose = %s"
HUBS = """
    select application_name from pg_stat_activity
    where datname = current_database() and application_name like 'mcphub-%'
      and application_name not in ('mcphub-move', 'mcphub-check', 'mcphub-migrate', 'mcphub-backup')
"""

Progress = Callable[[int, int], None]


class BackupUnusable(Exception):
    """It cannot be written there, or be restored here; the message says why. Nothing was changed."""


class Stored(Struct, frozen=True):
    """A table in a backup: which, and what its text must add up to."""

    table: Table
    sum: Sum


class About(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a backup says of itself. It is written last: without it a directory is no backup.

    Args:
        schema: number of the last migration.
        position, hash: of the ledger's head.
        master_keys: ids of those that wrap its data keys.
        sequences: the last number each has given out.
    """

    format: int = FORMAT
    made_at: datetime
    hub: str
    schema: int
    position: int
    hash: str
    master_keys: list[str]
    with_ring: bool
    sequences: dict[str, int]
    tables: list[Stored]


def write_backup(
    db: psycopg.Connection[Any],
    folder: Path,
    checkpoints: CheckpointFile,
    *,
    ring: str = "",
    progress: Progress = lambda _, __: None,
) -> About:
    """Writes a backup of one state of the database, while a hub runs on it or not.

    Args:
        db: autocommit, as a role that may read every table.
        folder: made; others cannot read it.
        ring: the text of the master key ring, for a backup that opens without anything else.

    Raises:
        BackupUnusable: there is something in the folder.
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupUnusable(f"{folder} is not empty: name a directory that does not exist yet")
    folder.chmod(0o700)
    (folder / TABLES).mkdir(mode=0o700)
    # First: one of a later position would speak of facts that are not in the backup.
    for path in (checkpoints.path, checkpoints.key_path):
        if path.exists():
            _write_private(folder / path.name, path.read_bytes())
    copying.prepare(db)
    with db.transaction():
        db.execute("set transaction isolation level repeatable read, read only")
        ((schema,),) = db.execute(SCHEMA).fetchall()
        ((position, hash_),) = db.execute(HEAD).fetchall()
        found = copying.tables(db)
        copying.hold(db, found)
        stored = []
        for number, table in enumerate(found):
            progress(number, len(found))
            stored.append(Stored(table, _write_table(folder, table, copying.text_of(db, table))))
        keys = [kek_id for kek_id, *_ in db.execute(RINGS).fetchall()]
        last = copying.sequences(db)
    if ring:
        _write_private(folder / RING, ring.encode())
    about = About(
        made_at=datetime.now(UTC),
        hub=version("mcphub"),
        schema=schema,
        position=position,
        hash=hash_,
        master_keys=keys,
        with_ring=bool(ring),
        sequences=last,
        tables=stored,
    )
    _write_private(folder / ABOUT, msgspec.json.format(msgspec.json.encode(about)))
    return about


def back_up_first(settings: Settings, read_only: str, missing: list[str]) -> None:
    """A backup in the home before migrations are applied; older ones of that kind go.

    Args:
        read_only: how to reach the database as a role that may read every table.
        missing: the migrations.

    Raises:
        MigrationError: there is no room, or it cannot be written. Nothing is to be migrated then.
    """
    if not settings.migration_backups:
        log.warning("migrating_without_backup", migrations=missing)
        return
    kept = settings.home / "backups"
    folder = kept / f"{BEFORE}{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{missing[0]}"
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        with psycopg.connect(read_only, autocommit=True, application_name="mcphub-backup") as db:
            ((size,),) = db.execute("select pg_database_size(current_database())").fetchall()
            free = shutil.disk_usage(kept).free
            if free < size:  # it takes a fraction of that, and the database needs room for its work as well
                raise BackupUnusable(f"{free >> 20} MiB are free in {kept}, and the database has {size >> 20}")
            about = write_backup(db, folder, CheckpointFile(settings.checkpoint_folder))
    except (BackupUnusable, OSError, psycopg.Error) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MigrationError(
            f"nothing was migrated, as the backup before it could not be made: {error}. Make room there; or back up by"
            " other means, then start once with --no-backup or MCPHUB_MIGRATION_BACKUPS=0"
        ) from error
    log.info("backed_up_before_migration", folder=str(folder), position=about.position)
    for old in sorted(kept.glob(f"{BEFORE}*"))[: -settings.migration_backups]:
        shutil.rmtree(old, ignore_errors=True)


def read_about(folder: Path) -> About:
    """
    Raises:
        BackupUnusable: it is no backup, not a whole one, or of a later format.
    """
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except FileNotFoundError:
        raise BackupUnusable(f"{folder} holds no {ABOUT}: it is no backup, or was cut off while it was made") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupUnusable(f"{folder / ABOUT} cannot be read: {error}") from None
    if about.format != FORMAT:
        raise BackupUnusable(f"{folder} has format {about.format}, and this release reads {FORMAT}: use a later one")
    missing = [one.table.name for one in about.tables if not _path(folder, one.table).exists()]
    if missing:
        raise BackupUnusable(f"{folder} is not whole: {', '.join(missing)} is missing")
    return about


def restore(
    owner: str,
    folder: Path,
    about: About,
    ring: Ring,
    kept: Sequence[Signed] = (),
    *,
    progress: Progress = lambda _, __: None,
) -> None:
    """Fills an empty database from a backup: its schema as it was, the rows, then the migrations since. All or nothing.

    Args:
        owner: how to reach the database as the owner of the schema.
        ring: must open the data keys of the backup.
        kept: checkpoints of the time behind it; the hub itself must have signed them.

    Raises:
        BackupUnusable: the database holds a hub, or its schema is not the backup's.
        NotTheSame: a table is not what the backup says.
        RingUnusable: the ring is another one.
        CheckpointsUnusable: somebody else signed one of those.
        MigrationError: the backup is of a later release.
    """
    steps = migrations_folder()
    with psycopg.connect(owner, autocommit=True, application_name="mcphub-restore") as db:
        copying.prepare(db)
        must_be_empty(db, about.schema)
        migrate(owner, steps, upto=about.schema)
        with db.transaction():
            for number, stored in enumerate(about.tables):
                progress(number, len(about.tables))
                copying.fill(db, stored.table, _rows(_path(folder, stored.table)))
                _must_be(stored, copying.sum_of(db, stored.table))
            copying.set_sequences(db, about.sequences)
            must_open(db, ring)
            must_be_own(db, ring, kept)
    migrate(owner, steps)


def move(source: str, target: str, *, where: str, progress: Progress = lambda _, __: None) -> list[Stored]:
    """Copies all of a hub into an empty database and compares the checksums; then the source is marked as left.

    Nobody writes to the source meanwhile: its tables are locked, and a hub that finds the mark does not start there.

    Args:
        source, target: as the owners of the schemas; the source's is this release's.
        where: the new place, for people, without a password.

    Raises:
        BackupUnusable: the target holds a hub.
        NotTheSame: a table arrived as something else. The target is as it was, and the source the hub's.
    """
    moved = []
    with (
        psycopg.connect(source, autocommit=True, application_name="mcphub-move") as old,
        psycopg.connect(target, autocommit=True, application_name="mcphub-move") as new,
    ):
        for db in (old, new):
            copying.prepare(db)
        ((schema,),) = old.execute(SCHEMA).fetchall()
        must_be_empty(new, schema)
        migrate(target, migrations_folder(), upto=schema)
        with old.transaction(), new.transaction():  # the new one commits first
            found = copying.tables(old)
            _lock(old, found)
            for number, table in enumerate(found):
                progress(number, len(found))
                rows = copying.Summing()
                copying.fill(new, table, rows.of(copying.text_of(old, table)))
                moved.append(Stored(table, rows.sum))
                _must_be(moved[-1], copying.sum_of(new, table))
            copying.set_sequences(new, copying.sequences(old))
            copying.leave(old, where)
    return moved


def _lock(db: psycopg.Connection[Any], found: list[Table]) -> None:
    """Nobody writes until the transaction ends.

    Raises:
        BackupUnusable: somebody does.
    """
    others = db.execute(HUBS).fetchall()
    if others:
        names = ", ".join(sorted({name for (name,) in others}))
        raise BackupUnusable(f"a hub still runs on the database ({names}): stop it first")
    db.execute("set local lock_timeout = '5s'")
    try:
        copying.hold(db, found, "share")
    except psycopg.errors.LockNotAvailable:
        raise BackupUnusable("somebody still writes to the database: stop every hub first") from None


def must_be_empty(db: psycopg.Connection[Any], schema: int) -> None:
    """
    Raises:
        BackupUnusable: it is not, or has a later schema than what is to be filled in.
    """
    if not copying.is_empty(db):
        raise BackupUnusable("this database holds a hub already: name an empty one, or another --home")
    if db.execute("select to_regclass('public.schema_migration') is null").fetchone() == (False,):
        ((found,),) = db.execute(SCHEMA).fetchall()
        if found > schema:
            raise BackupUnusable(
                f"this database has schema {found:04} already, and the backup is of {schema:04}: name one without"
            )


def must_open(db: psycopg.Connection[Any], ring: Ring) -> None:
    """
    Raises:
        RingUnusable: a master key is missing, or is another one.
    """
    for kek_id, id_, owner, purpose, wrapped in db.execute(RINGS).fetchall():
        ring.open(WrappedKey(id_, owner, purpose, kek_id, bytes(wrapped)))


def must_be_own(db: psycopg.Connection[Any], ring: Ring, kept: Sequence[Signed]) -> None:
    """
    Raises:
        CheckpointsUnusable: another hub, or nobody, signed them: what they say would be erased here.
    """
    key = ""
    for kek_id, id_, owner, purpose, wrapped in db.execute(SIGNER, (HUB, SIGNING)).fetchall():
        key = public_key(ring.open(WrappedKey(id_, owner, purpose, kek_id, bytes(wrapped))))
    for one in kept:
        if not is_signed_by(one, key):
            raise CheckpointsUnusable(
                f"the checkpoint of position {one.checkpoint.position} is not signed by the hub of this backup"
            )


# files


def _path(folder: Path, table: Table) -> Path:
    return folder / TABLES / f"{table.name}.gz"


def _write_table(folder: Path, table: Table, rows: Iterator[copying.Text]) -> Sum:
    summing = copying.Summing()
    descriptor = os.open(_path(folder, table), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=LEVEL, mtime=0) as file,
    ):
        for row in summing.of(rows):
            file.write(row)
    return summing.sum


def _rows(path: Path) -> Iterator[bytes]:
    """
    Raises:
        NotTheSame: the file is broken.
    """
    try:
        with gzip.open(path) as file:
            yield from file
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise NotTheSame(f"{path} is broken") from None


def _must_be(stored: Stored, found: Sum) -> None:
    if found != stored.sum:
        raise NotTheSame(
            f"{stored.table.name} did not arrive as what it was: {found.rows:,} rows with the checksum"
            f" {found.sha256[:16]}…, and not {stored.sum.rows:,} with {stored.sum.sha256[:16]}…"
        )


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
