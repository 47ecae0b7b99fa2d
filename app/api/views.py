"""What several routes show: a page of a listing, and a job with its runs, artifacts and errors."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.api import json_values
from app.api.json_values import ShownJson, ShownLine, ShownObject, ShownText
from app.api.links import Links
from app.jobs.model import job_document
from app.jobs.model.job import Artifact, Job, JobState, JobSummary, Run, RunOutcome, Seen
from app.jobs.model.job_document import ChildCounts

Item = TypeVar("Item")


class View(BaseModel):
    """Made from the attributes of one of our values, and frozen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Listing(View, Generic[Item]):
    """A page of a listing."""

    items: tuple[Item, ...]
    next_cursor: str | None = Field(
        None, description="Where the next page begins; null on the last one."
    )


class ErrorView(View):
    """Why a job, or a run of one, failed."""

    type: str = Field(description="For programs, like `NotFound`.")
    message: ShownText = Field(description="For people.")
    retryable: bool = Field(description="Whether it can heal by itself.")
    attempt: int


class ArtifactView(View):
    """A file that a job made."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: str = Field(description="Where it is downloaded, relative to this server.")

    @classmethod
    def of(cls, artifact: Artifact, job: Job, links: Links) -> "ArtifactView":
        return cls(**asdict(artifact), url=links.artifact(job.id, artifact.name))


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


class JobSummaryView(View):
    """A job in a listing: without its parameters, its result and its artifacts."""

    id: str
    pipeline: str
    state: JobState
    done: bool = Field(description="Whether the state is final.")
    stage: str = Field(description="The task that runs, or comes next, or was the last one.")
    progress: Annotated[float, Field(ge=0, le=100)]
    message: ShownLine
    speed: str | None
    eta_seconds: float | None
    attempt: int = Field(description="Runs of the present stage so far.")
    max_attempts: int
    priority: int = Field(description="0 is served first, 9 last.")
    not_before: datetime | None
    error: ErrorView | None = Field(description="Its message is one line in a listing.")
    parent_id: str | None
    children: ChildrenView | None = Field(
        description="The jobs that it has submitted; null when there are none."
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
        cls, job: Job | JobSummary, *, seen: Seen | None = None, counts: ChildCounts | None = None
    ) -> "JobSummaryView":
        document = job_document.job_document(job, seen=seen, counts=counts)
        error = job.error
        if error is not None:
            document["error"] = replace(error, message=json_values.one_line(error.message))
        return cls.model_validate(document)


class JobView(JobSummaryView):
    """One accepted request, and how far it is."""

    params: ShownObject  # as the pipeline's schema says
    message: ShownText
    result: ShownJson = Field(description="What the last stage returned.")
    artifacts: tuple[ArtifactView, ...]
    webhook_url: str | None
    on_success: FollowUpView | None
    on_failure: FollowUpView | None

    @classmethod
    def whole(
        cls, job: Job, *, links: Links, seen: Seen | None = None, counts: ChildCounts | None = None
    ) -> "JobView":
        document = job_document.job_document(job, seen=seen, counts=counts)
        document["artifacts"] = [ArtifactView.of(found, job, links) for found in job.artifacts]
        return cls.model_validate(document)


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
        return cls.model_validate(run)
