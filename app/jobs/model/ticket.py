"""The job, stage and fence that a message carries, in headers beside Celery's own, and their
signature."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import NotAuthentic
from app.jobs.model.job import Job, JobId
from app.jobs.model.signing import MessageSigner

JOB_HEADER = "celeriac_job_id"
STAGE_HEADER = "celeriac_stage"
FENCE_HEADER = "celeriac_fence"
FINALIZER_HEADER = "celeriac_finalizer"
SIGNATURE_HEADER = "celeriac_signature"

_PURPOSE = "ticket"
_OWN_TASK_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d+")


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

    @property
    def _signed(self) -> tuple[str, ...]:
        return (self.job_id, self.stage, str(self.fence), str(self.is_finalizer))

    def signed_headers(self, signer: MessageSigner) -> dict[str, str | int | bool]:
        """The headers of its message."""
        signature = signer.sign(_PURPOSE, *self._signed)
        return {**self.headers, SIGNATURE_HEADER: signature} if signature else self.headers

    def is_signed(self, signature: object, signer: MessageSigner) -> bool:
        return signer.is_signed(signature, _PURPOSE, *self._signed)


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


def find_ticket(
    headers: Mapping[str, Any] | None, *, task: str, signer: MessageSigner
) -> Ticket | None:
    """The ticket in a message's headers; None for a plain Celery message.

    A ticket for another task than `task` is none: Celery copies headers to what a task calls.
    Raises NotAuthentic for a ticket that none of the signer's keys has signed.
    """
    if not headers or headers.get(STAGE_HEADER) != task:
        return None
    own = _parse(headers, task)
    if own is None or not own.is_signed(headers.get(SIGNATURE_HEADER), signer):
        raise NotAuthentic("a ticket without a valid signature")
    return own


def _parse(headers: Mapping[str, Any], task: str) -> Ticket | None:
    job_id, fence = headers.get(JOB_HEADER), headers.get(FENCE_HEADER)
    is_finalizer = headers.get(FINALIZER_HEADER, False)
    if not isinstance(job_id, str) or type(fence) is not int or type(is_finalizer) is not bool:
        return None
    return Ticket(job_id=JobId(job_id), stage=task, fence=fence, is_finalizer=is_finalizer)


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


def is_own_task_id(given: str) -> bool:
    """Whether a task id is one of a job's messages.

    >>> is_own_task_id("0199d7c0-8f2b-7c31-9a54-1c2d3e4f5a6b.7"), is_own_task_id("order.7")
    (True, False)
    """
    return _OWN_TASK_ID.fullmatch(given) is not None
