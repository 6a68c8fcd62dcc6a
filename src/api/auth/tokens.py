"""The signed token of a session: it names the session, and grants nothing.

Whether the session lives, the user is active and who administers is asked of the access model at every request.
"""

import hmac
import time
from collections.abc import Callable
from hashlib import sha256

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Struct

BROWSER_SECONDS = 15 * 60
SCRIPT_SECONDS = 60 * 60
RENEW_BELOW = 10 * 60  # seconds left at which a browser gets a fresh token
ALGORITHM = "HS256"


class Claims(Struct, frozen=True):
    """What a token says. `version` is the user's `auth_version` at sign-in."""

    user_id: str
    session_id: str
    version: int
    expires: int  # Unix seconds


class TokenSigner:
    """Makes and reads tokens with the hub's own key.

    Args:
        secret: the vault's `secret("session")`.
        clock: Unix seconds.
    """

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = OctKey.import_key(secret)
        self._csrf = hmac.new(secret, b"csrf", sha256).digest()
        self._clock = clock

    def sign(self, user_id: str, session_id: str, version: int, seconds: int) -> tuple[str, int]:
        """(token, Unix second at which it expires)."""
        expires = int(self._clock()) + seconds
        claims = {"sub": user_id, "sid": session_id, "ver": version, "exp": expires}
        return jwt.encode({"alg": ALGORITHM}, claims, self._key), expires

    def read(self, token: str) -> Claims | None:
        """What a token of ours says, also an expired one; None for anything else."""
        if len(token) > 2048:
            return None
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
            return Claims(str(claims["sub"]), str(claims["sid"]), int(claims["ver"]), int(claims["exp"]))
        except (JoseError, KeyError, TypeError, ValueError):
            return None

    def expired(self, claims: Claims) -> bool:
        return claims.expires <= self._clock()

    def ageing(self, claims: Claims) -> bool:
        """Is it time for a fresh one?"""
        return claims.expires - self._clock() < RENEW_BELOW

    def csrf(self, session_id: str) -> str:
        """What the hub's own pages send along with a cookie, and others cannot know."""
        return hmac.new(self._csrf, session_id.encode(), sha256).hexdigest()

    def csrf_fits(self, session_id: str, sent: str) -> bool:
        return hmac.compare_digest(self.csrf(session_id).encode(), sent.encode())
