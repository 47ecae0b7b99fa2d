"""Builds the metric families of an application: celery-exporter's names and labels, with actual
queue depths. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from app.broker.model import NodeConsumers, QueueReading
from app.broker.workers.task_events import TaskEventKind
from app.exporter.series import Host, label_value
from app.exporter.tally import Counts, Histogram, TaskLabels

MOST = 1_000_000_000
"""Cap for numbers from workers: a larger one would not fit into a sample."""

_TASK_LABELS = ("name", "hostname", "queue_name")

_TASK_HELP = {
    TaskEventKind.SENT: "Tasks that clients have published.",
    TaskEventKind.RECEIVED: "Tasks that workers have received.",
    TaskEventKind.STARTED: "Tasks that workers have begun.",
    TaskEventKind.SUCCEEDED: "Tasks that have succeeded.",
    TaskEventKind.FAILED: "Tasks that have failed, by the class of the exception.",
    TaskEventKind.REJECTED: "Tasks that workers have rejected.",
    TaskEventKind.REVOKED: "Tasks that were revoked.",
    TaskEventKind.RETRIED: "Tasks that have failed and are retried.",
}


def of_tasks(counts: Mapping[TaskLabels, Counts]) -> Iterator[Metric]:
    """The metrics from task events. A worker's counters begin at 0, so that their rates exist."""
    for kind, text in _TASK_HELP.items():
        yield _counter(kind, text, counts)
    runtime = HistogramMetricFamily(
        "celery_task_runtime", "Run times of tasks that have succeeded, in s.", labels=_TASK_LABELS
    )
    wait = HistogramMetricFamily(
        "celery_task_queue_wait_time",
        "From publish (else from receipt) to start, in s; without tasks that have an ETA.",
        labels=_TASK_LABELS,
    )
    for labels, each in counts.items():
        if each.is_of_worker:
            _add_histogram(runtime, labels, each.runtime)
            _add_histogram(wait, labels, each.queue_wait)
    yield runtime
    yield wait


def _counter(
    kind: TaskEventKind, text: str, counts: Mapping[TaskLabels, Counts]
) -> CounterMetricFamily:
    is_failed = kind is TaskEventKind.FAILED
    names = (*_TASK_LABELS[:2], "exception", _TASK_LABELS[2]) if is_failed else _TASK_LABELS
    family = CounterMetricFamily(f"celery_task_{kind}", text, labels=names)
    for labels, each in counts.items():
        if is_failed and each.is_of_worker:
            for exception, count in (each.by_exception or {"": 0}).items():
                family.add_metric([labels.name, labels.hostname, exception, labels.queue], count)
        elif not is_failed and (each.is_of_worker or kind in each.by_kind):
            family.add_metric(_values(labels), each.by_kind.get(kind, 0))
    return family


def _add_histogram(family: HistogramMetricFamily, labels: TaskLabels, found: Histogram) -> None:
    family.add_metric(_values(labels), buckets=found.buckets(), sum_value=found.sum_s)


def _values(labels: TaskLabels) -> list[str]:
    return [labels.name, labels.hostname, labels.queue]


def of_workers(hosts: Mapping[str, Host]) -> Iterator[Metric]:
    """The metrics from heartbeats."""
    up = GaugeMetricFamily(
        "celery_worker_up", "Whether a worker has a recent heartbeat.", labels=["hostname"]
    )
    active = GaugeMetricFamily(
        "celery_worker_tasks_active", "Tasks that a worker runs.", labels=["hostname"]
    )
    for name, host in hosts.items():
        up.add_metric([label_value(name)], float(host.is_up))
        active.add_metric([label_value(name)], _count(host.active))
    yield up
    yield active


def of_consumers(answers: Iterable[NodeConsumers], queues: Collection[str]) -> Iterator[Metric]:
    """The metrics of consumers, by the workers' last answers; 0 for a queue without one."""
    workers: dict[str, int] = defaultdict(int)
    slots: dict[str, int] = defaultdict(int)
    for answer in answers:
        for queue in answer.shared:
            workers[queue.name] += 1
            slots[queue.name] += answer.slots or 0
    yield _by_queue("celery_active_worker_count", "Workers that consume a queue.", workers, queues)
    yield _by_queue("celery_active_process_count", "Task slots of these workers.", slots, queues)


def _by_queue(
    name: str, text: str, found: Mapping[str, int], queues: Collection[str]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["queue_name"])
    for queue in queues:
        family.add_metric([label_value(queue)], _count(found.get(queue, 0)))
    return family


def _count(number: int) -> float:
    """A number from a worker, capped."""
    return float(max(0, min(number, MOST)))


def of_queues(readings: Iterable[QueueReading]) -> Iterator[Metric]:
    """The metrics of queues. An unknown value has no sample, instead of a zero."""
    length = GaugeMetricFamily(
        "celery_queue_length", "Ready messages over all priorities.", labels=["queue_name"]
    )
    messages = GaugeMetricFamily(
        "celery_queue_messages",
        "Messages of a queue: ready, fetched and not acknowledged, or waiting for an ETA.",
        labels=["queue", "state"],
    )
    age = GaugeMetricFamily(
        "celery_queue_oldest_message_age_seconds",
        "How long the oldest ready message has waited; 0 where none waits.",
        labels=["queue"],
    )
    for queue in readings:
        name = label_value(queue.name)
        length.add_metric([name], queue.ready)
        messages.add_metric([name, "ready"], queue.ready)
        if queue.unacked is not None and queue.scheduled is not None:
            messages.add_metric([name, "unacked"], max(0, queue.unacked - queue.scheduled))
            messages.add_metric([name, "scheduled"], queue.scheduled)
        if queue.oldest_age_s is not None or queue.ready == 0:
            age.add_metric([name], queue.oldest_age_s or 0.0)
    yield length
    yield messages
    yield age


def of_broker(*, is_up: bool) -> Metric:
    """Whether the broker answered for this scrape."""
    return GaugeMetricFamily(
        "celery_broker_up", "Whether the broker answered; depths are missing if not.", float(is_up)
    )
