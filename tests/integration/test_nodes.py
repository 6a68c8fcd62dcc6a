"""Nodes of one database: who is there, and what reaches whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from mcphub.gateway import nodes as rules
from mcphub.gateway.everywhere import Everywhere, statuses_of
from mcphub.gateway.facade import LiveRuntime, LiveSession, LiveStatus
from mcphub.gateway.nodes import Answered, Ended, Load, Message, Nodes, Put
from mcphub.gateway.store import Options, Row, SessionRows
from mcphub.gateway.upstream.runtime import RuntimeInfo, ServerStatus
from mcphub.postgres.migrate import newest_schema
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
        nodes = Nodes(pool, tail, key=b"k" * 32, name=name, version="1", schema=newest_schema())
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

    assert first.nodes.others == {second.nodes.id: "second"}
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
    stranger.others = {second.nodes.id: "second"}

    stranger.to(second.nodes.id, Ended(SESSION))
    await stranger._flush()
    first.nodes.to(second.nodes.id, Ended(SESSION))
    await until(lambda: second.heard, within=5, what="the readable one")

    assert second.heard == [Ended(SESSION)]


async def test_a_node_hears_of_a_migration_that_leaves_no_place_for_its_code_and_of_no_other(
    two: tuple[Running, Running], database: Database
) -> None:
    nodes, known, told = two[0].nodes, newest_schema(), list[int]()
    nodes.outgrown = told.append
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        for version, oldest in ((known + 1, known), (known + 2, known + 1)):
            db.execute(
                "insert into schema_migration (version, name, sha256, oldest_code) values (%s, 'later', '', %s)",
                (version, oldest),
            )
            await nodes._beat()
            assert told == ([] if oldest == known else [known + 2])


class Live:
    """What is live at one node, and what was ended there."""

    def __init__(self, node: Running, *, session: str, runtime: str) -> None:
        self.sessions = [
            LiveSession(
                session_id=session,
                user_id="ann",
                key_id="k",
                client_name="ide",
                client_version="1",
                protocol_version="2025-11-25",
                view="/mcp",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                idle_seconds=0.0,
                in_flight=0,
                stream_open=True,
            )
        ]
        info = RuntimeInfo(
            id=runtime, server_id="s", user_id="ann", session_id="", kind="stdio", pid=7, opened_at=1.0, last_used=2.0,
            in_flight=0,
        )  # fmt: skip
        self.runtimes = [LiveRuntime(info, ("its last words",))]
        self.statuses = [LiveStatus("s", ServerStatus(state="connected", since=1.0, runtimes=1))]
        self.ended: list[tuple[str, str]] = []
        self.everywhere = Everywhere(
            node.nodes,
            "",
            sessions=lambda: self.sessions,
            runtimes=lambda: self.runtimes,
            statuses=lambda: self.statuses,
            end_session=self._end({session}),
            end_runtime=self._end({runtime}),
        )

    def _end(self, known: set[str]) -> Callable[[str, str], Awaitable[bool]]:
        async def end(id_: str, reason: str) -> bool:
            if id_ in known:
                self.ended.append((id_, reason))
            return id_ in known

        return end


async def test_what_is_live_at_another_node_is_shown_and_ended_from_here(two: tuple[Running, Running]) -> None:
    here, there = (
        Live(node, session=f"session-{number}", runtime=f"runtime-{number}") for number, node in enumerate(two, 1)
    )

    sessions, runtimes = await here.everywhere.sessions(), await here.everywhere.runtimes()

    assert [(place.name, place.found) for place in sessions] == [("first", here.sessions), ("second", there.sessions)]
    assert [(place.name, place.found) for place in runtimes] == [("first", here.runtimes), ("second", there.runtimes)]
    assert await here.everywhere.end_session("session-2", "ended_by_admin")
    assert await here.everywhere.end_runtime("runtime-2", "too old")
    assert not await here.everywhere.end_runtime("runtime-3", "too old")
    assert (here.ended, there.ended) == ([], [("session-2", "ended_by_admin"), ("runtime-2", "too old")])


async def test_a_server_that_works_at_one_node_works_and_an_error_elsewhere_is_told(
    two: tuple[Running, Running],
) -> None:
    here, there = (Live(node, session="s", runtime="r") for node in two)
    failing = ServerStatus(state="error", since=5.0, error="connection refused", next_retry_at=9.0, reconnects=2)
    here.statuses = [LiveStatus("s", failing), LiveStatus("only-here", failing)]
    there.statuses = [
        LiveStatus(
            "s", ServerStatus(state="connected", since=7.0, next_retry_at=8.0, runtimes=3, leases=1, reconnects=1)
        )
    ]

    found = statuses_of(await here.everywhere.statuses())

    assert found["s"] == ServerStatus(
        state="connected", since=7.0, error="connection refused", next_retry_at=8.0, runtimes=3, leases=1, reconnects=3
    )
    assert found["only-here"] == failing


async def test_many_who_look_at_once_ask_each_node_once(two: tuple[Running, Running]) -> None:
    here, there = (Live(node, session="s", runtime="r") for node in two)
    looks: list[rules.Question] = []
    answer = there.everywhere.answer

    async def counted(question: rules.Question) -> bytes:
        looks.append(question)
        return await answer(question)

    two[1].nodes.answer = counted
    await asyncio.gather(*(here.everywhere.sessions() for _ in range(5)))

    assert looks == [rules.ShowSessions()]


async def test_a_node_that_does_not_answer_is_named_and_not_waited_for(
    two: tuple[Running, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ANSWERED_WITHIN", 0.2)
    here, _ = (Live(node, session="s", runtime="r") for node in two)
    two[1].nodes.answer = lambda _: asyncio.Future()

    sessions = await here.everywhere.sessions()

    assert [(place.name, place.found) for place in sessions] == [("first", here.sessions), ("second", None)]
    assert not await here.everywhere.end_runtime("r-2", "too old")
    assert two[0].nodes._asked == {}
