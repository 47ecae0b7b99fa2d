"""Builds the status of a pool from its evaluation, and says when to write it. Pure."""

from app.broker.model import QueueReading
from app.control.decide.evaluation import Evaluation
from app.control.decide.pool_memory import PoolMemory
from app.control.observe import broker_view
from app.control.pool.policies import Bounds
from app.control.pool.status import PoolStatus, QueueStatus
from app.control.pool.worker_pool import UnreadablePool, WorkerPool
from app.control.report import conditions
from app.scaling import steps
from app.scaling.sizing_inputs import PoolReading

REFRESH_S = 15.0
"""Figures (backlog, rates) are written no more often than this."""
NOTICEABLE_RATIO = 0.2
"""A rate that has moved by less than this part of itself has not changed."""


_FIGURES = frozenset(
    (
        *("queues", "backlog", "held", "active_tasks", "arrival_rate", "mean_runtime_s"),
        *("queue_wait_s", "explanation", "conditions"),
    )
)
"""Fields that change all the time."""
_OUTLINE = tuple(name for name in PoolStatus.model_fields if name not in _FIGURES)


def build_status(
    pool: WorkerPool | UnreadablePool, evaluation: Evaluation, *, now_s: float
) -> PoolStatus:
    """The whole status; conditions continue those of the status before."""
    memory, target, decision = evaluation.memory, evaluation.target, evaluation.decision
    seen = evaluation.observation
    reading = seen.reading if seen is not None else None
    queues = seen.queues if seen is not None else None
    before = memory.status.conditions if memory.status is not None else ()
    active = _active(evaluation)
    bounds = _bounds(pool, evaluation)
    return PoolStatus(
        observed_generation=pool.generation,
        state=conditions.state(evaluation),
        mode=evaluation.mode,
        pool_queues=pool.spec.queues if isinstance(pool, WorkerPool) else (),
        min_replicas=bounds.minimum if bounds is not None else None,
        max_replicas=bounds.maximum if bounds is not None else None,
        replicas=target.replicas if target is not None else None,
        ready_replicas=target.ready_replicas if target is not None else None,
        desired_replicas=decision.replicas if decision is not None else None,
        draining_replicas=evaluation.draining,
        selector=target.selector if target is not None else "",
        last_scale_at_s=memory.last_scale_at_s,
        queues=tuple(_queue(queue) for queue in queues) if queues is not None else (),
        backlog=reading.ready if reading is not None else None,
        held=_held(reading, active) if reading is not None else None,
        active_tasks=active,
        arrival_rate=memory.scaling.estimate.arrival_rate,
        mean_runtime_s=memory.scaling.estimate.mean_runtime_s,
        queue_wait_s=reading.oldest_age_s if reading is not None else None,
        slots_per_replica=_slots(pool, memory),
        explanation=steps.sentences(decision) if decision is not None else (),
        conditions=conditions.conditions(evaluation, before=before, now_s=now_s),
    )


def _active(evaluation: Evaluation) -> int | None:
    """Tasks that run, with those of replicas that are ending."""
    target, seen = evaluation.target, evaluation.observation
    if seen is None or target is None or seen.reading.active is None:
        return None
    ending = broker_view.active_on_ending(evaluation.memory.last_active, target.instances)
    return seen.reading.active + ending


def _held(reading: PoolReading, active: int | None) -> int | None:
    """Messages that workers hold beyond the tasks that run."""
    if reading.unacked is None or active is None:
        return None
    return max(reading.unacked - active, reading.scheduled or 0)


def _bounds(pool: WorkerPool | UnreadablePool, evaluation: Evaluation) -> Bounds | None:
    """Those in force, or those of the spec where no decision was made."""
    if evaluation.bounds is not None or isinstance(pool, UnreadablePool):
        return evaluation.bounds
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
    return memory.slots.per_replica


def needs_write(written: PoolStatus | None, status: PoolStatus, *, age_s: float) -> bool:
    """Whether a status is to be written, given the one that was written `age_s` ago.

    State and conditions are written at once, figures after `REFRESH_S`. A changed explanation
    alone is not written.
    """
    if written is None or _outline(written) != _outline(status):
        return True
    return age_s >= REFRESH_S and not _reads_alike(written, status)


def _outline(status: PoolStatus) -> tuple[object, ...]:
    return (
        *(getattr(status, name) for name in _OUTLINE),
        *((each.type, each.status, each.reason) for each in status.conditions),
    )


def _reads_alike(written: PoolStatus, status: PoolStatus) -> bool:
    return _counts(written) == _counts(status) and all(
        _is_close(before, now)
        for before, now in (
            (written.arrival_rate, status.arrival_rate),
            (written.mean_runtime_s, status.mean_runtime_s),
            (written.queue_wait_s, status.queue_wait_s),
        )
    )


def _counts(status: PoolStatus) -> tuple[object, ...]:
    queues = tuple((one.name, one.ready, one.unacked, one.scheduled) for one in status.queues)
    return (
        queues,
        status.held,
        status.active_tasks,
        tuple(each.message for each in status.conditions),
    )


def _is_close(before: float | None, now: float | None) -> bool:
    """Unknown and zero count as equal."""
    was, is_now = before or 0.0, now or 0.0
    return abs(is_now - was) <= max(NOTICEABLE_RATIO * was, 0.001)
