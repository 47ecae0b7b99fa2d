"""Processes of this machine, from /proc."""

from collections import defaultdict
from pathlib import Path

Birth = tuple[int, str]
"""A pid and when its process began: together they name one process, also after the pid's reuse."""


def descendants(pid: int) -> set[Birth]:
    """The process and everything that it has started, directly or not."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(entry.name))
        if fields is not None:
            children[int(fields[1])].append(int(entry.name))
    found, waiting = set[Birth](), [pid]
    while waiting:
        one = waiting.pop()
        fields = _fields(one)
        if fields is not None:
            found.add((one, fields[19]))
        waiting += children[one]
    return found


def alive(births: set[Birth]) -> set[Birth]:
    """Those that still run; zombies do not."""
    return {birth for birth in births if _is_alive(birth)}


def command_of(pid: int) -> str:
    """Its command name (`ps -o comm`), or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def is_celery_worker(pid: int) -> bool:
    """Whether it is a worker, or a child of its pool: forked, or started anew."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    is_anew = arguments[1:3] == [b"-m", b"celery"] and b"worker" in arguments
    return is_anew or command_of(pid) == "celery worker"


def _is_alive(birth: Birth) -> bool:
    pid, began = birth
    fields = _fields(pid)
    return fields is not None and fields[19] == began and fields[0] not in "ZX"


def _fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name: state, parent, …; the 20th is the birth."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
