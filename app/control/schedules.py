"""Which schedules are in force, and the bounds that come of it.

Cron expressions are read in the schedule's own time zone. Where clocks change, a time that is
skipped takes effect as soon as the clock has jumped over it, and of a time that comes twice the
first one counts: a window neither stays shut for a day nor opens and closes again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError

from app.control.problems import PoolProblem, ProblemReason
from app.control.spec import ScheduleSpec

_MINUTE = timedelta(minutes=1)
_FIELDS = 5
_RANDOM = re.compile(r"(^|[\s,])[HRhr]($|[\s,/(])")
"""Jenkins' hashed and random fields, which the parser knows: no two readers would agree on them."""


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


@lru_cache(maxsize=4096)
def _is_open(window: ScheduleSpec, *, minute: int) -> bool:
    """Whether the window has been opened more recently than closed, at a minute of the epoch."""
    instant = datetime.fromtimestamp(minute * 60, tz=UTC)
    local = _wall_clock(instant, ZoneInfo(window.timezone))
    started = _last(window.start, local, window=window.name)
    ended = _last(window.end, local, window=window.name)
    return started > ended


def _wall_clock(instant: datetime, zone: ZoneInfo) -> datetime:
    """Local time without a zone, that never runs backwards.

    While the clock repeats an hour it stands at the last minute of that hour.
    """
    local = instant.astimezone(zone)
    naive = local.replace(tzinfo=None, fold=0)
    if local.fold == 1:
        while _is_repeated(naive + _MINUTE, zone):
            naive += _MINUTE
    return naive


def _is_repeated(naive: datetime, zone: ZoneInfo) -> bool:
    first = naive.replace(tzinfo=zone, fold=0)
    return first.utcoffset() != naive.replace(tzinfo=zone, fold=1).utcoffset()


def _last(expression: str, local: datetime, *, window: str) -> datetime:
    """The last moment at or before `local` that the expression names."""
    try:
        if len(expression.split()) != _FIELDS or _RANDOM.search(expression):
            raise ValueError("it needs five plain fields: minute hour day month weekday")
        found: datetime = croniter(expression, local + _MINUTE).get_prev(datetime)
    except (CroniterError, ValueError) as exc:
        message = f"schedule {window!r}: cron expression {expression!r} cannot be used: {exc}"
        raise PoolProblem(ProblemReason.INVALID_SCHEDULE, message) from exc
    return found
