"""What clients ask of jobs: submit, look up, cancel, take up again."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from app.errors import Conflict, NotFound
from app.jobs import follow_ups
from app.jobs.model.job import Job, JobId, JobRequest, JobState, Run
from app.jobs.model.job_document import ChildCounts
from app.jobs.model.pipeline import Pipeline
from app.jobs.platform import Platform
from app.jobs.publish import delivery
from app.jobs.store.acceptance import NewJob
from app.jobs.store.claims import Hold
from app.jobs.store.job_store import JobFilter, Page


class Jobs:
    """The jobs of one platform.

    Blocking: an async caller goes through a thread. Raises StorageUnavailable when the database is
    away; a broker that is away delays jobs and refuses none.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def submit(self, request: JobRequest) -> Job:
        """Accept a job: the row is committed, then the first stage is published.

        The same idempotency key with the same request gives the first job again. Raises NotFound
        (no such pipeline), InvalidInput (something is to follow it that never can) and
        IdempotencyConflict.
        """
        return self.submit_many([request])[0]

    def submit_many(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        """Accept many jobs, all or none; in their order. Raises as `submit`."""
        return self._submit(requests)

    def submit_children(self, requests: Sequence[JobRequest], *, parent: Hold) -> tuple[Job, ...]:
        """Accept jobs in the name of a running one, as `submit_many`. Raises Superseded when its
        run does not stand any more."""
        return self._submit([replace(one, parent_id=parent.job_id) for one in requests], parent)

    def _submit(
        self, requests: Sequence[JobRequest], parent: Hold | None = None
    ) -> tuple[Job, ...]:
        if not requests:
            return ()
        now = datetime.now(UTC)
        new = [self._new(one, now=now) for one in requests]
        accepted = self._platform.jobs.add(new, parent=parent, now=now)
        added = [job for job, is_new in accepted if is_new]
        self._platform.events.states(added)
        due = [job for job in added if job.not_before is None or job.not_before <= now]
        if due:
            delivery.deliver(self._platform, due)
        if self._platform.publisher.is_eager:
            return self._in_order([job.id for job, _ in accepted])
        return tuple(job for job, _ in accepted)

    def get(self, job_id: JobId) -> Job:
        """Raises NotFound."""
        return self._platform.jobs.get(job_id)

    def find(self, job_id: JobId) -> Job | None:
        return self._platform.jobs.find(job_id)

    def list(
        self, wanted: JobFilter | None = None, *, cursor: JobId | None = None, limit: int = 50
    ) -> Page:
        """A page of jobs, newest first."""
        return self._platform.jobs.list(wanted, cursor=cursor, limit=limit)

    def runs(self, job_id: JobId) -> tuple[Run, ...]:
        """The history of a job, oldest run first."""
        return self._platform.jobs.runs(job_id)

    def counts_by_state(self, wanted: JobFilter | None = None) -> dict[JobState, int]:
        """How many jobs are in each state; children of one job by `JobFilter(parent_id=...)`."""
        return self._platform.jobs.counts_by_state(wanted)

    def counts_of_children(self, parent_ids: Sequence[JobId]) -> dict[JobId, ChildCounts]:
        """How many children are in each state, of each job that has any."""
        return self._platform.children.counts(parent_ids)

    def cancel(self, job_id: JobId) -> Job:
        """Cancel a job, and what it has submitted: at once when it is queued; a running one is told
        to stop and is cancelled when it has.

        Raises NotFound, and Conflict when it is over already.
        """
        upkeep = self._platform.upkeep
        while True:
            job = self.get(job_id)
            if job.state.is_final:
                raise Conflict(f"the job {job_id} is {job.state} already")
            if job.state is JobState.RUNNING:
                changed = upkeep.request_cancel(job_id)
            else:
                has_finalizer = delivery.has_finalizer(self._platform, job)
                changed = upkeep.cancel_queued(
                    job_id, has_finalizer=has_finalizer, now=datetime.now(UTC)
                )
            if changed is None:
                continue  # it has moved on between the read and the write: look again
            if changed.state.is_final:
                delivery.tell_end(self._platform, changed)
            return self.get(job_id)

    def retry(self, job_id: JobId) -> Job:
        """Take up a failed or cancelled job where it stopped; from its first stage when its files
        were cleaned up since. What failed or was cancelled of its children is taken up with it.
        Raises NotFound and Conflict."""
        job = self.get(job_id)
        if job.state not in delivery.CLEANED_UP_AFTER:
            raise Conflict(
                f"the job {job_id} is {job.state}: only a failed or cancelled one is queued again"
            )
        pipeline = self._pipeline(job.pipeline)
        first = pipeline.stages[0]
        stage = next((one for one in pipeline.stages if one.task == job.stage), first)
        waits = stage.after_children and not self._platform.publisher.is_eager
        self._retry_children(job_id)
        queued = self._platform.upkeep.take_up_again(
            job,
            stage=stage.task,
            first_stage=first.task,
            waits_for_children=waits,
            now=datetime.now(UTC),
        )
        if queued is None:
            raise Conflict(
                f"the job {job_id} has moved on, or is being cleaned up: try again in a moment"
            )
        self._platform.events.state(queued)
        if not waits:
            delivery.deliver(self._platform, [queued])
        return self.get(job_id)

    def _retry_children(self, job_id: JobId) -> None:
        for child in self._platform.children.of_parent(job_id):
            if child.state in delivery.CLEANED_UP_AFTER:
                with contextlib.suppress(Conflict):  # it has moved on, or cleans up just now
                    self.retry(child.id)

    def _new(self, request: JobRequest, *, now: datetime) -> NewJob:
        pipeline = self._pipeline(request.pipeline)
        follow_ups.check(request, self._platform)
        of_server = self._platform.settings.jobs.max_attempts
        usual = of_server if pipeline.max_attempts is None else pipeline.max_attempts
        return NewJob(
            request=request,
            first_stage=pipeline.stages[0].task,
            max_attempts=usual if request.max_attempts is None else request.max_attempts,
            is_published_now=request.not_before is None or request.not_before <= now,
        )

    def _pipeline(self, kind: str) -> Pipeline:
        pipeline = self._platform.registry.get(kind)
        if pipeline is None:
            raise NotFound(f"no pipeline {kind!r}")
        return pipeline

    def _in_order(self, job_ids: Sequence[JobId]) -> tuple[Job, ...]:
        by_id = {job.id: job for job in self._platform.jobs.find_many(job_ids)}
        return tuple(by_id[job_id] for job_id in job_ids)
