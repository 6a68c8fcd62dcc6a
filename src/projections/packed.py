"""Packed requests of many hours, looked through and added up (migrations/0023_packed_requests.sql)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from mcphub.projections.sketches import BINS, SUMS

__all__ = ["PackedSums"]

ENTRY = np.dtype([("user", ">u4"), ("tool", ">u4"), ("class", ">u2"), ("number", ">u4"), ("ms", ">f4")])
ERROR, DENIED, CANCELLED, TOOL_ERROR, ONLY_SAID = 1, 2, 4, 8, 16
NO_DURATION = 1023

Array = np.ndarray[Any, np.dtype[Any]]


class PackedSums:
    """Sums, and durations by class, of groups that have numbers from 0.

    Args:
        groups: how many there are.
        user: whose requests count, by number; None for everybody's.
        tools: by the number of a tool its group, -1 for one that does not count. Where groups are not those of tools,
            any other number says that it does.
    """

    def __init__(self, groups: int, *, user: int | None, tools: Sequence[int]) -> None:
        self.sums = np.zeros((len(SUMS), groups))
        self.bins = np.zeros((groups, BINS))
        self._user = user
        self._tools = np.array(tools, dtype=np.int64)

    def add(self, hours: Sequence[tuple[datetime, int, bytes]], *, by: str, steps: dict[datetime, int]) -> None:
        """
        Args:
            hours: of each its beginning, 1 or -1 for what is added or taken away, and its entries.
            by: what groups are: "user", "time", or anything else for those of tools.
            steps: by the beginning of an hour its group, where these are steps of time.
        """
        entries = np.frombuffer(b"".join(packed for _, _, packed in hours), dtype=ENTRY)
        sizes = [len(packed) // ENTRY.itemsize for _, _, packed in hours]
        signs = np.repeat(np.array([sign for _, sign, _ in hours], dtype=np.float64), sizes)
        of_tool = self._tools[entries["tool"].astype(np.int64)]
        counts = of_tool >= 0
        if self._user is not None:
            counts &= entries["user"] == self._user
        entries, signs, group = entries[counts], signs[counts], of_tool[counts]
        if by == "user":
            group = entries["user"].astype(np.int64)
        elif by == "time":
            group = np.repeat(np.array([steps[at] for at, _, _ in hours], dtype=np.int64), sizes)[counts]
        outcome, bins = np.divmod(entries["class"].astype(np.int64), 1024)
        number = signs * entries["number"].astype(np.float64)  # as the sums are: other types add up much more slowly
        answered = number * (bins != NO_DURATION)
        weights = (
            number * (outcome & ONLY_SAID == 0),
            *(number * (outcome & flag != 0) for flag in (ERROR, DENIED, CANCELLED, TOOL_ERROR)),
            answered,
            signs * entries["ms"].astype(np.float64),
        )
        for sums, weight in zip(self.sums, weights, strict=True):
            np.add.at(sums, group, weight)
        np.add.at(self.bins.reshape(-1), group * BINS + np.minimum(bins, BINS - 1), answered)

    def counts(self) -> dict[int, int]:
        """How many requests each group has, of those that have any."""
        some = np.flatnonzero(self.sums[0])
        return dict(zip(some.tolist(), self.sums[0, some].astype(np.int64).tolist(), strict=True))

    def found(self, groups: Sequence[int]) -> Iterator[tuple[int, list[float]]]:
        """Each of these groups with its sums."""
        return zip(groups, self.sums[:, groups].T.tolist(), strict=True)
