"""Pools sorted by broker, and one reading of each broker for all of its pools."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.broker.model import BrokerReading
from app.control.observe import worker_heartbeats
from app.control.observe.worker_heartbeats import WorkerHeartbeats
from app.control.pool import problems
from app.control.pool.problems import Finding, PoolProblem
from app.control.pool.spec import BrokerSpec
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Broker, BrokerKey, Brokers
from app.errors import BrokerUnreachable
from app.queues import QueueName


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerView:
    """A broker at one tick, as the pools on it see it."""

    broker: Broker | None = None
    reading: BrokerReading | None = None
    heartbeats: WorkerHeartbeats = worker_heartbeats.NO_HEARTBEATS
    problem: Finding | None = None
    """Why there is no reading."""


NO_VIEW = BrokerView()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerGroup:
    """Pools whose queues are read in one round trip, or whose broker cannot be found."""

    broker: Broker | None
    pools: tuple[WorkerPool, ...]
    problem: Finding | None = None


async def group_by_broker(
    pools: Iterable[WorkerPool], brokers: Brokers
) -> tuple[Sequence[BrokerGroup], Sequence[tuple[WorkerPool, BaseException]]]:
    """Find the broker of each pool; second, the pools at which that has failed unexpectedly."""
    alike: dict[tuple[str, BrokerSpec], list[WorkerPool]] = defaultdict(list)
    for pool in pools:
        alike[pool.key.namespace, pool.spec.broker].append(pool)
    firsts = [those[0] for those in alike.values()]
    found = await asyncio.gather(*(brokers.find(pool) for pool in firsts), return_exceptions=True)
    on_broker: dict[BrokerKey, tuple[Broker, list[WorkerPool]]] = {}
    lost: list[BrokerGroup] = []
    failed: list[tuple[WorkerPool, BaseException]] = []
    for those, broker in zip(alike.values(), found, strict=True):
        match broker:
            case Broker():
                on_broker.setdefault(broker.key, (broker, []))[1].extend(those)
            case PoolProblem():
                lost.append(BrokerGroup(broker=None, pools=tuple(those), problem=broker.finding))
            case error:
                failed.extend((pool, error) for pool in those)
    groups = (
        BrokerGroup(broker=broker, pools=tuple(those)) for broker, those in on_broker.values()
    )
    return (*groups, *lost), failed


async def read_broker(group: BrokerGroup) -> BrokerView:
    """Read all queues of these pools, and the heartbeats of their broker."""
    if group.broker is None:
        return BrokerView(problem=group.problem)
    queues = {QueueName(name) for pool in group.pools for name in pool.spec.queues}
    try:
        reading = await group.broker.queues.read(queues)
    except BrokerUnreachable as exc:
        return BrokerView(broker=group.broker, problem=problems.of_broker(exc))
    return BrokerView(
        broker=group.broker, reading=reading, heartbeats=worker_heartbeats.sort_heartbeats(reading)
    )
