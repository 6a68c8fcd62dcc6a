"""Memory that was needed for a moment, given back to the system."""

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """What glibc keeps for later, it gives back; other allocators are left alone. Some milliseconds."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
