"""One run of a finalizer: it cleans up after a job that failed or was cancelled."""

from datetime import UTC, datetime

from app.jobs.model import retry
from app.jobs.model.job import Seen
from app.jobs.model.ticket import Ticket
from app.jobs.platform import Platform
from app.jobs.run import run_options, storage_retries
from app.jobs.run.job_work import JobWork
from app.jobs.run.lease_renewal import Kept
from app.jobs.run.outcome import NOT_OURS, Ending, EndKind
from app.jobs.run.progress import Meter
from app.jobs.run.run_options import WorkOn
from app.jobs.run.stop import Stop
from app.jobs.store.claims import Hold


def run_finalizer(platform: Platform, own: Ticket, work_on: WorkOn, *, worker: str) -> Ending:
    """Claim the right to clean up, do it, and note that it is done. One that fails is due again;
    nothing of it shows in the job."""
    job = storage_retries.until_stored(
        lambda: platform.claims.claim_finalizer(own, run_options.claimant(platform, worker)),
        for_s=run_options.CLAIM_PATIENCE_S,
    )
    if job is None:
        return NOT_OURS
    hold, stop = Hold(job_id=job.id, fence=job.fence), Stop()
    kept = Kept(
        hold=hold,
        stop=stop,
        limits=run_options.limits(platform, platform.registry[job.pipeline].finalizer),
        on_look=_nothing,
        on_hard_limit=_nothing,
    )
    meter = Meter(_untold, floor=0.0)
    work = JobWork(platform, job, stop=stop, meter=meter, share=(0.0, 100.0), attempt=1)
    failure: Exception | None = None
    with platform.keeper.keeping(kept):
        try:
            work_on(work)
        except Exception as error:  # noqa: BLE001  # whatever it is, the finalizer is due again
            failure = error
        what = None if failure is None else retry.job_error(failure, attempt=1)
        storage_retries.until_stored(
            lambda: platform.claims.end_finalizer(hold, error=what, now=datetime.now(UTC)),
            for_s=run_options.END_PATIENCE_S,
        )
    if failure is not None:
        return Ending(kind=EndKind.FAILED, error=failure)
    return Ending(kind=EndKind.DONE)


def _untold(_seen: Seen) -> None:
    """The progress of a finalizer is nobody's news."""


def _nothing() -> None:
    """A finalizer has nothing to show."""
