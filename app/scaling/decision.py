"""How many replicas a pool should have: one function of what is seen, wanted and remembered.

A decision counts replicas that *take work*. It is never outside of minimum and maximum, unless
somebody has fixed the size or paused the pool by hand. A busy replica beyond it is not ended: it
drains, and goes when it is idle (`app.scaling.drain`). So the maximum wins when a pool grows, and
running work wins when it shrinks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.scaling import rules, situation
from app.scaling.memory import Memory
from app.scaling.policy import Fallback, FallbackBehavior, Policy
from app.scaling.reading import Reading
from app.scaling.situation import Situation
from app.scaling.steps import Decision, Rule, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision, and what to remember for the next one."""

    decision: Decision
    memory: Memory


def decide(seen: Reading, *, policy: Policy, memory: Memory, now_s: float) -> Outcome:
    """Choose the number of replicas that take work, and say why."""
    memory = situation.observed(seen, policy=policy, memory=memory, now_s=now_s)
    settled = _overridden(seen, policy) or _blind(seen, policy, memory)
    if settled is not None:
        decision = Decision(replicas=settled.replicas, reason=settled.rule, steps=(settled,))
        return Outcome(decision=decision, memory=memory)
    at = situation.build_situation(seen, policy=policy, memory=memory, now_s=now_s)
    at, recommending = _spoken(at, rules.RECOMMENDING)
    at, limiting = _spoken(at.with_recommendation(), rules.LIMITING)
    steps = (*recommending, *limiting)
    decision = Decision(replicas=at.size, reason=steps[-1].rule, steps=steps)
    return Outcome(decision=decision, memory=at.memory)


def _spoken(at: Situation, speakers: Iterable[rules.Speaks]) -> tuple[Situation, tuple[Step, ...]]:
    steps = []
    for speak in speakers:
        step = speak(at)
        if step is not None:
            steps.append(step)
            at = at.with_size(step.replicas)
    return at, tuple(steps)


def _overridden(seen: Reading, policy: Policy) -> Step | None:
    wish = policy.override
    if wish.replicas is not None:
        return Step(rule=Rule.FIXED, replicas=wish.replicas)
    if wish.is_paused:
        return Step(rule=Rule.PAUSED, replicas=seen.replicas + seen.draining)
    return None


def _blind(seen: Reading, policy: Policy, memory: Memory) -> Step | None:
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
