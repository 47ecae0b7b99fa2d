"""From what the adapters have read to what decisions are made of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.broker.model import BrokerReading, QueueReading
from app.control.observe import drain_state, worker_heartbeats
from app.control.observe.drain_state import NO_DRAIN, DrainStates
from app.control.observe.worker_heartbeats import WorkerHeartbeats
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Instance, ScaleTarget
from app.queues import QueueName
from app.scaling import replica_state
from app.scaling.inputs import NodeSample, PoolReading
from app.scaling.replica_state import Replica, ReplicaGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One pool at one tick."""

    queues: tuple[QueueReading, ...] | None
    """In the order of the spec; `None` when the broker gave no answer."""
    group: ReplicaGroup
    reading: PoolReading
    silent: tuple[str, ...]
    """Replicas that have been ready for long and never were heard."""


def observe(
    pool: WorkerPool,
    target: ScaleTarget,
    broker: BrokerReading | None,
    heartbeats: WorkerHeartbeats,
    *,
    drain_states: DrainStates,
    slots_per_replica: int | None,
    now_s: float,
    startup_s: float | None = None,
) -> Observation:
    """Bring together what belongs to one pool."""
    instances = [
        one
        for one in target.instances
        if not one.is_ending
        and not drain_state.is_removed(drain_states.get(one.name, NO_DRAIN), now_s=now_s)
    ]
    hung = worker_heartbeats.hung_replicas(instances, heartbeats, longest_s=startup_s, now_s=now_s)
    replicas = [
        replace(_replica(one, heartbeats, drain_states, now_s=now_s), is_hung=one.name in hung)
        for one in instances
    ]
    group = replica_state.build_replica_group(replicas, target_replicas=target.replicas)
    queues = None if broker is None else _queues(pool, broker)
    return Observation(
        queues=queues,
        group=group,
        reading=_reading(group, queues, instances, heartbeats, slots_per_replica, now_s=now_s),
        silent=_silent(replicas, heartbeats, now_s=now_s),
    )


def _queues(pool: WorkerPool, broker: BrokerReading) -> tuple[QueueReading, ...]:
    return tuple(broker.queues[QueueName(name)] for name in pool.spec.queues)


def _replica(
    instance: Instance, heartbeats: WorkerHeartbeats, drain_states: DrainStates, *, now_s: float
) -> Replica:
    note = drain_states.get(instance.name, NO_DRAIN)
    heard = worker_heartbeats.current_heartbeats(heartbeats.of(instance), now_s=now_s)
    return Replica(
        name=instance.name,
        # Unready and never heard means dead; while we have just begun to listen it means nothing.
        is_ready=instance.is_ready or not heartbeats.is_reliable(now_s=now_s),
        is_started=instance.is_started,
        started_at_s=instance.started_at_s,
        ordinal=instance.ordinal,
        active=worker_heartbeats.active_tasks(heard, now_s=now_s),
        heartbeat_at_s=min((one.seen_at_s for one in heard), default=None),
        drained_since_s=instance.mark.since_s if instance.mark is not None else None,
        stopped_at_s=note.stopped_at_s,
        was_stopped=note.was_stopped,
        stop_tried_at_s=note.stop_tried_at_s,
        ask_tried_at_s=note.ask_tried_at_s,
        answer=note.answer,
        consumes_nothing=note.consumes_nothing,
    )


def _reading(
    group: ReplicaGroup,
    queues: Sequence[QueueReading] | None,
    instances: Sequence[Instance],
    heartbeats: WorkerHeartbeats,
    slots_per_replica: int | None,
    *,
    now_s: float,
) -> PoolReading:
    known = queues if queues is not None else ()
    is_known = heartbeats.is_reliable(now_s=now_s) or not any(one.is_started for one in instances)
    return PoolReading(
        replicas=group.consuming,
        ready=None if queues is None else sum(queue.ready for queue in queues),
        ready_scheduled=sum(queue.ready_scheduled or 0 for queue in known),
        ready_due_soon=sum(queue.ready_due_soon or 0 for queue in known),
        unacked=_total(known, lambda queue: queue.unacked),
        scheduled=_total(known, lambda queue: queue.scheduled),
        due_soon=_total(known, lambda queue: queue.due_soon),
        active=_active((*group.working, *group.draining)) if is_known else None,
        draining=len(group.draining),
        oldest_age_s=max(
            (queue.oldest_age_s for queue in known if queue.oldest_age_s is not None),
            default=None,
        ),
        slots_per_replica=slots_per_replica,
        nodes=tuple(
            NodeSample(
                node=one.node, active=one.active, processed=one.processed, seen_at_s=one.seen_at_s
            )
            for instance in instances
            for one in heartbeats.of(instance)
        ),
    )


def _active(replicas: Iterable[Replica]) -> int:
    return sum(one.active for one in replicas if one.active is not None)


def _total(
    queues: Iterable[QueueReading], count: Callable[[QueueReading], int | None]
) -> int | None:
    """The sum, or `None` when a part of it is not known."""
    total = 0
    for queue in queues:
        part = count(queue)
        if part is None:
            return None
        total += part
    return total


def _silent(
    replicas: Iterable[Replica], heartbeats: WorkerHeartbeats, *, now_s: float
) -> tuple[str, ...]:
    if not heartbeats.is_reliable(now_s=now_s):
        return ()
    return tuple(
        one.name
        for one in replicas
        if one.is_ready
        and not one.is_hung
        and one.heartbeat_at_s is None
        and one.started_at_s is not None
        and now_s - one.started_at_s > replica_state.STARTUP_TIMEOUT_S
    )
