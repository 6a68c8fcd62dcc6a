"""The role that keeps the index of tools up with the facts: what servers say of them, and what the settings add to it.

Of each server it compares what should be in the index with what is, so it may run anywhere, as often as it likes, and
after whatever was missed. Only what is on the record is indexed: a definition that repeats a user's value is not.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded, decode
from mcphub.domain.events import ToolChanged, ToolDiscovered
from mcphub.domain.settings_state import ServerState
from mcphub.domain.tool_book import NOT_KEPT, ToolRecord
from mcphub.gateway.searchable import content_hash, document
from mcphub.search import index, tables
from mcphub.search.heap import give_back
from mcphub.search.index import Entry
from mcphub.search.vectors import Vectors

log = structlog.get_logger()

RETRY_SECONDS = 2.0
LATEST = 3  # definitions of a tool that are indexed: users' lists may differ
BATCH = 50  # definitions read, taken apart and written together
DEFINITIONS = "select position, data::text from public.ledger where position = any(%s)"


class ToolIndex:
    """
    Args:
        pool: connections whose search path is the schema `search`.
        changed: told when something came into the index or left it.
    """

    def __init__(
        self, model: AccessModel, pool: AsyncConnectionPool[Any], vectors: Vectors, changed: Callable[[], None]
    ) -> None:
        self._model = model
        self._pool = pool
        self._vectors = vectors
        self._changed = changed
        self._marked: set[str] = set()
        self._rung = asyncio.Event()

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink, after the access model."""
        for server_id in {getattr(recorded.event, "server_id", "") for recorded in facts} - {""}:
            self._marked.add(server_id)
            self._rung.set()

    async def run(self) -> None:
        """For ever; what cannot be done now is tried again."""
        made = False
        while True:
            try:
                if not made:
                    await self.begin()
                    made = True
                await self._rung.wait()
                await self.round()
            except Exception as error:
                log.warning("tools_not_indexed", why=type(error).__name__, retry_in_s=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def round(self) -> None:
        """Every marked server; one that fails stays marked."""
        self._rung.clear()
        marked = bool(self._marked)
        while self._marked:
            server_id = next(iter(self._marked))
            self._marked.discard(server_id)
            try:
                await self._server(server_id)
            except BaseException:
                self._marked.add(server_id)
                self._rung.set()
                raise
        if marked:
            await asyncio.to_thread(give_back)

    async def begin(self) -> None:
        """Makes what is missing of the tables; every server is to be looked at."""
        async with self._pool.connection() as db:
            self._vectors.possible = await tables.ensure(db)
            there = await index.servers(db)
        self._marked |= there | self._model.tools.keys()
        self._rung.set()

    async def _server(self, server_id: str) -> None:
        server = self._model.servers.get(server_id)
        wanted = _wanted(self._model, server) if server is not None else {}
        async with self._pool.connection() as db:
            there = await index.indexed(db, server_id)
            gone, missing = there.keys() - wanted.keys(), [hash for hash in wanted if hash not in there]
            if server is not None:
                for at in range(0, len(missing), BATCH):
                    await self._add(db, server, [(hash, *wanted[hash]) for hash in missing[at : at + BATCH]])
            if gone:
                await index.remove(db, list(gone))
        if gone or missing:
            self._changed()
            self._vectors.ring()

    async def _add(
        self, db: AsyncConnection[Any], server: ServerState, missing: Sequence[tuple[UUID, str, str, int]]
    ) -> None:
        rows = await db.execute(DEFINITIONS, ([position for *_, position in missing],))
        said = dict(await rows.fetchall())
        entries = await asyncio.to_thread(_entries, server, missing, said)
        await index.add(db, entries)


def _wanted(model: AccessModel, server: ServerState) -> dict[UUID, tuple[str, str, int]]:
    """Content hash → (tool, hash and place of its definition)."""
    book = model.tools.get(server.server_id)
    if book is None:
        return {}
    return {
        content_hash(server, tool, hash): (tool, hash, record.definitions[hash].position)
        for tool, record in book.tools.items()
        if not record.withdrawn
        for hash in _in_use(record)
    }


def _in_use(record: ToolRecord) -> Iterable[str]:
    settled = [hash for hash, known in record.definitions.items() if not known.waiting]
    return settled[-LATEST:]


def _entries(server: ServerState, missing: Sequence[tuple[UUID, str, str, int]], said: dict[int, str]) -> list[Entry]:
    found = []
    for hash, tool, definition, position in missing:
        event = decode(said[position]) if position in said else None
        if not isinstance(event, ToolDiscovered | ToolChanged):
            continue
        raw = bytes(event.definition)
        if raw == NOT_KEPT:
            continue
        found.append(index.entry(hash, server.server_id, tool, definition, document(server, tool, raw)))
    return found
