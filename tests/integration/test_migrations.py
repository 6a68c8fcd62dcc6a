"""Migrations against PostgreSQL: once each, in turns, never backwards."""

import threading

import psycopg
import pytest
from psycopg import sql

from mcphub.postgres.migrate import MigrationError, ensure_roles, load, migrate, migrations_folder, pending


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_fruit.sql").write_text(
        "create table fruit (name text);\ninsert into fruit values ('apple'), ('50 %');\n"
    )
    (tmp_path / "0002_size.sql").write_text("alter table fruit add size int;\n")
    return tmp_path


def rows(dsn, query):
    with psycopg.connect(dsn) as db:
        return db.execute(query).fetchall()


def test_what_is_missing_is_applied_once(empty_database, folder):
    assert pending(empty_database.owner_dsn, folder) == ["0001_fruit", "0002_size"]

    assert migrate(empty_database.owner_dsn, folder) == ["0001_fruit", "0002_size"]
    assert migrate(empty_database.owner_dsn, folder) == []

    assert pending(empty_database.owner_dsn, folder) == []
    assert rows(empty_database.owner_dsn, "select name, size from fruit") == [("apple", None), ("50 %", None)]


def test_the_application_role_may_ask_what_is_pending(empty_database, folder):
    migrate(empty_database.owner_dsn, folder)
    (folder / "0003_colour.sql").write_text("alter table fruit add colour text;\n")

    assert pending(empty_database.app_dsn, folder) == ["0003_colour"]


def test_two_runners_take_turns(empty_database, folder):
    (folder / "0003_slow.sql").write_text("select pg_sleep(0.3);\ninsert into fruit values ('pear');\n")
    done, errors = [], []

    def run():
        try:
            done.append(migrate(empty_database.owner_dsn, folder))
        except Exception as error:
            errors.append(error)

    runners = [threading.Thread(target=run) for _ in range(2)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(30)

    assert errors == []
    assert sorted(done) == [[], ["0001_fruit", "0002_size", "0003_slow"]]
    assert rows(empty_database.owner_dsn, "select count(*) from fruit where name = 'pear'") == [(1,)]


def test_an_edited_file_is_refused_and_nothing_later_applied(empty_database, folder):
    migrate(empty_database.owner_dsn, folder)
    (folder / "0001_fruit.sql").write_text("create table fruit (name varchar);\n")
    (folder / "0003_colour.sql").write_text("alter table fruit add colour text;\n")

    with pytest.raises(MigrationError, match=r"0001_fruit\.sql was edited after it was applied"):
        migrate(empty_database.owner_dsn, folder)

    assert rows(empty_database.owner_dsn, "select max(version) from schema_migration") == [(2,)]


def test_a_newer_schema_is_refused(empty_database, folder):
    migrate(empty_database.owner_dsn, folder)
    (folder / "0002_size.sql").unlink()

    for look in (migrate, pending):
        with pytest.raises(MigrationError, match="newer than this code: it has migration 0002"):
            look(empty_database.owner_dsn, folder)


def test_a_newer_schema_that_allows_older_code_is_gone_on_with(empty_database, folder):
    """Nodes are brought up to date one after the other; those of before may have to start again meanwhile."""
    (folder / "0003_colour.sql").write_text("-- oldest code: 0002\nalter table fruit add colour text;\n")
    (folder / "0004_shape.sql").write_text("-- oldest code: 0003\nalter table fruit add shape text;\n")
    migrate(empty_database.owner_dsn, folder)

    (folder / "0004_shape.sql").unlink()
    assert migrate(empty_database.owner_dsn, folder) == []
    (folder / "0003_colour.sql").unlink()
    with pytest.raises(MigrationError, match="newer than this code: it has migration 0004"):
        migrate(empty_database.owner_dsn, folder)


def test_a_failing_file_leaves_the_ones_before_it_and_nothing_of_itself(empty_database, folder):
    (folder / "0003_torn.sql").write_text("create table half (n int);\nselect no_such_function();\n")

    with pytest.raises(MigrationError, match="migration 0003_torn failed: function no_such_function"):
        migrate(empty_database.owner_dsn, folder)

    assert rows(empty_database.owner_dsn, "select max(version), to_regclass('half') from schema_migration") == [
        (2, None)
    ]


def test_the_migrations_of_this_release_apply_to_an_empty_database(empty_database):
    files = [str(file) for file in load(migrations_folder())]

    assert migrate(empty_database.owner_dsn, migrations_folder()) == files
    assert migrate(empty_database.owner_dsn, migrations_folder()) == []


@pytest.fixture
def without_ro(empty_database):
    """The server without `mcphub_ro`, and a login that may make roles beside one that may not."""
    with psycopg.connect(empty_database.admin_dsn, autocommit=True) as db:
        db.execute("alter role mcphub_ro rename to mcphub_ro_aside")
        db.execute("create role maker login createrole password 'maker'")
        yield empty_database
        db.execute("drop role if exists mcphub_ro")
        db.execute("drop role maker")
        db.execute("alter role mcphub_ro_aside rename to mcphub_ro")
        password = sql.Literal(empty_database.server._passwords["mcphub_ro"])
        db.execute(sql.SQL("alter role mcphub_ro password {}").format(password))


def test_a_role_that_cannot_be_made_is_reported(without_ro):
    assert ensure_roles(without_ro.owner_dsn) == ["mcphub_ro"]


def test_a_role_that_can_be_made_is_made_without_a_login(without_ro):
    with psycopg.connect(without_ro.admin_dsn, autocommit=True) as db:
        db.execute(sql.SQL("grant connect on database {} to maker").format(sql.Identifier(without_ro.name)))
    dsn = psycopg.conninfo.make_conninfo(without_ro.owner_dsn, user="maker", password="maker")

    assert ensure_roles(dsn) == []

    assert rows(without_ro.admin_dsn, "select rolcanlogin from pg_roles where rolname = 'mcphub_ro'") == [(False,)]
    with psycopg.connect(without_ro.admin_dsn, autocommit=True) as db:
        db.execute(sql.SQL("revoke connect on database {} from maker").format(sql.Identifier(without_ro.name)))
