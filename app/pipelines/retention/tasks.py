"""The clean-ups as Celery tasks."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments
from app.pipelines.retention import caches, old_data
from app.pipelines.retention.schema import CacheParams, OldDataParams


@shared_task(name="cleanup_old_data", base=JobTask, bind=True)
def cleanup_old_data(self: JobTask, days: float = 90, **others: object) -> JsonObject:
    """Remove old jobs and what nobody owns; takes the fields of `OldDataParams`."""
    params = arguments.parsed(OldDataParams, {"days": days} | others)
    return old_data.clean(params, self.work).model_dump(mode="json")


@shared_task(name="cleanup_youtube_cache", base=JobTask, bind=True)
def cleanup_youtube_cache(self: JobTask, **given: object) -> JsonObject:
    """Clean the cache of videos; takes the fields of `CacheParams`."""
    return _cleaned("youtube", given, self)


@shared_task(name="cleanup_pdf_cache", base=JobTask, bind=True)
def cleanup_pdf_cache(self: JobTask, **given: object) -> JsonObject:
    """Clean the cache of PDF files; takes the fields of `CacheParams`."""
    return _cleaned("pdf", given, self)


def _cleaned(name: str, given: dict[str, object], task: JobTask) -> JsonObject:
    params = arguments.parsed(CacheParams, given)
    return caches.clean(name, params, task.work).model_dump(mode="json")
