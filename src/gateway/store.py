"""Rows of downstream sessions: what a session needs to live on after a restart, here or on another node.

Only the digest of a session's id is stored. Times of last use are written in batches, never by a call.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from mcphub.gateway.exposure import NOTHING, Asked

DATABASE_AWAY = (psycopg.Error, PoolTimeout, TooManyRequests)
COLUMNS = (
    "digest, public_id::text, user_id, key_id, view, protocol_version, init_params::text, options::text, created_at"
)


class Options(Struct, frozen=True, omit_defaults=True):
    """What the client asked for in the course of the session. Subscriptions: (server id, its address, ours)."""

    log_level: str = ""
    subscriptions: list[tuple[str, str, str]] = []
    asked: Asked = NOTHING


class Row(Struct, frozen=True):
    """`view` is the path it was opened at; `init_params` raw JSON as the client sent it; `taken_from` the other node
    that had it last.
    """

    digest: bytes
    public_id: str
    user_id: str
    key_id: str
    view: str
    protocol_version: str
    init_params: bytes
    options: Options
    created_at: datetime
    taken_from: str = ""


class SessionRows:
    """
    Args:
        pool: connections in autocommit mode, as the application role.
        node: this run of the hub among others on the database.
    """

    def __init__(self, pool: AsyncConnectionPool[Any], node: str) -> None:
        self._pool = pool
        self._node = node

    async def add(self, row: Row) -> None:
        async with self._pool.connection() as db:
            await db.execute(
                "insert into gateway_session (digest, public_id, user_id, key_id, view, protocol_version, init_params,"
                " options, created_at, last_seen_at, node) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    row.digest,
                    row.public_id,
                    row.user_id,
                    row.key_id,
                    row.view,
                    row.protocol_version,
                    row.init_params.decode(),
                    msgspec.json.encode(row.options).decode(),
                    row.created_at,
                    row.created_at,
                    self._node,
                ),
            )

    async def find(self, digest: bytes) -> Row | None:
        """The row, taken over by this node."""
        async with self._pool.connection() as db:
            cursor = await db.execute(
                f"with before as (select node as taken_from from gateway_session where digest = %s for update)"
                f" update gateway_session set node = %s, last_seen_at = clock_timestamp() from before where digest = %s"
                f" returning {COLUMNS}, taken_from",
                (digest, self._node, digest),
            )
            found = await cursor.fetchone()
        if found is None:
            return None
        id_, public_id, user, key, view, protocol, params, options, created, taken_from = found
        return Row(
            bytes(id_),
            public_id,
            user,
            key,
            view,
            protocol,
            params.encode(),
            msgspec.json.decode(options, type=Options),
            created,
            "" if taken_from == self._node else taken_from,
        )

    async def change(self, digest: bytes, options: Options) -> None:
        async with self._pool.connection() as db:
            await db.execute(
                "update gateway_session set options = %s where digest = %s",
                (msgspec.json.encode(options).decode(), digest),
            )

    async def listens(self, digest: bytes, *, here: bool) -> None:
        """The session's own stream is open at this node, or no longer."""
        async with self._pool.connection() as db:
            if here:
                await db.execute("update gateway_session set listening = %s where digest = %s", (self._node, digest))
            else:
                await db.execute(
                    "update gateway_session set listening = null where digest = %s and listening = %s",
                    (digest, self._node),
                )

    async def seen(self, digests: Sequence[bytes]) -> None:
        async with self._pool.connection() as db:
            await db.execute(
                "update gateway_session set last_seen_at = clock_timestamp() where digest = any(%s)", (list(digests),)
            )

    async def remove(self, digests: Sequence[bytes]) -> None:
        async with self._pool.connection() as db:
            await db.execute("delete from gateway_session where digest = any(%s)", (list(digests),))

    async def remove_public(self, public_id: str) -> bytes | None:
        """The digest of the session that had this public id."""
        async with self._pool.connection() as db:
            cursor = await db.execute(
                "delete from gateway_session where public_id::text = %s returning digest", (public_id,)
            )
            found = await cursor.fetchone()
        return bytes(found[0]) if found else None

    async def remove_of_user(self, user_id: str) -> None:
        """Also those of sessions that live nowhere at the moment."""
        async with self._pool.connection() as db:
            await db.execute("delete from gateway_session where user_id = %s", (user_id,))

    async def remove_of_key(self, key_id: str) -> None:
        async with self._pool.connection() as db:
            await db.execute("delete from gateway_session where key_id = %s", (key_id,))

    async def remove_old(self, seconds: float) -> None:
        async with self._pool.connection() as db:
            await db.execute(
                "delete from gateway_session where last_seen_at < clock_timestamp() - %s * interval '1 second'",
                (seconds,),
            )
