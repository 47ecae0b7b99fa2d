"""What is removed after its time: old jobs with all that is theirs, orphans, and caches."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Schedule, Stage
from app.pipelines.retention.schema import CacheParams, OldDataParams

_QUEUE = queues.BY_NAME["cleanup"].name
_TASKS = "app.pipelines.retention.tasks"


def _cache(name: str, *, cron: str) -> Pipeline:
    return Pipeline(
        kind=f"cleanup-{name}-cache",
        summary=f"Remove from the {name} cache what is old, or more than it may hold",
        params=CacheParams,
        stages=(Stage(task=f"cleanup_{name}_cache", queue=_QUEUE),),
        tasks_module=_TASKS,
        schedules=(Schedule(name=f"cleanup-{name}-cache", cron=cron),),
    )


PIPELINES = (
    Pipeline(
        kind="cleanup-old-data",
        summary="Remove old jobs with all that is theirs, and files that nobody owns",
        params=OldDataParams,
        stages=(Stage(task="cleanup_old_data", queue=_QUEUE),),
        tasks_module=_TASKS,
        schedules=(Schedule(name="cleanup-old-data", cron="0 2 * * *"),),
    ),
    _cache("youtube", cron="20 2 * * *"),
    _cache("pdf", cron="40 2 * * *"),
)

__all__ = ["PIPELINES"]
