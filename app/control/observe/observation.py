"""From what the adapters have read to what decisions are made of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.broker.model import BrokerReading, QueueReading
from app.control.observe import drain_progress as noting
from app.control.observe import startups
from app.control.observe import worker_heartbeats as hearings
from app.control.observe.drain_progress import NO_NOTE, Notes
from app.control.observe.worker_heartbeats import Hearing
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Instance, Target
from app.queues import QueueName
from app.scaling import crew as crews
from app.scaling.crew import Crew, Replica
from app.scaling.reading import NodeSample, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """One pool at one tick."""

    queues: tuple[QueueReading, ...] | None
    """In the order of the spec; `None` when the broker gave no answer."""
    crew: Crew
    reading: Reading
    unheard: tuple[str, ...]
    """Replicas that have been ready for long and never were heard."""


def gather(
    pool: WorkerPool,
    target: Target,
    broker: BrokerReading | None,
    hearing: Hearing,
    *,
    notes: Notes,
    slots_per_replica: int | None,
    now_s: float,
    startup_s: float | None = None,
) -> Gathered:
    """Bring together what belongs to one pool."""
    instances = [
        one
        for one in target.instances
        if not one.is_ending and not noting.is_given_up(notes.get(one.name, NO_NOTE), now_s=now_s)
    ]
    hung = startups.hung(instances, hearing, longest_s=startup_s, now_s=now_s)
    replicas = [
        replace(_replica(one, hearing, notes, now_s=now_s), is_hung=one.name in hung)
        for one in instances
    ]
    crew = crews.build_crew(replicas, target_replicas=target.replicas)
    queues = None if broker is None else _queues(pool, broker)
    return Gathered(
        queues=queues,
        crew=crew,
        reading=_reading(crew, queues, instances, hearing, slots_per_replica, now_s=now_s),
        unheard=_unheard(replicas, hearing, now_s=now_s),
    )


def _queues(pool: WorkerPool, broker: BrokerReading) -> tuple[QueueReading, ...]:
    return tuple(broker.queues[QueueName(name)] for name in pool.spec.queues)


def _replica(instance: Instance, hearing: Hearing, notes: Notes, *, now_s: float) -> Replica:
    note = notes.get(instance.name, NO_NOTE)
    heard = hearings.current(hearing.of(instance), now_s=now_s)
    return Replica(
        name=instance.name,
        # Unready and never heard means dead; while we have just begun to listen it means nothing.
        is_ready=instance.is_ready or not hearing.is_reliable(now_s=now_s),
        is_started=instance.is_started,
        started_at_s=instance.started_at_s,
        ordinal=instance.ordinal,
        active=hearings.active(heard, now_s=now_s),
        heard_at_s=min((one.seen_at_s for one in heard), default=None),
        drained_since_s=instance.mark.since_s if instance.mark is not None else None,
        stopped_at_s=note.stopped_at_s,
        was_stopped=note.was_stopped,
        stop_tried_at_s=note.stop_tried_at_s,
        ask_tried_at_s=note.ask_tried_at_s,
        answer=note.answer,
        consumes_nothing=note.consumes_nothing,
    )


def _reading(
    crew: Crew,
    queues: Sequence[QueueReading] | None,
    instances: Sequence[Instance],
    hearing: Hearing,
    slots_per_replica: int | None,
    *,
    now_s: float,
) -> Reading:
    known = queues if queues is not None else ()
    is_known = hearing.is_reliable(now_s=now_s) or not any(one.is_started for one in instances)
    return Reading(
        replicas=crew.consuming,
        ready=None if queues is None else sum(queue.ready for queue in queues),
        ready_scheduled=sum(queue.ready_scheduled or 0 for queue in known),
        ready_due_soon=sum(queue.ready_due_soon or 0 for queue in known),
        unacked=_total(known, lambda queue: queue.unacked),
        scheduled=_total(known, lambda queue: queue.scheduled),
        due_soon=_total(known, lambda queue: queue.due_soon),
        active=_active((*crew.working, *crew.draining)) if is_known else None,
        draining=len(crew.draining),
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
            for one in hearing.of(instance)
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


def _unheard(replicas: Iterable[Replica], hearing: Hearing, *, now_s: float) -> tuple[str, ...]:
    if not hearing.is_reliable(now_s=now_s):
        return ()
    return tuple(
        one.name
        for one in replicas
        if one.is_ready
        and not one.is_hung
        and one.heard_at_s is None
        and one.started_at_s is not None
        and now_s - one.started_at_s > crews.COMES_UP_WITHIN_S
    )
