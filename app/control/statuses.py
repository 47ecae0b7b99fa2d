"""Builds the status of a pool from what a turn has found. Pure."""

from dataclasses import dataclass, field

from app.broker.model import QueueReading
from app.control import conditions
from app.control.conditions import Findings
from app.control.gathering import Gathered
from app.control.memory import PoolMemory
from app.control.pool import UnreadablePool, WorkerPool
from app.control.ports import Target
from app.control.status import PoolStatus, QueueStatus
from app.scaling import explain


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
    return PoolStatus(
        observed_generation=pool.generation,
        mode=course.findings.mode,
        replicas=target.replicas if target is not None else None,
        ready_replicas=target.ready_replicas if target is not None else None,
        desired_replicas=decision.replicas if decision is not None else None,
        draining_replicas=course.findings.draining,
        selector=target.selector if target is not None else "",
        last_scale_at_s=memory.last_scale_at_s,
        queues=tuple(_queue(queue) for queue in queues) if queues is not None else (),
        backlog=reading.ready if reading is not None else None,
        active_tasks=reading.active if reading is not None else None,
        arrival_rate=rates.arrival_rate,
        mean_runtime_s=rates.mean_runtime_s,
        queue_wait_s=reading.oldest_age_s if reading is not None else None,
        slots_per_replica=_slots(pool, memory),
        explanation=explain.sentences(decision) if decision is not None else (),
        conditions=conditions.conditions(course.findings, before=before, now_s=now_s),
    )


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
