import asyncio
import gc
import time

import pytest
import structlog
from structlog.testing import capture_logs

from mcphub import loop_lag
from mcphub.loop_lag import Collections, LoopLag


async def test_a_loop_that_came_late_is_told_with_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = LoopLag()
    role = lag.role()
    await role.start()

    with capture_logs() as logs:
        monkeypatch.setattr(loop_lag, "log", structlog.get_logger())  # one that is not set up yet
        deadline = time.monotonic() + 5
        while not logs and time.monotonic() < deadline:
            await asyncio.sleep(0)
            time.sleep(0.2)  # noqa: ASYNC251  what no handler may do
    await role.stop()

    assert logs[0]["event"] == "loop_late"
    assert logs[0]["ms"] > loop_lag.WORTH_A_LINE_MS
    assert lag.worst_ms > loop_lag.WORTH_A_LINE_MS


def test_what_made_a_full_collection_long_is_left_out_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    collections = Collections()
    collections.start()
    before = gc.get_freeze_count()
    monkeypatch.setattr(loop_lag, "LONG_COLLECTION_MS", 0.0)
    grown = [[] for _ in range(10_000)]

    gc.collect()

    assert gc.get_freeze_count() >= before + len(grown)
    collections.stop()
    assert gc.get_freeze_count() == 0


def test_a_short_full_collection_freezes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    collections = Collections()
    collections.start()
    before = gc.get_freeze_count()
    monkeypatch.setattr(loop_lag, "LONG_COLLECTION_MS", 10_000.0)

    gc.collect()

    assert gc.get_freeze_count() <= before  # what was frozen before may go
    collections.stop()
