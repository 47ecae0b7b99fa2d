"""Exports the spans of ended jobs, from their rows.

Workers export nothing, so a worker that is killed takes no span with it, and telemetry costs them
nothing. Beat reads what has ended, sends it, and notes what was received: each span is exported at
least once, under the same id each time.
"""

import bisect
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from app.errors import StorageUnavailable
from app.jobs.maintenance.job_spans import MessageWait, SpanBuilder
from app.jobs.model.job import Job, Run
from app.jobs.model.pipeline import Registry
from app.jobs.store.traced_jobs import TracedJob
from app.telemetry.logs import OutageLog

logger = logging.getLogger(__name__)

BATCH = 200
"""Jobs that are exported at once; some 1,000 spans of 300 bytes."""

INTERVAL_S = 2.0

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""After the receiver has refused spans or did not answer."""

KEPT_STARTS = 20_000
"""Of each queue, to tell what started while a message waited."""


class TracedJobs(Protocol):
    """Ended jobs whose spans are not exported yet (`store.traced_jobs`)."""

    def due(self, *, limit: int) -> list[TracedJob]: ...

    def note_exported(self, jobs: Collection[Job]) -> None:
        """The spans of all runs of these jobs have been received."""


class Receiver(Protocol):
    """Receives spans (OpenTelemetry's `SpanExporter`)."""

    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult: ...

    def shutdown(self) -> None:
        """Give up what is being sent."""


class TraceExport:
    """One export is `export_due`; `start` repeats it in a thread."""

    def __init__(self, jobs: TracedJobs, builder: SpanBuilder, receiver: Receiver) -> None:
        self._jobs = jobs
        self._builder = builder
        self._receiver = receiver
        self._history = defaultdict[str, _QueueHistory](_QueueHistory)
        self._outage = OutageLog(
            logger=logger,
            began="spans are exported later: the receiver does not take them",
            ended="the receiver takes spans again",
        )
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Export until `stop`, in a thread of its own: a receiver that hangs delays no job."""
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the present export."""
        self._stopped.set()
        self._receiver.shutdown()
        if self._thread is not None:
            self._thread.join()

    def export_due(self) -> bool:
        """Export a batch; whether there may be more at once. Raises StorageUnavailable, and
        ReceiverUnavailable when the spans stay due."""
        due = self._jobs.due(limit=BATCH)
        if not due:
            return False
        self._learn(due)
        spans = [span for one in due for span in self._builder.spans(one, self._waits(one))]
        if self._receiver.export(spans) is not SpanExportResult.SUCCESS:
            raise ReceiverUnavailable(f"{len(spans)} spans were not received")
        self._jobs.note_exported([one.job for one in due])
        return len(due) == BATCH

    def _run(self) -> None:
        pause_s, failed_pause_s = INTERVAL_S, FIRST_PAUSE_S
        while not self._stopped.wait(pause_s):
            try:
                has_more = self.export_due()
            except (ReceiverUnavailable, StorageUnavailable) as error:
                self._outage.failed(str(error))
                pause_s = failed_pause_s = min(LONGEST_PAUSE_S, failed_pause_s * 2)
            except Exception:  # the supervisor of this loop: jobs go on without traces
                logger.exception("spans are not exported")
                pause_s = LONGEST_PAUSE_S
            else:
                self._outage.worked()
                pause_s, failed_pause_s = 0.0 if has_more else INTERVAL_S, FIRST_PAUSE_S

    def _learn(self, due: Sequence[TracedJob]) -> None:
        for one in due:
            for run in one.runs:
                self._history[self._builder.queue(one.job, run)].add(run)
        for history in self._history.values():
            history.forget()

    def _waits(self, traced: TracedJob) -> dict[int, MessageWait]:
        return {
            run.fence: self._history[self._builder.queue(traced.job, run)].wait(run)
            for run in traced.runs
        }


def open_export(jobs: TracedJobs, registry: Registry) -> TraceExport:
    """An export to the receiver that OpenTelemetry's environment variables name."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "celeriac")})
    return TraceExport(jobs, SpanBuilder(registry=registry, resource=resource), OTLPSpanExporter())


class ReceiverUnavailable(Exception):
    """The receiver refused the spans or did not answer."""


@dataclass(slots=True)
class _QueueHistory:
    """Which runs of one queue started when, and in which workers."""

    _starts: list[tuple[datetime, str]] = field(default_factory=list)
    """Sorted by time."""

    def add(self, run: Run) -> None:
        bisect.insort(self._starts, (run.started_at, run.worker))

    def forget(self) -> None:
        del self._starts[:-KEPT_STARTS]

    def wait(self, run: Run) -> MessageWait:
        """What started between the publication of a run and its own start."""
        since = run.published_at if run.published_at is not None else run.started_at
        first = bisect.bisect_left(self._starts, (since, ""))
        last = bisect.bisect_left(self._starts, (run.started_at, ""))
        before = bisect.bisect_left(self._starts, (since - timedelta(minutes=1), ""))
        return MessageWait(
            started_ahead=max(0, last - first),
            workers=len({worker for _, worker in self._starts[before:last]}),
        )
