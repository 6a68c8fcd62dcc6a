"""Reads of the history from a replica, and from the primary while that does not answer."""

import time
from contextlib import AsyncExitStack

import psycopg
import pytest

from mcphub.postgres.pool import Preferred, read_pool
from tests.conftest import Database

pytestmark = pytest.mark.slow


async def where(reads: Preferred) -> str:
    async with reads.connection() as db:
        row = await (await db.execute("select current_database()")).fetchone()
    return str(row[0])


async def preferred(stack: AsyncExitStack, replica: str, primary: Database) -> Preferred:
    pools = [read_pool(dsn, name=name) for name, dsn in (("replica", replica), ("primary", primary.app_dsn))]
    for pool in pools:
        await pool.open()
        stack.push_async_callback(pool.close)
    return Preferred(*pools)


async def test_the_replica_is_asked_while_it_answers(database: Database, other_database: Database) -> None:
    async with AsyncExitStack() as stack:
        reads = await preferred(stack, other_database.app_dsn, database)

        assert await where(reads) == other_database.name


async def test_without_it_the_primary_is_asked_and_nobody_waits_for_it_again_at_once(database: Database) -> None:
    async with AsyncExitStack() as stack:
        reads = await preferred(stack, "postgresql://nobody@127.0.0.1:1/away", database)

        assert await where(reads) == database.name
        began = time.monotonic()
        assert await where(reads) == database.name

    assert time.monotonic() - began < Preferred.WAIT_S


async def test_a_replica_that_is_back_is_asked_again(database: Database, other_database: Database) -> None:
    async with AsyncExitStack() as stack:
        reads = await preferred(stack, other_database.app_dsn, database)
        reads.passed_over()

        assert await where(reads) == database.name
        reads.again_at = time.monotonic()
        assert await where(reads) == other_database.name


async def test_a_mistake_in_a_query_is_not_made_twice(database: Database, other_database: Database) -> None:
    async with AsyncExitStack() as stack:
        reads = await preferred(stack, other_database.app_dsn, database)

        with pytest.raises(psycopg.errors.UndefinedTable):
            async with reads.connection() as db:
                await db.execute("select from no_such_table")

        assert await where(reads) == other_database.name
