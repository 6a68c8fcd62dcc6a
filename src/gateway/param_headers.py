"""`Mcp-Param-*`: arguments of a tool that its schema wants repeated in headers, for whatever routes in front of it.

An older server knows nothing of it, so the hub sees to it that headers and arguments say the same. An older client
knows nothing of it, so towards a newer server the hub says them in its place.

Spec: MCP 2026-07-28, Transports, Custom headers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcphub.gateway.envelope import decoded, encoded

MARK = "x-mcp-header"
PREFIX = "mcp-param-"
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
PRIMITIVE = {"string", "integer", "boolean"}
DECIMAL = re.compile(r"(-?[0-9]+)(?:\.0+)?")


def disagreement(schema: Any, arguments: Any, headers: Mapping[str, str]) -> str:
    """What headers and arguments disagree in; '' for nothing.

    Args:
        headers: by lower-case name.
    """
    marked = list(_marked(schema, ()))
    if not _sound(marked):
        return ""  # a client that keeps to the specification leaves out the tool, and so the headers
    for path, kind, token in marked:
        sent = headers.get(PREFIX + token.lower())
        value = _at(arguments, path)
        said = _written(value)
        if sent is None and said is None:
            continue
        name = f"Mcp-Param-{token}"
        if sent is None:
            return f"The header {name} is missing, which repeats the argument {'.'.join(path)}."
        if said is None or not _same(kind, value, said, decoded(sent)):
            return f"The header {name} is another one than the argument {'.'.join(path)}."
    return ""


def repetitions(schema: Any, arguments: Any) -> Mapping[str, str]:
    """The headers with which a client of this revision repeats these arguments, by lower-case name."""
    marked = list(_marked(schema, ()))
    if not _sound(marked):
        return {}
    said = ((token, _written(_at(arguments, path))) for path, _, token in marked)
    return {PREFIX + token.lower(): encoded(text) for token, text in said if text is not None}


def _marked(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """(path, type, header) of every marked property that is reached by properties alone."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    for name, below in properties.items():
        here = (*path, name)
        if isinstance(below, dict) and MARK in below:
            yield here, below.get("type"), below[MARK]
        yield from _marked(below, here)


def _sound(marked: list[tuple[tuple[str, ...], Any, Any]]) -> bool:
    tokens = [token.lower() for _, _, token in marked if isinstance(token, str) and TOKEN.fullmatch(token)]
    kinds = {kind if isinstance(kind, str) else "" for _, kind, _ in marked}
    return len(tokens) == len(marked) == len(set(tokens)) and kinds <= PRIMITIVE


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, dict) else None
    return arguments


def _written(value: Any) -> str | None:
    """As a client writes it into a header; None for what it leaves out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:  # more digits than are written out
        return None


def _same(kind: Any, value: Any, said: str, sent: str | None) -> bool:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if kind == "integer" and whole and sent is not None and (found := DECIMAL.fullmatch(sent)):
        return len(found[1]) < 4000 and int(found[1]) == int(value)
    return sent == said
