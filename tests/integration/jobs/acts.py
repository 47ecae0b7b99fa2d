"""Requests for the test pipeline, and what a worker would do."""

from datetime import UTC, datetime
from typing import Any

from app.jobs.model import ticket
from app.jobs.model.job import Job, JobError, JobRequest
from app.jobs.platform import Platform
from app.jobs.store.claims import Claimant, Hold
from app.jobs.store.job_store import JobFilter

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


def request(plan: dict[str, list[str]] | None = None, **fields: Any) -> JobRequest:
    """A request for a job that does what the plan says; for fields see JobRequest."""
    params = {"plan": plan} if plan is not None else {}
    return JobRequest(pipeline="probe", params=params, **fields)


def listed(platform: Platform, wanted: JobFilter | None = None) -> list[Job]:
    """The jobs of a listing, newest first, as a whole."""
    return platform.jobs.find_many([job.id for job in platform.jobs.list(wanted, limit=1000).jobs])


def claimant(now: datetime = NOW, *, worker: str = "w1@here", lease_s: float = 30.0) -> Claimant:
    return Claimant(worker=worker, pid=1, lease_s=lease_s, clock=lambda: now)


def claimed(platform: Platform, job: Job, now: datetime = NOW) -> Job:
    """The job, claimed as a worker does."""
    found = platform.claims.claim(ticket.stage_ticket(job), claimant(now))
    assert found is not None
    return found


def hold(job: Job) -> Hold:
    return Hold(job_id=job.id, fence=job.fence)


ERROR = JobError(type="RetryableError", message="try again", retryable=True, attempt=1)
