"""What the transport part of a server's entry may say: commands, addresses, headers, credentials."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcphub.domain import egress
from mcphub.domain.findings import Notes, Path, Policy
from mcphub.domain.settings_file import objects
from mcphub.domain.slots import PlaceholderSyntax, Text, canonical, credential_name, is_slot, parts

COMMANDS = frozenset({"npx", "npm", "uvx", "uv", "python", "python3", "node", "deno"})
ENV_REFUSED = {"PATH", "NODE_OPTIONS", "BASH_ENV", "HTTP_PROXY", "HTTPS_PROXY"}
ENV_OF_THE_HUB = {"MCPHUB_USER_ID", "MCPHUB_SESSION_ID"}  # tell the child for whom it runs
ENV_REFUSED_PREFIXES = ("LD_", "DYLD_", "PYTHON", "GIT_")
HEADERS_REFUSED = {
    *("authorization", "cookie", "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    *("content-length", "mcp-session-id", "mcp-protocol-version"),
}
SECURITY = {  # type → one of these sets of members is needed in the member of that name
    "apiKey": [{"name", "in", "value"}],
    "http": [{"scheme", "credentials"}],
    "oauth2": [{"token"}, {"tokenUrl", "clientId", "clientSecret"}],
    "openIdConnect": [{"token"}, {"url", "clientId", "clientSecret"}],
}
SLOT_HERE = "\0"  # stands for a user's value while an address is looked at; no address holds it


def stdio(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    command = config["command"]
    if "headers" in config:
        notes.error(("headers",), "headers_on_stdio", "a local process has no headers; use env")
    if "${" in command:
        notes.error(("command",), "slot_in_command", "a command holds no variable")
    elif command not in COMMANDS | policy.commands:
        notes.error(("command",), "command_not_allowed", f"{command!r} is none of the allowed commands")
    for key in config.get("env", {}):
        if not _env_allowed(key):
            notes.error(("env", key), "env_key_not_allowed", f"{key} would change how the process is run")
    if command in {"npx", "uvx"} and not _pinned(command, config.get("args", [])):
        notes.warn(("args",), "unpinned_package", "the package has no version: it changes whenever its author likes")


def _env_allowed(key: str) -> bool:
    """`USER_LD_PRELOAD` is refused like `LD_PRELOAD`: the child gets a slot under both names."""
    name = canonical(key.upper())
    if key == "" or "=" in key or (name != key.upper() and name == "HOME"):
        return False
    return not (name in ENV_REFUSED | ENV_OF_THE_HUB or name.startswith(ENV_REFUSED_PREFIXES))


def _pinned(command: str, args: Sequence[str]) -> bool:
    package = next((arg for arg in args if not arg.startswith("-")), "")
    if command == "uvx":
        version = package.partition("==")[2] or package.partition("@")[2]
    else:
        version = package[1:].partition("@")[2]  # a scope begins with @ too
    return version not in {"", "latest"}


def http(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    if _url(("url",), config["url"], config, policy, notes):
        path = config["url"].partition("://")[2].partition("?")[0].partition("/")[2]
        if path.endswith("/"):
            notes.warn(("url",), "trailing_slash", "kept; a redirect is followed on the same origin only")


def openapi(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    openapi = config["openapi"]
    if ("url" in openapi) == ("schema" in openapi):
        notes.error(("openapi",), "openapi_source", "exactly one of url and schema is needed")
    if "url" in openapi:
        _url(("openapi", "url"), openapi["url"], config, policy, notes)
    if "security" in openapi:
        _security(openapi["security"], config, policy, notes)
    if openapi.get("cookieSession"):
        notes.warn(
            ("openapi", "cookieSession"), "not_applied", "kept and has no effect here: no call leaves state behind"
        )
    _passthrough(("openapi", "passthroughHeaders"), openapi.get("passthroughHeaders"), notes)


def _security(security: Any, config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    kind = str(security.get("type")) if isinstance(security, dict) else ""
    if kind == "none":
        return
    part = objects(security, kind) if kind in SECURITY else {}
    given = {member for member, value in part.items() if value}
    if not part or not any(needed <= given for needed in SECURITY[kind]):
        notes.error(("openapi", "security"), "security_incomplete", "the type is unknown or lacks what it needs")
        return
    for member in ("tokenUrl", "url"):
        if member in part:
            _url(("openapi", "security", kind, member), part[member], config, policy, notes)


def _url(path: Path, url: Any, config: Mapping[str, Any], policy: Policy, notes: Notes) -> bool:
    """Notes what is wrong with an address; True when nothing is, or when it hangs on a hub variable
    that is not set, or stored: that one is looked at when it is dialled.
    """
    try:
        pieces = parts(url) if isinstance(url, str) else []
    except PlaceholderSyntax:
        return False  # noted with the variables
    text = ""
    for piece in pieces:
        if isinstance(piece, Text):
            text += piece.text
        elif is_slot(piece.name):
            text += SLOT_HERE
        elif piece.name in policy.hub_variables and piece.name not in policy.stored_variables:
            text += policy.hub_variables[piece.name]
        else:
            return True
    front = text.replace("?", "/").replace("#", "/").split("/", 3)
    if SLOT_HERE in front[0] or (SLOT_HERE in "".join(front[1:3]) and not objects(config, "mcphub").get("userHosts")):
        notes.error(path, "slot_in_authority", "a variable in the host needs mcphub.userHosts")
    elif "@" in "".join(front[:3]):
        notes.error(path, "credentials_in_url", "credentials belong into a header")
    elif (host := egress.dialled_host(text.replace(SLOT_HERE, "x"))) is None:
        notes.error(path, "bad_url", "an address begins with http:// or https:// and names a host")
    elif (address := egress.literal(host)) is not None and egress.denied(address, policy.egress_allow):
        notes.error(path, "egress_denied", f"{host} is not an address this hub may dial")
    else:
        return True
    return False


def headers(config: Mapping[str, Any], notes: Notes) -> None:
    for key, value in config.get("headers", {}).items():
        if not _header_name(key) or (isinstance(value, str) and any(char in value for char in "\r\n")):
            notes.error(("headers", key), "bad_header", "this is no header")
    _passthrough(("passthroughHeaders",), config.get("passthroughHeaders"), notes)


def _header_name(name: str) -> bool:
    """RFC 9110 §5.1: a token."""
    return name != "" and all(33 <= ord(char) < 127 and char not in '()<>@,;:\\"/[]?={}' for char in name)


def _passthrough(path: Path, names: Any, notes: Notes) -> None:
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        notes.error(path, "type_conflict", "a list of header names")
        return
    for index, name in enumerate(names or ()):
        low = name.lower()
        if low in HEADERS_REFUSED or low.startswith(("x-mcphub-", "proxy-")):
            notes.error((*path, index), "header_not_allowed", f"{name} is never passed through")
        elif not _header_name(low):
            notes.error((*path, index), "bad_header", "this is no header")


def credentials(config: Mapping[str, Any], kind: str, notes: Notes) -> None:
    for index, entry in enumerate(config.get("credentialTemplate", [])):
        path = ("credentialTemplate", index)
        target = entry.get("target") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if target not in ("env", "headers") or not isinstance(name, str) or not is_slot(credential_name(name)):
            notes.error(path, "type_conflict", "an entry has target env or headers, and a name")
        elif target == "headers" and kind == "stdio":
            notes.error(path, "headers_on_stdio", "a local process has no headers; use env")
        elif target == "headers" and not _header_name(name):
            notes.error(path, "bad_header", "this is no header")
        elif target == "env" and not _env_allowed(name):
            notes.error(path, "env_key_not_allowed", f"{name} would change how the process is run")
