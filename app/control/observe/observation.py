"""What is known of one pool and each of its replicas, drains included. Pure.

The drain marks themselves are stored at the replicas, so that a restarted loop finds them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.broker.model import BrokerReading, NodeAnswer, NodeName, QueueReading
from app.control.observe import broker_view
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import (
    CancelledConsumers,
    DrainEnd,
    DrainOutcome,
    Instance,
    InstanceName,
    ScaleTarget,
)
from app.queues import QueueName
from app.scaling import replica_state
from app.scaling.replica_state import Replica, ReplicaAnswer, ReplicaGroup
from app.scaling.sizing_inputs import NodeSample, PoolReading

REMOVAL_TIMEOUT_S = 120.0
"""A removed replica that still exists after this counts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainState:
    """How far the drain of one replica is."""

    stop_tried_at_s: float | None = None
    stopped_at_s: float | None = None
    was_stopped: bool = False
    """A stop was confirmed, perhaps before a resume was sent."""
    ask_tried_at_s: float | None = None
    answer: ReplicaAnswer | None = None
    other_queues: frozenset[QueueName] = frozenset()
    """Queues that its workers consume and that the spec does not name. They are not stopped."""
    private_messages: int = 0
    """Messages that only its workers can run, and that they have not acknowledged."""
    removed_at_s: float | None = None
    consumes_nothing: bool = False
    """It consumed nothing for a while before its drain: a resume would restore nothing."""
    cancelled: Mapping[NodeName, CancelledConsumers] | None = None
    """As last written to the mark; a read of the mark may be older for a moment."""


DrainStates = Mapping[InstanceName, DrainState]

NO_DRAIN = DrainState()


def is_removed(state: DrainState, *, now_s: float) -> bool:
    """Whether the target was scaled down by it, so that it terminates soon."""
    at_s = state.removed_at_s
    return at_s is not None and now_s - at_s < REMOVAL_TIMEOUT_S


def without_gone(drain_states: DrainStates, present: Collection[InstanceName]) -> DrainStates:
    """Without those that are gone."""
    return {name: state for name, state in drain_states.items() if name in present}


def with_lost_consumers(
    drain_states: DrainStates, lost: Collection[InstanceName], *, marked: Collection[InstanceName]
) -> DrainStates:
    """With the replicas that have lost their consumers. Marked ones are unchanged."""
    states = {name: drain_states.get(name, NO_DRAIN) for name in {*drain_states, *lost}}
    return {
        name: state if name in marked else replace(state, consumes_nothing=name in lost)
        for name, state in states.items()
    }


def with_stop_sent(
    state: DrainState, *, tried_at_s: float, stopped_at_s: float | None
) -> DrainState:
    """After a stop was sent; `stopped_at_s` if all of its workers have confirmed."""
    if stopped_at_s is None:
        return replace(state, stop_tried_at_s=tried_at_s)
    return replace(
        state,
        stop_tried_at_s=tried_at_s,
        stopped_at_s=stopped_at_s,
        was_stopped=True,
        answer=None,
    )


def with_resume_sent(state: DrainState) -> DrainState:
    """Before a resume is sent. Its confirmation may get lost, so the stop and the answers no longer
    count."""
    return replace(state, stopped_at_s=None, answer=None)


def with_answers(
    state: DrainState,
    nodes: Collection[NodeName],
    answers: Mapping[NodeName, NodeAnswer],
    *,
    queues: Collection[QueueName],
    tried_at_s: float,
) -> DrainState:
    """After its workers were asked; `queues` are those of the spec."""
    state = replace(state, ask_tried_at_s=tried_at_s)
    answer = joint_answer(nodes, answers)
    if answer is None:
        return state
    consumed = frozenset[QueueName]().union(*(answers[node].queues for node in nodes))
    return replace(
        state,
        answer=answer,
        other_queues=consumed.difference(queues),
        private_messages=sum(answers[node].private_messages for node in nodes),
    )


def joint_answer(
    nodes: Collection[NodeName], answers: Mapping[NodeName, NodeAnswer]
) -> ReplicaAnswer | None:
    """The answers of a replica's workers together; `None` unless all have answered."""
    given = [answers[node] for node in nodes if node in answers]
    if not given or len(given) < len(nodes):
        return None
    return ReplicaAnswer(
        at_s=min(answer.answered_at_s for answer in given),
        held=sum(one.active + one.reserved + one.private_messages for one in given),
        is_consuming=any(answer.queues for answer in given),
    )


Drains = Mapping[InstanceName, float]
"""The replicas that drain, and since when."""


def current_drains(target: ScaleTarget) -> Drains:
    """The drains of a target."""
    return {
        one.name: one.mark.since_s
        for one in target.instances
        if one.mark is not None and not one.is_ending
    }


def ended_drains(before: Drains, target: ScaleTarget, *, now_s: float) -> tuple[DrainEnd, ...]:
    """The drains that have ended since `before`. Durations are never negative."""
    now = current_drains(target)
    staying = {one.name for one in target.instances if not one.is_ending}
    return tuple(
        DrainEnd(
            replica=name,
            outcome=DrainOutcome.WOKEN if name in staying else DrainOutcome.REMOVED,
            duration_s=max(0.0, now_s - since_s),
        )
        for name, since_s in before.items()
        if name not in now
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One pool at one tick."""

    queues: tuple[QueueReading, ...] | None
    """In the order of the spec; `None` when the broker gave no answer."""
    group: ReplicaGroup
    reading: PoolReading
    silent: tuple[str, ...]
    """Replicas that have been ready for a while without any heartbeat."""


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
        if not one.is_ending and not is_removed(drain_states.get(one.name, NO_DRAIN), now_s=now_s)
    ]
    hung = broker_view.hung_replicas(instances, heartbeats, longest_s=startup_s, now_s=now_s)
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
    state = drain_states.get(instance.name, NO_DRAIN)
    current = broker_view.current_heartbeats(heartbeats.of(instance), now_s=now_s)
    return Replica(
        name=instance.name,
        # Unready without heartbeats means dead, but not while the loop has just begun to listen.
        is_ready=instance.is_ready or not heartbeats.is_reliable(now_s=now_s),
        is_started=instance.is_started,
        started_at_s=instance.started_at_s,
        ordinal=instance.ordinal,
        active=broker_view.active_tasks(current, now_s=now_s),
        heartbeat_at_s=min((one.seen_at_s for one in current), default=None),
        drained_since_s=instance.mark.since_s if instance.mark is not None else None,
        stopped_at_s=state.stopped_at_s,
        was_stopped=state.was_stopped,
        stop_tried_at_s=state.stop_tried_at_s,
        ask_tried_at_s=state.ask_tried_at_s,
        answer=state.answer,
        consumes_nothing=state.consumes_nothing,
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
