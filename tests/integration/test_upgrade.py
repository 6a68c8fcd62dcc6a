"""An embedded database of an earlier major version of PostgreSQL: refused by a start, and upgraded by one command."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcphub.domain.vault import RingUnusable, new_ring_text
from mcphub.operations import upgrade as upgrading
from mcphub.operations.backup import BackupUnusable
from mcphub.operations.upgrade import upgrade
from mcphub.postgres.copying import NotTheSame
from mcphub.postgres.embedded import EmbeddedPostgres, OtherMajor
from mcphub.postgres.migrate import load, migrate, migrations_folder
from mcphub.postgres.programs import PostgresFailed
from mcphub.settings import read
from tests.conftest import Database
from tests.integration.test_backup import RING, lived_in, sums
from tests.support.older_postgres import OlderCluster

DEBIAN = Path("/usr/lib/postgresql/15/bin")
NEWEST = load(migrations_folder())[-1].version


def cluster_of(home: Path, version: str) -> None:
    folder = home / "pg" / version
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text(version + "\n")


def test_a_start_makes_no_new_database_beside_one_of_an_earlier_postgresql(home: Path) -> None:
    cluster_of(home, "16")

    with pytest.raises(OtherMajor, match=r"of PostgreSQL 16, and this release has 18.*mcphub upgrade-database"):
        EmbeddedPostgres(home).open()

    assert [path.name for path in (home / "pg").iterdir()] == ["16"]
    with pytest.raises(PostgresFailed, match="has none: install them"):
        upgrade(read({}, home=home), RING, programs=home)


def test_a_start_refuses_a_database_of_a_later_postgresql(home: Path) -> None:
    cluster_of(home, "19")

    with pytest.raises(OtherMajor, match="of PostgreSQL 19, and this release has 18, which cannot read it"):
        EmbeddedPostgres(home).open()
    with pytest.raises(BackupUnusable, match="no database of an earlier PostgreSQL"):
        upgrade(read({}, home=home), RING)


def test_an_upgrade_without_room_for_a_second_database_begins_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_of(home, "16")
    (home / "pg" / "16" / "base").write_bytes(b"\1" * (1 << 20))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))

    with pytest.raises(BackupUnusable, match=r"1 MiB are free .* takes up to 2"):
        upgrade(read({}, home=home), RING)


@pytest.mark.thorough
@pytest.mark.parametrize("major", [16, pytest.param(15, marks=pytest.mark.optional)])
def test_a_database_of_an_earlier_postgresql_arrives_to_the_byte_and_the_old_one_is_kept(
    home: Path, major: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if major == 15 and not DEBIAN.exists():
        pytest.skip("needs Debian's postgresql-15")
    old = OlderCluster(home, major, DEBIAN if major == 15 else None)
    old.make()
    settings = read({}, home=home)
    server = old.server
    server.open()
    try:
        here = Database(server, "mcphub")
        migrate(here.owner_dsn, migrations_folder(), upto=NEWEST - 1)  # of the release before
        lived_in(here)
        before = sums(here.owner_dsn)
    finally:
        server.close()
    with pytest.raises(OtherMajor):
        EmbeddedPostgres(home).open()
    with pytest.raises(RingUnusable):  # somebody else's ring: found before anything took the old one's place
        upgrade(settings, type(RING).parse(new_ring_text()))
    with monkeypatch.context() as patched:
        patched.setattr(upgrading, "restore", torn)
        with pytest.raises(NotTheSame):
            upgrade(settings, RING)
    assert not (home / "pg" / "18").exists()

    done = upgrade(settings, RING)

    assert done is not None
    assert (done.from_major, done.to_major, done.kept.name) == (major, 18, str(major))
    assert (done.kept / "PG_VERSION").read_text() == f"{major}\n"
    assert [path.name for path in (home / "pg").iterdir()] == ["18"]
    server = EmbeddedPostgres(home)
    server.open()
    try:
        after = sums(server.dsn("mcphub_owner"))
    finally:
        server.close()
    assert {name: after[name] for name in before} == before
    assert upgrade(settings, RING) is None


def torn(*_: object, **__: object) -> None:
    raise NotTheSame("ledger did not arrive")
