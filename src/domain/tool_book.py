"""What servers say of their tools, as the facts have it: definitions by hash, which of them wait, which are gone.

A definition is compared by its canonical form, so neither white space nor the order of members counts.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Raw, Struct

from mcphub.domain.events import (
    Event,
    ToolApproved,
    ToolChanged,
    ToolDiscovered,
    ToolQuarantined,
    ToolWithdrawn,
)

TOOL_FACTS: list[type[Event]] = [ToolDiscovered, ToolChanged, ToolWithdrawn, ToolQuarantined, ToolApproved]
HOUR = timedelta(hours=1)
MOST_DEFINITION = 64 * 1024  # bytes; of a larger one only the hash is kept
NOT_KEPT = b"null"

_canonical = msgspec.json.Encoder(order="sorted").encode


class Definition(Struct, frozen=True):
    """What a list says of a tool. `text` is its canonical form, None when it cannot be kept."""

    hash: str
    text: bytes | None


def definition_of(raw: bytes) -> Definition:
    """Of a tool as its server sent it. What is no readable JSON is hashed as it is, and not kept."""
    try:
        text = _canonical(msgspec.json.decode(raw))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Definition(sha256(raw).hexdigest(), None)
    storable = len(text) <= MOST_DEFINITION and b"\\u0000" not in text
    return Definition(sha256(text).hexdigest(), text if storable else None)


class Known(Struct, gc=False):
    """A definition on the record."""

    hash: str
    former: str  # hash of the one that was in force when it came; '' for the first
    position: int  # of the fact that holds it
    seen: datetime
    waiting: int = 0  # position of the fact since which it waits for approval; 0 for one that does not


class ToolRecord(Struct, gc=False):
    """A tool of a server. `definitions` are in the order they came in, by hash."""

    first_seen: datetime
    changed_at: datetime
    definitions: dict[str, Known]
    withdrawn: bool = False
    withdrawn_at: datetime | None = None  # the last time

    @property
    def in_force(self) -> str:
        """Hash of the newest definition that does not wait; of the newest of all when each does."""
        hashes = list(self.definitions)
        return next((hash for hash in reversed(hashes) if not self.definitions[hash].waiting), hashes[-1])

    @property
    def newest(self) -> Known:
        """What the server said last that it had not said before."""
        return self.definitions[next(reversed(self.definitions))]

    @property
    def waiting(self) -> list[Known]:
        """What waits, newest first."""
        return sorted((one for one in self.definitions.values() if one.waiting), key=lambda one: -one.waiting)


class ToolBook(Struct):
    """The tools of one server; there is none before its first list is on the record.

    Args:
        began: when the first list came in; what it brought is the baseline.
        recent: (when, bytes) of what was put on the record within an hour of the last such fact, the baseline apart.
        closed: since when newcomers wait that are not on the record; None when none do.
        changed_at: position of the last fact.
    """

    began: datetime
    tools: dict[str, ToolRecord] = {}
    recent: list[tuple[datetime, int]] = []
    closed: datetime | None = None
    left_out: int = 0
    changed_at: int = 0

    def knows(self, tool: str, hash: str) -> bool:
        """Is there nothing to record when this is listed?"""
        record = self.tools.get(tool)
        return record is not None and not record.withdrawn and hash in record.definitions

    def withholds(self, tool: str, hash: str, *, strict: bool) -> bool:
        """May a definition not be offered: because it waits, or because it is not on the record and may have to?

        Args:
            hash: '' for a tool whose definition is not known.
            strict: new definitions of the server wait for approval.
        """
        if not strict and self.closed is None:
            return False
        record = self.tools.get(tool)
        known = record.definitions.get(hash) if record is not None else None
        return known is None or (strict and known.waiting > 0)

    def within_an_hour(self, now: datetime) -> tuple[int, int]:
        """(how many facts, how many bytes of definitions) the last hour brought."""
        sizes = [size for seen, size in self.recent if now - seen < HOUR]
        return len(sizes), sum(sizes)

    def apply(self, event: Event, position: int) -> None:
        """Folds a fact about the server's tools in."""
        self.changed_at = position
        # Not by patterns: one that does not match costs four times a comparison.
        if type(event) is ToolDiscovered or type(event) is ToolChanged:
            self._count(event.seen, len(bytes(event.definition)))
            self.closed, self.left_out = None, 0
            self._take(event, position)
        elif type(event) is ToolApproved:
            self.tools[event.tool].definitions[event.hash].waiting = 0
        elif type(event) is ToolWithdrawn:
            self._count(event.seen, 0)
            record = self.tools[event.tool]
            record.withdrawn, record.withdrawn_at = True, event.seen
        elif type(event) is ToolQuarantined:
            if event.tool:
                self.tools[event.tool].definitions[event.hash].waiting = position
            else:
                self.closed, self.left_out = event.seen, event.left_out

    def _take(self, event: ToolDiscovered | ToolChanged, position: int) -> None:
        record = self.tools.get(event.tool)
        if record is None:
            record = self.tools[event.tool] = ToolRecord(event.seen, event.seen, {})
        record.withdrawn = False
        if event.hash not in record.definitions:
            former = event.former if isinstance(event, ToolChanged) else ""
            record.definitions[event.hash] = Known(event.hash, former, position, event.seen)
            record.changed_at = event.seen

    def _count(self, seen: datetime, size: int) -> None:
        if seen != self.began:
            self.recent = [one for one in self.recent if seen - one[0] < HOUR]
            self.recent.append((seen, size))


def applied(book: ToolBook | None, event: Event, position: int) -> ToolBook:
    """The book after a fact; the first one opens it."""
    if book is None:
        book = ToolBook(event.seen)  # type: ignore[attr-defined]  # nothing comes before a discovery
    book.apply(event, position)
    return book


class Difference(Struct, frozen=True):
    """`field` is a JSON pointer; what is not there on one side is UNSET there."""

    field: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


def differences(before: Any, after: Any, field: str = "") -> Iterator[Difference]:
    """Field by field, down to the first values that differ; lists of one length are compared item by item."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            inner = f"{field}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in after:
                yield Difference(inner, before=before[name])
            elif name not in before:
                yield Difference(inner, after=after[name])
            else:
                yield from differences(before[name], after[name], inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{field}/{index}")
    elif _canonical(before) != _canonical(after):
        yield Difference(field, before, after)


def kept(text: bytes | None) -> Raw:
    return Raw(NOT_KEPT if text is None else text)
