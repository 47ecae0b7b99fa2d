"""What was done in a period: figures as JSON and CSV, and a chart."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.report.schema import ReportParams

_QUEUE = queues.BY_NAME["default"].name

PIPELINE = Pipeline(
    kind="report",
    summary="Figures of a period from the platform's own tables: JSON, CSV and a chart",
    params=ReportParams,
    stages=(
        Stage(
            task="generate_analytics_report",
            imports=("app.pipelines.report.generate",),
            queue=_QUEUE,
        ),
    ),
    finalizer=Stage(task="discard_report_files", queue=_QUEUE),
    tasks_module="app.pipelines.report.tasks",
)

__all__ = ["PIPELINE"]
