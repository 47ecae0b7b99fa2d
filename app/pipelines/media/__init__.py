"""Audio from a video page or a media file: downloaded, converted to MP3, tagged."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.media.schema import MediaParams

PIPELINE = Pipeline(
    kind="media",
    summary="The audio of a page or media file as a tagged MP3",
    params=MediaParams,
    stages=(
        Stage(
            task="download_audio",
            imports=("app.pipelines.media.download",),
            queue=queues.BY_NAME["download"].name,
            progress=(10.0, 50.0),
        ),
        Stage(
            task="convert_to_mp3",
            imports=("app.pipelines.media.convert",),
            queue=queues.BY_NAME["conversion"].name,
            progress=(60.0, 90.0),
        ),
        Stage(
            task="cleanup_temp_files", queue=queues.BY_NAME["cleanup"].name, progress=(90.0, 100.0)
        ),
    ),
    finalizer=Stage(task="discard_temp_files", queue=queues.BY_NAME["cleanup"].name),
    tasks_module="app.pipelines.media.tasks",
)

__all__ = ["PIPELINE"]
