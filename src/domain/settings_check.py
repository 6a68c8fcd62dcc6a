"""What a settings document may say: every error and warning of the contract, with its place."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from mcphub.domain import egress
from mcphub.domain.settings_file import (
    Finding,
    Path,
    at,
    is_literal,
    pointer,
    secret_paths,
    secret_paths_outside,
)
from mcphub.domain.slots import HUB_VARIABLE, PlaceholderSyntax, Text, is_slot, parts, slots_of, templates
from mcphub.domain.substitution import usable_pattern

COMMANDS = frozenset({"npx", "npm", "uvx", "uv", "python", "python3", "node", "deno"})
TYPES = {
    "stdio": "stdio",
    "sse": "sse",
    "streamable-http": "streamable-http",
    "http": "streamable-http",
    "streamableHttp": "streamable-http",
    "streamable_http": "streamable-http",
    "openapi": "openapi",
}
TARGET = {"stdio": "command", "sse": "url", "streamable-http": "url", "openapi": "openapi"}
KNOWN = {
    *("type", "command", "args", "env", "url", "headers", "enabled", "keepAliveInterval", "enableKeepAlive"),
    *("tools", "prompts", "resources", "options", "openapi", "description", "owner", "visibility"),
    *("passthroughHeaders", "perSessionClient", "startOnDemand", "idleTimeoutMs", "credentialTemplate", "oauth"),
    *("proxy", "mcphub"),
}
ENV_REFUSED = {"PATH", "NODE_OPTIONS", "BASH_ENV", "HTTP_PROXY", "HTTPS_PROXY"}
ENV_REFUSED_PREFIXES = ("LD_", "DYLD_", "PYTHON", "GIT_")
HEADERS_REFUSED = {
    *("authorization", "cookie", "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    *("content-length", "mcp-session-id", "mcp-protocol-version"),
}
PRESERVED = ("groups", "userConfigs", "oauthClients", "bearerKeys", "prompts", "resources")
ISOLATIONS = {"auto", "shared", "per-user", "per-session"}
STRINGS = {"type": str, "command": str, "url": str, "description": str, "owner": str, "visibility": str}
SHAPES: dict[str, type | tuple[type, ...]] = {
    **STRINGS,
    "args": list,
    "env": dict,
    "headers": dict,
    "enabled": bool,
    "openapi": dict,
    "mcphub": dict,
    "options": dict,
    "tools": dict,
    "prompts": dict,
    "resources": dict,
    "credentialTemplate": list,
    "passthroughHeaders": list,
    "oauth": dict,
}
MOST_NAME = 100


class Policy(Struct, frozen=True):
    """What this hub allows: commands beside the contract's, readable variables of its environment, opened CIDRs."""

    commands: frozenset[str] = frozenset()
    config_env: frozenset[str] = frozenset()
    hub_variables: Mapping[str, str] = {}
    egress_allow: tuple[str, ...] = ()


class Report(Struct):
    """All there is to say about a document."""

    errors: list[Finding] = []
    warnings: list[Finding] = []


class _Notes:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []

    def error(self, path: Path, code: str, detail: str) -> None:
        self.errors.append(Finding(pointer((*self.base, *path)), code, detail))

    def warn(self, path: Path, code: str, detail: str) -> None:
        self.warnings.append(Finding(pointer((*self.base, *path)), code, detail))


def check(document: Mapping[str, Any], policy: Policy) -> Report:
    """Every error and warning of a whole document."""
    notes = _Notes(())
    servers = document.get("mcpServers")
    if not isinstance(servers, dict):
        notes.error(("mcpServers",), "missing_target", "the document has no object mcpServers")
        return Report(notes.errors, notes.warnings)
    folded: dict[str, str] = {}
    for name, config in servers.items():
        one = check_server(name, config, policy)
        notes.errors += one.errors
        notes.warnings += one.warnings
        if other := folded.get(name.casefold()):
            notes.warn(("mcpServers", name), "name_case_clash", f"{name!r} and {other!r} differ only in case")
        folded[name.casefold()] = name
    _system(document, notes)
    for member in PRESERVED:
        if document.get(member):
            notes.warn((member,), "not_applied", f"{member} is kept and has no effect here")
    if document.get("users"):
        notes.warn(("users",), "users_ignored", "users are managed in the hub; these entries are dropped")
    for path in secret_paths_outside(document):
        if isinstance(at(document, path), str):
            notes.warn(path, "literal_secret", "this secret is sealed and shown as a mask from now on")
    return Report(notes.errors, notes.warnings)


def check_server(name: str, config: Any, policy: Policy) -> Report:
    """Every error and warning of one server's entry."""
    notes = _Notes(("mcpServers", name))
    if not good_name(name):
        notes.error((), "bad_name", "a server's name has 1 to 100 printable characters, no '/', and no '$' in front")
    if not isinstance(config, dict):
        notes.error((), "missing_target", "a server is an object")
        return Report(notes.errors, notes.warnings)
    misshapen = [key for key, shape in SHAPES.items() if key in config and not isinstance(config[key], shape)]
    for key in misshapen:
        notes.error((key,), "type_conflict", f"{key} has the wrong type")
    if misshapen:
        return Report(notes.errors, notes.warnings)
    kind = _kind(config, notes)
    if kind == "stdio":
        _stdio(config, policy, notes)
    elif kind in {"sse", "streamable-http"}:
        _http(config, policy, notes)
    elif kind == "openapi":
        _openapi(config, policy, notes)
    _headers(config, notes)
    _variables(config, policy, notes)
    _ours(config, notes)
    for key in config:
        if key not in KNOWN and (close := difflib.get_close_matches(key, KNOWN, 1, 0.8)):
            notes.warn((key,), "did_you_mean", f"{key} is kept without effect; did you mean {close[0]}?")
    if config.get("proxy"):
        notes.warn(("proxy",), "not_applied", "proxy is kept and has no effect here")
    for path in secret_paths(config):
        if isinstance(at(config, path), str):
            notes.warn(path, "literal_secret", "sealed and shown as a mask; use ${USER_…} or ${HUB_…} instead")
    return Report(notes.errors, notes.warnings)


def good_name(name: str) -> bool:
    return 1 <= len(name) <= MOST_NAME and name.isprintable() and "/" not in name and not name.startswith("$")


def kind_of(config: Mapping[str, Any]) -> str:
    """The transport of an entry that was accepted: stdio, streamable-http, sse or openapi."""
    if "type" in config:
        return TYPES[config["type"]]
    if "command" in config:
        return "stdio"
    if "openapi" in config:
        return "openapi"
    return "sse" if urlsplit(str(config.get("url"))).path.endswith("/sse") else "streamable-http"


def _kind(config: Mapping[str, Any], notes: _Notes) -> str:
    named = config.get("type")
    if named is not None and named not in TYPES:
        notes.error(("type",), "type_conflict", f"{named!r} is no transport")
        return ""
    targets = [key for key in ("command", "url", "openapi") if config.get(key)]
    if not targets or (named is not None and TARGET[TYPES[named]] not in targets):
        if named is not None and targets:
            notes.error(("type",), "type_conflict", f"{named} does not go with {targets[0]}")
            return ""
        notes.error((), "missing_target", f"{TARGET[TYPES[named]] if named else 'command, url or openapi'} is missing")
        return ""
    if len(targets) > 1:
        notes.error((), "type_conflict", f"{' and '.join(targets)} belong to different transports")
        return ""
    kind = kind_of(config)
    if named is None and targets == ["url"]:
        notes.warn((), "type_inferred", f"taken for {kind}; write the type to be sure")
    return kind


def _stdio(config: Mapping[str, Any], policy: Policy, notes: _Notes) -> None:
    command = config["command"]
    if "headers" in config:
        notes.error(("headers",), "headers_on_stdio", "a local process has no headers; use env")
    if "${" in command:
        notes.error(("command",), "slot_in_command", "a command holds no variable")
    elif command not in COMMANDS | policy.commands:
        notes.error(("command",), "command_not_allowed", f"{command!r} is none of the allowed commands")
    if not all(isinstance(item, str) for item in config.get("args", [])):
        notes.error(("args",), "type_conflict", "args holds texts")
    for key in config.get("env", {}):
        if key.upper() in ENV_REFUSED or key.upper().startswith(ENV_REFUSED_PREFIXES):
            notes.error(("env", key), "env_key_not_allowed", f"{key} would change how the process is run")
    if command in {"npx", "uvx"} and not _pinned(command, config.get("args", [])):
        notes.warn(("args",), "unpinned_package", "the package has no version: it changes whenever its author likes")


def _pinned(command: str, args: Sequence[Any]) -> bool:
    package = next((arg for arg in args if isinstance(arg, str) and not arg.startswith("-")), "")
    if command == "uvx":
        version = package.partition("==")[2] or package.partition("@")[2]
    else:
        version = package[1:].partition("@")[2]
    return bool(version) and version != "latest"


def _http(config: Mapping[str, Any], policy: Policy, notes: _Notes) -> None:
    _url(("url",), config["url"], config, policy, notes)
    path = urlsplit(config["url"]).path if "${" not in config["url"] else config["url"].partition("?")[0]
    if path.endswith("/") and path.strip("/") and "://" in config["url"]:
        rest = config["url"].partition("://")[2].partition("?")[0]
        if rest.partition("/")[2]:
            notes.warn(("url",), "trailing_slash", "kept; a redirect is followed on the same origin only")


def _openapi(config: Mapping[str, Any], policy: Policy, notes: _Notes) -> None:
    openapi = config["openapi"]
    if ("url" in openapi) == ("schema" in openapi):
        notes.error(("openapi",), "openapi_source", "exactly one of url and schema is needed")
    if isinstance(openapi.get("url"), str):
        _url(("openapi", "url"), openapi["url"], config, policy, notes)
    security = openapi.get("security")
    if security is not None:
        kind = security.get("type") if isinstance(security, dict) else None
        needed = {
            "none": None,
            "apiKey": "apiKey",
            "http": "http",
            "oauth2": "oauth2",
            "openIdConnect": "openIdConnect",
        }
        if kind not in needed or (needed[kind] and not isinstance(security.get(kind), dict)):
            notes.error(("openapi", "security"), "security_incomplete", "the type is unknown or its part is missing")
    _passthrough(("openapi", "passthroughHeaders"), openapi.get("passthroughHeaders"), notes)


def _url(path: Path, url: str, config: Mapping[str, Any], policy: Policy, notes: _Notes) -> None:
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0]
    if "${" in scheme or "${" in authority:
        ours = config.get("mcphub")
        if not (isinstance(ours, dict) and ours.get("userHosts")):
            notes.error(path, "slot_in_authority", "a variable in the host needs mcphub.userHosts")
        return
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        notes.error(path, "bad_url", "this is no address")
        return
    if split.scheme not in {"http", "https"} or not host or port == 0:
        notes.error(path, "bad_url", "an address begins with http:// or https:// and names a host")
    elif "@" in split.netloc:
        notes.error(path, "credentials_in_url", "credentials belong into a header")
    elif (address := egress.literal(host)) is not None and egress.denied(address, policy.egress_allow):
        notes.error(path, "egress_denied", f"{host} is not an address this hub may dial")


def _headers(config: Mapping[str, Any], notes: _Notes) -> None:
    for key, value in config.get("headers", {}).items():
        bad = not key or any(not 33 <= ord(char) < 127 or char in '()<>@,;:\\"/[]?={}' for char in key)
        if bad or (isinstance(value, str) and any(char in value for char in "\r\n\0")):
            notes.error(("headers", key), "bad_header", "this is no header")
    _passthrough(("passthroughHeaders",), config.get("passthroughHeaders"), notes)


def _passthrough(path: Path, names: Any, notes: _Notes) -> None:
    for index, name in enumerate(names if isinstance(names, list) else ()):
        low = str(name).lower()
        if low in HEADERS_REFUSED or low.startswith(("x-mcphub-", "proxy-")):
            notes.error(
                (*path, index) if len(path) > 1 else path, "header_not_allowed", f"{name} is never passed through"
            )


def _variables(config: Mapping[str, Any], policy: Policy, notes: _Notes) -> None:
    for _, path, template in templates(config):
        try:
            names = [part.name for part in parts(template) if not isinstance(part, Text)]
        except PlaceholderSyntax as error:
            notes.error(path, "placeholder_syntax", f"{error} cannot be read; a variable is written ${{NAME}}")
            continue
        for name in names:
            if is_slot(name):
                continue
            if name not in policy.config_env and not HUB_VARIABLE.fullmatch(name):
                notes.error(path, "env_not_allowed", f"${{{name}}} is neither a user's variable nor a hub variable")
            elif name not in policy.hub_variables:
                notes.warn(path, "hub_variable_unset", f"the hub's environment has no {name}")


def _ours(config: Mapping[str, Any], notes: _Notes) -> None:
    ours = config.get("mcphub") or {}
    slots = slots_of(config)
    for slot in slots:
        if slot.pattern and not usable_pattern(slot.pattern):
            notes.error(("mcphub", "slots", slot.name), "pattern_invalid", "validationRegex is no usable pattern")
    isolation = ours.get("isolation", "auto")
    if isolation not in ISOLATIONS:
        notes.error(("mcphub", "isolation"), "type_conflict", f"{isolation!r} is no isolation")
    elif isolation == "shared" and slots:
        notes.error(("mcphub", "isolation"), "isolation_shared_with_slots", "a server with variables is never shared")
    visibility = config.get("visibility", "public")
    if visibility == "group":
        notes.warn(("visibility",), "not_applied", "acts as private")
    for entry in config.get("credentialTemplate", []):
        if not (isinstance(entry, dict) and entry.get("target") in {"env", "headers"} and entry.get("name")):
            notes.error(("credentialTemplate",), "type_conflict", "an entry has target env or headers, and a name")


def _system(document: Mapping[str, Any], notes: _Notes) -> None:
    system = document.get("systemConfig")
    if system is None:
        return
    if not isinstance(system, dict):
        notes.error(("systemConfig",), "type_conflict", "systemConfig is an object")
        return
    routing = system.get("routing")
    routing = routing if isinstance(routing, dict) else {}
    if routing.get("skipAuth"):
        notes.error(("systemConfig", "routing", "skipAuth"), "skip_auth_refused", "nobody passes without a key")
    for path in _not_applied(system, routing):
        notes.warn(("systemConfig", *path), "not_applied", "kept and without effect here")


def _not_applied(system: Mapping[str, Any], routing: Mapping[str, Any]) -> Iterator[Path]:
    for key in ("bearerAuthKey", "bearerAuthHeaderName", "enableBearerAuth"):
        if routing.get(key):
            yield ("routing", key)
    if system.get("nameSeparator", "__") != "__":
        yield ("nameSeparator",)
    smart = system.get("smartRouting")
    if isinstance(smart, dict) and smart.get("dbUrl"):
        yield ("smartRouting", "dbUrl")
    for key in ("oauthServer", "toolResultCompression", "enableSessionRebuild", "activityLog", "discovery"):
        if system.get(key):
            yield (key,)


__all__ = ["COMMANDS", "Policy", "Report", "check", "check_server", "is_literal", "kind_of"]
