"""Repairs what no running process handles: expired leases, lost messages, waiting jobs.

It runs as a thread of beat, so that it works while every pool is at zero. Any number of reconcilers
may run at once: each change is conditional, and one of them makes it.
"""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from app.errors import CeleriacError, NotFound
from app.jobs.maintenance.scheduler import Scheduler
from app.jobs.model import changes, retry, ticket
from app.jobs.model.clock import Clock
from app.jobs.model.job import Job, JobId, Progress
from app.jobs.model.job_document import ChildCounts
from app.jobs.model.pipeline import Registry
from app.jobs.publish import job_lifecycle
from app.jobs.publish.dispatcher import Dispatcher
from app.jobs.publish.job_lifecycle import Lifecycle
from app.jobs.store import children
from app.jobs.store.due_jobs import PublishedAt
from app.queues import QueueName
from app.worker import celery_hooks

logger = logging.getLogger(__name__)

BATCH = 500
"""Jobs in one transaction."""

SEARCH_BATCH = 5_000
"""Queued jobs that are searched in the broker at once."""

SEARCH_SHARE = 0.05
"""Of the reconciler's time may go into reading what the broker holds."""

FINALIZER_RUNS = 5


class DueJobs(Protocol):
    """Finds jobs that need the reconciler (`store.due_jobs`)."""

    def expired(self, *, now: datetime, limit: int) -> list[Job]: ...

    def take_due(self, kinds: Collection[str], *, now: datetime, limit: int) -> list[Job]: ...

    def published_before(
        self, moment: datetime, *, after: PublishedAt | None, limit: int
    ) -> list[PublishedAt]: ...

    def take_lost(self, lost: Sequence[PublishedAt], *, now: datetime) -> list[Job]: ...

    def take_finalizers(
        self, kinds: Collection[str], *, published_before: datetime, now: datetime, limit: int
    ) -> list[tuple[Job, int]]:
        """Stopped jobs whose finalizer has not run, each with how often it has begun."""


class WaitingParents(Protocol):
    """Jobs that wait for their children (`store.children`)."""

    def waiting_parents(self, *, limit: int) -> list[Job]: ...

    def counts(self, parent_ids: Collection[JobId]) -> dict[JobId, ChildCounts]: ...

    def save_progress(self, parent: Job, progress: Progress) -> Job | None:
        """Keep in the parent's row how far its children are."""


class Slots(Protocol):
    """Fair shares of queues (`maintenance.running_slots`)."""

    def tick(self) -> None:
        """Move the messages that may be next."""


class BrokerEvents(Protocol):
    """Writes events, and checks whether Redis answers (`publish.job_events`)."""

    def is_answered(self) -> bool: ...

    def progress(self, job: Job, progress: Progress) -> None:
        """Tell how far the job is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often the reconciler ticks, and how long it waits before it acts."""

    tick_s: float
    lease_s: float
    publish_grace_s: float
    """A message may take this long to reach the broker."""


class Reconciler:
    """One round of it is `tick`; `start` runs them in a thread."""

    def __init__(
        self,
        *,
        due_jobs: DueJobs,
        children: WaitingParents,
        lifecycle: Lifecycle,
        dispatcher: Dispatcher,
        events: BrokerEvents,
        find_held: Callable[[Sequence[QueueName], float], Collection[str]],
        running_slots: Slots,
        registry: Registry,
        policy: retry.Policy,
        intervals: Intervals,
        clock: Clock,
        beside: Scheduler | None = None,
        liveness_file: Path | None = None,
    ) -> None:
        self._due_jobs = due_jobs
        self._children = children
        self._lifecycle = lifecycle
        self._dispatcher = dispatcher
        self._events = events
        self._find_held = find_held
        self._running_slots = running_slots
        self._registry = registry
        self._policy = policy
        self._intervals = intervals
        self._scheduler = beside
        self._liveness_file = liveness_file
        self._clock = clock
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._ticked_at = self._expire_from = clock.now()
        self._search_from = clock.now()
        self._search_after: PublishedAt | None = None

    def start(self) -> None:
        """Tick until `stop`, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the present tick."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def tick(self) -> None:
        """Check once every job that may need it. Raises StorageUnavailable."""
        if self._may_expire_leases():
            self._expire_leases()
        self._lifecycle.cancel_children()
        self._show_children()
        if self._events.is_answered():  # else jobs would be marked as published for nothing
            self._publish_due()
            self._publish_finalizers()
            self._running_slots.tick()
            self._search_lost()

    def _run(self) -> None:
        while not self._stopped.wait(self._intervals.tick_s):
            if self._liveness_file is not None:
                celery_hooks.touch(self._liveness_file)
            self._try("the reconciler", self.tick)
            if self._scheduler is not None:
                self._try("the scheduler", self._scheduler.tick)

    @staticmethod
    def _try(what: str, tick: Callable[[], None]) -> None:
        try:
            tick()
        except Exception as error:  # the supervisor of this loop: jobs wait for the next tick
            is_expected = isinstance(error, CeleriacError)
            logger.warning(
                "a part of beat failed: goes on with its next tick",
                extra={"part": what, "reason": str(error)},
                exc_info=None if is_expected else error,
            )

    def _may_expire_leases(self) -> bool:
        """Not right after a pause of our own: where the machine slept, or its clock was set, live
        workers need a moment to renew their leases."""
        now = self._clock.now()
        lease = timedelta(seconds=self._intervals.lease_s)
        if now - self._ticked_at > lease / 2:
            self._expire_from = now + lease
        self._ticked_at = now
        return now >= self._expire_from

    def _expire_leases(self) -> None:
        kinds = job_lifecycle.finalized_kinds(self._registry)
        for job in self._due_jobs.expired(now=self._clock.now(), limit=BATCH):
            verdict = retry.after_lost_lease(job, policy=self._policy)
            shown = self._lifecycle.with_shown_progress(job)
            change = changes.expire(shown, verdict, has_finalizer=job.pipeline in kinds)
            if self._lifecycle.apply(change) is not None:
                logger.warning(
                    "a lease expired",
                    extra={"job_id": job.id, "stage": job.stage, "next": verdict.next.value},
                )

    def _show_children(self) -> None:
        """Show in the parents that wait how far their children are."""
        waiting = self._children.waiting_parents(limit=BATCH)
        counts = self._children.counts([job.id for job in waiting]) if waiting else {}
        for job in waiting:
            pipeline = self._registry.get(job.pipeline)
            if pipeline is None or job.id not in counts:
                continue
            progress = children.progress_of(counts[job.id], share=pipeline.share_before(job.stage))
            if progress.message == job.message or progress.progress < job.progress:
                continue
            shown = self._children.save_progress(job, progress)
            if shown is not None:
                self._events.progress(shown, progress)

    def _publish_due(self) -> None:
        now = self._clock.now()
        self._publish(self._due_jobs.take_due(self._registry.keys(), now=now, limit=BATCH))

    def _publish(self, jobs: list[Job]) -> None:
        known = []
        for job in jobs:
            pipeline = self._registry.get(job.pipeline)
            if pipeline is None:
                continue  # of another version of the platform, which publishes it
            if any(stage.task == job.stage for stage in pipeline.stages):
                known.append(job)
            else:
                self._fail(job)
        if known and self._dispatcher.dispatch(known):
            logger.info("jobs published", extra={"jobs": len(known)})

    def _fail(self, job: Job) -> None:
        """Fail a job whose pipeline no longer has its stage."""
        error = NotFound(f"pipeline {job.pipeline!r} has no stage {job.stage!r}")
        what = retry.job_error(error, attempt=job.attempt)
        self._lifecycle.apply(changes.fail_unknown_stage(job, error=what))

    def _publish_finalizers(self) -> None:
        now = self._clock.now()
        taken = self._due_jobs.take_finalizers(
            job_lifecycle.finalized_kinds(self._registry),
            published_before=now - timedelta(seconds=self._intervals.publish_grace_s),
            now=now,
            limit=BATCH,
        )
        for job, runs in taken:
            if runs >= FINALIZER_RUNS:
                self._lifecycle.apply(changes.abandon_finalizer(job))
                logger.error("a finalizer never succeeded: files stay", extra={"job_id": job.id})
            else:
                self._dispatcher.dispatch_finalizer(job)

    def _search_lost(self) -> None:
        """Search for jobs that were published and that neither the broker nor a worker has."""
        now = self._clock.now()
        if now < self._search_from:
            return
        grace_s = self._intervals.publish_grace_s
        moment = now - timedelta(seconds=grace_s)
        waiting = self._due_jobs.published_before(
            moment, after=self._search_after, limit=SEARCH_BATCH
        )
        self._search_after = waiting[-1] if len(waiting) == SEARCH_BATCH else None
        began_at = self._clock.monotonic()
        held = self._find_held(self._queues(), moment.timestamp()) if waiting else ()
        missing = lost(waiting, held)
        pause_s = max(grace_s / 4, (self._clock.monotonic() - began_at) / SEARCH_SHARE)
        if missing:
            self._publish_again(missing, now=now)
        else:  # where some were lost there may be more: the next tick goes on
            self._search_from = now + timedelta(seconds=pause_s)

    def _publish_again(self, missing: Sequence[PublishedAt], *, now: datetime) -> None:
        """Publish those that are still queued: others were worked on while the broker was read."""
        for start in range(0, len(missing), BATCH):
            taken = self._due_jobs.take_lost(missing[start : start + BATCH], now=now)
            if taken:
                logger.warning("the broker has lost messages", extra={"jobs": len(taken)})
            self._publish(taken)

    def _queues(self) -> list[QueueName]:
        pipelines = self._registry.values()
        return sorted({stage.queue for pipeline in pipelines for stage in pipeline.stages})


def lost(waiting: Sequence[PublishedAt], held: Collection[str]) -> list[PublishedAt]:
    """Those of the queued jobs whose message the broker does not hold."""
    return [one for one in waiting if ticket.task_id(one.job_id, one.fence) not in held]
