"""A tool as the index has it: by which hash it is found there again, and which of its texts are searched.

The hash follows from the definition's own and from the settings, so a call costs no look at the definition.
"""

from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

from msgspec import DecodeError, Raw, Struct
from msgspec.json import decode, encode

from mcphub.domain.names import reduced
from mcphub.domain.settings_state import ServerState
from mcphub.search.document import RECIPE, Document

MOST_ARGUMENTS = 100

Read = TypeVar("Read")


def content_hash(server: ServerState, tool: str, definition: str) -> UUID:
    """
    Args:
        tool: as the upstream spells it.
        definition: hash of what it says of the tool.
    """
    entry = server.override("tools", tool)
    parts = [
        RECIPE,
        server.server_id,
        server.name,
        server.slug,
        tool,
        server.given_names.get(tool, ""),
        entry.get("description"),
        entry.get("aliases"),
        definition,
    ]
    return UUID(bytes=sha256(encode(parts)).digest()[:16])


def document(server: ServerState, tool: str, definition: bytes) -> Document:
    """
    Args:
        definition: of the tool, as its server sent it; what cannot be read of it is not searched.
    """
    said = _read(definition, _Said)
    title = _text(said.title) or _text(_read(bytes(said.annotations), _Titled).title)
    properties = _read(bytes(_read(bytes(said.inputSchema), _Schema).properties), dict[str, Raw])
    entry = server.override("tools", tool)
    slug = "" if reduced(server.name) == server.slug else f" {server.slug}"
    given = server.given_names.get(tool, "")
    return Document(
        server=server.name + slug,
        name=f"{given} {tool}" if given else tool,
        title=title,
        description=_text(entry.get("description")) or _text(said.description),
        arguments=list(properties)[:MOST_ARGUMENTS],
        aliases=_text(entry.get("aliases")),
    )


class _Said(Struct):
    """What is searched of a definition; of a schema no tree is made, which may be a hundred times its text."""

    title: Any = ""
    description: Any = ""
    annotations: Raw = Raw(b"{}")
    inputSchema: Raw = Raw(b"{}")


class _Titled(Struct):
    title: Any = ""


class _Schema(Struct):
    properties: Raw = Raw(b"{}")


def _read(raw: bytes, as_: type[Read]) -> Read:
    """As good as empty when it is something else."""
    try:
        return decode(raw, type=as_)
    except (DecodeError, RecursionError):
        return as_()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
