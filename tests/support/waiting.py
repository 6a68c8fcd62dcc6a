"""Waiting for a state, with a deadline. Deadlines are those of a machine that does nothing else."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any


def slower() -> float:
    """How many times slower than an idle one this machine is by now: those that want to run, for each core; at least 1.

    What the hub promises in seconds it promises on a machine of its own; tests run where others run as well.
    """
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def until(condition: Callable[[], Any], *, within: float, what: str | Callable[[], str]) -> float:
    """Waits until the condition holds and returns after how many seconds it did."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > within * slower():
            raise AssertionError(f"not within {within} s: {what() if callable(what) else what}")
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


def eventually(condition: Callable[[], Any], *, within: float, what: str | Callable[[], str]) -> float:
    """`until` for tests without an event loop."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > within * slower():
            raise AssertionError(f"not within {within} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return time.monotonic() - begun
