"""What is signed of the ledger outside of it, and who is found out by that, here and by the offline script."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from mcphub.domain.checkpoint import Checkpoint, is_signed_by, public_key
from mcphub.domain.events import ServiceTokenRemoved, UserActivated, UserErased
from mcphub.operations import auditor
from mcphub.operations.bundle import BundleExists, write_bundle
from mcphub.operations.checkpoints import (
    CheckpointFile,
    CheckpointRefused,
    Checkpoints,
    CheckpointsUnusable,
    compare,
)
from mcphub.operations.sealing import DaySealer, check
from mcphub.postgres.ledger import verify
from tests.conftest import Database, drop_database
from tests.support.ledger import Teller, telling

SECRET = b"\5" * 32
OVER = datetime.now(UTC).date() - timedelta(days=2)
A_DAY = """
    select access_log_partition('{day}'), traffic_partition('{day}');
    insert into access_log (recorded_at, id, at, action, outcome, way, actor, subject, name_digest, ip, agent, address,
                            method, route, request_id, ledger_position, lost, node)
    select '{day} 12:00Z', gen_random_uuid(), '{day} 12:00Z', 'sign_in', 'done', 'local', 'u', 'u', '', '', '', '',
            '', '', '', 1, 0, 'n' || n from generate_series(1, 3) as n;
    insert into traffic (at, kind, boot, node) select '{day} 12:00Z', 5, 1, 'n' || n from generate_series(1, 3) as n
"""


@pytest.fixture
def teller(database: Database) -> Iterator[Teller]:
    with telling(database) as made:
        yield made


@pytest.fixture
def role(database: Database, tmp_path: Path) -> Checkpoints:
    return Checkpoints(database.app_dsn, tmp_path / "kept", SECRET)


@contextmanager
def connected(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as db:
        yield db


def tell(teller: Teller, count: int) -> int:
    return teller.tell(*[(UserActivated(user_id=f"u{n}"), [f"user:u{n}"]) for n in range(count)])


def said(role: Checkpoints) -> list[Checkpoint]:
    return [signed.checkpoint for signed in role.file.read()]


def tamper(database: Database, *statements: str) -> None:
    """As somebody who holds the whole server, past the trigger that refuses it."""
    with psycopg.connect(database.admin_dsn) as db:
        db.execute("set session_replication_role = replica")
        for statement in statements:
            db.execute(statement)


async def test_where_the_ledger_stands_is_signed_whenever_it_moved(role: Checkpoints, teller: Teller) -> None:
    await role.round()
    first = tell(teller, 2)
    await role.round()
    await role.round()
    second = tell(teller, 1)
    await role.stop()

    assert [(one.position, one.after) for one in said(role)] == [(first, 0), (second, first)]
    assert all(is_signed_by(signed, public_key(SECRET)) for signed in role.file.read())
    assert role.file.key() == public_key(SECRET)
    assert oct(role.file.path.stat().st_mode & 0o777) == "0o600"


async def test_of_two_hubs_on_a_database_one_signs_and_the_other_takes_over(
    role: Checkpoints, teller: Teller, database: Database, tmp_path: Path
) -> None:
    other = Checkpoints(database.app_dsn, tmp_path / "other", SECRET)
    tell(teller, 1)
    await role.round()
    await other.round()

    assert (role.leads, other.leads, len(said(role)), len(said(other))) == (True, False, 1, 0)

    teller.cut("mcphub-checkpoints")
    tell(teller, 1)
    with pytest.raises(psycopg.Error):
        await role.round()
    await other.round()
    await role.round()

    assert (role.leads, other.leads, len(said(other))) == (False, True, 1)
    await other.stop()


async def test_a_checkpoint_repeats_what_was_sealed_erased_and_cleared_since_the_one_before(
    role: Checkpoints, teller: Teller, database: Database
) -> None:
    tell(teller, 1)
    await role.round()
    tamper(database, A_DAY.format(day=OVER))
    await DaySealer(teller.hub, database.app_dsn, 90).round()
    cleared = ServiceTokenRemoved(user_id="u1", server_id="s1", variable="V", data_key="key 1")
    teller.tell((UserErased(user_id="u7"), ["user:u7"]), (cleared, ["user:u1"]))
    await role.stop()

    last = said(role)[-1]

    assert [(day.log, day.day, day.rows) for day in last.days] == [("access", OVER, 3), ("traffic", OVER, 3)]
    assert (last.erased, last.cleared) == (("u7",), ("key 1",))


async def test_nothing_is_signed_that_does_not_go_on_from_the_last_checkpoint(
    role: Checkpoints, teller: Teller, database: Database
) -> None:
    tell(teller, 3)
    await role.round()
    tell(teller, 1)
    tamper(database, "update ledger set type = type || 'X' where position = 4")
    with connected(database.app_dsn) as db, pytest.raises(CheckpointRefused) as changed:
        role.sign(db)
    tamper(
        database,
        "delete from ledger where position > 2",
        "update ledger_head set position = 2, hash = (select hash from ledger where position = 2)",
    )
    with connected(database.app_dsn) as db, pytest.raises(CheckpointRefused, match="ends before the last"):
        role.sign(db)
    await role.stop()

    assert changed.value.position == 4
    assert [one.position for one in said(role)] == [3]


def test_a_hub_with_another_key_adds_nothing_to_the_file(role: Checkpoints, teller: Teller, database: Database) -> None:
    tell(teller, 1)
    with connected(database.app_dsn) as db:
        role.sign(db)
        tell(teller, 1)
        with pytest.raises(CheckpointRefused, match="another key"):
            Checkpoints(database.app_dsn, role.file.path.parent, b"\6" * 32).sign(db)


def test_what_a_crash_left_of_a_line_is_cut_off(role: Checkpoints, teller: Teller, database: Database) -> None:
    with connected(database.app_dsn) as db:
        tell(teller, 1)
        role.sign(db)
        with role.file.path.open("ab") as file:
            file.write(b'{"checkpoint":{"posi' + b"1" * 1000)
        assert len(said(role)) == 1
        tell(teller, 1)
        role.sign(db)

    assert [one.position for one in said(role)] == [1, 2]
    assert role.file.path.read_bytes().endswith(b"}\n")


def test_a_line_that_is_none_and_one_that_somebody_else_signed_are_named(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.path.write_text("{}\n")

    with pytest.raises(CheckpointsUnusable, match="line 1"):
        file.read()
    with pytest.raises(CheckpointsUnusable, match="last line"):
        file.last()


# Whoever holds the server, and what is found: position where the chain breaks, state beside the last checkpoint.
# `head` keeps the head in step with the rows, as somebody does who knows of it.
HEAD = "update ledger_head set (position, hash) = (select position, hash from ledger order by position desc limit 1)"
APPENDED = """
    insert into ledger select position + 1, gen_random_uuid(), type, tags, recorded_at, meta, data, {hash}
    from ledger where position = 8
"""
SWAP = """
    update ledger set (id, type, tags, recorded_at, meta, data) =
        (select gen_random_uuid(), type, tags, recorded_at, meta, data from ledger as other
         where other.position = 7 - ledger.position)
    where position in (3, 4)
"""
TAMPERING: dict[str, tuple[list[str], int | None, str]] = {
    "nothing": (["select 1"], None, "complete"),
    "data": (["update ledger set data = replace(data::text, 'u4', 'u5')::json where position = 5"], 5, "complete"),
    "time": (
        ["update ledger set recorded_at = recorded_at + interval '1 microsecond' where position = 2"],
        2,
        "complete",
    ),
    "actor": (['update ledger set meta = \'{"actor":"system:other"}\' where position = 6'], 6, "complete"),
    "deleted": (["delete from ledger where position = 3"], 3, "complete"),
    "swapped": ([SWAP], 3, "complete"),
    "rewritten": (
        ["update ledger set type = 'UserErased', hash = sha256('x') where position = 8", HEAD],
        8,
        "rewritten",
    ),
    "appended": ([APPENDED.format(hash="sha256('x')"), HEAD], 9, "complete"),
    "appended, head forgotten": ([APPENDED.format(hash="sha256('x')")], 9, "complete"),
    "cut off, head forgotten": (["delete from ledger where position > 6"], 6, "cut_off"),
    "cut off": (["delete from ledger where position > 6", HEAD], None, "cut_off"),
    "emptied": (["truncate ledger", "update ledger_head set position = 0, hash = sha256('')"], None, "cut_off"),
}


@pytest.fixture(scope="module")
def kept(
    make_database: Callable[..., Database], template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Checkpoints]]:
    """Eight facts with checkpoints of the fifth and the last; a copy of them is put aside."""
    made = make_database(template)
    role = Checkpoints(made.app_dsn, tmp_path_factory.mktemp("kept"), SECRET)
    with telling(made) as teller, connected(made.app_dsn) as db:
        tell(teller, 5)
        role.sign(db)
        tell(teller, 3)
        role.sign(db)
    tamper(made, "create table as_it_was as table ledger", "create table head_as_it_was as table ledger_head")
    yield made, role
    drop_database(made)


@pytest.fixture
def untouched(kept: tuple[Database, Checkpoints]) -> Iterator[tuple[Database, Checkpoints]]:
    yield kept
    tamper(
        kept[0],
        *("truncate ledger, ledger_head", "insert into ledger table as_it_was"),
        "insert into ledger_head table head_as_it_was",
    )


@pytest.mark.parametrize("name", TAMPERING)
def test_whoever_touches_the_ledger_is_found_and_the_offline_script_agrees(
    untouched: tuple[Database, Checkpoints], tmp_path: Path, name: str
) -> None:
    database, role = untouched
    statements, broken_at, state = TAMPERING[name]
    tamper(database, *statements)

    with connected(database.ro_dsn) as db:
        found, compared = verify(db), compare(db, said(role))
        write_bundle(db, tmp_path / "bundle", role.file)
    offline = auditor.examine(tmp_path / "bundle", public_key(SECRET))

    assert (found.broken_at, compared.state) == (broken_at, state)
    assert offline["broken_at"] == broken_at
    assert offline["completeness"] == (state if state != "rewritten" else "unknown")
    if state == "cut_off":
        assert offline["missing"] == [compared.head + 1, 8 if compared.head >= 5 else 5]


def test_a_ledger_written_anew_as_a_whole_is_another_one(
    role: Checkpoints, teller: Teller, database: Database, other_database: Database, tmp_path: Path
) -> None:
    tell(teller, 3)
    with connected(database.app_dsn) as db:
        role.sign(db)
    with telling(other_database) as other:
        other.tell(*[(UserActivated(user_id=f"v{n}"), [f"user:v{n}"]) for n in range(4)])

    with connected(other_database.ro_dsn) as db:
        found, compared = verify(db), compare(db, said(role))
        write_bundle(db, tmp_path / "bundle", role.file)
    offline = auditor.examine(tmp_path / "bundle")

    assert (found.broken_at, compared.state, compared.position) == (None, "rewritten", 3)
    assert (offline["integrity"], offline["broken_at"]) == ("broken", 3)


DAYS = {
    "untouched": (["select 1"], "holds"),
    "touched": (
        ["update access_log set node = 'm' where node = 'n2'", "delete from traffic where node = 'n1'"],
        "changed",
    ),
    "touched, and a fact as well": (
        [
            "update access_log set node = 'm' where node = 'n2'",
            "update traffic set left_out = '{}' where node = 'n1'",
            "update ledger set meta = '{}' where position = 1",
        ],
        "changed",
    ),
    "gone": ([f"drop table access_log_{OVER:%Y%m%d}", "truncate traffic"], "missing"),
}


@pytest.mark.parametrize("name", DAYS)
async def test_whoever_touches_a_sealed_day_is_found_and_the_offline_script_agrees(
    role: Checkpoints, teller: Teller, database: Database, tmp_path: Path, name: str
) -> None:
    statements, state = DAYS[name]
    tamper(database, A_DAY.format(day=OVER))
    await DaySealer(teller.hub, database.app_dsn, 90).round()
    await role.stop()
    tamper(database, *statements)

    with connected(database.ro_dsn) as db:
        chain_holds = verify(db).broken_at is None
        seals = [day.seal for one in said(role) for day in one.days]
        found = {day.log: day.state for day in check(db, seals, chain_holds=chain_holds)}
        assert list(check(db, chain_holds=False)) == []
        write_bundle(db, tmp_path / "bundle", role.file, with_days=True)
    offline = auditor.examine(tmp_path / "bundle")

    assert found == {"access": state, "traffic": state}
    assert {(day["log"], day["day"]): day["state"] for day in offline["days"]} == {
        ("access", str(OVER)): state,
        ("traffic", str(OVER)): state,
    }
    assert offline["integrity"] == ("holds" if state == "holds" else "broken")
    assert chain_holds == ("a fact" not in name)


def test_the_script_of_a_bundle_runs_without_the_hub(
    role: Checkpoints, teller: Teller, database: Database, tmp_path: Path
) -> None:
    tell(teller, 2)
    with connected(database.app_dsn) as db:
        role.sign(db)
    folder = tmp_path / "bundle"
    with connected(database.ro_dsn) as db:
        assert write_bundle(db, folder, role.file) == 2
        with pytest.raises(BundleExists):
            write_bundle(db, folder, role.file)

    def run(*arguments: str) -> tuple[int | None, bytes]:
        async def work() -> tuple[int | None, bytes]:
            process = await asyncio.create_subprocess_exec(
                "python3", "-I", str(folder / "verify.py"), *arguments, stdout=-1, env={"PATH": "/usr/bin:/bin"}
            )
            out, _ = await process.communicate()
            return process.returncode, out

        return asyncio.run(work())

    code, out = run("--json")
    assert (code, json.loads(out)["completeness"]) == (0, "complete")
    assert run("--public-key", "ab" * 32)[0] == 1
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    (folder / "ledger.jsonl").write_text(lines[0] + "\n")
    head = {"position": 1, "hash": json.loads(lines[0])["hash"]}
    (folder / "bundle.json").write_text(json.dumps({"head": head}))
    code, out = run()
    assert (code, b"CUT OFF. Positions 2 to 2" in out) == (3, True)
    (folder / "ledger.jsonl").write_text(lines[0].replace("u0", "u9") + "\n")
    assert run()[0] == 1
