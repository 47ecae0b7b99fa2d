"""Celery's consumer with a guarded connection, and a better end: what a worker has to leave
unfinished goes back at once."""

import logging
from typing import Any

from celery.concurrency.base import BasePool
from celery.exceptions import NotRegistered
from celery.worker import consumer
from kombu import serialization

from app.jobs import platform
from app.jobs.celery import hooks, message_guard
from app.jobs.celery.message_guard import MessageGuard
from app.jobs.publish.refusals import MessageRefusal

logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    """For `worker_consumer`."""

    def connect(self) -> Any:  # kombu's connection
        """Connect, with a guard on the connection."""
        connection = super().connect()
        found = platform.of(self.app)
        guard = MessageGuard(
            accept=serialization.prepare_accept_content(self.app.conf.accept_content),
            signer=found.signer,
            refuses_plain=found.settings.messages.refuses_plain_tasks,
            refusals=found.refusals,
        )
        message_guard.install(connection.transport, guard, release=self._release_slot)
        return connection

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """As Celery's own, whose log line repeats the whole message."""
        headers = message.headers if "task" in message.headers else message.payload
        task, task_id = headers["task"], headers["id"]
        self._refuse(message, "no task of this name is registered", task=task, task_id=task_id)
        self.app.backend.mark_as_failure(task_id, NotRegistered(task))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """As Celery's own, without the message's content."""
        self._refuse(message, type(exc).__name__)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """As Celery's own, without the message's content."""
        self._refuse(message, "it calls no task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """As Celery's own, without the message's content."""
        self._refuse(message, type(exc).__name__)

    def cancel_active_requests(self) -> None:
        """Called in a cold shutdown (SIGQUIT), when the time for a soft one is over.

        Celery 5.7 kills the processes of a pool then, and fails in a pool of threads, which cannot
        be killed. There the work of jobs is asked to stop, and plain tasks run to their end.
        """
        hooks.give_back(platform.of(self.app))
        if type(self.pool).terminate_job is not BasePool.terminate_job:
            super().cancel_active_requests()

    def _refuse(self, message: Any, why: str, **about: object) -> None:
        platform.of(self.app).refusals.refuse(MessageRefusal.MALFORMED, why, **about)
        message.reject_log_error(logger, self.connection_errors)

    def _release_slot(self) -> None:
        semaphore = getattr(self.controller, "semaphore", None)  # of pools of processes
        if semaphore is not None:
            semaphore.release()
