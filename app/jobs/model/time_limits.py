"""How long a run may take: the limits of its queue, as declared or as set for this installation."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import LimitExceeded
from app.queues import DEFAULT_QUEUE, Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Of one run of one stage."""

    soft_s: float
    """Then the run is asked to stop."""
    hard_s: float
    """Then its job fails, even if the run continues."""


def of_queue(
    name: str, *, queues: Mapping[str, Queue], settings: Mapping[str, tuple[float, float]]
) -> TimeLimits:
    """The limits of a queue: those set for it, its declared ones, or the default queue's.

    >>> of_queue("llm", queues={}, settings={"llm": (60, 90)})
    TimeLimits(soft_s=60, hard_s=90)
    """
    if name in settings:
        soft_s, hard_s = settings[name]
        return TimeLimits(soft_s=soft_s, hard_s=hard_s)
    queue = queues.get(name, DEFAULT_QUEUE)
    return TimeLimits(soft_s=queue.soft_limit_s, hard_s=queue.hard_limit_s)


def exceeded(limits: TimeLimits) -> LimitExceeded:
    """The error of a run that took too long. Permanent: it would take as long again."""
    return LimitExceeded(f"the stage took longer than the {limits.soft_s:g} s that it may")
