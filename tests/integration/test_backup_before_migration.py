"""A database that holds a hub is backed up before its schema changes, or the schema does not change."""

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from mcphub.domain.vault import Ring, Vault, WrappedKey
from mcphub.operations.backup import back_up_first, read_about, restore
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.migrate import MigrationError, load, migrate, migrations_folder, pending
from mcphub.postgres.pool import command_pool
from mcphub.settings import read
from tests.conftest import Database

RING = Ring([("k1", b"\7" * 32)])
NEWEST = load(migrations_folder())[-1]
Migrating = Callable[..., list[str]]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def old(empty_database: Database, tmp_path: Path) -> Migrating:
    """Migrates a database of the release before, with a hub in it; takes variables of the hub's environment."""
    migrate(empty_database.owner_dsn, migrations_folder(), upto=NEWEST.version - 1)
    with command_pool(empty_database.app_dsn) as pool:
        Vault(DataKeys(pool, WrappedKey), RING, time.monotonic)
    return partial(migrating, empty_database, tmp_path)


def migrating(database: Database, home: Path, **env: str) -> list[str]:
    first = partial(back_up_first, read(env, home=home), database.ro_dsn)
    return migrate(database.owner_dsn, migrations_folder(), before=first)


def test_a_hub_is_backed_up_as_it_was_before_its_schema_changes(
    old: Migrating, kept: Path, empty_database: Database, make_database: Callable[[], Database]
) -> None:
    assert old() == [str(NEWEST)]

    (folder,) = kept.iterdir()
    about = read_about(folder)
    assert (about.schema, about.master_keys, about.with_ring) == (NEWEST.version - 1, ["k1"], False)
    assert (kept.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o700, 0o700)
    other = make_database()
    restore(other.owner_dsn, folder, about, RING)
    with psycopg.connect(other.ro_dsn) as db, psycopg.connect(empty_database.ro_dsn) as here:
        keys = "select id, wrapped from data_key order by id"
        assert db.execute(keys).fetchall() == here.execute(keys).fetchall()
    assert old() == []
    assert list(kept.iterdir()) == [folder]  # nothing was to be migrated


def test_a_first_start_has_nothing_to_back_up(empty_database: Database, tmp_path: Path, kept: Path) -> None:
    assert migrating(empty_database, tmp_path)
    assert not kept.exists()


def test_without_room_for_the_backup_nothing_is_migrated(
    old: Migrating, kept: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))

    with pytest.raises(MigrationError, match=r"nothing was migrated.*1 MiB are free.*--no-backup"):
        old()

    assert pending(empty_database.owner_dsn, migrations_folder()) == [str(NEWEST)]
    assert list(kept.iterdir()) == []
    assert old(MCPHUB_MIGRATION_BACKUPS="0") == [str(NEWEST)]


def test_a_backup_that_breaks_off_leaves_nothing_and_nothing_is_migrated(
    old: Migrating, kept: Path, empty_database: Database
) -> None:
    kept.write_text("in the way")

    with pytest.raises(MigrationError, match="could not be made"):
        old()

    assert pending(empty_database.owner_dsn, migrations_folder()) == [str(NEWEST)]


def test_of_these_backups_the_newest_are_kept_and_others_are_left_alone(old: Migrating, kept: Path) -> None:
    for name in ("before-migration-20250101T000000Z-0001_a", "before-migration-20250102T000000Z-0002_b", "mine"):
        (kept / name / "tables").mkdir(parents=True)

    old(MCPHUB_MIGRATION_BACKUPS="2")

    left = sorted(path.name for path in kept.iterdir())
    assert [left[0], left[2]] == ["before-migration-20250102T000000Z-0002_b", "mine"]
    assert left[1].endswith(str(NEWEST))
