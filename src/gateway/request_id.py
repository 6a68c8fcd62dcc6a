"""The readable id of a request: what clients, logs and upstreams see.

`user-{user}-{session}-{method}-{Unix ms}-{last 12 hex of the row's UUID}`. The milliseconds are the UUID's own first 48
bits; with both ends of the UUID the row is found by the same index as by the whole (`projections/requests.py`).
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

# A method is what a client wrote; the id goes into headers and log lines.
UNSAFE = re.compile(r"[^A-Za-z0-9_./$]")
LONGEST_METHOD = 64


def readable(request_id: UUID, user_id: str, session_id: str, method: str) -> str:
    """The seed's pattern; `none` stands for no user and for no session."""
    number = request_id.int
    return (
        f"user-{user_id or 'none'}-{session_id or 'none'}-{_tame(method[:LONGEST_METHOD])}"
        f"-{number >> 80}-{number & 0xFFFF_FFFF_FFFF:012x}"
    )


def came_in(request_id: UUID) -> datetime:
    """When the request of this id came in, to the millisecond."""
    return datetime.fromtimestamp((request_id.int >> 80) / 1000, UTC)


@lru_cache(256)
def _tame(method: str) -> str:
    return UNSAFE.sub("_", method)
