"""One server's configuration as the gateway uses it: aliases resolved, defaults filled in, nothing opened."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct

from mcphub.domain.settings_check import kind_of
from mcphub.domain.slots import Slot

Transport = Literal["stdio", "streamable-http", "sse", "openapi"]
Isolation = Literal["shared", "per-user", "per-session"]

# Members that change neither the process or connection nor what is sent: they never restart a runtime.
NOT_TRANSPORT = ("tools", "prompts", "resources", "description", "owner", "visibility", "enabled", "options")


class ServerSpec(Struct, frozen=True, kw_only=True):
    """What a runtime of this server needs to know. Templates in `config` are unfilled and may be sealed."""

    server_id: str
    name: str
    slug: str
    transport: Transport
    config: Mapping[str, Any]
    slots: Mapping[str, Slot]
    isolation: Isolation
    timeout: float  # seconds for a call
    reset_on_progress: bool
    max_total: float  # seconds a call may take with all its progress
    idle_timeout: float  # seconds without use until a process is reaped
    keep_alive: float  # seconds between pings; 0 for none
    context_headers: Literal["identity", "tokens", "none"]
    passthrough_headers: tuple[str, ...]
    transport_digest: str  # part of a runtime's key: another digest, another runtime


def spec_of(server_id: str, name: str, slug: str, config: Mapping[str, Any], slots: Mapping[str, Slot]) -> ServerSpec:
    """The specification of a configuration that was accepted."""
    ours = _object(config, "mcphub")
    options = _object(config, "options")
    transport: Transport = kind_of(config)  # type: ignore[assignment]
    context = ours.get("contextHeaders", "identity")
    return ServerSpec(
        server_id=server_id,
        name=name,
        slug=slug,
        transport=transport,
        config=config,
        slots=slots,
        isolation=_isolation(config, transport),
        timeout=_millis(options.get("timeout"), 120_000),
        reset_on_progress=options.get("resetTimeoutOnProgress") is not False,
        max_total=_millis(options.get("maxTotalTimeout"), 3_600_000),
        idle_timeout=_millis(config.get("idleTimeoutMs"), 600_000),
        keep_alive=_millis(config.get("keepAliveInterval"), 60_000) if config.get("enableKeepAlive", True) else 0,
        context_headers=context if context in {"identity", "tokens", "none"} else "identity",
        passthrough_headers=tuple(str(header).lower() for header in config.get("passthroughHeaders") or ()),
        transport_digest=transport_digest(config),
    )


def transport_digest(config: Mapping[str, Any]) -> str:
    """Names the part of a configuration that a running process or connection depends on."""
    part = {key: value for key, value in config.items() if key not in NOT_TRANSPORT}
    return sha256(json.dumps(part, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


def _isolation(config: Mapping[str, Any], transport: Transport) -> Isolation:
    """`auto`: a connection per session for HTTP, a process per user for stdio, stateless calls for OpenAPI."""
    asked = _object(config, "mcphub").get("isolation", "auto")
    if asked in {"shared", "per-user", "per-session"}:
        return asked  # type: ignore[no-any-return]
    if config.get("perSessionClient"):
        return "per-session"
    return "per-user" if transport in {"stdio", "openapi"} else "per-session"


def _object(config: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    value = config.get(member)
    return value if isinstance(value, dict) else {}


def _millis(value: object, default: int) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return (value if usable else default) / 1000  # type: ignore[operator]
