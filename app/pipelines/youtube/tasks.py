"""The video pipeline as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.youtube.schema import YoutubeParams


@shared_task(name="process_youtube_video", base=JobTask, bind=True)
def process_youtube_video(
    self: JobTask,
    url: str | None = None,
    extract_frames: object = None,
    prefer_captions: object = None,
    languages: object = None,
) -> JsonObject:
    """Metadata, transcript and frames of a video; takes the fields of `YoutubeParams`."""
    from app.pipelines.youtube import process  # yt-dlp takes a second to import

    given = {
        "url": url,
        "extract_frames": extract_frames,
        "prefer_captions": prefer_captions,
        "languages": languages,
    }
    params = arguments.parsed(YoutubeParams, arguments.without_none(given))
    with workroom.removed_at_the_end(self.work):
        return process.process(params, self.work).model_dump(mode="json")


@shared_task(name="discard_video_files", base=JobTask, bind=True)
def discard_video_files(self: JobTask, job_id: str) -> None:
    """Remove the folder of a job that failed or was cancelled."""
    workroom.remove(self.work)
