"""What the loop needs from outside: brokers, replicas, pools and somebody to report to.

Every adapter is asyncio and gives up after a timeout of its own. A moment `…_at_s` is in seconds
since the epoch by the clock that composition hands to the loop and the adapters alike.

Broker side: `app.broker`. Replicas, pools and reports: `app.operator` (Kubernetes), `app.local`
(processes of this machine). Arrival rates and run times are no adapter's business: the loop works
them out of successive readings (`app.scaling.demand`).
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
    """Remote control of one broker's workers: only the named nodes are spoken to."""

    async def consumers(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeConsumers]:
        """What these nodes consume now. A node that does not answer is left out."""

    async def stop_consuming(
        self, queues: Mapping[NodeName, Collection[QueueName]]
    ) -> frozenset[NodeName]:
        """Cancel consumers, of each node these; returns the nodes that have confirmed."""

    async def resume_consuming(
        self, queues: Mapping[NodeName, Collection[ConsumedQueue]]
    ) -> frozenset[NodeName]:
        """Add consumers, to each node these; returns the nodes that have confirmed."""

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
    """Have it found out, for later readings, where the broker has workers under other names."""


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
    """A process that started later was never told, and consumes by its own command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainMark:
    """What is remembered at the instance itself, so that a restarted loop can go on."""

    since_s: float
    """When its consumers were first asked to stop."""
    cancelled: Mapping[NodeName, CancelledConsumers] = field(
        default_factory=dict[NodeName, CancelledConsumers]
    )
    """Written before they are cancelled. It stays at the instance when the mark is taken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One replica of a pool."""

    name: InstanceName
    is_ready: bool
    """Runs, and passes its readiness probe if it has one."""
    is_ending: bool = False
    """Was told to stop already (a terminating pod): no capacity, and not ours to drain."""
    is_started: bool = True
    """Its process runs. A pending pod's does not, so it can hold no task."""
    started_at_s: float | None = None
    ordinal: int | None = None
    """In a StatefulSet, counted from 0 (also where `spec.ordinals.start` is another number)."""
    mark: DrainMark | None = None
    cancelled: Mapping[NodeName, CancelledConsumers] = field(
        default_factory=dict[NodeName, CancelledConsumers]
    )
    """What its last mark says was cancelled, also when that mark has been taken off."""
    host: str | None = None
    """Nodes `…@host` are its own (a pod's hostname), unless `nodes` names them."""
    nodes: tuple[NodeName, ...] = ()
    grace_s: float | None = None
    """How long it is given to end before it is killed."""
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
    """Why the cluster does not create the pods that are missing (`PODS_REFUSED`)."""


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
    """The pools that there are."""

    def current(self) -> Sequence[WorkerPool | UnreadablePool]:
        """All pools at this moment; from memory, called once a tick."""


class DrainOutcome(StrEnum):
    """How a drain ended."""

    REMOVED = "removed"
    """The replica is gone, or was told to go."""
    WOKEN = "woken"
    """It consumes again: there was work for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainEnd:
    """One drain that is over."""

    replica: InstanceName
    outcome: DrainOutcome
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A target was written."""

    was: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one turn of the loop did, for metrics and liveness."""

    ended_at_s: float
    duration_s: float
    pools: int
    """Pools that there are."""
    reconciled: int
    """Pools whose polling interval had come."""
    failed: tuple[PoolKey, ...]
    """Pools on which something unexpected happened (logged with its trace)."""
    unreachable: tuple[BrokerKey, ...]
    drained: tuple[DrainEnd, ...] = ()
    """Drains that were found to have ended."""


class Reporter(Protocol):
    """Where results go."""

    async def write_status(self, pool: WorkerPool | UnreadablePool, status: PoolStatus) -> None:
        """Called when the status has changed in a way that is worth a write."""

    async def write_event(self, pool: WorkerPool | UnreadablePool, event: PoolEvent) -> None:
        """Called once for each thing that happened; repeats are held back by the loop."""

    def record_tick(self, tick: Tick, statuses: Mapping[PoolKey, PoolStatus]) -> None:
        """Called every tick with the last status of every pool: metrics, liveness. No I/O."""
