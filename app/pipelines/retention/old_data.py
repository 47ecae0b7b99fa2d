"""Remove old jobs with their data, then orphaned files."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.jobs.model.job import JobId
from app.jobs.model.work import Work
from app.jobs.store.job_retention import OldJob
from app.pipelines.retention import caches
from app.pipelines.retention.caches import FolderEntry
from app.pipelines.retention.schema import OldDataParams, OldDataRemoved, Removed
from app.storage.objects import ListedObject

RECEIVED = "uploads"
"""Folder in TEMP_DIR for uploads that the API receives."""

BATCH = 200
"""Jobs per transaction: other writers wait for at most one transaction."""


def remove_objects(
    work: Work,
    *,
    orphaned_before: datetime,
    plain_before: datetime,
    keep: Collection[str],
    is_dry_run: bool,
) -> Removed:
    """Remove objects of jobs and uploads without a row, and artifacts of plain tasks, which have no
    row.

    Other objects in the store are left alone.
    """
    removed = Removed()
    for prefix, before in (
        ("jobs", orphaned_before),
        ("uploads", orphaned_before),
        ("plain", plain_before),
    ):
        for batch in work.stores.artifacts.listed(prefix):
            is_due = [one.modified_at < before and _owner(one) not in keep for one in batch]
            old = list(itertools.compress(batch, is_due))
            gone = old if prefix == "plain" else _unknown(old, work)
            if not is_dry_run:
                work.stores.artifacts.delete_many([found.key for found in gone])
            removed = removed.plus(sum(one.size_bytes for one in gone), count=len(gone))
            work.check()
    return removed


def _owner(found: ListedObject) -> str:
    """Id of the job, upload or task that made the object."""
    return found.key.split("/")[1]


def _unknown(found: Sequence[ListedObject], work: Work) -> list[ListedObject]:
    """The objects without a row whose job, if any, has ended."""
    if not found:
        return []
    owners = {one.key: _owner(one) for one in found}
    store = work.stores.retention
    known = store.known_keys(list(owners), job_ids=set(owners.values()))
    needed = store.needed(set(owners.values()))
    return [one for one in found if one.key not in known and owners[one.key] not in needed]


def remove_temp(work: Work, *, before: datetime, is_dry_run: bool) -> Removed:
    """Remove folders of ended jobs and of plain tasks, and partial uploads, unless they were
    written to since `before`."""
    old = [entry for entry in _temp_entries(work) if entry.used_at < before]
    needed = work.stores.retention.needed({entry.path.name for entry in old})
    gone = [entry for entry in old if entry.path.name not in needed]
    for entry in gone:
        if not is_dry_run:
            caches.remove_entry(entry)
        work.check()
    return Removed(count=len(gone), bytes=sum(entry.size_bytes for entry in gone))


def _temp_entries(work: Work) -> Iterator[FolderEntry]:
    files = work.settings.files
    temp_dir = files.temp_dir.resolve()
    others = [files.cache_dir.resolve(), files.storage_dir.resolve()]
    for entry in caches.entries_of(temp_dir):
        if entry.path.name == RECEIVED:
            yield from caches.entries_of(entry.path)
        elif not _holds_one_of(entry.path, others):
            yield entry


def _holds_one_of(path: Path, others: Sequence[Path]) -> bool:
    """Whether another of our folders is inside it: an operator may have nested them."""
    return any(other.is_relative_to(path) for other in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPlan:
    """Limits and state of one clean-up."""

    now: datetime
    finished_before: datetime
    orphaned_before: datetime
    max_bytes: int | None
    keep: frozenset[str]
    """Ids of old jobs and uploads whose files are used by jobs that are kept."""
    is_dry_run: bool


def clean(params: OldDataParams, work: Work) -> OldDataRemoved:
    """Remove old data, except what an unfinished job uses.

    Rows are removed before their files: files left by an interruption are orphans for the next run.
    """
    work.progress(0, "finding data in use")
    plan = _plan(params, work)
    jobs, artifacts = _remove_jobs(plan, work)
    work.progress(40, "removing notifications")
    notifications = _remove_notifications(plan, work)
    work.progress(50, "removing uploads")
    uploads = _remove_uploads(plan, work)
    work.progress(70, "removing orphans")
    lost = remove_objects(
        work,
        orphaned_before=plan.orphaned_before,
        plain_before=plan.finished_before,
        keep=plan.keep,
        is_dry_run=plan.is_dry_run,
    )
    work.progress(85, "removing lines of the audit log")
    lines = 0 if plan.is_dry_run else _remove_audit_lines(work, now=plan.now)
    work.progress(90, "removing temporary files")
    temp = remove_temp(work, before=plan.orphaned_before, is_dry_run=plan.is_dry_run)
    return OldDataRemoved(
        dry_run=plan.is_dry_run,
        jobs=jobs,
        artifacts=artifacts,
        notifications=notifications,
        uploads=uploads,
        orphans=lost,
        temp_files=temp,
        audit_lines=lines,
        bytes=artifacts.bytes + uploads.bytes + lost.bytes + temp.bytes,
    )


def _plan(params: OldDataParams, work: Work) -> RemovalPlan:
    now = datetime.now(UTC)
    finished_before = now - timedelta(days=params.days)
    orphaned_before = now - timedelta(days=params.orphan_days)
    # The size limit may reach any job; without one, jobs younger than both limits are kept.
    made_before = now if params.max_bytes is not None else max(finished_before, orphaned_before)
    return RemovalPlan(
        now=now,
        finished_before=finished_before,
        orphaned_before=orphaned_before,
        max_bytes=params.max_bytes,
        keep=work.stores.retention.mentioned(made_before=made_before, stay_from=finished_before),
        is_dry_run=params.dry_run,
    )


def _remove_jobs(plan: RemovalPlan, work: Work) -> tuple[int, Removed]:
    jobs, artifacts = 0, Removed()
    for batch in _old_jobs(plan, work):
        work.progress(10, f"removing jobs: {jobs}")
        found = {job.id: job for job in batch}
        for job_id in found if plan.is_dry_run else _removed(list(found), plan, work):
            jobs += 1
            artifacts = artifacts.plus(found[job_id].artifact_bytes, count=found[job_id].artifacts)
    return jobs, artifacts


def _removed(job_ids: Sequence[JobId], plan: RemovalPlan, work: Work) -> tuple[JobId, ...]:
    gone = work.stores.retention.remove_jobs(job_ids, seen_at=plan.now)
    work.stores.artifacts.delete_many(gone.keys)
    work.jobs.forget_events(gone.job_ids)
    return gone.job_ids


def _old_jobs(plan: RemovalPlan, work: Work) -> Iterator[list[OldJob]]:
    """The jobs to remove, oldest first: those past the age limit, then those with artifacts until
    all artifacts fit the size limit."""
    store = work.stores.retention
    excess = 0 if plan.max_bytes is None else store.artifact_bytes() - plan.max_bytes
    after: JobId | None = None
    while True:
        found = store.removable(
            created_before=plan.now if excess > 0 else plan.finished_before,
            after=after,
            limit=BATCH,
        )
        if not found:
            return
        after = found[-1].id
        chosen = []
        for job in found:
            is_old = job.finished_at < plan.finished_before
            is_free = job.id not in plan.keep
            if is_free and (is_old or (excess > 0 and job.artifact_bytes > 0)):
                chosen.append(job)
                excess -= job.artifact_bytes
        yield chosen


def _remove_notifications(plan: RemovalPlan, work: Work) -> int:
    store, before = work.stores.retention, plan.finished_before
    if plan.is_dry_run:
        return store.old_notifications(before=before)
    removed = 0
    while gone := store.remove_notifications(before=before, limit=BATCH):
        removed += gone
        work.check()
    return removed


def _remove_audit_lines(work: Work, *, now: datetime) -> int:
    """Remove lines older than the setting: whoever may clean up cannot choose to remove others."""
    before = now - timedelta(days=work.settings.database.audit_days)
    removed = 0
    while gone := work.stores.audit.remove(before=before, limit=BATCH):
        removed += gone
        work.check()
    return removed


def _remove_uploads(plan: RemovalPlan, work: Work) -> Removed:
    """Remove uploads that no job names, neither an ended one nor a scheduled one."""
    removed = Removed()
    store = work.stores.retention
    found = store.uploads_before(plan.orphaned_before, keep=plan.keep)
    for start in range(0, len(found), BATCH):
        sizes = dict(found[start : start + BATCH])
        gone = list(sizes)
        if not plan.is_dry_run:
            gone = store.remove_uploads(list(sizes), seen_at=plan.now)
            work.stores.artifacts.delete_many([f"uploads/{one}" for one in gone])
        for upload_id in gone:
            removed = removed.plus(sizes[upload_id])
        work.check()
    return removed
