"""What our processes do at the turning points of Celery's own."""

import logging
from datetime import UTC, datetime
from typing import Any

from celery import Celery, signals
from celery.worker import state as worker_state

from app.errors import StorageUnavailable, Superseded
from app.jobs import ticket
from app.jobs.model import JobError
from app.jobs.platform import Platform
from app.jobs.reconciler import Reconciler

logger = logging.getLogger(__name__)


def connect(celery: Celery, platform: Platform) -> None:
    """Hang the platform into the application's signals."""

    def on_beat(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:
            Reconciler(platform).start()

    def on_worker_start(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:
            platform.slots = _slots(sender)

    def on_worker_end(sender: Any = None, **_: Any) -> None:
        if sender.app is celery:
            give_back(platform)

    signals.beat_init.connect(on_beat, weak=False)
    signals.worker_init.connect(on_worker_start, weak=False)  # before its processes are forked
    signals.worker_shutdown.connect(on_worker_end, weak=False)


def _slots(worker: Any) -> int:  # Celery's
    """How many tasks it will run at once, at most."""
    most = getattr(worker, "max_concurrency", None) or worker.concurrency
    return most if isinstance(most, int) else 1  # "auto" is settled later


def give_back(platform: Platform) -> None:
    """Queue the jobs again that this worker leaves unfinished, so that none waits for its lease."""
    platform.keeper.let_go(Superseded("the worker is stopping"))
    for request in tuple(worker_state.active_requests):
        found = ticket.parse_task_id(request.id)
        if found is None:
            continue
        job_id, fence = found
        error = JobError(
            type="WorkerStopped", message="its worker was stopped", retryable=True, attempt=0
        )
        try:
            job = platform.upkeep.give_back(job_id, fence + 1, error=error, now=datetime.now(UTC))
        except StorageUnavailable as away:
            logger.warning("a job waits for its lease", extra={"job_id": job_id, "reason": away})
            continue
        if job is not None:
            platform.events.state(job)
