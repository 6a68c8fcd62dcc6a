"""The ledger as JSON lines, out and in, byte for byte: it hashes to the same chain wherever it is imported."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec import Raw, Struct

from mcphub.domain.codec import TAG_SEPARATOR, checked_tags, decode, decode_meta
from mcphub.postgres.ledger import FIELD_SEPARATOR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

READ = """
    select position, id::text, type, tags, (extract(epoch from recorded_at) * 1000000)::bigint,
           meta::text, data::text, hash
    from ledger where position > %s order by position
"""
# The head of an empty ledger is of `-infinity`, a time Python does not have.
HEAD = "select position, hash, nullif(recorded_at, '-infinity') from ledger_head for update"
COPY = "copy ledger (position, id, type, tags, recorded_at, meta, data, hash) from stdin"


class ImportRefused(Exception):
    """The lines are not what this ledger can continue with; nothing was written."""


class Line(Struct):
    """One exported event. `meta` and `data` keep their bytes; `at` is microseconds since 1970, as hashed."""

    position: int
    id: str
    type: str
    tags: list[str]
    at: int
    meta: Raw
    data: Raw
    hash: str


encode = msgspec.json.Encoder().encode
read_line = msgspec.json.Decoder(Line).decode


def export(db: psycopg.Connection[Any], *, since: int = 0) -> Iterator[bytes]:
    """One line per event behind `since`, in order, without the line break."""
    with db.transaction(), db.cursor(name="export") as cursor:
        cursor.itersize = 5000
        cursor.execute(READ, (since,))
        for position, id_, type_, tags, micros, meta, data, hash_ in cursor:
            line = Line(position, id_, type_, tags, micros, Raw(meta.encode()), Raw(data.encode()), bytes(hash_).hex())
            yield encode(line)


def import_lines(
    db: psycopg.Connection[Any], lines: Iterable[bytes], progress: Callable[[int], None] = lambda _: None
) -> int:
    """Continues the ledger with exported lines, all or none; returns the last position.

    Args:
        db: as the owner of the ledger; the append function would give new positions and times.

    Raises:
        ImportRefused: the ledger holds other events, or a line is out of order, unknown, or not what was hashed.
    """
    with db.transaction():
        head = db.execute(HEAD).fetchone()
        if head is None:
            raise ImportRefused("this database has no ledger; run `mcphub migrate` first")
        position, hash_, at = int(head[0]), bytes(head[1]), head[2] or EPOCH
        with db.cursor() as cursor, cursor.copy(COPY) as copy:
            for line in lines:
                if not line.strip():
                    continue
                event = _checked(line, position, hash_)
                position, hash_, at = event.position, bytes.fromhex(event.hash), EPOCH + event.at * MICROSECOND
                meta, data = bytes(event.meta).decode(), bytes(event.data).decode()
                copy.write_row((position, event.id, event.type, event.tags, at, meta, data, hash_))
                if position % 1000 == 0:
                    progress(position)
        db.execute("update ledger_head set position = %s, recorded_at = %s, hash = %s", (position, at, hash_))
    return position


def _checked(line: bytes, position: int, previous: bytes) -> Line:
    try:
        event = read_line(line)
        if type(decode(bytes(event.data))).__name__ != event.type or checked_tags(event.tags) != event.tags:
            raise ValueError(f"{event.type} is not what the data says, or its tags are not in order")
        decode_meta(bytes(event.meta))
        identity = UUID(event.id)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ImportRefused(f"the line after position {position} is not an event this hub knows: {error}") from None
    if event.position != position + 1:
        raise ImportRefused(
            f"position {event.position} does not follow {position}: import into an empty hub,"
            " or continue exactly at its head"
        )
    parts = (
        event.type,
        TAG_SEPARATOR.join(event.tags),
        str(event.at),
        bytes(event.meta).decode(),
        bytes(event.data).decode(),
    )
    fields = FIELD_SEPARATOR.join(parts).encode()
    if sha256(previous + event.position.to_bytes(8, "big") + identity.bytes + fields).hexdigest() != event.hash:
        raise ImportRefused(f"the event at position {event.position} does not hash to what was recorded")
    return event
