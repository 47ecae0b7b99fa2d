"""What of an application needs attention, worst first."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from app.console import words
from app.console.attention import LATE_S, Concern, Severity
from app.foreign import task_search
from app.foreign.history_rows import TaskFailures
from app.foreign.observed import Seen, SeenQueue, SeenWorker
from app.foreign.task_record import TaskState
from app.foreign.task_search import TaskSearch


def concerns(seen: Seen) -> tuple[Concern, ...]:
    """Everything that needs attention."""
    found = [*_of_failures(seen), *_of_events(seen)]
    if seen.problem is None:
        found += [one for queue in seen.queues for one in _of_queue(queue)]
        found += [one for worker in seen.workers for one in _of_worker(worker)]
        found += _of_workers(seen)
    order = list(Severity)
    return tuple(sorted(found, key=lambda one: order.index(one.severity)))


def failure_link(group: TaskFailures) -> str:
    """The page that lists the tasks of a group."""
    parts = {"name": group.name, "exception": group.exception, "place": group.place}
    search = TaskSearch(series={column: value for column, value in parts.items() if value})
    query = {"q": task_search.show(search), "state": TaskState.FAILED.value}
    return "/tasks?" + urlencode(query)


def _of_failures(seen: Seen) -> Iterator[Concern]:
    for group in seen.failures:
        if group.recent:
            last = words.ago(datetime.fromtimestamp(group.last_at, UTC), seen.at)
            where = f" at {group.place}" if group.place else ""
            times = "once" if group.recent == 1 else f"{group.recent:,} times"
            yield Concern(
                severity=Severity.FAILED,
                text=f"{group.name or 'A task'} has failed {times} in the last hour with "
                f"{group.exception or 'an unknown exception'}{where}, last {last}",
                link=failure_link(group),
                action="Tasks",
            )


def _of_queue(queue: SeenQueue) -> Iterator[Concern]:
    link = f"/queues/{quote(queue.name, safe='')}"
    messages = words.plural(queue.ready, "message")
    if queue.ready and queue.consumers == 0:
        verb = "waits" if queue.ready == 1 else "wait"
        yield Concern(
            severity=Severity.FAILED,
            text=f"No worker consumes queue {queue.name}, in which {messages} {verb}",
            link=link,
            action="Queue",
        )
    elif queue.ready and queue.oldest_age_s is not None and queue.oldest_age_s >= LATE_S:
        yield Concern(
            severity=Severity.LATE,
            text=f"Queue {queue.name} is late: its oldest message waits for "
            f"{words.duration(queue.oldest_age_s)}, {messages} ready",
            link=link,
            action="Queue",
        )


def _of_worker(worker: SeenWorker) -> Iterator[Concern]:
    link = f"/workers/{quote(worker.node, safe='')}"
    if worker.is_deaf:
        yield Concern(
            severity=Severity.LATE,
            text=f"Worker {worker.node} sends heartbeats and answers no request",
            link=link,
            action="Worker",
        )
    elif worker.queues == ():
        yield Concern(
            severity=Severity.LATE,
            text=f"Worker {worker.node} is alive and consumes no queue",
            link=link,
            action="Worker",
        )


def _of_workers(seen: Seen) -> Iterator[Concern]:
    if not seen.workers and any(queue.ready for queue in seen.queues):
        yield Concern(
            severity=Severity.FAILED,
            text="No worker is alive, and messages wait",
            link="/workers",
            action="Workers",
        )


def _of_events(seen: Seen) -> Iterator[Concern]:
    if seen.is_silent:
        yield Concern(
            severity=Severity.NOTE,
            text="Workers process tasks and send no events about them, so that tasks and failures "
            "are not seen. `celery control enable_events` or the option -E makes them send some",
            link="/workers",
            action="Workers",
        )
    if seen.dropped:
        yield Concern(
            severity=Severity.NOTE,
            text=f"{words.plural(seen.dropped, 'event')} came faster than the history could store "
            "them: counts of tasks are too low",
            link="/tasks",
            action="Tasks",
        )
