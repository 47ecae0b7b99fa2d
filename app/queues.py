"""The declared queues: one table that the code, the chart and the docs are tested against.

A queue has one worker pool of its own. Network-bound queues run threads, CPU-bound ones processes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

QueueName = NewType("QueueName", str)

PRIORITIES = tuple(range(10))
"""Every priority a job can have. As in Celery on Redis, 0 is served first and 9 last."""

DEFAULT_PRIORITY = 5


class PoolKind(StrEnum):
    """Celery's worker pool implementations that we use (`celery worker --pool`)."""

    THREADS = "threads"
    PREFORK = "prefork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue and the worker pool that serves it."""

    name: QueueName
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
