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
    HELD = "messages that workers hold"
    RESULTS = "result keys"
    WORKERS = "answers of workers"
    HEARTBEATS = "heartbeats of workers"
    PLATFORM = "settings of this platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessage:
    """A message near the head of a queue."""

    size_bytes: int
    task: str | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """A queue that has messages."""

    name: str
    ready_by_step: Mapping[int, int]
    sample: tuple[WaitingMessage, ...] = ()
    oldest_age_s: float | None = None

    @property
    def ready(self) -> int:
        return sum(self.ready_by_step.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTask:
    """A message that a worker has fetched and not acknowledged."""

    task_id: str
    queue: str
    fetched_at_s: float
    task: str | None = None
    eta_s: float | None = None
    state: str | None = None
    """`active` or `reserved` according to the worker that has it; `None` if no worker knows it."""
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFacts:
    """The messages that workers hold. `sample` has the oldest ones."""

    count: int = 0
    indexed: int = 0
    sample: tuple[HeldTask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """Keys of task results in the broker's database, as far as it was scanned."""

    count: int = 0
    sampled: int = 0
    without_expiry: int = 0
    """Of the sampled ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A task that runs now."""

    name: str
    started_at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """A worker process according to its answers to `inspect`."""

    node: str
    pid: int
    pool: str
    """Module of its pool: `prefork`, `thread`, `gevent`, `solo`."""
    concurrency: int
    conf: Mapping[str, Setting]
    """Its Celery settings with their defaults."""
    queues: frozenset[str]
    tasks: Mapping[str, Mapping[str, str]]
    """Registered tasks with the options that `inspect registered` shows."""
    running: tuple[RunningTask, ...] = ()

    @property
    def transport_options(self) -> Mapping[str, Setting]:
        found = self.conf.get("broker_transport_options")
        return found if isinstance(found, Mapping) else {}

    @property
    def visibility_timeout_s(self) -> float:
        """Kombu's default is an hour."""
        return float(self.transport_options.get("visibility_timeout") or 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatFacts:
    """The last heartbeat of a node."""

    node: str
    version: str | None
    """Celery's version."""
    clock_ahead_s: float | None
    """How far its clock is ahead of the broker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFacts:
    """Settings, database and folders of our own platform."""

    invalid_settings: tuple[str, ...] = ()
    unknown_settings: Mapping[str, str | None] = field(default_factory=dict)
    """Variables that no part reads, with the name that was probably meant."""
    open_folders: Mapping[str, str] = field(default_factory=dict)
    """Folders that other users can read, with their mode."""
    database: str = ""
    database_problem: str | None = None
    revision: str | None = None
    wanted_revision: str = ""
    has_message_keys: bool = True
    has_weak_message_key: bool = False
    is_eager: bool = False
    beats: int | None = None
    """Reconcilers that run, as far as that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One view of everything that the checks examine."""

    address: Address
    read_at_s: float
    """By the clock of the broker."""
    latency_s: float = 0.0
    """The shortest of several round trips."""
    info: Mapping[str, Setting] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[QueueFacts, ...] = ()
    held: HeldFacts = field(default_factory=HeldFacts)
    results: ResultFacts = field(default_factory=ResultFacts)
    workers: tuple[WorkerFacts, ...] = ()
    heartbeats: tuple[HeartbeatFacts, ...] = ()
    platform: PlatformFacts | None = None
    missing: Mapping[Part, str] = field(default_factory=dict)
    """Parts that could not be read, with the reason."""
