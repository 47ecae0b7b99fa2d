"""The trace that a job belongs to, and the contexts that its runs and its children continue."""

from dataclasses import dataclass

from app.jobs.model.job import Job
from app.telemetry import trace_context
from app.telemetry.trace_context import TraceContext

JOB_SPAN, RUN_SPAN = "job", "process"
"""Names in the ids of spans that others refer to."""

_LINK = "link="
"""Before the `traceparent` of a job that has a trace of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRules:
    """Which jobs are traced."""

    is_on: bool
    ratio: float = 1.0
    """Share of the jobs that begin a trace of their own."""
    links_children: bool = False
    """Whether jobs that a job submits have traces of their own that link to it."""

    def traceparent(self, job_id: str, current: TraceContext | None) -> str | None:
        """What a new job keeps of the trace it is submitted in, as in `Job.traceparent`."""
        if not self.is_on:
            return None
        if current is not None:
            if not current.is_sampled:
                return None
            is_linked = current.is_of_job and self.links_children
            return f"{_LINK}{current.header}" if is_linked else current.header
        trace_id = trace_context.trace_id_of(job_id)
        return "" if trace_context.is_in_sample(trace_id, ratio=self.ratio) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrace:
    """Where the spans of a job belong."""

    trace_id: int
    parent: TraceContext | None
    """What its first span continues."""
    link: TraceContext | None
    """What it only refers to."""


def trace_of(job: Job) -> JobTrace | None:
    """None when the job is not traced."""
    if job.traceparent is None:
        return None
    context = trace_context.parse(job.traceparent.removeprefix(_LINK))
    if context is None or job.traceparent.startswith(_LINK):
        own_id = trace_context.trace_id_of(job.id)
        return JobTrace(trace_id=own_id, parent=None, link=context)
    return JobTrace(trace_id=context.trace_id, parent=context, link=None)


def job_context(job: Job) -> TraceContext | None:
    """The span of the whole job, which its callbacks continue."""
    return _context(job, trace_context.span_id_of(job.id, JOB_SPAN))


def run_context(job: Job) -> TraceContext | None:
    """The span of the run that the job's fence numbers, which the work itself continues."""
    return _context(job, trace_context.span_id_of(job.id, RUN_SPAN, job.fence))


def _context(job: Job, span_id: int) -> TraceContext | None:
    found = trace_of(job)
    if found is None:
        return None
    return TraceContext(trace_id=found.trace_id, span_id=span_id, is_of_job=True)
