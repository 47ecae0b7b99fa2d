"""How many replicas a pool should have: a pure function of reading, policy and memory.

The rules run in order, each a function of the situation that returns a step, or `None` when it does
not apply. `RECOMMENDING` says what the work needs. That is remembered, and `LIMITING` then holds
back what would be hasty, unsafe or out of bounds. A rule that only keeps replicas (running tasks, a
cooldown) is not a recommendation: remembered, it would keep them for another stabilization window.

A decision counts replicas that *take work*. It is within minimum and maximum unless the size is
fixed or paused by hand. A busy replica beyond it is not stopped: it drains, and is removed when it
is idle (`app.scaling.drain_plan`). So the maximum wins when a pool grows, and running tasks win
when it shrinks.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.scaling import behavior, situation
from app.scaling.situation import Situation, SizingMemory
from app.scaling.sizing_inputs import (
    Fallback,
    FallbackBehavior,
    PoolReading,
    QueueWait,
    ScalingPolicy,
)
from app.scaling.steps import Decision, Figure, Rule, Step

SizingRule = Callable[[Situation], Step | None]


def _step(rule: Rule, replicas: int, **figures: Figure) -> Step:
    return Step(rule=rule, replicas=replicas, figures=tuple(figures.items()))


def _demanded(at: Situation) -> Step | None:
    replicas = math.ceil(at.demand.replicas)
    rates = at.memory.estimate
    return _step(
        Rule.DEMAND,
        replicas,
        waiting=at.work.waiting,
        running=at.work.running,
        held=at.work.held,
        slots=at.demand.slots,
        slots_per_replica=at.slots_per_replica,
        arrival_rate=rates.arrival_rate,
        runtime_s=rates.mean_runtime_s,
    )


def _tolerated(at: Situation) -> Step | None:
    if at.size == at.current or at.current == 0:
        return None
    ratio = at.demand.replicas / at.current
    rules = at.policy.behavior.scale_up if ratio > 1 else at.policy.behavior.scale_down
    if abs(ratio - 1) > rules.tolerance_ratio:
        return None
    return _step(Rule.TOLERANCE, at.current, ratio=ratio, tolerance=rules.tolerance_ratio)


def _not_activated(at: Situation) -> Step | None:
    threshold = at.policy.activation_depth
    if at.current > 0 or at.size == 0 or at.work.tasks > threshold:
        return None
    return _step(Rule.ACTIVATION, 0, waiting=at.work.tasks, threshold=threshold)


def _held_messages(at: Situation) -> Step | None:
    held = at.seen.unacked
    if at.size > 0 or at.work.running > 0 or held == 0:
        return None
    if held is None and at.current == 0:
        return None
    return _step(Rule.HELD_MESSAGES, 1, held=held, scheduled=at.seen.scheduled)


def _scheduled_messages(at: Situation) -> Step | None:
    later = at.seen.ready_later
    threshold = at.policy.activation_depth if at.current == 0 else 0
    if at.size > 0 or at.work.running > 0 or later <= threshold:
        return None
    return _step(Rule.SCHEDULED_MESSAGES, 1, scheduled=later)


def _cooling_down(at: Situation) -> Step | None:
    active_at_s = at.memory.active_at_s
    if at.size > 0 or at.work.running > 0 or at.current == 0 or active_at_s is None:
        return None
    left_s = active_at_s + at.policy.cooldown_s - at.now_s
    return _step(Rule.COOLDOWN, 1, left_s=left_s) if left_s > 0 else None


def _forced_active(at: Situation) -> Step | None:
    if at.size > 0 or not at.policy.override.is_activated:
        return None
    return _step(Rule.FORCED_ACTIVE, 1)


def _stabilized(at: Situation) -> Step | None:
    history, rules = at.memory.history, at.policy.behavior
    size = behavior.stabilized(
        at.size, current=at.current, history=history, behavior=rules, now_s=at.now_s
    )
    if size == at.size:
        return None
    is_raised = size > at.size
    window = rules.scale_down if is_raised else rules.scale_up
    return _step(
        Rule.STABILIZATION,
        size,
        recommended=at.size,
        side="highest" if is_raised else "lowest",
        window_s=window.stabilization_window_s,
    )


def _late(at: Situation) -> Step | None:
    target, age_s = at.policy.target, at.seen.oldest_age_s
    if at.size >= at.current or age_s is None or not isinstance(target, QueueWait):
        return None
    if age_s <= target.wait_s:
        return None
    return _step(Rule.LATE, at.current, age_s=age_s, target_s=target.wait_s)


def _bursting(at: Situation) -> Step | None:
    until_s = at.memory.burst_until_s
    if at.size >= at.current or until_s is None or at.now_s >= until_s:
        return None
    return _step(Rule.BURST, at.current, left_s=until_s - at.now_s)


def _silent(at: Situation) -> Step | None:
    if at.size >= at.current or at.seen.active is not None:
        return None
    return _step(Rule.UNHEARD, at.current)


def _busy(at: Situation) -> Step | None:
    floor = min(math.ceil(at.work.running / at.slots_per_replica), at.current)
    if at.size >= floor:
        return None
    return _step(Rule.BUSY, floor, running=at.work.running)


def _rate_limited(at: Situation) -> Step | None:
    size = behavior.rate_limited(
        at.size,
        current=at.current,
        history=at.memory.history,
        behavior=at.policy.behavior,
        now_s=at.now_s,
    )
    return _step(Rule.RATE, size, wanted=at.size) if size != at.size else None


def _at_least(at: Situation) -> Step | None:
    floor = min(at.policy.min_replicas, at.policy.max_replicas)
    if at.size >= floor:
        return None
    return _step(Rule.MINIMUM, floor, wanted=at.size, schedules=", ".join(at.policy.schedules))


def _at_most(at: Situation) -> Step | None:
    ceiling = at.policy.max_replicas
    if at.size <= ceiling:
        return None
    return _step(Rule.MAXIMUM, ceiling, wanted=at.size, schedules=", ".join(at.policy.schedules))


def _growing_paused(at: Situation) -> Step | None:
    if at.size <= at.current or not at.policy.override.is_growing_paused:
        return None
    return _step(Rule.GROWING_PAUSED, at.current, wanted=at.size)


def _shrinking_paused(at: Situation) -> Step | None:
    kept = at.current + at.seen.draining
    if at.size >= kept or not at.policy.override.is_shrinking_paused:
        return None
    return _step(Rule.SHRINKING_PAUSED, kept, wanted=at.size)


RECOMMENDING: tuple[SizingRule, ...] = (
    _demanded,
    _tolerated,
    _not_activated,
)

LIMITING: tuple[SizingRule, ...] = (
    _stabilized,
    _late,
    _bursting,
    _silent,
    _busy,
    _held_messages,
    _scheduled_messages,
    _cooling_down,
    _forced_active,
    _rate_limited,
    _at_least,
    _at_most,
    _growing_paused,
    _shrinking_paused,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingOutcome:
    """A decision, and what to remember for the next one."""

    decision: Decision
    memory: SizingMemory


def decide(
    seen: PoolReading, *, policy: ScalingPolicy, memory: SizingMemory, now_s: float
) -> SizingOutcome:
    """Choose the number of replicas that take work, and say why."""
    memory = situation.observed(seen, policy=policy, memory=memory, now_s=now_s)
    override = _overridden(seen, policy) or _blind(seen, policy, memory)
    if override is not None:
        decision = Decision(replicas=override.replicas, reason=override.rule, steps=(override,))
        return SizingOutcome(decision=decision, memory=memory)
    at = situation.build_situation(seen, policy=policy, memory=memory, now_s=now_s)
    at, recommending = _applied(at, RECOMMENDING)
    at, limiting = _applied(at.with_recommendation(), LIMITING)
    steps = (*recommending, *limiting)
    decision = Decision(replicas=at.size, reason=steps[-1].rule, steps=steps)
    return SizingOutcome(decision=decision, memory=at.memory)


def _applied(at: Situation, rules: Iterable[SizingRule]) -> tuple[Situation, tuple[Step, ...]]:
    steps = []
    for rule in rules:
        step = rule(at)
        if step is not None:
            steps.append(step)
            at = at.with_size(step.replicas)
    return at, tuple(steps)


def _overridden(seen: PoolReading, policy: ScalingPolicy) -> Step | None:
    override = policy.override
    if override.replicas is not None:
        return Step(rule=Rule.FIXED, replicas=override.replicas)
    if override.is_paused:
        return Step(rule=Rule.PAUSED, replicas=seen.replicas + seen.draining)
    return None


def _blind(seen: PoolReading, policy: ScalingPolicy, memory: SizingMemory) -> Step | None:
    if seen.ready is not None:
        return None
    failures = (("failures", memory.failures),)
    fallback = policy.fallback
    if fallback is None or memory.failures < fallback.failure_threshold:
        return Step(rule=Rule.BLIND, replicas=seen.replicas, figures=failures)
    size = _fallback_size(fallback, current=seen.replicas)
    if size != seen.replicas:
        size = min(max(size, policy.min_replicas), policy.max_replicas)
    figures = (*failures, ("behavior", fallback.behavior.value))
    return Step(rule=Rule.FALLBACK, replicas=size, figures=figures)


def _fallback_size(fallback: Fallback, *, current: int) -> int:
    match fallback.behavior:
        case FallbackBehavior.STATIC:
            return fallback.replicas
        case FallbackBehavior.CURRENT_REPLICAS:
            return current
        case FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER:
            return max(current, fallback.replicas)
        case FallbackBehavior.CURRENT_REPLICAS_IF_LOWER:
            return min(current, fallback.replicas)
