"""What servers offer becomes facts, and an administrator says what may be used of what changed.

Rules held here:
- definitions are compared by (server, tool, hash), as lists may differ by user; a hash seen before writes nothing;
- the first list of a server is accepted as its baseline;
- under `mcphub.onToolChange: quarantine` every later definition waits for approval;
- an hour brings at most so many facts of a server; one more fact says how many definitions were left out, and what is
  left out waits: an upstream can neither fill the ledger nor slip something past it;
- a tool is withdrawn when no user's latest list has it, and at most once an hour.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from eventsourcing.dcb.domain import Selector
from msgspec import Struct

from mcphub.domain.errors import DefinitionOutdated, UnknownTool
from mcphub.domain.events import (
    Event,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    ToolApproved,
    ToolChanged,
    ToolDiscovered,
    ToolQuarantined,
    ToolWithdrawn,
    server_tag,
)
from mcphub.domain.hub import Command
from mcphub.domain.settings_state import waits_for_approval
from mcphub.domain.tool_book import HOUR, TOOL_FACTS, Definition, ToolBook, applied, kept

MOST_FIRST = 5000  # tools of a baseline
MOST_FIRST_BYTES = 8 * 1024 * 1024  # of definitions kept with it; of the rest only the hash
MOST_AN_HOUR = 500  # facts of one server
MOST_BYTES_AN_HOUR = 1024 * 1024


class Listed(Struct, frozen=True):
    """A tool of somebody's list, by its upstream name."""

    tool: str
    definition: Definition


class ToolCommand(Command):
    """What is known of one server's tools, and whether the server is there and what it says of changes."""

    def __init__(self, server_id: str) -> None:
        self.server_id = server_id
        self.book: ToolBook | None = None
        self.exists = False
        self.strict = False
        self._facts = 0

    def consistency_boundary(self) -> Sequence[Selector]:
        types: list[Any] = [*TOOL_FACTS, ServerAdded, ServerChanged, ServerRemoved]
        return [Selector(types=types, tags=[server_tag(self.server_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case ServerAdded() | ServerChanged():
                self.exists, self.strict = True, waits_for_approval(json.loads(bytes(event.config)))
            case ServerRemoved():
                self.exists = False
            case _:
                self._facts += 1  # their order is all that counts here
                self.book = applied(self.book, event, self._facts)


class ObserveTools(ToolCommand):
    """Record what lists of a server brought. What is known already, or about a server that is gone, writes nothing.

    Args:
        listed: tools of users' latest lists, in their order.
        vanished: tools that were in such a list and are in none any more.
        now: when the lists came in.
    """

    def __init__(self, server_id: str, listed: Sequence[Listed], vanished: Collection[str], now: datetime) -> None:
        super().__init__(server_id)
        self.listed = listed
        self.vanished = vanished
        self.now = now

    def execute(self) -> None:
        if not self.exists:
            return
        first = self.book is None
        count, size = (0, 0) if self.book is None else self.book.within_an_hour(self.now)
        room = (MOST_FIRST if first else MOST_AN_HOUR) - count
        bytes_left = (MOST_FIRST_BYTES if first else MOST_BYTES_AN_HOUR) - size
        closed = self.book.closed if self.book is not None else None
        announced = closed is not None and self.now - closed < HOUR
        if announced:
            room = 0
        left_out = 0
        for one in self.listed:
            if self.book is not None and self.book.knows(one.tool, one.definition.hash):
                continue
            if room <= 0:
                left_out += 1
                continue
            text = one.definition.text
            if text is not None and len(text) > bytes_left:
                text = None
            bytes_left -= len(text or b"")
            room -= 1
            self._record(one.tool, Definition(one.definition.hash, text), waits=self.strict and not first)
        for tool in sorted(self.vanished):
            if room > 0 and self._withdraw(tool):
                room -= 1
        if left_out and not announced:
            self._decide(ToolQuarantined, seen=self.now, left_out=left_out)

    def _record(self, tool: str, definition: Definition, *, waits: bool) -> None:
        record = self.book.tools.get(tool) if self.book is not None else None
        common = {"tool": tool, "hash": definition.hash, "seen": self.now}
        if record is not None and definition.hash in record.definitions:
            self._decide(ToolDiscovered, **common)  # it was withdrawn, and is back as it was
            return
        text = kept(definition.text)
        if record is None:
            self._decide(ToolDiscovered, **common, definition=text)
        else:
            self._decide(ToolChanged, **common, former=record.in_force, definition=text)
        if waits:
            self._decide(ToolQuarantined, **common)

    def _withdraw(self, tool: str) -> bool:
        record = self.book.tools.get(tool) if self.book is not None else None
        if record is None or record.withdrawn:
            return False
        if record.withdrawn_at is not None and self.now - record.withdrawn_at < HOUR:
            return False
        self._decide(ToolWithdrawn, tool=tool, seen=self.now)
        return True

    def _decide(self, fact: type[Event], **fields: Any) -> None:
        self.trigger_event(fact, [server_tag(self.server_id)], server_id=self.server_id, **fields)


class ApproveTool(ToolCommand):
    """Take a definition that waits. One that does not wait any more writes nothing.

    Args:
        newest: hash of the newest that waited when the administrator looked; it is the one to approve unless said.

    Raises:
        UnknownTool: the server has no such tool on the record.
        DefinitionOutdated: it is not on the record, or another one came since.
    """

    def __init__(self, server_id: str, tool: str, hash: str, newest: str = "") -> None:
        super().__init__(server_id)
        self.tool = tool
        self.hash = hash
        self.newest = newest or hash

    def execute(self) -> None:
        record = self.book.tools.get(self.tool) if self.book is not None and self.exists else None
        if record is None:
            raise UnknownTool(self.tool)
        known = record.definitions.get(self.hash)
        if known is None:
            raise DefinitionOutdated(self.tool)
        if not known.waiting:
            return
        if record.waiting[0].hash != self.newest:
            raise DefinitionOutdated(self.tool)
        self.trigger_event(
            ToolApproved, [server_tag(self.server_id)], server_id=self.server_id, tool=self.tool, hash=self.hash
        )
