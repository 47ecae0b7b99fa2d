"""The stage of the video-batch pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import discarding, stage
from app.jobs.model.work import Work
from app.pipelines.video_batch.schema import VideoBatchParams, VideoBatchResult


@stage("process_youtube_videos", queue="youtube")
def process_youtube_videos(params: VideoBatchParams, work: Work) -> VideoBatchResult:
    from app.pipelines.video_batch import caption_chunks  # yt-dlp takes a second to import

    return caption_chunks.store_captions(params, work)


PIPELINE = Pipeline(
    kind="video-batch",
    summary="Split the captions of videos into chunks for retrieval",
    params=VideoBatchParams,
    stages=(process_youtube_videos,),
    finalizer=discarding("discard_video_batch_files", queue="cleanup"),
)
