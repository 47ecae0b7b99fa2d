"""A task that a worker with an older release of the application would not know."""

from celery import shared_task


@shared_task(name="doctor.more")  # type: ignore[untyped-decorator]  # Celery has no types
def more() -> None:
    """Do nothing."""
