"""Asks workers by remote control what they consume and how many tasks they run at once.

A worker is asked about its consumers when it is first seen and when it has come back to the broker,
soon after it was seen without consumers, when it looks idle while messages wait, and otherwise
every few minutes. Only a few workers are asked at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from app.broker.model import NodeConsumers, NodeName
from app.control.observe import broker_view, consumption
from app.control.observe.broker_view import BrokerView, WorkerHeartbeats
from app.control.observe.consumption import RECHECK_S, AwakeWorker, Consumption, WorkerRecord
from app.control.pool.spec import Mode
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Instance, ScaleTarget
from app.errors import BrokerUnreachable
from app.queues import QueueName

CONNECT_S = 3.0
"""A worker that has just connected has its consumers by then."""
IDLE_CHECK_S = 30.0
"""A worker that looks idle while messages wait is asked this often."""
LACKING_CHECK_S = 10.0
ROUTINE_S = 300.0
"""How old an answer may be when nothing looks odd."""
ROUTINE_PAUSE_S = 10.0
SILENCE_LIMIT_S = 600.0
"""The longest pause between two questions to a worker that does not answer."""
AT_ONCE = 20
ROUTINE_AT_ONCE = 3
SLOTS_RETRY_S = 5.0
"""Until workers have answered. The pauses grow for those that stay silent (`app.broker`)."""
SLOTS_REFRESH_S = 600.0
"""Workers that have answered are asked again after this: a new version may have another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSlots:
    """How many tasks a replica runs at once, where the spec does not say so."""

    per_replica: int | None = None
    asked_at_s: float | None = None
    is_unreported: bool = False
    """Whether workers have answered without the number."""


async def with_slots(
    known: KnownSlots,
    pool: WorkerPool,
    target: ScaleTarget,
    view: BrokerView,
    *,
    clock: Callable[[], float],
) -> KnownSlots:
    """Ask for the slots of a replica when it is time to; more tasks seen running count too."""
    if pool.spec.concurrency is not None:
        return known
    known = await _with_answer(known, target, view, now_s=clock())
    found = believed_slots(known.per_replica, target.instances, view.heartbeats, now_s=clock())
    return replace(known, per_replica=found)


async def _with_answer(
    known: KnownSlots, target: ScaleTarget, view: BrokerView, *, now_s: float
) -> KnownSlots:
    silent = view.reading.troubles if view.reading is not None else {}
    nodes = nodes_to_ask_for_slots(target.instances, view.heartbeats, silent=silent, now_s=now_s)
    if view.broker is None or not nodes:
        return known
    if not are_slots_due(known.per_replica, known.asked_at_s, now_s=now_s):
        return known
    known = replace(known, asked_at_s=now_s)
    try:
        workers = await view.broker.workers.consumers(nodes)
    except BrokerUnreachable:
        return known
    found = slots_of_replica(workers.values())
    known = replace(known, is_unreported=bool(workers) and found is None)
    return replace(known, per_replica=found) if found is not None else known


async def with_consumers(
    known: Consumption,
    pool: WorkerPool,
    target: ScaleTarget,
    view: BrokerView,
    *,
    clock: Callable[[], float],
) -> Consumption:
    """Ask a few workers what they consume, when it is time to."""
    if pool.spec.mode is Mode.OFF or view.broker is None or view.reading is None:
        return known
    now_s = clock()
    queues = [QueueName(name) for name in pool.spec.queues]
    workers = consumption.awake_workers(target.instances, view.heartbeats, now_s=now_s)
    has_waiting = any(view.reading.queues[name].ready > 0 for name in queues)
    query = next_query(workers, known, has_waiting=has_waiting, now_s=now_s)
    answers: Mapping[NodeName, NodeConsumers] = {}
    with suppress(BrokerUnreachable):  # as if no worker had answered
        answers = await view.broker.workers.consumers(query.nodes) if query.nodes else {}
    known = consumption.with_answers(
        known, workers, query.nodes, answers, spec_queues=queues, now_s=clock()
    )
    return replace(known, routine_at_s=now_s) if query.is_routine else known


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerQuery:
    """The workers to ask now."""

    nodes: tuple[NodeName, ...] = ()
    is_routine: bool = False


def next_query(
    workers: Sequence[AwakeWorker], known: Consumption, *, has_waiting: bool, now_s: float
) -> ConsumerQuery:
    """The workers to ask now, a bounded number; those that there is a reason to ask first."""
    connected = [one for one in workers if now_s - one.connected_at_s >= CONNECT_S]
    reasoned = [
        (_asked_at_s(known, one.node), one.node)
        for one in connected
        if _has_reason(one, known.records.get(one.node), has_waiting=has_waiting, now_s=now_s)
    ]
    if reasoned or now_s - known.routine_at_s < ROUTINE_PAUSE_S:
        return ConsumerQuery(nodes=_longest_ago(reasoned, AT_ONCE))
    old = [
        (asked_at_s, one.node)
        for one in connected
        if now_s - (asked_at_s := _asked_at_s(known, one.node)) >= ROUTINE_S
    ]
    return ConsumerQuery(nodes=_longest_ago(old, ROUTINE_AT_ONCE), is_routine=bool(old))


def _asked_at_s(known: Consumption, node: NodeName) -> float:
    record = known.records.get(node)
    return record.asked_at_s if record is not None else 0.0


def _longest_ago(asked: Sequence[tuple[float, NodeName]], count: int) -> tuple[NodeName, ...]:
    return tuple(node for _, node in sorted(asked)[:count])


def _has_reason(
    worker: AwakeWorker, record: WorkerRecord | None, *, has_waiting: bool, now_s: float
) -> bool:
    if record is None:
        return True
    age_s = now_s - record.asked_at_s
    has_returned = record.asked_at_s < worker.connected_at_s
    if not has_returned and age_s < max(RECHECK_S, _pause_s(record)):
        return False
    if record.seen is None or record.seen.seen_at_s < worker.connected_at_s + CONNECT_S:
        return True
    if record.lacking_since_s is not None:
        is_news = now_s - record.lacking_since_s < LACKING_CHECK_S
        return age_s >= (RECHECK_S if is_news else LACKING_CHECK_S)
    return has_waiting and worker.is_idle and age_s >= IDLE_CHECK_S


def _pause_s(record: WorkerRecord) -> float:
    """How long to wait before a worker that does not answer is asked again."""
    if record.unanswered == 0:
        return 0.0
    return min(SILENCE_LIMIT_S, RECHECK_S * 2.0 ** min(record.unanswered, 10))


def are_slots_due(known: int | None, asked_at_s: float | None, *, now_s: float) -> bool:
    """Whether workers are to be asked (again)."""
    pause_s = SLOTS_RETRY_S if known is None else SLOTS_REFRESH_S
    return asked_at_s is None or now_s - asked_at_s >= pause_s


def nodes_to_ask_for_slots(
    instances: Iterable[Instance],
    heartbeats: WorkerHeartbeats,
    *,
    silent: Collection[NodeName],
    now_s: float,
) -> tuple[NodeName, ...]:
    """The workers of one replica, rather of one whose workers have answered before."""
    awake = [heartbeats.live_nodes(instance, now_s=now_s) for instance in instances]
    found = [nodes for nodes in awake if nodes]
    answering = (nodes for nodes in found if not set(nodes).intersection(silent))
    return next(answering, found[0] if found else ())


def slots_of_replica(workers: Iterable[NodeConsumers]) -> int | None:
    """What the workers of one replica say together."""
    known = [worker.slots for worker in workers if worker.slots is not None]
    return sum(known) if known else None


def believed_slots(
    known: int | None, instances: Iterable[Instance], heartbeats: WorkerHeartbeats, *, now_s: float
) -> int | None:
    """What is known, or more if a replica is seen to run more tasks than that at once."""
    current = (
        broker_view.current_heartbeats(heartbeats.of(instance), now_s=now_s)
        for instance in instances
    )
    running = [broker_view.active_tasks(each, now_s=now_s) or 0 for each in current]
    seen = max(running, default=0)
    return seen if seen > (known if known is not None else 1) else known
