"""Limit a cache by age and size, sparing entries that a running job may use."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines.retention.schema import CacheParams, CacheRemoved, Removed

IN_USE_FOR = timedelta(hours=1)
"""Entries used within this time are kept. It exceeds the hard time limit, because no row records a
plain task that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEntry:
    """A file, or a folder with its content."""

    path: Path
    size_bytes: int
    used_at: datetime
    """Latest write to it or its content. Jobs touch the cache entries that they use."""


def entries_of(folder: Path) -> list[FolderEntry]:
    """The direct entries of the folder; empty if it does not exist. Links are not followed."""
    if not folder.is_dir():
        return []
    with_gone = (_entry(path) for path in sorted(folder.iterdir()))
    return [entry for entry in with_gone if entry is not None]


def _entry(path: Path) -> FolderEntry | None:
    """None if it vanishes meanwhile."""
    try:
        found = list(_stats(path))
    except FileNotFoundError:
        return None
    return FolderEntry(
        path=path,
        size_bytes=sum(size for size, _ in found),
        used_at=datetime.fromtimestamp(max(moment for _, moment in found), tz=UTC),
    )


def _stats(path: Path) -> Iterator[tuple[int, float]]:
    """Size and time of the path and each file below it."""
    own = path.lstat()
    is_folder = stat.S_ISDIR(own.st_mode)
    yield 0 if is_folder else own.st_size, own.st_mtime
    for folder, _, files in os.walk(path) if is_folder else ():
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                found = Path(folder, name).lstat()
                yield found.st_size, found.st_mtime


def outdated(
    found: Sequence[FolderEntry], *, before: datetime, in_use_since: datetime, max_bytes: int
) -> list[FolderEntry]:
    """The entries to remove: those last used before `before`, then least recently used ones until
    the rest is at most `max_bytes`. Entries used since `in_use_since` are kept."""
    left_bytes = sum(entry.size_bytes for entry in found)
    chosen = []
    for entry in sorted(found, key=lambda entry: entry.used_at):
        if entry.used_at >= in_use_since:
            break
        if entry.used_at < before or left_bytes > max_bytes:
            chosen.append(entry)
            left_bytes -= entry.size_bytes
    return chosen


def remove_entry(entry: FolderEntry) -> None:
    """It may be gone already."""
    if entry.path.is_dir() and not entry.path.is_symlink():
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        entry.path.unlink(missing_ok=True)


def clean(name: str, params: CacheParams, work: Work) -> CacheRemoved:
    """Remove entries of `CACHE_DIR/<name>`. Jobs touch the entries that they use, so an entry that
    was last used before every running job started is unused."""
    now = datetime.now(UTC)
    work.progress(0, "reading the cache")
    found = entries_of(work.settings.files.cache_dir / name)
    running_since = work.stores.retention.running_since()
    in_use_since = now - IN_USE_FOR
    chosen = outdated(
        found,
        before=now - timedelta(days=params.days),
        in_use_since=in_use_since if running_since is None else min(in_use_since, running_since),
        max_bytes=params.max_bytes,
    )
    for number, entry in enumerate(chosen, start=1):
        if not params.dry_run:
            remove_entry(entry)
        work.progress(100 * number / len(chosen), f"removed {number} of {len(chosen)} entries")
    gone = sum(entry.size_bytes for entry in chosen)
    total = sum(entry.size_bytes for entry in found)
    return CacheRemoved(
        dry_run=params.dry_run,
        entries=Removed(count=len(chosen), bytes=gone),
        kept=Removed(count=len(found) - len(chosen), bytes=total - gone),
    )
