"""Requests for the test pipeline, and what a worker would do."""

from datetime import UTC, datetime
from typing import Any

from app.jobs.model import changes, ticket
from app.jobs.model.changes import Change
from app.jobs.model.job import Job, JobError, JobRequest
from app.jobs.model.ticket import Claimant, Hold
from app.jobs.platform import Platform
from app.jobs.store.due_jobs import DueJobStore
from app.jobs.store.job_store import JobFilter
from app.jobs.store.leases import LeaseStore
from app.jobs.store.state_machine import StateMachine

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


def request(plan: dict[str, list[str]] | None = None, **fields: Any) -> JobRequest:
    """A request for a job that does what the plan says; for fields see JobRequest."""
    params = {"plan": plan} if plan is not None else {}
    return JobRequest(pipeline="probe", params=params, **fields)


def listed(platform: Platform, wanted: JobFilter | None = None) -> list[Job]:
    """The jobs of a listing, newest first, as a whole."""
    return list(
        platform.jobs.find_many([job.id for job in platform.jobs.list(wanted, limit=1000).jobs])
    )


def claimant(*, worker: str = "w1@here", lease_s: float = 30.0) -> Claimant:
    return Claimant(worker=worker, pid=1, lease_s=lease_s)


def apply(platform: Platform, change: Change, *, now: datetime = NOW) -> Job | None:
    """Make the change, and nothing of what follows it."""
    return StateMachine(platform.database).apply(change, clock=lambda: now)


def leases(platform: Platform) -> LeaseStore:
    return LeaseStore(platform.database)


def due_jobs(platform: Platform) -> DueJobStore:
    return DueJobStore(platform.database)


def claimed(platform: Platform, job: Job, now: datetime = NOW) -> Job:
    """The job, claimed as a worker does."""
    found = apply(platform, changes.claim(ticket.stage_ticket(job), claimant()), now=now)
    assert found is not None
    return found


def hold(job: Job) -> Hold:
    return Hold(job_id=job.id, fence=job.fence)


ERROR = JobError(type="RetryableError", message="try again", retryable=True, attempt=1)
