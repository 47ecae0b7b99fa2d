"""The stage of the youtube pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import discarding, stage
from app.jobs.model.work import Work
from app.pipelines.youtube.schema import YoutubeParams, YoutubeResult


@stage(
    "process_youtube_video",
    queue="youtube",
    positional=("url", "extract_frames", "prefer_captions", "languages"),
)
def process_youtube_video(params: YoutubeParams, work: Work) -> YoutubeResult:
    from app.pipelines.youtube import video_contents  # yt-dlp takes a second to import

    return video_contents.extract_contents(params, work)


PIPELINE = Pipeline(
    kind="youtube",
    summary="Extract metadata, transcript and frames of a video",
    params=YoutubeParams,
    stages=(process_youtube_video,),
    finalizer=discarding("discard_video_files", queue="cleanup"),
)
