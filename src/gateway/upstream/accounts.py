"""Accounts for servers' processes below a hub that root runs: a number for each server and user, and nobody's else.

The numbers have no name in the system's list. Who owns the directory of a server's user says which one is theirs, so
nothing has to be kept in step; `accounts` in the hub's home holds only the next one to give and the first one given.
A home that was copied begins elsewhere: the file names the place it was written at.

Where they come from: systemd documents 1879048192 to 2147483647 as nobody's (UIDS-GIDS.md). A container that knows
65,536 accounts has none of those; there the range of systemd's DynamicUser, 61184 to 65519, is taken.
"""

import os
import secrets
import sys
from pathlib import Path

RANGES = ((0x7000_0000, 0x8000_0000), (61_184, 65_520))  # end not included
UID_MAP = Path("/proc/self/uid_map")
NEXT = "accounts"


class Accounts:
    """Of one hub. Two hubs of root on one machine begin at random places of the range.

    Args:
        folder: where the next number is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._next = folder / NEXT
        self._range = _range() if os.geteuid() == 0 and sys.platform == "linux" else (0, 0)
        self._lately: dict[Path, int] = {}  # directory → the number it was given, until the directory says so itself

    def of(self, place: Path) -> int:
        """The account of a directory, a new one where it has none yet; 0 when there are no accounts here."""
        end = self._range[1]
        if not end:
            return 0
        owner = place.lstat().st_uid
        number, began = self._read()
        if began <= owner < number:
            self._lately.pop(place, None)
            return owner
        # A launcher has yet to hand it over, or could not: another number would take it from the processes that begin
        # at the same time, and use up the range.
        if began <= (lately := self._lately.get(place, -1)) < number:
            return lately
        if number >= end:
            return 0
        written = self._next.with_suffix(".new")
        written.write_text(f"{number + 1} {began} {self._next}")
        written.replace(self._next)
        self._lately[place] = number
        return number

    def given(self) -> range:
        """Every account this hub has ever given."""
        if not self._range[1] or not self._next.exists():
            return range(0)
        number, began = self._read()
        return range(began, number)

    def _read(self) -> tuple[int, int]:
        """The next number and the first one."""
        first, end = self._range
        try:
            number, began, written_at = self._next.read_text().split(" ", 2)
            if first <= int(began) <= int(number) <= end and written_at == str(self._next):
                return int(number), int(began)
        except (OSError, ValueError):
            pass
        # In the lower half, so that there is a long way to the end.
        begun = first + secrets.randbelow((end - first) // 2)
        return begun, begun


def _range() -> tuple[int, int]:
    """The first range this system knows whole; (0, 0) where it knows neither."""
    try:
        lines = UID_MAP.read_text().splitlines()
    except OSError:
        return 0, 0
    known = [(int(inside), int(inside) + int(count)) for inside, _, count in (line.split() for line in lines)]
    for first, end in RANGES:
        if any(low <= first and end <= high for low, high in known):
            return first, end
    return 0, 0
