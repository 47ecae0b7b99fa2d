"""What the history tells: values for pages and commands. Times are seconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task in a list. Times in seconds since the epoch."""

    id: int
    uuid: str
    name: str
    queue: str
    worker: str
    state: str
    exception: str
    seen_at: float
    sent_at: float | None
    received_at: float | None
    started_at: float | None
    ended_at: float | None
    runtime_s: float | None
    retries: int
    error: str = ""
    args: str = ""
    kwargs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """A page of tasks, newest first."""

    tasks: tuple[TaskRow, ...]
    next_cursor: int | None
    counts: Mapping[str, int]
    """Tasks by state that match the other filters."""
    is_counted: bool
    """Whether all matches were counted, not only the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailures:
    """Failed tasks of one name with one class of exception at one place."""

    name: str
    exception: str
    place: str
    count: int
    """All that are kept."""
    recent: int
    """Failures of the last hour."""
    first_at: float
    last_at: float
    example: str
    """The id of the latest one."""
    example_error: str
    trend: tuple[int, ...]
    """Failures in each twelfth of the last hour, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The flow of a queue in the last one or two minutes, in tasks a second."""

    arrivals: float
    ends: float


@dataclass(frozen=True, slots=True)
class ActionLine:
    """Something that was done through the console."""

    at: float
    action: str
    subject: str
    outcome: str
