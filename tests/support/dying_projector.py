"""A projector that dies by SIGKILL at its nth exchange with PostgreSQL: before the words go out, or when they were
answered.
"""

import multiprocessing
import os
import signal
from typing import Any

import psycopg

from mcphub.projections.projection import Projection
from mcphub.projections.projector import Projector, all_projections
from tests.support.counting import Count

# Forked from a process without threads that has imported all of this: a start costs milliseconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])
WITHIN_S = 60


def projections() -> list[Projection[Any]]:
    """Every read table, and one that an event applied twice changes."""
    return [*all_projections(), Count()]


def dies_at(dsn: str, exchange: int, *, answered: bool) -> None:
    """Runs one until it is dead.

    Raises:
        AssertionError: it did not die of the kill.
    """
    child = FORKS.Process(target=_run, args=(dsn, exchange, answered))
    child.start()
    child.join(WITHIN_S)
    if child.is_alive():
        child.kill()
    assert child.exitcode == -signal.SIGKILL, child.exitcode


def _run(dsn: str, exchange: int, answered: bool) -> None:
    left = exchange

    class Dying(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left <= 0 and not answered:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return super().wait(gen, *args, **options)
            finally:
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    Projector.POLL_SECONDS = 0.01  # with nothing to apply it goes on talking, and so comes to its end
    with Dying.connect(dsn, autocommit=True) as db:
        left = exchange
        Projector(dsn, projections())._serve(db)
