"""Durations counted in buckets, as Prometheus has them."""

import math
from bisect import bisect_left
from itertools import accumulate

BOUNDS_S = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
)
"""Upper bounds: the usual ones, and further ones for tasks that take up to half an hour."""


class Histogram:
    """Counts durations. It never grows."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration; what is not a number of seconds (infinite, NaN) is left out.

        >>> found = Histogram()
        >>> found.add(0.2)
        >>> found.add(10_000)
        >>> [count for bound, count in found.buckets() if bound in ("0.1", "0.25", "+Inf")]
        [0.0, 1.0, 2.0]
        """
        if not math.isfinite(duration_s):
            return
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound."""
        names = (*map(str, BOUNDS_S), "+Inf")
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))
