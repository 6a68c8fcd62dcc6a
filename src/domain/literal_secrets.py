"""Secrets written into `mcp_settings.json` itself: sealed before anything is recorded, bullets in every read.

A sealed value is `{"$sealed": "v1…"}` in the place of the text.
It is bound to its place inside the server's entry, not to the server's name, so it opens after a rename.
Paths here start at the server's entry; for everything beside `mcpServers` they start at the document.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from mcphub.domain.findings import DocumentRefused, Finding, Path, pointer
from mcphub.domain.settings_file import Document, at, plain, put
from mcphub.domain.slots import is_slot
from mcphub.domain.vault import MASK

SEALED = "$sealed"
PURPOSE = "settings"
BULLETS = "•" * 4

HEADER = re.compile(r"(?i)^(authorization|cookie)$|key|token|secret")
ENV = re.compile(r"(?i)TOKEN|KEY|SECRET|PASSWORD|PASSWD")
MEMBER = re.compile(r"(?i)(secret|token|password|credential)s?$")
SYSTEM = {("routing", "bearerAuthKey"), ("smartRouting", "openaiApiKey"), ("smartRouting", "dbUrl")}
VARIABLE = re.compile(r"(?<!\$)\$\{")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
CLASSES = [re.compile(pattern) for pattern in ("[a-z]", "[A-Z]", "[0-9]")]

Seal = Callable[[str, str], str]  # (pointer, plaintext) → sealed text
Opens = Callable[[str, str], bool]  # (pointer, sealed text): is its key still there?
Same = Callable[[str, str, str], bool]  # (pointer, plaintext, sealed text): does the one open to the other?


def place(where: str) -> tuple[str, str]:
    """What a sealed literal is bound to: the context for `Vault.seal_new` and `Vault.open`.

    Args:
        where: the pointer `seal` and `open_sealed` are given.
    """
    return (PURPOSE, where)


def literal_secrets(config: Mapping[str, Any]) -> list[Path]:
    """Where a server's entry holds a literal secret, in the clear or sealed already."""
    found: list[Path] = []
    for key, value in _members(config, "headers"):
        if HEADER.search(key) and is_literal(value):
            found.append(("headers", key))
    for key, value in _members(config, "env"):
        # The text of a slot's own entry is only the form's example, unless somebody pasted a real value there.
        if is_literal(value) and (_pasted(value) if is_slot(key) else ENV.search(key)):
            found.append(("env", key))
    openapi = config.get("openapi")
    security = openapi.get("security") if isinstance(openapi, dict) else None
    for path, value in _leaves(security, ("openapi", "security")):
        if (path[-2:] == ("apiKey", "value") or MEMBER.search(_name(path))) and is_literal(value):
            found.append(path)
    found += [
        path
        for path, value in _leaves(config.get("oauth"), ("oauth",))
        if MEMBER.search(_name(path)) and is_literal(value)
    ]
    return found


def literal_secrets_outside(document: Mapping[str, Any]) -> list[Path]:
    """The same for everything beside `mcpServers`."""
    found: list[Path] = []
    for member, value in document.items():
        if member in {"mcpServers", "users"}:
            continue
        for path, item in _leaves(value, (member,)):
            named = MEMBER.search(_name(path)) or _name(path) == "key" or path[1:] in SYSTEM
            if named and is_literal(item):
                found.append(path)
    return found


def is_literal(value: Any) -> bool:
    """A text without a variable, or one that is sealed already."""
    if isinstance(value, dict):
        return SEALED in value
    return isinstance(value, str) and value != "" and not VARIABLE.search(value)


def looks_secret(text: str) -> bool:
    """20 or more characters of mixed classes, no space, no address: a real value where an example was meant."""
    if len(text) < 20 or "://" in text or any(char.isspace() for char in text) or EMAIL.fullmatch(text):
        return False
    return sum(bool(kind.search(text)) for kind in CLASSES) >= 2


def seal_secrets(document: Mapping[str, Any], current: Mapping[str, Any], seal: Seal, same: Same) -> Document:
    """The document with every literal secret sealed, ready for `ApplySettings`.

    A mask written back, and a text equal to what is sealed now, keep the present sealed value, so that saving the same
    document again changes nothing.

    Args:
        current: the document as recorded, sealed values sealed.

    Raises:
        DocumentRefused: a mask where nothing is sealed, or a sealed value of the sender's own making.
    """
    wrong: list[Finding] = []
    servers = document.get("mcpServers")
    out: Document = {member: value if member == "mcpServers" else plain(value) for member, value in document.items()}
    if isinstance(servers, dict):
        present = current.get("mcpServers", {})
        out["mcpServers"] = {
            name: _sealed(config, present.get(name), literal_secrets(config), seal, same, ("mcpServers", name), wrong)
            for name, config in servers.items()
        }
    outside = {member: value for member, value in out.items() if member != "mcpServers"}
    out.update(_sealed(outside, current, literal_secrets_outside(outside), seal, same, (), wrong))
    if wrong:
        raise DocumentRefused(wrong)
    return out


def seal_server(
    name: str, config: Mapping[str, Any], current: Mapping[str, Any] | None, seal: Seal, same: Same
) -> Document:
    """The same for the entry of one server.

    Args:
        current: the entry as recorded; None for a new server.

    Raises:
        DocumentRefused: as for a whole document.
    """
    wrong: list[Finding] = []
    out = _sealed(config, current, literal_secrets(config), seal, same, ("mcpServers", name), wrong)
    if wrong:
        raise DocumentRefused(wrong)
    return out


def seal_system(system: Mapping[str, Any], current: Mapping[str, Any], seal: Seal, same: Same) -> Document:
    """The same for `systemConfig`.

    Raises:
        DocumentRefused: as for a whole document.
    """
    sealed = seal_secrets({"systemConfig": system}, {"systemConfig": current}, seal, same)
    return cast(Document, sealed["systemConfig"])


def restored(then: Mapping[str, Any], now: Mapping[str, Any], opens: Opens) -> Document:
    """A former document, to be recorded again: its sealed values as they were, or the present one of their place where
    the former one's key is gone.

    Raises:
        DocumentRefused: the key of a value is gone, and nothing is sealed in its place now.
    """
    out, wrong = cast(Document, plain(then)), []
    for path, value in _leaves(then, ()):
        sealed = _sealed_text(value)
        inside = path[2:] if path[:1] == ("mcpServers",) else path
        if sealed is None or opens(pointer(inside), sealed):
            continue
        present = _sealed_text(at(now, path))
        if present is None:
            wrong.append(
                Finding(pointer(path), "sealed_value_gone", "the key of this value is destroyed: enter it anew")
            )
        else:
            put(out, path, {SEALED: present})
    if wrong:
        raise DocumentRefused(wrong)
    return out


def masked(value: Any) -> Any:
    """A copy as reads show it: bullets for everything sealed."""
    if isinstance(value, dict):
        return MASK if SEALED in value else {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def _sealed(
    wanted: Mapping[str, Any],
    current: Mapping[str, Any] | None,
    paths: list[Path],
    seal: Seal,
    same: Same,
    base: Path,
    wrong: list[Finding],
) -> Document:
    out = cast(Document, plain(wanted))
    expected = set(paths)
    for path, value in _leaves(wanted, ()):
        if isinstance(value, dict) and SEALED in value and path not in expected:
            wrong.append(Finding(pointer((*base, *path)), "masked_value", "a sealed value does not belong here"))
    for path in paths:
        value, where = at(out, path), pointer(path)
        present = _sealed_text(at(current, path))
        if isinstance(value, dict):
            if _sealed_text(value) != present:
                wrong.append(Finding(pointer((*base, *path)), "masked_value", "a sealed value is kept, never written"))
        elif value == MASK and present is not None:
            put(out, path, {SEALED: present})
        elif BULLETS in value:
            wrong.append(Finding(pointer((*base, *path)), "masked_value", "no stored value is behind this mask"))
        elif present is not None and same(where, value, present):
            put(out, path, {SEALED: present})
        else:
            put(out, path, {SEALED: seal(where, value)})
    return out


def _sealed_text(value: Any) -> str | None:
    text = value.get(SEALED) if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _pasted(value: Any) -> bool:
    return isinstance(value, dict) or value == MASK or looks_secret(value)


def _name(path: Path) -> str:
    """The nearest member's name; an element of `tokens` is one of `tokens`."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _members(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    value = config.get(name)
    if isinstance(value, dict):
        yield from value.items()


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every scalar, and every sealed value, with its path."""
    if isinstance(value, dict) and SEALED not in value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value
