"""What a turn makes of what it has read: findings, a decision and a plan for it. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.broker.model import ConsumedQueue, NodeName
from app.control.decide import contact, findings
from app.control.decide import missing_consumers as shortfalls
from app.control.decide.pool_memory import PoolMemory
from app.control.observe import consumption, leaving, startups
from app.control.observe import drain_progress as noting
from app.control.observe import observation as gathering
from app.control.observe.broker_view import BrokerView
from app.control.observe.consumption import AwakeWorker, Consumption
from app.control.observe.observation import Gathered
from app.control.pool import policies, problems
from app.control.pool.problems import Finding, Level
from app.control.pool.schedules import Bounds
from app.control.pool.spec import Mode
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Instance, Target
from app.queues import QueueName
from app.scaling import decision, drain
from app.scaling.drain import Plan
from app.scaling.policy import Policy
from app.scaling.reading import Reading
from app.scaling.steps import Decision, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a reconcile has found, as far as it came. `None` is "did not come to it"."""

    mode: Mode = Mode.AUTO
    decision: Decision | None = None
    bounds: Bounds | None = None
    """Minimum and maximum in force."""
    has_work: bool | None = None
    is_read: bool = False
    """Whether the queues were read."""
    is_heard: bool = False
    """Whether every worker that runs has had its chance to be heard."""
    draining: int | None = None
    found: tuple[Finding, ...] = ()
    """All that is wrong or noteworthy, with its reason."""

    def also(self, *more: Finding | None) -> "Findings":
        """With these too."""
        return replace(self, found=(*self.found, *(one for one in more if one is not None)))

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        """The findings that matter this much, in the order of their reasons."""
        return tuple(one for one in problems.ordered(self.found) if one.effect.level is level)

    def has(self, rule: Rule) -> bool:
        """Whether this rule had a say in the decision."""
        return self.decision is not None and self.decision.has(rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The outcome of one turn before anything is written."""

    gathered: Gathered
    findings: Findings
    plan: Plan
    memory: PoolMemory
    restore: Mapping[NodeName, frozenset[ConsumedQueue]] = field(
        default_factory=dict[NodeName, frozenset[ConsumedQueue]]
    )
    """Consumers that workers have lost, to be added again."""


def judge(
    pool: WorkerPool, target: Target, view: BrokerView, *, memory: PoolMemory, now_s: float
) -> Judged:
    """Gather, decide and plan."""
    present = {one.name for one in target.instances}
    memory = replace(
        memory,
        notes=noting.pruned(memory.notes, present),
        last_active=leaving.updated(
            memory.last_active, target.instances, view.hearing, now_s=now_s
        ),
        startup_s=startups.longest(memory.startup_s, target.instances, view.hearing),
    )
    workers = consumption.awake_workers(target.instances, view.hearing, now_s=now_s)
    lost = shortfalls.without_capacity(workers, memory.consumption)
    marked = {one.name for one in target.instances if one.mark is not None}
    memory = replace(memory, notes=noting.with_lost(memory.notes, lost, marked=marked))
    gathered = gathering.gather(
        pool,
        target,
        view.reading,
        view.hearing,
        notes=memory.notes,
        slots_per_replica=memory.slots_per_replica,
        startup_s=memory.startup_s,
        now_s=now_s,
    )
    queues = [QueueName(name) for name in pool.spec.queues]
    waking: Mapping[NodeName, frozenset[ConsumedQueue]] = {}
    if pool.spec.mode is Mode.AUTO:
        waking = consumption.to_wake(workers, memory.consumption, spec_queues=queues, now_s=now_s)
    found = _findings(pool, target, gathered, view, memory, now_s=now_s).also(
        _of_grace(target.instances, memory)
    )
    judged = Judged(
        gathered=gathered,
        findings=found.also(*_of_queues(workers, memory.consumption, queues, waking)),
        plan=Plan(replicas=target.replicas),
        memory=memory,
        restore=waking,
    )
    if pool.spec.mode is Mode.OFF:
        return replace(judged, plan=_released(gathered, target))
    if any(one.effect.level is Level.PROBLEM for one in policies.findings(pool, now_s=now_s)):
        return judged
    policy = policies.build_policy(pool, now_s=now_s)
    return _decided(judged, pool, target, policy, now_s=now_s)


def _decided(
    judged: Judged, pool: WorkerPool, target: Target, policy: Policy, *, now_s: float
) -> Judged:
    gathered = judged.gathered
    outcome = decision.decide(
        gathered.reading, policy=policy, memory=judged.memory.scaling, now_s=now_s
    )
    plan = _plan(pool, target, gathered, outcome.decision, policy, now_s=now_s)
    stays = {one.name for one in gathered.crew.draining}.difference(plan.resume, plan.victims)
    found = replace(
        judged.findings,
        decision=outcome.decision,
        bounds=Bounds(minimum=policy.min_replicas, maximum=policy.max_replicas),
        draining=len(stays) + len(plan.mark),
        found=(*judged.findings.found, *_of_policy(policy), *_of_plan(plan)),
    )
    return replace(
        judged,
        findings=found,
        plan=plan,
        memory=replace(judged.memory, scaling=outcome.memory),
    )


def _plan(
    pool: WorkerPool,
    target: Target,
    gathered: Gathered,
    decided: Decision,
    policy: Policy,
    *,
    now_s: float,
) -> Plan:
    if pool.spec.mode is Mode.DRY_RUN:
        return _released(gathered, target)
    if decided.replicas == gathered.reading.replicas and gathered.reading.ready is None:
        # Held for want of a reading: whatever is under way waits for it too.
        return Plan(replicas=target.replicas)
    return drain.plan(
        gathered.crew,
        wanted=decided.replicas,
        max_replicas=policy.max_replicas,
        removal=target.removal,
        policy=policies.build_drain_policy(pool.spec),
        now_s=now_s,
    )


def _released(gathered: Gathered, target: Target) -> Plan:
    """Nobody drains, and the target stays as it is."""
    return Plan(replicas=target.replicas, resume=tuple(one.name for one in gathered.crew.draining))


def _of_policy(policy: Policy) -> Iterator[Finding]:
    fixed, lowest, highest = policy.override.replicas, policy.min_replicas, policy.max_replicas
    if fixed is not None and not lowest <= fixed <= highest:
        yield findings.fixed_out_of_bounds(fixed, minimum=lowest, maximum=highest)


def _of_plan(plan: Plan) -> Iterator[Finding]:
    if plan.overdue:
        yield findings.overdue(plan.overdue)
    if plan.is_blocked:
        yield findings.shrinks_to_zero_only()


def _of_queues(
    workers: Sequence[AwakeWorker],
    known: Consumption,
    queues: Sequence[QueueName],
    waking: Collection[NodeName],
) -> Iterator[Finding]:
    difference = shortfalls.difference(workers, known, spec_queues=queues)
    if difference is not None:
        yield findings.queues_differ(difference)
    lacking = shortfalls.shortfalls(workers, known, spec_queues=queues, waking=waking)
    if lacking:
        yield findings.not_consuming(lacking)


def _of_names(pool: WorkerPool, view: BrokerView) -> Iterator[Finding]:
    known = view.reading.misnamed if view.reading is not None else ()
    misnamed = [one for one in known if one.queue in pool.spec.queues]
    if misnamed:
        yield findings.misnamed(misnamed)


def _of_grace(instances: Iterable[Instance], memory: PoolMemory) -> Finding | None:
    grace_s = min((one.grace_s for one in instances if one.grace_s is not None), default=None)
    runtime_s = memory.scaling.estimate.mean_runtime_s
    if grace_s is None or runtime_s is None or runtime_s <= grace_s:
        return None
    return findings.grace_period_short(grace_s=grace_s, runtime_s=runtime_s)


def _of_workers(gathered: Gathered, memory: PoolMemory) -> Iterator[Finding]:
    if memory.slots_per_replica is None and memory.is_slotless:
        yield findings.slots_unknown()
    others = sorted({queue for note in memory.notes.values() for queue in note.other_queues})
    if others and gathered.crew.draining:
        yield findings.other_queues(others)
    if gathered.crew.hung:
        names = [one.name for one in gathered.crew.hung]
        yield findings.not_started(names, longest_s=memory.startup_s or 0.0)
    private = {
        name: note.private_messages for name, note in memory.notes.items() if note.private_messages
    }
    if private:
        yield findings.private_messages(sorted(private), sum(private.values()))


def _of_contact(
    pool: WorkerPool, target: Target, view: BrokerView, gathered: Gathered, *, now_s: float
) -> Iterator[Finding]:
    if view.reading is not None:
        yield from contact.of_workers(
            pool.spec.broker,
            view.reading,
            view.hearing,
            target.instances,
            unheard=gathered.unheard,
            now_s=now_s,
        )


def _findings(
    pool: WorkerPool,
    target: Target,
    gathered: Gathered,
    view: BrokerView,
    memory: PoolMemory,
    *,
    now_s: float,
) -> Findings:
    seen = gathered.reading
    return Findings(
        mode=pool.spec.mode,
        has_work=_has_work(seen),
        is_read=seen.ready is not None,
        is_heard=seen.active is not None,
        draining=len(gathered.crew.draining),
        found=(
            *((view.problem,) if view.problem is not None else ()),
            *policies.findings(pool, now_s=now_s),
            *_of_names(pool, view),
            *_of_contact(pool, target, view, gathered, now_s=now_s),
            *_of_workers(gathered, memory),
        ),
    )


def _has_work(seen: Reading) -> bool | None:
    """Not known before the queues are read, or while only running tasks could make a difference."""
    if seen.ready is None:
        return None
    if seen.ready + (seen.unacked or 0) + (seen.active or 0) > 0:
        return True
    return None if seen.active is None else False
