"""The media pipeline as Celery tasks.

As plain Celery: `chain(download_audio.s(url=...), convert_to_mp3.s(), cleanup_temp_files.s())`.
"""

from celery import shared_task

from app.jobs.celery.task import HANDED_KEY, JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments, workroom
from app.pipelines.media.schema import Converted, Downloaded, MediaParams


@shared_task(name="download_audio", base=JobTask, bind=True)
def download_audio(self: JobTask, **params: object) -> JsonObject:
    """Fetch the audio of `url` into the work's folder; takes the fields of `MediaParams`."""
    from app.pipelines.media import download  # yt-dlp takes a second to import

    wanted = arguments.parsed(MediaParams, params)
    with workroom.kept_for_next_stage(self.work):
        found = download.download(wanted, self.work)
        return found.model_dump(mode="json") | {HANDED_KEY: self.work.key}


@shared_task(name="convert_to_mp3", base=JobTask, bind=True)
def convert_to_mp3(self: JobTask, downloaded: JsonObject) -> JsonObject:
    """Turn what `download_audio` returned into a tagged MP3 among the job's artifacts."""
    from app.pipelines.media import convert  # mutagen, which other workers do not need

    found = arguments.parsed(Downloaded, downloaded)
    with workroom.kept_for_next_stage(self.work):
        made = convert.convert(found, self.work)
        return made.model_dump(mode="json") | {HANDED_KEY: self.work.key}


@shared_task(name="cleanup_temp_files", base=JobTask, bind=True)
def cleanup_temp_files(self: JobTask, converted: JsonObject) -> JsonObject:
    """Remove the work's folder; return what `convert_to_mp3` returned, the result of it all."""
    result = arguments.parsed(Converted, converted)
    workroom.remove(self.work)
    return result.model_dump(mode="json")


@shared_task(name="discard_temp_files", base=JobTask, bind=True)
def discard_temp_files(self: JobTask, job_id: str) -> None:
    """Remove the folder of a job that failed or was cancelled."""
    workroom.remove(self.work)
