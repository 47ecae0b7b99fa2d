"""What the API shows: our values as JSON, with a schema that the documentation prints."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api import plain
from app.api.links import Links
from app.api.plain import ShownJson, ShownText
from app.broker.model import QueueReading
from app.control.status import PoolStatus
from app.jobs import children
from app.jobs.children import Counts
from app.jobs.events import Seen
from app.jobs.model import Artifact, Job, JobError, JobState, JsonObject, Run, RunOutcome
from app.jobs.pipeline import Pipeline
from app.jobs.schedules import Scheduled
from app.queues import PoolKind, Queue
from app.storage.chunks import Hit
from app.storage.notifications import Channel, DeliveryState, Notification
from app.storage.sources import Source, SourceStatus
from app.storage.uploads import Upload

Item = TypeVar("Item")


class View(BaseModel):
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
    params: Annotated[dict[str, Any], BeforeValidator(plain.shown)]  # as the client gave them
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
    params: Annotated[dict[str, Any], BeforeValidator(plain.shown)]  # as the pipeline's schema says
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


class DeliveryView(View):
    """A notification on its way through one channel."""

    channel: Channel
    state: DeliveryState
    attempts: int
    error: ShownText | None = Field(description="Why the last attempt failed.")
    updated_at: datetime
    delivered_at: datetime | None


class NotificationView(View):
    """What a user was told."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    data: Annotated[dict[str, Any], BeforeValidator(plain.shown)]  # as the sender gave it
    job_id: str | None
    created_at: datetime
    read_at: datetime | None = Field(description="Null while it is unread.")
    deliveries: tuple[DeliveryView, ...]

    @classmethod
    def of(cls, notification: Notification) -> "NotificationView":
        return cls.model_validate(notification)


class DisabledWebhookView(View):
    """An address that nothing is sent to."""

    url: str
    reason: str
    disabled_at: datetime


class UploadView(View):
    """A file that was received, to be named in a job's parameters."""

    id: str = Field(description="The `upload_id` of kinds that work on a file.")
    filename: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime

    @classmethod
    def of(cls, upload: Upload) -> "UploadView":
        return cls.model_validate(upload)


class SourceView(View):
    """The document or site that a chunk is of."""

    id: str
    filename: ShownText
    status: SourceStatus
    updated_at: datetime


class ChunkView(View):
    """A piece of text that was found."""

    id: str
    source_id: str
    chatbot_id: str
    ordinal: int = Field(description="Its place in its source, counted from 0.")
    score: float = Field(description="How well it fits: more is better. Comparable in one answer.")
    text: ShownText
    tokens: int
    metadata: ShownJson = Field(description="Where it stands: headings, pages, sheet, rows, url.")
    source: SourceView | None = Field(description="Null when it was forgotten meanwhile.")

    @classmethod
    def of(cls, hit: Hit, source: Source | None) -> "ChunkView":
        chunk = hit.chunk
        return cls(
            id=chunk.id,
            source_id=chunk.source_id,
            chatbot_id=chunk.chatbot_id,
            ordinal=chunk.ordinal,
            score=hit.score,
            text=chunk.text,
            tokens=chunk.tokens,
            metadata=chunk.metadata,
            source=None if source is None else SourceView.model_validate(source),
        )


class StageView(View):
    """A Celery task of a pipeline."""

    task: str
    queue: str
    progress: tuple[float, float] = Field(description="Its share of the job's progress.")


class PipelineView(View):
    """A kind of job."""

    kind: str
    summary: str
    params_schema: JsonObject = Field(description="JSON schema of the parameters.")
    stages: tuple[StageView, ...]

    @classmethod
    def of(cls, pipeline: Pipeline) -> "PipelineView":
        return cls(
            kind=pipeline.kind,
            summary=pipeline.summary,
            params_schema=pipeline.params.model_json_schema(),
            stages=tuple(StageView.model_validate(stage) for stage in pipeline.stages),
        )


class QueueView(View):
    """What a queue holds in truth. Null is "not known", never zero."""

    name: str
    purpose: str
    ready: int = Field(description="Not fetched by any worker, over all priorities.")
    unacked: int | None = Field(description="Fetched: running, prefetched, or waiting for an ETA.")
    scheduled: int | None = Field(description="Of the unacked ones, those with an ETA to come.")
    oldest_age_seconds: float | None = Field(description="How long the oldest ready one waits.")
    pool: PoolKind
    concurrency: int = Field(description="Task slots of one replica.")
    min_replicas: int
    max_replicas: int

    @classmethod
    def of(cls, queue: Queue, reading: QueueReading) -> "QueueView":
        return cls(
            name=queue.name,
            purpose=queue.purpose,
            ready=reading.ready,
            unacked=reading.unacked,
            scheduled=reading.scheduled,
            oldest_age_seconds=reading.oldest_age_s,
            pool=queue.pool,
            concurrency=queue.concurrency,
            min_replicas=queue.min_replicas,
            max_replicas=queue.max_replicas,
        )


class PoolView(View):
    """A worker pool by its last tick. Null is "not known", never zero."""

    name: str
    mode: str = Field(description="Auto, DryRun or Off.")
    replicas: int | None = Field(description="Workers it is set to.")
    ready_replicas: int | None
    desired_replicas: int | None = Field(description="By the last decision, also while draining.")
    draining_replicas: int
    backlog: int | None = Field(description="Ready messages over all of its queues.")
    active_tasks: int | None
    arrival_rate: float | None = Field(description="Messages a second.")
    mean_runtime_seconds: float | None
    queue_wait_seconds: float | None = Field(description="Age of the oldest ready message.")
    explanation: tuple[str, ...] = Field(description="Why this size, rule by rule.")

    @classmethod
    def of(cls, name: str, status: PoolStatus) -> "PoolView":
        return cls(
            name=name,
            mode=status.mode,
            replicas=status.replicas,
            ready_replicas=status.ready_replicas,
            desired_replicas=status.desired_replicas,
            draining_replicas=status.draining_replicas,
            backlog=status.backlog,
            active_tasks=status.active_tasks,
            arrival_rate=status.arrival_rate,
            mean_runtime_seconds=status.mean_runtime_s,
            queue_wait_seconds=status.queue_wait_s,
            explanation=status.explanation,
        )


class ScheduledJobView(View):
    """The last job that a schedule began."""

    id: str
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    url: str = Field(description="Where the job is, relative to this server.")


class ScheduleView(View):
    """Jobs of one kind that begin by themselves."""

    name: str
    kind: str
    params: Annotated[dict[str, Any], BeforeValidator(plain.shown)]  # as the kind's schema says
    cron: str = Field(description="Minute, hour, day, month, weekday.")
    timezone: str = Field(description="IANA time zone that `cron` is read in.")
    is_on: bool
    next_at: datetime | None = Field(description="When its next job begins; null when it is off.")
    last_job: ScheduledJobView | None

    @classmethod
    def of(
        cls, schedule: Scheduled, last: Job | None, *, now: datetime, links: Links
    ) -> "ScheduleView":
        return cls(
            name=schedule.name,
            kind=schedule.kind,
            params=schedule.params,
            cron=schedule.cron,
            timezone=schedule.zone.key,
            is_on=schedule.is_on,
            next_at=schedule.next_at(now),
            last_job=None if last is None else _scheduled_job(last, links),
        )


def _scheduled_job(job: Job, links: Links) -> ScheduledJobView:
    return ScheduledJobView(
        id=job.id,
        state=job.state,
        created_at=job.created_at,
        finished_at=job.finished_at,
        url=links.job(job.id),
    )
