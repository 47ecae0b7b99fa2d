"""A Celery application as anybody would write it: it knows nothing of Celeriac."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from celery import Celery
from kombu.entity import Exchange, Queue


def nap(seconds: float) -> None:
    time.sleep(seconds)


def hold(path: str) -> None:
    """Run until the file is gone: the test decides how long a task takes."""
    while Path(path).exists():
        time.sleep(0.02)


def build_app(environment: Mapping[str, str]) -> Celery:
    app = Celery("stock", broker=environment.get("STOCK_BROKER_URL"))
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=environment.get("STOCK_ACKS", "late") == "late",
        worker_prefetch_multiplier=int(environment.get("STOCK_PREFETCH", "1")),
        broker_transport_options={
            "global_keyprefix": environment.get("STOCK_PREFIX", ""),
            "master_name": "main",
        },
        broker_connection_retry_on_startup=True,
        task_default_queue="plain",
        task_queues=[
            Queue("plain"),
            Queue("routed", Exchange("orders", type="direct"), routing_key="order.new"),
            Queue("topical", Exchange("news", type="topic"), routing_key="news.#"),
        ],
    )
    for task in (nap, hold):
        # Not shared: tests import several applications, and tasks of the same names.
        app.task(name=task.__name__, shared=False)(task)
    return app


app = build_app(os.environ)
