"""The state of a pool: one word for what sets its size now."""

from collections.abc import Callable

from app.control.decide.evaluation import Findings
from app.control.pool.problems import Level, ProblemReason
from app.control.pool.spec import Mode
from app.control.pool.status import ConditionType, PoolState
from app.scaling.steps import Rule


def _found(*reasons: ProblemReason) -> Callable[[Findings], bool]:
    return lambda found: any(one.reason in reasons for one in found.found)


def _decided(*rules: Rule) -> Callable[[Findings], bool]:
    return lambda found: any(found.has(rule) for rule in rules)


def _is_refused(found: Findings) -> bool:
    return any(
        one.effect.turns is ConditionType.ABLE_TO_SCALE
        and one.reason is not ProblemReason.TARGET_UNREACHABLE
        for one in found.of_level(Level.PROBLEM)
    )


def _is_blind(found: Findings) -> bool:
    return found.has(Rule.BLIND) or any(
        one.effect.turns is ConditionType.METRICS_AVAILABLE
        or one.reason is ProblemReason.TARGET_UNREACHABLE
        for one in found.of_level(Level.PROBLEM)
    )


def _is_unhealthy(found: Findings) -> bool:
    return any(
        one.effect.turns is ConditionType.WORKERS_HEALTHY for one in found.of_level(Level.PROBLEM)
    )


_HOLDS: dict[PoolState, Callable[[Findings], bool]] = {
    PoolState.INVALID: _found(
        ProblemReason.INVALID_SPEC,
        ProblemReason.INVALID_ANNOTATION,
        ProblemReason.INVALID_SCHEDULE,
    ),
    PoolState.OFF: lambda found: found.mode is Mode.OFF,
    PoolState.NO_TARGET: _found(ProblemReason.TARGET_NOT_FOUND, ProblemReason.TARGET_NOT_SCALABLE),
    PoolState.CONTESTED: _found(ProblemReason.TARGET_SHARED),
    PoolState.REFUSED: _is_refused,
    PoolState.DRY_RUN: lambda found: found.mode is Mode.DRY_RUN,
    PoolState.FIXED: _decided(Rule.FIXED),
    PoolState.PAUSED: _decided(Rule.PAUSED, Rule.GROWING_PAUSED, Rule.SHRINKING_PAUSED),
    PoolState.FALLBACK: _decided(Rule.FALLBACK),
    PoolState.BLIND: _is_blind,
    PoolState.UNHEALTHY: _is_unhealthy,
    PoolState.UNKNOWN: lambda found: found.decision is None,
    PoolState.DRAINING: lambda found: bool(found.draining),
    PoolState.AT_MAXIMUM: _decided(Rule.MAXIMUM),
    PoolState.AT_MINIMUM: _decided(Rule.MINIMUM),
    PoolState.IDLE: lambda found: found.has_work is False,
    PoolState.FOLLOWING: lambda found: True,
}


def state(found: Findings) -> PoolState:
    """The first state that holds."""
    return next(each for each in PoolState if _HOLDS[each](found))
