"""`Idempotency-Key`: a request that is sent again makes nothing twice, on whichever node and after whatever restart.

The id of what is made follows from who asks, for what, and the key they sent; the command sees in its own boundary that
it is there already. So nothing is kept beside the ledger, and of two at once one wins.
"""

from hashlib import sha256
from typing import Annotated
from uuid import UUID

from litestar.params import HeaderParameter

from mcphub.api.problems import invalid
from mcphub.domain.ids import new_id

MOST = 200  # characters
IdempotencyKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


def id_for(user_id: str, operation: str, key: str | None) -> str:
    """The id of what this request makes: a fresh one, or with a key always the same.

    Raises:
        Problem: the key is too long.
    """
    if not key:
        return new_id()
    if len(key) > MOST:
        raise invalid(f"An Idempotency-Key has at most {MOST} characters.")
    digest = sha256("\0".join((user_id, operation, key)).encode()).digest()
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF000 << 64) | 0x8000 << 64  # version 8, RFC 9562 §5.8: made by a rule of our own
    return str(UUID(int=value & ~(0xC000 << 48) | 0x8000 << 48))
