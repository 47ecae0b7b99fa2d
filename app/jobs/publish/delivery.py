"""From row to broker: what a failing publish means, and what the end of a job sets off.

A row that the broker did not take is marked so, and the reconciler publishes it: nobody who waits
for an answer has to wait for Redis.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from app.errors import BrokerUnreachable, StorageUnavailable
from app.jobs.model.job import Job, JobId, JobState
from app.jobs.platform import Platform
from app.jobs.store import callbacks

logger = logging.getLogger(__name__)

CHILD_BATCH = 1_000
"""Children that are cancelled in one transaction."""

CLEANED_UP_AFTER = frozenset({JobState.FAILED, JobState.CANCELLED})


def deliver(platform: Platform, jobs: Sequence[Job]) -> bool:
    """Publish the present stage of queued jobs; whether the broker took them."""
    if len(jobs) == 1 or platform.publisher.is_eager:
        return all([_try(platform, [job], _publisher(platform, job)) for job in jobs])
    return _try(platform, jobs, lambda: platform.publisher.publish_many(jobs))


def tell_end(platform: Platform, job: Job) -> None:
    """Tell that the job is over, and set off what follows: its pipeline's finalizer, callbacks."""
    platform.events.state(job)
    if job.state is JobState.CANCELLED:
        cancel_children(platform, job.id)
    if job.state in CLEANED_UP_AFTER and has_finalizer(platform, job):
        publish_finalizer(platform, job)
    publish_callbacks(platform, job)


def publish_callbacks(platform: Platform, job: Job) -> None:
    """Publish the callbacks that the end of the job has recorded."""
    due = [callback.id for callback in callbacks.due(job)]
    if not due or callbacks.KIND not in platform.registry:
        return
    try:
        found = platform.jobs.find_many(due)
    except StorageUnavailable as error:
        logger.warning("callbacks will be looked for in the broker", extra={"reason": str(error)})
        return
    waiting = [one for one in found if one.state is JobState.QUEUED]
    if waiting:
        deliver(platform, waiting)


def cancel_children(platform: Platform, parent_id: JobId | None = None) -> int:
    """Cancel queued children whose cancel is asked for, of one parent or of all; return how many.

    Those that run are told by their workers; theirs are found by the reconciler's next round.
    """
    kinds = [kind for kind, one in platform.registry.items() if one.finalizer is not None]
    cancelled = platform.children.cancel_queued(
        parent_id=parent_id, finalized_kinds=kinds, now=datetime.now(UTC), limit=CHILD_BATCH
    )
    platform.events.states(cancelled)
    for job in cancelled:
        publish_callbacks(platform, job)
    if len(cancelled) == CHILD_BATCH:
        return CHILD_BATCH + cancel_children(platform, parent_id)
    return len(cancelled)


def publish_finalizer(platform: Platform, job: Job) -> bool:
    """Publish the finalizer of the job's pipeline; whether the broker took it."""
    return _try(platform, [job], lambda: platform.publisher.publish_finalizer(job))


def has_finalizer(platform: Platform, job: Job) -> bool:
    pipeline = platform.registry.get(job.pipeline)
    return pipeline is not None and pipeline.finalizer is not None


def _publisher(platform: Platform, job: Job) -> Callable[[], None]:
    return lambda: platform.publisher.publish(job)


def _try(platform: Platform, jobs: Sequence[Job], publish: Callable[[], None]) -> bool:
    if platform.events.is_quiet and not platform.publisher.is_eager:
        # The same server did not answer a moment ago: nobody waits for another time-out.
        _leave(platform, jobs, reason="no answer a moment ago")
        return False
    try:
        publish()
    except BrokerUnreachable as error:
        _leave(platform, jobs, reason=str(error))
        return False
    return True


def _leave(platform: Platform, jobs: Sequence[Job], *, reason: str) -> None:
    """Leave the jobs to the reconciler."""
    about = {"jobs": len(jobs), "first_job_id": jobs[0].id, "reason": reason}
    logger.warning("jobs are published later: the broker did not take them", extra=about)
    try:
        platform.upkeep.unpublish(jobs)
    except StorageUnavailable as error:
        logger.warning("jobs will be looked for in the broker", extra={"reason": str(error)})
