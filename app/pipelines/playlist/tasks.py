"""The playlist pipeline as Celery tasks.

As plain Celery `process_youtube_playlist` submits a job for each entry and returns their ids.
"""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments
from app.pipelines.playlist.schema import FannedOut, PlaylistParams


@shared_task(name="process_youtube_playlist", base=JobTask, bind=True)
def process_youtube_playlist(
    self: JobTask,
    url: str | None = None,
    extract_frames: object = None,
    prefer_captions: object = None,
    **more: object,
) -> JsonObject:
    """Submit a job for each video of a playlist; takes the fields of `PlaylistParams`."""
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    given = {
        "url": url,
        "extract_frames": extract_frames,
        "prefer_captions": prefer_captions,
        **more,
    }
    params = arguments.parsed(PlaylistParams, arguments.without_none(given))
    found = fan_out.fan_out(str(params.url), params, self.work, limit=params.limit)
    return found.model_dump(mode="json")


@shared_task(name="gather_playlist", base=JobTask, bind=True)
def gather_playlist(self: JobTask, fanned_out: JsonObject) -> JsonObject:
    """Count what became of the jobs that `process_youtube_playlist` has submitted."""
    from app.pipelines.playlist import fan_out  # yt-dlp takes a second to import

    found = arguments.parsed(FannedOut, fanned_out)
    return fan_out.gather(found, self.work).model_dump(mode="json")
