"""A short film that tells what a PubMed article found."""

from app import queues
from app.jobs.model.pipeline import DISCARD_FILES, Pipeline, Stage
from app.pipelines.video.schema import VideoParams

PIPELINE = Pipeline(
    kind="video",
    summary="A narrated video of a PubMed article's abstract",
    params=VideoParams,
    stages=(
        Stage(
            task="generate_video_task",
            imports=("app.pipelines.video.generate",),
            queue=queues.BY_NAME["videos"].name,
        ),
    ),
    finalizer=DISCARD_FILES,
    tasks_module="app.pipelines.video.tasks",
)

__all__ = ["PIPELINE"]
