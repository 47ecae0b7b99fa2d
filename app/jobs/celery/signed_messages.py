"""Signs the plain tasks that our processes call, for `CELERIAC_REFUSE_PLAIN_TASKS`."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import serialization

from app.jobs import platform
from app.jobs.celery import message_guard
from app.jobs.model import ticket


class SigningAMQP(AMQP):  # type: ignore[misc]  # Celery has no types
    """For `amqp_cls`. Signs whatever a message says: task, id, arguments and what follows it."""

    def as_task_v2(self, task_id: str, name: str, *args: Any, **options: Any) -> Any:  # Celery's
        message = super().as_task_v2(task_id, name, *args, **options)
        signer = platform.of(self.app).signer
        # Celery copies the headers of a task to those that it calls: only a ticket keeps its own.
        if signer.is_on and message.headers.get(ticket.STAGE_HEADER) != name:
            body = serialization.dumps(message.body, serializer="json")[2]
            message.headers[ticket.SIGNATURE_HEADER] = signer.sign(
                message_guard.PURPOSE, name, task_id, body
            )
        return message
