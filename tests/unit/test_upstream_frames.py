"""What is read of an upstream's messages, and how a conversation with it begins."""

import json

import pytest

from mcphub.gateway.upstream import frames, handshake
from mcphub.gateway.upstream.runtime import Identity, UpstreamBroken
from mcphub.gateway.wire import Unreadable

OWN = (
    b'{"protocolVersion":"2025-06-18","capabilities":{"x-odd":1.50},"clientInfo":{"name":"c","version":"2"},"_meta":{}}'
)


def identity(client_params: bytes, protocol: str = "2025-03-26") -> Identity:
    return Identity("u", "s", "k", (), protocol, client_params, "v")


@pytest.mark.parametrize(
    "frame", [b"", b"plain text", b"{}", b'{"jsonrpc":"1.0"}', b'"text"', b'{"jsonrpc":"2.0","method":"\xff"}']
)
def test_what_is_no_message_is_unreadable(frame: bytes) -> None:
    with pytest.raises(Unreadable):
        frames.read(frame)


def test_a_message_nested_beyond_reason_is_unreadable_and_nothing_worse() -> None:
    with pytest.raises(Unreadable):
        frames.read(b'{"jsonrpc":"2.0","result":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_the_messages_of_a_batch_keep_their_bytes() -> None:
    one, two = b'{"jsonrpc":"2.0","id":1,"result":{"a":1.50}}', b'{"jsonrpc":"2.0","method":"x"}'

    assert [frame for frame, _ in frames.messages(b" [" + one + b" , " + two + b"]")] == [one, two]


def test_a_text_cut_through_a_character_costs_that_character_and_not_the_message() -> None:
    one, two = b'{"jsonrpc":"2.0","method":"x","params":{"t":"a\\ud83d"}}', b'{"jsonrpc":"2.0","id":1,"result":{}}'

    [(frame, message), (_, reply)] = frames.messages(b"[" + one + b"," + two + b"]")

    assert bytes(message.params) == b'{"t":"a\\ufffd"}'
    assert bytes(message.params) in frame
    assert frames.reply_of(reply).result == b"{}"


def test_a_reply_without_result_or_error_is_null() -> None:
    assert frames.reply_of(frames.read(b'{"jsonrpc":"2.0","id":1}')).result == b"null"


def test_an_error_that_no_client_could_read_is_said_to_be_broken() -> None:
    with pytest.raises(UpstreamBroken, match="error that is no object"):
        frames.reply_of(frames.read(b'{"jsonrpc":"2.0","id":1,"error":"boom"}'))


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        (b'{"jsonrpc": "2.0", "id": 12, "result": {"a": NaN}}', b"12"),
        (b'{"jsonrpc":"2.0","id":"12","error":{"code":', b"12"),
        (b'{"result":{"a":NaN},"jsonrpc":"2.0","id":12}\n', b"12"),
        (b'{"jsonrpc":"2.0","id":12,"method":"roots/list","params":NaN}', b""),
        (b'{"result":{"jsonrpc":"2.0","id":12},"a":NaN}', b""),
        (b'{"result":{"inner":{"jsonrpc":"2.0","id":12}}', b""),
        (b"Listening on port 3000", b""),
    ],
)
def test_whose_answer_something_unreadable_is_can_be_told_by_its_envelope_alone(text: bytes, id_: bytes) -> None:
    assert frames.meant_for(text) == id_


def test_members_are_added_to_meta_and_nothing_else_changes() -> None:
    params = b'{"name":"t","arguments":{"n":1.50,"big":12345678901234567890},"_meta":{"theirs":1e2}}'

    changed = frames.with_meta(params, {"ours": b'"x"'})

    expected = b'{"name":"t","arguments":{"n":1.50,"big":12345678901234567890},"_meta":{"theirs":1e2,"ours":"x"}}'
    assert changed == expected


@pytest.mark.parametrize("params", [b"[1]", b'"text"', b'{"_meta":7}'])
def test_parameters_without_a_place_for_meta_stay_as_they_are(params: bytes) -> None:
    assert frames.with_meta(params, {"ours": b"1"}) == params


@pytest.mark.parametrize("token", [b"7", b'"seven"'])
def test_a_progress_token_is_found_in_its_own_spelling(token: bytes) -> None:
    assert frames.wanted_token(b'{"_meta":{"progressToken":' + token + b"}}") == token


@pytest.mark.parametrize("params", [b"{}", b'{"arguments":{"progressToken":1}}', b'{"_meta":[]}', b"[]"])
def test_a_request_without_a_token_wants_no_progress(params: bytes) -> None:
    assert frames.wanted_token(params) == b""


# the beginning


def test_an_upstream_is_greeted_with_the_clients_own_words() -> None:
    assert handshake.initialize_params(identity(OWN), "1.0") is OWN


def test_a_request_without_a_session_is_introduced_by_the_hub() -> None:
    params = json.loads(handshake.initialize_params(identity(b"{}"), "1.0"))

    assert params == {
        "protocolVersion": "2025-03-26",
        "capabilities": {},
        "clientInfo": {"name": "mcphub", "version": "1.0"},
    }


def test_a_revision_nobody_knows_is_replaced_and_the_rest_kept() -> None:
    unknown = OWN.replace(b"2025-06-18", b"2099-01-01")

    params = handshake.initialize_params(identity(unknown, "2025-11-25"), "1.0")

    assert params == OWN.replace(b"2025-06-18", b"2025-11-25")


def test_the_revision_that_was_agreed_on_is_taken() -> None:
    assert handshake.agreed_version(b'{"protocolVersion":"2024-11-05","capabilities":{}}') == "2024-11-05"


@pytest.mark.parametrize("result", [b"null", b"[]", b"{}", b'{"protocolVersion":"2099-01-01"}'])
def test_a_revision_this_hub_does_not_speak_is_an_error(result: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        handshake.agreed_version(result)


@pytest.mark.parametrize(
    ("capabilities", "announces"),
    [
        (b'{"tools":{"listChanged":true}}', True),
        (b'{"resources":{"subscribe":true}}', True),
        (b'{"tools":{"listChanged":false},"logging":{}}', False),
        (b"{}", False),
        (b"[]", False),
    ],
)
def test_a_stream_is_worth_holding_only_for_what_was_promised(capabilities: bytes, announces: bool) -> None:
    assert handshake.announces(b'{"capabilities":' + capabilities + b"}") is announces


@pytest.mark.parametrize(
    "params", ["{}", "{ }", '{"a":1}', '{"a":"\\u0041"}', '{"\\u005fmeta":{"old":1},"a":1}', '{"_meta":{"old":1}}']
)
def test_what_is_added_stands_once_in_the_parameters_meta(params: str) -> None:
    changed = frames.with_meta(params.encode(), {"ours": b'"x"'})

    before = json.loads(params)
    assert json.loads(changed) == {**before, "_meta": {**before.get("_meta", {}), "ours": "x"}}
    assert changed.count(b'"_meta"') == 1
