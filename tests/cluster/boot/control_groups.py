"""The control group that holds every process of the cluster, daemons and pods alike.

Pid files can be lost and processes can be orphaned, but none leaves its control group: who is in
it is ours to end, and nobody else is.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.boot import shell
from tests.cluster.boot.layout import MARK

_ROOT = Path("/sys/fs/cgroup")
_DAEMONS = "daemons"
# A group weighs as much as one process beside it, however many pods it holds: a busy machine would
# starve them. So ours weighs as much as four. Version 1 and version 2 of the same:
_WEIGHTS = {"cpu.shares": "4096", "cpu.weight": "400"}


def create() -> None:
    """Make the group in every hierarchy: the kubelet asks that its root exists."""
    if _is_unified():
        offered = (_ROOT / "cgroup.controllers").read_text().split()
        for controller in offered:
            # One that can not be handed down is missed by the kubelet, which then says so.
            with contextlib.suppress(OSError):
                (_ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
    for hierarchy in _hierarchies():
        group = hierarchy / MARK
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not _is_unified() and (group / name).exists():
                (group / name).write_text((hierarchy / name).read_text())
        for name, weight in _WEIGHTS.items():
            if (group / name).exists():
                (group / name).write_text(weight)
    (_tracker() / _DAEMONS).mkdir(exist_ok=True)


def daemons_file() -> Path:
    """The file that takes the pid of a daemon to be."""
    return _tracker() / _DAEMONS / "cgroup.procs"


def holds(pid: int) -> bool:
    """Whether a living process is one of ours; guards against a pid that was given out anew."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
    return state != "Z" and f":/{MARK}/" in groups


def members() -> set[int]:
    """Every process of the cluster."""
    found: set[int] = set()
    for path in _tracker().rglob("cgroup.procs"):
        # A pod that ends takes its group with it while we look.
        with contextlib.suppress(OSError):
            found.update(map(int, path.read_text().split()))
    return found


def kill_members() -> None:
    """Kill until nobody is left, however fast they fork."""

    def is_empty() -> bool:
        for pid in members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not members()

    shell.until("the end of the cluster's processes", is_empty, deadline_s=20)


def remove() -> None:
    """Remove the emptied group; processes that just died may hold it for a moment."""

    def is_gone() -> bool:
        for group in groups():
            _remove_tree(group)
        return not groups()

    shell.until("the removal of the control groups", is_gone, deadline_s=20)


def groups() -> list[Path]:
    """The folders of the group that exist."""
    return [each / MARK for each in _hierarchies() if (each / MARK).exists()]


def _remove_tree(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _is_unified() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _hierarchies() -> Iterator[Path]:
    """The single hierarchy of version 2; else all of version 1, beside which one of 2 may be."""
    if _is_unified():
        yield _ROOT
        return
    for entry in _ROOT.glob("*"):
        if not entry.is_symlink() and (entry / "cgroup.procs").exists():
            yield entry


def _tracker() -> Path:
    return (_ROOT if _is_unified() else _ROOT / "pids") / MARK
