"""The control loop in a virtual cluster, in virtual time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.control.loop import Loop
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.status import ConditionType, PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import (
    Broker,
    BrokerKey,
    Tick,
)
from tests.unit.control.virtual_cluster import (
    VirtualCluster,
    VirtualQueues,
    VirtualReplicas,
    VirtualWorkers,
)


@dataclass(kw_only=True)
class VirtualBrokers:
    broker: Broker

    async def find(self, pool: WorkerPool) -> Broker:
        secret = pool.spec.broker.secret_key_ref
        if secret is not None:
            raise PoolProblem(
                ProblemReason.BROKER_UNKNOWN, f"Secret {secret.name} not found: create it"
            )
        return self.broker


@dataclass(kw_only=True)
class VirtualPools:
    listed: list[WorkerPool | UnreadablePool]

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        return self.listed


@dataclass(kw_only=True)
class VirtualReports:
    statuses: list[PoolStatus] = field(default_factory=list)
    """Every status that was written, of all pools."""
    events: list[tuple[PoolKey, PoolEvent]] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    latest: Mapping[PoolKey, PoolStatus] = field(default_factory=dict)

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        self.statuses.append(status)

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        self.events.append((pool.key, event))

    def record_tick(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        self.ticks.append(tick)
        self.latest = statuses

    @property
    def reasons(self) -> list[str]:
        return [event.reason for _, event in self.events]


class VirtualOperator:
    """The loop of an operator, and the virtual cluster around it."""

    def __init__(self, cluster: VirtualCluster, *pools: WorkerPool | UnreadablePool) -> None:
        self.cluster = cluster
        self.pools = VirtualPools(listed=list(pools))
        self.queues = VirtualQueues(cluster=cluster)
        self.workers = VirtualWorkers(cluster=cluster)
        self.brokers = VirtualBrokers(
            broker=Broker(key=BrokerKey("b"), queues=self.queues, workers=self.workers)
        )
        self.replicas = VirtualReplicas(cluster=cluster)
        self.reports = VirtualReports()
        self.loop = self.build_loop()

    def build_loop(self) -> Loop:
        """A loop that knows nothing yet, as after a restart."""
        return Loop(
            pools=self.pools,
            brokers=self.brokers,
            replicas=self.replicas,
            reporter=self.reports,
            clock=self.cluster.clock,
        )

    async def restart(self) -> None:
        self.loop = self.build_loop()
        self.cluster.listens_from_s = self.cluster.now_s

    async def run(self, seconds: float) -> None:
        """Tick every second, as the loop does while there is something to do."""
        for _ in range(round(seconds)):
            await self.loop.tick()
            self.cluster.advance(1.0)

    def change(self, **spec: object) -> None:
        """Edit the spec of the first pool."""
        pool = self.pools.listed[0]
        assert isinstance(pool, WorkerPool)
        edited = pool.spec.model_copy(update=spec)
        self.pools.listed[0] = replace(pool, spec=edited, generation=pool.generation + 1)

    def annotate(self, **annotations: str) -> None:
        """`annotate(paused="true")` on the first pool."""
        pool = self.pools.listed[0]
        assert isinstance(pool, WorkerPool)
        named = {f"celeriac.dev/{key.replace('_', '-')}": text for key, text in annotations.items()}
        self.pools.listed[0] = replace(pool, annotations=named)


def shown(status: PoolStatus, kind: ConditionType) -> tuple[str, str]:
    found = next(one for one in status.conditions if one.type is kind)
    return (found.status.value, found.reason)


def latest(operator: VirtualOperator, name: str = "shop") -> PoolStatus:
    return operator.reports.latest[PoolKey("apps", name)]


def run(operator: VirtualOperator, seconds: float) -> None:
    asyncio.run(operator.run(seconds))
