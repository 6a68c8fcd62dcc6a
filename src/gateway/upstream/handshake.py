"""The beginning of a conversation with an upstream, in the words of the client it is for.

An upstream is told the client's own capabilities, so sampling, elicitation and roots work as if it were attached
directly; what the hub answers in the client's place are only requests the client cannot take.

Spec: MCP 2025-11-25, Lifecycle.
"""

from mcphub.gateway import wire
from mcphub.gateway.envelope import without_reserved
from mcphub.gateway.upstream.runtime import Identity, UpstreamBroken
from mcphub.gateway.wire import Unreadable

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
INITIALIZED = wire.notification("notifications/initialized")


def initialize_params(identity: Identity, hub_version: str) -> bytes:
    """The client's own parameters; what is missing for a request without a session, or unknown there, is the hub's."""
    said = without_reserved(identity.client_params)
    try:
        params = dict(wire.members(said))
    except Unreadable:
        params = {}
    asked = wire.text(params, "protocolVersion")
    whole = asked in VERSIONS and "capabilities" in params and "clientInfo" in params
    if whole:
        return said
    version = identity.protocol_version if identity.protocol_version in VERSIONS else VERSIONS[0]
    info = wire.encode({"name": "mcphub", "version": hub_version})
    return wire.joined(
        {
            **params,
            "protocolVersion": wire.encode(asked if asked in VERSIONS else version),
            "capabilities": params.get("capabilities", b"{}"),
            "clientInfo": params.get("clientInfo", info),
        }
    )


def agreed_version(result: bytes) -> str:
    """The revision an upstream's InitializeResult settles on.

    Raises:
        UpstreamBroken: it cannot be read, or this hub does not speak it.
    """
    try:
        version = wire.text(wire.members(result), "protocolVersion")
    except (Unreadable, RecursionError):
        version = None
    if version is None:
        raise UpstreamBroken("its answer to initialize cannot be read")
    if version not in VERSIONS:
        raise UpstreamBroken(f"it speaks MCP {version[:32]!r}, which this hub does not")
    return version


def announces(result: bytes) -> bool:
    """Does an InitializeResult promise notifications outside any call?"""
    try:
        capabilities = wire.members(wire.members(result).get("capabilities", b""))
        return any(
            bytes(wire.members(capabilities.get(kind, b"")).get(promise, b"")) == b"true"
            for kind in ("tools", "prompts", "resources")
            for promise in ("listChanged", "subscribe")
        )
    except (Unreadable, RecursionError):
        return False
