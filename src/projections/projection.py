"""What a read model is: rows by key, evolved one fact at a time.

A projection says only what a row becomes.
The projector loads the rows a batch touches, evolves them in memory and writes them back; a rebuild does the same over
the whole ledger. Both agree by construction, and a test compares them.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
encode_lines = msgspec.json.Encoder().encode_lines
ESCAPED = re.compile(rb"\\(?:u[0-9a-f]{4}|.)")  # as JSON has it
PLAIN = {str, int, bool, float, datetime, list[str], type(None)}


Key = tuple[Any, ...]


class Rows(Struct, frozen=True):
    """Every row that has this value in this column; no event ever changes that column of a row."""

    column: str
    value: str


class Naming(Struct, frozen=True):
    """Every row with such an item in its column `Projection.naming`; a row may come to have others."""

    means: Callable[[Any], bool]


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
    naming: ClassVar[str] = ""  # the column whose list names other things, where `key` asks for who names something
    #: Types of which a rebuild may leave out all but the last about each thing, and the field that names the thing: one
    #: makes the row what it is whether or not there was another before, and whatever came in between.
    last_counts: ClassVar[Mapping[type[Event], str]] = {}

    def key(self, recorded: Recorded) -> Key | Rows | Naming | None:
        """The row an event belongs to, several of them, or None when it changes no row."""
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
    def _json_columns(self) -> tuple[int, ...]:
        """Their places."""
        return tuple(place for place, json in enumerate(self._json) if json)

    @cached_property
    def _list_columns(self) -> tuple[int, ...]:
        """Places of the columns that hold lists of texts."""
        return tuple(place for place, column in enumerate(self.columns) if self._types[column] == list[str])

    @cached_property
    def _get(self) -> "attrgetter[tuple[Any, ...]]":
        return attrgetter(*self.columns)

    def values(self, row: Row) -> Sequence[Any]:
        """The row as column values; anything but text, numbers, times and lists of text as JSON text."""
        values: tuple[Any, ...] = self._get(row)
        if not self._json_columns:
            return values
        texts = list(values)
        for place in self._json_columns:
            if texts[place] is not None:
                texts[place] = msgspec.json.encode(texts[place]).decode()
        return texts

    def lines(self, rows: Iterable[Row]) -> bytes:
        """The rows as `copy … (format csv, escape '\\', null 'null')` reads them, a line each.

        JSON without the brackets of its lists is that but for escapes of control characters, and a tenth of the work of
        putting it together here.
        """
        several: list[Sequence[Any]] = [self.values(row) for row in rows]
        if self._list_columns:
            several = [self._with_arrays(values) for values in several]
        lines = encode_lines(several)[1:-2].replace(b"]\n[", b"\n")  # nothing within a text is a line break
        if b"\\" in lines.replace(rb"\\", b"").replace(rb"\"", b""):
            lines = ESCAPED.sub(_unescaped, lines)
        return lines

    def _with_arrays(self, values: Sequence[Any]) -> Sequence[Any]:
        found = list(values)
        for place in self._list_columns:
            found[place] = _array(found[place])
        return found

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
        self._having: dict[str, dict[str, set[Key]]] = {}  # column → value → keys, also of rows that are gone
        self._naming: defaultdict[Any, set[Key]] | None = None  # item → keys of rows that had it at some time

    def apply(self, recorded: Recorded) -> None:
        """One event."""
        key = self._key(recorded)
        if key is None:
            return
        for each in (key,) if isinstance(key, tuple) else self._found(key):
            before = self.rows.get(each)
            after = self._evolve(before, recorded)
            if after is not before:
                self._put(each, before, after)

    def _put(self, key: Key, before: Row | None, after: Row | None) -> None:
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
            column = self.projection.naming
            if before is None or getattr(before, column) is not getattr(after, column):
                self._note(key, after)

    def _found(self, wanted: Rows | Naming) -> list[Key]:
        return list(self._of(wanted) if isinstance(wanted, Rows) else self._that_named(wanted))

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
            self._naming = defaultdict(set)
            for key, row in self.rows.items():
                self._note(key, row)
        return set[Key]().union(*(keys for item, keys in self._naming.items() if wanted.means(item)))

    def _note(self, key: Key, row: Row) -> None:
        assert self._naming is not None
        for item in getattr(row, self.projection.naming):
            self._naming[item].add(key)


def fold(projection: Projection[Row], facts: Iterable[Recorded], rows: Iterable[Row] = ()) -> Table[Row]:
    """The rows after these facts, from the rows before them."""
    table = Table(projection, rows)
    handles = frozenset(projection.handles)
    for recorded in facts:
        if type(recorded.event) in handles:
            table.apply(recorded)
    return table


def _array(texts: Iterable[str]) -> str:
    """As PostgreSQL reads a list."""
    return "{" + ",".join(['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts]) + "}"


def _unescaped(found: re.Match[bytes]) -> bytes:
    text: bytes = found[0]
    return text if text[1:] in b'"\\' else msgspec.json.decode(b'"%s"' % text, type=str).encode()
