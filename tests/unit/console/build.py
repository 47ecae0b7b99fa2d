"""What pages show, with defaults: a test names what it is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.console.console_model import (
    ConsoleCondition,
    ConsoleJob,
    ConsoleJobDetail,
    ConsolePool,
    ConsoleQueue,
    Overview,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

_READY = ConsoleCondition(type="Ready", status="True", reason="Reconciled", message="fine")
_QUEUE = ConsoleQueue(
    name="orders", ready=0, unacked=0, scheduled=0, oldest_age_s=None, pool="orders"
)
_POOL = ConsolePool(
    name="orders",
    state="Following",
    replicas=1,
    ready=1,
    desired=1,
    draining=0,
    maximum=4,
    backlog=0,
    active=0,
    arrivals_per_s=0.0,
    runtime_s=1.0,
    explanation=("nothing waits or runs",),
    conditions=(_READY,),
)
_JOB = ConsoleJob(
    id="019a0000-0000-7000-8000-000000000001",
    kind="media",
    state="queued",
    stage="download_audio",
    progress=0.0,
    message="",
    error_type=None,
    error_message=None,
    attempt=0,
    max_attempts=4,
    created_at=NOON,
    started_at=None,
    finished_at=None,
    not_before=None,
)
_OVERVIEW = Overview(at=NOON, queues=(_QUEUE,), pools=(_POOL,), counts={}, failures=())


def queue(**changes: Any) -> ConsoleQueue:  # fields of several types
    return replace(_QUEUE, **changes)


def pool(**changes: Any) -> ConsolePool:  # fields of several types
    return replace(_POOL, **changes)


def overview(**changes: Any) -> Overview:  # fields of several types
    return replace(_OVERVIEW, **changes)


def detail(*, children: dict[str, int] | None = None, **changes: Any) -> ConsoleJobDetail:
    """A job that waits in the queue `orders`."""  # Any: fields of several types
    return ConsoleJobDetail(
        job=replace(_JOB, **changes),
        params={},
        result=None,
        runs=(),
        files=(),
        children=children,
        queue="orders",
    )
