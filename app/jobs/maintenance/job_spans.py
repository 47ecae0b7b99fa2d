"""The spans of an ended job, from its rows.

Names and attributes follow the semantic conventions for messaging; ours begin with `celeriac.`.
Spans have no parameters, results or messages of errors, which may be personal or secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from app.jobs.model import job_trace, ticket
from app.jobs.model.job import Job, JobState, Run, RunOutcome
from app.jobs.model.job_trace import JOB_SPAN, RUN_SPAN, JobTrace
from app.jobs.model.pipeline import Registry
from app.jobs.store.traced_jobs import TracedJob
from app.telemetry import trace_context
from app.telemetry.trace_context import TraceContext

SYSTEM = "redis"
"""`messaging.system`: the conventions have no name for Celery, and want that of the broker."""

SCOPE = InstrumentationScope("celeriac.jobs")

SHORTEST_DELAY = timedelta(milliseconds=50)
"""A shorter pause before a message is published is not shown."""

Attributes = dict[str, str | int | bool]


class Delay(StrEnum):
    """Why a stage was not published at once."""

    NOT_BEFORE = "not_before"
    RETRY = "retry"
    CHILDREN = "children"
    LOST_RUN = "lost_run"
    BROKER = "broker"
    """The broker did not take the message at first."""


class WaitReason(StrEnum):
    """Why a message waited in its queue."""

    NONE = "none"
    BEHIND_OTHERS = "behind_others"
    NO_WORKER = "no_worker"
    SLOTS_BUSY = "slots_busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWait:
    """The wait of one message, by what its queue did meanwhile."""

    started_ahead: int
    """Runs of the queue that started while it waited."""
    workers: int
    """Workers that ran something of the queue meanwhile."""

    def reason(self, waited: timedelta) -> WaitReason:
        if waited < timedelta(seconds=1):
            return WaitReason.NONE
        if self.started_ahead:
            return WaitReason.BEHIND_OTHERS
        return WaitReason.SLOTS_BUSY if self.workers else WaitReason.NO_WORKER


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanBuilder:
    """Builds the spans of jobs of these pipelines."""

    registry: Registry
    resource: Resource

    def spans(
        self, traced: TracedJob, waits: Mapping[int, MessageWait] | None = None
    ) -> list[ReadableSpan]:
        """The spans that are not exported yet, the longest first. `waits` are known by the fence
        of their run."""
        trace = job_trace.trace_of(traced.job)
        if trace is None:
            return []
        one = _OneTrace(self, traced.job, trace)
        whole = [*one.of_job()] if traced.is_first else []
        return whole + [
            span
            for before, run in zip((None, *traced.runs), traced.runs, strict=False)
            for span in one.of_run(run, before, (waits or {}).get(run.fence))
        ]

    def queue(self, job: Job, run: Run) -> str:
        """The queue that a run was published to."""
        pipeline = self.registry.get(job.pipeline)
        if pipeline is None:
            return ""
        parts = [*pipeline.stages, *([pipeline.finalizer] if pipeline.finalizer else [])]
        return next((str(part.queue) for part in parts if part.task == run.stage), "")


class _OneTrace:
    """The spans of one job."""

    def __init__(self, builder: SpanBuilder, job: Job, trace: JobTrace) -> None:
        self._builder = builder
        self._job = job
        self._trace = trace
        self._whole = self._own(JOB_SPAN)

    def of_job(self) -> Iterator[ReadableSpan]:
        """The whole job, and the request that created it."""
        job = self._job
        ended_at = job.finished_at if job.finished_at is not None else job.created_at
        attributes: Attributes = {
            **self._of_job(),
            "celeriac.job.state": job.state.value,
            "celeriac.job.priority": job.priority,
        }
        if job.parent_id is not None:
            attributes["celeriac.job.parent_id"] = job.parent_id
        yield self._span(
            f"job {job.pipeline}",
            self._whole,
            SpanKind.INTERNAL,
            (job.created_at, ended_at),
            attributes,
            parent=self._trace.parent,
            error=_error_of_job(job),
            links=() if self._trace.link is None else (self._trace.link,),
        )
        yield self._message(
            "create", "", self._own("create"), (job.created_at, job.created_at), {}, None
        )

    def of_run(
        self, run: Run, before: Run | None, wait: MessageWait | None
    ) -> Iterator[ReadableSpan]:
        """One message: its delay, how it was sent, its wait, and its run."""
        queue = self._builder.queue(self._job, run)
        published_at = run.published_at if run.published_at is not None else run.started_at
        since = _free_at(self._job, before)
        if published_at - since > SHORTEST_DELAY:
            why: Attributes = {"celeriac.delay.reason": self._delay(run, before).value}
            span_id = self._own("delay", run.fence)
            of_job = {**self._of_job(), **why}
            yield self._span(
                f"delay {queue}", span_id, SpanKind.INTERNAL, (since, published_at), of_job
            )
        sent = self._own("send", run.fence)
        yield self._message("send", queue, sent, (published_at, published_at), {}, run)
        yield self._wait(run, queue, published_at, wait)
        yield self._process(run, queue, sent)

    def _wait(
        self, run: Run, queue: str, published_at: datetime, wait: MessageWait | None
    ) -> ReadableSpan:
        attributes: Attributes = {**self._of_job(), "messaging.destination.name": queue}
        if wait is not None:
            attributes["celeriac.wait.started_ahead"] = wait.started_ahead
            attributes["celeriac.wait.workers"] = wait.workers
            attributes["celeriac.wait.reason"] = wait.reason(run.started_at - published_at).value
        times = (published_at, max(run.started_at, published_at))
        own = self._own("wait", run.fence)
        return self._span(f"wait {queue}", own, SpanKind.INTERNAL, times, attributes)

    def _process(self, run: Run, queue: str, sent: TraceContext) -> ReadableSpan:
        ended_at = run.ended_at if run.ended_at is not None else run.started_at
        attributes: Attributes = {
            "messaging.client.id": run.worker,
            "process.pid": run.pid,
            "celeriac.job.stage": run.stage,
            "celeriac.job.attempt": run.attempt,
            "celeriac.run.outcome": "unknown" if run.outcome is None else run.outcome.value,
        }
        return self._message(
            "process",
            queue,
            self._own(RUN_SPAN, run.fence),
            (run.started_at, ended_at),
            attributes,
            run,
            links=(sent,),
        )

    def _message(
        self,
        operation: str,
        queue: str,
        own: TraceContext,
        times: tuple[datetime, datetime],
        attributes: Attributes,
        run: Run | None,
        *,
        links: Sequence[TraceContext] = (),
    ) -> ReadableSpan:
        """A span of an operation on a message."""
        destination = queue or self._first_queue()
        of_message: Attributes = {
            "messaging.system": SYSTEM,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": destination,
            "messaging.message.conversation_id": self._job.id,
        }
        if run is not None:
            of_message["messaging.message.id"] = ticket.task_id(self._job.id, run.fence - 1)
        is_process = operation == "process"
        return self._span(
            f"{operation} {destination}",
            own,
            SpanKind.CONSUMER if is_process else SpanKind.PRODUCER,
            times,
            {**self._of_job(), **of_message, **attributes},
            error=_error_of_run(run) if is_process else None,
            links=links,
        )

    def _span(
        self,
        name: str,
        own: TraceContext,
        kind: SpanKind,
        times: tuple[datetime, datetime],
        attributes: Attributes,
        *,
        parent: TraceContext | None = None,
        error: str | None = None,
        links: Sequence[TraceContext] = (),
    ) -> ReadableSpan:
        inside = parent if own is self._whole else self._whole
        failed = {} if error is None else {"error.type": error}
        return ReadableSpan(
            name=name,
            context=_span_context(own),
            parent=None if inside is None else _span_context(inside),
            resource=self._builder.resource,
            attributes={**attributes, **failed},
            links=[Link(_span_context(link)) for link in links],
            kind=kind,
            status=Status(StatusCode.UNSET if error is None else StatusCode.ERROR),
            start_time=_nanoseconds(times[0]),
            end_time=_nanoseconds(times[1]),
            instrumentation_scope=SCOPE,
        )

    def _own(self, name: str, fence: int = 0) -> TraceContext:
        span_id = trace_context.span_id_of(self._job.id, name, fence)
        return TraceContext(trace_id=self._trace.trace_id, span_id=span_id)

    def _of_job(self) -> Attributes:
        return {"celeriac.job.id": self._job.id, "celeriac.job.kind": self._job.pipeline}

    def _first_queue(self) -> str:
        pipeline = self._builder.registry.get(self._job.pipeline)
        return "" if pipeline is None else str(pipeline.stages[0].queue)

    def _delay(self, run: Run, before: Run | None) -> Delay:
        if before is None:
            return Delay.NOT_BEFORE
        match before.outcome:
            case RunOutcome.LOST:
                return Delay.LOST_RUN
            case RunOutcome.SUCCEEDED:
                return Delay.CHILDREN if self._waits_for_children(run) else Delay.BROKER
            case _:
                return Delay.RETRY

    def _waits_for_children(self, run: Run) -> bool:
        pipeline = self._builder.registry.get(self._job.pipeline)
        stages = () if pipeline is None else pipeline.stages
        return any(stage.after_children for stage in stages if stage.task == run.stage)


def _free_at(job: Job, before: Run | None) -> datetime:
    """When what came before a run was over."""
    if before is None or before.ended_at is None:
        return job.created_at
    return before.ended_at


def _error_of_job(job: Job) -> str | None:
    if job.state is JobState.FAILED:
        return job.error.type if job.error is not None else "_OTHER"
    return None


def _error_of_run(run: Run | None) -> str | None:
    if run is None or run.outcome in (RunOutcome.SUCCEEDED, RunOutcome.CANCELLED):
        return None
    if run.outcome is RunOutcome.LOST:
        return "lost"
    return run.error.type if run.error is not None else "_OTHER"


def _span_context(context: TraceContext) -> SpanContext:
    flags = TraceFlags(int(context.is_sampled))
    return SpanContext(context.trace_id, context.span_id, is_remote=False, trace_flags=flags)


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000
