"""A Celery application that fails in three ways, and knows nothing of Celeriac."""

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery


def charge(order: int) -> str:
    if order % 2:
        raise ValueError(f"order {order} has no card")
    return f"charged {order}"


def resize(width: int, parts: int) -> float:
    return width / parts


def send(task: Any, to: str) -> None:  # Celery's task, whose class is not typed
    raise task.retry(exc=ConnectionError(f"no route to {to}"), countdown=0)


def hold(path: str) -> None:
    """Run for as long as the file is there: the test decides."""
    while Path(path).exists():
        time.sleep(0.02)


app = Celery("shop", broker=os.environ.get("SHOP_BROKER_URL"))
app.conf.task_routes = {"mail.*": {"queue": "mail"}}
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
# Not shared: tests import several applications.
app.task(name="orders.charge", shared=False)(charge)
app.task(name="images.resize", shared=False)(resize)
app.task(name="mail.send", bind=True, max_retries=1, shared=False)(send)
app.task(name="files.hold", acks_late=True, shared=False)(hold)
app.task(name="files.hold_once", acks_late=False, shared=False)(hold)
app.task(name="slow.poll", rate_limit="2/h", shared=False)(charge)
