"""Queues, each with a worker pool of its own: the declared ones, and what a pipeline may bring.

The declared queues are one table that the code, the chart and the docs are tested against. Queues
of network-bound work run threads, queues of CPU-bound work run processes.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType

from app.errors import InvalidInput

QueueName = NewType("QueueName", str)

PRIORITIES = tuple(range(10))
"""Every priority a job can have. As in Celery on Redis, 0 is served first and 9 last."""

DEFAULT_PRIORITY = 5

_POOL_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?")


class PoolKind(StrEnum):
    """Celery's worker pool implementations in use (`celery worker --pool`)."""

    THREADS = "threads"
    PREFORK = "prefork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue and the worker pool that serves it. Raises InvalidInput where they make no sense."""

    name: QueueName
    """Also the name of its pool: lower-case letters, digits and hyphens, at most 20."""
    purpose: str
    pool: PoolKind
    concurrency: int
    """Task slots of one replica."""
    soft_limit_s: int = 25 * 60
    """The work is asked to stop (`SoftTimeLimitExceeded`)."""
    hard_limit_s: int = 30 * 60
    """The process that runs it is ended."""
    wait_target_s: float = 30.0
    """How long a message may wait before the pool is too small."""
    min_replicas: int = 0
    max_replicas: int = 10

    def __post_init__(self) -> None:
        checks = {
            "its name is not one of a pool": _POOL_NAME.fullmatch(self.name) is not None,
            "concurrency is below 1": self.concurrency >= 1,
            "soft_limit_s is not between 0 and hard_limit_s": (
                0 < self.soft_limit_s < self.hard_limit_s
            ),
            "wait_target_s is not above 0": self.wait_target_s > 0,
            "min_replicas is not between 0 and max_replicas": (
                0 <= self.min_replicas <= self.max_replicas
            ),
        }
        wrong = [problem for problem, is_fine in checks.items() if not is_fine]
        if wrong:
            raise InvalidInput(f"the queue {self.name!r}: {', '.join(wrong)}")

    def pool_values(self) -> dict[str, Any]:  # JSON
        """The queue's pool as values of the chart."""
        return {
            "pool": self.pool.value,
            "concurrency": self.concurrency,
            "softTimeLimitSeconds": self.soft_limit_s,
            "hardTimeLimitSeconds": self.hard_limit_s,
            "minReplicas": self.min_replicas,
            "maxReplicas": self.max_replicas,
            "autoscaling": {"target": {"queueWaitSeconds": self.wait_target_s}},
        }


def _queue(name: str, purpose: str, pool: PoolKind, concurrency: int, **limits: int) -> Queue:
    return Queue(
        name=QueueName(name), purpose=purpose, pool=pool, concurrency=concurrency, **limits
    )


QUEUES: tuple[Queue, ...] = (
    _queue("default", "reports and tasks without a queue of their own", PoolKind.PREFORK, 2),
    _queue("download", "media files and pages from the network", PoolKind.THREADS, 4),
    _queue("conversion", "ffmpeg", PoolKind.PREFORK, 1),
    _queue("cleanup", "temporary files and retention", PoolKind.THREADS, 4, max_replicas=2),
    _queue("youtube", "video metadata, captions, frames", PoolKind.THREADS, 2),
    _queue("documents", "text and chunks of uploaded documents", PoolKind.PREFORK, 2),
    _queue("pdf", "PDF text, images and OCR", PoolKind.PREFORK, 1),
    _queue("websites", "crawling of web sites", PoolKind.THREADS, 4),
    _queue("notifications", "webhooks and e-mail", PoolKind.THREADS, 8, max_replicas=4),
    _queue("llm", "calls of language models", PoolKind.THREADS, 8),
    _queue("videos", "generated videos", PoolKind.PREFORK, 1, max_replicas=4),
)

BY_NAME: dict[str, Queue] = {queue.name: queue for queue in QUEUES}

DEFAULT_QUEUE = BY_NAME["default"]
