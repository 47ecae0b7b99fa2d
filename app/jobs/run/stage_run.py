"""The run of one claimed job: work, then write the outcome that fits."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from app.errors import Cancelled, PermanentError, StorageUnavailable, WorkStopped
from app.jobs.model import changes, job_trace, retry, time_limits
from app.jobs.model.changes import Change
from app.jobs.model.clock import Clock
from app.jobs.model.job import Job, Json, Progress
from app.jobs.model.pipeline import Args, Kwargs, Registry, Stage
from app.jobs.model.retry import Next, Policy
from app.jobs.model.ticket import Claimant, Hold, Ticket
from app.jobs.model.time_limits import TimeLimits
from app.jobs.model.work import Work
from app.jobs.run.lease_renewal import RenewedLease
from app.jobs.run.progress import Meter, Periodic
from app.jobs.run.stage_work import JobWork, Leases, StageParts
from app.jobs.run.stop import Stop
from app.storage import ownership
from app.telemetry import trace_context

logger = logging.getLogger(__name__)

T = TypeVar("T")

ROW_INTERVAL_S = 5.0
"""How old the progress in the row may be. Events have it at once; the row outlives Redis."""

OUTCOME_WAIT_S = 600.0
"""How long an outcome waits for the database; it is fenced, so it cannot come too late."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

WorkOn = Callable[[Work, Args, Kwargs], Json]
"""Calls the task. The arguments are those of the job's row, whatever its message says."""


class StageOutcomeKind(StrEnum):
    """What became of a run, for the task that called for it."""

    NOT_OURS = "not_ours"
    """A second delivery, or another attempt owns the job: nothing of this run counts."""
    DONE = "done"
    RETRIED = "retried"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """How one run ended."""

    kind: StageOutcomeKind
    output: Json = None
    error: BaseException | None = None


NOT_OURS = StageOutcome(kind=StageOutcomeKind.NOT_OURS)


class Transitions(Protocol):
    """Changes jobs and does what follows (`publish.job_lifecycle`)."""

    def claim(self, own: Ticket, claimant: Claimant) -> Job | None: ...

    def apply(self, change: Change) -> Job | None:
        """Make the change; None when the row is not as it demands."""


class Renewal(Protocol):
    """Renews leases (`run.lease_renewal`)."""

    def renewing(self, held: RenewedLease) -> AbstractContextManager[None]:
        """Renew this one for the length of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What composition hands to the runs of this process."""

    lifecycle: Transitions
    leases: Leases
    renewal: Renewal
    tell_progress: Callable[[Job, Progress], None]
    registry: Registry
    policy: Policy
    limits: Callable[[Stage | None], TimeLimits]
    lease_s: float
    rng: Callable[[], float]
    clock: Clock
    stage: StageParts


class StageRun:
    """The run of a claimed job."""

    def __init__(self, parts: RunParts, job: Job) -> None:
        self._parts = parts
        self._job = job
        self._pipeline = parts.registry[job.pipeline]
        self._stage = self._pipeline.stage(job.stage)
        self._has_finalizer = self._pipeline.finalizer is not None
        self._hold = Hold(job_id=job.id, fence=job.fence)
        self._stop = Stop()
        clock = parts.clock
        self._meter = Meter(
            lambda progress: parts.tell_progress(job, progress),
            floor=job.progress,
            monotonic=clock.monotonic,
        )
        self._row_interval = Periodic(every_s=ROW_INTERVAL_S, monotonic=clock.monotonic)

    def run(self, work_on: WorkOn) -> StageOutcome:
        """Do the work while its lease is renewed."""
        work = JobWork(
            self._parts.stage,
            self._job,
            leases=self._parts.leases,
            stop=self._stop,
            meter=self._meter,
            share=self._stage.progress,
            attempt=self._job.attempt,
        )
        limits = self._parts.limits(self._stage)
        now_s = self._parts.clock.monotonic()
        held = RenewedLease(
            hold=self._hold,
            stop=self._stop,
            limits=limits,
            on_tick=self._show_progress,
            on_hard_limit=lambda: self._fail_at_hard_limit(limits),
            began_at=now_s,
            renewed_at=now_s,
        )
        in_trace = trace_context.continuing(job_trace.run_context(self._job), for_libraries=True)
        in_scope = ownership.acting_for(ownership.job_scope(self._job.owner))
        with self._parts.renewal.renewing(held), in_trace, in_scope:
            try:
                self._stop.check()
                output = work_on(work, *self._pipeline.arguments_of(self._job))
            except Exception as error:  # noqa: BLE001  # on any failure the policy decides
                return self._raised(error)
            return self._returned(output)

    def _show_progress(self) -> None:
        """Pass on the progress that was held back; from time to time save it in the row."""
        self._meter.flush()
        last = self._meter.last
        if last is not None and self._row_interval.is_due():
            self._parts.leases.save_progress(self._hold, last)

    def _fail_at_hard_limit(self, limits: TimeLimits) -> None:
        """Fail the job, even if its work never returns."""
        self._parts.lifecycle.apply(self._failure(time_limits.exceeded(limits)))

    def _raised(self, error: Exception) -> StageOutcome:
        """The work raised. When it was asked to stop, that is the reason, whatever it raised."""
        match self._stop.error or error:
            case Cancelled():
                return self._cancel()
            case WorkStopped():
                return NOT_OURS
            case reason:
                return self._failed(reason)

    def _cancel(self) -> StageOutcome:
        cancel = changes.cancel(
            self._hold, progress=self._meter.floor, has_finalizer=self._has_finalizer
        )
        job = self._stored(lambda: cancel)
        return NOT_OURS if job is None else StageOutcome(kind=StageOutcomeKind.CANCELLED)

    def _returned(self, output: Json) -> StageOutcome:
        self._meter.flush()
        try:
            job = self._stored(lambda: self._success(output))
        except PermanentError as error:  # what the stage returned cannot be stored
            return self._failed(error)
        if job is None:  # its cancel was requested at the last moment, or it is not ours any more
            return self._cancel()
        return StageOutcome(kind=StageOutcomeKind.DONE, output=output)

    def _success(self, output: Json) -> Change:
        following = self._pipeline.stage_after(self._stage.task)
        if following is None:
            return changes.succeed(self._hold, result=output)
        return changes.advance(
            self._hold,
            next_stage=following.task,
            output=output,
            progress=max(self._meter.floor, self._stage.progress[1]),
            waits_for_children=following.after_children,
        )

    def _failed(self, error: Exception) -> StageOutcome:
        self._meter.flush()
        job = self._stored(lambda: self._failure(error))
        if job is None:
            return self._cancel()
        kind = StageOutcomeKind.FAILED if job.state.is_final else StageOutcomeKind.RETRIED
        return StageOutcome(kind=kind, error=error)

    def _failure(self, error: Exception) -> Change:
        verdict = retry.after_error(
            error, self._job, policy=self._parts.policy, rng=self._parts.rng
        )
        if verdict.next is not Next.RETRY:
            return changes.fail(
                self._hold,
                error=verdict.error,
                progress=self._meter.floor,
                is_dead_lettered=verdict.next is Next.DEAD_LETTER,
                has_finalizer=self._has_finalizer,
            )
        pause_s = verdict.delay_s
        at = None if pause_s is None else self._parts.clock.now() + timedelta(seconds=pause_s)
        return changes.retry_later(
            self._hold, error=verdict.error, progress=self._meter.floor, at=at
        )

    def _stored(self, change: Callable[[], Change]) -> Job | None:
        return until_stored(
            lambda: self._parts.lifecycle.apply(change()),
            for_s=OUTCOME_WAIT_S,
            clock=self._parts.clock,
        )


def until_stored(write: Callable[[], T], *, for_s: float, clock: Clock) -> T:
    """Call `write` until the database takes it. Raises StorageUnavailable after `for_s`."""
    give_up_at = clock.monotonic() + for_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return write()
        except StorageUnavailable:
            if clock.monotonic() + pause_s > give_up_at:
                raise
        clock.sleep(pause_s)
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
