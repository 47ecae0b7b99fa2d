"""A job as the API shows it, with its runs, its artifacts and its errors."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.api.links import Links
from app.api.plain import ShownJson, ShownObject, ShownText
from app.api.views.view import View
from app.jobs import children
from app.jobs.children import Counts
from app.jobs.events import Seen
from app.jobs.model import Artifact, Job, JobError, JobState, Run, RunOutcome


class ErrorView(View):
    """Why a job, or a run of one, failed."""

    type: str = Field(description="For programs, like `NotFound`.")
    message: ShownText = Field(description="For people.")
    retryable: bool = Field(description="Whether it can heal by itself.")
    attempt: int

    @classmethod
    def of(cls, error: JobError | None) -> "ErrorView | None":
        return None if error is None else cls.model_validate(error)


class ArtifactView(View):
    """A file that a job made."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: str = Field(description="Where it is downloaded, relative to this server.")

    @classmethod
    def of(cls, artifact: Artifact, job: Job, links: Links) -> "ArtifactView":
        return cls(
            name=artifact.name,
            media_type=artifact.media_type,
            size_bytes=artifact.size_bytes,
            sha256=artifact.sha256,
            url=links.artifact(job.id, artifact.name),
        )


class FollowUpView(View):
    """What is to be done when a job has ended."""

    kind: str | None
    task: str | None
    params: ShownObject
    queue: str | None


class ChildrenView(View):
    """How many of the jobs that a job has submitted are in each state."""

    total: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int

    @classmethod
    def of(cls, counts: Counts | None) -> "ChildrenView | None":
        told = children.shown(counts)
        return None if told is None else cls(**told)


class JobView(View):
    """One accepted request, and how far it is."""

    id: str
    pipeline: str
    params: ShownObject  # as the pipeline's schema says
    state: JobState
    done: bool = Field(description="Whether the state is final.")
    stage: str = Field(description="The task that runs, or comes next, or was the last one.")
    progress: Annotated[float, Field(ge=0, le=100)]
    message: ShownText
    speed: str | None
    eta_seconds: float | None
    attempt: int = Field(description="Runs of the present stage so far.")
    max_attempts: int
    priority: int = Field(description="0 is served first, 9 last.")
    not_before: datetime | None
    result: ShownJson = Field(description="What the last stage returned.")
    artifacts: tuple[ArtifactView, ...]
    error: ErrorView | None
    parent_id: str | None
    children: ChildrenView | None = Field(
        description="The jobs that it has submitted; null when there are none."
    )
    idempotency_key: str | None
    labels: dict[str, str]
    webhook_url: str | None
    on_success: FollowUpView | None
    on_failure: FollowUpView | None
    cancel_requested: bool
    dead_lettered_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(
        cls, job: Job, *, links: Links, seen: Seen | None = None, counts: Counts | None = None
    ) -> "JobView":
        """The row, with the news of a running job where there are any, and its children."""
        return cls(
            **_plain_fields(job),
            done=job.state.is_final,
            **_progress(job, seen),
            artifacts=tuple(ArtifactView.of(found, job, links) for found in job.artifacts),
            error=ErrorView.of(job.error),
            children=ChildrenView.of(counts),
        )


_OWN_FIELDS = {
    "done",
    "children",
    "artifacts",
    "error",
    "progress",
    "message",
    "speed",
    "eta_seconds",
}
_PLAIN_FIELDS = tuple(name for name in JobView.model_fields if name not in _OWN_FIELDS)


def _plain_fields(job: Job) -> dict[str, Any]:  # fields of several types
    return {name: getattr(job, name) for name in _PLAIN_FIELDS}


def _progress(job: Job, seen: Seen | None) -> dict[str, Any]:  # fields of several types
    source = job if seen is None or seen.progress < job.progress else seen
    return {
        "progress": source.progress,
        "message": source.message,
        "speed": source.speed,
        "eta_seconds": source.eta_seconds,
    }


class RunView(View):
    """One run of one stage by one worker."""

    stage: str
    attempt: int
    worker: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    outcome: RunOutcome | None = Field(description="Null while it runs.")
    error: ErrorView | None

    @classmethod
    def of(cls, run: Run) -> "RunView":
        return cls(
            stage=run.stage,
            attempt=run.attempt,
            worker=run.worker,
            pid=run.pid,
            started_at=run.started_at,
            ended_at=run.ended_at,
            outcome=run.outcome,
            error=ErrorView.of(run.error),
        )
