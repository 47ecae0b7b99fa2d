"""The input of the sizing rules: reading, policy and memory, and the demand that follows."""

from dataclasses import dataclass, field, replace

from app.scaling import behavior, demand
from app.scaling.behavior import ScaleHistory
from app.scaling.demand import Estimate, OrphanedMessages
from app.scaling.sizing_inputs import PoolReading, ScalingPolicy

BURST_RATIO = 2.0
"""Demand by the short-term rate at this multiple of what there is: a burst (Knative: 200 %)."""
BURST_HOLD_S = 20.0
"""After a burst nothing is lowered for this long: bursts come in groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingMemory:
    """Handed from one decision to the next."""

    replicas: int | None = None
    """At the last reading; the difference to the next one is a change that policies count."""
    history: ScaleHistory = field(default_factory=ScaleHistory)
    estimate: Estimate = field(default_factory=Estimate)
    orphaned: OrphanedMessages = field(default_factory=OrphanedMessages)
    active_at_s: float | None = None
    """When there was work for the last time."""
    burst_until_s: float | None = None
    """Nothing is lowered before this."""
    failures: int = 0
    """Readings in a row without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One pool at one moment. `size` is what the rules so far have come to."""

    seen: PoolReading
    policy: ScalingPolicy
    memory: SizingMemory
    now_s: float
    work: demand.Workload
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


def observed(
    seen: PoolReading, *, policy: ScalingPolicy, memory: SizingMemory, now_s: float
) -> SizingMemory:
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
        estimate=demand.with_reading(memory.estimate, seen, now_s=now_s),
        orphaned=memory.orphaned if is_blind else _orphaned(seen, policy, memory, now_s=now_s),
        active_at_s=now_s if _is_active(seen, memory) else memory.active_at_s,
        failures=memory.failures + 1 if is_blind else 0,
    )


def build_situation(
    seen: PoolReading, *, policy: ScalingPolicy, memory: SizingMemory, now_s: float
) -> Situation:
    """Work out the demand; `memory` has taken the reading in already."""
    slots = slots_per_replica(seen, policy)
    work = demand.workload(seen, orphaned=memory.orphaned.messages, slots=seen.replicas * slots)
    runtime_s = memory.estimate.mean_runtime_s
    usual, sudden = (
        demand.demand(
            work, policy=policy, slots_per_replica=slots, arrival_rate=rate, runtime_s=runtime_s
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
        work=work,
        demand=max(usual, sudden, key=lambda one: one.slots) if is_burst else usual,
        slots_per_replica=slots,
    )


def slots_per_replica(seen: PoolReading, policy: ScalingPolicy) -> int:
    """Tasks that one replica runs at once; 1 until it is known."""
    if policy.slots_per_replica is not None:
        return policy.slots_per_replica
    return seen.slots_per_replica if seen.slots_per_replica is not None else 1


def _orphaned(
    seen: PoolReading, policy: ScalingPolicy, memory: SizingMemory, *, now_s: float
) -> demand.OrphanedMessages:
    running = seen.active or 0
    slots = seen.replicas * slots_per_replica(seen, policy)
    return demand.with_orphaned(
        memory.orphaned,
        not_running=(seen.unacked or 0) - (seen.scheduled or 0) - running,
        has_idle_slots=seen.active is not None and seen.active < slots,
        now_s=now_s,
    )


def _is_active(seen: PoolReading, memory: SizingMemory) -> bool:
    """Whether there is work, or was since the last reading, or may be."""
    if seen.ready is None or memory.active_at_s is None:
        return True
    return seen.ready + (seen.unacked or 0) + (seen.active or 0) > 0 or demand.has_progressed(
        memory.estimate, seen
    )
