"""The chart-image pipeline as a Celery task."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.chart_image.schema import ChartImageParams


@shared_task(name="analyze_chart_image", base=JobTask, bind=True)
def analyze_chart_image(
    self: JobTask, image_path: str | None = None, model: str | None = None, **others: object
) -> JsonObject:
    """What the picture of a chart shows; takes the fields of `ChartImageParams`."""
    from app.pipelines.chart_image import analyze  # the models' library takes 2 s to import

    named = {"image_path": image_path, "model": model}
    params = arguments.parsed(ChartImageParams, named | others)
    with workroom.removed_at_the_end(self.work):
        return analyze.analyze(params, self.work).model_dump(mode="json")
