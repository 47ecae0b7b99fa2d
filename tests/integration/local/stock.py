"""A foreign Celery application, for every release of Celery. Its tasks write down when they began
and ended, and where. What it configures comes from the environment."""

import os
import time
from pathlib import Path

from celery import Celery

SERIALIZER = os.environ.get("STOCK_SERIALIZER", "json")

app = Celery("stock")
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_default_queue="naps",
    worker_pool=os.environ.get("STOCK_POOL", "prefork"),
    worker_concurrency=int(os.environ.get("STOCK_CONCURRENCY", "2")),
    task_serializer=SERIALIZER,
    result_serializer=SERIALIZER,
    event_serializer=SERIALIZER,
    accept_content=[SERIALIZER],
)

RECORDS = Path(os.environ.get("STOCK_RECORDS", "."))


def nap(number: int, seconds: float) -> None:
    """Two lines in a file: an append of one short line is atomic."""
    _record(f"begin {number}")
    time.sleep(seconds)
    _record(f"end {number}")


def hold(number: int, path: str) -> None:
    """The same, for as long as the file is there: the test decides."""
    _record(f"begin {number}")
    while Path(path).exists():
        time.sleep(0.02)
    _record(f"end {number}")


for task in (nap, hold):
    # Not shared: tests import several applications, and tasks of the same names.
    app.task(name=task.__name__, shared=False)(task)


def _record(text: str) -> None:
    with (RECORDS / "records").open("a") as file:
        file.write(f"{text} {time.time():.3f} {os.getpid()}\n")
