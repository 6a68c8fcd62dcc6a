"""A tool as the index has it: by which hash it is found there again, and which of its texts are searched.

The hash follows from the definition's own and from the settings, so a call costs no look at the definition.
"""

from hashlib import sha256
from uuid import UUID

from msgspec import DecodeError
from msgspec.json import decode, encode

from mcphub.domain.names import reduced
from mcphub.domain.settings_state import ServerState
from mcphub.search.document import RECIPE, Document

MOST_ARGUMENTS = 100


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
    try:
        found = decode(definition)
    except (DecodeError, RecursionError):
        found = None
    said = found if isinstance(found, dict) else {}
    entry = server.override("tools", tool)
    slug = "" if reduced(server.name) == server.slug else f" {server.slug}"
    given = server.given_names.get(tool, "")
    return Document(
        server=server.name + slug,
        name=f"{given} {tool}" if given else tool,
        title=_text(said.get("title")) or _text(_members(said.get("annotations")).get("title")),
        description=_text(entry.get("description")) or _text(said.get("description")),
        arguments=list(_members(_members(said.get("inputSchema")).get("properties")))[:MOST_ARGUMENTS],
        aliases=_text(entry.get("aliases")),
    )


def _members(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
