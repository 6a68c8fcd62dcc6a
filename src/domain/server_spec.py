"""One server's entry as the gateway uses it: aliases resolved, defaults filled in, nothing opened."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct

from mcphub.domain.server_check import CONTEXT_HEADERS, kind_of
from mcphub.domain.settings_file import compact, objects
from mcphub.domain.slots import Slot, is_slot, slots_of

Transport = Literal["stdio", "streamable-http", "sse", "openapi"]
Isolation = Literal["shared", "per-user", "per-session", "stateless"]

# Members a running process or connection depends on. Descriptions, switches, time-outs and forms are not among them.
TRANSPORT = ("command", "args", "url", "headers", "openapi", "oauth", "credentialTemplate", "passthroughHeaders")
TRANSPORT_TIMES = ("perSessionClient", "keepAliveInterval", "enableKeepAlive", "idleTimeoutMs")
TRANSPORT_OURS = ("isolation", "contextHeaders", "userHosts")
MOST_MILLIS = 2**31  # 24 days; a longer one is a mistake that no clock function takes


class ToolOverride(Struct, frozen=True):
    """What the document says of a tool, prompt or resource. `description` None: the upstream's own counts."""

    enabled: bool = True
    description: str | None = None


class ServerSpec(Struct, frozen=True, kw_only=True):
    """What the gateway needs to know of a server.

    Values in `env`, `headers`, `openapi` and `oauth` are templates, or `{"$sealed": "v1…"}`, as in the document.
    """

    server_id: str
    name: str
    slug: str
    type: Transport
    enabled: bool = True
    description: str = ""
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, Any] = {}
    url: str = ""
    headers: Mapping[str, Any] = {}
    openapi: Mapping[str, Any] = {}
    oauth: Mapping[str, Any] = {}
    credentials: Sequence[Mapping[str, str]] = ()  # credentialTemplate: {target: env | headers, name, label}
    slots: Mapping[str, Slot] = {}
    isolation: Isolation
    timeout_ms: int = 120_000  # for a call
    reset_on_progress: bool = True
    max_total_ms: int = 3_600_000  # for a call with all its progress
    idle_timeout_ms: int = 600_000  # without use until a process is reaped
    keep_alive_ms: int = 60_000  # between pings; 0 for none
    start_on_demand: bool = True  # False: opened ahead for whoever has values, called of late or not
    prewarm: bool = True  # may be opened ahead
    keep_payloads: bool = False  # arguments and results of calls are kept, sealed
    context_headers: Literal["identity", "tokens", "none"] = "identity"
    user_hosts: tuple[str, ...] = ()  # patterns of hosts a user may name
    passthrough_headers: tuple[str, ...] = ()  # lower case
    tools: Mapping[str, ToolOverride] = {}
    prompts: Mapping[str, ToolOverride] = {}
    resources: Mapping[str, ToolOverride] = {}
    transport_digest: str  # part of a runtime's key: another digest, another runtime


def spec_of(
    server_id: str, name: str, slug: str, config: Mapping[str, Any], slots: Mapping[str, Slot] | None = None
) -> ServerSpec:
    """The specification of an entry that was accepted.

    Args:
        slots: canonical name → slot, when the caller has them already.
    """
    ours, options = objects(config, "mcphub"), objects(config, "options")
    openapi = objects(config, "openapi")
    kind: Transport = kind_of(config)  # type: ignore[assignment]
    context = ours.get("contextHeaders")
    passed = [*config.get("passthroughHeaders", []), *(openapi.get("passthroughHeaders") or [])]
    return ServerSpec(
        server_id=server_id,
        name=name,
        slug=slug,
        type=kind,
        enabled=config.get("enabled") is not False,
        description=config.get("description", ""),
        command=config.get("command", ""),
        args=tuple(config.get("args", ())),
        env=objects(config, "env"),
        url=config.get("url", ""),
        headers=objects(config, "headers"),
        openapi=openapi,
        oauth=objects(config, "oauth"),
        credentials=tuple(config.get("credentialTemplate", ())),
        slots=slots if slots is not None else {slot.canonical: slot for slot in slots_of(config)},
        isolation=_isolation(config, kind),
        timeout_ms=_millis(options.get("timeout"), 120_000),
        reset_on_progress=options.get("resetTimeoutOnProgress") is not False,
        max_total_ms=_millis(options.get("maxTotalTimeout"), 3_600_000),
        idle_timeout_ms=_millis(config.get("idleTimeoutMs"), 600_000),
        keep_alive_ms=_keep_alive(config),
        start_on_demand=config.get("startOnDemand") is not False,
        prewarm=ours.get("prewarm") is not False,
        keep_payloads=ours.get("keepPayloads") is True,
        context_headers=context if context in CONTEXT_HEADERS else "identity",
        user_hosts=tuple(ours.get("userHosts", ())),
        passthrough_headers=tuple(dict.fromkeys(str(header).lower() for header in passed)),
        tools=_overrides(config, "tools"),
        prompts=_overrides(config, "prompts"),
        resources=_overrides(config, "resources"),
        transport_digest=transport_digest(config),
    )


def transport_digest(config: Mapping[str, Any]) -> str:
    """Names the part of an entry that a running process or connection depends on; order of keys does not count."""
    part = {key: config[key] for key in (*TRANSPORT, *TRANSPORT_TIMES) if key in config}
    # The text of a slot's own env entry is only the form's example.
    part["env"] = {key: "" if is_slot(key) else value for key, value in objects(config, "env").items()}
    part["mcphub"] = {key: value for key, value in objects(config, "mcphub").items() if key in TRANSPORT_OURS}
    part["type"] = kind_of(config)
    return sha256(compact(_sorted(part))).hexdigest()[:16]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _isolation(config: Mapping[str, Any], kind: Transport) -> Isolation:
    """`auto`: a connection per session for HTTP, a process per user for stdio, stateless calls for OpenAPI."""
    asked = objects(config, "mcphub").get("isolation", "auto")
    if asked in {"shared", "per-user", "per-session"}:
        return asked  # type: ignore[no-any-return]
    if config.get("perSessionClient"):
        return "per-session"
    automatic: dict[str, Isolation] = {"stdio": "per-user", "openapi": "stateless"}
    return automatic.get(kind, "per-session")


def _overrides(config: Mapping[str, Any], kind: str) -> dict[str, ToolOverride]:
    return {
        name: ToolOverride(entry.get("enabled") is not False, entry.get("description"))
        for name, entry in objects(config, kind).items()
        if isinstance(entry, dict)
    }


def _keep_alive(config: Mapping[str, Any]) -> int:
    if config.get("enableKeepAlive") is False or config.get("keepAliveInterval") == 0:
        return 0
    return _millis(config.get("keepAliveInterval"), 60_000)


def _millis(value: object, default: int) -> int:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and value >= 1
    return int(min(value, MOST_MILLIS)) if usable else default  # type: ignore[call-overload]
