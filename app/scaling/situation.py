"""All that the sizing rules look at: what is seen, wanted and remembered, and what follows."""

from dataclasses import dataclass, replace

from app.scaling import abandoned, behavior, demand, estimate
from app.scaling.memory import Memory
from app.scaling.policy import Policy
from app.scaling.reading import Reading

BURST_RATIO = 2.0
"""Demand by the short-term rate at this multiple of what there is: a burst (Knative: 200 %)."""
BURST_HOLD_S = 20.0
"""After a burst nothing is lowered for this long: bursts come in groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One pool at one moment. `size` is what the rules so far have come to."""

    seen: Reading
    policy: Policy
    memory: Memory
    now_s: float
    todo: demand.Work
    demand: demand.Demand
    slots_per_replica: int
    size: int = 0

    @property
    def current(self) -> int:
        """Replicas that take work now."""
        return self.seen.replicas

    def with_size(self, size: int) -> "Situation":
        return replace(self, size=size)

    def with_recommendation(self) -> "Situation":
        """Remember the size so far as what was recommended at this moment."""
        history = behavior.with_recommendation(
            self.memory.history, self.size, behavior=self.policy.behavior, now_s=self.now_s
        )
        return replace(self, memory=replace(self.memory, history=history))


def observed(seen: Reading, *, policy: Policy, memory: Memory, now_s: float) -> Memory:
    """Take a reading into the memory."""
    history = memory.history
    if memory.replicas is None:
        history = behavior.with_recommendation(
            history, seen.replicas, behavior=policy.behavior, now_s=now_s
        )
    else:
        history = behavior.with_change(
            history, seen.replicas - memory.replicas, behavior=policy.behavior, now_s=now_s
        )
    is_blind = seen.ready is None
    return replace(
        memory,
        replicas=seen.replicas,
        history=history,
        estimate=estimate.updated(memory.estimate, seen, now_s=now_s),
        abandoned=memory.abandoned if is_blind else _abandoned(seen, policy, memory, now_s=now_s),
        active_at_s=now_s if _is_active(seen, memory) else memory.active_at_s,
        failures=memory.failures + 1 if is_blind else 0,
    )


def build_situation(seen: Reading, *, policy: Policy, memory: Memory, now_s: float) -> Situation:
    """Work out the demand; `memory` has taken the reading in already."""
    slots = slots_per_replica(seen, policy)
    todo = demand.work(seen, abandoned=memory.abandoned.messages, slots=seen.replicas * slots)
    runtime_s = memory.estimate.mean_runtime_s
    usual, sudden = (
        demand.demand(
            todo, policy=policy, slots_per_replica=slots, arrival_rate=rate, runtime_s=runtime_s
        )
        for rate in (memory.estimate.arrival_rate, memory.estimate.burst_rate)
    )
    if 0 < seen.replicas * BURST_RATIO <= sudden.replicas:
        memory = replace(memory, burst_until_s=now_s + BURST_HOLD_S)
    is_burst = memory.burst_until_s is not None and now_s < memory.burst_until_s
    return Situation(
        seen=seen,
        policy=policy,
        memory=memory,
        now_s=now_s,
        todo=todo,
        demand=max(usual, sudden, key=lambda one: one.slots) if is_burst else usual,
        slots_per_replica=slots,
    )


def slots_per_replica(seen: Reading, policy: Policy) -> int:
    """Tasks that one replica runs at once; 1 until anybody has said so."""
    if policy.slots_per_replica is not None:
        return policy.slots_per_replica
    return seen.slots_per_replica if seen.slots_per_replica is not None else 1


def _abandoned(
    seen: Reading, policy: Policy, memory: Memory, *, now_s: float
) -> abandoned.Abandoned:
    running = seen.active or 0
    slots = seen.replicas * slots_per_replica(seen, policy)
    return abandoned.updated(
        memory.abandoned,
        not_running=(seen.unacked or 0) - (seen.scheduled or 0) - running,
        has_idle_slots=seen.active is not None and seen.active < slots,
        now_s=now_s,
    )


def _is_active(seen: Reading, memory: Memory) -> bool:
    """Whether there is work, or was since the last look, or nobody can tell."""
    if seen.ready is None or memory.active_at_s is None:
        return True
    return seen.ready + (seen.unacked or 0) + (seen.active or 0) > 0 or estimate.has_progressed(
        memory.estimate, seen
    )
