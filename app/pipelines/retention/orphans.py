"""Files that nobody owns: objects without a row, and what is left in TEMP_DIR."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from app.jobs.model.work import Work
from app.pipelines.retention import folders
from app.pipelines.retention.folders import Entry
from app.pipelines.retention.schema import Removed
from app.storage.objects import ListedObject

RECEIVED = "uploads"
"""The folder in TEMP_DIR where the API receives files."""


def remove_objects(
    work: Work,
    *,
    orphaned_before: datetime,
    plain_before: datetime,
    keep: Collection[str],
    is_dry_run: bool,
) -> Removed:
    """Objects of jobs and uploads that no row knows, and artifacts of plain tasks, which have none.

    What else lies in the store is its owner's business.
    """
    removed = Removed()
    for prefix, before in (
        ("jobs", orphaned_before),
        ("uploads", orphaned_before),
        ("plain", plain_before),
    ):
        for batch in work.platform.artifacts.listed(prefix):
            is_due = [one.modified_at < before and _owner(one) not in keep for one in batch]
            old = list(itertools.compress(batch, is_due))
            gone = old if prefix == "plain" else _unknown(old, work)
            if not is_dry_run:
                work.platform.artifacts.delete_many([found.key for found in gone])
            removed = removed.plus(sum(one.size_bytes for one in gone), count=len(gone))
            work.check()
    return removed


def _owner(found: ListedObject) -> str:
    """The id of the job, upload or task that has made it."""
    return found.key.split("/")[1]


def _unknown(found: Sequence[ListedObject], work: Work) -> list[ListedObject]:
    """Those that belong to no row, and to no job that is not over."""
    if not found:
        return []
    owners = {one.key: _owner(one) for one in found}
    store = work.platform.retention
    known = store.known_keys(list(owners), job_ids=set(owners.values()))
    needed = store.needed(set(owners.values()))
    return [one for one in found if one.key not in known and owners[one.key] not in needed]


def remove_temp(work: Work, *, before: datetime, is_dry_run: bool) -> Removed:
    """Folders of jobs that are over, of plain tasks, and half-received files, when nothing in them
    was written since then."""
    old = [entry for entry in _temp_entries(work) if entry.used_at < before]
    needed = work.platform.retention.needed({entry.path.name for entry in old})
    gone = [entry for entry in old if entry.path.name not in needed]
    for entry in gone:
        if not is_dry_run:
            folders.remove(entry)
        work.check()
    return Removed(count=len(gone), bytes=sum(entry.size_bytes for entry in gone))


def _temp_entries(work: Work) -> Iterator[Entry]:
    files = work.platform.settings.files
    temp_dir = files.temp_dir.resolve()
    others = [files.cache_dir.resolve(), files.storage_dir.resolve()]
    for entry in folders.entries(temp_dir):
        if entry.path.name == RECEIVED:
            yield from folders.entries(entry.path)
        elif not _holds_one_of(entry.path, others):
            yield entry


def _holds_one_of(path: Path, others: Sequence[Path]) -> bool:
    """Whether another folder of ours lies in it: somebody may have put them there."""
    return any(other.is_relative_to(path) for other in others)
