"""Rows of downstream sessions on PostgreSQL."""

from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from mcphub.gateway.store import Options, Row, SessionRows
from mcphub.postgres.pool import read_pool


@pytest.fixture
async def rows(database):
    pool = read_pool(database.app_dsn)
    await pool.open(wait=True)
    yield SessionRows(pool, "n1")
    await pool.close()


def row(number, user="ann", key="k1"):
    return Row(
        bytes([number]) * 32,
        str(uuid4()),
        user,
        key,
        "/mcp/wiki",
        "2025-06-18",
        b'{"protocolVersion":"2025-06-18","odd": 1.50}',
        Options(log_level="info"),
        datetime(2026, 3, 1, tzinfo=UTC),
    )


async def test_a_session_comes_back_as_it_was_written(rows):
    kept = row(1)

    await rows.add(kept)

    assert await rows.find(kept.digest) == kept
    assert await rows.find(b"\0" * 32) is None


async def test_finding_a_session_takes_it_over(rows, database):
    await rows.add(row(1))
    other = SessionRows(rows._pool, "n2")

    await other.find(row(1).digest)

    with psycopg.connect(database.owner_dsn) as db:
        assert db.execute("select node from gateway_session").fetchall() == [("n2",)]


async def test_sessions_go_with_their_user_their_key_and_their_age(rows, database):
    for number, (user, key) in enumerate(
        [("ann", "k1"), ("ann", "k2"), ("bob", "k3"), ("cid", "k4"), ("dee", "k5")], 1
    ):
        await rows.add(row(number, user, key))
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        db.execute("update gateway_session set last_seen_at = now()")
        db.execute("update gateway_session set last_seen_at = now() - interval '8 days' where user_id = 'dee'")

    await rows.remove_of_key("k1")
    await rows.remove_of_user("bob")
    await rows.remove([row(4).digest])
    await rows.remove_old(7 * 86400)

    assert [bool(await rows.find(row(number).digest)) for number in (1, 2, 3, 4, 5)] == [
        False,
        True,
        False,
        False,
        False,
    ]


async def test_the_table_holds_no_session_id(rows, database):
    await rows.add(row(1))

    with psycopg.connect(database.owner_dsn) as db:
        columns = [column.name for column in db.execute("select * from gateway_session").description]

    assert "digest" in columns
    assert not {"id", "session_id", "mcp_session_id"} & set(columns)
