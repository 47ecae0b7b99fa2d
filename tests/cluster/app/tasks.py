"""A stock Celery application, as somebody who never heard of us would write it.

The worker finds its broker in `CELERY_BROKER_URL`, as every Celery worker does. Each run is written
to a list in the Redis at `LOG_REDIS_URL`, so that a test can read what ran where and when, also
while the broker is away.
"""

import json
import os
import socket
import time

import redis
from celery import Celery
from celery.app.task import Task

LOG_KEY = "runs"

app = Celery("shop")
app.conf.update(
    task_acks_late=os.environ.get("ACKS_LATE", "true") == "true",
    task_default_queue="default",
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "1")),
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "priority_steps": json.loads(os.environ.get("PRIORITY_STEPS", "[0, 3, 6, 9]")),
        "global_keyprefix": os.environ.get("KEY_PREFIX", ""),
        "visibility_timeout": float(os.environ.get("VISIBILITY_TIMEOUT_S", "3600")),
    },
)


@app.task(name="tasks.work", bind=True)  # type: ignore[untyped-decorator]  # Celery has no types
def work(self: Task, seconds: float) -> None:
    """Be busy for a while, and leave a record of the start and of the end."""
    log = redis.Redis.from_url(os.environ["LOG_REDIS_URL"])
    record(log, event="start", task=self.request.id)
    time.sleep(seconds)
    record(log, event="end", task=self.request.id)


def record(log: redis.Redis, *, event: str, task: str) -> None:
    """Append one event of one run: `{"event", "task", "host", "at"}`, `at` in Unix seconds."""
    entry = {"event": event, "task": task, "host": socket.gethostname(), "at": time.time()}
    log.rpush(LOG_KEY, json.dumps(entry))
