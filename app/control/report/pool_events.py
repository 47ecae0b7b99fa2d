"""What a pool tells its owner: when its status is worth a write, and which events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.control.decide.pool_memory import Tellings
from app.control.pool.problems import Finding, Level, ProblemReason
from app.control.pool.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    EventType,
    PoolEvent,
    PoolStatus,
)
from app.control.ports import Scaling

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
        status.state,
        status.mode,
        status.pool_queues,
        status.min_replicas,
        status.max_replicas,
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
    return (
        queues,
        status.held,
        status.active_tasks,
        tuple(each.message for each in status.conditions),
    )


def _is_close(before: float | None, now: float | None) -> bool:
    """Not known and nothing are no news to each other."""
    was, is_now = before or 0.0, now or 0.0
    return abs(is_now - was) <= max(NOTICEABLE_RATIO * was, 0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a reconcile has come to, as far as events are made from it."""

    conditions: Sequence[Condition] = ()
    findings: Sequence[Finding] = ()


def events(
    *,
    before: Told,
    after: Told,
    scaling: Scaling | None,
    marked: Sequence[str],
    explanation: Sequence[str],
    now_s: float,
) -> Iterator[PoolEvent]:
    """What has happened in one reconcile."""
    why = "; ".join(explanation)
    if scaling is not None:
        reason = "ScaledUp" if scaling.now > scaling.was else "ScaledDown"
        yield _normal(reason, f"{scaling.was} -> {scaling.now} replicas: {why}", now_s)
    if marked:
        yield _normal("DrainStarted", f"{_draining(marked)}: {why}", now_s)
    yield from _of_findings(before, after, now_s=now_s)
    yield from _of_pauses(before, after, now_s=now_s)


def _draining(marked: Sequence[str]) -> str:
    names = ", ".join(marked[:5]) + (", …" if len(marked) > 5 else "")
    return f"{names} drains" if len(marked) == 1 else f"{len(marked)} replicas drain ({names})"


def _of_findings(before: Told, after: Told, *, now_s: float) -> Iterator[PoolEvent]:
    """Each finding when it begins, and when it is over."""
    were, are = _by_reason(before.findings), _by_reason(after.findings)
    for reason, finding in are.items():
        if reason not in were:
            yield PoolEvent(
                type=EventType.WARNING, reason=reason.value, message=finding.message, at_s=now_s
            )
    conditions = {condition.type: condition for condition in after.conditions}
    still_turned = {finding.effect.turns for finding in are.values()}
    for reason, finding in were.items():
        if reason in are or finding.effect.turns in still_turned:
            continue
        now = conditions[finding.effect.turns or ConditionType.READY]
        if now.status is not ConditionStatus.UNKNOWN:
            yield _normal(f"{reason}Resolved", now.message, now_s)


def _by_reason(findings: Sequence[Finding]) -> Mapping[ProblemReason, Finding]:
    """Those that are worth an event; several of one reason make one."""
    found: dict[ProblemReason, list[Finding]] = {}
    for one in findings:
        if one.effect.level is not Level.NOTE:
            found.setdefault(one.reason, []).append(one)
    return {
        reason: Finding(reason, "; ".join(one.message for one in alike))
        for reason, alike in found.items()
    }


def _of_pauses(before: Told, after: Told, *, now_s: float) -> Iterator[PoolEvent]:
    was, now = _paused(before), _paused(after)
    if now is None:
        return
    was_paused = was is not None and was.status is ConditionStatus.TRUE
    begins = now.status is ConditionStatus.TRUE and not was_paused
    ends = now.status is ConditionStatus.FALSE and was_paused
    reasons = {finding.reason for finding in (*before.findings, *after.findings)}
    is_told = (was is not None and was.reason in reasons) or now.reason in reasons
    if (begins or ends) and not is_told:
        yield _normal(now.reason, now.message, now_s)


def _paused(told: Told) -> Condition | None:
    return next((one for one in told.conditions if one.type is ConditionType.PAUSED), None)


def _normal(reason: str, message: str, now_s: float) -> PoolEvent:
    return PoolEvent(type=EventType.NORMAL, reason=reason, message=message, at_s=now_s)


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
