"""What a settings document may say as a whole. Every error is reported with its place; warnings never block."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mcphub.domain import body_limit
from mcphub.domain.findings import Notes, Path, Policy, Report
from mcphub.domain.literal_secrets import literal_secrets_outside
from mcphub.domain.server_check import check_server, sound
from mcphub.domain.settings_file import Positions, objects

PRESERVED = ("groups", "userConfigs", "oauthClients", "bearerKeys", "prompts", "resources")


def check(document: Mapping[str, Any], policy: Policy, positions: Positions | None = None) -> Report:
    """Every error and warning of a whole document.

    Args:
        positions: of the text that was sent, so that findings have lines and columns.
    """
    notes = Notes()
    servers = document.get("mcpServers")
    if isinstance(servers, dict):
        for name, config in servers.items():
            one = check_server(name, config, policy)
            notes.errors += one.errors
            notes.warnings += one.warnings
        _names(servers, notes)
    else:
        notes.error(("mcpServers",), "missing_target", "the document has no object mcpServers")
    rest = {member: value for member, value in document.items() if member != "mcpServers"}
    if sound(rest, notes):
        _beside(rest, notes)
    if positions is not None:
        return Report(positions.placed(notes.errors), positions.placed(notes.warnings))
    return notes.report()


def check_system(system: Any) -> Report:
    """Every error and warning of `systemConfig` alone."""
    notes = Notes()
    if sound({"systemConfig": system}, notes):
        _beside({"systemConfig": system}, notes)
    return notes.report()


def _names(servers: Mapping[str, Any], notes: Notes) -> None:
    folded: dict[str, str] = {}
    slugs: dict[str, str] = {}
    for name, config in servers.items():
        if other := folded.get(name.casefold()):
            notes.warn(("mcpServers", name), "name_case_clash", f"{name!r} and {other!r} differ only in case")
        folded[name.casefold()] = name
        slug = objects(config, "mcphub").get("slug")
        if isinstance(slug, str):
            if other := slugs.get(slug):
                notes.error(("mcpServers", name, "mcphub", "slug"), "slug_taken", f"{other!r} asks for {slug!r} too")
            slugs[slug] = name


def _beside(document: Mapping[str, Any], notes: Notes) -> None:
    _system(document, notes)
    for member in PRESERVED:
        if document.get(member):
            notes.warn((member,), "not_applied", f"{member} is kept and has no effect here")
    if document.get("users"):
        notes.warn(("users",), "users_ignored", "users are managed in the hub; these entries are dropped")
    for path in literal_secrets_outside(document):
        notes.warn(path, "literal_secret", "this secret is sealed and shown as a mask")


def _system(document: Mapping[str, Any], notes: Notes) -> None:
    if "systemConfig" not in document:
        return
    system = document["systemConfig"]
    if not isinstance(system, dict):
        notes.error(("systemConfig",), "type_conflict", "systemConfig is an object")
        return
    for member in ("routing", "install", "smartRouting"):
        if member in system and not isinstance(system[member], dict):
            notes.error(("systemConfig", member), "type_conflict", f"{member} is an object")
    routing = objects(system, "routing")
    if routing.get("skipAuth"):
        notes.error(("systemConfig", "routing", "skipAuth"), "skip_auth_refused", "nobody passes without a key")
    _body_limit(("systemConfig", "routing", "jsonBodyLimit"), routing.get("jsonBodyLimit"), notes)
    for member, value in objects(system, "install").items():
        _address(("systemConfig", "install", member), value, notes)
    base = objects(system, "smartRouting").get("openaiApiBaseUrl")
    if not _placeholder(base):
        _address(("systemConfig", "smartRouting", "openaiApiBaseUrl"), base, notes, query=False)
    for path in _not_applied(system, routing):
        notes.warn(("systemConfig", *path), "not_applied", "kept and without effect here")


def _body_limit(path: Path, value: Any, notes: Notes) -> None:
    if value is None:
        return
    size = body_limit.written(value)
    if size is None or size < body_limit.LEAST:
        notes.error(path, "value_not_allowed", "a size is a number of bytes or a text such as 512kb, at least 1kb")
    elif size > body_limit.MOST:
        notes.warn(path, "size_capped", "more than 10mb is taken for 10mb")


def _address(path: Path, url: Any, notes: Notes, *, query: bool = True) -> None:
    """One that stands on the record, or in the environment of children, as it was written: no place for a secret.

    Args:
        query: may it have one?
    """
    if url in (None, ""):
        return
    try:
        split = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        split = None
    if split is None or split.scheme not in {"http", "https"} or not split.netloc or any(char <= " " for char in url):
        notes.error(path, "bad_url", "an address begins with http:// or https:// and names a host")
    elif "@" in split.netloc:
        notes.error(path, "credentials_in_url", "this address holds no credentials")
    elif not query and (split.query or split.fragment):
        notes.error(path, "bad_url", "this address has no query; a key has a member of its own")


def _placeholder(value: Any) -> bool:
    """As earlier hubs filled from their environment."""
    return isinstance(value, str) and value.startswith("${")


def _not_applied(system: Mapping[str, Any], routing: Mapping[str, Any]) -> Iterator[Path]:
    for key in ("bearerAuthKey", "bearerAuthHeaderName", "enableBearerAuth"):
        if routing.get(key):
            yield ("routing", key)
    if system.get("nameSeparator", "__") != "__":
        yield ("nameSeparator",)
    if objects(system, "smartRouting").get("dbUrl"):
        yield ("smartRouting", "dbUrl")
    if _placeholder(objects(system, "smartRouting").get("openaiApiBaseUrl")):
        yield ("smartRouting", "openaiApiBaseUrl")
    for key in ("oauthServer", "toolResultCompression", "enableSessionRebuild", "activityLog", "discovery"):
        if system.get(key):
            yield (key,)


__all__ = ["Policy", "Report", "check", "check_server", "check_system"]
