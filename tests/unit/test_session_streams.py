"""Streams to a client: in order, resumable as long as the ring holds, and never waited for."""

import asyncio

import pytest

from mcphub.domain.access import ALL, Principal
from mcphub.gateway import traffic, wire
from mcphub.gateway.session import (
    Asker,
    Client,
    EventId,
    Ring,
    Session,
    Sessions,
    Stream,
    lost_answer,
    new_session_id,
    reply_in,
    session_digest,
)
from tests.support.facts import NOW
from tests.support.waiting import until

NEVER = 60.0
NOBODY = Client()


class Reader:
    """An HTTP response as a client sees it; `held` stops it from taking more."""

    def __init__(self):
        self.bodies = []
        self.over = False
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, message):
        await self.go.wait()
        self.bodies.append(message["body"])
        self.over = not message["more_body"]

    @property
    def data(self):
        return [
            line.removeprefix(b"data: ") for body in self.bodies for line in body.splitlines() if line[:6] == b"data: "
        ]

    @property
    def ids(self):
        return [
            line.removeprefix(b"id: ").decode()
            for body in self.bodies
            for line in body.splitlines()
            if line[:4] == b"id: "
        ]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def read_to_the_end(stream, **how):
    reader = Reader()
    await asyncio.wait_for(stream.carry(reader, NEVER, **how), 5)
    return reader


def frames(*numbers):
    return [b'{"n":%d}' % number for number in numbers]


async def test_frames_arrive_in_order_each_with_an_id_of_its_own():
    stream = Stream(Ring(), 1, b"7")
    for frame in frames(1, 2, 3):
        stream.put(frame)
    stream.finish()

    reader = await read_to_the_end(stream)

    assert reader.data == frames(1, 2, 3)
    assert len(set(reader.ids)) == 3
    assert reader.over


async def test_what_comes_while_somebody_reads_is_sent_at_once():
    stream, reader = Stream(Ring(), 1), Reader()
    reading = asyncio.create_task(stream.carry(reader, NEVER))
    await settle()
    assert stream.open

    stream.put(frames(1)[0])
    await settle()

    assert reader.data == frames(1)
    stream.finish()
    await asyncio.wait_for(reading, 5)
    assert not stream.open


async def test_a_stream_is_taken_up_after_the_last_event_seen():
    stream = Stream(Ring(), 1, b'"q"')
    for frame in frames(1, 2, 3):
        stream.put(frame)
    stream.finish()
    first = await read_to_the_end(stream)
    seen = EventId.parse(first.ids[0])

    again = await read_to_the_end(stream, after=seen.number)

    assert (seen.stream, seen.request_id) == (1, b'"q"')
    assert again.data == frames(2, 3)
    assert again.ids == first.ids[1:]


async def test_a_broken_response_loses_nothing():
    """The connection died after one event: the next one goes on behind it."""
    stream = Stream(Ring(), 1, b"7")
    for frame in frames(1, 2):
        stream.put(frame)
    sent = []

    async def broken(message):
        if sent:
            raise BrokenPipeError
        sent.append(message["body"])

    await stream.carry(broken, NEVER)
    assert not stream.open
    stream.put(frames(3)[0])
    stream.finish()

    again = await read_to_the_end(stream, after=EventId.parse(sent[0].split(b"\n")[0][4:].decode()).number)

    assert again.data == frames(2, 3)


async def test_a_second_reader_takes_the_place_of_the_first():
    stream, first, second = Stream(Ring(), 0), Reader(), Reader()
    one = asyncio.create_task(stream.carry(first, NEVER))
    await settle()
    two = asyncio.create_task(stream.carry(second, NEVER))
    await settle()

    stream.put(frames(1)[0])
    stream.finish()
    await asyncio.wait_for(asyncio.gather(one, two), 5)

    assert (first.data, first.over) == ([], True)
    assert (second.data, second.over) == (frames(1), True)


async def test_a_cut_ends_the_response_and_keeps_the_stream():
    stream, reader = Stream(Ring(), 0), Reader()
    reading = asyncio.create_task(stream.carry(reader, NEVER))
    await settle()

    stream.cut()
    await asyncio.wait_for(reading, 5)
    assert reader.over
    stream.put(frames(1)[0])
    stream.finish()

    assert (await read_to_the_end(stream)).data == frames(1)


async def test_a_silent_stream_is_kept_alive_by_comments():
    stream, reader = Stream(Ring(), 0), Reader()
    reading = asyncio.create_task(stream.carry(reader, 0.001))
    await until(lambda: len(reader.bodies) >= 2, within=5, what="two comments were sent")
    stream.finish()
    await asyncio.wait_for(reading, 5)

    assert set(reader.bodies) == {wire.PING, b""}


async def test_a_slow_reader_loses_notifications_first_and_no_answer():
    stream, reader = Stream(Ring(), 1, b"7"), Reader()
    reader.go.clear()
    reading = asyncio.create_task(stream.carry(reader, NEVER))
    await settle()

    for number in range(200):
        stream.put(b'{"progress":%d}' % number, droppable=True)
    stream.put(b'{"answer":1}')
    stream.finish()
    reader.go.set()
    await asyncio.wait_for(reading, 5)

    assert reader.data[-1] == b'{"answer":1}'
    assert len(reader.data) == Ring.BACKLOG + 1


async def test_the_ring_is_bounded_in_events_and_who_missed_some_of_an_answer_is_told():
    ring = Ring()
    stream = Stream(ring, 1, b"7")
    for frame in frames(*range(Ring.EVENTS + 10)):
        stream.put(frame)
    stream.finish()

    assert not stream.holds_after(0)
    assert stream.holds_after(10)
    reader = await read_to_the_end(stream, after=0)

    assert reader.data == [lost_answer(b"7")]
    assert (await read_to_the_end(stream, after=10)).data == frames(*range(10, Ring.EVENTS + 10))


async def test_the_ring_is_bounded_in_bytes_over_all_streams_of_a_session():
    ring = Ring()
    old, new = Stream(ring, 1, b"1"), Stream(ring, 2, b"2")
    old.put(b"x" * 100)
    new.put(b"y" * Ring.BYTES)

    assert not old.holds_after(0)
    assert new.holds_after(0)


async def test_a_session_stream_goes_on_with_what_is_left():
    """Notifications have no answer that could be missed: the reader gets the newest ones."""
    stream = Stream(Ring(), 0)
    for frame in frames(*range(Ring.EVENTS + 2)):
        stream.put(frame)
    stream.finish()

    assert (await read_to_the_end(stream, after=0)).data == frames(*range(2, Ring.EVENTS + 2))


async def test_a_prime_is_an_id_to_come_back_with_and_when():
    stream = Stream(Ring(), 3, b"7")
    line, retry, data, *_ = stream.prime().split(b"\n")
    stream.put(frames(1)[0])
    stream.finish()

    event = EventId.parse(line[4:].decode())
    assert data == b"data: "
    assert retry == b"retry: 1000"
    assert (event.stream, event.number) == (3, 0)
    assert (await read_to_the_end(stream, after=event.number)).data == frames(1)


async def test_an_old_client_gets_no_ids():
    stream = Stream(Ring(), 1, b"7", resumable=False)
    stream.put(frames(1)[0])
    stream.finish()

    assert (await read_to_the_end(stream)).bodies == [b'data: {"n":1}\n\n', b""]


@pytest.mark.parametrize(
    "text",
    ["", "x", "a-b-c", "a-1", "a-1-x", "a--1", "a-1-2-bnVsbA", "a-1-2-" + "A" * 300, "a-1-2-W10", "é-1-²"],
)
def test_an_id_this_hub_never_gave_out_is_none(text):
    assert EventId.parse(text) is None


@pytest.mark.parametrize("request_id", [b"1", b'"a-b-c"', b'"\xc3\xa9"', b"-1.5"])
async def test_an_event_id_names_the_request_even_in_a_later_life(request_id):
    stream = Stream(Ring(), 4, request_id)
    stream.put(frames(1)[0])
    stream.finish()

    event = EventId.parse((await read_to_the_end(stream)).ids[0])

    assert (event.stream, event.number, event.request_id) == (4, 1, request_id)


# sessions


class Call:
    def __init__(self):
        self.cancelled = ""

    def cancel(self, reason):
        self.cancelled = reason


def session(user="bob", name="s1", client=NOBODY):
    principal = Principal(user, "k1")
    row = traffic.Session(session_id=name, user_id=user, key_id="k1")
    asker = Asker(principal, ALL, session_id=name, protocol="2025-11-25", client_params=b"{}", row=row)
    return Session(session_digest(name), asker, client, path="/mcp", created=NOW)


async def test_closing_ends_calls_questions_and_streams():
    mine, call, reader = session(), Call(), Reader()
    mine.in_flight[b"1"] = call
    _, answer = mine.question()
    reading = asyncio.create_task(mine.own.carry(reader, NEVER))
    await settle()

    mine.close("user deactivated")
    await asyncio.wait_for(reading, 5)

    assert call.cancelled == "user deactivated"
    assert b"session ended" in answer.result().error
    assert reader.over
    assert mine.closed == "user deactivated"


async def test_the_reason_of_the_first_end_counts():
    mine = session()
    mine.close("revoked")
    mine.close("shutdown")

    assert mine.closed == "revoked"


async def test_the_same_news_waits_only_once():
    mine = session()
    for _ in range(3):
        mine.tell(b'{"method":"notifications/tools/list_changed"}')
    mine.tell(b'{"method":"notifications/prompts/list_changed"}')
    mine.own.finish()

    assert len((await read_to_the_end(mine.own)).data) == 2


async def test_news_nobody_reads_does_not_pile_up():
    mine = session()
    for number in range(1000):
        mine.tell(b'{"n":%d}' % number)
    mine.own.finish()

    assert len((await read_to_the_end(mine.own)).data) <= Ring.BACKLOG


async def test_an_event_of_another_life_has_no_stream():
    mine = session()
    stream = mine.stream(b"7")
    stream.put(frames(1)[0])
    life = mine.ring.life

    assert mine.stream_of(EventId(life, 1, 0, b"7")) is stream
    assert mine.stream_of(EventId(life, 0, 0, b"")) is mine.own
    assert mine.stream_of(EventId(life, 9, 0, b"7")) is None
    assert mine.stream_of(EventId("0ther", 1, 0, b"7")) is None


async def test_streams_that_are_over_and_read_are_let_go():
    mine = session()
    done = mine.stream(b"1")
    done.finish()
    mine.stream(b"2")

    assert mine.stream_of(EventId(mine.ring.life, 1, 0, b"1")) is None


async def test_an_answer_of_the_client_reaches_its_question_once():
    mine = session()
    id_, answer = mine.question()
    reply = reply_in(wire.read(b'{"jsonrpc":"2.0","id":' + id_ + b',"result":{"roots":[]}}'))

    assert mine.answered(id_, reply)
    assert not mine.answered(id_, reply)
    assert not mine.answered(b'"unasked"', reply)

    assert answer.result().result == b'{"roots":[]}'


def test_what_a_client_says_of_itself_is_kept_short():
    client = Client.of(
        b'{"protocolVersion":"2025-11-25","clientInfo":{"name":"%b","version":1},"capabilities":{"roots":{},"elicitation":{"url":{}}}}'
        % (b"n" * 500)
    )

    assert (client.protocol, len(client.name), client.version) == ("2025-11-25", 100, "")
    assert client.opens_urls
    assert session(client=client).answers("roots/list")
    assert not session(client=client).answers("sampling/createMessage")
    assert not session(client=client).answers("anything/else")


@pytest.mark.parametrize("params", [b"{}", b"[]", b'{"protocolVersion":1}', b'{"protocolVersion":"x","clientInfo":[]}'])
def test_an_initialize_that_is_none_is_unreadable(params):
    with pytest.raises(wire.Unreadable):
        Client.of(params)


def test_a_session_id_is_192_random_bits_of_visible_characters():
    ids = {new_session_id() for _ in range(100)}

    assert len(ids) == 100
    assert {len(id_) for id_ in ids} == {32}
    assert all(33 <= ord(char) <= 126 for id_ in ids for char in id_)
    assert session_digest("a") != session_digest("b")


async def test_sessions_are_found_by_digest_and_by_user():
    sessions, bobs, anns = Sessions(), session(), session("ann", "s2")
    sessions.add(bobs)
    sessions.add(anns)

    assert sessions.by_digest[session_digest("s1")] is bobs
    assert sessions.of_user("bob") == [bobs]
    assert sessions.remove(bobs)
    assert not sessions.remove(bobs)
    assert sessions.of_user("bob") == []
    assert list(sessions) == [anns]


async def test_the_idlest_session_gives_way():
    sessions = Sessions()
    busy, idle, newer = session(name="busy"), session(name="idle"), session(name="newer")
    for order, each in enumerate((busy, idle, newer)):
        each.seen = float(order)
        sessions.add(each)
    busy.in_flight[b"1"] = Call()

    assert sessions.least_used("bob") is idle
    assert sessions.least_used("nobody") is None
