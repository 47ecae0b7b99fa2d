"""Parameters and result of a callback."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.jobs.model.job import JobState
from app.jobs.store.callbacks import Target


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
