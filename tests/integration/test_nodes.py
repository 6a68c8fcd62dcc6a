"""Nodes of one database: who is there, and what reaches whom."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from mcphub.gateway.nodes import Answered, Ended, Load, Message, Nodes, Put
from mcphub.gateway.store import Options, Row, SessionRows
from mcphub.postgres.pool import read_pool
from mcphub.projections.tail import Tail
from tests.conftest import Database
from tests.support.waiting import until

pytestmark = pytest.mark.slow

SESSION = b"\1" * 32


class Running:
    """A node as a hub has it, and what it heard."""

    def __init__(self, nodes: Nodes, rows: SessionRows, tail: Tail) -> None:
        self.nodes, self.rows, self.tail = nodes, rows, tail
        self.heard: list[Message] = []
        nodes.hear = self.heard.append
        nodes.load = lambda: Load(3, 2, 1, 0)


@pytest.fixture
async def two(database: Database) -> AsyncIterator[tuple[Running, Running]]:
    pool = read_pool(database.app_dsn)
    await pool.open(wait=True)
    made = []
    for name in ("first", "second"):
        tail = Tail(database.app_dsn, [])
        await tail.start()
        nodes = Nodes(pool, tail, key=b"k" * 32, name=name, version="1", schema=19)
        made.append(Running(nodes, SessionRows(pool, nodes.id), tail))
        await nodes.start()
    first, second = made
    await first.nodes._beat()  # it knows the other from its next beat on
    yield first, second
    for node in made:
        await node.nodes.stop()
        await node.tail.stop()
    await pool.close()


async def session_of(node: Running) -> None:
    row = Row(SESSION, str(uuid4()), "ann", "k", "/mcp", "2025-11-25", b"{}", Options(), datetime.now(UTC))
    await node.rows.add(row)


async def test_nodes_know_of_each_other_and_show_what_each_does(two: tuple[Running, Running]) -> None:
    first, second = two

    await second.nodes.leave()
    shown = await first.nodes.shown()

    assert first.nodes.others == {second.nodes.id}
    assert [(node.name, node.living, node.draining, node.sessions) for node in shown] == [
        ("first", True, False, 3),
        ("second", True, True, 3),
    ]


async def test_a_node_that_ends_leaves_no_row_and_one_that_is_silent_is_gone(
    two: tuple[Running, Running], database: Database
) -> None:
    first, second = two
    await second.nodes._beats.stop()
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        db.execute("update node set seen_at = now() - interval '11 s' where id = %s", (second.nodes.id,))

    await first.nodes._beat()

    assert not first.nodes.others
    assert [node.living for node in await first.nodes.shown()] == [True, False]
    await second.nodes.stop()
    assert [node.name for node in await first.nodes.shown()] == ["first"]


async def test_a_frame_goes_to_the_node_that_holds_the_stream_and_to_nobody_when_none_does(
    two: tuple[Running, Running],
) -> None:
    first, second = two
    await session_of(first)

    first.nodes.to_listener(Put(SESSION, b'{"before":1}', True))
    await first.nodes._flush()
    await second.rows.listens(SESSION, here=True)
    first.nodes.to_listener(Put(SESSION, b'{"while":1}', True))
    await until(lambda: second.heard, within=5, what="the frame")
    await second.rows.listens(SESSION, here=False)

    assert second.heard == [Put(SESSION, b'{"while":1}', True)]
    assert await first.nodes.listener(SESSION) == ""


async def test_what_is_said_to_a_node_arrives_in_order_and_is_sealed_on_its_way(two: tuple[Running, Running]) -> None:
    first, second = two
    said = [Answered(SESSION, b'"u%d"' % number, b'"a canary"', b"") for number in range(50)]

    for message in said:
        first.nodes.to(second.nodes.id, message)
    bodies = [body for _, body in first.nodes._queue]  # as they go into their rows
    await until(lambda: len(second.heard) == 50, within=5, what="everything")
    first.nodes.to_all(Ended(SESSION))
    await until(lambda: len(second.heard) == 51, within=5, what="the end")

    assert second.heard == [*said, Ended(SESSION)]
    assert len(bodies) == 50
    assert not any(b"canary" in body for body in bodies)


async def test_a_message_under_another_key_is_passed_over(two: tuple[Running, Running]) -> None:
    first, second = two
    stranger = Nodes(first.nodes._pool, first.tail, key=b"x" * 32, name="stranger", version="1", schema=19)
    stranger.others = frozenset({second.nodes.id})

    stranger.to(second.nodes.id, Ended(SESSION))
    await stranger._flush()
    first.nodes.to(second.nodes.id, Ended(SESSION))
    await until(lambda: second.heard, within=5, what="the readable one")

    assert second.heard == [Ended(SESSION)]
