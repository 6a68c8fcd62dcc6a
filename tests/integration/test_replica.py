"""Reads of the history from a replica, and from the primary while that does not answer or is too far behind."""

import time
from contextlib import AsyncExitStack

import psycopg
import pytest

from mcphub.postgres.pool import Preferred, read_pool
from mcphub.replica import ReplicaLag
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


def beat(database: Database, at: str) -> None:
    """As a node writes it every two seconds."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        db.execute(
            "insert into node (id, name, version, schema_version, started_at, seen_at)"
            " values ('n', 'n', '1', 1, %s, %s) on conflict (id) do update set seen_at = excluded.seen_at",
            (at, at),
        )


async def test_a_replica_too_far_behind_is_passed_over_until_it_follows(
    database: Database, other_database: Database
) -> None:
    async with AsyncExitStack() as stack:
        reads = await preferred(stack, other_database.app_dsn, database)
        lag = ReplicaLag(reads._replica, reads._primary, reads, most=10)
        seen = []
        for primary, there in (("12:00:09", "12:00:00"), ("12:00:11", "12:00:00"), ("12:00:11", "12:00:11")):
            beat(database, f"2026-01-01T{primary}Z")
            beat(other_database, f"2026-01-01T{there}Z")
            await lag.round()
            seen.append((lag.seconds, lag.follows, await where(reads) == other_database.name))

    assert seen == [(9.0, True, True), (11.0, False, False), (0.0, True, True)]


async def test_a_replica_that_is_none_of_this_hub_is_not_read(database: Database, other_database: Database) -> None:
    async with AsyncExitStack() as stack:
        reads = await preferred(stack, other_database.app_dsn, database)
        beat(database, "2026-01-01T12:00:00Z")
        lag = ReplicaLag(reads._replica, reads._primary, reads, most=10)
        await lag.round()

        assert (lag.seconds, lag.follows, await where(reads)) == (None, False, database.name)
