"""How long to wait before a process that has died is started again."""

FIRST_S = 0.5
LONGEST_S = 30.0
SETTLED_S = 30.0
"""A process that has lived for this long was well: what went before does not count."""


def pause_s(failures: int) -> float:
    """Seconds before the next start, after so many deaths in a row.

    >>> [pause_s(failures) for failures in (0, 1, 2, 3, 10)]
    [0.0, 0.5, 1.0, 2.0, 30.0]
    """
    if failures == 0:
        return 0.0
    return min(LONGEST_S, FIRST_S * 2.0 ** (failures - 1))


def failures_after(failures: int, *, lived_s: float) -> int:
    """The count after one more death."""
    return 1 if lived_s >= SETTLED_S else failures + 1
