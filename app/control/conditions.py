"""The conditions of a pool, from what a turn has found: pure, and steady while nothing changes."""

from dataclasses import dataclass

from app.control.problems import PoolProblem, ProblemReason
from app.control.spec import Mode
from app.control.status import Condition, ConditionStatus, ConditionType
from app.scaling.steps import Decision, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a turn has found, as far as it came. `None` is "did not come to it"."""

    mode: Mode = Mode.AUTO
    decision: Decision | None = None
    has_work: bool | None = None
    draining: int = 0
    overdue: tuple[str, ...] = ()
    other_queues: tuple[str, ...] = ()
    """Queues that draining workers consume and that the spec does not name."""
    unheard: tuple[str, ...] = ()
    is_blocked: bool = False
    problem: PoolProblem | None = None
    """Why the pool cannot be worked on, or its target not written."""
    broker_problem: PoolProblem | None = None
    """Why its queues cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    status: ConditionStatus
    reason: str
    message: str


def _true(reason: str, message: str) -> _Finding:
    return _Finding(status=ConditionStatus.TRUE, reason=reason, message=message)


def _false(reason: str, message: str) -> _Finding:
    return _Finding(status=ConditionStatus.FALSE, reason=reason, message=message)


def _unknown(reason: str, message: str) -> _Finding:
    return _Finding(status=ConditionStatus.UNKNOWN, reason=reason, message=message)


def conditions(
    found: Findings, *, before: tuple[Condition, ...], now_s: float
) -> tuple[Condition, ...]:
    """Every condition, in order. One whose status has not changed keeps its moment."""
    known = {condition.type: condition for condition in before}
    return tuple(
        _dated(kind, make(found), known.get(kind), now_s=now_s) for kind, make in _MAKERS.items()
    )


def _dated(
    kind: ConditionType, finding: _Finding, before: Condition | None, *, now_s: float
) -> Condition:
    is_same = before is not None and before.status is finding.status
    return Condition(
        type=kind,
        status=finding.status,
        reason=finding.reason,
        message=finding.message,
        last_transition_at_s=before.last_transition_at_s if before and is_same else now_s,
    )


def _ready(found: Findings) -> _Finding:
    problem = found.problem or found.broker_problem
    if problem is not None:
        return _false(problem.reason, str(problem))
    match found.mode:
        case Mode.AUTO:
            return _true("Reconciled", "the pool follows its queues")
        case Mode.DRY_RUN:
            return _true("DryRun", "sizes are recommended here and not written to the target")
        case Mode.OFF:
            return _true("Off", "the pool is left alone")


def _active(found: Findings) -> _Finding:
    match found.has_work:
        case None:
            return _unknown("Unknown", "the queues have not been read")
        case True:
            return _true("Work", "messages wait or tasks run")
        case False:
            return _false("NoWork", "nothing waits and nothing runs")


def _able_to_scale(found: Findings) -> _Finding:
    if found.problem is not None:
        return _false(found.problem.reason, str(found.problem))
    if found.is_blocked:
        return _true(
            "ShrinksToZeroOnly",
            "nobody can tell which replica the target would remove now (it is no Deployment or "
            "StatefulSet, or it is being rolled out), so it is not made smaller, but for zero; "
            "drain.policy None shrinks it regardless of running tasks",
        )
    return _true("ReadyForNewScale", "the target can be scaled")


_LIMITS = {
    Rule.MAXIMUM: ("TooManyReplicas", "demand asks for more replicas than the maximum"),
    Rule.MINIMUM: ("TooFewReplicas", "demand asks for fewer replicas than the minimum"),
    Rule.RATE: ("ScaleRateLimit", "a policy of spec.behavior limits how fast the size may change"),
}


def _scaling_limited(found: Findings) -> _Finding:
    for rule, (reason, message) in _LIMITS.items():
        if found.decision is not None and found.decision.has(rule):
            return _true(reason, message)
    return _false("DesiredWithinRange", "demand is within the bounds")


def _metrics_available(found: Findings) -> _Finding:
    if found.broker_problem is not None:
        return _false(found.broker_problem.reason, str(found.broker_problem))
    if found.has_work is None:
        return _unknown("NotRead", "the queues have not been read")
    if found.unheard:
        names = ", ".join(found.unheard[:3])
        return _true(
            "WorkersUnheard",
            f"no heartbeat from {names}: such replicas are never taken away. Workers need their "
            "heartbeats (no --without-heartbeat) and a node name that ends in @ and the host name",
        )
    return _true("ValidReading", "queues and workers are read")


def _fallback(found: Findings) -> _Finding:
    if found.decision is not None and found.decision.has(Rule.FALLBACK):
        return _true("NoReading", "nothing is known of the queues: spec.fallback is in force")
    return _false("NotNeeded", "sizes come from readings")


_PAUSES = {
    Rule.FIXED: ("FixedSize", "spec.replicas or the annotation paused-replicas fixes the size"),
    Rule.PAUSED: ("PausedByAnnotation", "the annotation paused holds the size"),
    Rule.GROWING_PAUSED: ("GrowingPaused", "the annotation paused-scale-out holds growing back"),
    Rule.SHRINKING_PAUSED: ("ShrinkingPaused", "the annotation paused-scale-in holds the size"),
}


def _paused(found: Findings) -> _Finding:
    for rule, (reason, message) in _PAUSES.items():
        if found.decision is not None and found.decision.has(rule):
            return _true(reason, message)
    return _false("NotPaused", "the size follows demand")


def _draining(found: Findings) -> _Finding:
    if found.other_queues:
        return _true(
            "OtherQueues",
            f"replicas to go also consume {', '.join(found.other_queues)}, which spec.queues does "
            "not name: they stay until it does",
        )
    if found.overdue:
        names = ", ".join(found.overdue[:3])
        return _true(
            "DrainOverdue",
            f"still busy after drain.timeoutSeconds: {names}. No task is ended unless "
            "drain.onTimeout is Retire",
        )
    if found.draining:
        return _true("Draining", "replicas finish their tasks before they go")
    return _false("NotDraining", "no replica is on its way out")


_MAKERS = {
    ConditionType.READY: _ready,
    ConditionType.ACTIVE: _active,
    ConditionType.ABLE_TO_SCALE: _able_to_scale,
    ConditionType.SCALING_LIMITED: _scaling_limited,
    ConditionType.METRICS_AVAILABLE: _metrics_available,
    ConditionType.FALLBACK: _fallback,
    ConditionType.PAUSED: _paused,
    ConditionType.DRAINING: _draining,
}


def unreachable(host: str) -> PoolProblem:
    """The broker's silence, as a pool reports it."""
    return PoolProblem(
        ProblemReason.BROKER_UNREACHABLE,
        f"no answer from the broker at {host}: replicas are held until it is back",
    )
