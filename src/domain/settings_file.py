"""`mcp_settings.json` as text: read strictly, with the place of every problem, and written as people read it.

Order of members and unknown fields are kept.
What a document may say is `settings_check`; what of it is secret is `literal_secrets`.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, cast

from msgspec.structs import replace

from mcphub.domain.errors import Invalid
from mcphub.domain.findings import DocumentRefused, Finding, Path, escaped

MOST_BYTES = 4 * 1024 * 1024
MOST_DEPTH = 64
Document = dict[str, Any]


class BodyTooLarge(Invalid):
    code = "body_too_large"
    status = 413
    remedy = "A settings document has at most 4 MiB."

    def __init__(self) -> None:
        super().__init__("The settings document is too large.")


# reading


def parse(text: str | bytes) -> Document:
    """The document, members in the order written.

    Raises:
        BodyTooLarge: over 4 MiB.
        DocumentRefused: not strict JSON, the same key twice, deeper than 64 levels, or no object.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MOST_BYTES:
        raise BodyTooLarge
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentRefused([Finding("", "malformed_json", f"byte {error.start} is not UTF-8")]) from None
    _check_depth(decoded)
    twice = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        made = dict(pairs)
        twice = twice or len(made) < len(pairs)
        return made

    try:
        document = json.loads(
            decoded, object_pairs_hook=members, parse_constant=_refuse_number, parse_float=_float, parse_int=_int
        )
    except json.JSONDecodeError as error:
        raise DocumentRefused([Finding("", "malformed_json", error.msg, error.lineno, error.colno)]) from None
    except _BadNumber as error:
        raise DocumentRefused([Finding("", "malformed_json", str(error))]) from None
    if not isinstance(document, dict):
        raise DocumentRefused([Finding("", "malformed_json", "the document is not an object")])
    if twice:
        raise DocumentRefused(_written_twice(decoded))
    return cast(Document, document)


class _BadNumber(ValueError):
    pass


def _refuse_number(text: str) -> Any:
    raise _BadNumber(f"{text[:20]} is not a JSON number this hub keeps")


def _float(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else cast(float, _refuse_number(text))


def _int(text: str) -> int:
    return int(text) if len(text) <= 1000 else cast(int, _refuse_number(text))


# A string that is never closed runs to the end, and possessive quantifiers never retry: linear whatever is sent.
STRING = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
STRUCTURE = re.compile(STRING + r"|[{}\[\]]", re.DOTALL)
TOKEN = re.compile(STRING + r"|[{}\[\]:,]|[^\s{}\[\]:,\"]+", re.DOTALL)


def _check_depth(text: str) -> None:
    depth = 0
    for token in STRUCTURE.finditer(text):
        match token.group():
            case "{" | "[":
                depth += 1
                if depth > MOST_DEPTH:
                    line, column = Positions(text).at(token.start())
                    raise DocumentRefused(
                        [Finding("", "too_deep", f"there are more than {MOST_DEPTH} levels", line, column)]
                    )
            case "}" | "]":
                depth -= 1


class Positions:
    """Where things stand in a text that was parsed; worked out only when asked, because only errors need it."""

    def __init__(self, text: str | bytes) -> None:
        self._text = text.removeprefix("\ufeff") if isinstance(text, str) else text.decode("utf-8-sig")
        self._line_starts: list[int] = []

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        if not self._line_starts:
            self._line_starts = [0, *(found.end() for found in re.finditer("\n", self._text))]
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def placed(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings with line and column: of the member's key, of the element, or of the nearest thing around it."""
        if not findings:
            return []
        wanted = {found.pointer for found in findings}
        wanted |= {parent for found in wanted for parent in _parents(found)}
        offsets = {place: offset for place, offset, _ in _places(self._text) if place in wanted}
        out = []
        for found in findings:
            near = next((place for place in (found.pointer, *_parents(found.pointer)) if place in offsets), None)
            line, column = self.at(offsets[near]) if near is not None else (1, 1)
            out.append(replace(found, line=line, column=column))
        return out


def _parents(place: str) -> Iterator[str]:
    while place:
        place = place.rpartition("/")[0]
        yield place


def _written_twice(text: str) -> list[Finding]:
    positions = Positions(text)
    return [
        Finding(place, "duplicate_key", "this key appears twice in one object", *positions.at(offset))
        for place, offset, again in _places(text)
        if again
    ]


def _places(text: str) -> Iterator[tuple[str, int, bool]]:
    """(JSON pointer, offset, written before in its object?) of each member's key and each element of valid JSON."""
    around: list[tuple[str, set[str] | None]] = []  # pointer, and the keys so far when it is an object
    place, elements, key_next = "", [0], False
    for token in TOKEN.finditer(text):
        word = token.group()
        in_array = bool(around) and around[-1][1] is None
        if key_next and word[0] == '"':
            outer, keys = around[-1]
            key = json.loads(word)
            place = f"{outer}/{escaped(key)}"
            yield place, token.start(), keys is not None and key in keys
            if keys is not None:
                keys.add(key)
            key_next = False
            continue
        if in_array and word not in {",", "]"}:
            place = f"{around[-1][0]}/{elements[-1]}"
            yield place, token.start(), False
        match word:
            case "{":
                around.append((place, set()))
                key_next = True
            case "[":
                around.append((place, None))
                elements.append(0)
            case "}":
                around.pop()
                key_next = False
            case "]":
                around.pop()
                elements.pop()
            case ",":
                key_next = not in_array
                if in_array:
                    elements[-1] += 1


# writing


def dump(document: Mapping[str, Any]) -> str:
    """The document as text for people: two spaces, Korean as Korean."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def compact(value: Any) -> bytes:
    """A JSON value as events keep it: members in order, no spaces."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


# values inside a document


def plain(value: Any) -> Any:
    """A copy of a JSON value that shares nothing with it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def at(value: Any, path: Path) -> Any:
    """What stands at the path; None when nothing does."""
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


def objects(value: Any, member: str) -> Document:
    """A member that should be an object; {} when it is missing or something else."""
    found = value.get(member) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
