"""`systemConfig.routing.jsonBodyLimit`: how large a message to `/mcp` may be.

Written as earlier hubs take it: a number of bytes, or a text such as `512kb` and `1.5mb`, where a kilobyte is 1024.
"""

import re
from functools import lru_cache
from typing import Any

LEAST = 1024  # bytes; less than that would hold no client's first message
MOST = 10 * 1024 * 1024  # bytes; as much as the configurations for nginx and Kubernetes let through
USUAL = 4 * 1024 * 1024
SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?) *(b|kb|mb|gb)?", re.I)
FACTORS = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def written(value: Any) -> int | None:
    """Bytes; None for what says no size."""
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return int(value)


def most_bytes(value: Any) -> int:
    """What holds: within LEAST and MOST, and USUAL where no size is written."""
    size = written(value)
    return USUAL if size is None else min(max(size, LEAST), MOST)


@lru_cache(16)
def _read(text: str) -> int | None:
    found = SIZE.fullmatch(text.strip())
    return int(float(found[1]) * FACTORS[(found[2] or "").lower()]) if found else None
