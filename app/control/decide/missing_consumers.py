"""What is wrong with what the workers of a pool consume, and whom that makes no capacity. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from app.broker.model import ConsumedQueue
from app.control.observe import consumption
from app.control.observe.consumption import RECHECK_S, AwakeWorker, Consumption, WorkerRecord
from app.control.ports import InstanceName
from app.queues import QueueName

NO_CAPACITY_S = 10.0
"""A replica that has consumed nothing for this long is not capacity."""


class Remedy(Enum):
    """What is done about a worker that lacks consumers."""

    GIVEN_BACK = "is given its consumers back"
    LEFT = "has lost them again"
    UNKNOWN = "is not known to have had any"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingConsumers:
    """A replica of which a worker lacks consumers."""

    replica: InstanceName
    queues: tuple[QueueName, ...]
    """What it should consume; empty where that is not known."""
    consumes_nothing: bool
    remedy: Remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMismatch:
    """The queues that the workers consume and those that the spec names are not the same."""

    consumed: tuple[QueueName, ...]
    named: tuple[QueueName, ...]
    unserved: tuple[QueueName, ...]
    """Named, and no worker consumes them."""
    unnamed: tuple[QueueName, ...]
    """Consumed, and not named."""


def missing_consumers(
    workers: Sequence[AwakeWorker],
    known: Consumption,
    *,
    spec_queues: Collection[QueueName],
    restoring: Collection[str],
) -> tuple[MissingConsumers, ...]:
    """The replicas that were twice seen without consumers; `restoring` are nodes that get them back
    now."""
    found = []
    for worker in workers:
        record = known.records.get(worker.node)
        if record is None or not _is_confirmed(record):
            continue
        queues = consumption.missing(worker, workers, known.records, spec_queues=spec_queues)
        found.append(
            MissingConsumers(
                replica=worker.replica,
                queues=_sorted(queues),
                consumes_nothing=consumption.consumes_nothing(record),
                remedy=_remedy(worker, record, queues, restoring),
            )
        )
    return tuple(found)


def _remedy(
    worker: AwakeWorker,
    record: WorkerRecord,
    queues: Collection[ConsumedQueue],
    restoring: Collection[str],
) -> Remedy:
    if not queues:
        return Remedy.UNKNOWN
    if worker.node in restoring or not record.is_restored:
        return Remedy.GIVEN_BACK
    return Remedy.LEFT


def _is_confirmed(record: WorkerRecord) -> bool:
    since_s, seen = record.lacking_since_s, record.seen
    return since_s is not None and seen is not None and seen.seen_at_s - since_s >= RECHECK_S


def without_capacity(workers: Iterable[AwakeWorker], known: Consumption) -> frozenset[InstanceName]:
    """The replicas of which no worker consumes anything, and has not for a while."""
    by_replica: dict[InstanceName, list[bool]] = defaultdict(list)
    for worker in workers:
        record = known.records.get(worker.node)
        by_replica[worker.replica].append(record is not None and _is_out(record))
    return frozenset(name for name, are_out in by_replica.items() if all(are_out))


def _is_out(record: WorkerRecord) -> bool:
    since_s, seen = record.lacking_since_s, record.seen
    if since_s is None or seen is None or not consumption.consumes_nothing(record):
        return False
    return seen.seen_at_s - since_s >= NO_CAPACITY_S


def queue_mismatch(
    workers: Sequence[AwakeWorker],
    known: Consumption,
    *,
    spec_queues: Sequence[QueueName],
) -> QueueMismatch | None:
    """How the spec differs from what the workers consume, or had consumed before they lost it;
    `None` where it does not, or where not every worker has been asked."""
    records = [known.records.get(worker.node) for worker in workers]
    answered = [one for one in records if one is not None and one.seen is not None]
    if not answered or any(one is None for one in records):
        return None
    shared = frozenset[ConsumedQueue]().union(
        *(one.expected | one.seen.shared for one in answered if one.seen is not None)
    )
    if not shared:
        return None
    private = frozenset[ConsumedQueue]().union(
        *(one.seen.queues for one in answered if one.seen is not None)
    )
    served = shared | private
    unserved = [name for name in spec_queues if not any(queue.has_name([name]) for queue in served)]
    unnamed = _sorted(queue for queue in shared if not queue.has_name(spec_queues))
    if not unserved and not unnamed:
        return None
    return QueueMismatch(
        consumed=_sorted(shared),
        named=tuple(spec_queues),
        unserved=tuple(unserved),
        unnamed=unnamed,
    )


def _sorted(queues: Iterable[ConsumedQueue]) -> tuple[QueueName, ...]:
    return tuple(sorted({queue.name for queue in queues}))
