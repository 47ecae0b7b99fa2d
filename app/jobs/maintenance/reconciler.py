"""Keeps the promise made to every accepted job: what nobody holds is held again.

It runs as a thread of beat, so that it works while every pool is at zero. Any number of them may
run at once: each change is conditional, and one of them makes it.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.broker.queues import held_messages
from app.errors import CeleriacError, NotFound
from app.jobs.maintenance.scheduler import Scheduler
from app.jobs.model import retry, ticket
from app.jobs.model.job import Job
from app.jobs.platform import Platform
from app.jobs.publish import delivery
from app.jobs.store import children
from app.jobs.store.upkeep import PublishedAt
from app.queues import QueueName
from app.worker import celery_hooks

logger = logging.getLogger(__name__)

BATCH = 500
"""Jobs in one transaction."""

SEARCH_BATCH = 5_000
"""Queued jobs that are looked for in the broker at once."""

SEARCH_SHARE = 0.05
"""Of our time may go into reading what the broker holds."""

FINALIZER_RUNS = 5


class Reconciler:
    """One round of it is `tick`; `start` runs them in a thread."""

    def __init__(
        self,
        platform: Platform,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._platform = platform
        self._clock = clock
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._ticked_at = self._judge_from = clock()
        self._search_from = clock()
        self._search_after: PublishedAt | None = None
        self._scheduler = Scheduler(platform, clock=clock)

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
        """Look once at every job that may need it. Raises StorageUnavailable."""
        if self._may_judge_leases():
            self._expire_leases()
        delivery.cancel_children(self._platform)
        self._tell_of_children()
        if self._is_broker_there():
            self._publish_due()
            self._publish_finalizers()
            self._search_lost()

    def _run(self) -> None:
        interval_s = self._platform.settings.jobs.reconcile_interval_s
        liveness_file = self._platform.settings.worker.liveness_file
        while not self._stopped.wait(interval_s):
            if liveness_file is not None:
                celery_hooks.touch(liveness_file)
            self._try("the reconciler", self.tick)
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

    def _is_broker_there(self) -> bool:
        """Jobs are not marked as published for a broker that will not take them."""
        return self._platform.events.is_answered()

    def _may_judge_leases(self) -> bool:
        """Not right after a pause of our own: where the machine slept, or its clock was set, live
        workers need a moment to renew their leases."""
        now = self._clock()
        lease = timedelta(seconds=self._platform.settings.jobs.lease_s)
        if now - self._ticked_at > lease / 2:
            self._judge_from = now + lease
        self._ticked_at = now
        return now >= self._judge_from

    def _expire_leases(self) -> None:
        now = self._clock()
        for job in self._platform.upkeep.expired(now=now, limit=BATCH):
            verdict = retry.after_lost_lease(job, policy=self._platform.retry_policy)
            has_finalizer = delivery.has_finalizer(self._platform, job)
            shown = self._platform.events.latest([job.id]).get(job.id)
            progress = max(job.progress, shown.progress if shown is not None else 0.0)
            changed = self._platform.upkeep.expire(
                replace(job, progress=progress), verdict, has_finalizer=has_finalizer, now=now
            )
            if changed is None:
                continue
            logger.warning(
                "a lease expired",
                extra={"job_id": job.id, "stage": job.stage, "next": verdict.next.value},
            )
            if changed.state.is_final:
                delivery.tell_end(self._platform, changed)
            else:
                self._platform.events.state(changed)

    def _tell_of_children(self) -> None:
        """Show in the parents that wait how far their children are."""
        waiting = self._platform.children.waiting_parents(limit=BATCH)
        counts = self._platform.children.counts([job.id for job in waiting]) if waiting else {}
        for job in waiting:
            pipeline = self._platform.registry.get(job.pipeline)
            if pipeline is None or job.id not in counts:
                continue
            seen = children.seen_of(counts[job.id], share=pipeline.share_before(job.stage))
            if seen.message == job.message or seen.progress < job.progress:
                continue
            shown = self._platform.children.show(job, seen)
            if shown is not None:
                self._platform.events.progress(shown, seen)

    def _publish_due(self) -> None:
        due = self._platform.upkeep.take_due(
            self._platform.registry.keys(), now=self._clock(), limit=BATCH
        )
        self._publish(due)

    def _publish(self, jobs: list[Job]) -> None:
        known = [job for job in jobs if not self._fail_if_homeless(job)]
        if known and delivery.deliver(self._platform, known):
            logger.info("jobs published", extra={"jobs": len(known)})

    def _fail_if_homeless(self, job: Job) -> bool:
        """Fail a job whose pipeline has lost its stage; whether it was so."""
        try:
            self._platform.registry[job.pipeline].stage(job.stage)
        except NotFound as error:
            what = retry.job_error(error, attempt=job.attempt)
            failed = self._platform.upkeep.fail_queued(job, what, now=self._clock())
            if failed is not None:
                self._platform.events.state(failed)
                delivery.publish_callbacks(self._platform, failed)
            return True
        return False

    def _publish_finalizers(self) -> None:
        now = self._clock()
        kinds = [kind for kind, one in self._platform.registry.items() if one.finalizer is not None]
        grace = timedelta(seconds=self._platform.settings.jobs.publish_grace_s)
        taken = self._platform.upkeep.take_finalizers(
            kinds, published_before=now - grace, now=now, limit=BATCH
        )
        for job, runs in taken:
            if runs >= FINALIZER_RUNS:
                self._platform.upkeep.give_up_finalizer(job)
                logger.error("a finalizer never succeeded: files stay", extra={"job_id": job.id})
            else:
                delivery.publish_finalizer(self._platform, job)

    def _search_lost(self) -> None:
        """Look for jobs that were published and that neither the broker nor a worker has."""
        now = self._clock()
        if now < self._search_from:
            return
        grace_s = self._platform.settings.jobs.publish_grace_s
        moment = now - timedelta(seconds=grace_s)
        waiting = self._platform.upkeep.published_before(
            moment, after=self._search_after, limit=SEARCH_BATCH
        )
        self._search_after = waiting[-1] if len(waiting) == SEARCH_BATCH else None
        began_at = time.monotonic()
        missing = lost(waiting, self._held(since=moment)) if waiting else []
        pause_s = max(grace_s / 4, (time.monotonic() - began_at) / SEARCH_SHARE)
        if missing:
            self._publish_again(missing, now=now)
        else:  # where some were lost there may be more: the next tick goes on
            self._search_from = now + timedelta(seconds=pause_s)

    def _held(self, *, since: datetime) -> frozenset[str]:
        return held_messages.task_ids(
            self._platform.redis, self._queues(), fetched_after_s=since.timestamp()
        )

    def _publish_again(self, missing: Sequence[PublishedAt], *, now: datetime) -> None:
        logger.warning("the broker has lost messages", extra={"jobs": len(missing)})
        for start in range(0, len(missing), BATCH):
            self._publish(self._platform.upkeep.take_lost(missing[start : start + BATCH], now=now))

    def _queues(self) -> list[QueueName]:
        pipelines = self._platform.registry.values()
        return sorted({stage.queue for pipeline in pipelines for stage in pipeline.stages})


def lost(waiting: Sequence[PublishedAt], known: Collection[str]) -> list[PublishedAt]:
    """Those of the queued jobs whose message the broker does not know."""
    return [one for one in waiting if ticket.task_id(one.job_id, one.fence) not in known]
