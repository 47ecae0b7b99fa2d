"""The strategy pipeline as a Celery task."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.strategy.schema import StrategyParams


@shared_task(name="extract_trading_strategy", base=JobTask, bind=True)
def extract_trading_strategy(
    self: JobTask,
    content: str | None = None,
    content_type: str = "text",
    model: str | None = None,
    upload_id: str | None = None,
) -> JsonObject:
    """The trading strategy that the content describes; takes the fields of `StrategyParams`."""
    from app.pipelines.strategy import extract  # the library of the models takes 2 s to import

    given = {"content": content, "content_type": content_type, "model": model}
    params = arguments.parsed(StrategyParams, {**given, "upload_id": upload_id})
    with workroom.removed_at_the_end(self.work):
        return extract.extract(params, self.work).model_dump(mode="json")
