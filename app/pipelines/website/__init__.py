"""The pages of a web site as chunks that a bot can find."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.website.schema import WebsiteParams

_QUEUE = queues.BY_NAME["websites"].name

PIPELINE = Pipeline(
    kind="website",
    summary="The pages of a web site as chunks for retrieval",
    params=WebsiteParams,
    stages=(
        Stage(task="scrape_website", imports=("app.pipelines.website.process",), queue=_QUEUE),
    ),
    finalizer=Stage(task="abandon_website", queue=_QUEUE),
    tasks_module="app.pipelines.website.tasks",
)

__all__ = ["PIPELINE"]
