"""Entries of a folder with their age and size, and which of them have to go."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, or a folder with all that is in it."""

    path: Path
    size_bytes: int
    used_at: datetime
    """When anything in it was written last. Whoever uses an entry of a cache touches it."""


def entries(folder: Path) -> list[Entry]:
    """What lies directly in the folder; nothing where there is none. Links are not followed."""
    if not folder.is_dir():
        return []
    with_gone = (_entry(path) for path in sorted(folder.iterdir()))
    return [entry for entry in with_gone if entry is not None]


def _entry(path: Path) -> Entry | None:
    """None for what vanishes meanwhile."""
    try:
        found = list(_stats(path))
    except FileNotFoundError:
        return None
    return Entry(
        path=path,
        size_bytes=sum(size for size, _ in found),
        used_at=datetime.fromtimestamp(max(moment for _, moment in found), tz=UTC),
    )


def _stats(path: Path) -> Iterator[tuple[int, float]]:
    """Size and time of the path, and of every file below it."""
    own = path.lstat()
    is_folder = stat.S_ISDIR(own.st_mode)
    yield 0 if is_folder else own.st_size, own.st_mtime
    for folder, _, files in os.walk(path) if is_folder else ():
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                found = Path(folder, name).lstat()
                yield found.st_size, found.st_mtime


def outdated(
    found: Sequence[Entry], *, before: datetime, in_use_since: datetime, max_bytes: int
) -> list[Entry]:
    """The entries to remove: those last used before that moment, then the longest unused until the
    rest has no more than `max_bytes`. What was used since `in_use_since` stays in any case."""
    left_bytes = sum(entry.size_bytes for entry in found)
    chosen = []
    for entry in sorted(found, key=lambda entry: entry.used_at):
        if entry.used_at >= in_use_since:
            break
        if entry.used_at < before or left_bytes > max_bytes:
            chosen.append(entry)
            left_bytes -= entry.size_bytes
    return chosen


def remove(entry: Entry) -> None:
    """Gone already is fine."""
    if entry.path.is_dir() and not entry.path.is_symlink():
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        entry.path.unlink(missing_ok=True)
