"""What a job is: frozen values that the store returns and the API shows."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from app.queues import DEFAULT_PRIORITY

JobId = NewType("JobId", str)

Json = Any  # a JSON value: the type system has no better word for it
JsonObject = dict[str, Json]


class JobState(StrEnum):
    """Where a job stands. The last three are final, but `retry` queues a failed job again."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class RunOutcome(StrEnum):
    """The outcome of a run of a stage."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its lease expired: the worker died or stalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed, for programs (`type`) and for people (`message`)."""

    type: str
    message: str
    retryable: bool
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is."""

    progress: float
    message: str = ""
    speed: str | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a job made, kept in the artifact store."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What is to be done when a job has ended: either another job, or a plain Celery task."""

    kind: str | None = None
    """A pipeline. It gets `params`, in which `{{result.title}}` stands for a part of the job."""
    task: str | None = None
    """A Celery task. It gets the job as its argument, and `params` as keyword arguments."""
    params: JsonObject = field(default_factory=dict)
    queue: str | None = None
    """Of the task, where the routes of this application do not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a client asks for. `params` fit the pipeline's schema already."""

    pipeline: str
    params: JsonObject
    priority: int = DEFAULT_PRIORITY
    not_before: datetime | None = None
    max_attempts: int | None = None
    parent_id: JobId | None = None
    idempotency_key: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    on_success: FollowUp | None = None
    on_failure: FollowUp | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The kind of the job, and of those that may follow it."""
        following = (self.on_success, self.on_failure)
        kinds = (one.kind for one in following if one is not None and one.kind is not None)
        return frozenset({self.pipeline, *kinds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One accepted request: one row."""

    id: JobId
    """UUIDv7, so that ids sort by time of creation."""
    owner: str
    """Who submitted it; empty where no key is needed."""
    pipeline: str
    params: JsonObject
    state: JobState
    stage: str
    """The task name of the stage that runs or comes next; of the last one when the job ended."""
    fence: int
    """Rises with every claim, and when a job is taken up again; a writer or a message that presents
    an older number is refused (fencing token)."""
    attempt: int
    """Runs of the present stage so far."""
    max_attempts: int
    deliveries: int
    """Claims of the present stage whose worker died; reset when a stage ends."""
    priority: int
    progress: float
    """Percent, 0 to 100; never goes backwards."""
    message: str
    speed: str | None
    eta_seconds: float | None
    not_before: datetime | None
    stage_input: Json
    """What the previous stage returned."""
    result: Json
    artifacts: tuple[Artifact, ...]
    error: JobError | None
    parent_id: JobId | None
    idempotency_key: str | None
    labels: dict[str, str]
    webhook_url: str | None
    """Receives a webhook when the job ends."""
    on_success: FollowUp | None
    on_failure: FollowUp | None
    cancel_requested: bool
    dead_lettered_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    traceparent: str | None = None
    """The trace that it was submitted in: a W3C `traceparent`, or "" for a trace of its own. None
    when it is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """A job in a listing. Parameters, results and follow-ups are left out: each may be megabytes,
    and a page has hundreds of jobs."""

    id: JobId
    owner: str
    pipeline: str
    state: JobState
    stage: str
    attempt: int
    max_attempts: int
    priority: int
    progress: float
    message: str
    speed: str | None
    eta_seconds: float | None
    not_before: datetime | None
    error: JobError | None
    parent_id: JobId | None
    idempotency_key: str | None
    labels: dict[str, str]
    cancel_requested: bool
    dead_lettered_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The record of one run of one stage by one worker: a job's history."""

    job_id: JobId
    stage: str
    attempt: int
    fence: int
    worker: str
    """Celery's node name, `name@host`."""
    pid: int
    published_at: datetime | None
    """When its message was handed to the broker."""
    started_at: datetime
    ended_at: datetime | None
    outcome: RunOutcome | None
    error: JobError | None
