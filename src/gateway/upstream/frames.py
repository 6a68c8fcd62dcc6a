"""Messages of upstreams: read without touching what is in them, and the one member of a request the hub may add to.

Nothing an upstream sends is a reason to stop the hub: what cannot be read raises `Unreadable`.
"""

import re
from collections.abc import Mapping

from msgspec import Raw

from mcphub.gateway import wire
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.runtime import Caller, Reply, UpstreamBroken
from mcphub.gateway.wire import Msg, Unreadable

PROGRESS = "notifications/progress"
CANCELLED = "notifications/cancelled"
# What an upstream announces to whoever listens, also when it says so in the middle of a call.
ANNOUNCED = {
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
}
ENVELOPE = 128  # bytes at the end of a message in which its id may stand
ANSWERS = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*"?([0-9]+)"?\s*,\s*"(?:result|error)"')
ENDS_WITH_ID = re.compile(rb'"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*"?([0-9]+)"?\s*\}\s*\Z')
SHORT = 4096  # bytes of parameters that are searched faster than they are read
NOBODY = wire.error(-32601, "There is no client here that could answer this.")


class Flight:
    """One request under way to an upstream."""

    __slots__ = ("caller", "clock", "id", "params")

    def __init__(self, id_: bytes, params: bytes, caller: Caller | None, clock: Clock) -> None:
        self.id = id_
        self.params = params
        self.caller = caller
        self.clock = clock


def read(frame: bytes) -> Msg:
    """
    Raises:
        Unreadable: not one JSON-RPC message in UTF-8.
    """
    try:
        if not frame.isascii():
            frame.decode()  # the decoder passes over the payload's text unchecked
        return wire.read_reply(frame)
    except (UnicodeDecodeError, RecursionError):
        raise Unreadable(-32700, "this is no JSON-RPC message") from None


def messages(body: bytes) -> list[tuple[bytes, Msg]]:
    """Each message of a body with its bytes: of itself, or of the elements of a batch (2025-03-26).

    Raises:
        Unreadable: see there.
    """
    try:
        return [(frame, read(frame)) for frame in _split(body)]
    except Unreadable:
        if (whole := wire.mended(body)) != body:
            return messages(whole)
        raise


def _split(body: bytes) -> list[bytes]:
    if body.lstrip()[:1] != b"[":
        return [body]
    try:
        return wire.items(body)
    except RecursionError:
        raise Unreadable(-32700, "this is no JSON-RPC message") from None


def meant_for(unreadable: bytes) -> bytes:
    """The id of the request that something unreadable seems to answer; b'' where that cannot be told.

    Looks where JSON-RPC libraries write it, before or behind everything else: further in, it may be anybody's.
    """
    found = ANSWERS.match(unreadable) or ENDS_WITH_ID.search(unreadable[-ENVELOPE:])
    return found[1] if found else b""


def is_id(id_: bytes, own: bytes) -> bool:
    """Is it the id the hub gave? Some servers make a text of the number, and clients pass over that."""
    return id_ == own or id_ == b'"%b"' % own


def reply_of(message: Msg) -> Reply:
    """
    Raises:
        UpstreamBroken: its error is none that a client could read.
    """
    error = bytes(message.error)
    if not error:
        return Reply(result=bytes(message.result) or b"null")
    if error[:1] != b"{":
        raise UpstreamBroken("it answered with an error that is no object")
    return Reply(error=error)


def said(error: bytes) -> str:
    """The message of an error object, short."""
    try:
        return (wire.text(wire.members(error), "message") or "no reason given")[:200]
    except (Unreadable, RecursionError):
        return "no reason given"


def progress_token(params: Raw | bytes) -> bytes:
    """The raw token in the parameters of a progress notification; b'' for none."""
    try:
        return bytes(wire.members(params).get("progressToken", b""))
    except (Unreadable, RecursionError):
        return b""


def wanted_token(params: bytes) -> bytes:
    """The raw token with which a request asks for progress; b'' for none."""
    if params.find(b"progressToken") < 0:
        return b""
    try:
        return progress_token(wire.members(params).get("_meta", b""))
    except (Unreadable, RecursionError):
        return b""


def with_meta(params: bytes, added: Mapping[str, bytes], caller: Caller | None = None) -> bytes:
    """The parameters with raw members put into their `_meta`; as they were when there is no place for it.

    Args:
        caller: whose trace goes along, where the client has not put one there itself.
    """
    # Most have none, and no member whose name could be another spelling of it: then nothing has to be taken apart.
    short = len(params) < SHORT and params[:2] == b'{"' and params[-1:] == b"}"
    bare = short and wire.BACKSLASH not in params and params.find(b"_meta") < 0
    try:
        found = {} if bare else wire.members(params)
        meta = wire.members(found.get("_meta", b""))
    except (Unreadable, RecursionError):
        return params
    more = dict(added)
    if caller is not None and caller.traceparent and "traceparent" not in meta:
        more["traceparent"] = wire.encode(caller.traceparent)
        if caller.tracestate:
            more["tracestate"] = wire.encode(caller.tracestate)
    if not more:
        return params
    if bare:
        return b'%b,"_meta":%b}' % (params[:-1], wire.joined(more))
    return wire.joined({**found, "_meta": wire.joined({**meta, **more})})
