"""Waiting for a state, with a deadline, in tests that share their event loop with streams."""

import asyncio
import time
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], *, within: float, what: str | Callable[[], str]) -> float:
    """Waits until the condition holds and returns after how many seconds it did."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > within:
            raise AssertionError(f"not within {within} s: {what() if callable(what) else what}")
        await asyncio.sleep(0.01)
    return time.monotonic() - begun
