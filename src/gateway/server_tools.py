"""A server as one tool: what exposure mode `servers` lists in the place of the server's own tools.

The names stand in an enum, what each does in a short line; how it is called the model asks with `describe`.
Texts of upstreams are untrusted: what the hub quotes of them is one line, cut, without control characters.

Spec: the contract of this hub, section 7.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import DecodeError, Struct
from msgspec.json import decode

from mcphub.domain.settings_state import ServerState
from mcphub.gateway import wire

PREFIX = "server_"  # a slug holds no `_`, so no qualified name `{slug}__{tool}` begins like this
MOST_DESCRIPTION = 2000  # characters
MOST_GIST = 80  # characters of a tool's description that stand beside its name
MOST_ABOUT = 200  # characters of the server's own description
SHOWN = ("name", "description", "inputSchema", "outputSchema", "annotations")
USE = 'First {"tool_name": …, "describe": true} for the arguments of a tool, then the call with "arguments".'


class Inner(Struct, frozen=True):
    """One tool of the server, by the name clients call it at the server's own address, and by its own. Of its
    definition no copy is kept.
    """

    name: str
    own: str
    gist: str
    raw: bytes

    @property
    def described(self) -> bytes:
        """What `describe` answers."""
        found = wire.members(self.raw)
        return wire.joined({member: found[member] for member in SHOWN if member in found})

    @property
    def schema(self) -> bytes:
        """b'' without one."""
        return bytes(wire.members(self.raw).get("inputSchema", b""))


def inner_tool(name: str, own: str, raw: bytes) -> Inner:
    return Inner(name, own, first_sentence(wire.text(wire.members(raw), "description") or "", MOST_GIST), raw)


class OneTool(Struct, frozen=True):
    """A server as one tool; `inner` by name, sorted."""

    definition: bytes
    inner: Mapping[str, Inner]


def tool_name(slug: str) -> str:
    return PREFIX + slug


def one_tool(server: ServerState, tools: Sequence[Inner]) -> OneTool | None:
    """
    Args:
        tools: those that may be seen; None comes back when there is none.
    """
    if not tools:
        return None
    inner = {tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)}
    definition: dict[str, Any] = {
        "name": tool_name(server.slug),
        "description": _description(server, inner),
        "inputSchema": {
            "type": "object",
            "properties": {
                "tool_name": {"type": "string", "enum": list(inner)},
                "arguments": {"type": "object"},
                "describe": {"type": "boolean"},
            },
            "required": ["tool_name"],
            "additionalProperties": False,
        },
    }
    if annotations := _annotations([tool.raw for tool in tools]):
        definition["annotations"] = annotations
    return OneTool(wire.encode(definition), inner)


def lines(inner: Mapping[str, Inner]) -> list[str]:
    """`name: what it does` of each tool."""
    return [f"{tool.name}: {tool.gist}" if tool.gist else tool.name for tool in inner.values()]


def first_sentence(text: str, most: int) -> str:
    """One line of at most so many characters, without control characters, cut where the first sentence ends."""
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[: most * 20])
    line = " ".join(plain.split())
    end = line.find(". ")
    if end >= 0:
        line = line[: end + 1]
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _description(server: ServerState, inner: Mapping[str, Inner]) -> str:
    about = first_sentence(server.spec.description, MOST_ABOUT)
    head = f"{about or f'Server {first_sentence(server.name, MOST_ABOUT)}.'} {len(inner)} tool{'s' * (len(inner) > 1)}:"
    said = lines(inner)
    room = MOST_DESCRIPTION - len(head) - len(USE) - len(f"\nand {len(said)} more\n")
    fitting = 0
    for line in said:
        room -= len(line) + 1
        if room < 0:
            break
        fitting += 1
    left = len(said) - fitting
    return "\n".join([head, *said[:fitting], *([f"and {left} more"] if left else []), USE])


def _annotations(raws: Any) -> dict[str, bool]:
    """Read-only is the whole when every part is; destructive when one part is."""
    each = [_annotated(raw) for raw in raws]
    found = {}
    if all(hints.get("readOnlyHint") is True for hints in each):
        found["readOnlyHint"] = True
    if any(hints.get("destructiveHint") is True for hints in each):
        found["destructiveHint"] = True
    return found


def _annotated(raw: bytes) -> dict[str, Any]:
    try:
        hints = decode(wire.members(raw).get("annotations", b"{}"))
    except DecodeError:
        return {}
    return hints if isinstance(hints, dict) else {}
