"""The durable tables as text, out of one database and into another: the same bytes on any PostgreSQL from 15 on.

Which tables there are the catalog says, so that none is forgotten: all of the schema `public` that survive a crash,
each partition for itself. Read tables are not among them: they are made anew from the ledger. The text is that of COPY,
in an order that no server's collation changes, and so its sha256 is a checksum to compare by.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import sql

# Made by every database itself, of read tables that are not copied, or of browsers on their way for some minutes.
LEFT_OUT = ("schema_migration", "tracking", "sign_in_flow")
LEFT = "The hub moved to"
BOUND = re.compile(r"FOR VALUES FROM \('[\d :+.-]+'\) TO \('[\d :+.-]+'\)")
CONNECTION = (
    "set timezone to 'UTC'",
    "set datestyle to 'ISO'",
    "set bytea_output to 'hex'",
    "set extra_float_digits to 1",
)

TABLES = """
    select found.relname,
           array(select attname::text from pg_attribute
                 where attrelid = found.oid and attnum > 0 and not attisdropped and attgenerated = '' order by attnum),
           array(select attname::text from pg_index, unnest(indkey) with ordinality as part (number, place)
                 join pg_attribute on attnum = number
                 where indrelid = found.oid and indisprimary and attrelid = found.oid order by place),
           coalesce(parent.relname, ''), coalesce(pg_get_expr(found.relpartbound, found.oid), '')
    from pg_class as found
    left join pg_inherits on inhrelid = found.oid
    left join pg_class as parent on parent.oid = inhparent
    where found.relnamespace = 'public'::regnamespace and found.relkind = 'r' and found.relpersistence = 'p'
      and not found.relname = any(%s)
      and not exists (select from pg_depend where objid = found.oid and deptype = 'e')
    order by found.relname collate "C"
"""
TEXTS = """
    select attname::text from pg_attribute
    where attrelid = %s::regclass and attnum > 0 and not attisdropped and attcollation <> 0
"""
SEQUENCES = """
    select sequencename::text, coalesce(last_value, 0) from pg_sequences where schemaname = 'public'
    order by sequencename collate "C"
"""


Text = bytes | bytearray | memoryview

EMPTY = "select not exists (select from public.ledger) and not exists (select from public.data_key)"


class NotTheSame(Exception):
    """What arrived is not what left; nothing was kept of it. The message names the table."""


class Table(Struct, frozen=True):
    """A table, or a partition of one.

    Args:
        order: columns that make the order of its rows.
        parent, bound: of a partition.
    """

    name: str
    columns: tuple[str, ...]
    order: tuple[str, ...]
    parent: str = ""
    bound: str = ""


class Sum(Struct, frozen=True):
    """Number of rows, and sha256 of their text as hex."""

    rows: int
    sha256: str


class Summing:
    """Text that passes by, counted and hashed."""

    def __init__(self) -> None:
        self._hash = sha256()
        self._rows = 0

    def of(self, rows: Iterable[Text]) -> Iterator[Text]:
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: Text) -> None:
        self._hash.update(row)
        self._rows += 1

    @property
    def sum(self) -> Sum:
        return Sum(self._rows, self._hash.hexdigest())


def prepare(db: psycopg.Connection[Any]) -> None:
    """Before anything is copied: what a value's text depends on."""
    for statement in CONNECTION:
        db.execute(statement)


def tables(db: psycopg.Connection[Any]) -> list[Table]:
    """What is to be copied, by name. Prepared."""
    found = [
        Table(name, tuple(columns), tuple(key), parent, bound)
        for name, columns, key, parent, bound in db.execute(TABLES, (list(LEFT_OUT),)).fetchall()
    ]
    # The logs of rows have no key; their position is one.
    return [one if one.order else Table(one.name, one.columns, ("position",), one.parent, one.bound) for one in found]


def hold(db: psycopg.Connection[Any], found: Sequence[Table], mode: str = "access share") -> None:
    """Nobody drops a table until the transaction ends; in the mode `share` nobody writes to one either."""
    names = sql.SQL(", ").join(
        sql.Identifier("public", name) for name in sorted({one.parent or one.name for one in found})
    )
    db.execute(sql.SQL("lock table {} in {} mode").format(names, sql.SQL(mode)))


def text_of(db: psycopg.Connection[Any], table: Table) -> Iterator[Text]:
    """Its rows, in order. Prepared, in a transaction."""
    texts = {name for (name,) in db.execute(TEXTS, (f"public.{_quoted(table.name)}",)).fetchall()}
    order = sql.SQL(", ").join(
        sql.SQL('{} collate "C"' if name in texts else "{}").format(sql.Identifier(name)) for name in table.order
    )
    statement = sql.SQL("copy (select {} from {} order by {}) to stdout").format(_columns(table), _name(table), order)
    with db.cursor() as cursor, cursor.copy(statement) as copy:
        yield from copy


def sum_of(db: psycopg.Connection[Any], table: Table) -> Sum:
    summing = Summing()
    for row in text_of(db, table):
        summing.add(row)
    return summing.sum


def fill(db: psycopg.Connection[Any], table: Table, rows: Iterable[Text]) -> None:
    """Puts rows into a table that holds none but what its migration put there; a missing partition is made.

    Raises:
        NotTheSame: it is a partition of something else than a range of time.
    """
    if table.parent:
        if not BOUND.fullmatch(table.bound):
            raise NotTheSame(f"{table.name} is no partition as the hub makes them")
        partition = sql.SQL("create table if not exists {} partition of {} " + table.bound)
        db.execute(partition.format(_name(table), sql.Identifier("public", table.parent)))
    if db.execute(sql.SQL("select exists (select from {})").format(_name(table))).fetchone() == (True,):
        db.execute(sql.SQL("delete from {}").format(_name(table)))
    statement = sql.SQL("copy {} ({}) from stdin").format(_name(table), _columns(table))
    with db.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write(row)


def sequences(db: psycopg.Connection[Any]) -> dict[str, int]:
    """The last number each has given out; 0 for none yet."""
    return dict(db.execute(SEQUENCES).fetchall())


def set_sequences(db: psycopg.Connection[Any], last: dict[str, int]) -> None:
    for name, number in last.items():
        if number:
            db.execute("select setval(%s::regclass, %s)", (f"public.{_quoted(name)}", number))


def is_empty(db: psycopg.Connection[Any]) -> bool:
    """Is there no hub in this database, or a schema and no hub in it yet? The first thing a hub makes is its keys."""
    # Two questions: a first start that was cut off may have left the one without the other.
    for table in ("ledger_head", "data_key"):
        if db.execute("select to_regclass(%s) is null", (f"public.{table}",)).fetchone() == (True,):
            return True
    return db.execute(EMPTY).fetchone() == (True,)


def leave(db: psycopg.Connection[Any], where: str) -> None:
    """Notes that the hub moved away, so that none starts here again (server_checks.py)."""
    db.execute(sql.SQL("comment on table public.ledger_head is {}").format(sql.Literal(f"{LEFT} {where}")))


def left_for(db: psycopg.Connection[Any]) -> str:
    """Where the hub of this database moved; '' when it is here, or none ever was."""
    row = db.execute("select obj_description(to_regclass('public.ledger_head'), 'pg_class')").fetchone()
    note = str(row[0] or "") if row else ""
    return note.removeprefix(LEFT).strip() if note.startswith(LEFT) else ""


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier("public", table.name)


def _columns(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in table.columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
