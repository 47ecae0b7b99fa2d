"""Changes a job, then does what follows the commit: events, the next stage, callbacks."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from app.errors import StorageUnavailable
from app.jobs.model import changes
from app.jobs.model.changes import Change
from app.jobs.model.clock import Clock
from app.jobs.model.job import Job, JobId, JobState, Progress
from app.jobs.model.pipeline import Registry
from app.jobs.model.ticket import Claimant, Ticket
from app.jobs.model.transitions import Then
from app.jobs.publish.dispatcher import Dispatcher
from app.jobs.store import callbacks

logger = logging.getLogger(__name__)

CHILD_BATCH = 1_000
"""Children that are cancelled in one transaction."""


class Machine(Protocol):
    """Applies the table of transitions (`store.state_machine`)."""

    def apply(self, change: Change, *, clock: Callable[[], datetime]) -> Job | None: ...

    def cancel_with_parents(
        self,
        *,
        parent_id: JobId | None = None,
        finalized_kinds: Collection[str],
        now: datetime,
        limit: int,
    ) -> list[Job]:
        """Cancel queued jobs whose parent was cancelled."""


class Events(Protocol):
    """Writes events (`publish.job_events`)."""

    def states(self, jobs: Sequence[Job]) -> None: ...

    def latest(self, job_ids: Sequence[JobId]) -> dict[JobId, Progress]:
        """The last progress of each job that followers have seen."""


class Lifecycle:
    """The one way to change the state of a job."""

    def __init__(
        self,
        *,
        machine: Machine,
        events: Events,
        dispatcher: Dispatcher,
        find_jobs: Callable[[Sequence[JobId]], list[Job]],
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._machine = machine
        self._events = events
        self._dispatcher = dispatcher
        self._find_jobs = find_jobs
        self._registry = registry
        self._clock = clock

    def claim(self, own: Ticket, claimant: Claimant) -> Job | None:
        """Claim a job and write its event, with the progress of the last event: that may be ahead
        of the row when a run was lost."""
        job = self._machine.apply(changes.claim(own, claimant), clock=self._clock.now)
        if job is None:
            return None
        shown = job if job.attempt == 1 else self.with_shown_progress(job)
        self._events.states([shown])
        return shown

    def apply(self, change: Change) -> Job | None:
        """Make the change and do what follows it; None when the row is not as it demands."""
        job = self._machine.apply(change, clock=self._clock.now)
        if job is None:
            return None
        then = change.transition.then
        if Then.EVENT in then:
            self._events.states([job])
        if Then.CANCEL_CHILDREN in then:
            self._try_cancel_children(job.id)
        if Then.PUBLISH_STAGE in then and change.is_published:
            self._dispatcher.dispatch([job])
        if Then.PUBLISH_FINALIZER in then and change.is_published:
            self._dispatcher.dispatch_finalizer(job)
        if Then.PUBLISH_CALLBACKS in then:
            self._publish_callbacks(job)
        return job

    def cancel_children(self, parent_id: JobId | None = None) -> int:
        """Cancel queued children whose cancel is requested, of one parent or of all; return how
        many. Workers stop those that run; the next tick of the reconciler finds their children."""
        cancelled = self._machine.cancel_with_parents(
            parent_id=parent_id,
            finalized_kinds=finalized_kinds(self._registry),
            now=self._clock.now(),
            limit=CHILD_BATCH,
        )
        self._events.states(cancelled)
        for job in cancelled:
            self._publish_callbacks(job)
        if len(cancelled) == CHILD_BATCH:
            return CHILD_BATCH + self.cancel_children(parent_id)
        return len(cancelled)

    def _try_cancel_children(self, parent_id: JobId) -> None:
        """The change itself is committed: the reconciler cancels them when the database is back."""
        try:
            self.cancel_children(parent_id)
        except StorageUnavailable as error:
            extra = {"job_id": parent_id, "reason": str(error)}
            logger.warning("children are cancelled later", extra=extra)

    def with_shown_progress(self, job: Job) -> Job:
        """The job with the progress that its followers have seen, when that is ahead of the row."""
        shown = self._events.latest([job.id]).get(job.id)
        progress = max(job.progress, shown.progress if shown is not None else 0.0)
        return replace(job, progress=progress)

    def _publish_callbacks(self, job: Job) -> None:
        """Publish the callbacks that the transition has recorded."""
        due = [callback.id for callback in callbacks.due(job)]
        if not due or callbacks.KIND not in self._registry:
            return
        try:
            found = self._find_jobs(due)
        except StorageUnavailable as error:
            extra = {"reason": str(error)}
            logger.warning("callbacks will be searched in the broker", extra=extra)
            return
        waiting = [one for one in found if one.state is JobState.QUEUED]
        if waiting:
            self._dispatcher.dispatch(waiting)


def finalized_kinds(registry: Registry) -> list[str]:
    """The pipelines that clean up after jobs that failed or were cancelled."""
    return [kind for kind, pipeline in registry.items() if pipeline.finalizer is not None]
