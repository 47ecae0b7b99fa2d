"""Changes of one job: a row of the table of transitions with its values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.jobs.model import transitions
from app.jobs.model.job import Job, JobError, JobId, Json
from app.jobs.model.retry import Next, Verdict
from app.jobs.model.ticket import Claimant, Hold, Ticket
from app.jobs.model.transitions import Transition, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row of the table with its values for one job."""

    transition: Transition
    job_id: JobId
    fence: int = 0
    stage: str = ""
    """Of the run that it starts."""
    given: Mapping[str, object] = field(default_factory=dict)
    claimant: Claimant | None = None
    error: JobError | None = None
    """Of the run that it ends."""

    @property
    def is_published(self) -> bool:
        """Whether it marks the job as published. The caller then publishes it."""
        return self.given.get("published_at") is Write.NOW


def claim(own: Ticket, claimant: Claimant) -> Change:
    """A worker takes the job, when its row stands as the ticket says."""
    return _claimed(transitions.CLAIM, own, claimant)


def claim_finalizer(own: Ticket, claimant: Claimant) -> Change:
    """A worker takes the finalizer of a stopped job."""
    return _claimed(transitions.CLAIM_FINALIZER, own, claimant)


def advance(
    hold: Hold, *, next_stage: str, output: Json, progress: float, waits_for_children: bool = False
) -> Change:
    """The stage is done and the next one is queued; it may wait for children first."""
    given = {
        "stage": next_stage,
        "stage_input": output,
        "progress": progress,
        "waits_for_children": waits_for_children,
        "published_at": None if waits_for_children else Write.NOW,
    }
    return _held(transitions.ADVANCE, hold, given)


def succeed(hold: Hold, *, result: Json) -> Change:
    """The last stage is done. A cancel that comes too late is forgotten."""
    return _held(transitions.SUCCEED, hold, {"result": result, **_finalizer(is_due=False)})


def retry_later(hold: Hold, *, error: JobError, progress: float, at: datetime | None) -> Change:
    """The run failed and the stage is queued again: at that moment, or at once."""
    given = {
        "error": error,
        "progress": progress,
        "not_before": at,
        "published_at": Write.NOW if at is None else None,
    }
    return _held(transitions.RETRY_LATER, hold, given, error)


def fail(
    hold: Hold,
    *,
    error: JobError,
    progress: float | None = None,
    is_dead_lettered: bool,
    has_finalizer: bool,
) -> Change:
    """The job failed. Without a progress the row keeps the one it has."""
    given: dict[str, object] = {"error": error, **_finalizer(is_due=has_finalizer)}
    if progress is not None:
        given["progress"] = progress
    return _held(
        transitions.FAIL_FOR_GOOD if is_dead_lettered else transitions.FAIL, hold, given, error
    )


def cancel(hold: Hold, *, progress: float, has_finalizer: bool) -> Change:
    """The work has stopped because a cancel was requested."""
    return _held(
        transitions.CANCEL, hold, {"progress": progress, **_finalizer(is_due=has_finalizer)}
    )


def give_back(hold: Hold, *, error: JobError) -> Change:
    """The worker stops before the work is done: queued again, and counted neither as an attempt nor
    as a delivery. With a cancel requested the job waits for its lease instead."""
    return _held(transitions.GIVE_BACK, hold, {"published_at": None}, error)


def request_cancel(job_id: JobId) -> Change:
    """Ask the worker of a running job to stop."""
    return Change(transition=transitions.REQUEST_CANCEL, job_id=job_id)


def cancel_queued(job_id: JobId, *, has_finalizer: bool) -> Change:
    """Cancel a job that no worker has."""
    given = _finalizer(is_due=has_finalizer)
    return Change(transition=transitions.CANCEL_QUEUED, job_id=job_id, given=given)


def resume(job: Job, *, stage: str, waits_for_children: bool) -> Change:
    """Queue a stopped job again where it stopped. Its files must still be there."""
    return _retried(transitions.RESUME, job, stage, waits_for_children=waits_for_children)


def restart(job: Job, *, stage: str) -> Change:
    """Queue a stopped job again from its first stage: its finalizer has removed its files."""
    return _retried(transitions.RESTART, job, stage, waits_for_children=False)


def expire(job: Job, verdict: Verdict, *, has_finalizer: bool) -> Change:
    """Take the job from a worker whose lease has expired."""
    hold = Hold(job_id=job.id, fence=job.fence)
    given: dict[str, object] = {"progress": job.progress, "error": verdict.error}
    match verdict.next:
        case Next.RETRY:
            return _held(
                transitions.REQUEUE_LOST, hold, {**given, "published_at": None}, verdict.error
            )
        case Next.CANCEL:
            ended = {**given, **_finalizer(is_due=has_finalizer)}
            return _held(transitions.CANCEL_LOST, hold, ended, verdict.error)
        case _:
            ended = {**given, **_finalizer(is_due=has_finalizer)}
            return _held(transitions.DEAD_LETTER_LOST, hold, ended, verdict.error)


def fail_unknown_stage(job: Job, *, error: JobError) -> Change:
    """Fail a queued job whose stage no pipeline has any more."""
    given = {"error": error, **_finalizer(is_due=False)}
    return _held(transitions.FAIL_UNKNOWN_STAGE, Hold(job_id=job.id, fence=job.fence), given)


def end_finalizer(hold: Hold, *, error: JobError | None) -> Change:
    """The finalizer is done, or failed and is due again."""
    return _held(
        transitions.FINALIZE if error is None else transitions.RETRY_FINALIZER, hold, {}, error
    )


def abandon_finalizer(job: Job) -> Change:
    """The finalizer has failed too often: leave what it should have removed."""
    return _held(transitions.ABANDON_FINALIZER, Hold(job_id=job.id, fence=job.fence), {})


def _claimed(transition: Transition, own: Ticket, claimant: Claimant) -> Change:
    return Change(
        transition=transition,
        job_id=own.job_id,
        fence=own.fence,
        stage=own.stage,
        given={"worker": claimant.worker},
        claimant=claimant,
    )


def _held(
    transition: Transition,
    hold: Hold,
    given: Mapping[str, object],
    error: JobError | None = None,
) -> Change:
    return Change(
        transition=transition, job_id=hold.job_id, fence=hold.fence, given=given, error=error
    )


def _retried(transition: Transition, job: Job, stage: str, *, waits_for_children: bool) -> Change:
    given = {
        "stage": stage,
        "waits_for_children": waits_for_children,
        "published_at": None if waits_for_children else Write.NOW,
    }
    return _held(transition, Hold(job_id=job.id, fence=job.fence), given)


def _finalizer(*, is_due: bool) -> dict[str, object]:
    """The caller publishes a finalizer that is due."""
    return {"finalizer_due": is_due, "published_at": Write.NOW if is_due else None}
