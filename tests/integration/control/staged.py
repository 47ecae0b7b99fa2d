"""Real workers as the replicas of a pool, and the steps of the loop over a real broker."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from app.broker.connections.address import parse_address
from app.broker.link import Link
from app.control.apply import PlanExecutor
from app.control.observe import broker_view
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.observe.observation import DrainStates
from app.control.pool import worker_pool as pools
from app.control.pool.worker_pool import PoolKey, WorkerPool
from app.control.ports import DrainMark, Instance, InstanceName, ScaleTarget
from app.queues import QueueName
from app.scaling.drain_plan import ScalePlan
from app.scaling.replica_state import Removal
from tests.integration import foreign_application
from tests.integration.broker.conftest import until


def pool_of(*queues: str, **spec: object) -> WorkerPool:
    manifest = {"scaleTargetRef": {"name": "workers"}, "queues": list(queues), "concurrency": 1}
    return WorkerPool(key=PoolKey("test", "shop"), spec=pools.parse_spec(manifest | spec))


def name_of(worker: str) -> InstanceName:
    return InstanceName(worker)


@dataclass(kw_only=True)
class Standing:
    """The `Replicas` port over workers that a test has started; nothing is made smaller."""

    instances: dict[InstanceName, Instance]
    sizes: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, *workers: str) -> "Standing":
        """Each worker is a replica of its own."""
        return cls.with_nodes({worker: [worker] for worker in workers})

    @classmethod
    def with_nodes(cls, replicas: Mapping[str, Sequence[str]]) -> "Standing":
        now_s = time.time()
        instances = {
            InstanceName(name): Instance(
                name=InstanceName(name),
                is_ready=True,
                started_at_s=now_s,
                nodes=tuple(foreign_application.node(worker) for worker in workers),
            )
            for name, workers in replicas.items()
        }
        return cls(instances=instances)

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        count = self.sizes[-1] if self.sizes else len(self.instances)
        return ScaleTarget(
            replicas=count,
            ready_replicas=len(self.instances),
            removal=Removal.CHOSEN,
            instances=tuple(self.instances.values()),
        )

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        self.sizes.append(replicas)
        return replicas

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        for name, mark in marks.items():
            was = self.instances[name]
            cancelled = mark.cancelled if mark is not None else was.cancelled
            self.instances[name] = replace(was, mark=mark, cancelled=cancelled)

    def age_records(self, by_s: float) -> None:
        """Let what is written at the replicas be this much older."""
        for name, one in self.instances.items():
            older = {
                node: replace(record, at_s=record.at_s - by_s)
                for node, record in one.cancelled.items()
            }
            mark = replace(one.mark, cancelled=older) if one.mark is not None else None
            self.instances[name] = replace(one, mark=mark, cancelled=older)


@dataclass(kw_only=True)
class Operator:
    """What one operator knows. Another one over the same replicas knows only what is written."""

    link: Link
    replicas: Standing
    drain_states: DrainStates = field(default_factory=dict)

    async def carry(self, pool: WorkerPool, plan: ScalePlan) -> None:
        executor = PlanExecutor(
            pool,
            await self.replicas.read(pool),
            await self.hear(),
            drain_states=self.drain_states,
            replicas=self.replicas,
            workers=self.link.workers,
            clock=time.time,
        )
        await executor.apply(plan)
        self.drain_states = executor.drain_states

    async def stop(self, pool: WorkerPool, *names: str) -> None:
        """Drain these replicas until they have confirmed that they have stopped."""
        wanted = tuple(names)

        async def is_stopped() -> bool:
            await self.carry(pool, ScalePlan(replicas=len(self.replicas.instances), stop=wanted))
            return all(self.drain_states[name_of(name)].stopped_at_s is not None for name in wanted)

        await until(is_stopped, bool)

    async def wake(self, pool: WorkerPool, *names: str) -> None:
        """Wake these replicas until all of their workers have confirmed."""
        wanted = tuple(names)

        async def is_awake() -> bool:
            await self.carry(pool, ScalePlan(replicas=len(self.replicas.instances), resume=wanted))
            return all(self.replicas.instances[name_of(name)].mark is None for name in wanted)

        await until(is_awake, bool)

    async def hear(self) -> WorkerHeartbeats:
        return broker_view.sort_heartbeats(await self.link.queues.read([]))

    async def consumed(self, *workers: str) -> dict[str, set[str]]:
        """By worker, the names of what it consumes. One that does not answer is left out."""
        found = await self.link.workers.consumers(
            [foreign_application.node(worker) for worker in workers]
        )
        return {
            node.rpartition("@")[0]: {queue.name for queue in one.queues}
            for node, one in found.items()
        }

    async def waiting(self, queue: str) -> int:
        reading = await self.link.queues.read([QueueName(queue)])
        return reading.queues[QueueName(queue)].ready


@asynccontextmanager
async def operator_of(url: str, replicas: Standing) -> AsyncIterator[Operator]:
    """An operator that has heard all of these replicas' workers."""
    link = Link(parse_address(url), clock=time.time)
    link.open()
    nodes = {node for one in replicas.instances.values() for node in one.nodes}
    operator = Operator(link=link, replicas=replicas)
    try:
        await until(operator.hear, lambda heard: heard.by_node.keys() >= nodes)
        yield operator
    finally:
        await link.close()
