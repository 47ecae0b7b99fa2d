"""A pool class of a foreign application."""

from celery.concurrency.thread import TaskPool


class Pool(TaskPool):  # type: ignore[misc]  # Celery has no types
    """Threads by another name."""
