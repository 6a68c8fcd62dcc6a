"""A second process that folds half of the tables of a rebuild, so that two cores are at work.

It is forked, so it has to be before there are threads and connections. It reads the ledger on a connection of its own
and writes nothing: rows go through a pipe to the process that rebuilds, and that one alone writes. When that is gone,
the helper ends.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from mcphub.postgres.pool import explain
from mcphub.projections.projection import Projection
from mcphub.projections.rebuild import Folded, folded
from mcphub.projections.tables import all_projections

FORK = multiprocessing.get_context("fork")
ROWS, END, FAILED = b"r", b"e", b"f"  # what a message begins with


class Helper:
    """Takes half of one rebuild; idle until then.

    Args:
        dsn: as a role that may read the ledger.
    """

    def __init__(self, dsn: str) -> None:
        self._pipe, theirs = FORK.Pipe()
        self._process = FORK.Process(target=_work, args=(dsn, theirs, self._pipe), name="rebuild-helper", daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> None:
        """Whatever it is at."""
        self._process.terminate()
        self._process.join()

    def fold(self, projections: Sequence[Projection[Any]], upto: int) -> Iterator[Folded]:
        """Begins at once; each table's rows have to be taken before those of the next.

        Raises:
            RuntimeError: it failed; with what PostgreSQL said.
        """
        with contextlib.suppress(BrokenPipeError):  # it is gone; that is told when its rows are asked for
            self._pipe.send(([projection.name for projection in projections], upto))
        return self._tables(projections)

    def _tables(self, projections: Sequence[Projection[Any]]) -> Iterator[Folded]:
        for projection in projections:
            yield projection, self._rows()
        self._process.join()

    def _rows(self) -> Iterator[bytes]:
        while True:
            try:
                message = self._pipe.recv_bytes()
            except (EOFError, ConnectionResetError):
                raise RuntimeError("the helper of the rebuild was ended") from None
            kind, content = message[:1], message[1:]
            if kind == END:
                return
            if kind == FAILED:
                raise RuntimeError(content.decode())
            yield content


def _work(dsn: str, pipe: Connection, theirs: Connection) -> None:
    theirs.close()  # or the pipe would never end
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so would what the process that rebuilds is listened to by
    parent = os.getppid()

    def look(position: int, upto: int) -> None:
        if os.getppid() != parent:
            raise EOFError

    try:
        names, upto = pipe.recv()
        with psycopg.connect(dsn, autocommit=True) as db:
            projections = [projection for projection in all_projections() if projection.name in names]
            for _, rows in folded(db, projections, upto, look):
                for several in rows:
                    pipe.send_bytes(ROWS + several)
                pipe.send_bytes(END)
    except (EOFError, BrokenPipeError):
        pass  # nobody waits for the rest
    except Exception as error:
        told = explain(error) if isinstance(error, psycopg.Error) else type(error).__name__
        pipe.send_bytes(FAILED + told.encode())
