"""Identifiers: time-ordered UUIDs (RFC 9562 §5.7), which the standard library has only from Python 3.14."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID whose first 48 bits are Unix milliseconds: rows made later sort later, so indexes stay compact."""
    millis = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (millis & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF000 << 64) | 0x7000 << 64  # version 7
    value = value & ~(0xC000 << 48) | 0x8000 << 48  # variant of RFC 9562
    return UUID(int=value)


def new_id() -> str:
    """A fresh id in the form the API and the events carry."""
    return str(uuid7())
