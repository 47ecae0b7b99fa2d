"""What clients ask of jobs: submit, look up, cancel, retry."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial

from pydantic import ValidationError
from sqlalchemy import Connection

from app.access import owner_quotas
from app.access.owner_quotas import OwnerQuotas
from app.errors import Conflict, InvalidInput, NotFound
from app.jobs.model import changes, params, placeholders, transitions
from app.jobs.model.clock import Clock
from app.jobs.model.job import (
    Artifact,
    FollowUp,
    Job,
    JobId,
    JobRequest,
    JobState,
    Json,
    JsonObject,
    Progress,
    Run,
)
from app.jobs.model.job_document import ChildCounts
from app.jobs.model.job_trace import TraceRules
from app.jobs.model.pipeline import Pipeline, Registry
from app.jobs.model.ticket import Hold
from app.jobs.publish.dispatcher import Dispatcher
from app.jobs.publish.job_events import EventWriter
from app.jobs.publish.job_lifecycle import Lifecycle
from app.jobs.store import acceptance, rows
from app.jobs.store.acceptance import NewJob
from app.jobs.store.children import Child, ChildStore
from app.jobs.store.job_store import JobFilter, JobPage, JobStore
from app.settings import OwnerLimits
from app.storage import ownership
from app.storage.owner_limits import UNLIMITED, stored_bytes
from app.telemetry import trace_context


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRules:
    """What this server accepts."""

    max_attempts: int
    """Of a stage, when neither request nor pipeline names a number."""
    signs_webhooks: bool
    callback_tasks: tuple[str, ...]
    """Patterns of the Celery tasks that a job may name as its follow-up."""


class Jobs:
    """The jobs of one platform.

    Blocking: an async caller uses a thread. Raises StorageUnavailable when the database does not
    answer; without a broker jobs are delayed, and none is refused.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        children: ChildStore,
        lifecycle: Lifecycle,
        dispatcher: Dispatcher,
        events: EventWriter,
        registry: Registry,
        rules: SubmitRules,
        as_submitted: Callable[[Sequence[Job]], tuple[Job, ...]],
        traces: TraceRules,
        quotas: OwnerQuotas,
        clock: Clock,
    ) -> None:
        self._store = store
        self._children = children
        self._lifecycle = lifecycle
        self._dispatcher = dispatcher
        self._events = events
        self._registry = registry
        self._rules = rules
        self._as_submitted = as_submitted
        self._traces = traces
        self.quotas = quotas
        """What owners may use; those of the running job inside of a stage."""
        self._clock = clock

    def submit(self, request: JobRequest) -> Job:
        """Accept a job: the row is committed, then the first stage is published.

        The same idempotency key with the same request returns the first job. Raises NotFound
        (no such pipeline), InvalidInput (a follow-up that could never run), IdempotencyConflict,
        and QuotaExceeded when a limit of the owner is reached.
        """
        return self.submit_many([request])[0]

    def submit_many(self, requests: Sequence[JobRequest]) -> tuple[Job, ...]:
        """Accept many jobs, all or none; in their order. Raises as `submit`."""
        return self._submit(requests)

    def submit_children(self, requests: Sequence[JobRequest], *, parent: Hold) -> tuple[Job, ...]:
        """Accept jobs in the name of a running one, as `submit_many`. Raises Superseded when its
        run no longer stands."""
        return self._submit([replace(one, parent_id=parent.job_id) for one in requests], parent)

    def _submit(
        self, requests: Sequence[JobRequest], parent: Hold | None = None
    ) -> tuple[Job, ...]:
        if not requests:
            return ()
        now = self._clock.now()
        new = [
            self._new(one, is_due=one.not_before is None or one.not_before <= now)
            for one in requests
        ]
        accepted = self._accepted(new, parent, now=now)
        added = [job for job, is_new in accepted if is_new]
        self._events.states(added)
        due = [job for job in added if job.not_before is None or job.not_before <= now]
        if due:
            self._dispatcher.dispatch(due)
        return self._as_submitted([job for job, _ in accepted])

    def _accepted(
        self, new: Sequence[NewJob], parent: Hold | None, *, now: datetime
    ) -> list[tuple[Job, bool]]:
        """The jobs as they are stored. Children count towards the limits of their owner, and are
        not refused: their parent was accepted."""
        limits = self.quotas.limits.of(new[0].owner)  # read before the transaction
        is_limited = parent is None and limits != UNLIMITED
        admit = partial(self._admit, limits) if is_limited else None
        return self._store.add(new, parent=parent, admit=admit, now=now)

    def _admit(self, limits: OwnerLimits, connection: Connection, added: Sequence[Job]) -> None:
        """Raises QuotaExceeded when the limits of their owner do not allow these jobs.

        Uses the connection of the transaction alone. A second one would be waited for while this
        one has the owner's lock, and those who wait for the lock have all of them.
        """
        owner = added[0].owner
        if limits.unfinished_jobs is not None:
            ownership.lock(connection, owner)
            count = acceptance.count_unfinished(connection, owner)
            owner_quotas.check_unfinished(
                owner, limit=limits.unfinished_jobs, count=count, adding=len(added)
            )
        if limits.stored_bytes is not None:
            used = stored_bytes(connection, owner)
            owner_quotas.check_bytes(owner, limit=limits.stored_bytes, used=used)
        if limits.recipients_per_day is not None:
            count = sum(map(self._recipients, added))
            self.quotas.take_recipients(owner, count, limit=limits.recipients_per_day)

    def _recipients(self, job: Job) -> int:
        """How many addresses a job and its follow-ups name."""
        count = 0 if job.webhook_url is None else 1
        given = [(job.pipeline, job.params)]
        follow_ups = (job.on_success, job.on_failure)
        given += [(one.kind, one.params) for one in follow_ups if one is not None and one.kind]
        for kind, params_ in given:
            names = self._registry[kind].recipients if kind in self._registry else ()
            count += sum(params_.get(name) is not None for name in names)
        return count

    def get(self, job_id: JobId) -> Job:
        """Raises NotFound."""
        return self._store.get(job_id)

    def find(self, job_id: JobId) -> Job | None:
        return self._store.find(job_id)

    def find_many(self, job_ids: Sequence[JobId]) -> Sequence[Job]:
        """Those that exist, newest first."""
        return self._store.find_many(job_ids)

    def list(
        self, wanted: JobFilter | None = None, *, cursor: JobId | None = None, limit: int = 50
    ) -> JobPage:
        """A page of jobs, newest first."""
        return self._store.list(wanted, cursor=cursor, limit=limit)

    def runs(self, job_id: JobId) -> tuple[Run, ...]:
        """The history of a job, oldest run first."""
        return self._store.runs(job_id)

    def artifact(self, job_id: JobId, name: str) -> tuple[Artifact, str]:
        """The artifact and its key in the artifact store. Raises NotFound."""
        return self._store.artifact(job_id, name)

    def counts_by_state(self, wanted: JobFilter | None = None) -> dict[JobState, int]:
        """How many jobs are in each state; children of one job by `JobFilter(parent_id=...)`."""
        return self._store.counts_by_state(wanted)

    def counts_of_children(self, parent_ids: Sequence[JobId]) -> dict[JobId, ChildCounts]:
        """How many children are in each state, for each job that has any."""
        return self._children.counts(parent_ids)

    def latest_progress(self, job_ids: Sequence[JobId]) -> dict[JobId, Progress]:
        """How far each job is by its last event; jobs without events are missing."""
        return self._events.latest(job_ids)

    def children(self, job_ids: Sequence[JobId]) -> Sequence[Child]:
        """Those of these jobs that exist, in the order of their submission, without results."""
        return self._children.find_many(job_ids)

    def used_keys(self, keys: Sequence[str]) -> set[str]:
        """The idempotency keys among these under which a job was submitted."""
        return self._children.used_keys(keys)

    def cancel(self, job_id: JobId) -> Job:
        """Cancel a job and its children: at once when it is queued; a running one is asked to stop
        and is cancelled when it has.

        Raises NotFound, and Conflict when it has ended.
        """
        while True:
            job = self.get(job_id)
            if job.state.is_final:
                raise Conflict(f"the job {job_id} is {job.state} already")
            if job.state is JobState.RUNNING:
                change = changes.request_cancel(job_id)
            else:
                pipeline = self._registry.get(job.pipeline)
                has_finalizer = pipeline is not None and pipeline.finalizer is not None
                change = changes.cancel_queued(job_id, has_finalizer=has_finalizer)
            if self._lifecycle.apply(change) is not None:
                return self.get(job_id)
            # It has moved on between the read and the write: read it again.

    def stop(self, job_id: JobId) -> None:
        """Cancel a job if it has not ended."""
        with contextlib.suppress(Conflict, NotFound):
            self.cancel(job_id)

    def retry(self, job_id: JobId) -> Job:
        """Queue a failed or cancelled job again where it stopped; in its first stage when its files
        were removed since. Children that failed or were cancelled are retried with it.
        Raises NotFound and Conflict."""
        job = self.get(job_id)
        if job.state not in transitions.STOPPED:
            raise Conflict(
                f"the job {job_id} is {job.state}: only a failed or cancelled one is queued again"
            )
        pipeline = self.pipeline(job.pipeline)
        first = pipeline.stages[0]
        stage = next((one for one in pipeline.stages if one.task == job.stage), first)
        self._retry_children(job_id)
        resume = changes.resume(job, stage=stage.task, waits_for_children=stage.after_children)
        queued = self._lifecycle.apply(resume)
        if queued is None:
            queued = self._lifecycle.apply(changes.restart(job, stage=first.task))
        if queued is None:
            raise Conflict(
                f"the job {job_id} has moved on, or is being cleaned up: try again in a moment"
            )
        return self.get(job_id)

    def pipeline(self, kind: str) -> Pipeline:
        """Raises NotFound."""
        pipeline = self._registry.get(kind)
        if pipeline is None:
            raise NotFound(f"no pipeline {kind!r}")
        return pipeline

    def call_task(
        self,
        task: str,
        args: Sequence[Json],
        kwargs: JsonObject,
        *,
        task_id: str,
        queue: str | None,
    ) -> None:
        """Call a plain Celery task as a follow-up. Raises InvalidInput for one that jobs may not
        name, and BrokerUnreachable."""
        self._check_task(task)
        self._dispatcher.call_task(task, args, kwargs, task_id=task_id, queue=queue)

    def forget_events(self, job_ids: Sequence[JobId]) -> None:
        """Remove the events of jobs that were removed."""
        self._events.forget(job_ids)

    def _retry_children(self, job_id: JobId) -> None:
        for child in self._children.of_parent(job_id):
            if child.state in transitions.STOPPED:
                with contextlib.suppress(Conflict):  # it has moved on, or is being cleaned up
                    self.retry(child.id)

    def _new(self, request: JobRequest, *, is_due: bool) -> NewJob:
        pipeline = self.pipeline(request.pipeline)
        self._check_follow_ups(request)
        usual = pipeline.max_attempts
        default = self._rules.max_attempts if usual is None else usual
        job_id = rows.new_id()
        return NewJob(
            id=job_id,
            owner=ownership.current().owner,
            traceparent=self._traces.traceparent(job_id, trace_context.current()),
            request=request,
            first_stage=pipeline.stages[0].task,
            max_attempts=default if request.max_attempts is None else request.max_attempts,
            is_published_now=is_due,
        )

    def _check_follow_ups(self, request: JobRequest) -> None:
        """Raises InvalidInput and NotFound for a follow-up that could never run here."""
        if request.webhook_url is not None and not self._rules.signs_webhooks:
            raise InvalidInput(
                "no webhook is sent unsigned: this server has no NOTIFY_WEBHOOK_SECRETS"
            )
        for follow_up in (request.on_success, request.on_failure):
            if follow_up is not None and follow_up.task is not None:
                self._check_task(follow_up.task)
            elif follow_up is not None:
                _check_kind(follow_up, self._registry.public)

    def _check_task(self, task: str) -> None:
        allowed = self._rules.callback_tasks
        if not any(fnmatchcase(task, pattern) for pattern in allowed):
            raise InvalidInput(f"no job may be followed by {task!r}: see CELERIAC_CALLBACK_TASKS")


def _check_kind(follow_up: FollowUp, known: Registry) -> None:
    pipeline = known.get(follow_up.kind or "")
    if pipeline is None:
        raise NotFound(
            f"no pipeline of kind {follow_up.kind!r}; there are: {', '.join(sorted(known))}"
        )
    if placeholders.has_any(follow_up.params):
        return  # their values are known when the job has ended
    try:
        pipeline.params.model_validate(follow_up.params)
    except ValidationError as error:
        wrong = params.describe(error)
        raise InvalidInput(
            f"the parameters of the {follow_up.kind!r} that follows do not fit: {wrong}"
        ) from error
