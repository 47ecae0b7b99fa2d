"""Counts task events. Memory and the number of series are bounded, whatever the events and the run
time."""

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from app.broker import model
from app.broker.workers.task_events import TaskEvent, TaskEventKind
from app.exporter.series import FORGOTTEN_S, label_value

OTHER = "(other)"
"""Stands for all label values past a limit."""
UNKNOWN = "(unknown)"
"""The name of a task whose first events were not received."""
DEFAULT_QUEUE = "celery"
"""The queue, in celery-exporter, of a task whose sent event was not received."""

SERIES_LIMIT = 2_000
"""Combinations of task, host and queue; each has at most some sixty series. At the limit, one
without events for `FORGOTTEN_S` makes room for a new one."""
EXCEPTION_LIMIT = 20
"""Classes of exceptions per combination; others are counted together."""
OPEN_TASKS_LIMIT = 50_000
"""Maximum number of running tasks whose names are kept."""

_ENDS = (TaskEventKind.SUCCEEDED, TaskEventKind.FAILED, TaskEventKind.REVOKED)

BOUNDS_S = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
)
"""Upper bounds: the usual ones, and further ones for tasks that take up to half an hour."""


class Histogram:
    """Counts durations, with constant memory."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration; what is not a number of seconds (infinite, NaN) is left out.

        >>> found = Histogram()
        >>> found.add(0.2)
        >>> found.add(10_000)
        >>> [count for bound, count in found.buckets() if bound in ("0.1", "0.25", "+Inf")]
        [0.0, 1.0, 2.0]
        """
        if not math.isfinite(duration_s):
            return
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound."""
        names = (*map(str, BOUNDS_S), "+Inf")
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """The labels of a series."""

    name: str
    hostname: str
    queue: str


OTHERS = TaskLabels(OTHER, OTHER, OTHER)


@dataclass(slots=True)
class Counts:
    """The counters of one combination of labels."""

    seen_at_s: float = 0.0
    """When the last event of it came."""
    is_of_worker: bool = False
    """A client only ever sends."""
    by_kind: dict[TaskEventKind, int] = field(default_factory=dict)
    by_exception: dict[str, int] = field(default_factory=dict)
    runtime: Histogram = field(default_factory=Histogram)
    queue_wait: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """Facts from earlier events of a task."""

    name: str = UNKNOWN
    queue: str = DEFAULT_QUEUE
    waits_since_s: float | None = None
    """When it was sent, else received. Not known of a task with an ETA: that wait is wanted."""


class TaskTally:
    """The counters of one application."""

    def __init__(self, *, series_limit: int = SERIES_LIMIT) -> None:
        self._series_limit = series_limit
        self._open: OrderedDict[str, _Open] = OrderedDict()
        # In the order of the last event.
        self._counts: OrderedDict[TaskLabels, Counts] = OrderedDict()
        self._seen_at_s: dict[str, float] = {}

    @property
    def counts(self) -> Mapping[TaskLabels, Counts]:
        """Everything that was counted of hosts that are not forgotten."""
        return self._counts

    def note(self, event: TaskEvent, *, now_s: float) -> None:
        """Count an event."""
        known = self._told_by(event)
        labels = self._labels(event, known, now_s=now_s)
        counts = self._counts.setdefault(labels, Counts())
        self._counts.move_to_end(labels)
        counts.seen_at_s = now_s
        counts.is_of_worker |= event.kind is not TaskEventKind.SENT
        counts.by_kind[event.kind] = counts.by_kind.get(event.kind, 0) + 1
        self._seen_at_s[labels.hostname] = now_s
        if event.kind is TaskEventKind.FAILED:
            _count_exception(counts, event.exception or "")
        if event.runtime_s is not None:
            counts.runtime.add(event.runtime_s)
        if event.kind is TaskEventKind.STARTED and known.waits_since_s is not None:
            # The clocks of sender and worker may differ.
            counts.queue_wait.add(max(0.0, event.at_s - known.waits_since_s))

    def forget_hosts(self, *, silent_since_s: float, but: frozenset[str] = frozenset()) -> None:
        """Drop the series of hosts without events since then, except those in `but`."""
        gone = {
            host
            for host, seen_at_s in self._seen_at_s.items()
            if seen_at_s < silent_since_s and host not in but
        }
        for labels in [labels for labels in self._counts if labels.hostname in gone]:
            del self._counts[labels]
        for host in gone:
            del self._seen_at_s[host]

    def _told_by(self, event: TaskEvent) -> _Open:
        """Update and return the facts of the event's task."""
        known = self._open.pop(event.task_id, _Open())
        known = replace(
            known,
            name=label_value(event.name) if event.name else known.name,
            queue=label_value(event.queue) if event.queue else known.queue,
            waits_since_s=_waits_since_s(known, event),
        )
        if event.kind not in _ENDS:
            self._open[event.task_id] = known
        while len(self._open) > OPEN_TASKS_LIMIT:
            self._open.popitem(last=False)
        return known

    def _labels(self, event: TaskEvent, known: _Open, *, now_s: float) -> TaskLabels:
        labels = TaskLabels(known.name, label_value(model.host_of(event.node)), known.queue)
        if labels in self._counts or len(self._counts) < self._series_limit:
            return labels
        eldest = next(iter(self._counts))
        if now_s - self._counts[eldest].seen_at_s < FORGOTTEN_S:
            return OTHERS
        del self._counts[eldest]
        return labels


def _waits_since_s(known: _Open, event: TaskEvent) -> float | None:
    if event.has_eta or event.kind is TaskEventKind.RETRIED:
        return None
    if event.kind is TaskEventKind.SENT:
        return event.at_s
    if event.kind is TaskEventKind.RECEIVED and known.waits_since_s is None:
        return event.at_s
    return known.waits_since_s


def _count_exception(counts: Counts, exception: str) -> None:
    exception = label_value(exception)
    is_new = exception not in counts.by_exception
    if is_new and len(counts.by_exception) >= EXCEPTION_LIMIT:
        exception = OTHER
    counts.by_exception[exception] = counts.by_exception.get(exception, 0) + 1
