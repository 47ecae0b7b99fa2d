"""Values with defaults: a test names what it is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.jobs.model.job import Artifact, Job, JobId, JobState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

_JOB = Job(
    id=JobId("019a0000-0000-7000-8000-000000000001"),
    owner="",
    pipeline="media",
    params={"url": "http://site/page"},
    state=JobState.QUEUED,
    stage="download_audio",
    fence=0,
    attempt=0,
    max_attempts=4,
    deliveries=0,
    priority=5,
    progress=0.0,
    message="",
    speed=None,
    eta_seconds=None,
    not_before=None,
    stage_input=None,
    result=None,
    artifacts=(),
    error=None,
    parent_id=None,
    idempotency_key=None,
    labels={},
    webhook_url=None,
    on_success=None,
    on_failure=None,
    cancel_requested=False,
    dead_lettered_at=None,
    created_at=NOON,
    started_at=None,
    finished_at=None,
)


def job(**changes: Any) -> Job:  # fields of several types
    return replace(_JOB, **changes)


def artifact(**changes: Any) -> Artifact:  # fields of several types
    song = Artifact(name="song.mp3", media_type="audio/mpeg", size_bytes=10, sha256="abc")
    return replace(song, **changes)
