"""What happens to a job, as server-sent events."""

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.api.openapi import Responses
from app.api.routes.jobs import JobIdParam, id_of, row_reader
from app.api.services import Services, ServicesParam
from app.jobs.model.job import Job
from app.jobs.publish import job_events
from app.jobs.publish.job_events import Event, EventKind

router = APIRouter(tags=["jobs"])

RECONNECT_MS = 1000
"""What a browser waits before it connects again."""

KEEP_ALIVE = ": keep-alive\n\n"

LOOK_AT_FINISHED_S = 0.1
"""For a job that is over no news will come: only what is there is waited for."""

_POSITION = re.compile(r"\d{1,19}-\d{1,19}")

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until a buffer is full
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
        "description": "Events `state`, `progress` and, as the last one, `end`.",
        "content": {"text/event-stream": {"itemSchema": _EVENT_SCHEMA}},
    }
}

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Go on after this event.")
]


@router.get("/jobs/{job_id:uuid}/events", response_class=StreamingResponse, responses=EVENT_STREAM)
async def stream_events(
    job_id: JobIdParam, services: ServicesParam, last_event_id: LastEventId = None
) -> StreamingResponse:
    """The job's events so far and from now on. The stream ends after the event `end`."""
    job = await run_in_threadpool(services.jobs.get, id_of(job_id))
    parts = _parts(services, job, after=position(last_event_id))
    return StreamingResponse(parts, media_type="text/event-stream", headers=HEADERS)


async def _parts(services: Services, job: Job, *, after: str) -> AsyncIterator[str]:
    look_s = LOOK_AT_FINISHED_S if job.state.is_final else job_events.LOOK_S
    yield f"retry: {RECONNECT_MS}\n\n"
    async for event in job_events.follow(
        services.events, job.id, find=row_reader(services, job.id), after=after, look_s=look_s
    ):
        yield KEEP_ALIVE if event is None else wire_form(event)


def position(last_event_id: str | None) -> str:
    """Where the stream goes on; at its beginning for an id that is none of ours."""
    is_ours = last_event_id is not None and _POSITION.fullmatch(last_event_id)
    return last_event_id if is_ours and last_event_id is not None else job_events.FIRST_ID


def wire_form(event: Event) -> str:
    """One event as text: JSON holds no line break, so one `data` line is enough."""
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"
