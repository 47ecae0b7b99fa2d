"""Parameters and result of a callback."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.jobs.model.job import JobState
from app.jobs.store.callbacks import Target


class CallbackParams(BaseModel):
    """Which job has ended and how: a job that was taken up again looks different by now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str
    target: Target
    state: JobState
    attempt: int
    error: dict[str, Any] | None  # JSON, as rows keep it
    finished_at: datetime


class CalledBack(BaseModel):
    """What became of it: one of the three is there."""

    model_config = ConfigDict(frozen=True)

    status: int | None = None
    """What the webhook's receiver answered."""
    job_id: str | None = None
    """The job that was submitted."""
    task_id: str | None = None
    """The plain task that was published."""
