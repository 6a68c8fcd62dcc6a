"""Users, keys and the set-up link from the host, on a database that DATABASE_URL names."""

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Database
from tests.support.commands import MCPHUB, Commands

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"


@pytest.fixture
def commands(database: Database, home: Path) -> Commands:
    return Commands(home, {"DATABASE_URL": database.owner_dsn})


def create(commands: Commands, name: str, *options: str) -> str:
    return str(
        commands.json("user", "create", name, *options, "--password-stdin", stdin=f"{PASSWORD}\nmore")["id"],
    )


def users(commands: Commands, *options: str) -> dict[str, dict[str, object]]:
    return {row["username"]: row for row in commands.json("user", "list", *options)}


def everything_recorded(database: Database) -> str:
    with psycopg.connect(database.admin_dsn) as db:
        return str(db.execute("select coalesce(string_agg(l::text, E'\n'), '') from ledger l").fetchone()[0])  # type: ignore[index]


@pytest.mark.thorough
def test_a_user_is_made_with_a_password_from_standard_input_and_shown(commands: Commands) -> None:
    made = create(commands, "ann", "--display-name", "Ann", "--email", "ann@example.com")

    assert users(commands)["ann"] == {
        "id": made,
        "username": "ann",
        "displayName": "Ann",
        "email": "ann@example.com",
        "provider": "local",
        "isAdmin": False,
        "isAuditor": False,
        "isActive": True,
        "isDeleted": False,
        "usableKeys": 0,
    }
    assert "ann" in commands.say("user", "list")


def test_the_password_is_asked_for_on_a_terminal_and_not_shown(commands: Commands) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [MCPHUB, "user", "create", "ann", "--json", "--home", str(commands.home)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], **commands.env},
        start_new_session=True,
    )
    shown = b""

    for prompt in (b"Password: ", b"Repeat for confirmation: "):
        deadline = time.monotonic() + 20
        while not shown.endswith(prompt):
            assert select.select([ours], [], [], deadline - time.monotonic())[0], shown
            shown += os.read(ours, 1024)
        os.write(ours, PASSWORD.encode() + b"\n")
    out, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert json.loads(out)["username"] == "ann"
    assert PASSWORD.encode() not in shown
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "create", "ann"),  # no terminal to ask
        ("user", "create", "ann", "--password", PASSWORD),  # visible to everybody
        ("user", "create", "ann", PASSWORD),
        ("key", "revoke", "mcphub_0123456789012345678901234567890123456789"),
        ("user", "erase", "ann"),  # nobody to confirm it
        ("user", "list", "--no-such-option"),
        ("key", "issue", "ann", "--days", "91"),
    ],
)
def test_what_the_usage_does_not_allow_is_exit_code_two_and_changes_nothing(
    commands: Commands, database: Database, arguments: tuple[str, ...]
) -> None:
    commands.run(*arguments, stdin=f"{PASSWORD}\n", code=2)

    assert everything_recorded(database) == ""


@pytest.mark.parametrize("password", ["short", "", "aaaaaaaaaaaaaaaaaaaa", "ann-ann-ann"])
@pytest.mark.thorough
def test_a_weak_password_is_refused_and_leaves_no_user_and_no_data_key(
    commands: Commands, database: Database, password: str
) -> None:
    said = commands.say("user", "create", "ann", "--password-stdin", stdin=password, code=1)

    assert "12 characters" in said
    assert everything_recorded(database) == ""
    with psycopg.connect(database.admin_dsn) as db:
        assert db.execute("select 1 from data_key where owner <> 'hub'").fetchall() == []


def test_a_name_that_is_taken_is_refused_and_nothing_sealed_stays(commands: Commands, database: Database) -> None:
    create(commands, "ann")
    with psycopg.connect(database.admin_dsn) as db:
        before = db.execute("select count(*) from data_key").fetchone()

    said = commands.say("user", "create", "Ann", "--password-stdin", stdin=PASSWORD, code=1)

    assert said.startswith("mcphub: ")
    with psycopg.connect(database.admin_dsn) as db:
        assert db.execute("select count(*) from data_key").fetchone() == before


@pytest.mark.thorough
def test_the_last_administrator_stays_one_and_the_access_log_knows_who_tried(
    commands: Commands, database: Database
) -> None:
    create(commands, "ann", "--admin")

    said = commands.say("user", "no-admin", "ann", code=1)

    assert "last active admin" in said
    assert users(commands)["ann"]["isAdmin"] is True
    with psycopg.connect(database.app_dsn) as db:
        noted = db.execute("select action, outcome, way, actor, subject from access_log").fetchall()
    assert noted == [("command", "last_admin", "cli", "system:cli", users(commands)["ann"]["id"])]


@pytest.mark.thorough
def test_a_user_is_led_through_a_whole_life(commands: Commands) -> None:
    made = create(commands, "ann")
    create(commands, "bob", "--admin")

    commands.run("user", "deactivate", "ann")
    assert users(commands)["ann"]["isActive"] is False
    commands.run("user", "activate", made)  # by id as well
    commands.run("user", "admin", "ann")
    assert users(commands)["ann"]["isAdmin"] is True
    commands.run("user", "no-admin", "ann")
    commands.run("user", "auditor", "ann")
    assert (users(commands)["ann"]["isAuditor"], users(commands)["ann"]["isAdmin"]) == (True, False)
    assert "auditor" in commands.say("user", "list")
    commands.run("user", "no-auditor", "ann")
    assert users(commands)["ann"]["isAuditor"] is False
    commands.run("user", "delete", "ann")
    assert "ann" not in users(commands)
    assert users(commands, "--all")["ann"]["isDeleted"] is True
    commands.run("user", "restore", "ann")
    commands.run("user", "erase", "ann", "--yes")
    assert set(users(commands, "--all")) == {"bob"}


def test_an_erased_user_leaves_nothing_that_opens(commands: Commands, database: Database) -> None:
    made = create(commands, "ann")

    commands.run("user", "erase", "ann", "--yes")

    with psycopg.connect(database.admin_dsn) as db:
        assert db.execute("select 1 from data_key where owner = %s", (made,)).fetchall() == []
        found = db.execute("select data->>'data_keys' from ledger where type = 'UserKeyDestroyed'").fetchall()
    assert found == [("2",)]


def test_a_new_password_is_recorded_sealed(commands: Commands, database: Database) -> None:
    create(commands, "ann")

    commands.run("user", "password", "ann", "--password-stdin", stdin="another good password")

    recorded = everything_recorded(database)
    assert recorded.count("PasswordSet") >= 2
    assert PASSWORD not in recorded
    assert "another good password" not in recorded
    assert "argon2" not in recorded


def test_a_key_is_shown_once_and_kept_nowhere(commands: Commands, database: Database) -> None:
    create(commands, "ann")

    issued = commands.json("key", "issue", "ann", "--name", "IDE", "--days", "7", "--header-only")

    value = issued["keyValue"]
    assert value.startswith("mcphub_")
    entry = json.loads(issued["mcpJson"])["mcpServers"]["mcphub"]
    assert entry["headers"]["Authorization"] == f"Bearer {value}"
    [row] = commands.json("key", "list", "--user", "ann")
    assert row["masked"] == f"mcphub_{value[7:11]}…{value[-4:]}"
    assert (row["name"], row["state"], row["used"]) == ("IDE", "active", False)
    assert value[7:] not in everything_recorded(database)


@pytest.mark.thorough
def test_a_revoked_key_is_shown_as_such(commands: Commands) -> None:
    create(commands, "ann")
    commands.run("key", "issue", "ann")
    [row] = commands.json("key", "list")

    commands.run("key", "revoke", row["id"])

    assert [row["state"] for row in commands.json("key", "list")] == ["revoked"]


@pytest.mark.thorough
def test_a_key_for_an_unknown_server_or_user_is_refused(commands: Commands) -> None:
    create(commands, "ann")

    commands.run("key", "issue", "nobody", code=1)
    commands.run("key", "issue", "ann", "--server", "nothing", code=1)

    assert commands.json("key", "list") == []


def test_a_set_up_link_works_once_and_as_long_as_asked(commands: Commands, database: Database) -> None:
    answer = commands.json("setup-link", "--minutes", "5")

    url, _, token = answer["setupLink"].partition("#")
    assert url == "http://127.0.0.1:3000/setup"
    assert len(token) >= 40
    with psycopg.connect(database.admin_dsn) as db:
        rows = db.execute(
            "select purpose, subject, expires_at - clock_timestamp() <= interval '5 minutes' from one_time_link"
        ).fetchall()
    assert rows == [("setup", "recover", True)]


def test_changes_from_the_host_say_so_in_the_ledger(commands: Commands, database: Database) -> None:
    create(commands, "ann")

    with psycopg.connect(database.admin_dsn) as db:
        found = db.execute("select distinct meta->>'actor', meta->>'source', meta->>'command' from ledger").fetchall()
    assert found == [("system:cli", "cli", "RegisterUser")]


@pytest.mark.thorough
def test_what_was_done_is_taken_back_and_what_cannot_be_says_why(commands: Commands, database: Database) -> None:
    create(commands, "ann")
    locked = commands.json("user", "deactivate", "ann")["position"]

    seen = commands.json("undo", str(locked), "--preview")
    text = commands.say("undo", str(locked), "--preview")

    assert [(fact["type"], fact["user"]) for fact in seen["facts"]] == [("UserActivated", "ann")]
    assert "UserActivated" in text
    assert "Nobody would gain or lose" in text
    assert users(commands)["ann"]["isActive"] is False

    done = commands.json("undo", str(locked))

    assert done == {"undoes": locked, "position": locked + 1}
    assert users(commands)["ann"]["isActive"] is True
    with psycopg.connect(database.admin_dsn) as db:
        row = db.execute(
            "select new.meta ->> 'causation_id' = old.id::text, new.meta ->> 'actor' from ledger new, ledger old"
            " where new.position = %s and old.position = %s",
            (done["position"], locked),
        ).fetchone()
    assert row == (True, "system:cli")
    assert f"position {locked + 1} took it back" in commands.say("undo", str(locked), code=1)
    assert "nothing is recorded" in commands.say("undo", "9999", code=1)


@pytest.mark.thorough
def test_a_change_is_tried_on_real_calls_without_being_made(commands: Commands, database: Database) -> None:
    ann = create(commands, "ann")
    document = {"mcpServers": {"desk": {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}}}
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute("select public.traffic_partition(current_date)")
        db.execute(
            "insert into traffic (at, kind, boot, request_id, user_id, server, tool, method, node)"
            " values (now(), 3, 1, gen_random_uuid(), %s, 'desk', 'find', 'tools/call', 'n1')",
            (ann,),
        )
    before = everything_recorded(database)

    found = commands.json("rehearse", "--settings", "-", stdin=json.dumps(document))
    text = commands.say("rehearse", "--settings", "-", stdin=json.dumps(document))

    assert (found["calls"], found["refused"], found["already"]) == (1, 0, 1)  # there is no such server yet
    assert "0 of 1 calls would have been refused. 1 more" in text
    assert "name one change" in commands.say("rehearse", code=2)
    assert "no server" in commands.say("rehearse", "--server", "desk", "--audience", "everyone", code=1)
    assert everything_recorded(database) == before
