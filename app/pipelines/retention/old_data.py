"""Remove old jobs with all that is theirs, then what nobody owns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.jobs.model.job import JobId
from app.jobs.model.work import Work
from app.jobs.store.job_retention import OldJob
from app.pipelines.retention import orphans
from app.pipelines.retention.schema import OldDataParams, OldDataRemoved, Removed

BATCH = 200
"""Jobs of one transaction: others wait for the database no longer than it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a clean-up goes by."""

    now: datetime
    finished_before: datetime
    orphaned_before: datetime
    max_bytes: int | None
    keep: frozenset[str]
    """Ids of old jobs and uploads whose files are used by jobs that stay."""
    is_dry_run: bool


def clean(params: OldDataParams, work: Work) -> OldDataRemoved:
    """Remove what is old. What a job uses that is not over stays, whatever its age.

    A row goes before its files: what is left when this is cut short is an orphan of the next time.
    """
    work.progress(0, "looking for what is still used")
    plan = _plan(params, work)
    jobs, artifacts = _remove_jobs(plan, work)
    work.progress(40, "removing notifications")
    notifications = _remove_notifications(plan, work)
    work.progress(50, "removing uploads")
    uploads = _remove_uploads(plan, work)
    work.progress(70, "removing what nobody owns")
    lost = orphans.remove_objects(
        work,
        orphaned_before=plan.orphaned_before,
        plain_before=plan.finished_before,
        keep=plan.keep,
        is_dry_run=plan.is_dry_run,
    )
    work.progress(90, "removing temporary files")
    temp = orphans.remove_temp(work, before=plan.orphaned_before, is_dry_run=plan.is_dry_run)
    return OldDataRemoved(
        dry_run=plan.is_dry_run,
        jobs=jobs,
        artifacts=artifacts,
        notifications=notifications,
        uploads=uploads,
        orphans=lost,
        temp_files=temp,
        bytes=artifacts.bytes + uploads.bytes + lost.bytes + temp.bytes,
    )


def _plan(params: OldDataParams, work: Work) -> Plan:
    now = datetime.now(UTC)
    finished_before = now - timedelta(days=params.days)
    orphaned_before = now - timedelta(days=params.orphan_days)
    # By size the youngest job may go, else nothing does that is younger than both.
    made_before = now if params.max_bytes is not None else max(finished_before, orphaned_before)
    return Plan(
        now=now,
        finished_before=finished_before,
        orphaned_before=orphaned_before,
        max_bytes=params.max_bytes,
        keep=work.platform.retention.mentioned(made_before=made_before, stay_from=finished_before),
        is_dry_run=params.dry_run,
    )


def _remove_jobs(plan: Plan, work: Work) -> tuple[int, Removed]:
    jobs, artifacts = 0, Removed()
    for batch in _old_jobs(plan, work):
        work.progress(10, f"removing jobs: {jobs}")
        found = {job.id: job for job in batch}
        for job_id in found if plan.is_dry_run else _removed(list(found), plan, work):
            jobs += 1
            artifacts = artifacts.plus(found[job_id].artifact_bytes, count=found[job_id].artifacts)
    return jobs, artifacts


def _removed(job_ids: Sequence[JobId], plan: Plan, work: Work) -> tuple[JobId, ...]:
    gone = work.platform.retention.remove_jobs(job_ids, seen_at=plan.now)
    work.platform.artifacts.delete_many(gone.keys)
    work.platform.events.forget(gone.job_ids)
    return gone.job_ids


def _old_jobs(plan: Plan, work: Work) -> Iterator[list[OldJob]]:
    """The jobs to remove, the oldest first: those that are too old, then those with artifacts
    while all artifacts together are too large."""
    store = work.platform.retention
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


def _remove_notifications(plan: Plan, work: Work) -> int:
    store, before = work.platform.retention, plan.finished_before
    if plan.is_dry_run:
        return store.old_notifications(before=before)
    removed = 0
    while gone := store.remove_notifications(before=before, limit=BATCH):
        removed += gone
        work.check()
    return removed


def _remove_uploads(plan: Plan, work: Work) -> Removed:
    """Those that no job names any more: neither one that is over, nor one to come."""
    removed = Removed()
    store = work.platform.retention
    found = store.uploads_before(plan.orphaned_before, keep=plan.keep)
    for start in range(0, len(found), BATCH):
        sizes = dict(found[start : start + BATCH])
        gone = list(sizes)
        if not plan.is_dry_run:
            gone = store.remove_uploads(list(sizes), seen_at=plan.now)
            work.platform.artifacts.delete_many([f"uploads/{one}" for one in gone])
        for upload_id in gone:
            removed = removed.plus(sizes[upload_id])
        work.check()
    return removed
