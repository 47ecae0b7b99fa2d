"""What a picture of a price chart shows."""

from app import queues
from app.jobs.model.pipeline import DISCARD_FILES, Pipeline, Stage
from app.pipelines.chart_image.schema import ChartImageParams

PIPELINE = Pipeline(
    kind="chart-image",
    summary="What a picture of a price chart shows: instrument, trend, levels, patterns",
    params=ChartImageParams,
    stages=(
        Stage(
            task="analyze_chart_image",
            imports=("app.pipelines.chart_image.analyze",),
            queue=queues.BY_NAME["llm"].name,
        ),
    ),
    finalizer=DISCARD_FILES,
    tasks_module="app.pipelines.chart_image.tasks",
)

__all__ = ["PIPELINE"]
