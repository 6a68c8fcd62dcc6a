"""Schema, chain, read tables, export and import from the host, on databases that DATABASE_URL names."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from mcphub.cli import commands as all_commands
from mcphub.domain.hub import plugged
from mcphub.operations.sealing import DaySealer
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool
from tests.conftest import Database, drop_database
from tests.support.commands import Commands
from tests.support.short_form import in_short_form

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def original(
    make_database: Callable[..., Database], template: str, make_home: Callable[[], Path]
) -> Iterator[tuple[Database, Path]]:
    """A hub with a few facts: two users, one erased, and a key."""
    made, home = make_database(template), make_home()
    commands = Commands(home, {"DATABASE_URL": made.owner_dsn})
    for name in ("ann", "bob"):
        commands.run("user", "create", name, "--password-stdin", stdin=PASSWORD)
    commands.run("key", "issue", "ann")
    commands.run("user", "erase", "bob", "--yes")
    commands.run("rebuild")
    yield made, home
    drop_database(made)


@pytest.fixture
def database(original: tuple[Database, Path], make_database: Callable[..., Database]) -> Iterator[Database]:
    """A copy of its database, to do with as one likes."""
    made = make_database(original[0].name)
    yield made
    drop_database(made)


@pytest.fixture
def lived_in(database: Database, original: tuple[Database, Path], home: Path) -> Commands:
    """The command line on that copy."""
    shutil.copy(original[1] / "master.key", home)
    return Commands(home, {"DATABASE_URL": database.owner_dsn})


@pytest.fixture
def another(make_database: Callable[..., Database], make_home: Callable[[], Path]) -> Iterator[Commands]:
    """A hub that was never started: an empty database and an empty home."""
    made = make_database()
    yield Commands(make_home(), {"DATABASE_URL": made.owner_dsn})
    drop_database(made)


def sql(database: Database, statement: str) -> None:
    """As somebody who holds the whole server."""
    with psycopg.connect(database.admin_dsn) as db:
        db.execute("set session_replication_role = replica")  # past the trigger that refuses it
        db.execute(statement)


@pytest.mark.thorough
def test_migrations_are_pending_until_they_are_applied(another: Commands) -> None:
    pending = another.json("migrate", "--check", code=1)["pending"]
    applied = another.json("migrate")["applied"]

    assert pending == applied
    assert pending[0] == "0001_ledger"
    assert another.json("migrate", "--check")["pending"] == []
    assert another.json("migrate")["applied"] == []


def test_migrating_a_managed_database_makes_no_keys_where_the_hub_does_not_live(another: Commands) -> None:
    another.run("migrate")

    assert list(another.home.iterdir()) == []
    with psycopg.connect(another.env["DATABASE_URL"]) as db:
        assert db.execute("select 1 from data_key").fetchall() == []


@pytest.mark.thorough
def test_the_ledger_is_checked_without_the_master_key(lived_in: Commands) -> None:
    (lived_in.home / "master.key").unlink()

    lived_in.run("verify")
    lived_in.run("export")
    lived_in.run("rebuild")
    assert "restore it from a backup" in lived_in.say("user", "list", code=2)


def test_a_command_on_a_database_without_schema_says_what_to_do(another: Commands) -> None:
    assert "mcphub migrate" in another.say("verify", code=2)


def test_the_chain_of_an_untouched_ledger_holds(lived_in: Commands) -> None:
    found = lived_in.json("verify")

    assert found["ok"] is True
    assert found["events"] == found["position"] > 4
    assert f"{found['position']}:{found['hash']}" in lived_in.say("verify")


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    in_short_form(
        [
            ("update ledger set data = replace(data::text, 'user_id', 'USER_ID')::json where position = 4", 4),
            ("update ledger set recorded_at = recorded_at + interval '1 microsecond' where position = 2", 2),
            ("delete from ledger where position = 3", 3),
            ("delete from ledger where position = (select max(position) from ledger)", None),
        ],
        2,
    ),
)
def test_a_changed_ledger_is_found_at_its_position(
    lived_in: Commands, database: Database, tampering: str, broken_at: int | None
) -> None:
    last = lived_in.json("verify")["position"]
    sql(database, tampering)

    found = lived_in.json("verify", code=1)

    assert found["ok"] is False
    assert found["broken_at"] == (broken_at or last - 1)
    assert f"position {found['broken_at']}" in lived_in.say("verify", code=1)


@pytest.mark.thorough
def test_a_chain_rewritten_as_a_whole_is_found_by_a_head_noted_down_before(
    lived_in: Commands, another: Commands
) -> None:
    noted = lived_in.json("verify")
    another.run("migrate")
    for name in ("eve", "mallory", "trudy"):
        another.run("user", "create", name, "--password-stdin", stdin=PASSWORD)

    lived_in.run("verify", "--against", f"{noted['position']}:{noted['hash']}")
    another.run("verify")
    found = another.json("verify", "--against", f"{noted['position']}:{noted['hash']}", code=1)

    assert found["broken_at"] == noted["position"]


OVER = datetime.now(UTC).date() - timedelta(days=2)  # yesterday is over only when its last calls had time to be written
A_ROW = """
    select access_log_partition('{day}'), traffic_partition('{day}');
    insert into access_log (recorded_at, id, at, action, outcome, way, actor, subject, name_digest, ip, agent, address,
                            method, route, request_id, ledger_position, lost, node)
    values ('{day} 12:00Z', gen_random_uuid(), '{day} 12:00Z', 'sign_in', 'done', 'local', 'u', 'u', '', '', '', '',
            '', '', '', 1, 0, 'n');
    insert into traffic (at, kind, boot, node) values ('{day} 12:00Z', 5, 1, 'n')
"""


async def seal_a_day(database: Database) -> None:
    sql(database, A_ROW.format(day=OVER))
    with command_pool(database.app_dsn) as pool:
        Factory.use(pool)
        await DaySealer(plugged("mcphub.postgres.ledger:Factory", {}), database.app_dsn, 90).round()


async def test_sealed_days_of_the_other_logs_are_checked_with_the_chain(lived_in: Commands, database: Database) -> None:
    await seal_a_day(database)

    found = lived_in.json("verify")
    said = lived_in.say("verify")

    assert {(day["log"], day["day"], day["state"], day["rows"]) for day in found["days"]} == {
        ("access", str(OVER), "holds", 1),
        ("traffic", str(OVER), "holds", 1),
    }
    assert "Sealed days of the access log: 1 hold, 0 left retention." in said


@pytest.mark.parametrize("log", ["access", "traffic"])
@pytest.mark.thorough
async def test_one_byte_of_a_sealed_day_is_found_out_and_the_day_named(
    lived_in: Commands, database: Database, log: str
) -> None:
    await seal_a_day(database)
    sql(database, f"update {'access_log' if log == 'access' else log} set node = 'm' where node = 'n'")

    found = lived_in.json("verify", code=1)
    said = lived_in.say("verify", code=1)

    assert found["ok"] is False
    assert found["broken_at"] is None
    assert [day["state"] for day in found["days"] if day["log"] == log] == ["changed"]
    assert f"The {log} log of {OVER} is not what was sealed" in said


async def test_a_sealed_day_that_is_gone_is_missing_and_named(lived_in: Commands, database: Database) -> None:
    await seal_a_day(database)
    sql(database, f"drop table access_log_{OVER:%Y%m%d}")

    assert f"The access log of {OVER} is not here" in lived_in.say("verify", code=1)


def test_a_checkpoint_says_what_was_cut_off_and_that_the_rest_holds(
    lived_in: Commands, database: Database, tmp_path: Path
) -> None:
    """By its own exit code, beside the hub and from a copy kept elsewhere."""
    signed = lived_in.json("checkpoint")["checkpoint"]
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(lived_in.run("checkpoint").stdout)
    key = lived_in.json("checkpoint", "--public-key")["publicKey"]
    bundle = tmp_path / "bundle"
    lived_in.run("export", "--bundle", str(bundle))
    whole = lived_in.json("verify")
    sql(database, "delete from ledger where position > 3")
    sql(database, "update ledger_head set (position, hash) = (select position, hash from ledger where position = 3)")

    found = lived_in.json("verify", "--against", str(kept), "--public-key", key, code=3)
    said = lived_in.say("verify", code=3)
    forged = lived_in.say("verify", "--against", str(kept), "--public-key", "ab" * 32, code=1)

    assert (whole["integrity"], whole["completeness"], whole["checkpoint"]) == (
        "holds",
        "complete",
        {"position": signed["position"], "hash": signed["hash"]},
    )
    assert (found["ok"], found["integrity"], found["completeness"]) == (False, "holds", "cut_off")
    assert found["missing"] == [4, signed["position"]]
    assert f"positions 4 to {signed['position']}, at least, are missing" in said
    assert "is not signed with the key" in forged
    assert {path.name for path in bundle.iterdir()} == {
        *("ledger.jsonl", "checkpoints.jsonl", "checkpoints.pub", "bundle.json", "verify.py")
    }
    assert "no checkpoint is signed" in lived_in.say("checkpoint", code=1)


@pytest.mark.thorough
def test_each_export_is_in_the_access_log_and_none_is_written_that_is_not(
    lived_in: Commands, database: Database
) -> None:
    lived_in.run("export")
    with psycopg.connect(database.app_dsn) as db:
        noted = db.execute("select action, outcome, way, actor, ledger_position from access_log").fetchall()
    position = lived_in.json("verify")["position"]
    sql(database, "alter table access_log rename to elsewhere")

    refused = lived_in.run("export", code=1)

    assert noted == [("export", "done", "cli", "system:cli", position)]
    assert refused.stdout == b""


def test_a_head_that_is_none_is_a_mistake_of_usage(lived_in: Commands) -> None:
    lived_in.run("verify", "--against", "yesterday", code=2)


def test_an_export_imported_into_an_empty_hub_is_the_same_to_the_byte(lived_in: Commands, another: Commands) -> None:
    exported = lived_in.run("export").stdout
    position = lived_in.json("verify")["position"]

    done = (
        another.json("import", "-", stdin="")
        if not exported
        else json.loads(another.run("import", "-", "--json", stdin=exported).stdout)
    )

    assert done["position"] == position
    assert another.run("export").stdout == exported
    assert another.json("verify")["hash"] == lived_in.json("verify")["hash"]
    assert another.json("rebuild", "--check") == {"equal": True, "different": []}


@pytest.mark.thorough
def test_an_import_may_continue_exactly_at_the_head(lived_in: Commands, another: Commands, tmp_path: Path) -> None:
    lines = lived_in.run("export").stdout.splitlines(keepends=True)
    file = tmp_path / "first.jsonl"
    file.write_bytes(b"".join(lines[:3]))

    another.run("import", str(file))
    another.run("import", "-", stdin=lived_in.run("export", "--since", "3").stdout)

    assert another.run("export").stdout == b"".join(lines)


@pytest.mark.parametrize("spoiled", ["a byte changed", "a line missing", "no event", "twice the same"])
@pytest.mark.thorough
def test_an_import_that_does_not_fit_is_refused_and_writes_nothing(
    lived_in: Commands, another: Commands, spoiled: str
) -> None:
    lines = lived_in.run("export").stdout.splitlines(keepends=True)
    match spoiled:
        case "a byte changed":
            lines[2] = lines[2].replace(b"local", b"oidc!") if b"local" in lines[2] else lines[2].replace(b"-", b"+", 1)
        case "a line missing":
            del lines[1]
        case "no event":
            lines.insert(1, b'{"hello": "world"}\n')
        case "twice the same":
            lines.insert(1, lines[0])

    said = another.run("import", "-", stdin=b"".join(lines), code=1).stderr.decode()

    assert said.startswith("mcphub: ")
    assert another.run("export").stdout == b""


@pytest.mark.thorough
def test_a_ledger_that_holds_other_events_takes_no_import(lived_in: Commands, another: Commands) -> None:
    another.run("migrate")
    another.run("user", "create", "eve", "--password-stdin", stdin=PASSWORD)
    before = another.run("export").stdout

    another.run("import", "-", stdin=lived_in.run("export").stdout, code=1)

    assert another.run("export").stdout == before


def test_an_erased_user_stays_erased_after_an_older_backup_of_the_keys_came_back(
    lived_in: Commands, another: Commands
) -> None:
    exported = lived_in.run("export").stdout
    erased = next(json.loads(line)["data"]["user_id"] for line in exported.splitlines() if b'"UserErased"' in line)
    another.run("migrate")
    another.run("user", "list")  # makes the keys of the hub
    with psycopg.connect(another.env["DATABASE_URL"]) as db:
        db.execute(
            "insert into data_key (id, owner, purpose, kek_id, wrapped)"
            " values (gen_random_uuid(), %s, 'personal', 'k1', %s)",
            (erased, b"x" * 60),
        )

    another.run("import", "-", stdin=exported)

    with psycopg.connect(another.env["DATABASE_URL"]) as db:
        assert db.execute("select 1 from data_key where owner = %s", (erased,)).fetchall() == []


@pytest.mark.thorough
def test_a_read_table_somebody_changed_is_found_and_made_right(lived_in: Commands, database: Database) -> None:
    assert lived_in.json("rebuild", "--check")["equal"] is True
    sql(database, "update read.users set active = not active")

    found = lived_in.json("rebuild", "--check", code=1)
    lived_in.run("rebuild")

    assert found["different"] == ["users"]
    assert lived_in.json("rebuild", "--check")["equal"] is True


@pytest.mark.thorough
def test_a_parked_read_table_is_shown_and_let_on(lived_in: Commands, database: Database) -> None:
    sql(
        database,
        "update tracking set status = 'failed', error = 'KeyError at 2', failed_at_position = 2, position = 1"
        " where name = 'keys'",
    )

    said = lived_in.say("projections", code=1)
    after = {table["name"]: table for table in lived_in.json("projections", "--retry", "keys")}

    assert "parked at 2 (" in said
    assert "): KeyError at 2" in said
    assert (after["keys"]["status"], after["keys"]["position"]) == ("live", 1)
    assert "no table keys is parked" in lived_in.say("projections", "--retry", "keys", code=1)


@pytest.mark.parametrize(
    "command",
    [
        ("verify",),
        ("export",),
        ("rebuild",),
        ("user", "list"),
        ("key", "list"),
        ("setup-link",),
        ("requests",),
        ("demo", "remove"),
        ("migrate", "--check"),
    ],
)
@pytest.mark.thorough
def test_a_home_without_a_hub_is_said_and_not_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = Commands(tmp_path / "nowhere")

    assert "holds no hub yet" in nowhere.say(*command, code=2)
    assert not nowhere.home.exists()


def test_the_history_of_a_hub_without_calls_is_empty(lived_in: Commands) -> None:
    assert lived_in.json("requests") == []
    assert lived_in.json("requests", "--stats", "user", "--last", "7d", "--user", "ann") == []


def test_every_command_explains_itself_and_answers_with_json() -> None:
    runner = CliRunner()
    leaves = [
        (name, *more)
        for name, command in all_commands.commands.items()
        for more in ([(each,) for each in command.commands] if hasattr(command, "commands") else [()])
    ]

    for leaf in leaves:
        shown = runner.invoke(all_commands, [*leaf, "--help"])
        assert shown.exit_code == 0, leaf
        assert "--json" in shown.output, leaf
    assert len(leaves) > 20


def test_nothing_is_promised_that_is_not_there() -> None:
    assert set(all_commands.commands) == {
        *("up", "serve", "doctor", "migrate", "verify", "checkpoint", "rebuild", "export", "import"),
        *("backup", "restore", "move", "upgrade-database", "keyring", "support-bundle", "undo", "rehearse"),
        *("state", "diff", "who-could", "why", "search", "glossary", "aliases"),
        *("setup-link", "user", "key", "demo", "requests", "projections"),
    }
