"""Celery's consumer, with a better end: what a worker has to leave unfinished goes back at once."""

from celery.concurrency.base import BasePool
from celery.worker import consumer

from app.jobs import platform
from app.jobs.celery import hooks


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    """For `worker_consumer`."""

    def cancel_active_requests(self) -> None:
        """Called in a cold shutdown (SIGQUIT), when the time for a soft one is over.

        Celery 5.7 kills the processes of a pool then, and fails in a pool of threads, which cannot
        be killed. There the work of jobs is asked to stop, and plain tasks run to their end.
        """
        hooks.give_back(platform.of(self.app))
        if type(self.pool).terminate_job is not BasePool.terminate_job:
            super().cancel_active_requests()
