"""Which schedules are in force, and the bounds that come of it.

Cron expressions are read in the schedule's own time zone. Where clocks change, a window neither
stays shut for a day nor opens and closes again (`control.cron`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from app import cron
from app.control.pool.problems import Finding, PoolProblem, ProblemReason
from app.control.pool.spec import ScheduleSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Minimum and maximum in force, and the names of the schedules that have set them."""

    minimum: int
    maximum: int
    schedules: tuple[str, ...] = ()


def bounds(
    schedules: Sequence[ScheduleSpec], *, minimum: int, maximum: int, now_s: float
) -> Bounds:
    """The pool's own bounds, replaced by those of the windows that are open.

    Of several open windows the highest minimum and the lowest maximum count, and the maximum is
    the stronger one.

    Raises:
        PoolProblem: an expression cannot be read, or never comes true (`INVALID_SCHEDULE`).
    """
    minute = int(now_s // 60)
    opened = [window for window in schedules if _is_open(window, minute=minute)]
    floors = [window.min_replicas for window in opened if window.min_replicas is not None]
    ceilings = [window.max_replicas for window in opened if window.max_replicas is not None]
    ceiling = min(ceilings, default=maximum)
    return Bounds(
        minimum=min(max(floors, default=minimum), ceiling),
        maximum=ceiling,
        schedules=tuple(window.name for window in opened),
    )


def findings(schedules: Sequence[ScheduleSpec], *, now_s: float) -> Iterator[Finding]:
    """Every schedule that cannot be used."""
    for window in schedules:
        try:
            _is_open(window, minute=int(now_s // 60))
        except PoolProblem as problem:
            yield problem.finding


@lru_cache(maxsize=4096)
def _is_open(window: ScheduleSpec, *, minute: int) -> bool:
    """Whether the window has been opened more recently than closed, at a minute of the epoch."""
    instant = datetime.fromtimestamp(minute * 60, tz=UTC)
    local = cron.wall_clock(instant, ZoneInfo(window.timezone))
    started = _last(window.start, local, window=window.name)
    ended = _last(window.end, local, window=window.name)
    return started > ended


def _last(expression: str, local: datetime, *, window: str) -> datetime:
    """The last moment at or before `local` that the expression names."""
    try:
        return cron.last(expression, local)
    except ValueError as exc:
        message = f"schedule {window!r}: cron expression {expression!r} cannot be used: {exc}"
        raise PoolProblem(ProblemReason.INVALID_SCHEDULE, message) from exc
