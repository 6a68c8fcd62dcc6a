"""The four tools that stand for all others in exposure mode `search`, and the shapes of their answers.

Their texts name no server and no user: they are the same for everybody, tell nothing, and clients may keep them.
What is quoted of upstreams is untrusted: one line, cut, without control characters.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import DecodeError, Raw, Struct
from msgspec.json import decode, encode

from mcphub.gateway import wire
from mcphub.search.words import clean, first

MetaTool = Literal["search_tools", "describe_tools", "call_tool", "list_servers"]

MOST_QUERY = 500  # characters
MOST_FOUND, USUALLY_FOUND = 20, 5
MOST_DESCRIBED = 10
MOST_SUMMARY = 160  # characters
MOST_ARGUMENTS = 8
MOST_SCHEMA = 16 * 1024  # bytes
CALL_IT = 'Call it with {"tool": "server__tool", "arguments": {…}}; search_tools finds the id.'

_READS = {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False}
DEFINITIONS: list[tuple[str, bytes]] = [
    (str(definition["name"]), encode(definition))
    for definition in (
        {
            "name": "search_tools",
            "title": "Search tools",
            "description": (
                "Find tools across every MCP server you may use on this hub. Write the query as short English keywords:"
                ' action + object + product ("create issue jira"); Korean works too. Returns tool ids with one-line'
                " summaries, best first. Then read the parameters with describe_tools and run it with call_tool."
                " If nothing fits, search again with other words or call list_servers."
            ),
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": MOST_QUERY,
                        "description": "Action + object + product",
                    },
                    "server": {"type": "string", "description": "Only tools of this server"},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": USUALLY_FOUND},
                    "detail": {
                        "type": "string",
                        "enum": ["summary", "schema"],
                        "default": "summary",
                        "description": "schema: also return inputSchema, saving describe_tools",
                    },
                },
                "required": ["query"],
                "additionalProperties": False,
            },
            "annotations": _READS,
        },
        {
            "name": "describe_tools",
            "title": "Describe tools",
            "description": "Full description, input schema and annotations of up to 10 tools by id.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "tools": {
                        "type": "array",
                        "items": {"type": "string"},
                        "minItems": 1,
                        "maxItems": MOST_DESCRIBED,
                        "description": 'Tool ids from search_tools, e.g. "atlassian__jira_create_issue"',
                    }
                },
                "required": ["tools"],
                "additionalProperties": False,
            },
            "annotations": _READS,
        },
        {
            "name": "call_tool",
            "title": "Call a tool",
            "description": (
                "Run one tool by id with the arguments its input schema asks for."
                " Returns the tool's own result unchanged."
            ),
            "inputSchema": {
                "type": "object",
                "properties": {
                    "tool": {"type": "string", "description": "Tool id from search_tools"},
                    "arguments": {"type": "object", "default": {}, "additionalProperties": True},
                },
                "required": ["tool"],
                "additionalProperties": False,
            },
            "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True},
        },
        {
            "name": "list_servers",
            "title": "List servers",
            "description": ("Servers you may use: name, what it is for, number of tools, whether it needs your token."),
            "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
            "annotations": _READS,
        },
    )
]
NAMES = frozenset(name for name, _ in DEFINITIONS)
SCHEMAS: dict[str, bytes] = {name: bytes(wire.members(raw)["inputSchema"]) for name, raw in DEFINITIONS}


class Summary(Struct, frozen=True):
    """What a search says of a tool; `definition` is as its client may see it."""

    id: str
    definition: bytes

    def shown(self, *, schema: bool) -> dict[str, Any]:
        said = wire.members(self.definition)
        found = _decoded(bytes(said.get("inputSchema", b"{}")))
        shown: dict[str, Any] = {
            "id": self.id,
            "summary": summary(wire.text(said, "description") or ""),
            "args": arguments(found),
        }
        if schema:
            shown["inputSchema"], truncated = fitting(bytes(said.get("inputSchema", b"{}")))
            if truncated:
                shown["truncated"] = True
        return shown


def described(id: str, definition: bytes) -> dict[str, Any]:
    """Everything a caller of the tool has to know."""
    said = wire.members(definition)
    shown: dict[str, Any] = {"id": id, "description": wire.text(said, "description") or ""}
    truncated = False
    for name in ("inputSchema", "outputSchema"):
        if name in said:
            shown[name], cut = fitting(bytes(said[name]))
            truncated = truncated or cut
    shown["annotations"] = said.get("annotations", Raw(b"{}"))
    if truncated:
        shown["truncated"] = True
    return shown


def answer(structured: dict[str, Any]) -> bytes:
    """A result: the same JSON for programs and, as text, for models."""
    raw = encode(structured)
    content = encode([{"type": "text", "text": raw.decode()}])
    return wire.joined({"content": content, "structuredContent": raw})


def summary(description: str) -> str:
    return first(clean(description[: MOST_SUMMARY * 20]), MOST_SUMMARY)


def arguments(schema: Any) -> str:
    """`project, summary, assignee?`: those that are required first."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return ""
    given = schema.get("required")
    required = [name for name in given if isinstance(name, str) and name in properties] if _is_list(given) else []
    optional = [f"{name}?" for name in properties if name not in required]
    named = [clean(name)[:64] for name in [*required, *optional]]
    return ", ".join([*named[:MOST_ARGUMENTS], *(["…"] if len(named) > MOST_ARGUMENTS else [])])


def fitting(schema: bytes) -> tuple[Raw, bool]:
    """(a schema of at most 16 kB, was something left out?)

    First the descriptions go, those deepest inside before others, then what is deepest inside itself.
    """
    if len(schema) <= MOST_SCHEMA:
        return Raw(schema), False
    whole = _decoded(schema)
    if not isinstance(whole, dict):
        return Raw(b"{}"), True
    within = sorted(_within(whole), key=lambda found: -found[0])
    for leave_out in (_description, _inside):
        depth = -1
        for at, part in within:
            if at != depth and len(encode(whole)) <= MOST_SCHEMA:
                return Raw(encode(whole)), True
            depth = at
            leave_out(part)
    smallest = encode(whole)
    return Raw(smallest if len(smallest) <= MOST_SCHEMA else b'{"type":"object"}'), True


def _description(part: dict[str, Any]) -> None:
    if isinstance(part.get("description"), str):
        del part["description"]


def _inside(part: dict[str, Any]) -> None:
    for name, value in list(part.items()):
        if isinstance(value, dict | list) and name != "required":
            del part[name]


def _within(part: Any, depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every object in a schema with how deep inside it is, the schema itself apart."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for one in inner:
        if isinstance(one, dict):
            yield depth + 1, one
        yield from _within(one, depth + 1)


def _decoded(raw: bytes) -> Any:
    try:
        return decode(raw)
    except (DecodeError, RecursionError):
        return None


def _is_list(value: object) -> bool:
    return isinstance(value, list)


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of search_tools."""

    query: str
    server: str = ""
    limit: int = USUALLY_FOUND
    detail: Literal["summary", "schema"] = "summary"


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of describe_tools."""

    tools: Sequence[str]
