"""The stage of the notification pipeline."""

from app.jobs.model.pipeline import Pipeline
from app.jobs.model.stage import stage
from app.jobs.model.work import Work
from app.jobs.store import callbacks
from app.pipelines.notification.schema import NotificationParams, Sent


@stage(
    "send_notification",
    queue="notifications",
    workspace=False,
    positional=("user_id", "title", "message", "notification_type"),
)
def send_notification(params: NotificationParams, work: Work) -> Sent:
    from app.pipelines.notification import send  # HTTP and mail, which the API does not need

    return send.send(params, work, key=work.key)


PIPELINE = Pipeline(
    kind="notification",
    summary="Notify a user: in a list, by webhook and by e-mail",
    params=NotificationParams,
    stages=(send_notification,),
    recipients=("email", "webhook_url"),
    max_attempts=callbacks.ATTEMPTS,  # other people's servers, as for callbacks
)
