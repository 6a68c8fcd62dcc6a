"""What `mcphub doctor` finds, what it says to do, and what it never says."""

import socket
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Database
from tests.support.commands import Commands
from tests.support.running import free_port

pytestmark = pytest.mark.slow

RING = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def commands(database: Database, home: Path) -> Commands:
    made = Commands(home, {"DATABASE_URL": database.owner_dsn, "MCPHUB_PORT": str(free_port())})
    made.run("user", "create", "ann", "--admin", "--password-stdin", stdin="correct horse battery staple")
    return made


def findings(commands: Commands, *, code: int = 0) -> dict[str, dict[str, Any]]:
    return {finding["about"]: finding for finding in commands.json("doctor", code=code)}


def test_a_healthy_hub_has_no_errors(commands: Commands) -> None:
    found = findings(commands)

    assert {finding["about"] for finding in found.values() if finding["level"] == "error"} == set()
    assert {
        "mcphub",
        "python",
        "system",
        "home",
        "master.key",
        "disk",
        "port",
        "database",
        "schema",
        "ledger",
        "backup",
        "sandbox",
    } <= set(found)
    assert found["backup"]["found"] == "none was made yet"
    assert "PostgreSQL 18" in found["database"]["found"]


@pytest.mark.thorough
def test_ways_to_sign_in_elsewhere_are_named_and_open_ones_are_warned_of(commands: Commands) -> None:
    app = {"MCPHUB_GITHUB_CLIENT_ID": "id", "MCPHUB_GITHUB_CLIENT_SECRET": "canary-secret"}
    commands.env |= app
    open_to_all = findings(commands)["sign-in by github"]
    commands.env["MCPHUB_GITHUB_ALLOW"] = "acme"
    closed = findings(commands)["sign-in by github"]

    assert (open_to_all["level"], open_to_all["remedy"]) == ("warning", "Set MCPHUB_GITHUB_ALLOW.")
    assert (closed["level"], "acme" in closed["found"]) == ("ok", True)
    assert "canary" not in commands.say("doctor")


@pytest.mark.thorough
def test_each_finding_that_is_not_well_names_a_remedy(commands: Commands) -> None:
    (commands.home / "master.key").chmod(0o644)

    found = commands.json("doctor", code=1)

    assert all(finding["remedy"] for finding in found if finding["level"] != "ok")
    said = commands.say("doctor", code=1)
    assert all(finding["remedy"] in said for finding in found)


def test_a_master_key_that_others_may_read_is_an_error(commands: Commands) -> None:
    (commands.home / "master.key").chmod(0o640)

    finding = findings(commands, code=1)["master.key"]

    assert finding["level"] == "error"
    assert finding["remedy"] == f"chmod 600 {commands.home}/master.key"


@pytest.mark.thorough
def test_a_master_key_that_is_no_key_is_an_error_without_its_content(commands: Commands) -> None:
    (commands.home / "master.key").write_text("k1:c2VjcmV0LWJ1dC10b28tc2hvcnQ=\n")

    said = commands.say("doctor", code=1)

    assert "not 32" in said
    assert "c2VjcmV0" not in said


@pytest.mark.thorough
def test_a_home_open_to_others_is_a_warning(commands: Commands) -> None:
    commands.home.chmod(0o755)
    commands.env["DATABASE_URL"] = "postgresql://nobody:password@127.0.0.1:1/none"  # taking the lock would close it

    found = findings(commands, code=1)

    assert found["home"]["level"] == "warning"
    assert found["home"]["remedy"].startswith("chmod 7")


@pytest.mark.thorough
def test_a_database_that_does_not_answer_is_an_error_without_its_password(commands: Commands) -> None:
    commands.env["DATABASE_URL"] = "postgresql://hub:very-secret-password@127.0.0.1:1/mcphub"  # scan:allow

    said = commands.say("doctor", code=1)

    assert "ERROR" in said
    assert "127.0.0.1" in said
    assert "very-secret-password" not in said


@pytest.mark.thorough
def test_a_database_url_that_cannot_be_read_is_a_finding_among_others(commands: Commands) -> None:
    commands.env["DATABASE_URL"] = "mysql://hub:very-secret-password@127.0.0.1/mcphub"  # scan:allow

    found = findings(commands, code=1)

    assert found["database"]["level"] == "error"
    assert "postgresql://" in found["database"]["remedy"]
    assert "very-secret-password" not in str(found)
    assert found["mcphub"]["level"] == "ok"


@pytest.mark.thorough
def test_a_port_in_use_is_an_error_that_names_another(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", int(commands.env["MCPHUB_PORT"]))):
        finding = findings(commands, code=1)["port"]

    assert finding["level"] == "error"
    assert "--port" in finding["remedy"]


@pytest.mark.thorough
def test_pending_migrations_are_a_warning(commands: Commands, empty_database: Database) -> None:
    commands.env["DATABASE_URL"] = empty_database.owner_dsn

    finding = findings(commands)["schema"]

    assert finding["level"] == "warning"
    assert "0001_ledger" in finding["found"]
    assert finding["remedy"] == "mcphub migrate"


@pytest.mark.thorough
def test_a_read_table_that_stands_still_is_an_error(commands: Commands, database: Database) -> None:
    commands.run("rebuild")
    with psycopg.connect(database.admin_dsn) as db:
        db.execute("update tracking set status = 'failed', error = 'ValueError at 2' where name = 'users'")

    finding = findings(commands, code=1)["read tables"]

    assert "users" in finding["found"]
    assert finding["remedy"] == "mcphub rebuild"
    commands.run("rebuild")
    assert "read tables" not in findings(commands)


@pytest.mark.thorough
def test_servers_without_a_sandbox_are_a_warning(commands: Commands) -> None:
    commands.env["MCPHUB_STDIO_SANDBOX"] = "limits"

    assert findings(commands)["sandbox"]["level"] == "warning"


@pytest.mark.thorough
def test_unknown_settings_are_probably_typing_errors(commands: Commands) -> None:
    commands.env["MCPHUB_PUBLIC_ULR"] = "https://hub.example.com"

    assert "MCPHUB_PUBLIC_ULR" in findings(commands)["environment"]["found"]


@pytest.mark.thorough
def test_no_secret_of_the_environment_or_the_home_is_said(commands: Commands, database: Database) -> None:
    password = psycopg.conninfo.conninfo_to_dict(database.owner_dsn)["password"]
    commands.env |= {"MCPHUB_ADMIN_PASSWORD": "an administrators password", "MCPHUB_MASTER_KEYS": RING}
    key = (commands.home / "master.key").read_text().partition(":")[2].strip()

    said = commands.say("doctor") + commands.run("doctor", "--json").stdout.decode()

    for secret in (str(password), "an administrators password", RING.partition(":")[2], key):
        assert secret not in said


def test_a_home_that_does_not_exist_is_well_and_stays_away(tmp_path: Path) -> None:
    nowhere = Commands(tmp_path / "nowhere", {"MCPHUB_PORT": str(free_port())})

    found = findings(nowhere)

    assert "does not exist yet" in found["home"]["found"]
    assert not nowhere.home.exists()
