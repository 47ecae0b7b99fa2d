"""The number of processors that this process may use, and the share of each task.

A program that sizes itself by the machine may start four threads where the pool has one processor,
and they all wait for each other. So children get their number of threads.
"""

import os
from pathlib import Path

MOST_THREADS = 16
"""Cap for pools without a limit: no program of ours benefits from more."""

ROOT = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def threads_per_slot(*, processors: float, slots: int) -> int:
    """Threads of one task, if this many tasks (`slots`) share this many processors.

    >>> threads_per_slot(processors=8, slots=3), threads_per_slot(processors=0.5, slots=4)
    (2, 1)
    """
    return min(MOST_THREADS, max(1, int(processors // max(1, slots))))


def available(*, root: Path = ROOT, own_groups: Path = OWN_GROUPS) -> float:
    """Processors that this process may use: its CPU affinity, limited by the quotas of its control
    group and the ones above it."""
    quotas = [_quota(folder) for folder in _folders(root, own_groups)]
    return min([float(processor_count()), *(quota for quota in quotas if quota is not None)])


def processor_count() -> int:
    """Processors that this process may run on, whatever the quotas."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folders(root: Path, own_groups: Path) -> list[Path]:
    """Folders of quotas, of cgroups version 2 and 1, from the own group upwards. In a container the
    own group is often the visible root."""
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
    """Processors that the group may use together; `None` for no limit."""
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
