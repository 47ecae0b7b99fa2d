"""The videos of a playlist, a job each."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.playlist.schema import PlaylistParams

_QUEUE = queues.BY_NAME["youtube"].name

PIPELINE = Pipeline(
    kind="playlist",
    summary="Each video of a playlist, channel or feed as a job of its own",
    params=PlaylistParams,
    stages=(
        Stage(
            task="process_youtube_playlist",
            imports=("app.pipelines.playlist.fan_out",),
            queue=_QUEUE,
            progress=(0.0, 5.0),
        ),
        Stage(
            task="gather_playlist",
            imports=("app.pipelines.playlist.fan_out",),
            queue=_QUEUE,
            progress=(99.0, 100.0),
            after_children=True,
        ),
    ),
    tasks_module="app.pipelines.playlist.tasks",
)

__all__ = ["PIPELINE"]
