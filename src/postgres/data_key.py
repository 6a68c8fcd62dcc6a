"""Wrapped data keys in PostgreSQL: the vault's key store. Rows are opaque here; nothing in this room can open one."""

from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

COLUMNS = "id::text, owner, purpose, kek_id, wrapped"


class DataKeys:
    """The rows of `data_key`. Blocking; safe from several threads.

    Args:
        pool: connections in autocommit mode, as the application role.
        make: builds the caller's record from (id, owner, purpose, kek id, wrapped bytes).
    """

    def __init__(self, pool: ConnectionPool, make: Any) -> None:
        self._pool = pool
        self._make = make

    def add(self, key: Any) -> bool:
        """False when the owner has a single key of that purpose already."""
        with self._pool.connection() as db:
            done = db.execute(
                "insert into data_key (id, owner, purpose, kek_id, wrapped) values (%s, %s, %s, %s, %s)"
                " on conflict do nothing",
                (key.id, key.owner, key.purpose, key.kek_id, key.wrapped),
                prepare=True,
            )
            return done.rowcount == 1

    def get(self, key_id: str) -> Any:
        try:
            UUID(key_id)
        except ValueError:
            return None
        return self._one(f"select {COLUMNS} from data_key where id = %s", (key_id,))

    def single(self, owner: str, purpose: str) -> Any:
        return self._one(
            f"select {COLUMNS} from data_key where owner = %s and purpose = %s order by created_at limit 1",
            (owner, purpose),
        )

    def remove(self, key_id: str) -> bool:
        with self._pool.connection() as db:
            return db.execute("delete from data_key where id = %s", (key_id,), prepare=True).rowcount == 1

    def remove_owner(self, owner: str) -> int:
        with self._pool.connection() as db:
            return db.execute("delete from data_key where owner = %s", (owner,), prepare=True).rowcount

    def _one(self, sql: str, params: tuple[str, ...]) -> Any:
        with self._pool.connection() as db:
            row = db.execute(sql, params, prepare=True).fetchone()
        return None if row is None else self._make(row[0], row[1], row[2], row[3], bytes(row[4]))
