"""What servers changed of their tools, as administrators look at it: what waits, and how it differs from before."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from psycopg_pool import AsyncConnectionPool

from mcphub.api.schemas import Out
from mcphub.domain.access import AccessModel
from mcphub.domain.codec import decode
from mcphub.domain.events import ToolChanged, ToolDiscovered
from mcphub.domain.settings_state import ServerState
from mcphub.domain.tool_book import Known, ToolRecord, differences

MOST_DIFFERENCES = 200  # of one change; a definition that is another one altogether need not be told apart in full
DEFINITIONS = "select position, data::text from public.ledger where position = any(%s)"


class FieldChange(Out, kw_only=True):
    """`field` is a JSON pointer; `before` or `after` is left out where the field is not there."""

    field: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


class ToolChange(Out, kw_only=True):
    """What a server says of a tool now, and before: of a new tool `before` is null.

    `hash` is what an approval names, `newest` the newest that waits of this tool. A definition is null when only its
    hash was kept: it is over 64 KiB, repeats a value of a user, or came with too many others. The differences are then
    unknown.
    """

    server: str
    tool: str
    hash: str
    newest: str
    since: datetime
    waiting: bool
    withdrawn: bool
    former_hash: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    differences: list[FieldChange]
    position: int


class Flood(Out, kw_only=True):
    """A server that brought more new definitions than an hour records. What is not on the record waits."""

    server: str
    since: datetime
    left_out: int


class ToolChanges(Out, kw_only=True):
    changes: list[ToolChange]
    floods: list[Flood]


class Change(Struct, frozen=True):
    """A definition on the record, and the one before it."""

    server: ServerState
    tool: str
    record: ToolRecord
    known: Known

    @property
    def waits(self) -> bool:
        return self.known.waiting > 0 and self.server.strict

    @property
    def former(self) -> Known | None:
        return self.record.definitions.get(self.known.former)


def changes(model: AccessModel, *, every: bool, server: str = "") -> list[Change]:
    """Newest first.

    Args:
        every: also changes that wait for nobody.
        server: name or slug; '' for all.
    """
    return sorted(_changes(model, every, server), key=lambda change: -change.known.position)


def _changes(model: AccessModel, every: bool, wanted: str) -> Iterator[Change]:
    for server_id, book in model.tools.items():
        server = model.servers.get(server_id)
        if server is None or wanted not in ("", server.name, server.slug):
            continue
        for tool, record in book.tools.items():
            for known in record.definitions.values():
                change = Change(server, tool, record, known)
                if change.waits or (every and (known.former or known.seen != book.began)):
                    yield change


def floods(model: AccessModel, server: str = "") -> list[Flood]:
    found = []
    for server_id, book in model.tools.items():
        state = model.servers.get(server_id)
        if state is not None and book.closed is not None and server in ("", state.name, state.slug):
            found.append(Flood(server=state.name, since=book.closed, left_out=book.left_out))
    return found


async def shown(pool: AsyncConnectionPool[Any], page: Iterable[Change]) -> list[ToolChange]:
    """With the definitions, which only the ledger holds."""
    page = list(page)
    positions = {one.position for change in page for one in (change.known, change.former) if one is not None}
    definitions = await definitions_at(pool, positions)
    return [_shown(change, definitions) for change in page]


async def definitions_at(pool: AsyncConnectionPool[Any], positions: Iterable[int]) -> dict[int, Any]:
    """What the facts at these positions hold of a tool; None where that is its hash alone."""
    async with pool.connection() as db:
        rows = await (await db.execute(DEFINITIONS, (sorted(positions),))).fetchall()
    return {position: _definition(data) for position, data in rows}


def _shown(change: Change, definitions: dict[int, Any]) -> ToolChange:
    former, known = change.former, change.known
    before = definitions.get(former.position) if former is not None else None
    after = definitions.get(known.position)
    found: list[FieldChange] = []
    if after is not None and (before is not None or former is None):
        for one in differences(before or {}, after):
            if len(found) == MOST_DIFFERENCES:
                break
            found.append(FieldChange(field=one.field, before=one.before, after=one.after))
    waiting = change.record.waiting
    return ToolChange(
        server=change.server.name,
        tool=change.tool,
        hash=known.hash,
        newest=waiting[0].hash if waiting else known.hash,
        since=known.seen,
        waiting=change.waits,
        withdrawn=change.record.withdrawn,
        former_hash=known.former or None,
        before=before,
        after=after,
        differences=found,
        position=known.position,
    )


def _definition(data: str) -> Any:
    event = decode(data.encode())
    return msgspec.json.decode(event.definition) if isinstance(event, ToolDiscovered | ToolChanged) else None
