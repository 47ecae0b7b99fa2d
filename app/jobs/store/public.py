"""A job as others see it, in JSON: what webhooks carry and callbacks get."""

from dataclasses import asdict

from app.jobs.model.job import Job, JsonObject
from app.jobs.store import children, rows
from app.jobs.store.children import Counts

_PLAIN = (
    *("id", "pipeline", "params", "stage", "progress", "message", "speed", "eta_seconds"),
    *("attempt", "max_attempts", "priority", "result", "parent_id", "idempotency_key", "labels"),
    *("webhook_url", "cancel_requested"),
)
_MOMENTS = ("not_before", "dead_lettered_at", "created_at", "started_at", "finished_at")


def job_view(job: Job, *, counts: Counts | None = None) -> JsonObject:
    """The same fields as the API shows, as values that JSON has; `counts` are of its children."""
    moments = {name: getattr(job, name) for name in _MOMENTS}
    return {
        **{name: getattr(job, name) for name in _PLAIN},
        **{name: at.isoformat() if at is not None else None for name, at in moments.items()},
        "state": job.state.value,
        "done": job.state.is_final,
        "error": rows.dump_error(job.error),
        "children": children.shown(counts),
        "artifacts": [asdict(artifact) for artifact in job.artifacts],
        "on_success": rows.dump_follow_up(job.on_success),
        "on_failure": rows.dump_follow_up(job.on_failure),
    }
