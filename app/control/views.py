"""Pools sorted by broker, and one reading of each broker for all of its pools."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.control import conditions, hearing
from app.control.judging import BrokerView
from app.control.pool import WorkerPool
from app.control.ports import Broker, BrokerKey, Brokers
from app.control.problems import PoolProblem
from app.errors import BrokerUnreachable
from app.queues import QueueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pools whose queues are read in one round trip, or whose broker cannot be found."""

    broker: Broker | None
    pools: tuple[WorkerPool, ...]
    problem: PoolProblem | None = None


async def grouped(pools: Iterable[WorkerPool], brokers: Brokers) -> Sequence[Group]:
    """Find the broker of each pool."""
    found: dict[BrokerKey, tuple[Broker, list[WorkerPool]]] = {}
    lost = []
    for pool in pools:
        try:
            broker = await brokers.find(pool)
        except PoolProblem as problem:
            lost.append(Group(broker=None, pools=(pool,), problem=problem))
        else:
            found.setdefault(broker.key, (broker, []))[1].append(pool)
    groups = (Group(broker=broker, pools=tuple(those)) for broker, those in found.values())
    return (*groups, *lost)


async def look(group: Group) -> BrokerView:
    """Read all queues of these pools, and the heartbeats of their broker."""
    if group.broker is None:
        return BrokerView(problem=group.problem)
    queues = {QueueName(name) for pool in group.pools for name in pool.spec.queues}
    try:
        reading = await group.broker.queues.read(queues)
    except BrokerUnreachable as exc:
        return BrokerView(broker=group.broker, problem=conditions.unreachable(exc.host))
    return BrokerView(broker=group.broker, reading=reading, hearing=hearing.build_hearing(reading))
