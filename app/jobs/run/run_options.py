"""The terms on which this process runs a stage: who it is, for how long, how patiently."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from app.jobs.model import time_limits
from app.jobs.model.job import Json
from app.jobs.model.pipeline import Stage
from app.jobs.model.time_limits import TimeLimits
from app.jobs.model.work import Work
from app.jobs.platform import Platform
from app.jobs.store.claims import Claimant
from app.queues import DEFAULT_QUEUE

CLAIM_PATIENCE_S = 10.0
"""A claim waits so long for the database, then leaves the job to the reconciler."""

END_PATIENCE_S = 600.0
"""The end of a run is worth waiting for; it is fenced, so it cannot come too late."""

WorkOn = Callable[[Work], Json]


def claimant(platform: Platform, worker: str) -> Claimant:
    """This process, as it claims."""
    lease_s = platform.settings.jobs.lease_s
    return Claimant(worker=worker, pid=os.getpid(), lease_s=lease_s, clock=_now)


def limits(platform: Platform, stage: Stage | None) -> TimeLimits:
    """The time limits of the stage's queue; of the default queue for no stage."""
    queue = stage.queue if stage is not None else DEFAULT_QUEUE.name
    return time_limits.of_queue(
        queue, queues=platform.registry.queues, settings=platform.settings.worker.time_limits
    )


def _now() -> datetime:
    return datetime.now(UTC)
