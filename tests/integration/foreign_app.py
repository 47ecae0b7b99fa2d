"""A Celery application as anybody would write it, for every release of Celery that is tested.

It imports Celery and the standard library alone, knows nothing of Celeriac and is configured by its
environment: `SHOP_BROKER_URL`, `SHOP_CONF` (settings as a JSON object), `SHOP_BROADCAST` (a queue
of which every worker has its own copy), `SHOP_EXCHANGES` (two queues that are bound to exchanges of
their own) and `SHOP_RECORDS` (the file in which its tasks write down when they begin and end).
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.common import Broadcast
from kombu.entity import Exchange, Queue


def nap(number: int, seconds: float = 0) -> None:
    _record(f"begin {number}")
    time.sleep(seconds)
    _record(f"end {number}")


def hold(number: int, path: str, padding: str = "") -> None:
    """Run for as long as the file is there: the test decides. `padding` makes a message large."""
    _record(f"begin {number}")
    while Path(path).exists():
        time.sleep(0.02)
    _record(f"end {number}")


def carry(number: int, payload: Any) -> None:
    """Take an argument of any size and type."""
    _record(f"begin {number}")
    _record(f"end {number}")


def build_app(environment: Mapping[str, str]) -> Celery:
    app = Celery("shop", broker=environment.get("SHOP_BROKER_URL"))
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        task_default_queue="shop",
    )
    app.conf.update(json.loads(environment.get("SHOP_CONF", "{}")))
    app.conf.task_queues = [
        Queue(app.conf.task_default_queue),
        Queue("other"),
        *_broadcasts(environment),
        *_bound(environment),
    ]
    for task in (nap, hold, carry):
        # Not shared: tests import several applications, and tasks of the same names.
        app.task(name=task.__name__, shared=False)(task)
    return app


def _broadcasts(environment: Mapping[str, str]) -> list[Broadcast]:
    name = environment.get("SHOP_BROADCAST")
    return [Broadcast(name)] if name else []


def _bound(environment: Mapping[str, str]) -> list[Queue]:
    if "SHOP_EXCHANGES" not in environment:
        return []
    return [
        Queue("routed", Exchange("orders", type="direct"), routing_key="order.new"),
        Queue("topical", Exchange("news", type="topic"), routing_key="news.#"),
    ]


def _record(text: str) -> None:
    """One short line: appending it is atomic."""
    if "SHOP_RECORDS" not in os.environ:
        return
    with Path(os.environ["SHOP_RECORDS"]).open("a") as file:
        file.write(f"{text} {time.time():.3f} {os.getpid()}\n")


app = build_app(os.environ)
