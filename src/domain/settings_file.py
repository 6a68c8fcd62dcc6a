"""`mcp_settings.json`: read strictly, checked completely, and never with a secret in the clear behind this door.

A document is checked as a whole: every error is reported with its JSON pointer, warnings never block.
Unknown fields are kept.
Literal secrets become `{"$sealed": …}` before anything is recorded, and show as bullets in every read.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from msgspec import Struct

from mcphub.domain.errors import Invalid, SettingsInvalid
from mcphub.domain.vault import MASK

MOST_BYTES = 4 * 1024 * 1024
MOST_DEPTH = 64
SEALED = "$sealed"
Document = dict[str, Any]
Path = tuple[str | int, ...]


class Finding(Struct, frozen=True):
    """An error or warning. `pointer` is a JSON pointer (RFC 6901); line and column count from 1, 0 when unknown."""

    pointer: str
    code: str
    detail: str
    line: int = 0
    column: int = 0


class BodyTooLarge(Invalid):
    code = "body_too_large"
    status = 413
    remedy = "A settings document has at most 4 MiB."

    def __init__(self) -> None:
        super().__init__("The settings document is too large.")


def pointer(path: Path) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def refuse(*findings: Finding) -> SettingsInvalid:
    """The refusal that carries these findings; places are in the detail because errors have three parts."""
    return SettingsInvalid(tuple((found.pointer, found.code, _placed(found)) for found in findings))


def _placed(found: Finding) -> str:
    return f"{found.detail} (line {found.line}, column {found.column})" if found.line else found.detail


# reading


def parse(text: str | bytes) -> Document:
    """The document, members in the order written.

    Raises:
        BodyTooLarge: over 4 MiB.
        SettingsInvalid: not strict JSON, the same key twice, deeper than 64 levels, or no object.
    """
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MOST_BYTES:
        raise BodyTooLarge
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(Finding("", "malformed_json", f"byte {error.start} is not UTF-8")) from None
    _check_depth(decoded)
    try:
        document = json.loads(decoded, object_pairs_hook=_Members, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise refuse(Finding("", "malformed_json", error.msg, error.lineno, error.colno)) from None
    except _Constant as error:
        raise refuse(Finding("", "malformed_json", f"{error} is not JSON")) from None
    if not isinstance(document, dict):
        raise refuse(Finding("", "malformed_json", "the document is not an object"))
    twice = [(*path, key) for path, members in _objects(document, ()) for key in members.twice]
    if twice:
        raise refuse(*(_locate(decoded, path) for path in twice))
    return cast(Document, plain(document))


class _Members(dict[str, Any]):
    """An object that remembers which of its keys were written twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


class _Constant(ValueError):
    pass


def _no_constant(name: str) -> Any:
    raise _Constant(name)


def _objects(value: Any, path: Path) -> Iterator[tuple[Path, _Members]]:
    if isinstance(value, _Members):
        yield path, value
        for key, item in value.items():
            yield from _objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects(item, (*path, index))


def plain(value: Any) -> Any:
    """The same JSON value as ordinary dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')


def _check_depth(text: str) -> None:
    depth = 0
    for token in STRUCTURE.finditer(text):
        match token.group():
            case "{" | "[":
                depth += 1
                if depth > MOST_DEPTH:
                    line, column = _place(text, token.start())
                    raise refuse(Finding("", "too_deep", f"more than {MOST_DEPTH} levels", line, column))
            case "}" | "]":
                depth -= 1


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _locate(text: str, path: Path) -> Finding:
    """The second place of a key written twice."""
    key = json.dumps(path[-1], ensure_ascii=False)
    places = [match.start() for match in re.finditer(re.escape(key) + r"\s*:", text)]
    line, column = _place(text, places[-1]) if places else (0, 0)
    return Finding(pointer(path), "duplicate_key", f"the key {key} appears twice in one object", line, column)


def dump(document: Mapping[str, Any]) -> str:
    """The document as text for people: two spaces, Korean as Korean."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def compact(value: Any) -> bytes:
    """A JSON value as events keep it: members in order, no spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# literal secrets

SECRET_HEADER = re.compile(r"(?i)^(authorization|cookie)$|key|token|secret")
SECRET_ENV = re.compile(r"(?i)TOKEN|KEY|SECRET|PASSWORD|PASSWD")
SECRET_MEMBER = re.compile(r"(?i)(secret|token|password|credentials)$")
SECRET_SYSTEM = {("routing", "bearerAuthKey"), ("smartRouting", "openaiApiKey"), ("smartRouting", "dbUrl")}
PLACEHOLDER_SECRET = re.compile(r"(?=.*[a-z])(?=.*[A-Z0-9])[^\s@]{20,}")


def secret_paths(config: Mapping[str, Any]) -> list[Path]:
    """Where a server's configuration holds, or would hold, a literal secret: strings without a variable in them."""
    from mcphub.domain.slots import is_slot  # here, because slots knows nothing of documents

    found: list[Path] = []
    for key, value in _members(config, "headers"):
        if SECRET_HEADER.search(key) and is_literal(value):
            found.append(("headers", key))
    for key, value in _members(config, "env"):
        if is_slot(key):
            if isinstance(value, dict) or (isinstance(value, str) and looks_secret(value)):
                found.append(("env", key))
        elif SECRET_ENV.search(key) and is_literal(value):
            found.append(("env", key))
    openapi = config.get("openapi")
    if isinstance(openapi, dict):
        for path, value in leaves(openapi.get("security"), ("openapi", "security")):
            member = str(path[-1])
            if (SECRET_MEMBER.search(member) or path[-2:] == ("apiKey", "value")) and is_literal(value):
                found.append(path)
    for path, value in leaves(config.get("oauth"), ("oauth",)):
        if SECRET_MEMBER.search(str(path[-1])) and is_literal(value):
            found.append(path)
    return found


def secret_paths_outside(document: Mapping[str, Any]) -> list[Path]:
    """The same for everything beside `mcpServers`."""
    found: list[Path] = []
    for member, value in document.items():
        if member in {"mcpServers", "users"}:
            continue
        for path, item in leaves(value, (member,)):
            named = SECRET_MEMBER.search(str(path[-1])) or str(path[-1]) == "key"
            if (named or path[1:] in SECRET_SYSTEM) and is_literal(item):
                found.append(path)
    return found


def _members(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    value = config.get(name)
    if isinstance(value, dict):
        yield from value.items()


def leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every scalar, and every sealed value, with its path."""
    if isinstance(value, dict) and SEALED not in value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def is_literal(value: Any) -> bool:
    """A text without a variable, or one that is sealed already."""
    if isinstance(value, dict):
        return SEALED in value
    return isinstance(value, str) and value != "" and not re.search(r"(?<!\$)\$\{", value)


def looks_secret(text: str) -> bool:
    """20 or more characters of mixed classes, no space, not an address: a real value where a sample was meant."""
    return "://" not in text and PLACEHOLDER_SECRET.fullmatch(text) is not None


def sealed_copy(
    wanted: Mapping[str, Any],
    current: Mapping[str, Any] | None,
    paths: list[Path],
    seal: Callable[[Path, str], str],
    same: Callable[[Path, str, str], bool],
) -> Document:
    """The wanted value with literal secrets sealed.

    A mask written back, and a text equal to what is sealed now, keep the present sealed value, so that saving the same
    document again changes nothing.

    Args:
        seal: makes the sealed text of a plaintext at a path.
        same: is the plaintext at this path what this sealed text holds?

    Raises:
        SettingsInvalid: a mask stands where nothing is sealed.
    """
    out = cast(Document, plain(wanted))
    for path in paths:
        value = at(out, path)
        present = at(current, path) if current is not None else None
        present_sealed = present[SEALED] if isinstance(present, dict) and SEALED in present else None
        if isinstance(value, dict):
            if value.get(SEALED) != present_sealed:
                raise refuse(Finding(pointer(path), "masked_value", "a sealed value cannot be written, only kept"))
            continue
        if value == MASK:
            if present_sealed is None:
                raise refuse(Finding(pointer(path), "masked_value", "there is no stored value behind this mask"))
            put(out, path, {SEALED: present_sealed})
        elif present_sealed is not None and same(path, value, present_sealed):
            put(out, path, {SEALED: present_sealed})
        else:
            put(out, path, {SEALED: seal(path, value)})
    return out


def masked(value: Any) -> Any:
    """The value as reads show it: bullets for everything sealed."""
    if isinstance(value, dict):
        return MASK if SEALED in value else {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(cast(str, part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def put(value: Any, path: Path, item: Any) -> None:
    for part in path[:-1]:
        value = value[part]
    value[path[-1]] = item
