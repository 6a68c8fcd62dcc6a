"""How long requests took, as sketches: so many in each class of durations, packed (migrations/0018_sketches.sql).

Class n begins at 0.1 ms * 1.1^n, so a percentile read off its middle is within 5 %. Sketches one behind the other are a
sketch of them all.
"""

from collections.abc import Sequence

__all__ = ["PERCENTILES", "percentiles"]

PERCENTILES = (0.5, 0.95, 0.99)
BASE_MS, GROWTH = 0.1, 1.1


def percentiles(sketches: Sequence[bytes]) -> list[tuple[float | None, ...]]:
    """p50, p95 and p99 of each sketch, in milliseconds; None of one that holds nothing."""
    import numpy as np  # late: a hub that nobody asks for figures does without

    packed = np.frombuffer(b"".join(sketches), dtype=[("bin", ">u2"), ("number", ">u4")])
    if not len(packed):
        return [(None,) * len(PERCENTILES)] * len(sketches)
    bins = packed["bin"].astype(np.int64)
    width = int(bins.max()) + 1
    of = np.repeat(np.arange(len(sketches)), [len(sketch) // packed.itemsize for sketch in sketches])
    counted = np.bincount(of * width + bins, weights=packed["number"], minlength=len(sketches) * width)
    upto = counted.reshape(-1, width).cumsum(axis=1)
    whole = upto[:, -1:]
    found = [(upto >= share * whole).argmax(axis=1) for share in PERCENTILES]
    middle = BASE_MS * GROWTH ** (np.stack(found, axis=1) + 0.5)
    return [
        tuple(row) if some else (None,) * len(PERCENTILES)
        for row, some in zip(middle.tolist(), whole[:, 0] > 0, strict=True)
    ]
