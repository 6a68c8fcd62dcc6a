"""Durable tables in a directory and out of it, from database to database: all of them, to the byte, or none."""

import gzip
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest

from mcphub.domain.access import AccessModel
from mcphub.domain.actor import acting, system
from mcphub.domain.checkpoint import SIGNING, Checkpoint, sign
from mcphub.domain.events import ServiceTokenSaved, UserRegistered
from mcphub.domain.hub_variables import SetHubVariable
from mcphub.domain.users import SetUpAdmin
from mcphub.domain.vault import Ring, RingUnusable, Vault, WrappedKey, key_of
from mcphub.folded import fold
from mcphub.operations.backup import About, BackupUnusable, move, read_about, restore, write_backup
from mcphub.operations.checkpoints import CheckpointFile, CheckpointsUnusable
from mcphub.operations.forgetting import Forgotten, Known, forget_again
from mcphub.postgres import copying
from mcphub.postgres.copying import NotTheSame
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import command_pool
from mcphub.postgres.server_checks import DatabaseUnusable, check_schema
from tests.conftest import Database
from tests.support.ledger import telling

RING = Ring([("k1", b"\7" * 32)])
DAY = datetime.now(UTC).date() - timedelta(days=3)
NEWEST = max(int(file.name[:4]) for file in migrations_folder().glob("*.sql"))
ODD = "tab\t line\n back\\slash \\N é 한국어 ''"


@contextmanager
def connected(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as db:
        yield db


def lived_in(database: Database) -> str:
    """Facts, keys, rows of calls, sessions; the id of a user with a value."""
    with telling(database) as teller, command_pool(database.app_dsn) as pool:
        vault = Vault(DataKeys(pool, WrappedKey), RING, time.monotonic)
        user = str(uuid4())
        data_key, sealed = vault.seal_new(user, "token", (user, "s1", "V"), "secret")
        name = vault.seal_personal(user, "profile.username", ODD)
        saved = ServiceTokenSaved(
            user_id=user, server_id="s1", variable="V", data_key=data_key, sealed=sealed, mask="••", fingerprint="f"
        )
        teller.tell((UserRegistered(user_id=user, username=name), [f"user:{user}"]), (saved, [f"user:{user}"]))
    with connected(database.owner_dsn) as db:
        db.execute("select traffic_partition(%s), access_log_partition(%s)", (DAY, DAY))
        at = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
        for number in range(3):
            db.execute(
                "insert into traffic (at, kind, boot, request_id, tool, duration_ms, left_out, node)"
                " values (%s, 4, 1, %s, %s, %s, %s, 'n')",
                (at, uuid4(), ODD, 0.1 + number / 3, '{"items": {"access": 2}}'),
            )
        db.execute("insert into key_use values ('key', %s, 3)", (at,))
    return user


@pytest.fixture
def backup(database: Database, tmp_path: Path) -> tuple[Path, About]:
    lived_in(database)
    with connected(database.ro_dsn) as db:
        about = write_backup(db, tmp_path / "backup", CheckpointFile(tmp_path / "none"))
    return tmp_path / "backup", about


def sums(dsn: str) -> dict[str, copying.Sum]:
    with connected(dsn) as db:
        copying.prepare(db)
        return {one.name: copying.sum_of(db, one) for one in copying.tables(db)}


def test_no_durable_table_is_forgotten_and_each_has_an_order(database: Database) -> None:
    with connected(database.owner_dsn) as db:
        db.execute("select traffic_partition(%s), access_log_partition(%s)", (DAY, DAY))
        every = db.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
            " and relpersistence = 'p'"
        ).fetchall()
        copying.prepare(db)
        found = copying.tables(db)
        for one in found:
            copying.sum_of(db, one)

    assert {name for (name,) in every} - {one.name for one in found} == {*copying.LEFT_OUT}
    assert {"ledger", "data_key", "gateway_session", "api_session", f"traffic_{DAY:%Y%m%d}"} <= {
        one.name for one in found
    }


def test_what_is_restored_is_the_same_to_the_byte_and_goes_on_from_there(
    backup: tuple[Path, About], database: Database, empty_database: Database
) -> None:
    folder, about = backup

    restore(empty_database.owner_dsn, folder, read_about(folder), RING)

    assert (
        sums(empty_database.owner_dsn) == sums(database.owner_dsn) == {one.table.name: one.sum for one in about.tables}
    )
    for made in (database, empty_database):
        with connected(made.app_dsn) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("delete from ledger")
    with connected(empty_database.owner_dsn) as db:
        row = db.execute("insert into traffic (at, kind, boot, node) values (%s, 5, 1, 'n') returning position", (DAY,))
        assert row.fetchone() == (max(n for n in about.sequences.values()) + 1,)
    with telling(empty_database) as teller:
        assert teller.tell((UserRegistered(user_id="u2", username=""), ["user:u2"])) == about.position + 1
    assert about.master_keys == ["k1"]


def broken(folder: Path) -> None:
    path = folder / "tables" / "ledger.gz"
    path.write_bytes(path.read_bytes()[:-20])


def changed(folder: Path) -> None:
    path = folder / "tables" / "key_use.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"\t3", b"\t4")))


def shortened(folder: Path) -> None:
    (folder / "tables" / "data_key.gz").write_bytes(gzip.compress(b""))


@pytest.mark.parametrize("spoil", [broken, changed, shortened])
def test_a_backup_that_is_not_what_it_says_leaves_nothing_behind(
    backup: tuple[Path, About], empty_database: Database, spoil: Callable[[Path], None]
) -> None:
    folder, about = backup
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    spoil(folder)

    with pytest.raises(NotTheSame):
        restore(empty_database.owner_dsn, folder, about, RING)

    with connected(empty_database.owner_dsn) as db:
        assert copying.is_empty(db)
    restore(empty_database.owner_dsn, whole, about, RING)


@pytest.mark.parametrize("ring", [Ring([("k2", b"\7" * 32)]), Ring([("k1", b"\x08" * 32)])], ids=["missing", "other"])
def test_without_the_ring_that_opens_it_nothing_is_restored(
    backup: tuple[Path, About], empty_database: Database, ring: Ring
) -> None:
    folder, about = backup

    with pytest.raises(RingUnusable):
        restore(empty_database.owner_dsn, folder, about, ring)

    with connected(empty_database.owner_dsn) as db:
        assert copying.is_empty(db)


def test_what_another_hub_says_was_erased_is_not_erased_here(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    lived_in(database)
    with command_pool(database.app_dsn) as pool:
        secret = Vault(DataKeys(pool, WrappedKey), RING, time.monotonic).secret(SIGNING)
    with connected(database.ro_dsn) as db:
        about = write_backup(db, tmp_path / "backup", CheckpointFile(tmp_path / "none"))
    said = Checkpoint(position=9, hash="ab" * 32, at=1, erased=("u",))

    with pytest.raises(CheckpointsUnusable, match="position 9"):
        restore(empty_database.owner_dsn, tmp_path / "backup", about, RING, [sign(said, b"\1" * 32)])
    restore(empty_database.owner_dsn, tmp_path / "backup", about, RING, [sign(said, secret)])


def test_a_directory_that_is_no_whole_backup_is_said(
    backup: tuple[Path, About], database: Database, tmp_path: Path
) -> None:
    folder, _ = backup
    with pytest.raises(BackupUnusable, match="not empty"), connected(database.ro_dsn) as db:
        write_backup(db, folder, CheckpointFile(tmp_path))
    (folder / "tables" / "ledger.gz").unlink()
    with pytest.raises(BackupUnusable, match="ledger is missing"):
        read_about(folder)
    (folder / "backup.json").unlink()
    with pytest.raises(BackupUnusable, match="cut off"):
        read_about(folder)


def test_a_hub_is_never_restored_over_another(backup: tuple[Path, About], database: Database) -> None:
    folder, about = backup
    before = sums(database.owner_dsn)

    with pytest.raises(BackupUnusable, match="holds a hub already"):
        restore(database.owner_dsn, folder, about, RING)

    assert sums(database.owner_dsn) == before


def test_a_backup_of_an_earlier_schema_is_brought_up_to_date(
    backup: tuple[Path, About], empty_database: Database, make_database: Callable[..., Database], tmp_path: Path
) -> None:
    old = make_database()
    migrate(old.owner_dsn, migrations_folder(), upto=10)
    with telling(old) as teller:
        teller.tell((UserRegistered(user_id="u1", username=""), ["user:u1"]))
    with connected(old.ro_dsn) as db:
        about = write_backup(db, tmp_path / "old", CheckpointFile(tmp_path / "none"))

    restore(empty_database.owner_dsn, tmp_path / "old", about, RING)

    assert (about.schema, about.position) == (10, 1)
    check_schema(empty_database.app_dsn, migrations_folder())
    with connected(empty_database.app_dsn) as db:
        assert db.execute("select position from ledger_head").fetchone() == (1,)


def test_a_backup_of_a_later_release_or_schema_is_not_filled_into_an_earlier_one(
    backup: tuple[Path, About], other_database: Database
) -> None:
    folder, about = backup
    later = msgspec.structs.replace(about, format=2)
    (folder / "backup.json").write_bytes(msgspec.json.encode(later))

    with pytest.raises(BackupUnusable, match="format 2"):
        read_about(folder)
    with pytest.raises(BackupUnusable, match="has schema"):
        restore(other_database.owner_dsn, folder, msgspec.structs.replace(about, schema=NEWEST - 1), RING)


def test_a_hub_that_moved_arrives_whole_and_starts_no_more_where_it_was(
    database: Database, empty_database: Database
) -> None:
    lived_in(database)
    before = sums(database.owner_dsn)

    moved = move(database.owner_dsn, empty_database.owner_dsn, where="db.example")

    assert sums(empty_database.owner_dsn) == before == {one.table.name: one.sum for one in moved}
    check_schema(empty_database.app_dsn, migrations_folder())
    with pytest.raises(DatabaseUnusable, match=r"moved to db\.example"):
        check_schema(database.app_dsn, migrations_folder())
    with connected(database.owner_dsn) as db:
        db.execute("comment on table ledger_head is null")
    check_schema(database.app_dsn, migrations_folder())


def test_nothing_moves_while_a_hub_is_connected_or_into_another_hub(
    database: Database, empty_database: Database, other_database: Database
) -> None:
    lived_in(database)
    lived_in(other_database)
    with pytest.raises(BackupUnusable, match="holds a hub already"):
        move(database.owner_dsn, other_database.owner_dsn, where="there")
    with (
        psycopg.connect(database.owner_dsn, application_name="mcphub-tail"),
        pytest.raises(BackupUnusable, match="mcphub-tail"),
    ):
        move(database.owner_dsn, empty_database.owner_dsn, where="there")

    with connected(empty_database.owner_dsn) as db:
        assert copying.is_empty(db)
    check_schema(database.app_dsn, migrations_folder())


async def test_what_was_erased_and_cleared_behind_a_backup_is_so_again(database: Database) -> None:
    """The only administrator stays, and nothing of theirs opens."""
    user = lived_in(database)
    with telling(database) as teller, command_pool(database.app_dsn) as pool:
        vault = Vault(DataKeys(pool, WrappedKey), RING, time.monotonic)
        with acting(system("test")):
            key, sealed = vault.seal_new("hub:variables", "hub_variable", ("HUB_X",), "value")
            teller.hub.execute(lambda: SetHubVariable("HUB_X", key, sealed, "••", "f"))
            name = vault.seal_personal("boss", "profile.username", "boss")
            teller.hub.execute(lambda: SetUpAdmin("boss", "digest", username=name, password="sealed"))

        async def state() -> AccessModel:
            return (await fold(database.app_dsn, vault, lambda name: name)).model

        before = await state()
        value = before.credentials[user]["s1"]["V"].data_key
        with acting(system("restore")):
            first = forget_again(teller.hub, vault, before, Known(cleared=(value, key), upto=9))
            cleared = await state()
            second = forget_again(teller.hub, vault, cleared, Known(erased=(user, "boss", "nobody"), upto=9))
            after = await state()
            third = forget_again(teller.hub, vault, after, Known(erased=(user,), cleared=(value, key), upto=9))
        left = vault.open_personal(name, "boss", "profile.username")

    assert first == Forgotten(users=(), values=2, kept=())
    assert (cleared.credentials_of(user, "s1"), cleared.hub_variables.stored) == ({}, {})
    assert second == Forgotten(users=(user,), values=0, kept=("boss",))
    assert (after.users[user].erased, after.users["boss"].erased, left) == (True, False, "erased")
    assert third == Forgotten(users=(), values=0, kept=())
    assert key_of(sealed) == key
