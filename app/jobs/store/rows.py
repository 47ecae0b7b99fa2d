"""Rows of the database as values, and back."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Row

from app.jobs.model.job import (
    Artifact,
    FollowUp,
    Job,
    JobError,
    JobId,
    JobRequest,
    JobState,
    JobSummary,
    JsonObject,
    Run,
    RunOutcome,
)
from app.storage import engine, ownership

AnyRow = Row[Any]  # columns of one row differ in type

_JOB_FIELDS = frozenset(Job.__dataclass_fields__)


def new_id() -> JobId:
    """A UUIDv7: ids sort by the time they were made."""
    return JobId(str(uuid_utils.uuid7()))


def first_id_at(moment: datetime) -> JobId:
    """The smallest id that can have been made at this moment: a bound for ranges of time."""
    bits = int(moment.timestamp() * 1000) << 80
    return JobId(str(uuid_utils.UUID(int=bits)))


def fingerprint(request: JobRequest) -> str:
    """Equal for two requests that ask for the same."""
    asked = {
        "pipeline": request.pipeline,
        "params": request.params,
        "priority": request.priority,
        "parent_id": request.parent_id,
        "labels": request.labels,
        "webhook_url": request.webhook_url,
    }
    # Only if set: fingerprints from before these fields existed stay valid.
    for name in ("on_success", "on_failure"):
        if (follow_up := dump_follow_up(getattr(request, name))) is not None:
            asked[name] = follow_up
    canonical = engine.dump_json({key: asked[key] for key in sorted(asked)}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def stored_key(key: str | None, *, owner: str) -> str | None:
    """The idempotency key as it is stored: each owner has keys of its own."""
    return None if key is None else ownership.job_scope(owner).own_name(key)


def _shown_key(stored: str | None) -> str | None:
    return None if stored is None else ownership.plain_name(stored)


def parse_job(row: AnyRow, artifacts: Sequence[Artifact] = ()) -> Job:
    values = {name: value for name, value in row._mapping.items() if name in _JOB_FIELDS}
    return Job(
        **{
            **values,
            "state": JobState(values["state"]),
            "error": parse_error(values["error"]),
            "idempotency_key": _shown_key(values["idempotency_key"]),
            "on_success": parse_follow_up(values["on_success"]),
            "on_failure": parse_follow_up(values["on_failure"]),
            "artifacts": tuple(artifacts),
        }
    )


def parse_summary(row: AnyRow) -> JobSummary:
    values = dict(row._mapping)
    return JobSummary(
        **{
            **values,
            "state": JobState(values["state"]),
            "error": parse_error(values["error"]),
            "idempotency_key": _shown_key(values["idempotency_key"]),
        }
    )


def parse_run(row: AnyRow) -> Run:
    values = dict(row._mapping)
    outcome = values["outcome"]
    return Run(
        **{
            **values,
            "outcome": None if outcome is None else RunOutcome(outcome),
            "error": parse_error(values["error"]),
        }
    )


def parse_artifact(row: AnyRow) -> Artifact:
    return Artifact(
        name=row.name, media_type=row.media_type, size_bytes=row.size_bytes, sha256=row.sha256
    )


def parse_error(value: JsonObject | None) -> JobError | None:
    return None if value is None else JobError(**value)


def dump_error(error: JobError | None) -> JsonObject | None:
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "retryable": error.retryable,
        "attempt": error.attempt,
    }


def parse_follow_up(value: JsonObject | None) -> FollowUp | None:
    return None if value is None else FollowUp(**value)


def dump_follow_up(follow_up: FollowUp | None) -> JsonObject | None:
    if follow_up is None:
        return None
    return {name: value for name, value in asdict(follow_up).items() if value is not None}
