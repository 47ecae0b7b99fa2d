"""The callback pipeline as a Celery task."""

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.jobs.store import callbacks
from app.pipelines import arguments
from app.pipelines.callback.schema import CallbackParams


@shared_task(name=callbacks.TASK, base=JobTask, bind=True)
def deliver_callback(self: JobTask, **named: object) -> JsonObject:
    """Fulfil what a job wished for its end; takes the fields of `CallbackParams`."""
    from app.pipelines.callback import call  # the HTTP client, which the API does not need

    params = arguments.parsed(CallbackParams, named)
    return call.call(params, self.work).model_dump(mode="json", exclude_none=True)
