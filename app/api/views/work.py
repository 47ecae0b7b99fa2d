"""What there is to work with: kinds of jobs, queues, pools."""

from pydantic import Field

from app.api.views.view import View
from app.broker.model import QueueReading
from app.control.pool.status import PoolStatus
from app.jobs.model.job import JsonObject
from app.jobs.model.pipeline import Pipeline
from app.queues import PoolKind, Queue


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
