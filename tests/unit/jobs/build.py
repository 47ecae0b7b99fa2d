"""Builders of jobs for tests: a case names only what matters to it."""

from datetime import UTC, datetime
from typing import Any

from app.jobs.model.job import Job, JobId, JobState

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def job_id(number: int = 1) -> JobId:
    return JobId(f"01900000-0000-7000-8000-{number:012d}")


def job(**fields: Any) -> Job:
    """A queued job of the test pipeline; fields as in Job."""
    values: dict[str, Any] = {
        "id": job_id(),
        "owner": "",
        "pipeline": "probe",
        "params": {},
        "state": JobState.QUEUED,
        "stage": "probe_first",
        "fence": 0,
        "attempt": 1,
        "max_attempts": 4,
        "deliveries": 0,
        "priority": 5,
        "progress": 0.0,
        "message": "",
        "speed": None,
        "eta_seconds": None,
        "not_before": None,
        "stage_input": None,
        "result": None,
        "artifacts": (),
        "error": None,
        "parent_id": None,
        "idempotency_key": None,
        "labels": {},
        "webhook_url": None,
        "on_success": None,
        "on_failure": None,
        "cancel_requested": False,
        "dead_lettered_at": None,
        "created_at": NOW,
        "started_at": None,
        "finished_at": None,
    }
    return Job(**{**values, **fields})
