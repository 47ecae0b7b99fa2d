"""What is said in videos, as chunks that a bot can find."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.video_batch.schema import VideoBatchParams

_QUEUE = queues.BY_NAME["youtube"].name

PIPELINE = Pipeline(
    kind="video-batch",
    summary="The captions of videos as chunks for retrieval",
    params=VideoBatchParams,
    stages=(
        Stage(
            task="process_youtube_videos",
            imports=("app.pipelines.video_batch.process",),
            queue=_QUEUE,
        ),
    ),
    finalizer=Stage(task="discard_video_batch_files", queue=queues.BY_NAME["cleanup"].name),
    tasks_module="app.pipelines.video_batch.tasks",
)

__all__ = ["PIPELINE"]
