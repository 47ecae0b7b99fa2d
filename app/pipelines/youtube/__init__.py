"""What a video page tells, what is said in it, and pictures of its scenes."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.youtube.schema import YoutubeParams

PIPELINE = Pipeline(
    kind="youtube",
    summary="Metadata, transcript and frames of a video",
    params=YoutubeParams,
    stages=(
        Stage(
            task="process_youtube_video",
            imports=("app.pipelines.youtube.process",),
            queue=queues.BY_NAME["youtube"].name,
        ),
    ),
    finalizer=Stage(task="discard_video_files", queue=queues.BY_NAME["cleanup"].name),
    tasks_module="app.pipelines.youtube.tasks",
)

__all__ = ["PIPELINE"]
