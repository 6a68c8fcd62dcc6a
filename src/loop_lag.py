"""How late the event loop is: whatever keeps it busy keeps every call waiting that long."""

import asyncio
import gc
import time
from collections.abc import Callable

import structlog

from mcphub.periodic import Periodic

log = structlog.get_logger()

EVERY_S = 0.1
WORTH_A_LINE_MS = 50.0
ROUND_S = 60.0
LONG_COLLECTION_MS = 15.0


class LoopLag:
    """Sleeps a little, again and again, and looks how much longer it took. `worst_ms` is the worst of this minute.

    Args:
        late: told each time, in milliseconds.
    """

    def __init__(self, late: Callable[[float], None] = lambda _: None) -> None:
        self.worst_ms = 0.0
        self._late = late
        self._told = time.monotonic()

    def role(self) -> Periodic:
        return Periodic("loop-lag", self.round, 0.0)

    async def round(self) -> None:
        asked = time.monotonic()
        await asyncio.sleep(EVERY_S)
        late_ms = (time.monotonic() - asked - EVERY_S) * 1000
        self.worst_ms = max(self.worst_ms, late_ms)
        self._late(late_ms)
        if late_ms > WORTH_A_LINE_MS:
            log.debug("loop_late", ms=round(late_ms, 1))
        if time.monotonic() - self._told > ROUND_S:
            log.debug("loop_lag", worst_ms=round(self.worst_ms, 1))
            self.worst_ms, self._told = 0.0, time.monotonic()


class Collections:
    """Keeps the garbage collector's full rounds short, which stop the whole process for as long as they look.

    What is alive at the start lives as long as the process, and most of what a growing ledger adds does so, too. Such
    objects are taken out of the rounds: at the start, and again when a round took long.
    """

    def __init__(self) -> None:
        self._began = 0.0

    def start(self) -> None:
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self._noted)

    def stop(self) -> None:
        gc.callbacks.remove(self._noted)
        gc.unfreeze()

    def _noted(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < 2:
            return
        if phase == "start":
            self._began = time.perf_counter()
            return
        took_ms = (time.perf_counter() - self._began) * 1000
        if took_ms > LONG_COLLECTION_MS:
            gc.freeze()
            log.debug("objects_frozen", ms=round(took_ms, 1), objects=gc.get_freeze_count())
