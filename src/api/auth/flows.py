"""Browsers on their way to a provider and back. Whoever comes back uses the row up, whatever comes of it.

The state names the row; the flow cookie says that it is the same browser. Of both only digests are stored.
"""

import hmac
import re
import secrets
from hashlib import sha256
from typing import Any

from msgspec import Struct
from psycopg_pool import ConnectionPool

from mcphub.api.auth.providers import Flow

LIVES_SECONDS = 600
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
# A path of the hub's pages: one slash, then nothing a browser could take for a host, and nothing of the API.
NEXT = re.compile(r"/(?![/\\])[\w\-./~%?=&#:,+@!*()']{0,500}", re.ASCII)
NO_PAGES = re.compile(r"/(?:api|mcp|oauth|sse|messages|livez|readyz|metrics|health|auth|login)(?:[/?#]|$)")


class BackAgain(Struct, frozen=True):
    """A browser that came back to where it set out."""

    provider: str
    flow: Flow
    next: str


def flow_cookie(https: bool) -> str:
    return "__Host-mcphub_flow" if https else "mcphub_flow"


def set_flow_cookie(https: bool, value: str) -> str:
    """Lax, because the way back is a link of another site."""
    secure = "; Secure" if https else ""
    age = LIVES_SECONDS if value else 0
    return f"{flow_cookie(https)}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def is_page(path: str) -> bool:
    """May a browser be sent there after signing in?"""
    return NEXT.fullmatch(path) is not None and NO_PAGES.match(path) is None


class Flows:
    """Rows of `sign_in_flow`. Calls block.

    Args:
        pool: connections in autocommit mode, as the application role.
    """

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    def begin(self, provider: str, cookie: str, next_: str = "") -> tuple[str, str, Flow]:
        """A browser sets out.

        Args:
            cookie: the flow cookie it has; a usable one stays, so that two tabs may be on their way.

        Returns:
            The state, the flow cookie, and what the provider is told.
        """
        state, flow = secrets.token_urlsafe(32), Flow(secrets.token_urlsafe(48), secrets.token_urlsafe(32))
        cookie = cookie if TOKEN.fullmatch(cookie) else secrets.token_urlsafe(32)
        with self._pool.connection() as db:
            db.execute("delete from sign_in_flow where expires_at < clock_timestamp()")
            db.execute(
                "insert into sign_in_flow"
                " (state_digest, provider, verifier, nonce, cookie_digest, next, expires_at)"
                " values (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))",
                (_digest(state), provider, flow.verifier, flow.nonce, _digest(cookie), next_, LIVES_SECONDS),
            )
        return state, cookie, flow

    def take(self, state: str, cookie: str) -> BackAgain | None:
        """Uses the row up; None when there is none, it is over, or another browser comes with it."""
        with self._pool.connection() as db:
            row = db.execute(
                "delete from sign_in_flow where state_digest = %s"
                " returning provider, verifier, nonce, next, cookie_digest, expires_at > clock_timestamp()",
                (_digest(state),),
            ).fetchone()
        if row is None:
            return None
        provider, verifier, nonce, next_, cookie_digest, alive = row
        if not alive or not hmac.compare_digest(bytes(cookie_digest), _digest(cookie)):
            return None
        return BackAgain(provider, Flow(verifier, nonce), next_)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
