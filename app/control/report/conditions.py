"""The conditions and the state of a pool, from its evaluation. Pure.

Each finding sets the condition that `problems.EFFECTS` names. The functions here apply while no
finding sets their condition.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.control.decide.evaluation import Evaluation
from app.control.pool import problems
from app.control.pool.problems import FindingSeverity, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.status import Condition, ConditionStatus, ConditionType, PoolState
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


def _unknown(evaluation: Evaluation) -> _Verdict:
    """Not evaluated, and why."""
    status = ConditionStatus.UNKNOWN
    blocking = evaluation.of_severity(FindingSeverity.PROBLEM)
    if blocking:
        message = f"not evaluated because of {blocking[0].reason}"
        return _Verdict(status=status, reason="NotEvaluated", message=message)
    if evaluation.mode is Mode.OFF:
        return _Verdict(status=status, reason="Off", message="no size is computed in mode Off")
    return _Verdict(status=status, reason="NotRead", message="not read yet")


def conditions(
    evaluation: Evaluation, *, before: tuple[Condition, ...], now_s: float
) -> tuple[Condition, ...]:
    """Every condition, in order. One whose status has not changed keeps its transition time."""
    known = {condition.type: condition for condition in before}
    return tuple(
        _dated(
            kind, _by_findings(kind, evaluation) or make(evaluation), known.get(kind), now_s=now_s
        )
        for kind, make in _MAKERS.items()
    )


def _dated(
    kind: ConditionType, verdict: _Verdict, before: Condition | None, *, now_s: float
) -> Condition:
    since_s = now_s
    if before is not None and before.status is verdict.status:
        if (before.reason, before.message) == (verdict.reason, verdict.message):
            return before
        since_s = before.last_transition_at_s
    return Condition(
        type=kind,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        last_transition_at_s=since_s,
    )


def _by_findings(kind: ConditionType, evaluation: Evaluation) -> _Verdict | None:
    """By the findings that set this condition; the first of them decides."""
    setting = [one for one in problems.ordered(evaluation.findings) if one.effect.condition is kind]
    if not setting:
        return None
    first = setting[0]
    return _Verdict(
        status=first.effect.status, reason=first.reason.value, message=problems.text(setting)
    )


def _ready(evaluation: Evaluation) -> _Verdict:
    blocking, warnings = (
        evaluation.of_severity(FindingSeverity.PROBLEM),
        evaluation.of_severity(FindingSeverity.WARNING),
    )
    if blocking:
        return _false(blocking[0].reason.value, problems.text((*blocking, *warnings)))
    working = _working(evaluation)
    if not warnings:
        return working
    mentioned = problems.text(warnings)
    if any(one.reason is ProblemReason.FIXED_OUT_OF_BOUNDS for one in warnings):
        return _true(warnings[0].reason.value, mentioned)  # says itself what sets the size
    return _true(warnings[0].reason.value, f"{working.message}; {mentioned}")


def _working(evaluation: Evaluation) -> _Verdict:
    """What a pool without problems does."""
    match evaluation.mode:
        case Mode.DRY_RUN:
            return _true("DryRun", "the size is only recommended, not written to the target")
        case Mode.OFF:
            return _true("Off", "the pool is not scaled (mode Off)")
    for rule, (_, message) in _PAUSES.items():
        if evaluation.has(rule):
            return _true("Reconciled", message)
    return _true("Reconciled", "the size follows the queues")


def _active(evaluation: Evaluation) -> _Verdict:
    match evaluation.has_work:
        case None:
            return _unknown(evaluation)
        case True:
            return _true("Work", "messages wait or tasks run")
        case False:
            return _false("NoWork", "nothing waits or runs")


def _able_to_scale(evaluation: Evaluation) -> _Verdict:
    if evaluation.draining is None:
        return _unknown(evaluation)
    return _true("ReadyForNewScale", "the target can be scaled")


_LIMITS = {
    Rule.MAXIMUM: ("TooManyReplicas", "the queues need more replicas than maxReplicas allows"),
    Rule.MINIMUM: ("TooFewReplicas", "the queues need fewer replicas than minReplicas"),
    Rule.RATE: ("ScaleRateLimit", "a policy of spec.behavior limits how fast the size changes"),
}


def _scaling_limited(evaluation: Evaluation) -> _Verdict:
    if not evaluation.is_read or evaluation.decision is None:
        return _unknown(evaluation)
    for rule, (reason, message) in _LIMITS.items():
        if evaluation.has(rule):
            return _true(reason, message)
    return _false("DesiredWithinRange", "the size that the queues need is within the bounds")


def _metrics_available(evaluation: Evaluation) -> _Verdict:
    return (
        _true("ValidReading", "the queues are read") if evaluation.is_read else _unknown(evaluation)
    )


def _workers_healthy(evaluation: Evaluation) -> _Verdict:
    if not evaluation.are_workers_known:
        return _unknown(evaluation)
    return _true("WorkersHeard", "every running worker sends heartbeats")


def _fallback(evaluation: Evaluation) -> _Verdict:
    if evaluation.has(Rule.FALLBACK):
        return _true("NoReading", "the queues cannot be read: spec.fallback sets the size")
    if evaluation.decision is None:
        return _unknown(evaluation)
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


def _paused(evaluation: Evaluation) -> _Verdict:
    if evaluation.decision is None:
        return _unknown(evaluation)
    for rule, (reason, message) in _PAUSES.items():
        if evaluation.has(rule):
            return _true(reason, message)
    return _false("NotPaused", "neither spec.replicas nor an annotation holds the size")


def _draining(evaluation: Evaluation) -> _Verdict:
    match evaluation.draining:
        case None:
            return _unknown(evaluation)
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


def _has_found(*reasons: ProblemReason) -> Callable[[Evaluation], bool]:
    return lambda evaluation: any(one.reason in reasons for one in evaluation.findings)


def _decided(*rules: Rule) -> Callable[[Evaluation], bool]:
    return lambda evaluation: any(evaluation.has(rule) for rule in rules)


def _is_refused(evaluation: Evaluation) -> bool:
    return any(
        one.effect.condition is ConditionType.ABLE_TO_SCALE
        and one.reason is not ProblemReason.TARGET_UNREACHABLE
        for one in evaluation.of_severity(FindingSeverity.PROBLEM)
    )


def _is_blind(evaluation: Evaluation) -> bool:
    return evaluation.has(Rule.BLIND) or any(
        one.effect.condition is ConditionType.METRICS_AVAILABLE
        or one.reason is ProblemReason.TARGET_UNREACHABLE
        for one in evaluation.of_severity(FindingSeverity.PROBLEM)
    )


def _is_unhealthy(evaluation: Evaluation) -> bool:
    return any(
        one.effect.condition is ConditionType.WORKERS_HEALTHY
        for one in evaluation.of_severity(FindingSeverity.PROBLEM)
    )


_HOLDS: dict[PoolState, Callable[[Evaluation], bool]] = {
    PoolState.INVALID: _has_found(
        ProblemReason.INVALID_SPEC,
        ProblemReason.INVALID_ANNOTATION,
        ProblemReason.INVALID_SCHEDULE,
    ),
    PoolState.OFF: lambda evaluation: evaluation.mode is Mode.OFF,
    PoolState.NO_TARGET: _has_found(
        ProblemReason.TARGET_NOT_FOUND, ProblemReason.TARGET_NOT_SCALABLE
    ),
    PoolState.CONTESTED: _has_found(ProblemReason.TARGET_SHARED),
    PoolState.REFUSED: _is_refused,
    PoolState.DRY_RUN: lambda evaluation: evaluation.mode is Mode.DRY_RUN,
    PoolState.FIXED: _decided(Rule.FIXED),
    PoolState.PAUSED: _decided(Rule.PAUSED, Rule.GROWING_PAUSED, Rule.SHRINKING_PAUSED),
    PoolState.FALLBACK: _decided(Rule.FALLBACK),
    PoolState.BLIND: _is_blind,
    PoolState.UNHEALTHY: _is_unhealthy,
    PoolState.UNKNOWN: lambda evaluation: evaluation.decision is None,
    PoolState.DRAINING: lambda evaluation: bool(evaluation.draining),
    PoolState.AT_MAXIMUM: _decided(Rule.MAXIMUM),
    PoolState.AT_MINIMUM: _decided(Rule.MINIMUM),
    PoolState.IDLE: lambda evaluation: evaluation.has_work is False,
    PoolState.FOLLOWING: lambda evaluation: True,
}


def state(evaluation: Evaluation) -> PoolState:
    """The first state that holds."""
    return next(each for each in PoolState if _HOLDS[each](evaluation))
