"""The spool: rows on disk before their call goes out, so that they outlive the death of the hub.

Two files take turns. A row goes to the active one with a single write(2) and no fsync: it survives the process, not the
machine. Once everything up to a turn is in PostgreSQL, the resting file is cut to nothing.

A third file names the run of the hub that writes here, and earlier ones whose open requests nobody has ended yet. The
home's lock makes sure that they are dead.
"""

import os
from collections.abc import Iterator
from pathlib import Path

FILES = ("spool-0.copy", "spool-1.copy")
BOOTS = "boots"
BLOCK = 4 << 20  # bytes read at once; no line is nearly as long


class Spool:
    """Lines of `copy` text, whole ones only. For the event loop's thread; `sync` may run in another.

    Args:
        folder: below the hub's home; made when missing. One process at a time.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._boots = folder / BOOTS
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._files = [os.open(folder / name, flags, 0o600) for name in FILES]
        self._sizes = [self._mend(file) for file in self._files]
        self._active = 0

    def add(self, lines: bytes) -> None:
        """A few microseconds.

        Raises:
            OSError: the disk is full; nothing of it was kept.
        """
        file, size = self._files[self._active], self._sizes[self._active]
        try:
            written = os.write(file, lines)
        except OSError:
            written = 0
            raise
        finally:
            if written not in (0, len(lines)):  # half a line would spoil the next one
                os.ftruncate(file, size)
        if written != len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes fit on the disk")
        self._sizes[self._active] = size + written

    def turn(self) -> bool:
        """New lines go to the other file from now on; False while that one still waits to be cut."""
        if self._sizes[1 - self._active]:
            return False
        self._active = 1 - self._active
        return True

    def resting(self) -> Iterator[list[bytes]]:
        """The lines that `cut` would remove, some thousands at a time."""
        return self._lines(1 - self._active)

    def cut(self) -> None:
        """The lines of the resting file are durable elsewhere."""
        self._cut(1 - self._active)

    def lines(self) -> Iterator[list[bytes]]:
        """Every line in both files, some thousands at a time."""
        yield from self._lines(0)
        yield from self._lines(1)

    def cut_all(self) -> None:
        self._cut(0)
        self._cut(1)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes)

    def boots(self) -> list[int]:
        """Earlier runs in this home whose open requests may still need an end."""
        if not self._boots.exists():
            return []
        return [int(word) for word in self._boots.read_text().split() if word.isdecimal()]

    def remember(self, boots: list[int]) -> None:
        """Replaces what `boots` will answer at the next start."""
        fresh = self._boots.with_suffix(".new")
        fresh.write_text("".join(f"{boot}\n" for boot in boots))
        fresh.replace(self._boots)

    def sync(self) -> None:
        """To the disk itself; about once a second while PostgreSQL is down."""
        for file in self._files:
            os.fsync(file)

    def close(self) -> None:
        for file in self._files:
            os.close(file)

    @staticmethod
    def _mend(file: int) -> int:
        """Cuts the torn last line of a crash off; returns the size."""
        size = os.fstat(file).st_size
        start = max(0, size - BLOCK)
        whole = start + os.pread(file, BLOCK, start).rfind(b"\n") + 1
        if whole != size:
            os.ftruncate(file, whole)
        return whole

    def _lines(self, index: int) -> Iterator[list[bytes]]:
        start, size = 0, self._sizes[index]
        while start < size:
            block = os.pread(self._files[index], min(BLOCK, size - start), start)
            whole = block.rfind(b"\n") + 1 or len(block)
            yield block[:whole].splitlines(keepends=True)
            start += whole

    def _cut(self, index: int) -> None:
        if self._sizes[index]:
            os.ftruncate(self._files[index], 0)
            self._sizes[index] = 0
