"""The ledger on PostgreSQL: a DCB recorder over one append function, and the check of its hash chain.

Written by hand because the library's own PostgreSQL recorder loses events to projections under concurrent writers.
It knows events as stored (type, tags, JSON bytes) and none of their meanings.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, cast

import msgspec
import psycopg
from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBQueryItem,
    DCBReadResponse,
    DCBRecorder,
    DCBSequencedEvent,
    DCBSubscription,
)
from eventsourcing.dcb.persistence import DCBInfrastructureFactory
from eventsourcing.dcb.popo import SimpleDCBReadResponse
from eventsourcing.persistence import IntegrityError
from msgspec import Struct
from psycopg_pool import ConnectionPool

from mcphub.domain.codec import TAG_SEPARATOR, LedgerEvent

FIELD_SEPARATOR = "\x1e"

LINKS = """
    select position, id, type, tags, (extract(epoch from recorded_at) * 1000000)::bigint, meta::text, data::text, hash
    from ledger where position > %s order by position
"""


class LedgerUnavailable(Exception):
    """The fact could not be recorded, so it did not happen."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the ledger cannot be appended to: {why}")


class Ledger(DCBRecorder):
    """Appends and reads events; safe to use from several threads.

    Args:
        pool: connections in autocommit mode, as the application role.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def read(
        self, query: DCBQuery | None = None, *, after: int | None = None, limit: int | None = None
    ) -> DCBReadResponse:
        """Events matching the query, in order, with the head the answer is true for (0 while the ledger is empty).

        Raises:
            LedgerUnavailable: PostgreSQL did not answer.
        """
        where, params = ["position > %s"], [cast(Any, after or 0)]
        if query and query.items:
            where.append("(" + " or ".join(_match(item, params) for item in query.items) + ")")
        sql = f"select position, type, tags, data::text, id, meta::text from ledger where {' and '.join(where)} order by position"  # noqa: E501
        if limit is not None:
            sql += f" limit {int(limit)}"
        try:
            with self._pool.connection() as db:
                # The head comes first: a matching event committed in between is then among the rows, never skipped.
                head = db.execute("select position from ledger_head").fetchone() if limit is None else None
                rows = db.execute(sql, params, prepare=True).fetchall()
        except psycopg.Error as error:
            raise LedgerUnavailable(type(error).__name__) from error
        events = [
            DCBSequencedEvent(LedgerEvent(type_, data.encode(), tags, id_, meta.encode()), position)
            for position, type_, tags, data, id_, meta in rows
        ]
        known = head[0] if head else None
        if events:
            known = max(known or 0, events[-1].position)
        return SimpleDCBReadResponse(iter(events), known)

    def append(self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None) -> int:
        """Appends all or none; returns the position of the last.

        Raises:
            ValueError: no consistency boundary; every append names one.
            IntegrityError: a newer event matches the boundary; read again and decide again.
            LedgerUnavailable: PostgreSQL did not confirm; the caller must treat the change as not made.
        """
        if condition is None or not condition.fail_if_events_match.items:
            raise ValueError("every append names its consistency boundary")
        ours = cast(Sequence[LedgerEvent], events)
        selectors = [{"types": item.types, "tags": item.tags} for item in condition.fail_if_events_match.items]
        params = (
            msgspec.json.encode(selectors).decode(),
            condition.after or 0,
            [event.id for event in ours],
            [event.type for event in ours],
            [TAG_SEPARATOR.join(event.tags) for event in ours],
            [event.meta.decode() for event in ours],
            [event.data.decode() for event in ours],
        )
        try:
            with self._pool.connection() as db:
                row = db.execute("select ledger_append(%s, %s, %s, %s, %s, %s, %s)", params, prepare=True).fetchone()
        except psycopg.Error as error:
            raise LedgerUnavailable(type(error).__name__) from error
        position = row[0] if row else None
        if position is None:
            raise IntegrityError("another command changed the same facts")
        return int(position)

    def subscribe(self, query: DCBQuery | None = None, *, after: int | None = None) -> DCBSubscription[Any]:
        """Not offered: one Tail a process follows the ledger (`projections/tail.py`)."""
        raise NotImplementedError("follow the ledger with projections.tail.Tail")


def _match(item: DCBQueryItem, params: list[Any]) -> str:
    parts = []
    if item.types:
        parts.append("type = any(%s)")
        params.append(list(item.types))
    if item.tags:
        parts.append("tags @> %s")
        params.append(list(item.tags))
    return "(" + " and ".join(parts or ["true"]) + ")"


class Factory(DCBInfrastructureFactory[Any]):
    """Plugs the recorder into a `DCBApplication`; the pool is handed over by `use` before."""

    pool: ConnectionPool | None = None

    @classmethod
    def use(cls, pool: ConnectionPool) -> None:
        """The pool of recorders made from now on; one hub a process."""
        cls.pool = pool

    def dcb_recorder(self) -> DCBRecorder:
        if self.pool is None:
            raise RuntimeError("Factory.use(pool) comes first")
        return Ledger(self.pool)

    def close(self) -> None:
        """The pool belongs to whoever made it."""


class Checked(Struct, frozen=True):
    """What `verify` found: the last position that holds, and where and why the chain breaks, if it does."""

    events: int
    position: int
    hash: str
    broken_at: int | None = None
    why: str = ""


def verify(db: psycopg.Connection[Any], *, after: int = 0, previous: bytes | None = None) -> Checked:
    """Recomputes the chain row by row and compares positions, hashes and the head.

    Args:
        after: position to start behind, with `previous` its hash; the start of the ledger by default.
    """
    hash_ = previous if previous is not None else sha256(b"").digest()
    position, count = after, 0
    for pos, id_, type_, tags, micros, meta, data, stored in _links(db, after):
        if pos != position + 1:
            return Checked(count, position, hash_.hex(), position + 1, "positions are missing")
        fields = FIELD_SEPARATOR.join((type_, TAG_SEPARATOR.join(tags), str(micros), meta, data))
        hash_ = sha256(hash_ + pos.to_bytes(8, "big") + id_.bytes + fields.encode()).digest()
        if hash_ != stored:
            return Checked(count, position, hash_.hex(), pos, "the row does not hash to what was recorded")
        position, count = pos, count + 1
    head = db.execute("select position, hash from ledger_head").fetchone()
    if head is None or head[0] != position or bytes(head[1]) != hash_:
        return Checked(count, position, hash_.hex(), position, "the head does not agree with the last row")
    return Checked(count, position, hash_.hex())


def _links(db: psycopg.Connection[Any], after: int) -> Iterator[tuple[Any, ...]]:
    with db.transaction(), db.cursor(name="links") as cursor:
        cursor.itersize = 5000
        cursor.execute(LINKS, (after,))
        yield from cursor
