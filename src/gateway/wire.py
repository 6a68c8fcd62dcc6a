"""The wire: JSON-RPC envelopes and server-sent events, payloads left as the bytes they came in.

A payload is decoded one level deep at most: number spelling, key order, duplicate keys and fields nobody here has heard
of arrive as they were sent.

Spec: JSON-RPC 2.0; MCP 2025-11-25, Transports; WHATWG HTML, Server-sent events.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import DecodeError, Raw, Struct

DEPTH = 64  # brackets within brackets
STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_./$-]{0,63}")
# For `in`, which takes a byte by its number at once, and with bytes builds an error and drops it before it looks.
BACKSLASH, LINE_FEED, CARRIAGE_RETURN = b"\\\n\r"
BEGINS_ID = frozenset(b'"-0123456789')
# Half of a surrogate pair, behind whatever is none; pairs and other escapes are stepped over whole.
HALF = re.compile(
    rb"((?:[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)*+)"
    rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
MOST_MENDED = 1024 * 1024  # bytes: some hundredths of a second


class Unreadable(Exception):
    """Not JSON, or JSON that is no message; `code` is what JSON-RPC calls it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Msg(Struct):
    """A JSON-RPC message: a method is a request when it has an id and a notification when not; else it is a reply.

    Messages are matched by the raw bytes of `id`, because 1 and "1" are different ids.
    """

    jsonrpc: Literal["2.0"]
    id: Raw = Raw()
    method: str = ""
    params: Raw = Raw()
    result: Raw = Raw()
    error: Raw = Raw()


Members = dict[str, Raw]

_decode = msgspec.json.Decoder(Msg).decode
_decode_many = msgspec.json.Decoder(list[Msg]).decode
_members = msgspec.json.Decoder(Members).decode
_items = msgspec.json.Decoder(list[Raw]).decode
_id = msgspec.json.Decoder(str | int | float).decode
_text = msgspec.json.Decoder(str).decode
encode = msgspec.json.Encoder().encode


def read(body: bytes) -> Msg | list[Msg]:
    """The message of a body, or the messages of a batch.

    Raises:
        Unreadable: not JSON, too deep, or not a message.
    """
    if not body.isascii():
        try:
            body.decode()  # the decoder passes over the payload's text unchecked
        except UnicodeDecodeError:
            raise Unreadable(-32700, "The body is not UTF-8.") from None
    if too_deep(body):
        raise Unreadable(-32600, f"The message is nested deeper than {DEPTH} levels.")
    try:
        if body.lstrip()[:1] == b"[":
            many = _decode_many(body)
            for message in many:
                _check(message)
            return many
        one = _decode(body)
    except msgspec.ValidationError:
        raise Unreadable(-32600, "The body is not a JSON-RPC 2.0 message.") from None
    except DecodeError:
        if (whole := mended(body)) != body:
            return read(whole)
        raise Unreadable(-32700, "The body is not JSON.") from None
    _check(one)
    return one


def mended(text: bytes) -> bytes:
    """JSON in which a text was cut through a character, with U+FFFD in the place of the half; else the same bytes.

    JavaScript writes the half of an emoji as an escape that stands for no character; the decoder refuses the whole.

    Spec: RFC 8259, section 8.2.
    """
    pieces, at = [], 0
    if (b"\\ud" in text or b"\\uD" in text) and len(text) <= MOST_MENDED:
        while (found := HALF.match(text, at)) is not None:
            pieces.append(found[1])
            at = found.end()
    return b"\\ufffd".join([*pieces, text[at:]]) if pieces else text


def read_reply(data: bytes) -> Msg:
    """A message of an upstream: an answer, a notification or a question.

    Raises:
        Unreadable: not JSON, or no message.
    """
    try:
        return _decode(data)
    except (msgspec.ValidationError, DecodeError):
        raise Unreadable(-32700, "The answer is no JSON-RPC message.") from None


def _check(message: Msg) -> None:
    """An id is a string or a number; what is no request and no notification is a reply, with an id."""
    raw = bytes(message.id)
    if raw and raw[0] not in BEGINS_ID:
        raise Unreadable(-32600, "A request id is a string or a number.")
    if not message.method and (not raw or bool(bytes(message.result)) == bool(bytes(message.error))):
        raise Unreadable(-32600, "The body is not a JSON-RPC 2.0 message.")


def check_id(raw: bytes) -> None:
    """
    Raises:
        Unreadable: these bytes are not one JSON string or number.
    """
    try:
        _id(raw)
    except DecodeError:
        raise Unreadable(-32600, "A request id is a string or a number.") from None


def too_deep(body: bytes) -> bool:
    if body.count(b"{") + body.count(b"[") <= DEPTH:
        return False
    depth = 0
    for char in STRINGS.sub(b"", body).translate(None, NOT_BRACKETS):
        depth += 1 if char in b"[{" else -1
        if depth > DEPTH:
            return True
    return False


def plain_method(method: str) -> str:
    """The method as it may stand in a header and in a row; anything odd is `unknown`."""
    return method if METHOD.fullmatch(method) else "unknown"


# one level of an object


def members(raw: Raw | bytes) -> Members:
    """The members of an object, values untouched; nothing counts as an empty object.

    Raises:
        Unreadable: not an object.
    """
    if not bytes(raw):
        return {}
    try:
        return _members(raw)
    except DecodeError:
        raise Unreadable(-32602, "params is not an object.") from None


def items(raw: bytes) -> list[bytes]:
    """The elements of an array, untouched.

    Raises:
        Unreadable: not an array.
    """
    try:
        return [bytes(item) for item in _items(raw)]
    except DecodeError:
        raise Unreadable(-32602, "A list is expected.") from None


def text(found: Mapping[str, Raw], name: str) -> str | None:
    """A member that is a string; None when it is missing or something else."""
    raw = found.get(name)
    if raw is None:
        return None
    try:
        return _text(raw)
    except DecodeError:
        return None


def joined(found: Mapping[str, Raw | bytes]) -> bytes:
    """An object made of raw members, in their order."""
    return b"{%b}" % b",".join([b"%b:%b" % (encode(name), raw) for name, raw in found.items()])


# frames


def request(id_: bytes, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (id_, encode(method), params or b"{}")


def notification(method: str, params: bytes = b"") -> bytes:
    tail = b',"params":' + params if params else b""
    return b'{"jsonrpc":"2.0","method":%b%b}' % (encode(method), tail)


def result(id_: bytes, raw: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (id_, raw)


def failure(id_: bytes, raw: bytes) -> bytes:
    """An error answer; `raw` is the whole error object."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (id_ or b"null", raw)


def error(code: int, message: str, data: object = None) -> bytes:
    """An error object."""
    fields: dict[str, object] = {"code": code, "message": message}
    if data is not None:
        fields["data"] = data
    return encode(fields)


# server-sent events


def one_line(frame: bytes) -> bytes:
    """Without line breaks. In JSON they are white space only: inside strings they are escaped."""
    if LINE_FEED in frame or CARRIAGE_RETURN in frame:
        return frame.replace(b"\r", b" ").replace(b"\n", b" ")
    return frame


def event(id_: bytes, frame: bytes) -> bytes:
    """An event of a stream; `frame` is one line."""
    return b"id: %b\ndata: %b\n\n" % (id_, frame)


PING = b": ping\n\n"
