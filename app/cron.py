"""Cron expressions: which moments they name in a time zone.

Where clocks change, a time that is skipped takes effect as soon as the clock has jumped over it,
and of a time that comes twice the first one counts.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError

_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_FIELDS = 5
_RANDOM = re.compile(r"(^|[\s,])[HRhr]($|[\s,/(])")
"""Jenkins' hashed and random fields, which the parser knows: no two readers would agree on them."""


def last_moment(expression: str, zone: ZoneInfo, *, at: datetime) -> datetime:
    """The last moment at or before `at` that the expression names, in UTC. ValueError for an
    expression that cannot be used.

    >>> at = datetime(2026, 7, 5, 12, 30, tzinfo=UTC)
    >>> last_moment("0 2 * * *", ZoneInfo("Europe/Berlin"), at=at).isoformat()
    '2026-07-05T00:00:00+00:00'
    """
    return _instant(last(expression, wall_clock(at, zone)), zone)


def next_moment(expression: str, zone: ZoneInfo, *, at: datetime) -> datetime:
    """The first moment after `at` that the expression names, in UTC. ValueError as above."""
    try:
        found: datetime = croniter(_checked(expression), wall_clock(at, zone)).get_next(datetime)
    except CroniterError as error:
        raise ValueError(str(error)) from error
    return _instant(found, zone)


def last(expression: str, local: datetime) -> datetime:
    """The last moment at or before `local` that the expression names, both without a zone.
    ValueError for an expression that cannot be used."""
    after = local.replace(second=0, microsecond=0) + _MINUTE
    try:
        found: datetime = croniter(_checked(expression), after).get_prev(datetime)
    except CroniterError as error:
        raise ValueError(str(error)) from error
    return found


def wall_clock(instant: datetime, zone: ZoneInfo) -> datetime:
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


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clock shows this time first; when it jumps over it, the moment of the jump."""
    after_jump = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    is_skipped = after_jump.astimezone(zone).replace(tzinfo=None, fold=0) != local
    return _jump_before(after_jump, zone, local=local) if is_skipped else after_jump


def _jump_before(after: datetime, zone: ZoneInfo, *, local: datetime) -> datetime:
    """The moment at which the clock jumps over this time, which `after` is a moment beyond."""
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)  # with the offset of after the jump
    while after - before > _SECOND:
        middle = before + ((after - before) // 2 // _SECOND) * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None, fold=0) < local:
            before = middle
        else:
            after = middle
    return after


def _checked(expression: str) -> str:
    if len(expression.split()) != _FIELDS or _RANDOM.search(expression):
        raise ValueError("it needs five plain fields: minute hour day month weekday")
    return expression
