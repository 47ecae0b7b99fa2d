"""The file from which a Celery worker takes revoked task ids before it consumes (`--statedb`)."""

import dbm.dumb
import pickle
from collections.abc import Sequence
from pathlib import Path

_KEY = "revoked"
"""Every release from 5.2.7 to 5.7.0 reads a plain sequence of ids under it, and writes a set of
its own class under another key when it ends."""
_PICKLE_PROTOCOL = 2
_SUFFIXES = (".dat", ".dir", ".bak")


def write(path: Path, task_ids: Sequence[str]) -> None:
    """Write a new file, in the one format that every Python reads, whatever it was built with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(path)
    with dbm.dumb.open(str(path), "n") as database:
        # As shelve stores it, of which the worker is a reader.
        database[_KEY] = pickle.dumps(list(task_ids), protocol=_PICKLE_PROTOCOL)


def remove(path: Path) -> None:
    """Remove what a worker has left; nothing is fine too."""
    for suffix in _SUFFIXES:
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def can_name(path: Path) -> bool:
    """Whether `--statedb` takes the path as it is: a percent sign begins a placeholder there, which
    releases of Celery do not agree on how to escape."""
    return "%" not in str(path)
