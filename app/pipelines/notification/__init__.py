"""A user is told something: stored, and delivered by webhook and e-mail."""

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage
from app.jobs.store import callbacks
from app.pipelines.notification.schema import NotificationParams

PIPELINE = Pipeline(
    kind="notification",
    summary="Tell a user something: in a list, by webhook and by e-mail",
    params=NotificationParams,
    stages=(
        Stage(
            task="send_notification",
            imports=("app.pipelines.notification.send",),
            queue=queues.BY_NAME["notifications"].name,
        ),
    ),
    max_attempts=callbacks.ATTEMPTS,  # other people's servers, as for callbacks
    tasks_module="app.pipelines.notification.tasks",
)

__all__ = ["PIPELINE"]
