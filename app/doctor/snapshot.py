"""What the checks examine: one view of a broker, its queues, its workers and our own platform.

A part that could not be read is empty and listed in `missing`; checks that need it are not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.broker.connections.address import Address

Setting = Any  # values of Redis' INFO and of Celery's settings


class Part(StrEnum):
    """A part of the snapshot that a check may need."""

    INFO = "INFO of the server"
    CONFIG = "CONFIG of the server"
    QUEUES = "queues"
    WORKERS = "answers of workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingQueue:
    """A queue that has messages."""

    name: str
    by_step: Mapping[int, int]
    """Messages by priority step."""
    next_tasks: frozenset[str] = frozenset()
    """Names of the tasks that are next in line at each step."""
    largest_bytes: int = 0
    """The largest of these messages."""

    @property
    def ready(self) -> int:
        return sum(self.by_step.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """A worker process according to its answers to `inspect`."""

    node: str
    pid: int
    conf: Mapping[str, Setting]
    """Its Celery settings with their defaults."""
    queues: frozenset[str]
    tasks: Mapping[str, str]
    """Registered tasks with the options that `inspect registered` shows."""

    @property
    def transport_options(self) -> Mapping[str, Setting]:
        found = self.conf.get("broker_transport_options")
        return found if isinstance(found, Mapping) else {}

    @property
    def visibility_timeout_s(self) -> float:
        """Kombu's default is an hour."""
        return float(self.transport_options.get("visibility_timeout") or 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One view of everything that the checks examine."""

    address: Address
    latency_s: float = 0.0
    """The shortest of several round trips."""
    info: Mapping[str, Setting] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[WaitingQueue, ...] = ()
    workers: tuple[WorkerFacts, ...] = ()
    missing: Mapping[Part, str] = field(default_factory=dict)
    """Parts that could not be read, with the reason."""
