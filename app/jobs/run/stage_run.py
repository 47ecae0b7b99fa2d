"""One run of one stage of a job: claim it, work, write the end that fits."""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.errors import Cancelled, PermanentError, StorageUnavailable, WorkStopped
from app.jobs.model import retry, ticket, time_limits
from app.jobs.model.job import Job, Json
from app.jobs.model.pipeline import Stage
from app.jobs.model.retry import Next, Verdict
from app.jobs.model.ticket import Ticket
from app.jobs.model.time_limits import TimeLimits
from app.jobs.platform import Platform
from app.jobs.publish import delivery
from app.jobs.run import run_options, storage_retries
from app.jobs.run.job_work import JobWork
from app.jobs.run.lease_renewal import Kept
from app.jobs.run.outcome import NOT_OURS, Ending, EndKind
from app.jobs.run.progress import Meter, Periodic
from app.jobs.run.run_options import WorkOn
from app.jobs.run.stop import Stop
from app.jobs.store.claims import Hold

logger = logging.getLogger(__name__)

ROW_INTERVAL_S = 5.0
"""How old the progress in the row may be. Events have it at once; the row outlives Redis."""


def run_stage(platform: Platform, own: Ticket, work_on: WorkOn, *, worker: str) -> Ending:
    """Claim the ticket's job, do the work, write its end and publish what follows."""
    try:
        job = storage_retries.until_stored(
            lambda: platform.claims.claim(own, run_options.claimant(platform, worker)),
            for_s=run_options.CLAIM_PATIENCE_S,
        )
    except StorageUnavailable as error:
        reason = {"job_id": own.job_id, "reason": str(error)}
        logger.warning("a job is left to the reconciler: it could not be claimed", extra=reason)
        return NOT_OURS
    if job is None:
        return NOT_OURS
    return _Run(platform, job).run(work_on)


def fail_killed(platform: Platform, task_id: str) -> None:
    """The run of this message was killed at the hard time limit: its job failed."""
    found = ticket.parse_task_id(task_id)
    job = platform.jobs.find(found[0]) if found is not None else None
    pipeline = platform.registry.get(job.pipeline) if job is not None else None
    if found is None or job is None or pipeline is None:
        return
    error = time_limits.exceeded(run_options.limits(platform, pipeline.stage(job.stage)))
    killed = platform.claims.fail(
        Hold(job_id=job.id, fence=found[1] + 1),
        error=retry.job_error(error, attempt=job.attempt),
        is_dead_lettered=False,
        has_finalizer=pipeline.finalizer is not None,
        now=datetime.now(UTC),
    )
    if killed is not None:
        delivery.tell_end(platform, killed)


class _Run:
    """The run of a claimed job."""

    def __init__(self, platform: Platform, job: Job) -> None:
        self._platform = platform
        self._job = job
        self._pipeline = platform.registry[job.pipeline]
        self._stage = self._pipeline.stage(job.stage)
        self._hold = Hold(job_id=job.id, fence=job.fence)
        self._stop = Stop()
        self._meter = Meter(
            lambda seen: platform.events.progress(job, seen), floor=_shown(platform, job)
        )
        self._row_shows = Periodic(every_s=ROW_INTERVAL_S)

    def run(self, work_on: WorkOn) -> Ending:
        """Do the work under the keeper's eyes."""
        self._platform.events.state(replace(self._job, progress=self._meter.floor))
        work = JobWork(
            self._platform,
            self._job,
            stop=self._stop,
            meter=self._meter,
            share=self._stage.progress,
            attempt=self._job.attempt,
        )
        limits = run_options.limits(self._platform, self._stage)
        kept = Kept(
            hold=self._hold,
            stop=self._stop,
            limits=limits,
            on_look=self._show,
            on_hard_limit=lambda: self._give_up(limits),
        )
        with self._platform.keeper.keeping(kept):
            try:
                self._stop.check()
                output = work_on(work)
            except Exception as error:  # noqa: BLE001  # on any failure the policy decides
                return self._ended(error)
            return self._done(output)

    def _show(self) -> None:
        """Tell the progress that was held back; from time to time note it in the row."""
        self._meter.flush()
        seen = self._meter.last
        if seen is not None and self._row_shows.is_due():
            self._platform.claims.show(self._hold, seen)

    def _give_up(self, limits: TimeLimits) -> None:
        """The hard limit is over: the job fails, even if its work never returns."""
        self._write_failure(time_limits.exceeded(limits), for_s=0.0)

    def _ended(self, error: Exception) -> Ending:
        """The work raised. When it was told to stop, that is the reason, whatever it raised."""
        match self._stop.error or error:
            case Cancelled():
                return self._cancel()
            case WorkStopped():
                return NOT_OURS
            case reason:
                return self._failed(reason)

    def _cancel(self) -> Ending:
        has_finalizer = self._pipeline.finalizer is not None
        job = self._stored(
            lambda: self._platform.claims.cancel(
                self._hold,
                progress=self._meter.floor,
                has_finalizer=has_finalizer,
                now=datetime.now(UTC),
            )
        )
        if job is None:
            return NOT_OURS
        delivery.tell_end(self._platform, job)
        return Ending(kind=EndKind.CANCELLED)

    def _done(self, output: Json) -> Ending:
        self._meter.flush()
        following = self._pipeline.stage_after(self._stage.task)
        try:
            job = self._stored(lambda: self._write_success(output, following))
        except PermanentError as error:  # what the stage returned cannot be stored
            return self._failed(error)
        if job is None:
            return self._cancel()  # asked for at the last moment; or the job is not ours any more
        if job.state.is_final:
            delivery.tell_end(self._platform, job)
        else:
            self._platform.events.state(job)
            if self._is_published_now(following):
                delivery.deliver(self._platform, [job])
        return Ending(kind=EndKind.DONE, output=output)

    def _is_published_now(self, following: Stage | None) -> bool:
        """Whether the next stage begins at once: eager children are over when they are accepted."""
        is_eager = self._platform.publisher.is_eager
        return following is None or not following.after_children or is_eager

    def _write_success(self, output: Json, following: Stage | None) -> Job | None:
        now = datetime.now(UTC)
        claims = self._platform.claims
        if following is None:
            return claims.succeed(self._hold, result=output, now=now)
        progress = max(self._meter.floor, self._stage.progress[1])
        return claims.advance(
            self._hold,
            next_stage=following.task,
            output=output,
            progress=progress,
            waits_for_children=following.after_children,
            now=now,
        )

    def _failed(self, error: Exception) -> Ending:
        self._meter.flush()
        job = self._write_failure(error, for_s=run_options.END_PATIENCE_S)
        if job is None:
            return self._cancel()
        if job.state.is_final:
            return Ending(kind=EndKind.FAILED, error=error)
        return Ending(kind=EndKind.RETRIED, error=error)

    def _write_failure(self, error: Exception, *, for_s: float) -> Job | None:
        verdict = retry.after_error(
            error, self._job, policy=self._platform.retry_policy, rng=random.random
        )
        job = storage_retries.until_stored(lambda: self._store_verdict(verdict), for_s=for_s)
        if job is None:
            return None
        if job.state.is_final:
            delivery.tell_end(self._platform, job)
        else:
            self._platform.events.state(job)
            if self._platform.publisher.is_eager:
                delivery.deliver(self._platform, [job])
        return job

    def _store_verdict(self, verdict: Verdict) -> Job | None:
        now = datetime.now(UTC)
        claims = self._platform.claims
        if verdict.next is not Next.RETRY:
            return claims.fail(
                self._hold,
                error=verdict.error,
                progress=self._meter.floor,
                is_dead_lettered=verdict.next is Next.DEAD_LETTER,
                has_finalizer=self._pipeline.finalizer is not None,
                now=now,
            )
        is_eager = self._platform.publisher.is_eager  # nobody is there to wait for
        at = None if is_eager else now + timedelta(seconds=verdict.delay_s)
        return claims.retry_later(
            self._hold, error=verdict.error, progress=self._meter.floor, at=at, now=now
        )

    def _stored(self, write: Callable[[], Job | None]) -> Job | None:
        return storage_retries.until_stored(write, for_s=run_options.END_PATIENCE_S)


def _shown(platform: Platform, job: Job) -> float:
    """The progress that clients have seen: events may be ahead of the row where a run was lost."""
    if job.attempt == 1:
        return job.progress
    seen = platform.events.latest([job.id]).get(job.id)
    return max(job.progress, seen.progress if seen is not None else 0.0)
