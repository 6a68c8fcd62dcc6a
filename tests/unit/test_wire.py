"""JSON-RPC envelopes: what is a message, what is none, and that payloads stay the bytes they were."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.gateway import wire
from mcphub.gateway.wire import DEPTH, Msg, Unreadable

PAYLOAD = b'{ "b":1.0,"a":1e2, "b":2,"big":123456789012345678901234567890,"t":"\\u00e9\\/" }'


def refused(body):
    with pytest.raises(Unreadable) as caught:
        wire.read(body)
    return caught.value.code


def nested(depth):
    return b'{"jsonrpc":"2.0","method":"x","params":' + b"[" * depth + b"]" * depth + b"}"


def test_a_payload_keeps_its_bytes():
    message = wire.read(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + PAYLOAD + b"}")

    assert isinstance(message, Msg)
    assert bytes(message.params) == PAYLOAD
    assert wire.request(b"1", "tools/call", bytes(message.params)).endswith(PAYLOAD + b"}")


@pytest.mark.parametrize(
    "id_", [b"1", b'"1"', b"-7", b"1.5", b"0", b'""', b'"\\u0031"', b"123456789012345678901234567890"]
)
def test_an_id_is_a_string_or_a_number_and_keeps_its_spelling(id_):
    message = wire.read(b'{"jsonrpc":"2.0","method":"ping","id":' + id_ + b"}")

    assert bytes(message.id) == id_


@pytest.mark.parametrize("id_", [b"null", b"true", b"[1]", b'{"a":1}'])
def test_nothing_else_is_an_id(id_):
    assert refused(b'{"jsonrpc":"2.0","method":"ping","id":' + id_ + b"}") == -32600


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}',
        b' \n {"jsonrpc":"2.0","id":1,"method":"x","unheard":"of"} ',
    ],
)
def test_these_are_messages(body):
    assert isinstance(wire.read(body), Msg)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"nonsense", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"x"} trailing', -32700),
        (b'{"jsonrpc":"2.0","method":"\xff"}', -32700),
        (b'{"jsonrpc":"2.0","method":"x","params":NaN}', -32700),
        (b"{}", -32600),
        (b"1", -32600),
        (b'"text"', -32600),
        (b"null", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"x"}', -32600),
        (b'{"id":1,"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","result":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b"[1]", -32600),
        (b'[{"jsonrpc":"2.0"}]', -32600),
    ],
)
def test_these_are_none(body, code):
    assert refused(body) == code


def test_a_batch_is_read_message_by_message():
    batch = wire.read(b'[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"}]')

    assert [message.method for message in batch] == ["a", "b"]


def test_depth_has_an_end_and_brackets_inside_strings_are_no_depth():
    assert isinstance(wire.read(nested(DEPTH - 1)), Msg)
    assert refused(nested(DEPTH)) == -32600
    assert refused(nested(200_000)) == -32600

    text = b'"' + b'\\"[{' * 1000 + b'"'
    assert isinstance(wire.read(b'{"jsonrpc":"2.0","method":"x","params":{"a":' + text + b"}}"), Msg)


def test_brackets_beside_each_other_are_no_depth():
    assert isinstance(wire.read(b'{"jsonrpc":"2.0","method":"x","params":[' + b"[]," * 500 + b"{}]}"), Msg)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body):
    with contextlib.suppress(Unreadable):
        wire.read(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), JSON, max_size=6), st.booleans())
def test_members_put_together_again_are_the_object_they_came_from(value, ascii_only):
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert json.loads(wire.joined(wire.members(raw))) == value


@given(
    st.lists(st.sampled_from([*'\\"ab', "\ud83d", "\ude00", "\U0001f600", "키", "\\ud83d"]), max_size=12).map("".join)
)
def test_the_half_of_a_character_is_replaced_and_everything_else_stays(text):
    raw = json.dumps({"t": text}).encode()  # as JavaScript writes it, too

    whole = wire.mended(raw)

    one_by_one = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(whole) == {"t": one_by_one}
    assert wire.members(whole)
    assert len(whole) == len(raw)


def test_a_request_with_the_half_of_a_character_is_read_and_other_escapes_that_are_none_are_not():
    message = wire.read(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"t":"cut \\ud83d"}}')

    assert isinstance(message, Msg)
    assert bytes(message.params) == b'{"t":"cut \\ufffd"}'
    assert refused(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"t":"\\ud83d","u":"\\q"}}') == -32700


def test_members_of_something_else_are_refused():
    assert wire.members(b"") == {}
    for raw in (b"[]", b"1", b"null"):
        with pytest.raises(Unreadable):
            wire.members(raw)


def test_text_is_a_string_or_nothing():
    found = wire.members(b'{"a":"x","b":1,"c":null}')

    assert [wire.text(found, name) for name in "abcd"] == ["x", None, None, None]


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("tools/call", "tools/call"),
        ("notifications/roots/list_changed", "notifications/roots/list_changed"),
        ("", "unknown"),
        ("x" * 65, "unknown"),
        ("a\r\nX-Evil: 1", "unknown"),
        ("tools/call\n", "unknown"),
        ("../etc", "unknown"),
    ],
)
def test_a_method_that_may_not_stand_in_a_header_is_unknown(method, shown):
    assert wire.plain_method(method) == shown


def test_frames_are_json_and_events_are_lines():
    assert json.loads(wire.request(b'"a"', "x", b"")) == {"jsonrpc": "2.0", "id": "a", "method": "x", "params": {}}
    assert json.loads(wire.notification('odd"method')) == {"jsonrpc": "2.0", "method": 'odd"method'}
    assert json.loads(wire.failure(b"", wire.error(-1, "m", {"a": 1}))) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -1, "message": "m", "data": {"a": 1}},
    }
    assert wire.event(b"7", wire.one_line(b'{"a":\r\n1}')) == b'id: 7\ndata: {"a":  1}\n\n'
