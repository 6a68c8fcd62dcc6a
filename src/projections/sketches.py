"""How long requests took, as sketches: so many in each class of durations, packed (migrations/0018_sketches.sql).

Class n begins at 0.1 ms * 1.1^n, so a percentile read off its middle is within 5 %. Sketches one behind the other are a
sketch of them all.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BINS", "PERCENTILES", "SUMS", "counted", "percentiles"]

# What is added up beside them.
SUMS = ("count", "errors", "denied", "cancelled", "tool_errors", "answered", "total_ms")
PERCENTILES = (0.5, 0.95, 0.99)
BASE_MS, GROWTH = 0.1, 1.1
BINS = 256  # the last one holds what takes longer, some hundred days


def counted(sketches: Sequence[bytes]) -> "np.ndarray[Any, Any]":
    """A row of each sketch: how many in each class."""
    import numpy as np  # late: a hub that nobody asks for figures does without

    packed = np.frombuffer(b"".join(sketches), dtype=[("bin", ">u2"), ("number", ">u4")])
    bins = np.minimum(packed["bin"].astype(np.int64), BINS - 1)
    of = np.repeat(np.arange(len(sketches)), [len(sketch) // packed.itemsize for sketch in sketches])
    found = np.zeros((len(sketches), BINS))
    np.add.at(found.reshape(-1), of * BINS + bins, packed["number"].astype(np.float64))
    return found


def percentiles(counts: "np.ndarray[Any, Any]") -> list[tuple[float | None, ...]]:
    """p50, p95 and p99 of each row of `counted`, in milliseconds; None of one that holds nothing."""
    import numpy as np

    upto = counts.cumsum(axis=1)
    whole = upto[:, -1:]
    found = [(upto >= share * whole).argmax(axis=1) for share in PERCENTILES]
    middle = BASE_MS * GROWTH ** (np.stack(found, axis=1) + 0.5)
    return [
        tuple(row) if some else (None,) * len(PERCENTILES)
        for row, some in zip(middle.tolist(), whole[:, 0] > 0, strict=True)
    ]
