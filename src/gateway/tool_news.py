"""What lists of tools brought that is not on the record yet, kept until the role that records it has looked.

Nothing here is queued: a server is marked, and what is new is read off the lists the gateway holds. So it takes no
memory of its own, and what a crash loses the next list brings again.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import ToolWithdrawn
from mcphub.gateway.server_list import Item, ServerList

MOST_NAME = 300  # characters; a tool with a longer name is not put on the record


class News(Struct, frozen=True):
    """Of one server: items that are not on the record, each once, and tools that no latest list has any more."""

    items: list[Item]
    vanished: set[str]

    def __bool__(self) -> bool:
        return bool(self.items or self.vanished)


class ToolNews:
    """
    Args:
        lists_of: the latest list of tools of each user of a server.
    """

    def __init__(self, model: AccessModel, lists_of: Callable[[str], list[ServerList]]) -> None:
        self.rung = asyncio.Event()
        self._model = model
        self._lists_of = lists_of
        self._marked: set[str] = set()
        self._gone: dict[str, set[str]] = {}  # server → tools that left somebody's list

    def brought(self, server_id: str, gone: Iterable[str] = ()) -> None:
        """A list brought something, or has tools no longer that the same user had."""
        self._gone.setdefault(server_id, set()).update(gone)
        self._marked.add(server_id)
        self.rung.set()

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink: another hub may call withdrawn what users of this one still have."""
        for recorded in facts:
            event = recorded.event
            if isinstance(event, ToolWithdrawn) and any(
                event.tool in found.by_name for found in self._lists_of(event.server_id)
            ):
                self.brought(event.server_id)

    def take_marked(self) -> list[str]:
        """The servers to look at; they are marked again by the next list that brings something."""
        self.rung.clear()
        marked, self._marked = self._marked, set()
        return sorted(marked)

    def of(self, server_id: str) -> News:
        """What is new of a server now; nothing when the server is gone."""
        if server_id not in self._model.servers:
            self._gone.pop(server_id, None)
            return News([], set())
        lists, book = self._lists_of(server_id), self._model.tools.get(server_id)
        items = {
            (item.name, item.hash): item
            for found in lists
            for item in found.items
            if item.telling != "name"
            and len(item.name) <= MOST_NAME
            and "\0" not in item.name
            and (book is None or not book.knows(item.name, item.hash))
        }
        on_record = book.tools if book is not None else {}
        gone = {
            name
            for name in self._gone.pop(server_id, ())
            if name in on_record and not on_record[name].withdrawn
            if not any(name in found.by_name for found in lists)
        }
        if gone:
            self._gone[server_id] = gone  # until the record says so
        return News(list(items.values()), gone)
