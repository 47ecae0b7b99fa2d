"""The ports of the loop: brokers, replicas, pools, and a reporter.

Every adapter is asyncio and has timeouts of its own. A moment `…_at_s` is in seconds since the
epoch, by the clock that composition hands to the loop and to the adapters.

Broker: `app.broker`. Replicas, pools and reporter: `app.operator` (Kubernetes) and `app.local`
(processes of this machine). The loop derives arrival rates and run times from successive readings
(`app.scaling.demand`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, Protocol

from app.broker.model import (
    BrokerReading,
    ConsumedQueue,
    NodeAnswer,
    NodeConsumers,
    NodeName,
)
from app.control.pool.problems import PoolProblem
from app.control.pool.status import PoolEvent, PoolStatus
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.queues import QueueName
from app.scaling.replica_state import Removal

InstanceName = NewType("InstanceName", str)
"""A pod, or a process of a local pool."""


class Queues(Protocol):
    """One broker's queues and heartbeats."""

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        """Read these queues and all known heartbeats in one round trip.

        Raises:
            BrokerUnreachable: nothing is known; never an empty or partial reading instead.
        """


class Workers(Protocol):
    """Remote control of one broker's workers: only the named nodes are asked."""

    async def consumers(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeConsumers]:
        """What these nodes consume now. A node that does not answer is left out."""

    async def stop_consuming(
        self, queues: Mapping[NodeName, Collection[QueueName]]
    ) -> frozenset[NodeName]:
        """Cancel these consumers of each node; returns the nodes that confirmed."""

    async def resume_consuming(
        self, queues: Mapping[NodeName, Collection[ConsumedQueue]]
    ) -> frozenset[NodeName]:
        """Add these consumers to each node; returns the nodes that confirmed."""

    async def ask(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeAnswer]:
        """What these nodes hold and consume now. A node that does not answer is left out."""


BrokerKey = NewType("BrokerKey", str)
"""Equal for pools whose queues can be read in one round trip. Holds no secret: it is logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The way to one broker, shared by all pools with the same key."""

    key: BrokerKey
    queues: Queues
    workers: Workers
    survey: Callable[[], None] = lambda: None
    """Start a search for workers under other exchange names; later readings have the result."""


class Brokers(Protocol):
    """Finds the broker of a pool."""

    async def find(self, pool: WorkerPool) -> Broker:
        """The broker that the pool's spec names; connects lazily, keeps the connection.

        Asked once for all pools of a namespace whose `spec.broker` is the same.

        Raises:
            PoolProblem: no URL can be found (`BROKER_UNKNOWN`).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledConsumers:
    """The consumers of one worker that were cancelled: exactly these are added again."""

    queues: frozenset[QueueName]
    at_s: float
    """A process that started later was not stopped, and consumes what its command line says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainMark:
    """The state of a drain, stored at the instance so that a restarted loop continues it."""

    since_s: float
    """When its consumers were first asked to stop."""
    cancelled: Mapping[NodeName, CancelledConsumers] = field(
        default_factory=dict[NodeName, CancelledConsumers]
    )
    """Written before they are cancelled. It stays at the instance after the mark is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One replica of a pool."""

    name: InstanceName
    is_ready: bool
    """Runs, and passes its readiness probe if it has one."""
    is_ending: bool = False
    """It terminates already: not capacity, and not ours to drain."""
    is_started: bool = True
    """Its process runs. A pending pod's does not, so it can hold no task."""
    started_at_s: float | None = None
    ordinal: int | None = None
    """In a StatefulSet, counted from 0 (also where `spec.ordinals.start` is another number)."""
    mark: DrainMark | None = None
    cancelled: Mapping[NodeName, CancelledConsumers] = field(
        default_factory=dict[NodeName, CancelledConsumers]
    )
    """What its last mark lists as cancelled, also after that mark is removed."""
    host: str | None = None
    """Nodes `…@host` are its own (a pod's hostname), unless `nodes` names them."""
    nodes: tuple[NodeName, ...] = ()
    grace_s: float | None = None
    """Its grace period before it is killed."""
    template: str = ""
    """Instances of one template run the same command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleTarget:
    """What runs the workers of a pool, as it is now."""

    replicas: int
    """What it is set to; not how many instances there are."""
    ready_replicas: int
    removal: Removal
    instances: tuple[Instance, ...]
    selector: str = ""
    """Serialized label selector of its pods; empty where there are no pods."""
    pods_problem: PoolProblem | None = None
    """Why the cluster does not create the missing pods (`PODS_REFUSED`)."""


class Replicas(Protocol):
    """Where workers run."""

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        """The target and its instances; served from a cache where there is one.

        Raises:
            PoolProblem: `TARGET_…`, with the way out in the message.
        """

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        """Set the target's replicas in one write; when it shrinks, these instances go.

        Returns what it is set to now, where a limit of the machine allows no more than that.

        Victims hold no task and take none (or their drain was given up). The adapter makes sure
        that they are the ones to go (`pod-deletion-cost`) before it writes the scale.

        Raises:
            PoolProblem: `SCALE_CONFLICT` when the target's replicas are not `was` any more,
                `TARGET_…` when it cannot be written.
        """

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        """Write the marks to the instances, `None` takes one off; absent instances are ignored."""


class Pools(Protocol):
    """The worker pools."""

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        """All pools at this moment; from memory, called once a tick."""


class DrainOutcome(StrEnum):
    """How a drain ended."""

    REMOVED = "removed"
    """The replica is gone or terminates."""
    WOKEN = "woken"
    """It consumes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainEnd:
    """One drain that is over."""

    replica: InstanceName
    outcome: DrainOutcome
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A change of size that was written to the target."""

    was: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one tick of the loop did, for metrics and liveness."""

    ended_at_s: float
    duration_s: float
    pools: int
    """All pools."""
    reconciled: int
    """Pools that were due."""
    failed: tuple[PoolKey, ...]
    """Pools with an unexpected error (logged with its traceback)."""
    unreachable: tuple[BrokerKey, ...]
    drained: tuple[DrainEnd, ...] = ()
    """Drains that have ended."""


class Reporter(Protocol):
    """Where results go."""

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        """Called when the status has changed in a way that is worth a write."""

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        """Called once for each thing that happened; repeats are held back by the loop."""

    def record_tick(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Called every tick with the last status of every pool: metrics, liveness. No I/O."""
