"""The peer: a Celery application as its documentation shows one, with not a line of ours."""

import os
import time

import redis
from celery import Celery

STARTS_KEY = "stock:starts"

URL = os.environ.get("STOCK_BROKER_URL", "redis://127.0.0.1:6379/1")

app = Celery("stock", broker=URL)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True)
log = redis.Redis.from_url(URL)


@app.task(name="touch")  # type: ignore[untyped-decorator]  # Celery ships no types
def touch(number: int) -> None:
    """Note when this task started, in seconds since the epoch."""
    log.hset(STARTS_KEY, str(number), repr(time.time()))
