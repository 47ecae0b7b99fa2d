"""New rows: jobs that clients submit, and callbacks of jobs that have ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from app.jobs.model.job import Job, JobId, JobRequest, JobState, JsonObject
from app.jobs.store import rows
from app.storage import schema

_jobs = schema.jobs
_labels = schema.job_labels

# Made once, and not for each job.
_INSERT = {
    name: dialect.insert(_jobs)
    .on_conflict_do_nothing(index_elements=["idempotency_key"])
    .returning(_jobs)
    for name, dialect in (("postgresql", postgresql), ("sqlite", sqlite))
}


_UNFINISHED = text("state IN ('queued', 'running')")  # as in the partial index


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A request with what its pipeline adds to it."""

    id: JobId
    owner: str
    request: JobRequest
    first_stage: str
    max_attempts: int
    is_published_now: bool
    """Whether the caller hands it to the broker at once, or leaves that to the reconciler."""
    traceparent: str | None = None
    """As in `Job`."""


def row_of(new: NewJob, *, now: datetime) -> JsonObject:
    """The first row of the job."""
    request = new.request
    is_keyed = request.idempotency_key is not None
    return {
        "id": new.id,
        "owner": new.owner,
        "pipeline": request.pipeline,
        "params": request.params,
        "state": JobState.QUEUED.value,
        "stage": new.first_stage,
        "fence": 0,
        "attempt": 0,
        "max_attempts": new.max_attempts,
        "deliveries": 0,
        "priority": request.priority,
        "progress": 0.0,
        "message": "",
        "not_before": request.not_before,
        "published_at": now if new.is_published_now else None,
        "parent_id": request.parent_id,
        "idempotency_key": rows.stored_key(request.idempotency_key, owner=new.owner),
        "fingerprint": rows.fingerprint(request) if is_keyed else None,
        "labels": request.labels,
        "webhook_url": request.webhook_url,
        "on_success": rows.dump_follow_up(request.on_success),
        "on_failure": rows.dump_follow_up(request.on_failure),
        "cancel_requested": False,
        "waits_for_children": False,
        "finalizer_due": False,
        "finalizer_runs": 0,
        "created_at": now,
        "traceparent": new.traceparent,
        "traced_fence": None if new.traceparent is None else -1,
    }


def insert_jobs(connection: Connection, prepared: Sequence[JsonObject]) -> dict[JobId, Job]:
    """Insert the rows with their labels; those whose idempotency key is taken are left out."""
    # A list, also of one, takes the library's longer way for many rows.
    values = prepared[0] if len(prepared) == 1 else list(prepared)
    statement = _INSERT[connection.dialect.name]
    added = [rows.parse_job(row) for row in connection.execute(statement, values)]
    _insert_labels(connection, added)
    return {job.id: job for job in added}


def count_unfinished(connection: Connection, owner: str, *, state: JobState | None = None) -> int:
    """How many jobs of the owner are queued or running, or in one of these states."""
    query = select(func.count()).select_from(_jobs).where(_jobs.c.owner == owner, _UNFINISHED)
    if state is not None:
        query = query.where(_jobs.c.state == state.value)
    return int(connection.execute(query).scalar_one())


def _insert_labels(connection: Connection, jobs: Iterable[Job]) -> None:
    labels = [
        {"job_id": job.id, "key": key, "value": value}
        for job in jobs
        for key, value in job.labels.items()
    ]
    if labels:
        connection.execute(insert(_labels), labels)
