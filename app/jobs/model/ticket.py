"""The job, stage and fence that a message carries, in headers beside Celery's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.jobs.model.job import Job, JobId

JOB_HEADER = "celeriac_job_id"
STAGE_HEADER = "celeriac_stage"
FENCE_HEADER = "celeriac_fence"
FINALIZER_HEADER = "celeriac_finalizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The right to claim a job, while its row is as the message says."""

    job_id: JobId
    stage: str
    """The task to run: the job's present stage, or its pipeline's finalizer."""
    fence: int
    is_finalizer: bool = False

    @property
    def task_id(self) -> str:
        """Celery's task id: its own for every claim of the job."""
        return task_id(self.job_id, self.fence)

    @property
    def headers(self) -> dict[str, str | int | bool]:
        return {
            JOB_HEADER: self.job_id,
            STAGE_HEADER: self.stage,
            FENCE_HEADER: self.fence,
            FINALIZER_HEADER: self.is_finalizer,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who claims, and for how long."""

    worker: str
    """Celery's node name, `name@host`."""
    pid: int
    lease_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a worker holds: the job, and the fence of its claim."""

    job_id: JobId
    fence: int


def find_ticket(headers: Mapping[str, Any] | None, *, task: str) -> Ticket | None:
    """The ticket in a message's headers; None for a plain Celery message.

    A ticket for another task than `task` is none: Celery copies headers to what a task calls.
    """
    if not headers or headers.get(STAGE_HEADER) != task:
        return None
    return Ticket(
        job_id=JobId(headers[JOB_HEADER]),
        stage=task,
        fence=int(headers[FENCE_HEADER]),
        is_finalizer=bool(headers.get(FINALIZER_HEADER)),
    )


def stage_ticket(job: Job) -> Ticket:
    """The right to run the job's present stage."""
    return Ticket(job_id=job.id, stage=job.stage, fence=job.fence)


def finalizer_ticket(job: Job, *, task: str) -> Ticket:
    """The right to clean up after the job."""
    return Ticket(job_id=job.id, stage=task, fence=job.fence, is_finalizer=True)


def task_id(job_id: JobId, fence: int) -> str:
    """
    >>> task_id(JobId("0199d7c0"), 7)
    '0199d7c0.7'
    """
    return f"{job_id}.{fence}"


def parse_task_id(own: str) -> tuple[JobId, int] | None:
    """Job and fence of a Celery task id; None when it is none of ours.

    >>> parse_task_id("0199d7c0.7")
    ('0199d7c0', 7)
    """
    job_id, _, fence = own.rpartition(".")
    return (JobId(job_id), int(fence)) if job_id and fence.isdecimal() else None
