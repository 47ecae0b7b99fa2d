"""Submits the jobs of schedules when they are due; a part of beat, beside the reconciler.

Any number of schedulers may run at once: a firing is a job whose idempotency key names the schedule
and the moment, so that one of them makes it. What Redis or a beat that was away missed is made up
for once, by the last moment that has come.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from app.jobs.maintenance import job_schedules
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.clock import Clock
from app.jobs.model.job import JobRequest, JobSummary
from app.jobs.service import Jobs
from app.jobs.store.job_store import IdempotencyConflict, JobFilter

logger = logging.getLogger(__name__)


class Scheduler:
    """Checks every schedule at each `tick`."""

    def __init__(self, jobs: Jobs, schedules: Sequence[Scheduled], *, clock: Clock) -> None:
        self._jobs = jobs
        self._schedules = schedules
        self._clock = clock
        self._began_at = clock.now()
        self._done_until: dict[str, datetime] = {}

    def tick(self) -> None:
        """Submit what is due. Raises StorageUnavailable."""
        now = self._clock.now()
        for schedule in self._schedules:
            if schedule.is_on:
                self._check(schedule, now)

    def _check(self, schedule: Scheduled, now: datetime) -> None:
        due_at = schedule.due_at(now)
        if not self._since(schedule) < due_at <= now:
            return
        last = last_job(self._jobs, schedule)
        if last is not None and not last.state.is_final:
            logger.warning(
                "a schedule is passed over: its last job is not over",
                extra={"schedule": schedule.name, "job_id": last.id},
            )
        else:
            self._begin(schedule, due_at)
        self._done_until[schedule.name] = due_at

    def _since(self, schedule: Scheduled) -> datetime:
        """Moments after this one are still to come. A schedule that never ran starts with this
        beat: a new installation does not catch up on its past."""
        if schedule.name not in self._done_until:
            last = last_job(self._jobs, schedule)
            known = last.created_at if last is not None else self._began_at
            self._done_until[schedule.name] = known
        return self._done_until[schedule.name]

    def _begin(self, schedule: Scheduled, due_at: datetime) -> None:
        request = JobRequest(
            pipeline=schedule.kind,
            params=schedule.params,
            labels={job_schedules.LABEL: schedule.name},
            idempotency_key=f"schedule:{schedule.name}:{due_at.isoformat()}",
        )
        named = {"schedule": schedule.name, "due_at": due_at.isoformat()}
        try:
            job = self._jobs.submit(request)
        except IdempotencyConflict:
            logger.info("another beat with other settings has begun it", extra=named)
        else:
            logger.info("a schedule has begun its job", extra={**named, "job_id": job.id})


def last_job(jobs: Jobs, schedule: Scheduled) -> JobSummary | None:
    """The last job that began by the schedule."""
    wanted = JobFilter(pipeline=schedule.kind, labels={job_schedules.LABEL: schedule.name})
    found = jobs.list(wanted, limit=1).jobs
    return found[0] if found else None
