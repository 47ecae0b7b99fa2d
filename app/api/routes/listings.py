"""Read-only listings: pipelines, schedules, queues, pools, and stored chunks."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.json_values import ShownJson, ShownObject, ShownText
from app.api.links import Links
from app.api.requests import Text
from app.api.services import LinksParam, ServicesParam
from app.api.views import Listing, View
from app.broker.model import QueueReading
from app.control.report import pool_snapshot
from app.control.report.pool_snapshot import PoolView
from app.jobs.maintenance import scheduler
from app.jobs.maintenance.job_schedules import Scheduled
from app.jobs.model.job import JobState, JobSummary, JsonObject
from app.jobs.model.pipeline import Pipeline, Registry
from app.queues import PoolKind, Queue
from app.storage.chunks import Hit
from app.storage.sources import Source, SourceStatus

HIT_LIMIT = 100

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
    """A queue and its messages. Null means unknown, not zero."""

    name: str
    purpose: str
    ready: int = Field(description="Messages not fetched by a worker, over all priorities.")
    unacked: int | None = Field(
        description="Fetched messages: running, prefetched, or with an ETA."
    )
    scheduled: int | None = Field(description="Unacked messages whose ETA has not come.")
    oldest_age_seconds: float | None = Field(
        validation_alias="oldest_age_s", description="Age of the oldest ready message."
    )
    pool: PoolKind
    concurrency: int = Field(description="Task slots of one replica.")
    min_replicas: int
    max_replicas: int

    @classmethod
    def of(cls, queue: Queue, reading: QueueReading) -> "QueueView":
        return cls.model_validate({**asdict(queue), **asdict(reading)})


class ScheduledJobView(View):
    """The last job that a schedule started."""

    id: str
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    url: str = Field(description="Path of the job on this server.")


class ScheduleView(View):
    """A schedule that starts jobs of one kind."""

    name: str
    kind: str
    params: ShownObject
    cron: str = Field(description="Minute, hour, day, month, weekday.")
    timezone: str = Field(description="IANA time zone of `cron`.")
    is_on: bool
    next_at: datetime | None = Field(
        description="When its next job starts; null if the schedule is off."
    )
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
    """The document or site that a chunk comes from."""

    id: str
    filename: ShownText
    status: SourceStatus
    updated_at: datetime


class ChunkView(View):
    """A stored chunk that matches a search."""

    id: str
    source_id: str
    chatbot_id: str
    ordinal: int = Field(description="Position in its source, from 0.")
    score: float = Field(description="Relevance, relative to the best hit, which has 1.")
    text: ShownText
    tokens: int
    metadata: ShownJson = Field(description="Location: headings, pages, sheet, rows, url.")
    source: SourceView | None = Field(description="Null if the source was deleted.")

    @classmethod
    def of(cls, hit: Hit, source: Source | None) -> "ChunkView":
        found = None if source is None else SourceView.model_validate(source)
        return cls.model_validate({**asdict(hit.chunk), "score": hit.score, "source": found})


def pipelines(registry: Registry) -> APIRouter:
    """The registry does not change at run time, so its schemas are built once."""
    router = APIRouter(tags=["pipelines"])
    known = Listing[PipelineView](items=tuple(map(PipelineView.of, registry.values())))

    @router.get("/pipelines")
    async def list_pipelines() -> Listing[PipelineView]:
        """List the kinds of jobs, with the JSON schema of their parameters."""
        return known

    return router


@router.get("/schedules", tags=["schedules"])
def list_schedules(services: ServicesParam, links: LinksParam) -> Listing[ScheduleView]:
    """List the schedules: the next start and the last job of each."""
    now = datetime.now(UTC)
    found = services.schedules
    last = [scheduler.last_job(services.jobs, schedule) for schedule in found]
    return Listing(
        items=tuple(
            ScheduleView.of(schedule, job, now=now, links=links)
            for schedule, job in zip(found, last, strict=True)
        )
    )


@router.get("/queues", tags=["queues"])
async def list_queues(services: ServicesParam) -> Listing[QueueView]:
    """List the queues, with their ready, fetched and scheduled messages over all priorities."""
    queues = services.registry.queues.values()
    names = [queue.name for queue in queues]
    readings = await services.depth.read(names, now_s=time.time(), horizon_s=0.0)
    return Listing(items=tuple(QueueView.of(queue, readings[queue.name]) for queue in queues))


@router.get("/pools", tags=["pools"])
async def list_pools(services: ServicesParam) -> Listing[PoolView]:
    """List the pools of this machine and the reasons for their sizes. Empty in Kubernetes, where
    the WorkerPool objects have a status."""
    async with services.broker.asking() as client:
        published = await client.get(pool_snapshot.KEY)
    pools = pool_snapshot.parse_snapshot(published).pools if published is not None else {}
    return Listing(items=tuple(PoolView.of(name, pools[name]) for name in sorted(pools)))


class ChunkQuery(BaseModel):
    """A search for chunks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Text = Field(min_length=1, description="Words; chunks that contain one of them match.")
    chatbot_id: Text | None = Field(None, description="Only chunks of this bot.")
    source_id: Text | None = Field(None, description="Only chunks of this source.")
    limit: int = Field(10, ge=1, le=HIT_LIMIT)


@router.get("/chunks", tags=["chunks"])
def search_chunks(
    services: ServicesParam, asked: Annotated[ChunkQuery, Query()]
) -> Listing[ChunkView]:
    """Search the stored chunks. Those with rare words and with many of the words come first. Case
    and accents are ignored."""
    hits = services.stores.chunks.search(
        asked.query, chatbot_id=asked.chatbot_id, source_id=asked.source_id, limit=asked.limit
    )
    sources = services.stores.sources.by_id({hit.chunk.source_id for hit in hits})
    return Listing(items=tuple(ChunkView.of(hit, sources.get(hit.chunk.source_id)) for hit in hits))
