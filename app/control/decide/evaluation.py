"""Evaluates a pool: from what was observed to findings, a decision and a plan. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.broker.model import ConsumedQueue, NodeName
from app.control.decide import findings, missing_consumers, pool_memory
from app.control.decide.pool_memory import FRESH, PoolMemory
from app.control.observe import broker_view, consumption, observation
from app.control.observe.broker_view import BrokerView
from app.control.observe.consumption import AwakeWorker, Consumption
from app.control.observe.observation import Observation
from app.control.pool import policies, problems
from app.control.pool.policies import Bounds
from app.control.pool.problems import Finding, FindingSeverity
from app.control.pool.spec import Mode
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Instance, ScaleTarget
from app.queues import QueueName
from app.scaling import decision, drain_plan
from app.scaling.drain_plan import ScalePlan
from app.scaling.sizing_inputs import PoolReading, ScalingPolicy
from app.scaling.steps import Decision, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that one reconcile knows of a pool, from its observation to its plan.

    `None` is "not evaluated": a pool whose target cannot be read has neither observation nor plan.
    """

    mode: Mode = Mode.AUTO
    target: ScaleTarget | None = None
    observation: Observation | None = None
    decision: Decision | None = None
    bounds: Bounds | None = None
    """Minimum and maximum in force."""
    has_work: bool | None = None
    is_read: bool = False
    """Whether the queues were read."""
    are_workers_known: bool = False
    """Whether heartbeats were received for long enough to know every live worker."""
    draining: int | None = None
    findings: tuple[Finding, ...] = ()
    """All that is wrong or noteworthy, with its reason."""
    plan: ScalePlan | None = None
    restore: Mapping[NodeName, frozenset[ConsumedQueue]] = field(
        default_factory=dict[NodeName, frozenset[ConsumedQueue]]
    )
    """Lost consumers of workers, to be added again."""
    memory: PoolMemory = FRESH
    """What the next reconcile gets."""

    def with_findings(self, *more: Finding | None) -> "Evaluation":
        added = (one for one in more if one is not None)
        return replace(self, findings=(*self.findings, *added))

    def of_severity(self, severity: FindingSeverity) -> tuple[Finding, ...]:
        """The findings that matter this much, in the order of their reasons."""
        ordered = problems.ordered(self.findings)
        return tuple(one for one in ordered if one.effect.severity is severity)

    def has(self, rule: Rule) -> bool:
        """Whether this rule took part in the decision."""
        return self.decision is not None and self.decision.has(rule)


def evaluate(
    pool: WorkerPool, target: ScaleTarget, view: BrokerView, *, memory: PoolMemory, now_s: float
) -> Evaluation:
    """Observe the pool, decide its size and plan the change."""
    workers = consumption.awake_workers(target.instances, view.heartbeats, now_s=now_s)
    memory = _updated(memory, target, view, workers, now_s=now_s)
    seen = observation.observe(
        pool,
        target,
        view.reading,
        view.heartbeats,
        drain_states=memory.drain_states,
        slots_per_replica=memory.slots.per_replica,
        startup_s=memory.startup_s,
        now_s=now_s,
    )
    queues = [QueueName(name) for name in pool.spec.queues]
    restore: Mapping[NodeName, frozenset[ConsumedQueue]] = {}
    if pool.spec.mode is Mode.AUTO:
        restore = consumption.consumers_to_restore(
            workers, memory.consumption, spec_queues=queues, now_s=now_s
        )
    evaluation = Evaluation(
        mode=pool.spec.mode,
        target=target,
        observation=seen,
        has_work=_has_work(seen.reading),
        is_read=seen.reading.ready is not None,
        are_workers_known=seen.reading.active is not None,
        draining=len(seen.group.draining),
        findings=(
            *((view.problem,) if view.problem is not None else ()),
            *policies.findings(pool, now_s=now_s),
            *_of_names(pool, view),
            *_of_contact(pool, target, view, seen, now_s=now_s),
            *_of_workers(seen, memory),
            *_of_grace(target.instances, memory),
            *_of_queues(workers, memory.consumption, queues, restore),
        ),
        plan=ScalePlan(replicas=target.replicas),
        restore=restore,
        memory=memory,
    )
    if pool.spec.mode is Mode.OFF:
        return replace(evaluation, plan=_released(seen, target))
    if any(
        one.effect.severity is FindingSeverity.PROBLEM
        for one in policies.findings(pool, now_s=now_s)
    ):
        return evaluation
    policy = policies.build_policy(pool, now_s=now_s)
    return _decided(evaluation, pool, target, seen, policy, now_s=now_s)


def debounced(evaluation: Evaluation, target: ScaleTarget, *, now_s: float) -> Evaluation:
    """Hold the plan back while a burst is still arriving at a pool without replicas."""
    seen, plan = evaluation.observation, evaluation.plan
    held = pool_memory.debounce(
        evaluation.memory.debounce,
        replicas=target.replicas,
        planned=plan.replicas if plan is not None else 0,
        ready=seen.reading.ready if seen is not None else None,
        now_s=now_s,
    )
    memory = replace(evaluation.memory, debounce=held)
    if held is None:
        return replace(evaluation, memory=memory)
    return replace(evaluation, memory=memory, plan=ScalePlan(replicas=target.replicas))


def _updated(
    memory: PoolMemory,
    target: ScaleTarget,
    view: BrokerView,
    workers: Sequence[AwakeWorker],
    *,
    now_s: float,
) -> PoolMemory:
    """The memory with what the heartbeats and the instances show now."""
    lost = missing_consumers.without_capacity(workers, memory.consumption)
    marked = {one.name for one in target.instances if one.mark is not None}
    present = {one.name for one in target.instances}
    drain_states = observation.without_gone(memory.drain_states, present)
    return replace(
        memory,
        drain_states=observation.with_lost_consumers(drain_states, lost, marked=marked),
        last_active=broker_view.with_last_active(
            memory.last_active, target.instances, view.heartbeats, now_s=now_s
        ),
        startup_s=broker_view.longest_startup_s(
            memory.startup_s, target.instances, view.heartbeats
        ),
    )


def _decided(
    evaluation: Evaluation,
    pool: WorkerPool,
    target: ScaleTarget,
    seen: Observation,
    policy: ScalingPolicy,
    *,
    now_s: float,
) -> Evaluation:
    memory = evaluation.memory
    outcome = decision.decide(seen.reading, policy=policy, memory=memory.scaling, now_s=now_s)
    plan = _plan(pool, target, seen, outcome.decision, policy, now_s=now_s)
    stays = {one.name for one in seen.group.draining}.difference(plan.resume, plan.victims)
    return replace(
        evaluation,
        decision=outcome.decision,
        bounds=Bounds(minimum=policy.min_replicas, maximum=policy.max_replicas),
        draining=len(stays) + len(plan.mark),
        findings=(*evaluation.findings, *_of_policy(policy), *_of_plan(plan)),
        plan=plan,
        memory=replace(memory, scaling=outcome.memory),
    )


def _plan(
    pool: WorkerPool,
    target: ScaleTarget,
    seen: Observation,
    decided: Decision,
    policy: ScalingPolicy,
    *,
    now_s: float,
) -> ScalePlan:
    if pool.spec.mode is Mode.DRY_RUN:
        return _released(seen, target)
    if decided.replicas == seen.reading.replicas and seen.reading.ready is None:
        # The size is kept because the queues cannot be read. Drains that are under way wait too.
        return ScalePlan(replicas=target.replicas)
    return drain_plan.plan(
        seen.group,
        wanted=decided.replicas,
        max_replicas=policy.max_replicas,
        removal=target.removal,
        policy=policies.build_drain_policy(pool.spec),
        now_s=now_s,
    )


def _released(seen: Observation, target: ScaleTarget) -> ScalePlan:
    """End all drains and leave the target as it is."""
    return ScalePlan(
        replicas=target.replicas, resume=tuple(one.name for one in seen.group.draining)
    )


def _of_policy(policy: ScalingPolicy) -> Iterator[Finding]:
    fixed, lowest, highest = policy.override.replicas, policy.min_replicas, policy.max_replicas
    if fixed is not None and not lowest <= fixed <= highest:
        yield findings.fixed_out_of_bounds(fixed, minimum=lowest, maximum=highest)


def _of_plan(plan: ScalePlan) -> Iterator[Finding]:
    if plan.overdue:
        yield findings.overdue(plan.overdue)
    if plan.is_blocked:
        yield findings.shrinks_to_zero_only()


def _of_queues(
    workers: Sequence[AwakeWorker],
    known: Consumption,
    queues: Sequence[QueueName],
    restoring: Collection[NodeName],
) -> Iterator[Finding]:
    mismatch = missing_consumers.queue_mismatch(workers, known, spec_queues=queues)
    if mismatch is not None:
        yield findings.queues_differ(mismatch)
    missing = missing_consumers.missing_consumers(
        workers, known, spec_queues=queues, restoring=restoring
    )
    if missing:
        yield findings.not_consuming(missing)


def _of_names(pool: WorkerPool, view: BrokerView) -> Iterator[Finding]:
    known = view.reading.misnamed if view.reading is not None else ()
    misnamed = [one for one in known if one.queue in pool.spec.queues]
    if misnamed:
        yield findings.misnamed(misnamed)


def _of_grace(instances: Iterable[Instance], memory: PoolMemory) -> Iterator[Finding]:
    grace_s = min((one.grace_s for one in instances if one.grace_s is not None), default=None)
    runtime_s = memory.scaling.estimate.mean_runtime_s
    if grace_s is not None and runtime_s is not None and runtime_s > grace_s:
        yield findings.grace_period_short(grace_s=grace_s, runtime_s=runtime_s)


def _of_workers(seen: Observation, memory: PoolMemory) -> Iterator[Finding]:
    if memory.slots.per_replica is None and memory.slots.is_unreported:
        yield findings.slots_unknown()
    others = sorted(
        {queue for state in memory.drain_states.values() for queue in state.other_queues}
    )
    if others and seen.group.draining:
        yield findings.other_queues(others)
    if seen.group.hung:
        names = [one.name for one in seen.group.hung]
        yield findings.not_started(names, longest_s=memory.startup_s or 0.0)
    private = {
        name: state.private_messages
        for name, state in memory.drain_states.items()
        if state.private_messages
    }
    if private:
        yield findings.private_messages(sorted(private), sum(private.values()))


def _of_contact(
    pool: WorkerPool,
    target: ScaleTarget,
    view: BrokerView,
    seen: Observation,
    *,
    now_s: float,
) -> Iterator[Finding]:
    if view.reading is not None:
        yield from findings.of_contact(
            pool.spec.broker,
            view.reading,
            view.heartbeats,
            target.instances,
            silent=seen.silent,
            now_s=now_s,
        )


def _has_work(seen: PoolReading) -> bool | None:
    """Not known before the queues are read, or while only running tasks could make a difference."""
    if seen.ready is None:
        return None
    if seen.ready + (seen.unacked or 0) + (seen.active or 0) > 0:
        return True
    return None if seen.active is None else False
