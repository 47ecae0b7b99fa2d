"""A job as others see it: the one list of its fields, for API, events, webhooks and callbacks."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import datetime
from typing import Any

from app.jobs.model.job import FollowUp, Job, JobState, JobSummary, Json, JsonObject, Progress
from app.telemetry import masking

ChildCounts = Mapping[JobState, int]
"""How many children of a job are in each state."""

_WITH_URLS = ("params", "on_success", "on_failure", "result", "message")
_INTERNAL = frozenset(("fence", "deliveries", "stage_input", "traceparent"))


def job_document(
    job: Job | JobSummary, *, seen: Progress | None = None, counts: ChildCounts | None = None
) -> dict[str, Any]:  # fields of several types
    """The fields by name, with our own values. `seen` is the progress by the job's last event,
    which may be ahead of its row; `counts` are those of its children."""
    latest = job if seen is None or seen.progress < job.progress else seen
    stored = {one.name: getattr(job, one.name) for one in fields(job) if one.name not in _INTERNAL}
    return {
        **stored,
        "done": job.state.is_final,
        "progress": latest.progress,
        "message": latest.message,
        "speed": latest.speed,
        "eta_seconds": latest.eta_seconds,
        "children": children_document(counts),
    }


def for_clients(document: dict[str, Any]) -> dict[str, Any]:  # the same fields
    """The document without the credentials in the URLs of its job: a client has sent them, and
    whoever reads the job need not know them."""
    shown = {name: _shown(document[name]) for name in _WITH_URLS if name in document}
    if document.get("webhook_url") is not None:
        shown["webhook_url"] = masking.masked(document["webhook_url"])
    return {**document, **shown}


def _shown(value: Any) -> Any:  # JSON, or a follow-up
    if isinstance(value, FollowUp):
        return replace(value, params=masking.without_credentials(value.params))
    return masking.without_credentials(value)


def job_json(job: Job | JobSummary, *, counts: ChildCounts | None = None) -> JsonObject:
    """The same fields, with values that JSON has."""
    return {name: _json(value) for name, value in job_document(job, counts=counts).items()}


def children_document(counts: ChildCounts | None) -> dict[str, int] | None:
    """The counts by name; None when there are no children.

    >>> children_document({JobState.SUCCEEDED: 2, JobState.FAILED: 1})
    {'total': 3, 'queued': 0, 'running': 0, 'succeeded': 2, 'failed': 1, 'cancelled': 0}
    """
    if counts is None:
        return None
    states = {state.value: counts.get(state, 0) for state in JobState}
    return {"total": sum(counts.values()), **states}


def _json(value: Any) -> Json:  # Any: fields of several types
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, JobState):
        return value.value
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    if isinstance(value, FollowUp):
        return {name: one for name, one in asdict(value).items() if one is not None}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
