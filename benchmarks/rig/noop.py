"""A pipeline that does nothing, or sleeps: a benchmark sees the cost of the platform alone."""

import time

from celery import shared_task
from pydantic import BaseModel, ConfigDict

from app.jobs.celery.task import JobTask
from app.jobs.model.pipeline import Pipeline, Stage
from app.queues import DEFAULT_QUEUE


class NoopParams(BaseModel):
    """Parameters of a `noop` job."""

    model_config = ConfigDict(extra="forbid")

    number: int
    seconds: float = 0.0


@shared_task(name="noop", base=JobTask, bind=True)  # type: ignore[untyped-decorator]  # Celery ships no types
def noop(self: JobTask, number: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return number


PIPELINE = Pipeline(
    kind="noop",
    summary="Does nothing, so that the platform's own cost shows.",
    params=NoopParams,
    stages=(Stage(task="noop", queue=DEFAULT_QUEUE.name),),
    tasks_module=__name__,
)
