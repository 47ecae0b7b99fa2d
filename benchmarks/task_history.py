"""Pages of `celeriac console` over a history of a million tasks: time to store, time to answer."""

import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.broker.workers import task_events
from app.broker.workers.task_events import TaskEvent
from app.foreign import task_search
from app.foreign.history_reader import HistoryReader
from app.foreign.history_writer import HistoryWriter, Retention

TASKS = 1_000_000
EVENTS_AT_ONCE = 3_000
NAMES, WORKERS, QUEUES = 40, 300, 12
FAILED_PART = 0.03
EVERY_S = 0.05
ROUNDS = 7
PAGE = 50
SEED = 1

QUERIES = (
    *("", "state:failed", "state:running", "task:shop.task_3", "queue:q5", "worker:celery@pod-12"),
    *("task:*_3 state:failed worker:celery@pod-7", "exception:ValueError place:orders.py:1*"),
    *("worker:celery@pod-9999", "argument:order-77", "blue", "blue state:failed", "u12", "nix"),
)
CURSORS = (None, TASKS // 2, 100)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.sqlite"
        began = time.perf_counter()
        _fill(path)
        took = time.perf_counter() - began
        size = path.stat().st_size / 1e6
        print(f"{TASKS:,} tasks stored: {TASKS / took:,.0f} a second, {size:,.0f} MB")
        _ask(HistoryReader(path, clock=time.time))


def _fill(path: Path) -> None:
    forever = Retention(tasks_s=1e12, failures_s=1e12, size_bytes=1 << 50)
    writer = HistoryWriter(path, retention=forever, clock=time.time)
    queues = {f"celery@pod-{number}": f"q{number % QUEUES}" for number in range(WORKERS)}
    waiting: list[TaskEvent] = []
    for event in _events():
        waiting.append(event)
        if len(waiting) >= EVENTS_AT_ONCE:
            writer.add(waiting, only_queues=queues)
            waiting = []
    writer.add(waiting, only_queues=queues)
    writer.close()


def _events() -> Iterator[TaskEvent]:
    random_ = random.Random(SEED)
    start = time.time() - TASKS * EVERY_S
    for number in range(TASKS):
        at_s, task_id = start + number * EVERY_S, str(uuid.UUID(int=random_.getrandbits(128)))
        worker = f"celery@pod-{random_.randrange(WORKERS)}"
        yield _event(
            *("received", task_id, worker, at_s),
            name=f"shop.task_{random_.randrange(NAMES)}",
            args=f"({number}, 'order-{number % 5_000}')",
            kwargs=f"{{'user': 'u{number % 977}', 'blue': True}}",
        )
        yield _event("started", task_id, worker, at_s + 0.01)
        if random_.random() < FAILED_PART:
            frame = f'  File "/srv/shop/orders.py", line {number % 3}, in charge'
            error = f"ValueError('order {number}')"
            yield _event("failed", task_id, worker, at_s + 0.3, exception=error, traceback=frame)
        else:
            yield _event("succeeded", task_id, worker, at_s + 0.3, runtime=0.29, result="None")


def _event(kind: str, task_id: str, worker: str, at_s: float, **facts: Any) -> TaskEvent:
    body = {"type": f"task-{kind}", "uuid": task_id, "hostname": worker, "timestamp": at_s, **facts}
    (found,) = task_events.of_body(body)
    return found


def _ask(reader: HistoryReader) -> None:
    times: list[float] = []
    slowest = ("", 0.0)
    for query in QUERIES:
        search = task_search.parse(query)
        for before in CURSORS:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                reader.page(search, before=before, limit=PAGE)
                times.append((time.perf_counter() - began) * 1_000)
                slowest = max(slowest, (query, times[-1]), key=lambda one: one[1])
    for read in (reader.counts, reader.failures, reader.rates):
        for _ in range(ROUNDS):
            began = time.perf_counter()
            read()
            times.append((time.perf_counter() - began) * 1_000)
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"{len(times)} readings: p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms")
    print(f"slowest: {slowest[1]:.0f} ms for {slowest[0]!r}")


if __name__ == "__main__":
    main()
