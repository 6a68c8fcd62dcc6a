"""Server-sent events: whatever the pieces they come in, the messages are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.gateway.upstream.events import EventStream, EventTooLarge


def read(*chunks: bytes, most: int = 1 << 20) -> list[bytes]:
    stream = EventStream(most)
    return [data for chunk in chunks for data in stream.feed(chunk)]


def test_an_event_is_its_data() -> None:
    assert read(b'event: message\ndata: {"a":1}\n\n') == [b'{"a":1}']


def test_data_over_several_lines_is_joined() -> None:
    assert read(b"data: {\ndata:  1\ndata: }\n\n") == [b"{\n 1\n}"]


def test_comments_other_types_and_empty_events_say_nothing() -> None:
    assert read(b": ping\n\nevent: endpoint\ndata: /x\n\nid: 7\ndata: \n\nid: 8\n\ndata: 1\n\n") == [b"1"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_break_ends_a_line(end: bytes) -> None:
    lines = [b"id: 3", b"data: one", b"", b"data: two", b"", b""]

    assert read(end.join(lines)) == [b"one", b"two"]


def test_a_mark_at_the_beginning_is_no_part_of_the_first_field() -> None:
    assert read(b"\xef\xbb\xbfdata: 1\n\n") == [b"1"]


def test_what_is_needed_to_come_back_is_remembered_and_carried_on() -> None:
    stream = EventStream()

    stream.feed(b"retry: 1500\nid: abc-1\ndata: x\n\nid: has\0nul\ndata: y\n\nretry: soon\n\n")
    following = stream.next()

    assert (following.last_id, following.retry) == ("abc-1", 1.5)


def test_an_event_of_any_size_below_the_limit_is_taken_and_a_larger_one_refused() -> None:
    assert read(b"data: " + b"x" * 900 + b"\n\n", most=1000) == [b"x" * 900]
    with pytest.raises(EventTooLarge):
        read(*[b"data: " + b"x" * 400] + [b"x" * 400] * 2, most=1000)
    with pytest.raises(EventTooLarge):
        read(*[b"data: " + b"x" * 400 + b"\n"] * 3, most=1000)


LINES = st.lists(
    st.sampled_from([b"data: a", b"data:b", b"data: \xc3\xa4", b"id: 1", b"", b": c", b"event: other", b"data"]),
    max_size=30,
)


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_the_same_messages_come_out_however_the_bytes_are_cut(
    lines: list[bytes], end: bytes, data: st.DataObject
) -> None:
    whole = end.join([*lines, b"", b""])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert read(*pieces) == read(whole)
