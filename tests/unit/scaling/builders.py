"""Readings, policies and replicas in which a test names only what matters to it."""

from dataclasses import replace
from typing import Any

from app.scaling import decision, drain_plan, replica_state
from app.scaling.drain_plan import ScalePlan
from app.scaling.replica_state import DrainSettings, Removal, Replica, ReplicaAnswer
from app.scaling.situation import SizingMemory
from app.scaling.sizing_inputs import Behavior, NodeSample, PoolReading, ScalingPolicy, ScalingRules
from app.scaling.steps import Rule

NOW_S = 1_000_000.0

AT_ONCE = Behavior(scale_up=ScalingRules(), scale_down=ScalingRules())
"""No windows, no policies, no tolerance."""


def reading(**known: Any) -> PoolReading:  # Any: whatever fields a test names
    """An empty pool at zero that has been heard."""
    return replace(PoolReading(replicas=0, ready=0, unacked=0, scheduled=0, active=0), **known)


def policy(**wanted: Any) -> ScalingPolicy:  # Any: whatever fields a test names
    """One slot a replica, at most 32 replicas, nothing that holds a decision back."""
    plain = ScalingPolicy(max_replicas=32, slots_per_replica=1, behavior=AT_ONCE, cooldown_s=0.0)
    return replace(plain, **wanted)


def remembered(**known: Any) -> SizingMemory:  # Any: whatever fields a test names
    """A memory of a pool that was idle long ago."""
    return replace(SizingMemory(active_at_s=NOW_S - 3600.0), **known)


def node(name: str = "celery@a", **known: Any) -> NodeSample:  # Any: as above
    return replace(NodeSample(node=name, active=0, processed=0, seen_at_s=NOW_S), **known)


def replica(name: str = "a", **known: Any) -> Replica:  # Any: as above
    """Ready, idle, heard this moment, started long ago."""
    calm = Replica(name=name, active=0, heartbeat_at_s=NOW_S, started_at_s=NOW_S - 600.0)
    return replace(calm, **known)


def drained(name: str = "a", **known: Any) -> Replica:  # Any: as above
    """Stopped a while ago, idle since, and has said so: it may go."""
    gone = replica(
        name,
        drained_since_s=NOW_S - 6.0,
        stop_tried_at_s=NOW_S - 6.0,
        stopped_at_s=NOW_S - 5.0,
        was_stopped=True,
        answer=ReplicaAnswer(at_s=NOW_S - 1.0, held=0, is_consuming=False),
    )
    return replace(gone, **known)


def decided(seen: PoolReading, wanted: ScalingPolicy, memory: SizingMemory) -> tuple[int, Rule]:
    outcome = decision.decide(seen, policy=wanted, memory=memory, now_s=NOW_S)
    assert outcome.decision.steps[-1].replicas == outcome.decision.replicas
    return outcome.decision.replicas, outcome.decision.reason


IDLE_FIRST = DrainSettings(timeout_s=3600.0)


def planned(
    *replicas: Replica,
    target: int | None = None,
    wanted: int = 1,
    most: int = 10,
    removal: Removal = Removal.CHOSEN,
    policy: DrainSettings = IDLE_FIRST,
) -> ScalePlan:
    size = len(replicas) if target is None else target
    return drain_plan.plan(
        replica_state.build_replica_group(replicas, target_replicas=size),
        wanted=wanted,
        max_replicas=most,
        removal=removal,
        policy=policy,
        now_s=NOW_S,
    )


def unconfirmed(name: str, **known: Any) -> Replica:  # Any: as in the builders
    """It is marked, has missed heartbeats, and has not confirmed that it stops."""
    silent = replica(
        name,
        heartbeat_at_s=NOW_S - 6.0,
        drained_since_s=NOW_S - 4.0,
        stop_tried_at_s=NOW_S - 4.0,
    )
    return replace(silent, **known)
