"""The batch of videos as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.video_batch.schema import VideoBatchParams


@shared_task(name="process_youtube_videos", base=JobTask, bind=True)
def process_youtube_videos(
    self: JobTask, bot_id: str | None = None, video_urls: list[str] | None = None
) -> JsonObject:
    """Make a bot know what is said in videos; takes the fields of `VideoBatchParams`."""
    from app.pipelines.video_batch import process  # yt-dlp takes a second to import

    params = arguments.parsed(VideoBatchParams, {"bot_id": bot_id, "video_urls": video_urls})
    with workroom.removed_at_the_end(self.work):
        return process.process(params, self.work).model_dump(mode="json")


@shared_task(name="discard_video_batch_files", base=JobTask, bind=True)
def discard_video_batch_files(self: JobTask, job_id: str) -> None:
    """Remove the folder of a batch that failed or was cancelled."""
    workroom.remove(self.work)
