"""What the workers of a pool consume, and which consumers they have lost. Pure.

Before 5.6, Celery forgets consumers that were added after its start when it reconnects, and so also
those of a worker that was resumed after a drain. Consumers can also be cancelled by hand. A lost
consumer is restored once. If it is lost again without a reconnect, the loss is deliberate: it is
reported and not restored.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName
from app.control.observe import broker_view
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.ports import CancelledConsumers, Instance, InstanceName
from app.queues import QueueName

RECHECK_S = 2.0
"""A worker without consumers may be reconnecting: it is asked again first."""
WAKE_AGAIN_S = 60.0
"""A restore that was not confirmed is repeated after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwakeWorker:
    """A worker that can be asked: it sends heartbeats, and its replica does not drain."""

    node: NodeName
    replica: InstanceName
    is_idle: bool
    connected_at_s: float
    """Since when it has been connected to the broker without a gap, as far as is known."""
    template: str = ""
    """Workers of one template have the same command line."""
    cancelled: CancelledConsumers | None = None
    """What its replica's last mark says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """What is known of one worker's consumers."""

    asked_at_s: float
    unanswered: int = 0
    seen: NodeConsumers | None = None
    """Its last answer."""
    expected: frozenset[ConsumedQueue] = frozenset()
    """All shared queues that its process has been seen to consume."""
    lacking_since_s: float | None = None
    """Since when it has been seen without some of the pool's queues that it should consume."""
    restored_at_s: float | None = None
    """When its consumers were last restored, and whether it has confirmed that."""
    is_restored: bool = False


Records = Mapping[NodeName, WorkerRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """What is remembered of a pool's consumers between two reconciles."""

    records: Records = field(default_factory=dict[NodeName, WorkerRecord])
    routine_at_s: float = 0.0
    """When workers were last asked without a reason to."""


NOTHING_KNOWN = Consumption()


def last_seen(known: Consumption, nodes: Iterable[NodeName]) -> Mapping[NodeName, NodeConsumers]:
    """The last answers of these workers, for when one does not answer in time."""
    return {
        node: record.seen
        for node in nodes
        if (record := known.records.get(node)) is not None and record.seen is not None
    }


def awake_workers(
    instances: Iterable[Instance], heartbeats: WorkerHeartbeats, *, now_s: float
) -> tuple[AwakeWorker, ...]:
    """The workers with current heartbeats, of replicas that neither drain nor end."""
    since_s = heartbeats.since_s if heartbeats.since_s is not None else now_s
    return tuple(
        AwakeWorker(
            node=beat.node,
            replica=one.name,
            is_idle=beat.active == 0,
            connected_at_s=max(since_s, beat.online_at_s or 0.0),
            template=one.template,
            cancelled=one.cancelled.get(beat.node),
        )
        for one in instances
        if one.mark is None and not one.is_ending
        for beat in heartbeats.of(one)
        if now_s - beat.seen_at_s <= broker_view.SILENT_S
    )


def with_answers(
    known: Consumption,
    workers: Sequence[AwakeWorker],
    asked: Collection[NodeName],
    answers: Mapping[NodeName, NodeConsumers],
    *,
    spec_queues: Collection[QueueName],
    now_s: float,
) -> Consumption:
    """After these workers were asked. Workers that are gone are forgotten."""
    present = {one.node: one for one in workers}
    records = {node: record for node, record in known.records.items() if node in present}
    for node in asked:
        before = records.get(node, WorkerRecord(asked_at_s=now_s))
        answer = answers.get(node)
        records[node] = (
            replace(before, asked_at_s=now_s, unanswered=before.unanswered + 1)
            if answer is None
            else _answered(before, answer, now_s=now_s)
        )
    for node in answers.keys() & records.keys():
        is_lacking = bool(missing(present[node], workers, records, spec_queues=spec_queues))
        is_lacking = is_lacking or consumes_nothing(records[node])
        since_s = records[node].lacking_since_s
        records[node] = replace(
            records[node],
            lacking_since_s=(since_s if since_s is not None else now_s) if is_lacking else None,
        )
    return replace(known, records=records)


def _answered(before: WorkerRecord, answer: NodeConsumers, *, now_s: float) -> WorkerRecord:
    is_same = before.seen is not None and is_same_process(before.seen, answer)
    return replace(
        before,
        asked_at_s=now_s,
        unanswered=0,
        seen=answer,
        expected=answer.shared | before.expected if is_same else answer.shared,
        restored_at_s=before.restored_at_s if is_same else None,
    )


def consumes_nothing(record: WorkerRecord) -> bool:
    """Whether a worker was last seen without a single queue that it shares with others."""
    return record.seen is not None and not record.seen.shared


def missing(
    worker: AwakeWorker,
    workers: Iterable[AwakeWorker],
    records: Records,
    *,
    spec_queues: Collection[QueueName],
) -> frozenset[ConsumedQueue]:
    """The pool's queues that a worker should consume and was not seen to consume.

    It should consume what its process has consumed before, or what was cancelled for a drain; where
    neither is known, what all other workers with its command line consume.
    """
    record = records.get(worker.node)
    if record is None or record.seen is None:
        return frozenset()
    expected = record.expected | queues_to_restore(worker.cancelled, record.seen)
    if not expected:
        expected = _common(worker, workers, records)
    consumed = {queue.name for queue in record.seen.queues}
    return frozenset(
        queue for queue in expected if queue.has_name(spec_queues) and queue.name not in consumed
    )


def _common(
    worker: AwakeWorker, workers: Iterable[AwakeWorker], records: Records
) -> frozenset[ConsumedQueue]:
    others = [
        record.seen.shared
        for one in workers
        if one.node != worker.node and one.template == worker.template
        if (record := records.get(one.node)) is not None and record.seen is not None
        if record.seen.shared
    ]
    return frozenset.intersection(*others) if others else frozenset()


def consumers_to_restore(
    workers: Sequence[AwakeWorker],
    known: Consumption,
    *,
    spec_queues: Collection[QueueName],
    now_s: float,
) -> Mapping[NodeName, frozenset[ConsumedQueue]]:
    """The lost consumers to restore, by worker."""
    found: dict[NodeName, frozenset[ConsumedQueue]] = {}
    for worker in workers:
        record = known.records.get(worker.node)
        if record is None or not _may_be_restored(worker, record, now_s=now_s):
            continue
        queues = missing(worker, workers, known.records, spec_queues=spec_queues)
        if queues:
            found[worker.node] = queues
    return found


def _may_be_restored(worker: AwakeWorker, record: WorkerRecord, *, now_s: float) -> bool:
    since_s, seen = record.lacking_since_s, record.seen
    if since_s is None or seen is None or seen.seen_at_s - since_s < RECHECK_S:
        return False
    if record.restored_at_s is None or record.restored_at_s < worker.connected_at_s:
        return True
    return not record.is_restored and now_s - record.restored_at_s >= WAKE_AGAIN_S


def with_restored(
    known: Consumption,
    restored: Mapping[NodeName, frozenset[ConsumedQueue]],
    confirmed: Collection[NodeName],
    *,
    now_s: float,
) -> Consumption:
    """After consumers were restored, confirmed by some workers."""
    records = dict(known.records)
    for node, queues in restored.items():
        record = replace(records[node], restored_at_s=now_s, is_restored=node in confirmed)
        if node in confirmed and record.seen is not None:
            seen = replace(record.seen, queues=record.seen.queues | queues, seen_at_s=now_s)
            record = replace(record, seen=seen, lacking_since_s=None)
        records[node] = record
    return replace(known, records=records)


ROUNDING_S = 1.0
"""A worker reports its age in whole seconds."""


def queues_to_cancel(
    seen: NodeConsumers, spec_queues: Collection[QueueName]
) -> frozenset[QueueName]:
    """The queues of the pool that this worker consumes together with others."""
    return frozenset(queue.name for queue in seen.shared if queue.has_name(spec_queues))


def queues_to_restore(
    cancelled: CancelledConsumers | None, seen: NodeConsumers
) -> frozenset[ConsumedQueue]:
    """What was cancelled and is not consumed; nothing where another process runs by now.

    The name is enough for the worker that has consumed the queue: Celery keeps its declaration.
    """
    if cancelled is None or _is_another_process(cancelled, seen):
        return frozenset()
    consumed = {queue.name for queue in seen.queues}
    return frozenset(ConsumedQueue(name=name) for name in cancelled.queues if name not in consumed)


def with_cancelled(
    before: Mapping[NodeName, CancelledConsumers],
    seen: NodeConsumers,
    queues: frozenset[QueueName],
    *,
    now_s: float,
) -> Mapping[NodeName, CancelledConsumers]:
    """The record of a drain after these, too, are about to be cancelled."""
    known = before.get(seen.node)
    if known is None or _is_another_process(known, seen):
        return {**before, seen.node: CancelledConsumers(queues=queues, at_s=now_s)}
    if queues <= known.queues:
        return before
    return {**before, seen.node: CancelledConsumers(queues=known.queues | queues, at_s=known.at_s)}


def is_same_process(before: NodeConsumers, now: NodeConsumers) -> bool:
    """Whether two answers come from one process, as far as is known."""
    if before.began_at_s is None or now.began_at_s is None:
        return True
    return abs(now.began_at_s - before.began_at_s) <= 2 * ROUNDING_S


def _is_another_process(cancelled: CancelledConsumers, seen: NodeConsumers) -> bool:
    return seen.began_at_s is not None and seen.began_at_s > cancelled.at_s + ROUNDING_S
