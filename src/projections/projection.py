"""What a read model is: rows by key, evolved one fact at a time.

A projection says only what a row becomes.
The projector loads the rows a batch touches, evolves them in memory and writes them back; a rebuild does the same over
the whole ledger. Both agree by construction, and a test compares them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct
from psycopg import sql

from mcphub.domain.codec import Recorded
from mcphub.domain.events import Event

Row = TypeVar("Row", bound=Struct)
PLAIN = {str, int, bool, float, datetime, list[str], type(None)}


class Keys(Enum):
    """EVERY: the event may touch any row (a rename, an erasure); rare enough to look at all of them."""

    EVERY = "every"


EVERY = Keys.EVERY
Key = tuple[Any, ...]


class Projection(Generic[Row]):
    """One read table. Subclasses give the names below, `key` and `evolve`.

    A projection never refuses and never looks at the clock: the same facts always give the same rows.
    """

    name: ClassVar[str]  # of the table, too
    version: ClassVar[int] = 1  # raise when rows mean something else: the hub rebuilds beside the old table and swaps
    row: ClassVar[type[Struct]]
    key_columns: ClassVar[tuple[str, ...]]
    ddl: ClassVar[str]  # `create table` and its indexes, without a schema
    handles: ClassVar[tuple[type[Event], ...]]  # other events are not even shown; () means all

    def key(self, recorded: Recorded) -> Key | Keys | None:
        """The row an event belongs to, EVERY, or None when it changes no row."""
        raise NotImplementedError

    def evolve(self, row: Row | None, recorded: Recorded) -> Row | None:
        """The row after one event; None removes it, or leaves it unmade."""
        raise NotImplementedError

    def key_of(self, row: Row) -> Key:
        return tuple(getattr(row, column) for column in self.key_columns)

    # what the projector needs of the row type

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return self.row.__struct_fields__

    @cached_property
    def _types(self) -> dict[str, Any]:
        return get_type_hints(self.row)

    @cached_property
    def _json(self) -> tuple[bool, ...]:
        return tuple(not _plain(self._types[column]) for column in self.columns)

    def values(self, row: Row) -> tuple[Any, ...]:
        """The row as column values; anything but text, numbers, times and lists of text as JSON text."""
        return tuple(
            msgspec.json.encode(value).decode() if json and value is not None else value
            for json, value in zip(self._json, _fields(row, self.columns), strict=True)
        )

    def read(self, values: Sequence[Any]) -> Row:
        """The row behind column values as `select_list` selects them."""
        converted = {
            column: msgspec.json.decode(value, type=self._types[column]) if json and value is not None else value
            for column, json, value in zip(self.columns, self._json, values, strict=True)
        }
        return self.row(**converted)  # type: ignore[return-value]

    @cached_property
    def select_list(self) -> sql.Composable:
        return sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(column)) if json else sql.Identifier(column)
            for column, json in zip(self.columns, self._json, strict=True)
        )

    @cached_property
    def upsert(self) -> sql.Composed:
        return sql.SQL("insert into {} ({}) values ({}) on conflict ({}) do update set {}").format(
            sql.Identifier(self.name),
            sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            sql.SQL(", ").join(sql.Placeholder() for _ in self.columns),
            sql.SQL(", ").join(map(sql.Identifier, self.key_columns)),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in self.columns),
        )

    @cached_property
    def by_key(self) -> sql.Composable:
        return sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder()) for column in self.key_columns
        )


def _fields(row: Struct, columns: Sequence[str]) -> list[Any]:
    return [getattr(row, column) for column in columns]


def _plain(hint: Any) -> bool:
    members = get_args(hint) if not isinstance(hint, type) and hint != list[str] else ()
    return hint in PLAIN or (bool(members) and all(member in PLAIN for member in members))


def fold(
    projection: Projection[Row], facts: Sequence[Recorded], rows: dict[Key, Row] | None = None
) -> tuple[dict[Key, Row], set[Key]]:
    """Evolves rows in memory; returns all of them and the keys that changed (those not among the rows are gone)."""
    rows = {} if rows is None else rows
    touched: set[Key] = set()
    handles = frozenset(projection.handles)
    for recorded in facts:
        if not handles or type(recorded.event) in handles:
            evolve_into(projection, rows, recorded, touched.add)
    return rows, touched


def evolve_into(
    projection: Projection[Row], rows: dict[Key, Row], recorded: Recorded, note: Callable[[Key], None]
) -> None:
    """One event into a dict of rows; `note` hears each key that changed."""
    key = projection.key(recorded)
    if key is None:
        return
    keys = list(rows) if isinstance(key, Keys) else [key]
    for each in keys:
        before = rows.get(each)
        after = projection.evolve(before, recorded)
        if after is before:
            continue
        note(each)
        if after is None:
            rows.pop(each, None)
        else:
            rows[each] = after
