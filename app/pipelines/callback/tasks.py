"""The stage of the callback pipeline."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.errors import InvalidInput, NotFound, PermanentError
from app.jobs.model import job_document, placeholders
from app.jobs.model.job import FollowUp, Job, JobId, JobRequest, JobState, JsonObject
from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import parsed, stage
from app.jobs.model.work import Work
from app.jobs.store import callbacks, rows
from app.jobs.store.callbacks import Target
from app.pipelines import webhook

_TASK_IDS = uuid.UUID("5c0b3b6e-90a4-4c9b-9b5e-0d1a6c1f0a77")
"""Namespace of the ids of published tasks: a task that is published again keeps its id."""


class CallbackParams(BaseModel):
    """The job that ended, and its state then: the job may have been retried since."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str
    target: Target
    state: JobState
    attempt: int
    error: dict[str, Any] | None  # JSON, as in the row
    finished_at: datetime


class CalledBack(BaseModel):
    """The result: one of the three fields is set."""

    model_config = ConfigDict(frozen=True)

    status: int | None = None
    """HTTP status that the webhook's receiver returned."""
    job_id: str | None = None
    """The job that was submitted."""
    task_id: str | None = None
    """The plain task that was published."""


def run_callback(params: CallbackParams, work: Work) -> CalledBack:
    """Send the webhook, submit the job, or publish the task.

    A repeated call sends the same `webhook-id`, submits nothing twice, and publishes the task with
    the same id. Raises NotFound when the job was removed, InvalidInput, and the errors of the
    webhook or the broker.
    """
    job = work.jobs.get(JobId(params.job_id))
    ended = as_it_ended(job, params)
    match params.target:
        case Target.WEBHOOK:
            return CalledBack(status=_send_webhook(ended, work))
        case Target.ON_SUCCESS:
            follow_up = job.on_success
        case Target.ON_FAILURE:
            follow_up = job.on_failure
    if follow_up is None:
        raise PermanentError(f"the job {job.id} has no such callback")
    view = _view(ended, work)
    if follow_up.task is not None:
        return CalledBack(task_id=_publish(follow_up, follow_up.task, view, work))
    return CalledBack(job_id=_submit(follow_up, ended, view, work))


def as_it_ended(job: Job, params: CallbackParams) -> Job:
    """The job as it was when it ended: it may have been retried since."""
    return replace(
        job,
        state=params.state,
        attempt=params.attempt,
        error=rows.parse_error(params.error),
        finished_at=params.finished_at,
    )


def _view(job: Job, work: Work) -> JsonObject:
    counts = work.jobs.counts_of_children([job.id])
    return job_document.job_json(job, counts=counts.get(job.id))


def _send_webhook(job: Job, work: Work) -> int:
    if job.webhook_url is None or job.finished_at is None:
        raise PermanentError(f"the job {job.id} has no webhook")
    event = webhook.WebhookEvent(
        id=work.key,
        type=f"job.{job.state.value}",
        at=job.finished_at,
        data=job_document.for_clients(_view(job, work)),
    )
    return webhook.deliver(job.webhook_url, event, work)


def _submit(follow_up: FollowUp, job: Job, view: JsonObject, work: Work) -> JobId:
    pipeline = work.jobs.pipeline(follow_up.kind or "")
    if pipeline.is_internal:
        raise NotFound(f"no pipeline of kind {follow_up.kind!r}")
    params = parsed(pipeline.params, placeholders.filled(follow_up.params, view))
    request = JobRequest(
        pipeline=pipeline.kind,
        params=params.model_dump(mode="json"),
        priority=job.priority,
        labels={**job.labels, callbacks.LABEL: job.id},
        idempotency_key=f"callback:{work.key}",
    )
    return work.jobs.submit(request).id


def _publish(follow_up: FollowUp, task: str, view: JsonObject, work: Work) -> str:
    params = placeholders.filled(follow_up.params, view)
    if not isinstance(params, dict):
        raise InvalidInput("the parameters of a task are an object")
    task_id = str(uuid.uuid5(_TASK_IDS, work.key))
    work.jobs.call_task(task, (view,), params, task_id=task_id, queue=follow_up.queue)
    return task_id


@stage(callbacks.TASK, queue="notifications", workspace=False)
def deliver_callback(params: CallbackParams, work: Work) -> JsonObject:
    return run_callback(params, work).model_dump(mode="json", exclude_none=True)


PIPELINE = Pipeline(
    kind=callbacks.KIND,
    summary="Run a callback of a job that has ended",
    params=CallbackParams,
    stages=(deliver_callback,),
    max_attempts=callbacks.ATTEMPTS,
    is_internal=True,
)
