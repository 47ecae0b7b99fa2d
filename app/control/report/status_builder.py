"""Builds the status of a pool from what a turn has found. Pure."""

from dataclasses import dataclass, field

from app.broker.model import QueueReading
from app.control.decide.evaluation import Findings
from app.control.decide.pool_memory import PoolMemory
from app.control.observe import leaving
from app.control.observe.observation import Gathered
from app.control.pool.schedules import Bounds
from app.control.pool.status import PoolStatus, QueueStatus
from app.control.pool.worker_pool import UnreadablePool, WorkerPool
from app.control.ports import Target
from app.control.report import conditions, states
from app.scaling import explain
from app.scaling.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a turn came. What it did not come to is `None`."""

    target: Target | None = None
    gathered: Gathered | None = None
    findings: Findings = field(default_factory=Findings)


def build_status(
    pool: WorkerPool | UnreadablePool, course: Course, memory: PoolMemory, *, now_s: float
) -> PoolStatus:
    """The whole status; moments of conditions go on from the status before."""
    target, gathered, decision = course.target, course.gathered, course.findings.decision
    reading = gathered.reading if gathered is not None else None
    queues = gathered.queues if gathered is not None else None
    rates = memory.scaling.estimate
    before = memory.status.conditions if memory.status is not None else ()
    active = _active(course, memory)
    bounds = _bounds(pool, course.findings)
    return PoolStatus(
        observed_generation=pool.generation,
        state=states.state(course.findings),
        mode=course.findings.mode,
        pool_queues=pool.spec.queues if isinstance(pool, WorkerPool) else (),
        min_replicas=bounds.minimum if bounds is not None else None,
        max_replicas=bounds.maximum if bounds is not None else None,
        replicas=target.replicas if target is not None else None,
        ready_replicas=target.ready_replicas if target is not None else None,
        desired_replicas=decision.replicas if decision is not None else None,
        draining_replicas=course.findings.draining,
        selector=target.selector if target is not None else "",
        last_scale_at_s=memory.last_scale_at_s,
        queues=tuple(_queue(queue) for queue in queues) if queues is not None else (),
        backlog=reading.ready if reading is not None else None,
        held=_held(reading, active) if reading is not None else None,
        active_tasks=active,
        arrival_rate=rates.arrival_rate,
        mean_runtime_s=rates.mean_runtime_s,
        queue_wait_s=reading.oldest_age_s if reading is not None else None,
        slots_per_replica=_slots(pool, memory),
        explanation=explain.sentences(decision) if decision is not None else (),
        conditions=conditions.conditions(course.findings, before=before, now_s=now_s),
    )


def _active(course: Course, memory: PoolMemory) -> int | None:
    """Tasks that run, with those of replicas that are ending."""
    if course.gathered is None or course.target is None:
        return None
    active = course.gathered.reading.active
    if active is None:
        return None
    return active + leaving.running(memory.last_active, course.target.instances)


def _held(reading: Reading, active: int | None) -> int | None:
    """Messages that workers hold beyond the tasks that run."""
    if reading.unacked is None or active is None:
        return None
    return max(reading.unacked - active, reading.scheduled or 0)


def _bounds(pool: WorkerPool | UnreadablePool, found: Findings) -> Bounds | None:
    """Those in force, or those of the spec where no decision was made."""
    if found.bounds is not None or isinstance(pool, UnreadablePool):
        return found.bounds
    return Bounds(minimum=pool.spec.min_replicas, maximum=pool.spec.max_replicas)


def _queue(queue: QueueReading) -> QueueStatus:
    return QueueStatus(
        name=queue.name,
        ready=queue.ready,
        unacked=queue.unacked,
        scheduled=queue.scheduled,
        oldest_age_s=queue.oldest_age_s,
    )


def _slots(pool: WorkerPool | UnreadablePool, memory: PoolMemory) -> int | None:
    if isinstance(pool, WorkerPool) and pool.spec.concurrency is not None:
        return pool.spec.concurrency
    return memory.slots_per_replica
