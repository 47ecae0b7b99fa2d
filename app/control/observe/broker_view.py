"""One reading of each broker for all of its pools, and the heartbeats in it by replica.

Celery's event loop is the last step of a worker's start, so the first heartbeat comes before the
first fetch. A worker without any heartbeat, in a time without a gap, therefore holds no task; that
conclusion needs other workers of the pool that do send heartbeats. After SIGTERM a worker finishes
its tasks without heartbeats: its last known count stands until its replica is gone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.broker import model
from app.broker.model import BrokerReading, Heartbeat, NodeName
from app.control.pool import problems
from app.control.pool.problems import Finding, PoolProblem
from app.control.pool.references import BrokerSpec
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Broker, BrokerKey, Brokers, Instance, InstanceName
from app.errors import BrokerUnreachable
from app.queues import QueueName
from app.scaling.replica_state import STARTUP_TIMEOUT_S

SILENT_S = 30.0
"""Heartbeats come every 2 s. Without one for this long, nothing is known of a worker: it may be
gone, or busy in a pool that cannot send any while it works."""
FORGOTTEN_S = 600.0
"""A node without heartbeats for this long is ignored if its replica has another, live node."""
LISTEN_FIRST_S = 6.0
"""Every live worker has sent a heartbeat after this time of listening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHeartbeats:
    """The heartbeats of one broker, at one tick."""

    by_node: Mapping[NodeName, Heartbeat]
    by_host: Mapping[str, tuple[Heartbeat, ...]]
    since_s: float | None
    """Since when heartbeats are received without a gap."""

    def of(self, instance: Instance) -> tuple[Heartbeat, ...]:
        """The last heartbeats of the workers of this replica, old ones included."""
        if instance.nodes:
            return tuple(self.by_node[node] for node in instance.nodes if node in self.by_node)
        return self.by_host.get(instance.host, ()) if instance.host is not None else ()

    def live_nodes(self, instance: Instance, *, now_s: float) -> tuple[NodeName, ...]:
        """The workers of this replica with current heartbeats."""
        return tuple(one.node for one in self.of(instance) if now_s - one.seen_at_s <= SILENT_S)

    def is_reliable(self, *, now_s: float) -> bool:
        """Whether every live worker had time to send a heartbeat."""
        return self.since_s is not None and now_s - self.since_s >= LISTEN_FIRST_S


def sort_heartbeats(reading: BrokerReading) -> WorkerHeartbeats:
    """Sort heartbeats by node and by host."""
    by_host: dict[str, list[Heartbeat]] = defaultdict(list)
    for node, heartbeat in reading.heartbeats.items():
        by_host[model.host_of(node)].append(heartbeat)
    return WorkerHeartbeats(
        by_node=reading.heartbeats,
        by_host={host: tuple(found) for host, found in by_host.items()},
        since_s=reading.listening_since_s,
    )


NO_HEARTBEATS = WorkerHeartbeats(by_node={}, by_host={}, since_s=None)


def current_heartbeats(heartbeats: tuple[Heartbeat, ...], *, now_s: float) -> tuple[Heartbeat, ...]:
    """Without old nodes, if another node of the replica sends heartbeats."""
    if all(now_s - one.seen_at_s > SILENT_S for one in heartbeats):
        return heartbeats
    return tuple(one for one in heartbeats if now_s - one.seen_at_s <= FORGOTTEN_S)


def active_tasks(heartbeats: tuple[Heartbeat, ...], *, now_s: float) -> int | None:
    """Tasks that a replica runs; `None` if one of its workers has no current heartbeat."""
    if not heartbeats or any(now_s - one.seen_at_s > SILENT_S for one in heartbeats):
        return None
    return sum(one.active for one in heartbeats)


LastActive = Mapping[InstanceName, int]
"""Tasks that each replica ran at its last heartbeat."""


def with_last_active(
    before: LastActive, instances: Iterable[Instance], heartbeats: WorkerHeartbeats, *, now_s: float
) -> LastActive:
    """Updated by the current heartbeats. Replicas that are gone are forgotten."""
    last = {}
    for one in instances:
        current = current_heartbeats(heartbeats.of(one), now_s=now_s)
        running = active_tasks(current, now_s=now_s)
        known = running if running is not None else before.get(one.name)
        if known is not None:
            last[one.name] = known
    return last


def active_on_ending(last: LastActive, instances: Iterable[Instance]) -> int:
    """Tasks that ending replicas run, as far as is known."""
    return sum(last.get(one.name, 0) for one in instances if one.is_ending)


STARTUP_FACTOR = 3.0
"""A worker may take this many times as long as the slowest observed start."""


def longest_startup_s(
    before_s: float | None, instances: Iterable[Instance], heartbeats: WorkerHeartbeats
) -> float | None:
    """The longest start that was observed as a whole; `None` before the first one."""
    found = [took_s for one in instances if (took_s := _startup_s(one, heartbeats)) is not None]
    if before_s is not None:
        found.append(before_s)
    return max(found, default=None)


def _startup_s(instance: Instance, heartbeats: WorkerHeartbeats) -> float | None:
    first_s = min(
        (
            beat.first_seen_at_s
            for beat in heartbeats.of(instance)
            if beat.first_seen_at_s is not None
        ),
        default=None,
    )
    started_at_s = instance.started_at_s
    if first_s is None or started_at_s is None or not _is_listened_to(instance, heartbeats):
        return None
    # After a restart of the container, the first heartbeat is of an earlier process.
    return first_s - started_at_s if first_s >= started_at_s else None


def hung_replicas(
    instances: Iterable[Instance],
    heartbeats: WorkerHeartbeats,
    *,
    longest_s: float | None,
    now_s: float,
) -> frozenset[InstanceName]:
    """The replicas whose workers have sent no heartbeat since their start, which is overdue."""
    if longest_s is None:
        return frozenset()
    limit_s = max(STARTUP_TIMEOUT_S, STARTUP_FACTOR * longest_s)
    return frozenset(
        one.name
        for one in instances
        if one.is_started
        and one.started_at_s is not None
        and now_s - one.started_at_s > limit_s
        and _is_listened_to(one, heartbeats)
        and not heartbeats.of(one)
    )


def _is_listened_to(instance: Instance, heartbeats: WorkerHeartbeats) -> bool:
    """Whether heartbeats were received without a gap since it started."""
    since_s, started_at_s = heartbeats.since_s, instance.started_at_s
    return since_s is not None and started_at_s is not None and since_s <= started_at_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerView:
    """One broker at one tick, for all of its pools."""

    broker: Broker | None = None
    reading: BrokerReading | None = None
    heartbeats: WorkerHeartbeats = NO_HEARTBEATS
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
    """Group pools by broker; second, the pools whose broker lookup failed unexpectedly."""
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
    return BrokerView(broker=group.broker, reading=reading, heartbeats=sort_heartbeats(reading))
