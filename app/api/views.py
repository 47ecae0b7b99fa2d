"""Responses of several routes: pages of listings, and jobs with their runs and artifacts."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.api import json_values
from app.api.json_values import ShownJson, ShownLine, ShownObject, ShownText
from app.api.links import Links
from app.jobs.model import job_document
from app.jobs.model.job import Artifact, Job, JobState, JobSummary, Progress, RunOutcome
from app.jobs.model.job_document import ChildCounts

Item = TypeVar("Item")


class View(BaseModel):
    """A frozen response, built from the attributes of one of our values."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Listing(View, Generic[Item]):
    """A page of a listing."""

    items: tuple[Item, ...]
    next_cursor: str | None = Field(
        None, description="Cursor of the next page; null on the last one."
    )


class ErrorView(View):
    """Why a job, or a run of one, failed."""

    type: str = Field(description="For programs, such as `NotFound`.")
    message: ShownText = Field(description="For people.")
    retryable: bool = Field(description="Whether the cause may be temporary.")
    attempt: int


class ArtifactView(View):
    """A file produced by a job."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: str = Field(description="Download path on this server.")

    @classmethod
    def of(cls, artifact: Artifact, job: Job, links: Links) -> "ArtifactView":
        return cls(**asdict(artifact), url=links.artifact(job.id, artifact.name))


class FollowUpView(View):
    """What runs when a job has ended."""

    kind: str | None
    task: str | None
    params: ShownObject
    queue: str | None


class ChildrenView(View):
    """Numbers of child jobs by state."""

    total: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int


class JobSummaryView(View):
    """A job in a listing: without parameters, result and artifacts."""

    id: str
    owner: str = Field(description="Who submitted it; empty where no key is needed.")
    pipeline: str
    state: JobState
    done: bool = Field(description="Whether the state is final.")
    stage: str = Field(
        description="The task that runs or comes next; of an ended job, the last one."
    )
    progress: Annotated[float, Field(ge=0, le=100)]
    message: ShownLine
    speed: str | None
    eta_seconds: float | None
    attempt: int = Field(description="Runs of the current stage so far.")
    max_attempts: int
    priority: int = Field(description="0 runs first, 9 last.")
    not_before: datetime | None
    error: ErrorView | None = Field(
        description="In listings, its message is shortened to one line."
    )
    parent_id: str | None
    children: ChildrenView | None = Field(
        description="Jobs that this job has submitted; null if there are none."
    )
    idempotency_key: str | None
    labels: dict[str, str]
    cancel_requested: bool
    dead_lettered_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(
        cls,
        job: Job | JobSummary,
        *,
        seen: Progress | None = None,
        counts: ChildCounts | None = None,
    ) -> "JobSummaryView":
        document = job_document.job_document(job, seen=seen, counts=counts)
        error = job.error
        if error is not None:
            document["error"] = replace(error, message=json_values.one_line(error.message))
        return cls.model_validate(job_document.for_clients(document))


class JobView(JobSummaryView):
    """A job with its parameters, result and artifacts."""

    params: ShownObject
    message: ShownText
    result: ShownJson = Field(description="What the last stage returned.")
    artifacts: tuple[ArtifactView, ...]
    webhook_url: str | None
    on_success: FollowUpView | None
    on_failure: FollowUpView | None

    @classmethod
    def whole(
        cls,
        job: Job,
        *,
        links: Links,
        seen: Progress | None = None,
        counts: ChildCounts | None = None,
    ) -> "JobView":
        document = job_document.job_document(job, seen=seen, counts=counts)
        document = job_document.for_clients(document)
        document["artifacts"] = [ArtifactView.of(found, job, links) for found in job.artifacts]
        return cls.model_validate(document)


class RunView(View):
    """A run of a stage by a worker."""

    stage: str
    attempt: int
    worker: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    outcome: RunOutcome | None = Field(description="Null while it runs.")
    error: ErrorView | None
