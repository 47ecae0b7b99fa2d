"""Jobs that begin by themselves."""

from datetime import datetime

from pydantic import Field

from app.api.links import Links
from app.api.plain import ShownObject
from app.api.views.view import View
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.job import JobState, JobSummary


class ScheduledJobView(View):
    """The last job that a schedule began."""

    id: str
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    url: str = Field(description="Where the job is, relative to this server.")


class ScheduleView(View):
    """Jobs of one kind that begin by themselves."""

    name: str
    kind: str
    params: ShownObject  # as the kind's schema says
    cron: str = Field(description="Minute, hour, day, month, weekday.")
    timezone: str = Field(description="IANA time zone that `cron` is read in.")
    is_on: bool
    next_at: datetime | None = Field(description="When its next job begins; null when it is off.")
    last_job: ScheduledJobView | None

    @classmethod
    def of(
        cls, schedule: Scheduled, last: JobSummary | None, *, now: datetime, links: Links
    ) -> "ScheduleView":
        return cls(
            name=schedule.name,
            kind=schedule.kind,
            params=schedule.params,
            cron=schedule.cron,
            timezone=schedule.zone.key,
            is_on=schedule.is_on,
            next_at=schedule.next_at(now),
            last_job=None if last is None else _scheduled_job(last, links),
        )


def _scheduled_job(job: JobSummary, links: Links) -> ScheduledJobView:
    return ScheduledJobView(
        id=job.id,
        state=job.state,
        created_at=job.created_at,
        finished_at=job.finished_at,
        url=links.job(job.id),
    )
