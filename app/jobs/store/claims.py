"""The writes of workers: claim a job, keep the lease, end the run.

Every write is one conditional UPDATE. It names the fence that the writer holds, so that a worker
that was presumed dead changes nothing: no row, None returned. Jobs come back without their
artifacts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, tuple_, update

from app.jobs.model.job import (
    Artifact,
    Job,
    JobError,
    JobId,
    JobState,
    Json,
    Run,
    RunOutcome,
    Seen,
)
from app.jobs.model.ticket import Ticket
from app.jobs.store import changes, rows
from app.storage import schema
from app.storage.engine import Database

_jobs = schema.jobs
_artifacts = schema.artifacts

# Built once, as those in `changes`: each job takes its claim and its end from here.
_OWN = (_jobs.c.id == bindparam("own_id"), _jobs.c.fence == bindparam("own_fence"))
_NOW = bindparam("now", type_=_jobs.c.started_at.type)
_CLAIM: changes.Statement = (
    update(_jobs)
    .where(
        *_OWN,
        _jobs.c.stage == bindparam("own_stage"),
        _jobs.c.state == JobState.QUEUED.value,
    )
    .values(
        fence=_jobs.c.fence + 1,
        attempt=_jobs.c.attempt + 1,
        started_at=func.coalesce(_jobs.c.started_at, _NOW),
    )
    .returning(_jobs)
)
_CLAIM_FINALIZER: changes.Statement = (
    update(_jobs)
    .where(
        *_OWN,
        _jobs.c.finalizer_due,
        or_(_jobs.c.lease_until.is_(None), _jobs.c.lease_until < _NOW),
    )
    .values(fence=_jobs.c.fence + 1, finalizer_runs=_jobs.c.finalizer_runs + 1)
    .returning(_jobs)
)
_CHANGE_CLAIMED: changes.Statement = (
    update(_jobs)
    .where(*changes.claimed_by(bindparam("own_id"), bindparam("own_fence")))
    .returning(_jobs)
)
_CHANGE_UNCANCELLED: changes.Statement = _CHANGE_CLAIMED.where(~_jobs.c.cancel_requested)
_END_FINALIZER: changes.Statement = (
    update(_jobs).where(*_OWN, _jobs.c.finalizer_due).returning(_jobs)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who claims, and for how long."""

    worker: str
    """Celery's node name, `name@host`."""
    pid: int
    lease_s: float
    clock: Callable[[], datetime]
    """Asked when the write begins: it may have waited for other writers as long as a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a worker holds: the job, and the fence of its claim."""

    job_id: JobId
    fence: int


class ClaimStore:
    """Claims of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, ticket: Ticket, claimant: Claimant) -> Job | None:
        """Make the job ours, when its row stands as the ticket says; begin the record of the run.

        None for a second delivery, and for a job that was cancelled or taken up again meanwhile.
        """
        as_ticketed = {
            "own_id": ticket.job_id,
            "own_fence": ticket.fence,
            "own_stage": ticket.stage,
        }
        with self._database.write() as connection:
            now = claimant.clock()
            values = {
                **_taken(claimant, now),
                "state": JobState.RUNNING.value,
                "not_before": None,
            }
            job = changes.apply_built(connection, _CLAIM, as_ticketed | values)
            if job is not None:
                _begin_run(connection, job, claimant, now, stage=job.stage, attempt=job.attempt)
        return job

    def claim_finalizer(self, ticket: Ticket, claimant: Claimant) -> Job | None:
        """The same for the finalizer of a job that failed or was cancelled."""
        as_ticketed = {"own_id": ticket.job_id, "own_fence": ticket.fence}
        with self._database.write() as connection:
            now = claimant.clock()
            values = as_ticketed | _taken(claimant, now)
            row = connection.execute(_CLAIM_FINALIZER, values).one_or_none()
            if row is None:
                return None
            job = rows.parse_job(row)
            runs = row.finalizer_runs
            _begin_run(connection, job, claimant, now, stage=ticket.stage, attempt=runs)
        return job

    def renew(self, held: Iterable[Hold], *, until: datetime) -> set[Hold]:
        """Prolong the leases; return those that are still ours."""
        keys = [(hold.job_id, hold.fence) for hold in held]
        statement = (
            update(_jobs)
            .where(tuple_(_jobs.c.id, _jobs.c.fence).in_(keys), _jobs.c.lease_until.is_not(None))
            .values(lease_until=until)
            .returning(_jobs.c.id, _jobs.c.fence)
        )
        with self._database.write() as connection:
            return {Hold(job_id=row.id, fence=row.fence) for row in connection.execute(statement)}

    def look(self, held: Sequence[Hold]) -> dict[Hold, bool]:
        """Those that are still ours, each with whether its cancel is asked for."""
        query = select(_jobs.c.id, _jobs.c.fence, _jobs.c.cancel_requested).where(
            _jobs.c.id.in_([hold.job_id for hold in held]), _jobs.c.lease_until.is_not(None)
        )
        with self._database.read() as connection:
            return {
                Hold(job_id=row.id, fence=row.fence): row.cancel_requested
                for row in connection.execute(query)
            }

    def show(self, hold: Hold, seen: Seen) -> None:
        """Keep the progress in the row, where it outlives Redis."""
        values = {
            "progress": seen.progress,
            "message": seen.message,
            "speed": seen.speed,
            "eta_seconds": seen.eta_seconds,
        }
        with self._database.write() as connection:
            connection.execute(
                update(_jobs).where(*changes.claimed_by(hold.job_id, hold.fence)).values(values)
            )

    def advance(
        self,
        hold: Hold,
        *,
        next_stage: str,
        output: Json,
        progress: float,
        waits_for_children: bool = False,
        now: datetime,
    ) -> Job | None:
        """The stage is done and the next one queued. The caller publishes it; one that waits for
        children is published by the reconciler.

        None also when a cancel is asked for: call `cancel` then.
        """
        values = {
            **changes.queued_in(waits_for_children=waits_for_children, now=now),
            "stage": next_stage,
            "stage_input": output,
            "attempt": 0,
            "deliveries": 0,
            "progress": progress,
            "error": None,
        }
        return self._end(hold, RunOutcome.SUCCEEDED, values, now=now, unless_cancelled=True)

    def succeed(self, hold: Hold, *, result: Json, now: datetime) -> Job | None:
        """The last stage is done. A cancel that comes too late is forgotten."""
        values = {
            **changes.ended(JobState.SUCCEEDED, has_finalizer=False, now=now),
            "result": result,
            "progress": 100.0,
            "error": None,
        }
        return self._end(hold, RunOutcome.SUCCEEDED, values, now=now)

    def retry_later(
        self,
        hold: Hold,
        *,
        error: JobError,
        progress: float,
        at: datetime | None,
        now: datetime,
    ) -> Job | None:
        """The run failed and the stage is queued again. With `at`, the reconciler publishes it
        then; without, the caller does so now. None also when a cancel is asked for."""
        values = {
            **changes.queued(published_at=now if at is None else None),
            "not_before": at,
            "progress": progress,
            "error": rows.dump_error(error),
        }
        return self._end(
            hold, RunOutcome.RETRIED, values, now=now, error=error, unless_cancelled=True
        )

    def fail(
        self,
        hold: Hold,
        *,
        error: JobError,
        progress: float | None = None,
        is_dead_lettered: bool,
        has_finalizer: bool,
        now: datetime,
    ) -> Job | None:
        """The job failed for good. The progress stays as it is when none is given."""
        values = {
            **changes.ended(JobState.FAILED, has_finalizer=has_finalizer, now=now),
            "error": rows.dump_error(error),
            "dead_lettered_at": now if is_dead_lettered else None,
        }
        if progress is not None:
            values["progress"] = progress
        return self._end(hold, RunOutcome.FAILED, values, now=now, error=error)

    def cancel(
        self, hold: Hold, *, progress: float, has_finalizer: bool, now: datetime
    ) -> Job | None:
        """The work has ended, and a cancel was asked for."""
        values = {
            **changes.ended(JobState.CANCELLED, has_finalizer=has_finalizer, now=now),
            "progress": progress,
        }
        return self._end(hold, RunOutcome.CANCELLED, values, now=now, with_children=True)

    def end_finalizer(self, hold: Hold, *, error: JobError | None, now: datetime) -> Job | None:
        """The finalizer is done, or failed and is due again."""
        is_done = error is None
        values: changes.Values = {"lease_until": None, "worker": None, "published_at": now}
        if is_done:
            values |= {"finalizer_due": False, "finalized_at": now}
        outcome = RunOutcome.SUCCEEDED if is_done else RunOutcome.FAILED
        with self._database.write() as connection:
            job = changes.apply_built(connection, _END_FINALIZER, _own(hold) | values)
            if job is not None:
                changes.end_run(
                    connection, hold.job_id, hold.fence, outcome=outcome, error=error, now=now
                )
        return job

    def keep_artifact(
        self, hold: Hold, artifact: Artifact, *, key: str, now: datetime
    ) -> tuple[bool, str | None]:
        """Note an artifact of the job. Returns whether the job is still ours, and the key of the
        object that the name stood for before."""
        same = (_artifacts.c.job_id == hold.job_id, _artifacts.c.name == artifact.name)
        with self._database.write() as connection:
            ours = select(_jobs.c.id).where(*changes.claimed_by(hold.job_id, hold.fence))
            if connection.execute(ours.with_for_update()).one_or_none() is None:
                return False, None
            before = connection.execute(select(_artifacts.c.key).where(*same)).scalar_one_or_none()
            values = {
                "media_type": artifact.media_type,
                "size_bytes": artifact.size_bytes,
                "sha256": artifact.sha256,
                "key": key,
                "created_at": now,
            }
            if before is None:
                names = {"job_id": hold.job_id, "name": artifact.name}
                connection.execute(insert(_artifacts).values(**names, **values))
            else:
                connection.execute(update(_artifacts).where(*same).values(**values))
        return True, before if before != key else None

    def _end(
        self,
        hold: Hold,
        outcome: RunOutcome,
        values: dict[str, Any],  # columns of several types
        *,
        now: datetime,
        error: JobError | None = None,
        unless_cancelled: bool = False,
        with_children: bool = False,
    ) -> Job | None:
        statement = _CHANGE_UNCANCELLED if unless_cancelled else _CHANGE_CLAIMED
        with self._database.write() as connection:
            job = changes.apply_built(connection, statement, _own(hold) | values)
            if job is not None:
                changes.end_run(
                    connection, hold.job_id, hold.fence, outcome=outcome, error=error, now=now
                )
            if job is not None and with_children:
                changes.cancel_children(connection, [job.id])
        return job


def _own(hold: Hold) -> changes.Values:
    return {"own_id": hold.job_id, "own_fence": hold.fence}


def _taken(claimant: Claimant, now: datetime) -> changes.Values:
    return {
        "now": now,
        "lease_until": now + timedelta(seconds=claimant.lease_s),
        "worker": claimant.worker,
    }


def _begin_run(
    connection: Connection,
    job: Job,
    claimant: Claimant,
    now: datetime,
    *,
    stage: str,
    attempt: int,
) -> None:
    changes.begin_run(
        connection,
        Run(
            job_id=job.id,
            stage=stage,
            attempt=attempt,
            fence=job.fence,
            worker=claimant.worker,
            pid=claimant.pid,
            started_at=now,
            ended_at=None,
            outcome=None,
            error=None,
        ),
    )
