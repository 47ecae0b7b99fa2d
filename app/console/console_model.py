"""What the pages show. None means unknown, and is shown as such, never as zero."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Json = Any  # a JSON value: the type system has no better word for it

STATES = ("queued", "running", "succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleQueue:
    """A queue and its messages."""

    name: str
    ready: int
    unacked: int | None
    scheduled: int | None
    oldest_age_s: float | None
    pool: str | None
    """The pool that serves it; None where none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleCondition:
    """A condition of a pool."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePool:
    """A pool at its last reconcile."""

    name: str
    state: str
    replicas: int | None
    ready: int | None
    desired: int | None
    draining: int | None
    maximum: int | None
    backlog: int | None
    active: int | None
    arrivals_per_s: float | None
    runtime_s: float | None
    explanation: tuple[str, ...]
    conditions: tuple[ConsoleCondition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleJob:
    """A job in a list."""

    id: str
    kind: str
    state: str
    stage: str
    progress: float
    message: str
    error_type: str | None
    error_message: str | None
    attempt: int
    max_attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime | None
    is_dead_lettered: bool = False
    cancel_requested: bool = False
    parent_id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRun:
    """A run of a stage by a worker."""

    stage: str
    attempt: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFile:
    """A file that a job made."""

    name: str
    media_type: str
    size_bytes: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleJobDetail:
    """A job with everything that is known of it."""

    job: ConsoleJob
    params: Json
    result: Json
    runs: tuple[ConsoleRun, ...]
    files: tuple[ConsoleFile, ...]
    children: Mapping[str, int] | None
    """Numbers of child jobs by state."""
    queue: str | None
    """The queue that its next message is in, or was."""

    @property
    def timeline(self) -> tuple["ConsoleRun | None", ...]:
        """The runs in the order of their starts, with None where the job ended: a finalizer runs
        after that."""
        ended_at = self.job.finished_at
        if ended_at is None:
            return self.runs
        before = [run for run in self.runs if run.started_at <= ended_at]
        return (*before, None, *self.runs[len(before) :])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """A page of jobs, newest first."""

    jobs: tuple[ConsoleJob, ...]
    next_cursor: str | None
    counts: Mapping[str, int]
    """Jobs by state that match the other filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failed jobs of one kind with one type of error."""

    kind: str
    error_type: str
    count: int
    first_at: datetime
    last_at: datetime
    example_id: str
    example_message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSearch:
    """The filters of the list of jobs, as they stand in its address."""

    state: str | None = None
    kind: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    is_dead_lettered: bool = False
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that the overview and the frame of each page show."""

    at: datetime
    queues: tuple[ConsoleQueue, ...]
    pools: tuple[ConsolePool, ...]
    counts: Mapping[str, int]
    failures: tuple[FailureGroup, ...]
    problem: str | None = None
    """Why queues and pools are not known now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at a page. What somebody may not do is not shown as possible."""

    name: str
    """Empty for a viewer who did not have to sign in."""
    may_act: bool
    may_maintain: bool
    """Whether this includes jobs that delete data."""
    may_administer: bool


class ConsoleSource(Protocol):
    """Where the pages get what they show."""

    async def overview(self) -> Overview: ...

    async def capacity(self) -> Overview:
        """Queues and pools alone, for the history: an overview without jobs and failures."""

    async def jobs(self, search: JobSearch) -> JobList: ...

    async def job(self, job_id: str) -> ConsoleJobDetail:
        """Raises NotFound."""

    async def cancel(self, job_ids: Sequence[str], viewer: Viewer) -> int:
        """Cancel these jobs. Returns how many were not over yet, and the viewer's to cancel."""

    async def retry(self, job_ids: Sequence[str], viewer: Viewer) -> int:
        """Retry these jobs. Returns how many could be."""
