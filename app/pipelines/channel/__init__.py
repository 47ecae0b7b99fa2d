"""The videos of a channel or a search, a job each."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.pipelines.channel.schema import ChannelParams

_QUEUE = queues.BY_NAME["youtube"].name

PIPELINE = Pipeline(
    kind="channel",
    summary="Each video of a channel or a search as a job of its own",
    params=ChannelParams,
    stages=(
        Stage(
            task="scrape_youtube",
            imports=("app.pipelines.playlist.fan_out",),
            queue=_QUEUE,
            progress=(0.0, 5.0),
        ),
        Stage(
            task="gather_channel",
            imports=("app.pipelines.playlist.fan_out",),
            queue=_QUEUE,
            progress=(99.0, 100.0),
            after_children=True,
        ),
    ),
    tasks_module="app.pipelines.channel.tasks",
)

__all__ = ["PIPELINE"]
