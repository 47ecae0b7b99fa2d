"""What follows a job that has ended: a webhook, another job, a plain task."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.jobs.store import callbacks
from app.pipelines.callback.schema import CallbackParams

PIPELINE = Pipeline(
    kind=callbacks.KIND,
    summary="Tell of a job that has ended, or submit what follows it",
    params=CallbackParams,
    stages=(
        Stage(
            task=callbacks.TASK,
            imports=("app.pipelines.callback.call",),
            queue=queues.BY_NAME["notifications"].name,
        ),
    ),
    max_attempts=callbacks.ATTEMPTS,
    tasks_module="app.pipelines.callback.tasks",
    is_internal=True,
)

__all__ = ["PIPELINE"]
