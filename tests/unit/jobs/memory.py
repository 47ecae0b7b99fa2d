"""Jobs in memory: what `store` is for one process, without a database.

`tests/integration/jobs/test_state_machine.py` holds it to the real stores.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.jobs.model import transitions
from app.jobs.model.changes import Change
from app.jobs.model.job import (
    FINAL_STATES,
    Artifact,
    Job,
    JobError,
    JobId,
    JobRequest,
    JobState,
    Progress,
    RunOutcome,
)
from app.jobs.model.job_document import ChildCounts
from app.jobs.model.ticket import Hold
from app.jobs.model.transitions import Lease, Transition, Write
from app.jobs.store import acceptance, callbacks, rows
from app.jobs.store.acceptance import NewJob
from app.jobs.store.due_jobs import PublishedAt

Row = dict[str, Any]  # columns of several types

_EMPTY = (
    *("speed", "eta_seconds", "lease_until", "worker", "stage_input", "result", "error"),
    *("finalized_at", "dead_lettered_at", "started_at", "finished_at"),
)
_UNFINISHED = frozenset(JobState) - FINAL_STATES


@dataclass(kw_only=True)
class MemoryRun:
    """The record of a run."""

    stage: str
    attempt: int
    outcome: RunOutcome | None = None
    error: JobError | None = None


@dataclass
class MemoryJobs:
    """The rows, and the machine that changes them."""

    rows: dict[JobId, Row] = field(default_factory=dict)
    runs: dict[tuple[JobId, int], MemoryRun] = field(default_factory=dict)

    def add(self, new: NewJob, *, now: datetime) -> Job:
        row = {**dict.fromkeys(_EMPTY), **acceptance.row_of(new, now=now)}
        self.rows[row["id"]] = row
        return self.job(row["id"])

    def job(self, job_id: JobId) -> Job:
        row = self.rows[job_id]
        fields = {name: row[name] for name in Job.__dataclass_fields__ if name in row}
        return Job(
            **{
                **fields,
                "state": JobState(row["state"]),
                "artifacts": (),
                "error": row["error"],
                "on_success": rows.parse_follow_up(row["on_success"]),
                "on_failure": rows.parse_follow_up(row["on_failure"]),
            }
        )

    def find(self, job_id: JobId) -> Job | None:
        return self.job(job_id) if job_id in self.rows else None

    def find_many(self, job_ids: Sequence[JobId]) -> list[Job]:
        return [self.job(job_id) for job_id in sorted(job_ids, reverse=True) if job_id in self.rows]

    def apply(self, change: Change, *, clock: Callable[[], datetime]) -> Job | None:
        now, row = clock(), self.rows.get(change.job_id)
        if row is None or not _allows(change.transition, row, now=now):
            return None
        if change.transition.checks_fence and row["fence"] != change.fence:
            return None
        if change.transition.checks_stage and row["stage"] != change.stage:
            return None
        self._write(change.transition, row, change.given, now=now, change=change)
        if change.transition.begins_run is not None:
            number = row[change.transition.begins_run]
            run = MemoryRun(stage=change.stage, attempt=number)
            self.runs[change.job_id, row["fence"]] = run
        if change.transition.outcome is not None:
            run = self.runs[change.job_id, change.fence]
            run.outcome, run.error = change.transition.outcome, change.error
        return self._ended(change.transition, [change.job_id], now=now)[0]

    def cancel_with_parents(
        self,
        *,
        parent_id: JobId | None = None,
        finalized_kinds: Collection[str],
        now: datetime,
        limit: int,
    ) -> list[Job]:
        transition = transitions.CANCEL_WITH_PARENT
        found = [
            job_id
            for job_id, row in sorted(self.rows.items())
            if _allows(transition, row, now=now) and parent_id in (None, row["parent_id"])
        ][:limit]
        for job_id in found:
            row = self.rows[job_id]
            has_begun = row["pipeline"] in finalized_kinds and row["fence"] > 0
            given = {"finalizer_due": has_begun, "published_at": None}
            self._write(transition, row, given, now=now)
        return self._ended(transition, found, now=now)

    def _write(
        self,
        transition: Transition,
        row: Row,
        given: Mapping[str, object],
        *,
        now: datetime,
        change: Change | None = None,
    ) -> None:
        lease_s = change.claimant.lease_s if change is not None and change.claimant else 0.0
        for column, what in transition.writes.items():
            before = row[column]
            value = given.get(column, before)
            written = {
                Write.GIVEN: now if value is Write.NOW else value,
                Write.NOW: now,
                Write.FIRST_NOW: before if before is not None else now,
                Write.LEASE_END: now + timedelta(seconds=lease_s),
                Write.ONE_MORE: before + 1 if isinstance(before, int) else None,
                Write.ONE_LESS: before - 1 if isinstance(before, int) else None,
            }
            row[column] = written[what] if isinstance(what, Write) else what
        if transition.target is not None:
            row["state"] = transition.target.value

    def _ended(
        self, transition: Transition, job_ids: Sequence[JobId], *, now: datetime
    ) -> list[Job]:
        found = [self.job(job_id) for job_id in job_ids]
        for job in found if transition.target in FINAL_STATES else ():
            for new in callbacks.new_jobs(job):
                self.add(new, now=now)
        for row in self.rows.values() if transition.flags_children else ():
            if row["parent_id"] in job_ids and row["state"] in _UNFINISHED:
                row["cancel_requested"] = True
        return found


def _allows(transition: Transition, row: Row, *, now: datetime) -> bool:
    until = row["lease_until"]
    is_expired = until is not None and until < now
    demands = (
        row["state"] in transition.source,
        transition.lease is not Lease.EXPIRED or is_expired,
        transition.lease is not Lease.FREE or until is None or is_expired,
        transition.is_cancel_requested in (None, row["cancel_requested"]),
        transition.is_finalizer_due in (None, row["finalizer_due"]),
        transition.is_finalized in (None, row["finalized_at"] is not None),
    )
    return all(demands)


@dataclass
class MemoryLeases:
    """`store.leases` over these rows."""

    jobs: MemoryJobs
    saved: list[Progress] = field(default_factory=list)

    def renew(self, held: Iterable[Hold], *, until: datetime) -> set[Hold]:
        ours = {hold for hold in held if self._row(hold) is not None}
        for hold in ours:
            self.jobs.rows[hold.job_id]["lease_until"] = until
        return ours

    def cancels(self, held: Sequence[Hold]) -> dict[Hold, bool]:
        found = [self.jobs.rows[hold.job_id] for hold in held if hold.job_id in self.jobs.rows]
        return {
            Hold(job_id=row["id"], fence=row["fence"]): row["cancel_requested"]
            for row in found
            if row["lease_until"] is not None
        }

    def save_progress(self, hold: Hold, progress: Progress) -> None:
        row = self._row(hold)
        if row is not None:
            row |= {"progress": progress.progress, "message": progress.message}
            self.saved.append(progress)

    def save_artifact(
        self, hold: Hold, artifact: Artifact, *, key: str, now: datetime
    ) -> tuple[bool, str | None]:
        return self._row(hold) is not None, None

    def _row(self, hold: Hold) -> Row | None:
        row = self.jobs.rows.get(hold.job_id)
        is_ours = row is not None and (row["fence"], row["lease_until"] is not None) == (
            hold.fence,
            True,
        )
        return row if is_ours else None


@dataclass
class MemoryDueJobs:
    """`store.due_jobs` and the parents of `store.children` over these rows."""

    jobs: MemoryJobs

    def expired(self, *, now: datetime, limit: int) -> list[Job]:
        found = [
            row
            for row in self.jobs.rows.values()
            if row["state"] == JobState.RUNNING and row["lease_until"] < now
        ]
        return self._jobs(sorted(found, key=lambda row: row["lease_until"])[:limit])

    def take_due(self, kinds: Collection[str], *, now: datetime, limit: int) -> list[Job]:
        found = [
            row
            for row in self.jobs.rows.values()
            if row["state"] == JobState.QUEUED
            and row["published_at"] is None
            and (row["not_before"] is None or row["not_before"] <= now)
            and not (row["waits_for_children"] and self._has_unfinished_children(row["id"]))
            and row["pipeline"] in kinds
        ]
        return self._published(sorted(found, key=_order)[:limit], now=now)

    def published_before(
        self, moment: datetime, *, after: PublishedAt | None, limit: int
    ) -> list[PublishedAt]:
        found = [
            PublishedAt(at=row["published_at"], job_id=row["id"], fence=row["fence"])
            for row in self.jobs.rows.values()
            if row["state"] == JobState.QUEUED
            and row["published_at"] is not None
            and row["published_at"] < moment
            and (after is None or (row["published_at"], row["id"]) > (after.at, after.job_id))
        ]
        return sorted(found, key=lambda one: (one.at, one.job_id))[:limit]

    def take_lost(self, lost: Sequence[PublishedAt], *, now: datetime) -> list[Job]:
        as_read = {(one.job_id, one.fence, one.at) for one in lost}
        found = [
            row
            for row in self.jobs.rows.values()
            if row["state"] == JobState.QUEUED
            and (row["id"], row["fence"], row["published_at"]) in as_read
        ]
        return self._published(found, now=now)

    def take_finalizers(
        self, kinds: Collection[str], *, published_before: datetime, now: datetime, limit: int
    ) -> list[tuple[Job, int]]:
        found = [
            row
            for row in self.jobs.rows.values()
            if row["finalizer_due"]
            and (row["published_at"] is None or row["published_at"] < published_before)
            and (row["lease_until"] is None or row["lease_until"] < now)
            and row["pipeline"] in kinds
        ][:limit]
        for row in found:
            row["published_at"] = now
        return [(self.jobs.job(row["id"]), row["finalizer_runs"]) for row in found]

    def unpublish(self, jobs: Sequence[Job]) -> None:
        as_read = {(job.id, job.fence) for job in jobs}
        for row in self.jobs.rows.values():
            if (row["id"], row["fence"]) in as_read and row["lease_until"] is None:
                row["published_at"] = None

    def waiting_parents(self, *, limit: int) -> list[Job]:
        found = [
            row
            for row in self.jobs.rows.values()
            if row["waits_for_children"] and row["published_at"] is None
        ]
        return self._jobs(found[:limit])

    def counts(self, parent_ids: Collection[JobId]) -> dict[JobId, ChildCounts]:
        found: dict[JobId, dict[JobState, int]] = {}
        for row in self.jobs.rows.values():
            if row["parent_id"] in parent_ids:
                counts = found.setdefault(row["parent_id"], dict.fromkeys(JobState, 0))
                counts[JobState(row["state"])] += 1
        return dict(found)

    def save_progress(self, parent: Job, progress: Progress) -> Job | None:
        row = self.jobs.rows[parent.id]
        row |= {"progress": progress.progress, "message": progress.message}
        return self.jobs.job(parent.id)

    def _has_unfinished_children(self, job_id: JobId) -> bool:
        return any(
            row["parent_id"] == job_id and row["state"] in _UNFINISHED
            for row in self.jobs.rows.values()
        )

    def _published(self, found: list[Row], *, now: datetime) -> list[Job]:
        for row in found:
            row["published_at"] = now
        return self._jobs(sorted(found, key=_order))

    def _jobs(self, found: Iterable[Row]) -> list[Job]:
        return [self.jobs.job(row["id"]) for row in found]


def new_job(
    request: JobRequest, *, job_id: JobId | None = None, is_published: bool = True
) -> NewJob:
    return NewJob(
        id=rows.new_id() if job_id is None else job_id,
        owner="",
        request=request,
        first_stage="probe_first",
        max_attempts=4,
        is_published_now=is_published,
    )


def _order(row: Row) -> tuple[int, str]:
    return row["priority"], row["id"]
