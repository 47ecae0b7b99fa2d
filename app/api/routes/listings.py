"""Read-only listings: kinds of jobs, schedules, queues, pools, and the chunks that bots know."""

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app import queues
from app.api.json_values import ShownJson, ShownObject, ShownText
from app.api.links import Links
from app.api.requests import Text
from app.api.services import LinksParam, ServicesParam
from app.api.views import Listing, View
from app.broker.model import QueueReading
from app.control.pool.status import PoolStatus
from app.control.report import pool_snapshot as board
from app.jobs.maintenance import scheduler
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.job import JobState, JobSummary, JsonObject
from app.jobs.model.pipeline import Pipeline, Registry
from app.queues import PoolKind, Queue
from app.storage.chunks import Hit
from app.storage.sources import Source, SourceStatus

MOST_HITS = 100

router = APIRouter()


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


class ConditionView(View):
    """One condition of a pool."""

    type: str
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="A word for programs.")
    message: str = Field(description="A sentence for people.")


class PoolView(View):
    """A worker pool by its last tick. Null is "not known", never zero."""

    name: str
    state: str = Field(description="What sets the size now, in one word.")
    mode: str = Field(description="Auto, DryRun or Off.")
    replicas: int | None = Field(description="Workers it is set to.")
    ready_replicas: int | None
    desired_replicas: int | None = Field(description="By the last decision, also while draining.")
    draining_replicas: int | None
    backlog: int | None = Field(description="Ready messages over all of its queues.")
    active_tasks: int | None
    arrival_rate: float | None = Field(description="Messages a second.")
    mean_runtime_seconds: float | None
    queue_wait_seconds: float | None = Field(description="Age of the oldest ready message.")
    explanation: tuple[str, ...] = Field(description="Why this size, rule by rule.")
    conditions: tuple[ConditionView, ...]

    @classmethod
    def of(cls, name: str, status: PoolStatus) -> "PoolView":
        return cls(
            name=name,
            state=status.state,
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
            conditions=tuple(
                ConditionView(
                    type=condition.type,
                    status=condition.status,
                    reason=condition.reason,
                    message=condition.message,
                )
                for condition in status.conditions
            ),
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
    params: ShownObject  # as the kind's schema says
    cron: str = Field(description="Minute, hour, day, month, weekday.")
    timezone: str = Field(description="IANA time zone that `cron` is read in.")
    is_on: bool
    next_at: datetime | None = Field(description="When its next job begins; null when it is off.")
    last_job: ScheduledJobView | None

    @classmethod
    def of(
        cls, schedule: Scheduled, last: JobSummary | None, *, now: datetime, links: Links
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


def _scheduled_job(job: JobSummary, links: Links) -> ScheduledJobView:
    return ScheduledJobView(
        id=job.id,
        state=job.state,
        created_at=job.created_at,
        finished_at=job.finished_at,
        url=links.job(job.id),
    )


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
    score: float = Field(
        description="How well it fits, relative to the best hit of the answer, which has 1."
    )
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


def pipelines(registry: Registry) -> APIRouter:
    """The registry does not change while a process lives: its schemas are made once."""
    router = APIRouter(tags=["pipelines"])
    known = Listing[PipelineView](items=tuple(map(PipelineView.of, registry.values())))

    @router.get("/pipelines")
    async def list_pipelines() -> Listing[PipelineView]:
        """The kinds of job, with the JSON schema of their parameters."""
        return known

    return router


@router.get("/schedules", tags=["schedules"])
def list_schedules(services: ServicesParam, links: LinksParam) -> Listing[ScheduleView]:
    """The schedules in force, when each begins its next job, and what became of the last one."""
    now = datetime.now(UTC)
    found = services.platform.schedules
    last = [scheduler.last_job(services.jobs, schedule) for schedule in found]
    return Listing(
        items=tuple(
            ScheduleView.of(schedule, job, now=now, links=links)
            for schedule, job in zip(found, last, strict=True)
        )
    )


@router.get("/queues", tags=["queues"])
async def list_queues(services: ServicesParam) -> Listing[QueueView]:
    """The declared queues and what they hold in truth: ready over every priority, fetched by
    workers, waiting for their time."""
    names = [queue.name for queue in queues.QUEUES]
    readings = await services.depth.read(names, now_s=time.time(), horizon_s=0.0)
    return Listing(
        items=tuple(QueueView.of(queue, readings[queue.name]) for queue in queues.QUEUES)
    )


@router.get("/pools", tags=["pools"])
async def list_pools(services: ServicesParam) -> Listing[PoolView]:
    """The pools of this platform, their sizes and why they have them. Empty where nothing posts:
    in Kubernetes the WorkerPool objects tell."""
    async with services.broker.asking() as client:
        posted = await client.get(board.KEY)
    pools = board.parse_text(posted).pools if posted is not None else {}
    return Listing(items=tuple(PoolView.of(name, pools[name]) for name in sorted(pools)))


class ChunkQuery(BaseModel):
    """What to look for, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Text = Field(min_length=1, description="Words; a chunk with one of them is found.")
    chatbot_id: Text | None = Field(None, description="Only what this bot knows.")
    source_id: Text | None = Field(None, description="Only chunks of this source.")
    limit: int = Field(10, ge=1, le=MOST_HITS)


@router.get("/chunks", tags=["chunks"])
def search_chunks(
    services: ServicesParam, asked: Annotated[ChunkQuery, Query()]
) -> Listing[ChunkView]:
    """The stored chunks that have a word of the query, best first: those with rare words, and with
    many of them. Case and accents do not matter."""
    platform = services.platform
    hits = platform.chunks.search(
        asked.query, chatbot_id=asked.chatbot_id, source_id=asked.source_id, limit=asked.limit
    )
    sources = platform.sources.by_id({hit.chunk.source_id for hit in hits})
    return Listing(items=tuple(ChunkView.of(hit, sources.get(hit.chunk.source_id)) for hit in hits))
