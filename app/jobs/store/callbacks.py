"""Callbacks of a job that has ended: a webhook, another job, a plain task.

Each is a job of its own, of the pipeline `callback`. Its row is written by the transaction that
ends the job, so that no end is without its callbacks and no callback without its end; from there on
it is published, retried and found again when it is lost like every other job.

Ids are derived from the job that ended, so that its row is enough to name its callbacks.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import uuid_utils
from sqlalchemy import Connection

from app.jobs.model import job_trace
from app.jobs.model.job import Job, JobId, JobRequest, JobState, JsonObject
from app.jobs.store import acceptance, rows
from app.jobs.store.acceptance import NewJob

KIND = "callback"
TASK = "deliver_callback"

LABEL = "callback-of"
"""Label of callbacks and of the jobs that they submit: the id of the job that ended."""

ATTEMPTS = 12
"""Of each callback. With the usual pauses (a minute that doubles, an hour at most) the other side
may be away for six hours."""


class Target(StrEnum):
    """What a callback calls."""

    WEBHOOK = "webhook"
    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback of a job."""

    id: JobId
    target: Target


def due(job: Job) -> tuple[Callback, ...]:
    """The callbacks of this job in its present state."""
    candidates = (
        (Target.WEBHOOK, job.webhook_url is not None),
        (Target.ON_SUCCESS, job.on_success is not None and job.state is JobState.SUCCEEDED),
        (Target.ON_FAILURE, job.on_failure is not None and job.state is JobState.FAILED),
    )
    return tuple(
        Callback(id=_id(job, target), target=target) for target, is_set in candidates if is_set
    )


def record(connection: Connection, job: Job) -> None:
    """Write the rows of its callbacks, in the transaction that ends the job. The caller publishes
    them after the commit."""
    found = new_jobs(job)
    if found and job.finished_at is not None:
        now = job.finished_at
        acceptance.insert_jobs(connection, [acceptance.row_of(new, now=now) for new in found])


def new_jobs(job: Job) -> list[NewJob]:
    """Its callbacks as the jobs that they are."""
    return [_new_job(job, callback) for callback in due(job)]


def _new_job(job: Job, callback: Callback) -> NewJob:
    context = job_trace.job_context(job)
    return NewJob(
        id=callback.id,
        owner=job.owner,
        traceparent=None if context is None else context.header,
        request=JobRequest(
            pipeline=KIND,
            params=_params(job, callback.target),
            priority=job.priority,
            labels={**job.labels, LABEL: job.id},
        ),
        first_stage=TASK,
        max_attempts=ATTEMPTS,
        is_published_now=True,
    )


def _params(job: Job, target: Target) -> JsonObject:
    """What may change when the job is taken up again stands here as it is now."""
    return {
        "job_id": job.id,
        "target": target.value,
        "state": job.state.value,
        "attempt": job.attempt,
        "error": rows.dump_error(job.error),
        "finished_at": job.finished_at.isoformat() if job.finished_at is not None else None,
    }


def _id(job: Job, target: Target) -> JobId:
    """A UUIDv7 of the moment when the job ended; the rest follows from which end it was."""
    moment = job.finished_at if job.finished_at is not None else job.created_at
    digest = hashlib.sha256(f"{job.id}.{job.fence}.{target.value}".encode()).digest()
    chance = int.from_bytes(digest[:10], "big")
    bits = (int(moment.timestamp() * 1000) << 80) | chance
    bits = bits & ~(0xF << 76) | (0x7 << 76)  # the version
    bits = bits & ~(0x3 << 62) | (0x2 << 62)  # the variant
    return JobId(str(uuid_utils.UUID(int=bits)))
