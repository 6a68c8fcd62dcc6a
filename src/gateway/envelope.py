"""What each request of a 2026-07-28 client says of itself, and whether it agrees with its own headers.

There is no handshake and no session in this revision: `_meta` of every request names the revision and what the client
can do. Keys of `_meta` below `io.modelcontextprotocol/` are between neighbours; the hub takes them off what it passes
on, and puts its own on what it sends.

Spec: MCP 2026-07-28, Per-request protocol fields; Transports, Routing headers.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from msgspec import Raw, Struct

from mcphub.gateway import wire
from mcphub.gateway.protocol import (
    HANDSHAKE_VERSIONS,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    MODERN_VERSION,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcphub.gateway.tasks import without_tasks

RESERVED = "io.modelcontextprotocol/"
RESERVED_BYTES = RESERVED.encode()
VERSION, CAPABILITIES, INFO, LOG_LEVEL, SERVER_INFO, SUBSCRIPTION = (
    RESERVED + name
    for name in ("protocolVersion", "clientCapabilities", "clientInfo", "logLevel", "serverInfo", "subscriptionId")
)
PASSED_ON = {RESERVED + "related-task", RESERVED + "model-immediate-response"}  # these are meant for the far end

# Method → the member of its parameters that the header Mcp-Name repeats.
NAMING = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), "taskId"),
}
ROUTING = (b"mcp-protocol-version", b"mcp-method", b"mcp-name")
ENCODED = re.compile(r"=\?base64\?(.*)\?=")
PLAIN = re.compile(r"[\x20-\x7e]*")


class Rejected(Exception):
    """The request contradicts itself, or speaks a revision that is not spoken here."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Envelope(Struct, frozen=True):
    """
    Args:
        capabilities: by name, raw.
        info: raw clientInfo; b'' when the client does not say who it is.
        params: the parameters without what was meant for the hub.
    """

    protocol: str
    capabilities: Mapping[str, bytes]
    info: bytes
    log_level: str
    params: bytes

    @property
    def opens_urls(self) -> bool:
        raw = self.capabilities.get("elicitation", b"")
        return raw.startswith(b"{") and "url" in wire.members(raw)

    @property
    def as_initialize(self) -> bytes:
        """The parameters of `initialize` with which an older upstream is told of this client."""
        info = {"clientInfo": self.info} if self.info else {}
        capabilities: Mapping[str, Raw | bytes] = self.capabilities
        return wire.joined(
            {
                "protocolVersion": wire.encode(HANDSHAKE_VERSIONS[-1]),
                "capabilities": wire.joined(capabilities),
                **info,
            }
        )

    def stamped(self, params: bytes, *, tasks: bool = True) -> bytes:
        """Parameters for an upstream of the same revision: what the client said of itself goes along.

        Args:
            tasks: the client can ask this upstream about them.
        """
        capabilities = wire.joined({**self.capabilities})
        return with_reserved(
            params,
            {
                VERSION: wire.encode(self.protocol),
                CAPABILITIES: capabilities if tasks else without_tasks(capabilities),
                **({INFO: self.info} if self.info else {}),
                **({LOG_LEVEL: wire.encode(self.log_level)} if self.log_level else {}),
            },
        )


def open_envelope(message: wire.Msg, headers: Mapping[str, str]) -> Envelope:
    """
    Args:
        headers: by lower-case name.

    Raises:
        Rejected: the first thing that is wrong, in the order the specification's reference looks at them.
    """
    try:
        params = wire.members(message.params)
        meta = wire.members(params["_meta"])
    except (KeyError, wire.Unreadable):
        raise Rejected(INVALID_PARAMS, f"params._meta has to name {VERSION} and {CAPABILITIES}.") from None
    if missing := [name for name in (VERSION, CAPABILITIES) if name not in meta]:
        raise Rejected(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    protocol = wire.text(meta, VERSION)
    if protocol is None or headers.get("mcp-protocol-version") != protocol:
        raise Rejected(HEADER_MISMATCH, "The header MCP-Protocol-Version is another one than in params._meta.")
    if headers.get("mcp-method") != message.method:
        raise Rejected(HEADER_MISMATCH, "The header Mcp-Method does not name the request's method.")
    naming = NAMING.get(message.method)
    if naming in params and decoded(headers.get("mcp-name")) != wire.text(params, naming):
        raise Rejected(HEADER_MISMATCH, f"The header Mcp-Name is another one than params.{naming}.")
    if protocol != MODERN_VERSION:
        raise unsupported(protocol)
    try:
        capabilities = wire.members(meta[CAPABILITIES])
        info = bytes(meta.get(INFO, b""))
        if info:
            wire.members(info)
    except wire.Unreadable:
        raise Rejected(INVALID_PARAMS, f"{CAPABILITIES} and {INFO} in params._meta are objects.") from None
    return Envelope(
        protocol,
        {name: bytes(raw) for name, raw in capabilities.items()},
        info,
        wire.text(meta, LOG_LEVEL) or "",
        without_reserved(bytes(message.params)),
    )


def unsupported(protocol: str) -> Rejected:
    spoken = [MODERN_VERSION, *reversed(HANDSHAKE_VERSIONS)]
    return Rejected(
        UNSUPPORTED_PROTOCOL_VERSION,
        f"Protocol version {protocol[:32]} is not spoken here.",
        {"supported": spoken, "requested": protocol[:32]},
    )


def repeated(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """A routing header that stands twice; readers of the first and of the last would disagree. '' for none."""
    names = [name.lower() for name, _ in headers]
    return next((name.decode() for name in ROUTING if names.count(name) > 1), "")


def decoded(value: str | None) -> str | None:
    """What a routing header says, its base64 form undone; None for none, and for one that is damaged."""
    found = ENCODED.fullmatch(value) if value is not None else None
    if found is None:
        return value
    try:
        raw = base64.b64decode(found[1], validate=True)
        text = raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if base64.b64encode(raw).decode() == found[1] else None


def encoded(value: str) -> str:
    """A value as a routing header carries it."""
    if PLAIN.fullmatch(value) and value == value.strip() and not ENCODED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def without_reserved(raw: bytes) -> bytes:
    """Parameters or a result without what is between neighbours; the very same bytes where there is nothing of it."""
    if wire.BACKSLASH not in raw and raw.find(RESERVED_BYTES) < 0:
        return raw  # with an escape in it, a name can be spelt in many ways
    try:
        found: dict[str, Raw | bytes] = dict(wire.members(raw))
        meta = wire.members(found.get("_meta", b""))
    except wire.Unreadable:
        return raw
    kept = _passed_on(meta)
    return raw if len(kept) == len(meta) else _with_meta(found, kept)


def with_trace(params: bytes, parent: str, state: str) -> bytes:
    """Parameters in which a client named its trace, naming this place in it; as they were without one.

    Spec: W3C Trace Context; `_meta` of MCP carries its fields under their own names.
    """
    if wire.BACKSLASH not in params and params.find(b"traceparent") < 0:
        return params
    try:
        found: dict[str, Raw | bytes] = dict(wire.members(params))
        meta = dict(wire.members(found.get("_meta", b"")))
    except wire.Unreadable:
        return params
    if "traceparent" not in meta:
        return params
    meta.pop("tracestate", None)
    meta["traceparent"] = Raw(wire.encode(parent))
    if state:
        meta["tracestate"] = Raw(wire.encode(state))
    return _with_meta(found, dict(meta))


def notification_without_reserved(frame: bytes) -> bytes:
    """The same for a whole notification."""
    if wire.BACKSLASH not in frame and frame.find(RESERVED_BYTES) < 0:
        return frame
    found: dict[str, Raw | bytes] = dict(wire.members(frame))
    params = bytes(found.get("params", b""))
    kept = without_reserved(params)
    return frame if kept is params else wire.joined({**found, "params": kept})


def with_reserved(params: bytes, stamps: Mapping[str, bytes]) -> bytes:
    """Parameters or a result with these reserved keys and no others.

    Raises:
        Unreadable: no object.
    """
    found: dict[str, Raw | bytes] = dict(wire.members(params))
    meta = wire.members(found.get("_meta", b"")) if bytes(found.get("_meta", b"")) != b"null" else {}
    return _with_meta(found, {**_passed_on(meta), **stamps})


def _passed_on(meta: wire.Members) -> dict[str, Raw | bytes]:
    return {name: raw for name, raw in meta.items() if not name.startswith(RESERVED) or name in PASSED_ON}


def _with_meta(found: dict[str, Raw | bytes], meta: dict[str, Raw | bytes]) -> bytes:
    if meta:
        found["_meta"] = wire.joined(meta)
    else:
        found.pop("_meta", None)
    return wire.joined(found)
