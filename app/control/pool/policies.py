"""From a pool's spec, its annotations and the time: the values that decisions are bound to."""

from app.control.pool import annotations, schedules
from app.control.pool.problems import Finding
from app.control.pool.spec import (
    BehaviorSpec,
    DrainPolicy,
    DrainTimeout,
    FallbackSpec,
    RulesSpec,
    WorkerPoolSpec,
)
from app.control.pool.worker_pool import WorkerPool
from app.scaling import crew
from app.scaling.policy import (
    BacklogPerReplica,
    Behavior,
    Fallback,
    Policy,
    QueueWait,
    RatePolicy,
    Rules,
    Target,
)


def build_policy(pool: WorkerPool, *, now_s: float) -> Policy:
    """The policy in force at this moment.

    Raises:
        PoolProblem: a schedule or an annotation cannot be read.
    """
    spec = pool.spec
    bounds = schedules.bounds(
        spec.schedules, minimum=spec.min_replicas, maximum=spec.max_replicas, now_s=now_s
    )
    return Policy(
        min_replicas=bounds.minimum,
        max_replicas=bounds.maximum,
        slots_per_replica=spec.concurrency,
        target=_target(spec),
        activation_depth=spec.activation_threshold,
        cooldown_s=float(spec.cooldown_period_seconds),
        behavior=_behavior(spec.behavior),
        fallback=_fallback(spec.fallback),
        override=annotations.override(pool.annotations, replicas=spec.replicas),
        schedules=bounds.schedules,
    )


def findings(pool: WorkerPool, *, now_s: float) -> tuple[Finding, ...]:
    """All that is wrong with what the owner of a pool has written, beyond the schema."""
    return (
        *annotations.findings(pool.annotations),
        *schedules.findings(pool.spec.schedules, now_s=now_s),
    )


def build_drain_policy(spec: WorkerPoolSpec) -> crew.DrainPolicy:
    """How replicas of this pool are taken away."""
    return crew.DrainPolicy(
        is_idle_first=spec.drain.policy is DrainPolicy.IDLE_FIRST,
        timeout_s=float(spec.drain.timeout_seconds),
        ends_busy=spec.drain.on_timeout is DrainTimeout.RETIRE,
    )


def _target(spec: WorkerPoolSpec) -> Target:
    if spec.target.queue_wait_seconds is not None:
        return QueueWait(wait_s=spec.target.queue_wait_seconds)
    return BacklogPerReplica(messages=spec.target.backlog_per_replica or 1)


def _fallback(spec: FallbackSpec | None) -> Fallback | None:
    if spec is None:
        return None
    return Fallback(
        failure_threshold=spec.failure_threshold,
        behavior=spec.behavior,
        replicas=spec.replicas if spec.replicas is not None else 0,
    )


def _behavior(spec: BehaviorSpec) -> Behavior:
    usual = Behavior()
    return Behavior(
        scale_up=_rules(spec.scale_up, usual.scale_up),
        scale_down=_rules(spec.scale_down, usual.scale_down),
    )


def _rules(spec: RulesSpec, usual: Rules) -> Rules:
    window_s, tolerance = spec.stabilization_window_seconds, spec.tolerance
    return Rules(
        stabilization_window_s=usual.stabilization_window_s
        if window_s is None
        else float(window_s),
        select_policy=spec.select_policy,
        policies=tuple(
            RatePolicy(type=each.type, value=each.value, period_s=float(each.period_seconds))
            for each in spec.policies
        ),
        tolerance_ratio=usual.tolerance_ratio if tolerance is None else tolerance,
    )
