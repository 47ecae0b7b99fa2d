"""How many processors this process may use, and how many of them are a task's.

A program that sizes itself by the machine starts four threads where the pool may use one
processor, and all of them wait for each other. So each child that can be told is told.
"""

import os
from pathlib import Path

MOST_THREADS = 16
"""More than that no program of ours makes use of, where a pool has no limit."""

ROOT = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def threads_per_slot(*, processors: float, slots: int) -> int:
    """Threads of one task, where so many tasks run at once on so many processors.

    >>> threads_per_slot(processors=8, slots=3), threads_per_slot(processors=0.5, slots=4)
    (2, 1)
    """
    return min(MOST_THREADS, max(1, int(processors // max(1, slots))))


def available(*, root: Path = ROOT, own_groups: Path = OWN_GROUPS) -> float:
    """Processors that this process may use: those that it may run on, and no more than the quota
    of its control group, or of one above it."""
    quotas = [_quota(folder) for folder in _folders(root, own_groups)]
    return min([float(_allowed()), *(quota for quota in quotas if quota is not None)])


def _allowed() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folders(root: Path, own_groups: Path) -> list[Path]:
    """Where the quotas may be: of version 2 and of version 1, from the own group upwards. In a
    container the own group is often the root of what can be seen."""
    found = []
    for line in _text(own_groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        group = top / path.lstrip("/")
        found += [group, *(above for above in group.parents if above.is_relative_to(top))]
        found += [root / "cpu"] if controllers else []
    return found


def _quota(folder: Path) -> float | None:
    """Processors that the group may use together; None for as many as there are."""
    given = _text(folder / "cpu.max").split()
    if not given:
        given = (
            _text(folder / "cpu.cfs_quota_us").split() + _text(folder / "cpu.cfs_period_us").split()
        )
    if len(given) != 2 or not given[0].isdigit() or not int(given[1]):
        return None  # `max` of version 2, `-1` of version 1
    return int(given[0]) / int(given[1])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
