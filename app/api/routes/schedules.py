"""Jobs that begin by themselves."""

from datetime import UTC, datetime

from fastapi import APIRouter

from app.api.services import LinksParam, ServicesParam
from app.api.views import Listing, ScheduleView
from app.jobs.maintenance import scheduler

router = APIRouter(tags=["schedules"])


@router.get("/schedules")
def list_schedules(services: ServicesParam, links: LinksParam) -> Listing[ScheduleView]:
    """The schedules in force, when each begins its next job, and what became of the last one."""
    now = datetime.now(UTC)
    found = services.platform.schedules
    last = [scheduler.last_job(services.jobs, schedule) for schedule in found]
    return Listing(
        items=tuple(
            ScheduleView.of(schedule, job, now=now, links=links)
            for schedule, job in zip(found, last, strict=True)
        )
    )
