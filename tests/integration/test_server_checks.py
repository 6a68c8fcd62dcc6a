"""What is said about a server of the operator's own."""

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mcphub.cli.shared import UNUSABLE, failure
from mcphub.foundation import Foundation
from mcphub.postgres.migrate import migrate
from mcphub.postgres.server_checks import NO_LISTEN, DatabaseUnusable, check_schema, check_server, version_refusal
from mcphub.settings import read


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_ledger.sql").write_text(
        "create function ledger_append() returns bigint language sql as 'select 1';\n"
        "revoke execute on function ledger_append from public;\n"
        "grant execute on function ledger_append to mcphub_app;\n"
    )
    return tmp_path


def test_the_embedded_server_passes_its_own_checks(empty_database):
    assert check_server(empty_database.app_dsn) == []


def test_an_old_server_is_named_with_its_version():
    assert version_refusal(140011).startswith(
        "the database server runs PostgreSQL 14.11, and the hub needs 15 or newer."
    )


def test_a_database_in_another_encoding_is_refused(make_database):
    made = make_database("template0")
    with psycopg.connect(made.server.dsn("postgres", "postgres"), autocommit=True) as db:
        db.execute(sql.SQL("drop database {}").format(sql.Identifier(made.name)))
        db.execute(
            sql.SQL(
                "create database {} owner mcphub_owner template template0"
                " encoding 'LATIN1' locale_provider libc locale 'C'"
            ).format(sql.Identifier(made.name))
        )

    with pytest.raises(DatabaseUnusable, match=r"is encoded in LATIN1\. Make one with"):
        check_server(made.owner_dsn)


@pytest.mark.thorough
def test_a_direct_url_that_hears_no_notify_is_a_warning(empty_database, make_database):
    """As behind a pooler in transaction mode: the NOTIFY goes through, and nobody hears it."""
    elsewhere = make_database()

    assert check_server(empty_database.app_dsn, direct_url=elsewhere.app_dsn) == [NO_LISTEN]


async def test_with_a_direct_address_the_pooler_is_asked_for_nothing(database, home):
    """In transaction mode it would break prepared statements, the reads' search path and the roles' locks."""
    env = {"DATABASE_URL": "postgresql://hub@127.0.0.1:1/pooled", "MCPHUB_DATABASE_DIRECT_URL": database.owner_dsn}

    async with Foundation(read(env, home=home), depth="schema") as base:
        assert base.database.app == base.database.direct == database.owner_dsn


def test_a_wrong_password_is_reported_without_it(empty_database):
    with pytest.raises(DatabaseUnusable, match=r"cannot be reached: .*password authentication failed") as caught:
        check_server(make_conninfo(empty_database.app_dsn, password="k4n4ry"))

    assert "k4n4ry" not in str(caught.value)


def test_a_server_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(DatabaseUnusable, match=f"the database mcphub at {tmp_path} cannot be reached"):
        check_server(f"host={tmp_path} dbname=mcphub")


def test_a_migrated_schema_passes(empty_database, folder):
    migrate(empty_database.owner_dsn, folder)

    check_schema(empty_database.app_dsn, folder)


def test_a_database_without_schema_is_told_to_migrate(empty_database, folder):
    with pytest.raises(DatabaseUnusable, match=r"no schema of the hub yet\. Run `mcphub migrate`"):
        check_schema(empty_database.app_dsn, folder)


def test_an_older_schema_is_refused_unless_this_release_understands_it(empty_database, folder):
    migrate(empty_database.owner_dsn, folder)
    (folder / "0002_more.sql").write_text("select 1;\n")

    with pytest.raises(DatabaseUnusable, match=r"schema 0001 is older than this release needs \(0002\)"):
        check_schema(empty_database.app_dsn, folder)
    check_schema(empty_database.app_dsn, folder, minimum=1)


def test_a_newer_schema_is_refused(empty_database, folder):
    (folder / "0002_more.sql").write_text("select 1;\n")
    migrate(empty_database.owner_dsn, folder)
    (folder / "0002_more.sql").unlink()

    with pytest.raises(DatabaseUnusable, match=r"schema 0002 is newer than this release understands \(0001\)"):
        check_schema(empty_database.app_dsn, folder)


def test_a_newer_schema_that_allows_this_release_is_taken(empty_database, folder):
    (folder / "0002_more.sql").write_text("-- oldest code: 0001\nselect 1;\n")
    migrate(empty_database.owner_dsn, folder)
    (folder / "0002_more.sql").unlink()

    check_schema(empty_database.app_dsn, folder)


def test_a_role_that_may_not_append_is_refused(empty_database, folder):
    migrate(empty_database.owner_dsn, folder)

    with pytest.raises(DatabaseUnusable, match="the role mcphub_ro may not append to the ledger"):
        check_schema(empty_database.ro_dsn, folder)


def test_a_pooler_in_transaction_mode_is_named_as_such():
    """PgBouncer before 1.21, and later ones without max_prepared_statements."""
    for lost in (psycopg.errors.DuplicatePreparedStatement(), psycopg.errors.InvalidSqlStatementName()):
        said, code = failure(lost)

        assert "MCPHUB_DATABASE_DIRECT_URL" in said
        assert code == UNUSABLE
