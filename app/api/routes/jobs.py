"""Existing jobs: get, list, follow, cancel, retry."""

import asyncio
import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app.access.principal import Principal
from app.api.links import Links
from app.api.openapi import Responses
from app.api.requests import JobQuery
from app.api.routes.submit import check_kinds
from app.api.services import LinksParam, PrincipalParam, Services, ServicesParam
from app.api.views import ArtifactView, JobSummaryView, JobView, Listing, RunView
from app.jobs.model.job import Job, JobId, JobSummary, Progress
from app.jobs.model.job_document import ChildCounts
from app.jobs.publish import job_events
from app.jobs.publish.job_events import EventKind, JobEvent

WAIT_LIMIT_S = 60.0
"""Proxies abort requests that are silent for longer."""

router = APIRouter(tags=["jobs"])

JobIdParam = Annotated[uuid.UUID, Path(description="The job's id.")]

WaitParam = Annotated[
    float,
    Query(ge=0, le=WAIT_LIMIT_S, description="Wait up to this many seconds for the job to end."),
]


@router.get("/jobs")
def list_jobs(
    services: ServicesParam, wanted: Annotated[JobQuery, Query()]
) -> Listing[JobSummaryView]:
    """List jobs, newest first, without parameters, results and artifacts."""
    page = services.jobs.list(wanted.filter, cursor=wanted.after, limit=wanted.limit)
    seen, counts = _progress(services, page.jobs)
    items = tuple(
        JobSummaryView.of(job, seen=seen.get(job.id), counts=counts.get(job.id))
        for job in page.jobs
    )
    return Listing(items=items, next_cursor=page.next_cursor)


@router.get("/jobs/{job_id:uuid}", response_model=JobView)
async def get_job(
    job_id: JobIdParam, services: ServicesParam, links: LinksParam, wait: WaitParam = 0.0
) -> Response:
    """Get a job. With `wait`, respond when the job ends, or after that many seconds."""
    if wait > 0:
        job = await run_in_threadpool(services.jobs.get, id_of(job_id))
        if not job.state.is_final:
            await _wait_for_end(services, job.id, within_s=wait)
    return await run_in_threadpool(_whole, services, links, id_of(job_id))


def _whole(services: Services, links: Links, job_id: JobId) -> Response:
    """Read the job and build the response in one thread: this is what clients ask for most."""
    found = view(services, links, services.jobs.get(job_id))
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/jobs/{job_id:uuid}/runs")
def list_runs(job_id: JobIdParam, services: ServicesParam) -> Listing[RunView]:
    """List the runs of a job's stages, oldest first."""
    jobs = services.jobs
    job = jobs.get(id_of(job_id))
    return Listing(items=tuple(map(RunView.model_validate, jobs.runs(job.id))))


@router.get("/jobs/{job_id:uuid}/artifacts", tags=["artifacts"])
def list_artifacts(
    job_id: JobIdParam, services: ServicesParam, links: LinksParam
) -> Listing[ArtifactView]:
    """List the files that a job has produced."""
    job = services.jobs.get(id_of(job_id))
    return Listing(items=tuple(ArtifactView.of(found, job, links) for found in job.artifacts))


@router.post("/jobs/{job_id:uuid}:cancel")
def cancel_job(
    job_id: JobIdParam, services: ServicesParam, links: LinksParam, principal: PrincipalParam
) -> JobView:
    """Cancel a job: a queued one at once, a running one as soon as its work stops. A job that has
    ended stays as it is."""
    check_may_change(principal, id_of(job_id), services)
    return view(services, links, services.jobs.cancel(id_of(job_id)))


@router.post("/jobs/{job_id:uuid}:retry", status_code=202)
def retry_job(
    job_id: JobIdParam, services: ServicesParam, links: LinksParam, principal: PrincipalParam
) -> JobView:
    """Retry a failed or cancelled job, from the stage where it ended."""
    check_may_change(principal, id_of(job_id), services)
    return view(services, links, services.jobs.retry(id_of(job_id)))


def check_may_change(principal: Principal, job_id: JobId, services: Services) -> None:
    """Raises NotFound, and NotAuthorized where the kind of the job needs a wider scope."""
    kind = services.jobs.get(job_id).pipeline
    if kind in services.registry:
        check_kinds(principal, (kind,), services.registry)


def id_of(given: uuid.UUID) -> JobId:
    """The id in its canonical form: a UUID can be written in several ways."""
    return JobId(str(given))


def view(services: Services, links: Links, job: Job) -> JobView:
    seen, counts = _progress(services, [job])
    return JobView.whole(job, links=links, seen=seen.get(job.id), counts=counts.get(job.id))


def _progress(
    services: Services, jobs: Sequence[Job | JobSummary]
) -> tuple[dict[JobId, Progress], dict[JobId, ChildCounts]]:
    """The latest progress of unfinished jobs, and the children of each job by state."""
    running = [job.id for job in jobs if not job.state.is_final]
    counts = services.jobs.counts_of_children([job.id for job in jobs])
    return services.jobs.latest_progress(running), counts


def row_reader(services: Services, job_id: JobId) -> Callable[[], Awaitable[Job | None]]:
    """Reads the job's row for those who follow its events."""
    return lambda: run_in_threadpool(services.jobs.find, job_id)


async def _wait_for_end(services: Services, job_id: JobId, *, within_s: float) -> None:
    """Return when the job has ended, or after that time."""
    find = row_reader(services, job_id)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for _ in job_events.follow(services.events, job_id, find=find):
                pass  # the events end with the job


RECONNECT_MS = 1000
"""How long a browser waits before it reconnects."""

KEEP_ALIVE = ": keep-alive\n\n"

FINISHED_WAIT_S = 0.1
"""A finished job sends no new events: only those that exist are read."""

_POSITION = re.compile(r"\d{1,19}-\d{1,19}")

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # otherwise nginx buffers events
}

_EVENT_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": list(EventKind)},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}

EVENT_STREAM: Responses = {
    200: {
        "description": "Events `state`, `progress` and finally `end`.",
        "content": {"text/event-stream": {"itemSchema": _EVENT_SCHEMA}},
    }
}

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Continue after this event.")
]


@router.get("/jobs/{job_id:uuid}/events", response_class=StreamingResponse, responses=EVENT_STREAM)
async def stream_events(
    job_id: JobIdParam, services: ServicesParam, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Stream the events of a job: past ones first, then new ones. The stream ends after `end`."""
    job = await run_in_threadpool(services.jobs.get, id_of(job_id))
    parts = _event_texts(services, job, after=position(last_event_id))
    return StreamingResponse(parts, media_type="text/event-stream", headers=HEADERS)


async def _event_texts(services: Services, job: Job, *, after: str) -> AsyncIterator[str]:
    wait_s = FINISHED_WAIT_S if job.state.is_final else job_events.POLL_S
    yield f"retry: {RECONNECT_MS}\n\n"
    async for event in job_events.follow(
        services.events, job.id, find=row_reader(services, job.id), after=after, poll_s=wait_s
    ):
        yield KEEP_ALIVE if event is None else wire_form(event)


def position(last_event_id: str | None) -> str:
    """Where the stream continues; its beginning if the id is not a valid one."""
    if last_event_id is not None and _POSITION.fullmatch(last_event_id):
        return last_event_id
    return job_events.FIRST_ID


def wire_form(event: JobEvent) -> str:
    """An event as text. JSON contains no line breaks, so one `data` line is enough."""
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"
