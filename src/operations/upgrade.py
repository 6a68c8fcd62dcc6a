"""A hub whose embedded database an earlier major version of PostgreSQL made, brought to the one of this release.

The old cluster is started once more by its own programs and backed up; a new one is made of the backup beside it, with
every checksum compared, and takes its place in one step. The old one is kept. Cut off anywhere, the old one is in its
place, and the next try begins anew.
"""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import structlog
from msgspec import Struct

from mcphub.domain.vault import Ring
from mcphub.operations.backup import BackupUnusable, read_about, restore, write_backup
from mcphub.operations.checkpoints import CheckpointFile
from mcphub.postgres.embedded import MAJOR, EmbeddedPostgres, clusters
from mcphub.postgres.home import HomeLock
from mcphub.postgres.programs import Programs
from mcphub.settings import Settings

log = structlog.get_logger()

Progress = Callable[[int, int], None]


class Upgraded(Struct, frozen=True, kw_only=True):
    """`kept`: the old data directory; `backup`: what the new one was made of."""

    from_major: int
    to_major: int
    rows: int
    position: int
    kept: Path
    backup: Path


def upgrade(
    settings: Settings, ring: Ring, *, programs: Path | None = None, progress: Progress = lambda _, __: None
) -> Upgraded | None:
    """Blocking. None when there is nothing to upgrade.

    Args:
        ring: must open what is in the database.
        programs: the folder of the old version's programs, when they are in no known place.

    Raises:
        HomeUnusable: a hub runs there.
        PostgresFailed: no programs of the old version; or a server did not start.
        BackupUnusable: there is no room, or nothing that could be upgraded.
        NotTheSame: a table arrived as something else. The old cluster is as it was.
    """
    home = settings.home
    lock = HomeLock.take(home)
    try:
        found = clusters(home)
        if int(MAJOR) in found:
            return None
        old = max((major for major in found if major < int(MAJOR)), default=0)
        if not old:
            raise BackupUnusable(f"{home} holds no database of an earlier PostgreSQL")
        _must_have_room(found[old])
        folder = home / "backups" / f"before-postgresql-{MAJOR}-{_stamp()}"
        server = EmbeddedPostgres(home, lock=lock, data=found[old], programs=Programs.of_major(home, old, programs))
        server.open()
        try:
            with psycopg.connect(server.dsn("mcphub_ro"), autocommit=True) as db:
                about = write_backup(db, folder, CheckpointFile(settings.checkpoint_folder), progress=progress)
        finally:
            server.close()
        fresh = home / "pg" / f"{MAJOR}.upgrading"
        shutil.rmtree(fresh, ignore_errors=True)
        server = EmbeddedPostgres(home, lock=lock, data=fresh)
        server.open()
        try:
            restore(server.dsn("mcphub_owner"), folder, read_about(folder), ring, progress=progress)
        finally:
            server.close()
        fresh.rename(home / "pg" / MAJOR)
        kept = home / f"pg-before-{_stamp()}" / str(old)
        kept.parent.mkdir(mode=(home / "pg").stat().st_mode & 0o777)
        found[old].rename(kept)
        log.info("database_upgraded", old=old, new=MAJOR, kept=str(kept))
    finally:
        lock.release()
    rows = sum(one.sum.rows for one in about.tables)
    return Upgraded(from_major=old, to_major=int(MAJOR), rows=rows, position=about.position, kept=kept, backup=folder)


def _must_have_room(data: Path) -> None:
    """The new cluster beside the old one, and the backup."""
    size = sum(path.lstat().st_size for path in data.rglob("*") if path.is_file())
    free = shutil.disk_usage(data).free
    if free < 2 * size:
        raise BackupUnusable(
            f"{free >> 20} MiB are free at {data}, and an upgrade takes up to {2 * size >> 20}: make room first"
        )


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
