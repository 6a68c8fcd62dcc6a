"""Pools across a restart of the server."""

import psycopg
import pytest

from mcphub.postgres.pool import command_pool, read_pool
from tests.support.waiting import eventually

CUT = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"


def cut(database, name):
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute(CUT, [name])
        left = "select count(*) from pg_stat_activity where application_name = %s"
        eventually(lambda: db.execute(left, [name]).fetchone() == (0,), within=10, what="the connections are cut")


def test_cut_connections_cost_commands_no_error(empty_database):
    with command_pool(empty_database.app_dsn, name="cut-commands") as pool:
        pool.wait(10)
        cut(empty_database, "cut-commands")

        for _ in range(8):
            with pool.connection() as db:
                assert db.execute("select 1", prepare=True).fetchone() == (1,)


async def test_cut_connections_cost_reads_no_error(empty_database):
    async with read_pool(empty_database.app_dsn, name="cut-reads", min_size=3) as pool:
        await pool.wait(10)
        cut(empty_database, "cut-reads")

        for _ in range(6):
            async with pool.connection() as db:
                assert await (await db.execute("select 1", prepare=True)).fetchone() == (1,)


async def test_a_search_path_holds_for_every_read(empty_database):
    async with (
        read_pool(empty_database.app_dsn, search_path="read, public") as pool,
        pool.connection() as db,
    ):
        assert await (await db.execute("show search_path")).fetchone() == ("read,public",)
        assert db.autocommit


def test_an_unreachable_server_is_reported_within_the_wait_and_tried_again_after(empty_database):
    with (
        psycopg.connect(empty_database.admin_dsn, autocommit=True) as admin,
        command_pool(empty_database.app_dsn, name="locked-out", size=1) as pool,
    ):
        pool.timeout = 0.5
        admin.execute("alter role mcphub_app nologin")
        try:
            cut(empty_database, "locked-out")
            with pytest.raises(psycopg.OperationalError), pool.connection():
                raise AssertionError("a connection as a role that may not log in")
        finally:
            admin.execute("alter role mcphub_app login")
        pool.timeout = 8
        with pool.connection() as db:
            assert db.execute("select 1").fetchone() == (1,)
