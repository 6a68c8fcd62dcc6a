"""Fixtures of the fault tests: a hub to be killed, and servers behind it that remember what they received."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.recorder import Recorder
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


@pytest.fixture
def upstreams(recorder: Recorder) -> Iterator[Upstreams]:
    made = Upstreams(recorder)
    yield made
    made.end()


@pytest.fixture
def hub(make_home: Callable[[], Path], tmp_path: Path, upstreams: Upstreams) -> Iterator[RunningHub]:
    """Ends before the servers behind it, so that it never waits for one that is gone."""
    running = RunningHub(make_home(), tmp_path)
    try:
        yield running.start()
    finally:
        running.end()
