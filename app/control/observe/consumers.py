"""Which consumers of a worker are cancelled for a drain, and which it is given back. Pure."""

from collections.abc import Collection, Mapping

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName
from app.control.ports import Cancelled
from app.queues import QueueName

ROUNDING_S = 1.0
"""A worker tells its age in whole seconds."""


def to_cancel(seen: NodeConsumers, spec_queues: Collection[QueueName]) -> frozenset[QueueName]:
    """The queues of the pool that this worker consumes together with others."""
    return frozenset(queue.name for queue in seen.shared if queue.has_name(spec_queues))


def to_restore(cancelled: Cancelled | None, seen: NodeConsumers) -> frozenset[ConsumedQueue]:
    """What was cancelled and is not consumed; nothing where another process runs by now.

    The name is enough for the worker that has consumed the queue: Celery keeps its declaration.
    """
    if cancelled is None or _is_another_process(cancelled, seen):
        return frozenset()
    consumed = {queue.name for queue in seen.queues}
    return frozenset(ConsumedQueue(name=name) for name in cancelled.queues if name not in consumed)


def with_cancelled(
    before: Mapping[NodeName, Cancelled],
    seen: NodeConsumers,
    queues: frozenset[QueueName],
    *,
    now_s: float,
) -> Mapping[NodeName, Cancelled]:
    """The record of a drain after these, too, are about to be cancelled."""
    known = before.get(seen.node)
    if known is None or _is_another_process(known, seen):
        return {**before, seen.node: Cancelled(queues=queues, at_s=now_s)}
    if queues <= known.queues:
        return before
    return {**before, seen.node: Cancelled(queues=known.queues | queues, at_s=known.at_s)}


def is_same_process(before: NodeConsumers, now: NodeConsumers) -> bool:
    """Whether two answers come from one process, as far as they tell."""
    if before.began_at_s is None or now.began_at_s is None:
        return True
    return abs(now.began_at_s - before.began_at_s) <= 2 * ROUNDING_S


def _is_another_process(cancelled: Cancelled, seen: NodeConsumers) -> bool:
    return seen.began_at_s is not None and seen.began_at_s > cancelled.at_s + ROUNDING_S
