"""What a read model is: rows by key, evolved one fact at a time.

A projection says only what a row becomes.
The projector loads the rows a batch touches, evolves them in memory and writes them back; a rebuild does the same over
the whole ledger. Both agree by construction, and a test compares them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct
from psycopg import sql

from mcphub.domain.codec import Recorded
from mcphub.domain.events import Event

Row = TypeVar("Row", bound=Struct)
PLAIN = {str, int, bool, float, datetime, list[str], type(None)}


Key = tuple[Any, ...]


class Rows(Struct, frozen=True):
    """Every row that has this value in this column; no event ever changes that column of a row."""

    column: str
    value: str


class Naming(Struct, frozen=True):
    """Every row that names one of these, by `Projection.names`; a row may come to name others."""

    names: tuple[str, ...]


class Projection(Generic[Row]):
    """One read table. Subclasses give the names below, `key` and `evolve`.

    A projection never refuses and never looks at the clock: the same facts always give the same rows.
    """

    name: ClassVar[str]  # of the table, too
    version: ClassVar[int] = 1  # raise when rows mean something else: the hub rebuilds beside the old table and swaps
    row: ClassVar[type[Struct]]
    key_columns: ClassVar[tuple[str, ...]]
    ddl: ClassVar[str]  # `create table`, without a schema
    indexes: ClassVar[str] = ""  # `create index`; a rebuild makes them when the rows are there
    handles: ClassVar[tuple[type[Event], ...]]  # other events are not even shown
    #: Types of which a rebuild may leave out all but the last about each thing, and the field that names the thing: one
    #: makes the row what it is whether or not there was another before, and whatever came in between.
    last_counts: ClassVar[Mapping[type[Event], str]] = {}

    def key(self, recorded: Recorded) -> Key | Rows | Naming | None:
        """The row an event belongs to, several of them, or None when it changes no row."""
        raise NotImplementedError

    def names(self, row: Row) -> Collection[str]:
        """What a row names of other things, for a projection whose `key` asks for who names something."""
        raise NotImplementedError

    def evolve(self, row: Row | None, recorded: Recorded) -> Row | None:
        """The row after one event; None removes it, or leaves it unmade.

        Of the envelope it may look at position and time alone: a rebuild reads no more of it.
        """
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

    @cached_property
    def _any_json(self) -> bool:
        return any(self._json)

    @cached_property
    def odd_columns(self) -> tuple[int, ...]:
        """Places of the columns that may be null or hold a list."""
        return tuple(
            place
            for place, column in enumerate(self.columns)
            if self._types[column] == list[str] or type(None) in get_args(self._types[column])
        )

    @cached_property
    def _get(self) -> "attrgetter[tuple[Any, ...]]":
        return attrgetter(*self.columns)

    def values(self, row: Row) -> tuple[Any, ...]:
        """The row as column values; anything but text, numbers, times and lists of text as JSON text."""
        values: tuple[Any, ...] = self._get(row)
        if not self._any_json:
            return values
        return tuple(
            [
                msgspec.json.encode(value).decode() if json and value is not None else value
                for json, value in zip(self._json, values, strict=True)
            ]
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


def _plain(hint: Any) -> bool:
    members = get_args(hint) if not isinstance(hint, type) and hint != list[str] else ()
    return hint in PLAIN or (bool(members) and all(member in PLAIN for member in members))


class Table(Generic[Row]):
    """Rows of a projection in memory: all of them in a rebuild, else those a batch may touch.

    Args:
        touching: is it noted which rows change?
    """

    def __init__(self, projection: Projection[Row], rows: Iterable[Row] = (), *, touching: bool = True) -> None:
        self.projection = projection
        self.rows: dict[Key, Row] = {projection.key_of(row): row for row in rows}
        self.touched: set[Key] = set()  # changed or gone
        self._touching = touching
        self._key = projection.key
        self._evolve = projection.evolve
        self._names = projection.names
        self._having: dict[str, dict[str, set[Key]]] = {}  # column → value → keys, also of rows that are gone
        self._naming: dict[str, set[Key]] | None = None  # name → keys of rows that named it at some time

    def apply(self, recorded: Recorded) -> None:
        """One event."""
        key = self._key(recorded)
        if isinstance(key, tuple):
            self._one(key, recorded)
        elif key is not None:
            for each in list(self._of(key) if isinstance(key, Rows) else self._that_named(key)):
                self._one(each, recorded)

    def _one(self, key: Key, recorded: Recorded) -> None:
        before = self.rows.get(key)
        after = self._evolve(before, recorded)
        if after is before:
            return
        if self._touching:
            self.touched.add(key)
        if after is None:
            del self.rows[key]
            return
        self.rows[key] = after
        if before is None:
            for column, keys in self._having.items():
                keys.setdefault(getattr(after, column), set()).add(key)
        if self._naming is not None:
            known = self._names(before) if before is not None else ()
            for name in self._names(after):
                if name not in known:
                    self._naming.setdefault(name, set()).add(key)

    def _of(self, wanted: Rows) -> set[Key]:
        """Looked up in an index that is made when first asked for: most columns never are."""
        keys = self._having.get(wanted.column)
        if keys is None:
            keys = self._having[wanted.column] = {}
            for key, row in self.rows.items():
                keys.setdefault(getattr(row, wanted.column), set()).add(key)
        return keys.get(wanted.value, set())

    def _that_named(self, wanted: Naming) -> set[Key]:
        if self._naming is None:
            self._naming = {}
            for key, row in self.rows.items():
                for name in self._names(row):
                    self._naming.setdefault(name, set()).add(key)
        keys = set[Key]().union(*(self._naming.get(name, ()) for name in wanted.names))
        return keys & self.rows.keys()


def fold(projection: Projection[Row], facts: Iterable[Recorded], rows: Iterable[Row] = ()) -> Table[Row]:
    """The rows after these facts, from the rows before them."""
    table = Table(projection, rows)
    handles = frozenset(projection.handles)
    for recorded in facts:
        if type(recorded.event) in handles:
            table.apply(recorded)
    return table


# rows as lines of COPY

NULL = "\0"  # no text in PostgreSQL can hold it
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_line(projection: Projection[Row], row: Row) -> str:
    """The row as COPY reads it in text form; a quarter of the time psycopg's general way takes."""
    values = list(projection.values(row))
    for place in projection.odd_columns:
        values[place] = _odd(values[place])
    line = "\t".join(map(str, values))  # PostgreSQL takes Python's words for numbers, times and truth
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(values):
        line = "\t".join([str(value).translate(ESCAPES) for value in values])
    return line.replace(NULL, r"\N")


def _odd(value: Any) -> Any:
    if value is None:
        return NULL
    if isinstance(value, list):
        return "{" + ",".join(['"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in value]) + "}"
    return value
