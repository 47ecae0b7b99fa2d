"""Runs what messages ask for: claims the job or its finalizer, and hands it to a run."""

import logging
import os
from collections.abc import Callable

from app.errors import StorageUnavailable, Superseded
from app.jobs.model import changes, retry, time_limits
from app.jobs.model.job import Job, JobError, JobId, Progress
from app.jobs.model.ticket import Claimant, Hold, Ticket
from app.jobs.run import stage_run
from app.jobs.run.lease_renewal import LeaseRenewer, RenewedLease
from app.jobs.run.progress import Meter
from app.jobs.run.stage_run import (
    NOT_OURS,
    RunParts,
    StageOutcome,
    StageOutcomeKind,
    StageRun,
    WorkOn,
)
from app.jobs.run.stage_work import JobWork, StageParts
from app.jobs.run.stop import Stop
from app.storage import ownership

logger = logging.getLogger(__name__)

CLAIM_WAIT_S = 10.0
"""How long a claim waits for the database before it leaves the job to the reconciler."""

STOPPED = JobError(
    type="WorkerStopped", message="its worker was stopped", retryable=True, attempt=0
)


class StageRunner:
    """The runs of one worker process."""

    def __init__(
        self, parts: RunParts, *, renewer: LeaseRenewer, find_job: Callable[[JobId], Job | None]
    ) -> None:
        self._parts = parts
        self._renewer = renewer
        self._find_job = find_job

    @property
    def stage_parts(self) -> StageParts:
        """What a stage without a job gets too."""
        return self._parts.stage

    @property
    def policy(self) -> retry.Policy:
        """By which failed runs are retried."""
        return self._parts.policy

    def run_stage(self, own: Ticket, work_on: WorkOn, *, worker: str) -> StageOutcome:
        """Claim the ticket's job, do the work and write its outcome."""
        try:
            job = self._until_stored(
                lambda: self._parts.lifecycle.claim(own, self._claimant(worker)), CLAIM_WAIT_S
            )
        except StorageUnavailable as error:
            reason = {"job_id": own.job_id, "reason": str(error)}
            logger.warning("a job is left to the reconciler: it could not be claimed", extra=reason)
            return NOT_OURS
        return NOT_OURS if job is None else StageRun(self._parts, job).run(work_on)

    def run_finalizer(self, own: Ticket, work_on: WorkOn, *, worker: str) -> StageOutcome:
        """Claim the finalizer of a stopped job and run it. When it fails it is due again; the job
        does not show it."""
        job = self._until_stored(
            lambda: self._parts.lifecycle.apply(
                changes.claim_finalizer(own, self._claimant(worker))
            ),
            CLAIM_WAIT_S,
        )
        if job is None:
            return NOT_OURS
        stop = Stop()
        held = RenewedLease(
            hold=Hold(job_id=job.id, fence=job.fence),
            stop=stop,
            limits=self._parts.limits(self._parts.registry[job.pipeline].finalizer),
            on_tick=_nothing,
            on_hard_limit=_nothing,
            began_at=(now_s := self._parts.clock.monotonic()),
            renewed_at=now_s,
        )
        in_scope = ownership.acting_for(ownership.job_scope(job.owner))
        with self._parts.renewal.renewing(held), in_scope:
            return self._finalize(job, held.hold, stop, work_on)

    def fail_killed(self, own: Ticket) -> None:
        """Fail the job of a message whose process Celery killed at the hard time limit."""
        job = None if own.is_finalizer else self._find_job(own.job_id)
        pipeline = self._parts.registry.get(job.pipeline) if job is not None else None
        if job is None or pipeline is None:
            return
        error = time_limits.exceeded(self._parts.limits(pipeline.stage(job.stage)))
        self._parts.lifecycle.apply(
            changes.fail(
                Hold(job_id=job.id, fence=own.fence + 1),
                error=retry.job_error(error, attempt=job.attempt),
                is_dead_lettered=False,
                has_finalizer=pipeline.finalizer is not None,
            )
        )

    def give_back(self, tickets: tuple[Ticket, ...]) -> None:
        """Stop all work and queue the jobs of these messages again, so that none waits for its
        lease."""
        self._renewer.stop_all(Superseded("the worker is stopping"))
        for own in tickets:
            hold = Hold(job_id=own.job_id, fence=own.fence + 1)
            try:
                self._parts.lifecycle.apply(changes.give_back(hold, error=STOPPED))
            except StorageUnavailable as error:
                extra = {"job_id": own.job_id, "reason": str(error)}
                logger.warning("a job waits for its lease", extra=extra)

    def _finalize(self, job: Job, hold: Hold, stop: Stop, work_on: WorkOn) -> StageOutcome:
        work = JobWork(
            self._parts.stage,
            job,
            leases=self._parts.leases,
            stop=stop,
            meter=Meter(_untold, floor=0.0),
            share=(0.0, 100.0),
            attempt=1,
        )
        failure: Exception | None = None
        try:
            work_on(work, (job.id,), {})
        except Exception as error:  # noqa: BLE001  # whatever it is, the finalizer is due again
            failure = error
        what = None if failure is None else retry.job_error(failure, attempt=1)
        self._until_stored(
            lambda: self._parts.lifecycle.apply(changes.end_finalizer(hold, error=what)),
            stage_run.OUTCOME_WAIT_S,
        )
        if failure is not None:
            return StageOutcome(kind=StageOutcomeKind.FAILED, error=failure)
        return StageOutcome(kind=StageOutcomeKind.DONE)

    def _claimant(self, worker: str) -> Claimant:
        return Claimant(worker=worker, pid=os.getpid(), lease_s=self._parts.lease_s)

    def _until_stored(self, write: Callable[[], Job | None], for_s: float) -> Job | None:
        return stage_run.until_stored(write, for_s=for_s, clock=self._parts.clock)


def _untold(_progress: Progress) -> None:
    """The progress of a finalizer is not shown."""


def _nothing() -> None:
    """A finalizer has nothing to show."""
