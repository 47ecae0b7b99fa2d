"""What one application looks like at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.foreign.history_rows import Rates, TaskFailures


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQueue:
    """A queue, with what its workers and its history tell. None is unknown, never zero."""

    name: str
    ready: int
    unacked: int | None
    scheduled: int | None
    oldest_age_s: float | None
    consumers: int | None
    """Workers that consume it."""
    rates: Rates | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker with a recent heartbeat."""

    node: str
    active: int
    processed: int
    heartbeat_age_s: float
    slots: int | None = None
    uptime_s: float | None = None
    queues: tuple[str, ...] | None = None
    """None while it has not answered."""
    is_deaf: bool = False
    """It has repeatedly not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that the overview shows."""

    at: datetime
    queues: tuple[SeenQueue, ...] = ()
    workers: tuple[SeenWorker, ...] = ()
    counts: Mapping[str, int]
    """Tasks of the history by state."""
    failures: tuple[TaskFailures, ...] = ()
    dropped: int = 0
    """Events that came faster than they could be stored."""
    is_silent: bool = False
    """Tasks are processed, and no events tell which."""
    problem: str | None = None
    """Why queues and workers are not known now."""
