"""The notification pipeline as a Celery task."""

import uuid

from celery import shared_task

from app.jobs.celery.task import JobTask
from app.jobs.model.job import JsonObject
from app.pipelines import arguments
from app.pipelines.notification.schema import NotificationParams


@shared_task(name="send_notification", base=JobTask, bind=True)
def send_notification(
    self: JobTask,
    user_id: str | None = None,
    title: str | None = None,
    message: str | None = None,
    notification_type: str = "info",
    **others: object,
) -> JsonObject:
    """Tell a user something; takes the fields of `NotificationParams`."""
    from app.pipelines.notification import send  # HTTP and mail, which the API does not need

    named = {
        "user_id": user_id,
        "title": title,
        "message": message,
        "notification_type": notification_type,
    }
    params = arguments.parsed(NotificationParams, named | others)
    # Attempts of a job share its id, those of a plain task their task id; a direct call is one.
    key = self.work.job_id or self.request.id or str(uuid.uuid4())
    return send.send(params, self.work, key=key).model_dump(mode="json")
