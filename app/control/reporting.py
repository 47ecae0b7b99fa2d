"""What a pool tells its owner: when its status is worth a write, and which events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.control.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    EventType,
    PoolEvent,
    PoolStatus,
)

REFRESH_S = 15.0
"""Figures that move all the time (backlog, rates) are written no more often than this."""
NOTICEABLE_RATIO = 0.2
"""A rate that has moved by less than this part of itself has not changed."""
REPEAT_S = 600.0
"""The same event is told again after this."""
PACE_S = 10.0
"""Events with the same reason are at least this far apart: a drain gives up one by one."""


def needs_write(written: PoolStatus | None, status: PoolStatus, *, age_s: float) -> bool:
    """Whether a status says something that the one written `age_s` ago does not.

    What people and programs act on counts at once, figures after a while; the explanation only
    goes along with those.
    """
    if written is None or _outline(written) != _outline(status):
        return True
    return age_s >= REFRESH_S and not _reads_alike(written, status)


def _outline(status: PoolStatus) -> tuple[object, ...]:
    return (
        status.observed_generation,
        status.mode,
        status.replicas,
        status.ready_replicas,
        status.desired_replicas,
        status.draining_replicas,
        status.selector,
        status.last_scale_at_s,
        status.slots_per_replica,
        tuple((each.type, each.status, each.reason) for each in status.conditions),
    )


def _reads_alike(written: PoolStatus, status: PoolStatus) -> bool:
    return _counts(written) == _counts(status) and all(
        _is_close(before, now)
        for before, now in (
            (written.arrival_rate, status.arrival_rate),
            (written.mean_runtime_s, status.mean_runtime_s),
            (written.queue_wait_s, status.queue_wait_s),
        )
    )


def _counts(status: PoolStatus) -> tuple[object, ...]:
    queues = tuple((one.name, one.ready, one.unacked, one.scheduled) for one in status.queues)
    return (queues, status.active_tasks)


def _is_close(before: float | None, now: float | None) -> bool:
    """Not known and nothing are no news to each other."""
    was, is_now = before or 0.0, now or 0.0
    return abs(is_now - was) <= max(NOTICEABLE_RATIO * was, 0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A target was written."""

    was: int
    now: int


def events(
    *,
    before: Sequence[Condition],
    after: Sequence[Condition],
    scaling: Scaling | None,
    marked: Sequence[str],
    explanation: Sequence[str],
    now_s: float,
) -> Iterator[PoolEvent]:
    """What has happened in one turn."""
    why = "; ".join(explanation)
    if scaling is not None:
        reason = "ScaledUp" if scaling.now > scaling.was else "ScaledDown"
        yield _normal(reason, f"{scaling.was} -> {scaling.now} replicas: {why}", now_s)
    if marked:
        names = ", ".join(marked[:5]) + (", …" if len(marked) > 5 else "")
        yield _normal("DrainStarted", f"draining {len(marked)} ({names}): {why}", now_s)
    known = {condition.type: condition for condition in before}
    for condition in after:
        event = _of_condition(known.get(condition.type), condition, now_s=now_s)
        if event is not None:
            yield event


_TROUBLES = {ConditionType.ABLE_TO_SCALE, ConditionType.METRICS_AVAILABLE}
"""Conditions that are told about when they are false, and when that is over."""


def _of_condition(before: Condition | None, after: Condition, *, now_s: float) -> PoolEvent | None:
    if after.type in _TROUBLES:
        return _of_trouble(before, after, now_s=now_s)
    if after.type is ConditionType.PAUSED:
        was = before.status if before is not None else ConditionStatus.FALSE
        return _normal(after.reason, after.message, now_s) if was is not after.status else None
    if after.reason == "DrainOverdue":
        return _warning(after, now_s)
    return None


def _of_trouble(before: Condition | None, after: Condition, *, now_s: float) -> PoolEvent | None:
    was_bad = before is not None and before.status is ConditionStatus.FALSE
    if after.status is ConditionStatus.FALSE:
        is_news = before is None or not was_bad or before.reason != after.reason
        return _warning(after, now_s) if is_news else None
    if was_bad and after.status is ConditionStatus.TRUE:
        return _normal(after.reason, f"{after.type}: {after.message}", now_s)
    return None


def _normal(reason: str, message: str, now_s: float) -> PoolEvent:
    return PoolEvent(type=EventType.NORMAL, reason=reason, message=message, at_s=now_s)


def _warning(condition: Condition, now_s: float) -> PoolEvent:
    return PoolEvent(
        type=EventType.WARNING, reason=condition.reason, message=condition.message, at_s=now_s
    )


Tellings = Mapping[tuple[str, str], float]
"""When events were last told, by reason and message."""


def worth_telling(
    happened: Iterable[PoolEvent], told: Tellings
) -> tuple[tuple[PoolEvent, ...], Tellings]:
    """Without repeats, and with pauses between events of one reason; and what is told by then."""
    now: dict[tuple[str, str], float] = dict(told)
    chosen = []
    for event in happened:
        last_s = max((at_s for (why, _), at_s in now.items() if why == event.reason), default=None)
        same_s = now.get((event.reason, event.message))
        is_repeat = same_s is not None and event.at_s - same_s < REPEAT_S
        is_hasty = last_s is not None and event.at_s - last_s < PACE_S
        if not is_repeat and not is_hasty:
            chosen.append(event)
            now[event.reason, event.message] = event.at_s
            now = {key: at_s for key, at_s in now.items() if event.at_s - at_s < REPEAT_S}
    return tuple(chosen), now
