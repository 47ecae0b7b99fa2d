"""The parts of an operator that only recommends: it prints, and writes nothing.

Each part replaces one that writes. The client of the API server rejects writes too, so that an
overlooked write fails instead of changing anything.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from app.broker.model import ConsumedQueue, NodeAnswer, NodeConsumers, NodeName
from app.control.pool.status import ConditionStatus, ConditionType, PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import Broker, Brokers, DrainMark, InstanceName, Workers
from app.errors import AccessDenied
from app.operator.kubernetes.apiserver import ApiServer, Document, Patch
from app.operator.metrics import OperatorMetrics
from app.operator.resources.pod_replicas import PodReplicas
from app.operator.resources.pool_cache import PoolCache
from app.operator.status.writer import KubernetesReports
from app.queues import QueueName
from app.scaling import steps

Show = Callable[[str], None]


class ReadOnlyApiServer(ApiServer):
    """A client that does not write."""

    async def create(self, path: str, body: Document) -> Document:
        raise AccessDenied(f"POST {path}: this is a dry run")

    async def patch(
        self,
        path: str,
        body: Document | list[Document],
        *,
        kind: Patch = Patch.MERGE,
        params: Mapping[str, str] | None = None,
    ) -> Document:
        raise AccessDenied(f"PATCH {path}: this is a dry run")


class ReadOnlyReplicas(PodReplicas):
    """Targets and pods that are read and never changed."""

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        return was

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        """Leave all marks as they are: the real operator may be draining."""


class ReadOnlyWorkers:
    """Workers that are asked, and neither stopped nor resumed."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def consumers(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeConsumers]:
        return await self._workers.consumers(nodes)

    async def stop_consuming(
        self, queues: Mapping[NodeName, Collection[QueueName]]
    ) -> frozenset[NodeName]:
        return frozenset()

    async def resume_consuming(
        self, queues: Mapping[NodeName, Collection[ConsumedQueue]]
    ) -> frozenset[NodeName]:
        return frozenset()

    async def ask(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeAnswer]:
        return await self._workers.ask(nodes)


class ReadOnlyBrokers:
    """Brokers whose workers are only asked."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers

    async def find(self, pool: WorkerPool) -> Broker:
        broker = await self._brokers.find(pool)
        return replace(broker, workers=ReadOnlyWorkers(broker.workers))


class PrintedReports(KubernetesReports):
    """Shows a line for each pool, and a new one when the recommendation or the problem changes."""

    def __init__(
        self, server: ApiServer, pools: PoolCache, *, metrics: OperatorMetrics, show: Show
    ) -> None:
        super().__init__(server, pools, instance="", metrics=metrics)
        self._show = show
        self._shown: dict[PoolKey, str] = {}

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        text, why = recommendation(status)
        if self._shown.get(pool.key) != text:
            self._shown[pool.key] = text
            self._show(f"{pool.key}  {text}{why}")

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        """Write nothing: the lines replace Events."""


def recommendation(status: PoolStatus) -> tuple[str, str]:
    """The recommendation for a pool, and its reasons."""
    ready = next(one for one in status.conditions if one.type is ConditionType.READY)
    if ready.status is not ConditionStatus.TRUE:
        return f"{ready.reason}: {ready.message}", ""
    if status.desired_replicas is None or status.replicas is None:
        return f"{ready.reason}: {ready.message}", ""
    is_same = status.desired_replicas == status.replicas
    size = (
        f"stays at {status.replicas}"
        if is_same
        else (f"would go from {status.replicas} to {status.desired_replicas}")
    )
    why = steps.paragraph(status.explanation)
    return f"{size} replicas", f" ({why})" if why else ""
