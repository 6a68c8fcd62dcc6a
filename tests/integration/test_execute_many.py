"""Many rows in one statement, by a task that is cut off."""

import asyncio

import pytest
from psycopg import waiting

from mcphub.postgres.pool import execute_many, read_pool


@pytest.mark.parametrize("steps", range(6))
async def test_who_is_cut_off_hears_of_that_and_the_next_one_gets_a_sound_connection(database, monkeypatch, steps):
    async with read_pool(database.owner_dsn, max_size=1) as pool:
        async with pool.connection() as db:
            await db.execute("create table written (number integer)")

        async def write():
            async with pool.connection() as db:
                monkeypatch.setattr(waiting, "_last_yield", 0)  # as when the loop was busy: psycopg lets others in
                await execute_many(db, "insert into written values (%s)", [(1,), (2,)])

        task = asyncio.create_task(write())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        ended = await asyncio.gather(task, return_exceptions=True)

        async with pool.connection() as db:
            await execute_many(db, "insert into written values (%s)", [(3,)])
            rows = await (await db.execute("select count(*) from written where number = 3")).fetchone()
    assert [type(one) for one in ended if one is not None] in ([], [asyncio.CancelledError])
    assert rows == (1,)
