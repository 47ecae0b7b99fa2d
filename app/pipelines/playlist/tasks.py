"""The stages of the playlist pipeline. Called without a job, it submits jobs without a parent."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.pipelines.playlist.schema import FannedOut, PlaylistParams, PlaylistResult


@stage(
    "process_youtube_playlist",
    queue="youtube",
    progress=(0.0, 5.0),
    workspace=False,
    positional=("url", "extract_frames", "prefer_captions", "languages"),
)
def process_youtube_playlist(params: PlaylistParams, work: Work) -> FannedOut:
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    return fan_out.fan_out(str(params.url), params, work, limit=params.limit)


@stage(
    "gather_playlist",
    queue="youtube",
    progress=(99.0, 100.0),
    after_children=True,
    workspace=False,
)
def gather_playlist(fanned_out: FannedOut, work: Work) -> PlaylistResult:
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    return fan_out.count_results(fanned_out, work)


PIPELINE = Pipeline(
    kind="playlist",
    summary="Process each video of a playlist, channel or feed as a separate job",
    params=PlaylistParams,
    stages=(process_youtube_playlist, gather_playlist),
)
