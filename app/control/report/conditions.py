"""The conditions of a pool, from what a reconcile has found: pure; without news nothing changes.

What is wrong comes as findings, each with the condition that it turns (`problems.EFFECTS`). The
functions here say what a condition is while no finding turns it.
"""

from dataclasses import dataclass

from app.control.decide.evaluation import Findings
from app.control.pool import problems
from app.control.pool.problems import Level, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.status import Condition, ConditionStatus, ConditionType
from app.scaling.steps import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    status: ConditionStatus
    reason: str
    message: str


def _true(reason: str, message: str) -> _Verdict:
    return _Verdict(status=ConditionStatus.TRUE, reason=reason, message=message)


def _false(reason: str, message: str) -> _Verdict:
    return _Verdict(status=ConditionStatus.FALSE, reason=reason, message=message)


def _unknown(found: Findings) -> _Verdict:
    """Not evaluated, and why."""
    status = ConditionStatus.UNKNOWN
    blocking = found.of_level(Level.PROBLEM)
    if blocking:
        message = f"not evaluated because of {blocking[0].reason}"
        return _Verdict(status=status, reason="NotEvaluated", message=message)
    if found.mode is Mode.OFF:
        return _Verdict(status=status, reason="Off", message="no size is computed in mode Off")
    return _Verdict(status=status, reason="NotRead", message="not read yet")


def conditions(
    found: Findings, *, before: tuple[Condition, ...], now_s: float
) -> tuple[Condition, ...]:
    """Every condition, in order. One whose status has not changed keeps its transition time."""
    known = {condition.type: condition for condition in before}
    return tuple(
        _dated(kind, _turned(kind, found) or make(found), known.get(kind), now_s=now_s)
        for kind, make in _MAKERS.items()
    )


def _dated(
    kind: ConditionType, verdict: _Verdict, before: Condition | None, *, now_s: float
) -> Condition:
    is_same = before is not None and before.status is verdict.status
    return Condition(
        type=kind,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        last_transition_at_s=before.last_transition_at_s if before and is_same else now_s,
    )


def _turned(kind: ConditionType, found: Findings) -> _Verdict | None:
    """By the findings that turn this condition; the first of them says how."""
    turning = [one for one in problems.ordered(found.found) if one.effect.turns is kind]
    if not turning:
        return None
    first = turning[0]
    return _Verdict(
        status=first.effect.to, reason=first.reason.value, message=problems.text(turning)
    )


def _ready(found: Findings) -> _Verdict:
    blocking, warnings = found.of_level(Level.PROBLEM), found.of_level(Level.WARNING)
    if blocking:
        return _false(blocking[0].reason.value, problems.text((*blocking, *warnings)))
    calm = _working(found)
    if not warnings:
        return calm
    told = problems.text(warnings)
    if any(one.reason is ProblemReason.FIXED_OUT_OF_BOUNDS for one in warnings):
        return _true(warnings[0].reason.value, told)  # says itself what sets the size
    return _true(warnings[0].reason.value, f"{calm.message}; {told}")


def _working(found: Findings) -> _Verdict:
    """What a pool without problems does."""
    match found.mode:
        case Mode.DRY_RUN:
            return _true("DryRun", "the size is recommended here and not written to the target")
        case Mode.OFF:
            return _true("Off", "the pool is not scaled (mode Off)")
    for rule, (_, message) in _PAUSES.items():
        if found.has(rule):
            return _true("Reconciled", message)
    return _true("Reconciled", "the size follows the queues")


def _active(found: Findings) -> _Verdict:
    match found.has_work:
        case None:
            return _unknown(found)
        case True:
            return _true("Work", "messages wait or tasks run")
        case False:
            return _false("NoWork", "nothing waits and nothing runs")


def _able_to_scale(found: Findings) -> _Verdict:
    if found.draining is None:
        return _unknown(found)
    return _true("ReadyForNewScale", "the target can be scaled")


_LIMITS = {
    Rule.MAXIMUM: ("TooManyReplicas", "the queues need more replicas than maxReplicas allows"),
    Rule.MINIMUM: ("TooFewReplicas", "the queues need fewer replicas than minReplicas"),
    Rule.RATE: ("ScaleRateLimit", "a policy of spec.behavior limits how fast the size changes"),
}


def _scaling_limited(found: Findings) -> _Verdict:
    if not found.is_read or found.decision is None:
        return _unknown(found)
    for rule, (reason, message) in _LIMITS.items():
        if found.has(rule):
            return _true(reason, message)
    return _false("DesiredWithinRange", "the size that the queues need is within the bounds")


def _metrics_available(found: Findings) -> _Verdict:
    return _true("ValidReading", "the queues are read") if found.is_read else _unknown(found)


def _workers_healthy(found: Findings) -> _Verdict:
    if not found.is_heard:
        return _unknown(found)
    return _true("WorkersHeard", "every running worker is heard")


def _fallback(found: Findings) -> _Verdict:
    if found.has(Rule.FALLBACK):
        return _true("NoReading", "the queues cannot be read: spec.fallback sets the size")
    if found.decision is None:
        return _unknown(found)
    return _false("NotNeeded", "the size does not come from spec.fallback")


_PAUSES = {
    Rule.FIXED: (
        "FixedSize",
        "the size is fixed by spec.replicas or by the annotation celeriac.dev/paused-replicas",
    ),
    Rule.PAUSED: ("PausedByAnnotation", "the annotation celeriac.dev/paused keeps the size"),
    Rule.GROWING_PAUSED: (
        "GrowingPaused",
        "the annotation celeriac.dev/paused-scale-out keeps the pool from growing",
    ),
    Rule.SHRINKING_PAUSED: (
        "ShrinkingPaused",
        "the annotation celeriac.dev/paused-scale-in keeps the pool from shrinking",
    ),
}


def _paused(found: Findings) -> _Verdict:
    if found.decision is None:
        return _unknown(found)
    for rule, (reason, message) in _PAUSES.items():
        if found.has(rule):
            return _true(reason, message)
    return _false("NotPaused", "neither spec.replicas nor an annotation holds the size")


def _draining(found: Findings) -> _Verdict:
    match found.draining:
        case None:
            return _unknown(found)
        case 0:
            return _false("NotDraining", "no replica is being drained")
        case 1:
            return _true("Draining", "1 replica finishes its tasks before it goes")
        case count:
            return _true("Draining", f"{count} replicas finish their tasks before they go")


_MAKERS = {
    ConditionType.READY: _ready,
    ConditionType.ACTIVE: _active,
    ConditionType.ABLE_TO_SCALE: _able_to_scale,
    ConditionType.SCALING_LIMITED: _scaling_limited,
    ConditionType.METRICS_AVAILABLE: _metrics_available,
    ConditionType.WORKERS_HEALTHY: _workers_healthy,
    ConditionType.FALLBACK: _fallback,
    ConditionType.PAUSED: _paused,
    ConditionType.DRAINING: _draining,
}
