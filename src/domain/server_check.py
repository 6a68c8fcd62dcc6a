"""What one server's entry may say: every error and warning of the contract, with its place.

The entry may come from a person or from the ledger, where literal secrets are sealed.
Nothing in it is trusted to have the shape it should.
"""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from mcphub.domain import transport_check
from mcphub.domain.audience import EVERYONE, faults, users_named
from mcphub.domain.findings import Notes, Path, Policy, Report
from mcphub.domain.literal_secrets import SEALED, literal_secrets
from mcphub.domain.names import good_slug
from mcphub.domain.patterns import usable_pattern
from mcphub.domain.settings_file import MOST_DEPTH, objects
from mcphub.domain.slots import HUB_VARIABLE, NAME, PlaceholderSyntax, Text, is_slot, parts, slots_of, templates
from mcphub.domain.tool_names import FORM, KnownTools, claims, good_tool_name, holder

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
SHAPES = {
    member: shape
    for shape, members in (
        (str, "type command url description owner visibility"),
        (list, "args credentialTemplate passthroughHeaders"),
        (dict, "env headers openapi oauth mcphub options tools prompts resources"),
        (bool, "enabled enableKeepAlive perSessionClient startOnDemand"),
    )
    for member in members.split()
}
KNOWN = frozenset({*SHAPES, "keepAliveInterval", "idleTimeoutMs", "proxy"})
KNOWN_OURS = frozenset(
    {
        *("slug", "isolation", "audience", "contextHeaders", "userHosts", "riskLevel", "slots", "onToolChange"),
        *("prewarm", "keepPayloads"),
    }
)
KNOWN_OPTIONS = frozenset({"timeout", "resetTimeoutOnProgress", "maxTotalTimeout"})
ISOLATIONS = ("auto", "shared", "per-user", "per-session")
CONTEXT_HEADERS = ("identity", "tokens", "none")
TOOL_CHANGES = ("accept", "quarantine")
RISKS = ("low", "medium", "high", "critical")
MOST_NAME = 100


def check_server(name: str, config: Any, policy: Policy) -> Report:
    """Every error and warning of one server's entry; pointers start at the document."""
    notes = Notes(("mcpServers", name))
    if not sound(config, notes):
        return notes.report()
    if not good_name(name):
        notes.error((), "bad_name", "a server's name has 1 to 100 characters in NFC, no '/', and no '$' in front")
    if not isinstance(config, dict):
        notes.error((), "type_conflict", "a server is an object")
    elif _shapes(config, notes):
        _entry(config, policy, notes)
        _tool_names(config, lambda: policy.tools_of(name), notes)
    return notes.report()


def _entry(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    kind = _kind(config, notes)
    if kind == "stdio":
        transport_check.stdio(config, policy, notes)
    elif kind in {"sse", "streamable-http"}:
        transport_check.http(config, policy, notes)
    elif kind == "openapi":
        transport_check.openapi(config, policy, notes)
    transport_check.headers(config, notes)
    transport_check.credentials(config, kind, notes)
    _variables(config, policy, notes)
    _ours(config, policy, notes)
    _typos(config, notes)
    if config.get("proxy"):
        notes.warn(("proxy",), "not_applied", "proxy is kept and has no effect here")
    for path in literal_secrets(config):
        notes.warn(path, "literal_secret", "sealed and shown as a mask; use ${USER_…} or ${HUB_…} instead")


def good_name(name: str) -> bool:
    if not 1 <= len(name) <= MOST_NAME or "/" in name or name.startswith("$"):
        return False
    controls = any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in name)
    return not controls and bool(name.strip()) and unicodedata.is_normalized("NFC", name)


def kind_of(config: Mapping[str, Any]) -> str:
    """The transport of an entry that was accepted: stdio, streamable-http, sse or openapi."""
    if "type" in config:
        return TYPES[config["type"]]
    if "command" in config:
        return "stdio"
    if "openapi" in config:
        return "openapi"
    return "sse" if urlsplit(str(config.get("url"))).path.endswith("/sse") else "streamable-http"


def sound(value: Any, notes: Notes) -> bool:
    """Can the value be recorded at all: no NUL, no half of a surrogate pair, no NaN, no deeper than 64 levels?

    A text that was parsed can only fail by the first two; a value decoded elsewhere by all.
    """
    before = len(notes.errors)
    stack: list[tuple[Any, Path, int]] = [(value, (), len(notes.base))]
    while stack:
        item, path, level = stack.pop()
        if isinstance(item, str):
            if _unstorable(item):
                notes.error(path, "malformed_json", "a text holds NUL or half of a surrogate pair")
        elif isinstance(item, dict | list):
            if level >= MOST_DEPTH:
                notes.error(path, "too_deep", f"there are more than {MOST_DEPTH} levels")
                continue
            for key, inner in item.items() if isinstance(item, dict) else enumerate(item):
                if isinstance(key, str) and _unstorable(key):
                    notes.error(path, "malformed_json", "a key holds NUL or half of a surrogate pair")
                else:
                    stack.append((inner, (*path, key), level + 1))
        elif isinstance(item, float) and not isfinite(item):
            notes.error(path, "malformed_json", "not a finite number")
    return len(notes.errors) == before


def _unstorable(text: str) -> bool:
    return "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text))


def _shapes(config: Mapping[str, Any], notes: Notes) -> bool:
    before = len(notes.errors)
    for key, shape in SHAPES.items():
        if key in config and not isinstance(config[key], shape):
            notes.error((key,), "type_conflict", f"{key} is {'a list' if shape is list else _called(shape)}")
    for key in ("env", "headers"):
        for name, value in objects(config, key).items():
            if not isinstance(value, str) and not (isinstance(value, dict) and SEALED in value):
                notes.error((key, name), "type_conflict", "the value is a text")
    for kind in ("tools", "prompts", "resources"):
        for name, entry in objects(config, kind).items():
            # A switch that is no switch would leave on what somebody meant to turn off.
            if not isinstance(entry, dict) or not isinstance(entry.get("enabled", True), bool):
                notes.error((kind, name), "type_conflict", "an entry is an object, and enabled is true or false")
                continue
            for member in ("description", "name") if kind == "tools" else ("description",):
                if not isinstance(entry.get(member, ""), str):
                    notes.error((kind, name, member), "type_conflict", f"the {member} is a text")
    times: list[tuple[Path, Any]] = [((key,), config.get(key)) for key in ("keepAliveInterval", "idleTimeoutMs")]
    times += [(("options", key), objects(config, "options").get(key)) for key in ("timeout", "maxTotalTimeout")]
    for path, millis in times:
        if millis is not None and (isinstance(millis, bool) or not isinstance(millis, int | float) or millis < 0):
            notes.error(path, "type_conflict", "a number of milliseconds")
    for key in ("args", "passthroughHeaders"):
        elements = config.get(key)
        for index, value in enumerate(elements if isinstance(elements, list) else ()):
            if not isinstance(value, str):
                notes.error((key, index), "type_conflict", "the element is a text")
    return len(notes.errors) == before


def _called(shape: type) -> str:
    return {str: "a text", dict: "an object", bool: "true or false"}[shape]


def _kind(config: Mapping[str, Any], notes: Notes) -> str:
    named = config.get("type")
    if named is not None and named not in TYPES:
        notes.error(("type",), "type_conflict", f"{named!r} is no transport")
        return ""
    targets = [key for key in ("command", "url") if config.get(key)] + ["openapi"] * ("openapi" in config)
    needed = TARGET[TYPES[named]] if named is not None else ""
    if needed and targets and needed not in targets:
        notes.error(("type",), "type_conflict", f"{named} does not go with {targets[0]}")
        return ""
    if not targets:
        notes.error((), "missing_target", f"{needed or 'command, url or openapi'} is missing")
        return ""
    if len(targets) > 1:
        notes.error((), "type_conflict", f"{' and '.join(targets)} belong to different transports")
        return ""
    kind = kind_of(config)
    if named is None and targets == ["url"]:
        notes.warn((), "type_inferred", f"taken for {kind}; write the type to be sure")
    return kind


def _variables(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    for _, path, template in templates(config):
        try:
            names = [part.name for part in parts(template) if not isinstance(part, Text)]
        except PlaceholderSyntax as error:
            notes.error(path, "placeholder_syntax", f"{error}; a variable is written ${{NAME}}, nothing else")
            continue
        for name in names:
            if is_slot(name):
                continue
            if not hub_variable(name, policy.config_env):
                notes.error(path, "env_not_allowed", f"${{{name}}} is neither a user's variable nor a hub variable")
            elif name not in policy.hub_variables and name not in policy.stored_variables:
                notes.warn(path, "hub_variable_unset", f"the hub has no value for {name}; store one or set it there")


def hub_variable(name: str, config_env: frozenset[str] = frozenset()) -> bool:
    """May a document read this variable of the hub's environment? Never the hub's own or its database's."""
    if name.startswith(("MCPHUB_", "PG")) or name == "DATABASE_URL":
        return False
    return HUB_VARIABLE.fullmatch(name) is not None or (name in config_env and NAME.fullmatch(name) is not None)


def _ours(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    ours = config.get("mcphub", {})
    slots = slots_of(config)
    for slot in slots:
        if slot.pattern and not usable_pattern(slot.pattern):
            notes.error(("mcphub", "slots", slot.name), "pattern_invalid", "validationRegex is no usable pattern")
    for member, allowed in (
        ("isolation", ISOLATIONS),
        ("contextHeaders", CONTEXT_HEADERS),
        ("riskLevel", RISKS),
        ("onToolChange", TOOL_CHANGES),
    ):
        if member in ours and ours[member] not in allowed:
            notes.error(("mcphub", member), "type_conflict", f"one of {', '.join(allowed)}")
    for member in ("prewarm", "keepPayloads"):
        if not isinstance(ours.get(member, True), bool):
            notes.error(("mcphub", member), "type_conflict", "true or false")
    if ours.get("isolation") == "shared" and slots:
        notes.error(("mcphub", "isolation"), "isolation_shared_with_slots", "a server with variables is never shared")
    if "slug" in ours and not (isinstance(ours["slug"], str) and good_slug(ours["slug"])):
        notes.error(("mcphub", "slug"), "bad_name", "a slug is 1 to 24 of a-z, 0-9, and single '-' between them")
    hosts = ours.get("userHosts", [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) and host for host in hosts):
        notes.error(("mcphub", "userHosts"), "type_conflict", "userHosts is a list of host patterns")
    for path, why in faults(ours.get("audience", EVERYONE)):
        notes.error(("mcphub", "audience", *path), "bad_audience", why)
    unknown_users(config, policy, notes)
    if config.get("visibility", "public") != "public" and "audience" in ours:
        notes.warn(("mcphub", "audience"), "not_applied", "a server that is not public is its owner's alone")
    if config.get("visibility", "public") not in {"public", "private"}:
        notes.warn(("visibility",), "not_applied", "acts as private")


def _tool_names(config: Mapping[str, Any], of_server: Callable[[], KnownTools], notes: Notes) -> None:
    """Two tools cannot share a name. One of the server's own that is like a name given before, or is not known to be
    listed, gives way.
    """
    for kind in ("prompts", "resources"):
        for other, entry in objects(config, kind).items():
            if "name" in entry:
                notes.warn((kind, other, "name"), "not_applied", "kept and without effect: only tools are given names")
    entries = objects(config, "tools")
    given = {tool: entry["name"] for tool, entry in entries.items() if entry.get("name", tool) != tool}
    if not given:
        return
    known, times = of_server(), Counter(given.values())
    slug = known.slug
    listed, written = claims(slug, known.listed, {}), claims(slug, entries.keys() - given.keys(), {})
    for tool, name in given.items():
        path = ("tools", tool, "name")
        if not good_tool_name(name):
            notes.error(path, "bad_name", f"a tool's name is {FORM}")
        elif times[name] > 1:
            notes.error(path, "tool_name_taken", "another tool is given this name, too")
        elif (other := holder(listed, slug, tool, name)) and known.given.get(tool) != name:
            notes.error(path, "tool_name_taken", f"the server's tool {other!r} has this name, or one like it")
        elif other := other or holder(written, slug, tool, name):
            notes.warn(path, "tool_name_taken", f"if the server has {other!r}, that is shown with a hash")


def unknown_users(config: Mapping[str, Any], policy: Policy, notes: Notes) -> None:
    """Warns of names that nobody has: who comes from elsewhere is not given them."""
    for path, user in users_named(config):
        if not policy.user_exists(user):
            notes.warn(
                path, "unknown_user", f"there is no user {user!r}; who comes from elsewhere is not given the name"
            )


def _typos(config: Mapping[str, Any], notes: Notes) -> None:
    looked_at: list[tuple[Path, Mapping[str, Any], frozenset[str]]] = [
        ((), config, KNOWN),
        (("mcphub",), objects(config, "mcphub"), KNOWN_OURS),
        (("options",), objects(config, "options"), KNOWN_OPTIONS),
    ]
    for path, value, known in looked_at:
        for key in value:
            if key not in known and (meant := _nearest(key, known)):
                notes.warn((*path, key), "did_you_mean", f"{key} is kept without effect; did you mean {meant}?")


@lru_cache(1000)
def _nearest(key: str, known: frozenset[str]) -> str:
    return next(iter(difflib.get_close_matches(key[:100], sorted(known), 1, 0.8)), "")
