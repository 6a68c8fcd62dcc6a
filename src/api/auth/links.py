"""Links that work once: set-up and invitations. Only the token's digest is stored; using a link deletes its row."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal

from psycopg_pool import ConnectionPool

Purpose = Literal["setup", "invite"]
LIVES = {"setup": timedelta(minutes=15), "invite": timedelta(hours=72)}
RECOVER = "recover"  # subject of a set-up link made on the host: it works although an administrator exists


class OneTimeLinks:
    """Rows of `one_time_link`. Calls block.

    Args:
        pool: connections in autocommit mode, as the application role.
    """

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    def make(self, purpose: Purpose, subject: str = "", *, lives: timedelta | None = None) -> str:
        """A fresh token; it goes into the fragment of a link, which no server and no log sees."""
        token = secrets.token_urlsafe(32)
        self.put(purpose, token, subject, lives=lives)
        return token

    def put(self, purpose: Purpose, token: str, subject: str = "", *, lives: timedelta | None = None) -> None:
        """Stores a link; also gives one back that was taken for a change that was then refused."""
        with self._pool.connection() as db:
            db.execute("delete from one_time_link where expires_at < clock_timestamp()")
            db.execute(
                "insert into one_time_link (digest, purpose, subject, expires_at)"
                " values (%s, %s, %s, clock_timestamp() + %s) on conflict do nothing",
                (_digest(token), purpose, subject, lives or LIVES[purpose]),
            )

    def renew(self, purpose: Purpose, subject: str) -> str:
        """A fresh token in place of every other for this subject."""
        with self._pool.connection() as db:
            db.execute("delete from one_time_link where purpose = %s and subject = %s", (purpose, subject))
        return self.make(purpose, subject)

    def take(self, purpose: Purpose, token: str) -> str | None:
        """Uses the link up and says what it was for; None when it never was, was used, or is over."""
        with self._pool.connection() as db:
            row = db.execute(
                "delete from one_time_link where digest = %s and purpose = %s and expires_at > clock_timestamp()"
                " returning subject",
                (_digest(token), purpose),
            ).fetchone()
        return None if row is None else str(row[0])


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
