"""Locks of a session, which say which of several hubs does something, or that a hub lives.

The server gives such a lock back when the session ends. It learns of a client that crashed at once, and of one behind
a cut cable only from what it never hears: by its own defaults in two hours, with `VANISH_SOON` in ten seconds.
"""

from typing import Any

from psycopg import Connection

# The server's side of `pool.LIVENESS`. Without effect on a unix socket, whose other end cannot vanish.
VANISH_SOON = (
    "select set_config('tcp_keepalives_idle', '4', false), set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false)"
)


def lead(db: Connection[Any], lock: int) -> bool:
    """Takes the lock for this session unless another one has it."""
    row = db.execute(f"{VANISH_SOON}, pg_try_advisory_lock(%s)", (lock,)).fetchone()
    return row is not None and bool(row[-1])
