"""The text of an OpenAPI document as a JSON value.

Pure: no I/O. What YAML has beyond JSON is not taken: dates, `on` for true, aliases that multiply without end.
"""

import re
from typing import Any

import msgspec
import yaml

from mcphub.gateway.upstream.openapi_schema import Unsupported

MOST_YAML = 4 * 1024 * 1024  # bytes; its parser holds everybody up for as long as it takes
MOST_VALUES = 2_000_000  # aliases counted as often as they are used


def read(text: bytes) -> dict[str, Any]:
    """A document in JSON or YAML.

    Raises:
        Unsupported: it is neither, or not of a version this hub reads.
    """
    begins = text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    try:
        found = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf")) if begins == b"{" else _from_yaml(text)
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise Unsupported("the document is neither JSON nor YAML") from None
    if not isinstance(found, dict):
        raise Unsupported("the document is no OpenAPI document")
    return found


class _Loader(yaml.CSafeLoader):
    """YAML as OpenAPI has it (the JSON schema of YAML 1.2): no dates, no `on` for true."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  as the library has it


for _tag, _spelling, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+0123456789.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_spelling})$"), _first)


def _from_yaml(text: bytes) -> Any:
    if len(text) > MOST_YAML:
        raise Unsupported(f"the document has more than {MOST_YAML} bytes of YAML; it may have more as JSON")
    return _plain(yaml.load(text, Loader=_Loader), [MOST_VALUES])  # noqa: S506  a safe loader


def _plain(value: Any, left: list[int]) -> Any:
    """With texts for keys (`200:` is a number in YAML), and with an end to what aliases multiply."""
    left[0] -= 1
    if left[0] < 0:
        raise Unsupported(f"the document has more than {MOST_VALUES} values")
    if isinstance(value, dict):
        return {str(key): _plain(item, left) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, left) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)  # a tag made it a date
