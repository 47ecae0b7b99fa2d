"""The state of a job or task in Celery's terms, for the original routes.

A job's state comes from its row. Any other id is a plain task's, and its state comes from Celery's
result backend, where an unknown task is PENDING.
"""

from dataclasses import dataclass
from enum import StrEnum

from celery import Celery
from redis.exceptions import RedisError

from app.broker.connections import connection
from app.jobs.model.job import Job, JobState, Json


class CeleryState(StrEnum):
    """Celery's own states of a task."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """State, result and error of a task."""

    status: str
    """Usually a CeleryState; a plain task may have custom states."""
    result: Json = None
    error: str | None = None

    @property
    def is_done(self) -> bool:
        return self.status in _DONE


_DONE = frozenset({CeleryState.SUCCESS, CeleryState.FAILURE, CeleryState.REVOKED})

_BY_STATE = {
    JobState.RUNNING: CeleryState.STARTED,
    JobState.SUCCEEDED: CeleryState.SUCCESS,
    JobState.FAILED: CeleryState.FAILURE,
    JobState.CANCELLED: CeleryState.REVOKED,
}


def of_job(job: Job) -> TaskStatus:
    error = job.error
    return TaskStatus(
        status=state_of_job(job),
        result=job.result,
        error=f"{error.type}: {error.message}" if error is not None else None,
    )


def state_of_job(job: Job) -> CeleryState:
    """A job between two stages, or before another attempt, is no longer pending."""
    if job.state is not JobState.QUEUED:
        return _BY_STATE[job.state]
    if job.attempt > 0 or job.deliveries > 0:
        return CeleryState.RETRY
    return CeleryState.STARTED if job.started_at is not None else CeleryState.PENDING


def of_task(celery: Celery, task_id: str) -> TaskStatus:
    """The status of a plain task. Raises BrokerUnreachable."""
    try:
        meta = celery.backend.get_task_meta(task_id)
    except (RedisError, OSError) as error:
        raise connection.translated(error, host="the result backend") from error
    status, outcome = str(meta["status"]), meta["result"]
    if status == CeleryState.SUCCESS:
        return TaskStatus(status=status, result=outcome)
    if isinstance(outcome, BaseException):
        return TaskStatus(status=status, error=f"{type(outcome).__name__}: {outcome}")
    return TaskStatus(status=status)
