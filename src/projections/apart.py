"""A rebuild, or a comparison with one, in a process of its own: meanwhile a hub answers calls as if there were none.

In a thread it would share the interpreter's lock: each wake-up of the event loop waited for its turn, and the garbage
collector's look at a million rows for longer still.

The process gets the connection string through a pipe, says how far it is every fifth of a second, and ends when nobody
listens any more.
"""

import contextlib
import gc
import os
import subprocess
import sys
import threading
from typing import Literal

import msgspec
import psycopg

from mcphub.projections.helper import Helper
from mcphub.projections.rebuild import Comparison, Progress, compare, quiet, rebuild
from mcphub.projections.tables import all_projections, ensure_schema

Job = Literal["rebuild", "compare"]

SAY_EVERY_S = 0.2
NICENESS = 5  # calls come first


class RebuildFailed(Exception):
    """The tables are as they were; the text is the error's type and what PostgreSQL said of it."""


class Said(msgspec.Struct):
    """One line of the process: how far it is, and at last how it ended."""

    position: int
    upto: int
    done: bool = False
    error: str = ""
    found: Comparison | None = None


def rebuild_apart(dsn: str, progress: Progress = quiet) -> int:
    """Rebuilds every read table; blocking, so call it in a thread. Returns the position the new tables stand at.

    Args:
        dsn: as the role that owns the read schema.
        progress: told (position, head); what it raises ends the rebuild.

    Raises:
        RebuildFailed: also when a rebuild is running already.
    """
    return _apart("rebuild", dsn, progress).position


def compare_apart(dsn: str, progress: Progress = quiet) -> Comparison:
    """Compares every read table with what a rebuild would make; as `rebuild_apart`."""
    found = _apart("compare", dsn, progress).found
    assert found is not None
    return found


def _apart(job: Job, dsn: str, progress: Progress) -> Said:
    command = [sys.executable, "-m", __spec__.name, job]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/") as child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            with contextlib.suppress(BrokenPipeError), child.stdin as secret:
                secret.write(dsn.encode())
            for line in child.stdout:
                said = msgspec.json.decode(line, type=Said)
                if said.error:
                    raise RebuildFailed(said.error)
                if said.done:
                    return said
                progress(said.position, said.upto)
        finally:
            if child.poll() is None:
                child.terminate()
        raise RebuildFailed(f"the process ended with {child.wait()}")


def main() -> None:
    """The process: what to do as its argument, connection string in, lines out."""
    said, out, ended = Said(0, 0), sys.stdout.buffer, threading.Event()

    def say() -> None:
        try:
            out.write(msgspec.json.encode(said) + b"\n")
            out.flush()
        except OSError:
            os._exit(1)  # the hub is gone; what was built so far is dropped by the next rebuild

    def tick() -> None:
        while not ended.wait(SAY_EVERY_S):
            say()

    def note(position: int, upto: int) -> None:
        said.position, said.upto = position, upto

    gc.disable()  # rows make no cycles, and the process is short-lived
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    dsn = sys.stdin.buffer.read().decode()
    beside = Helper(dsn).fold
    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        with psycopg.connect(dsn, autocommit=True) as db:
            projections = all_projections()
            outdated = ensure_schema(db, projections)
            if sys.argv[1] == "rebuild":
                said.position = rebuild(db, projections, note, beside)
            elif outdated:
                raise RuntimeError("these tables are of another version of the hub and wait for a rebuild")
            else:
                said.found = compare(db, projections, note, beside)
                said.position = said.found.position
        said.done = True
    except Exception as error:
        said.error = f"{type(error).__name__}: {_told(error)}"
    ended.set()
    ticking.join()
    say()


def _told(error: Exception) -> str:
    """A rebuild's own words; PostgreSQL's, without the values of rows; of anything else the place alone."""
    from mcphub.postgres.pool import explain

    return explain(error) if isinstance(error, psycopg.Error | RuntimeError) else "see where it was parked"


if __name__ == "__main__":
    main()
