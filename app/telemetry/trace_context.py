"""W3C trace contexts, and the ids of the trace of a job.

Ids follow from the job, so that every process names the same spans without asking another one: the
worker that runs a stage, and the exporter that writes its span when the run has been recorded.
"""

import hashlib
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

RANDOM_BITS = 56
"""The last bits of a trace id, which W3C Trace Context (level 2) wants to be random."""

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """A span that others continue."""

    trace_id: int
    """128 bits."""
    span_id: int
    """64 bits."""
    is_sampled: bool = True
    is_of_job: bool = False
    """Whether it is a span of one of our jobs."""

    @property
    def header(self) -> str:
        """The value of `traceparent`."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.is_sampled):02x}"


def parse(header: str) -> TraceContext | None:
    """The context of a `traceparent` header; None when it is malformed, as the recommendation says.

    >>> parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").header
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> parse("00-00000000000000000000000000000000-b7ad6b7169203331-01") is None
    True
    """
    found = _HEADER.fullmatch(header.strip())
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5] is not None):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return TraceContext(trace_id=trace_id, span_id=span_id, is_sampled=bool(int(found[4], 16) & 1))


def trace_id_of(job_id: str) -> int:
    """The trace of a job that was submitted outside of any other trace: its id without dashes.

    >>> f"{trace_id_of('0199d7c0-0000-7000-8000-00000000002a'):032x}"
    '0199d7c000007000800000000000002a'
    """
    return uuid.UUID(job_id).int


def span_id_of(job_id: str, name: str, fence: int = 0) -> int:
    """The id of one span of a job; `fence` numbers its runs."""
    digest = hashlib.blake2b(f"{job_id}.{fence}.{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


def is_in_sample(trace_id: int, *, ratio: float) -> bool:
    """Whether a trace belongs to this share of all traces: the same answer in every process."""
    return (trace_id & ((1 << RANDOM_BITS) - 1)) < ratio * (1 << RANDOM_BITS)


_current: ContextVar[TraceContext | None] = ContextVar("celeriac_trace", default=None)


def current() -> TraceContext | None:
    """The context that what happens now belongs to: a client's request, or the run of a stage."""
    return _current.get()


@contextmanager
def continuing(context: TraceContext | None, *, for_libraries: bool = False) -> Iterator[None]:
    """Make this the current context; with `for_libraries` also that of OpenTelemetry, so that the
    spans of instrumented libraries belong to it."""
    token = _current.set(context)
    try:
        if context is None or not for_libraries:
            yield
        else:
            with _in_opentelemetry(context):
                yield
    finally:
        _current.reset(token)


@contextmanager
def _in_opentelemetry(given: TraceContext) -> Iterator[None]:
    from opentelemetry import trace  # 20 ms, for those who trace

    span = trace.NonRecordingSpan(
        trace.SpanContext(
            given.trace_id,
            given.span_id,
            is_remote=True,
            trace_flags=trace.TraceFlags(int(given.is_sampled)),
        )
    )
    with trace.use_span(span):
        yield
