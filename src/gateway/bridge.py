"""Answers of older upstreams, and of the hub itself, as a 2026-07-28 client expects them.

Pure: raw JSON in, raw JSON out, edited one level deep.

Spec: MCP 2026-07-28, Results; Caching; Multi round-trip requests; Transports, HTTP status codes.
"""

from collections.abc import Mapping, Sequence

from msgspec import Raw, Struct

from mcphub.gateway import wire
from mcphub.gateway.envelope import SERVER_INFO, with_reserved
from mcphub.gateway.protocol import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    URL_ELICITATION_REQUIRED,
)

RESOURCE_NOT_FOUND = -32002  # up to 2025-11-25; this revision says that the parameters are wrong
STATUS = {
    METHOD_NOT_FOUND: 404,
    **dict.fromkeys(
        (
            PARSE_ERROR,
            INVALID_REQUEST,
            INVALID_PARAMS,
            HEADER_MISMATCH,
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            UNSUPPORTED_PROTOCOL_VERSION,
        ),
        400,
    ),
}
CACHEABLE = {
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "server/discover",
}
# What may be answered with questions.
MANY_ROUNDS = {"tools/call", "prompts/get", "resources/read"}
# Methods of the handshake revisions that this one has not.
GONE = {
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "elicitation/create",
}


class Question(Struct, frozen=True):
    """A request of an upstream to the client."""

    method: str
    params: bytes


def completed(method: str, result: bytes, server_info: bytes) -> bytes:
    """A result with what this revision demands of one.

    Whether a list may be kept, and for whom, follows from the user's rights here: no upstream can say it.
    """
    try:
        found: dict[str, Raw | bytes] = dict(wire.members(with_reserved(result, {SERVER_INFO: server_info})))
    except wire.Unreadable:
        return result
    found.setdefault("resultType", b'"complete"')
    if method in CACHEABLE and bytes(found["resultType"]) == b'"complete"':
        found["ttlMs"], found["cacheScope"] = b"0", b'"private"'
    return wire.joined(found)


def asks(questions: Mapping[str, Question], state: str, server_info: bytes) -> bytes:
    """The result that asks the client instead of answering it."""
    requests = {
        key: wire.joined({"method": wire.encode(asked.method), "params": asked.params or b"{}"})
        for key, asked in questions.items()
    }
    result = {
        "resultType": b'"input_required"',
        "inputRequests": wire.joined(requests),
        "requestState": wire.encode(state),
    }
    return with_reserved(wire.joined(result), {SERVER_INFO: server_info})


def urls_of(error: bytes) -> Sequence[Question]:
    """The pages that a -32042 error wants opened, as questions; none for any other error."""
    try:
        found = wire.members(error)
        if bytes(found.get("code", b"")) != b"%d" % URL_ELICITATION_REQUIRED:
            return []
        entries = wire.items(bytes(wire.members(found.get("data", b"")).get("elicitations", b"[]")))
    except wire.Unreadable:
        return []
    return [Question("elicitation/create", entry) for entry in entries]


def code_of(error: bytes) -> int:
    try:
        raw = bytes(wire.members(error).get("code", b""))
        return int(raw) if len(raw) < 12 else 0
    except (wire.Unreadable, ValueError):
        return 0


def translated(error: bytes) -> tuple[bytes, int]:
    """(the error object, HTTP status); codes this revision has not become the ones it has."""
    code = code_of(error)
    if code in (RESOURCE_NOT_FOUND, URL_ELICITATION_REQUIRED):
        found: dict[str, Raw | bytes] = dict(wire.members(error))
        code = INVALID_PARAMS
        found["code"] = b"%d" % code
        error = wire.joined(found)
    return error, STATUS.get(code, 200)
