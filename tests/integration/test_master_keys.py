"""A new master key in the place of the old one: nothing is lost wherever it is cut off, and nothing needs the old."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mcphub.domain.actor import acting, system
from mcphub.domain.vault import MasterKeys, Ring, RingUnusable, Vault, WrappedKey, with_fresh_key
from mcphub.operations import master_keys
from mcphub.operations.master_keys import RingFile, Rotated, RotationRefused, rotate, rotate_to, standing
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.pool import command_pool
from tests.conftest import Database
from tests.support.ledger import Teller, telling

OLD = "k1:" + "A" * 43 + "=\n"
PLACE = ("ann", "s1", "TOKEN")


class Keyed:
    """A database with sealed values, and the file of the ring they need."""

    def __init__(self, database: Database, teller: Teller, store: DataKeys, path: Path) -> None:
        self.database = database
        self.teller = teller
        self.store = store
        self.path = path
        path.write_text(OLD)
        path.chmod(0o600)
        self.hub = self.vault(RingFile(path))  # a hub that runs all the while
        self.sealed = [self.hub.seal_new("ann", "token", PLACE, f"value {number}")[1] for number in range(5)]

    def vault(self, ring: MasterKeys) -> Vault:
        return Vault(self.store, ring, time.monotonic)

    def rotate(self, *, readers: int | None = 0) -> Rotated:
        return rotate(self.database.owner_dsn, self.path, self.teller.hub, readers=readers)

    def opened(self, vault: Vault) -> list[str]:
        return [vault.open(sealed, "token", PLACE) for sealed in self.sealed]

    def must_open(self) -> None:
        """All of it, by the hub that runs and by one that starts now; and what is sealed now opens as well."""
        expected = [f"value {number}" for number in range(len(self.sealed))]
        self.hub.forget_owner("ann")
        assert self.opened(self.hub) == expected
        assert self.opened(self.vault(RingFile(self.path))) == expected
        self.sealed.append(self.hub.seal_new("ann", "token", PLACE, f"value {len(expected)}")[1])


@pytest.fixture
def keyed(database: Database, tmp_path: Path) -> Iterator[Keyed]:
    with telling(database) as teller, command_pool(database.app_dsn) as pool, acting(system("test")):
        yield Keyed(database, teller, DataKeys(pool, WrappedKey), tmp_path / "master.key")


def test_after_a_rotation_everything_opens_by_the_new_key_alone_and_the_record_says_so(keyed: Keyed) -> None:
    before = Ring.parse(keyed.path.read_text())

    done = keyed.rotate()

    assert (done.key_id, done.retired, done.resumed, done.rewritten) == ("k2", ["k1"], False, True)
    assert (done.rewrapped, Ring.parse(keyed.path.read_text()).ids) == (7, ["k2"])  # two are the hub's own
    assert keyed.path.stat().st_mode & 0o777 == 0o600
    keyed.must_open()
    with pytest.raises(RingUnusable, match="has no key k2"):
        keyed.vault(before)
    with psycopg.connect(keyed.database.ro_dsn) as db:
        assert db.execute("select type, data->>'key_id' from ledger").fetchall() == [("MasterKeyRotated", "k2")]
        found = standing(db)
    assert found.key_ids == ["k2"]
    assert keyed.rotate().key_id == "k3"


@pytest.mark.parametrize("step", ["_rewrap_some", "_retired", "_rewritten", "NoteMasterKeyRotated", "active_alone"])
def test_a_rotation_that_is_cut_off_leaves_everything_open_and_goes_on(
    keyed: Keyed, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(master_keys, "BATCH", 2)
    whole, calls = getattr(master_keys, step), iter(range(9))

    def cut(*arguments: object) -> object:
        if step != "_rewrap_some" or next(calls) == 2:  # in the middle of the rows
            raise KeyboardInterrupt
        return whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(master_keys, step, cut)
        with pytest.raises(KeyboardInterrupt):
            keyed.rotate()
    assert Ring.parse(keyed.path.read_text()).ids == ["k2", "k1"]
    keyed.must_open()

    done = keyed.rotate()

    assert (done.key_id, done.resumed) == ("k2", True)
    assert Ring.parse(keyed.path.read_text()).ids == ["k2"]
    keyed.must_open()
    with psycopg.connect(keyed.database.ro_dsn) as db:
        assert standing(db).key_ids == ["k2"]
        assert db.execute("select count(*) from ledger").fetchone() == (1,)


def test_a_hub_that_has_not_heard_of_it_stores_nothing_that_nobody_could_open(keyed: Keyed) -> None:
    stale = keyed.vault(Ring.parse(OLD))
    keyed.rotate()

    with pytest.raises(psycopg.errors.RaiseException, match="k1 is retired"):
        stale.seal_new("ann", "token", PLACE, "lost")


def test_a_ring_that_becomes_loose_while_the_hub_runs_is_not_taken(keyed: Keyed) -> None:
    fresh = with_fresh_key(keyed.path.read_text())
    keyed.path.write_text(fresh)
    keyed.path.chmod(0o644)
    os.utime(keyed.path, (1, 1))

    assert keyed.hub.secret("signing")  # wrapped by the key it had

    with psycopg.connect(keyed.database.ro_dsn) as db:
        assert standing(db).key_ids == ["k1"]


@pytest.mark.parametrize("readers", [1, None])
def test_a_rotation_is_refused_while_hubs_elsewhere_would_not_know_the_new_key(
    keyed: Keyed, readers: int | None
) -> None:
    with psycopg.connect(keyed.database.app_dsn, autocommit=True) as db:
        for ago in (0, 60):  # the other one is gone
            db.execute(
                "insert into node (id, name, version, schema_version, started_at, seen_at)"
                " values (%s, 'n', '', 1, now(), now() - make_interval(secs => %s))",
                (str(ago), ago),
            )
    with pytest.raises(RotationRefused, match="1 more hubs run"):
        keyed.rotate()
    assert keyed.path.read_text() == OLD
    assert keyed.rotate(readers=readers).key_id == "k2"


def test_a_ring_in_the_environment_is_rotated_to_the_key_that_was_put_in_front(keyed: Keyed) -> None:
    owner, hub = keyed.database.owner_dsn, keyed.teller.hub
    with pytest.raises(RotationRefused, match="put a new one in front"):
        rotate_to(owner, Ring.parse(OLD), hub)
    ring = Ring.parse(with_fresh_key(OLD))

    done = rotate_to(owner, ring, hub)

    assert (done.key_id, done.retired, done.rewrapped) == ("k2", ["k1"], 7)
    assert keyed.opened(keyed.vault(ring)) == [f"value {number}" for number in range(5)]
