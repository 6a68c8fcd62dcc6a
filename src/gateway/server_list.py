"""What a server listed to one user: each thing under its own name, and under those that clients call it by.

Names are made once for each list, and again when an administrator gives others; a call finds the thing by the same map
that the list was shown from. Of a definition nothing but the name and the description is ever written anew.
"""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from msgspec import Raw, Struct
from msgspec.structs import replace

from mcphub.domain.names import NONE_GIVEN, shown_names, tool_map
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import wire
from mcphub.gateway.kinds import TOOLS, Offer
from mcphub.gateway.server_tools import OneTool


class Item(Struct, frozen=True):
    """A thing of one server, as the server has it and as clients do.

    Args:
        name, raw: its name there, and its definition as it came.
        exposed, exposed_raw: the same on the aggregate, as every client can read it; b"" when that cannot be done.
        shown, shown_raw: the same at the server's own address; another name only if an administrator gave it one, or
            gave its own to another tool.
        hash: of a tool's definition as it came, as the record has it.
        telling: where a value is that was given to the server for this user; it is not put on the record.
    """

    name: str
    raw: bytes
    exposed: str
    exposed_raw: bytes
    shown: str
    shown_raw: bytes
    hash: str = ""
    telling: Literal["", "name", "text"] = ""


class Chunk(Struct, frozen=True):
    """A server's part of a merged list. `off` counts what is not in it by why; `withheld` waits for approval."""

    position: int
    joined: bytes
    shown: int
    off: Mapping[str, int]
    withheld: tuple[str, ...]


class ServerList(Struct):
    """What a server listed to one user, in its order.

    Args:
        version: another number for another content.
        given: the names administrators gave to its tools, as they are in it.
        heard: the array as it came by at the server's own address; b"" for a list the hub asked for itself.
        chunk: made once for what the facts say.
        as_one: (position of the facts it was made by, the list as one tool).
        searched: (the same, what may be seen of it with the hash by which the index has it).
    """

    offer: Offer
    items: list[Item]
    at: float  # monotonic seconds
    version: int
    given: Mapping[str, str] = NONE_GIVEN
    by_name: dict[str, Item] = {}
    by_exposed: dict[str, Item] = {}
    by_shown: dict[str, Item] = {}
    stale: bool = False
    heard: bytes = b""
    chunk: Chunk | None = None
    as_one: tuple[int, OneTool | None] | None = None
    searched: tuple[int, list[tuple[Item, UUID]]] | None = None

    def called(self, name: str, *, own: bool) -> Item | None:
        """What is called by this name at the server's own address; `own`: by whoever goes by the server's names."""
        return (self.by_name if own else self.by_shown).get(name)


def current(server: ServerState, found: ServerList) -> ServerList:
    """The list under the names its tools have now: they may have been given others since it came."""
    if found.offer is TOOLS and found.given is not server.given_names:
        if found.given != server.given_names:
            return name_items(server, found)
        found.given = server.given_names
    return found


def name_items(server: ServerState, found: ServerList) -> ServerList:
    """The list with its items named for clients; what was made of it under other names is forgotten."""
    offer, names = found.offer, [item.name for item in found.items]
    given = server.given_names if offer is TOOLS else NONE_GIVEN
    exposed = {name: other for other, name in tool_map(server.slug, names, given).items()} if offer.prefixed else {}
    shown = shown_names(server.slug, names, given) if given else {}
    found.items = [
        _named(item, offer, exposed.get(item.name, item.name), shown.get(item.name, item.name)) for item in found.items
    ]
    found.by_name = {item.name: item for item in found.items}
    found.by_exposed = {item.exposed: item for item in found.items if item.exposed_raw}
    found.by_shown = {item.shown: item for item in found.items} if given else found.by_name
    found.given, found.chunk, found.as_one, found.searched = given, None, None, None
    return found


def _named(item: Item, offer: Offer, exposed: str, shown: str) -> Item:
    same = exposed == item.exposed or not item.exposed_raw
    return replace(
        item,
        exposed=exposed,
        exposed_raw=item.exposed_raw if same else renamed(item.exposed_raw, offer, exposed),
        shown=shown,
        shown_raw=item.raw if shown == item.name else renamed(item.raw, offer, shown),
    )


def renamed(raw: bytes, offer: Offer, name: str) -> bytes:
    """A definition under another name, all else as it came."""
    found: dict[str, Raw | bytes] = dict(wire.members(raw))
    found[offer.naming] = wire.encode(name)
    return wire.joined(found)


def described(server: ServerState, offer: Offer, name: str, raw: bytes) -> bytes:
    """A definition with the administrator's description, when there is one."""
    description = server.override(offer.kind, name).get("description")
    if not isinstance(description, str):
        return raw
    found: dict[str, Raw | bytes] = dict(wire.members(raw))
    found["description"] = wire.encode(description)
    return wire.joined(found)
