"""Files of running work: names that stay inside their folder, and full disks."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import InvalidInput, StorageUnavailable

FULL = "the disk for temporary files (TEMP_DIR) is full"

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def confined(root: Path, name: str) -> Path:
    """The path of `name` inside `root`, links resolved.

    Raises InvalidInput for a name that leads outside: names come from pages and clients.
    """
    try:
        path = (root / name).resolve()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, a loop of links
        raise InvalidInput(f"not a usable file name: {name[:100]!r}") from error
    if not path.is_relative_to(root.resolve()):
        raise InvalidInput(f"{name[:100]!r} is outside of the folder that jobs may read")
    return path


def is_full(error: OSError) -> bool:
    """Whether the disk, or the quota on it, is full."""
    return error.errno in _NO_ROOM


@contextmanager
def full_disk_retried() -> Iterator[None]:
    """Raise StorageUnavailable, which is retried, when the disk is full."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise full() from error


def full() -> StorageUnavailable:
    return StorageUnavailable(FULL)
