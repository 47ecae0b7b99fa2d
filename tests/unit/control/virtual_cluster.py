"""A small cluster in virtual time that fulfils the loop's ports: a broker, workers, replicas.

Workers behave as Celery's do: they fetch as many messages as they have slots, send a heartbeat
every two seconds, and finish a fetch that was under way when their consumer is cancelled. A replica
that is removed while it runs a task is a kill, and is recorded as such.
"""

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.broker.model import (
    BrokerReading,
    ConsumedQueue,
    Heartbeat,
    MisnamedQueue,
    NodeAnswer,
    NodeConsumers,
    NodeName,
    QueueReading,
)
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import (
    CancelledConsumers,
    DrainMark,
    Instance,
    InstanceName,
    ScaleTarget,
)
from app.errors import BrokerUnreachable
from app.queues import QueueName
from app.scaling.replica_state import Removal

STEP_S = 0.25


HEARTBEAT_S = 2.0


FETCH_S = 0.5
"""How long a fetch stays under way after a cancel."""


@dataclass(kw_only=True)
class Pod:
    name: InstanceName
    ordinal: int
    born_at_s: float
    up_at_s: float
    slots: int
    mark: DrainMark | None = None
    cancelled: Mapping[NodeName, CancelledConsumers] = field(default_factory=dict)
    ends_at_s: list[float] = field(default_factory=list)
    processed: int = 0
    queues: frozenset[QueueName] = frozenset({QueueName("q")})
    """What its command line says."""
    consumed: set[QueueName] | None = None
    """What it consumes now; `None` is what its command line says."""
    fetches_until_s: float = 0.0
    heartbeat: Heartbeat | None = None
    is_mute: bool = False
    """Runs, and neither sends heartbeats nor answers."""
    is_solo: bool = False
    """Says nothing while it runs a task, and obeys when the task has ended."""
    unread_stops: set[QueueName] = field(default_factory=set)

    @property
    def is_silent(self) -> bool:
        return self.is_mute or (self.is_solo and bool(self.ends_at_s))

    @property
    def consuming(self) -> frozenset[QueueName]:
        return self.queues if self.consumed is None else frozenset(self.consumed)

    @property
    def is_consuming(self) -> bool:
        return "q" in self.consuming

    @property
    def node(self) -> NodeName:
        return NodeName(f"celery@{self.name}")


@dataclass(kw_only=True)
class VirtualCluster:
    """One queue, one target, and everything that moves."""

    now_s: float = 1_000_000.0
    boot_s: float = 2.0
    slots: int = 1
    is_solo: bool = False
    removal: Removal = Removal.CHOSEN
    replicas: int = 0
    misnamed: tuple[MisnamedQueue, ...] = ()
    is_broker_up: bool = True
    broker_back_at_s: float = 0.0
    listens_from_s: float = 0.0
    loses_reply: Callable[[], bool] = lambda: False
    trickle: Callable[[], Sequence[float]] = tuple
    """Run times of the tasks that are published in one step, between ticks."""
    published: int = 0
    tasks: deque[tuple[float, float]] = field(default_factory=deque)
    pods: dict[InstanceName, Pod] = field(default_factory=dict)
    waits_s: list[tuple[float, float]] = field(default_factory=list)
    """How long each task has waited, and how long it runs, in the order of their starts."""
    ended: int = 0
    killed: list[float] = field(default_factory=list)
    """When a replica was removed with a task in its hands."""
    sizes: list[tuple[float, int]] = field(default_factory=list)
    """Each write of the target's replicas."""
    _names: Iterator[int] = field(default_factory=itertools.count)

    def clock(self) -> float:
        return self.now_s

    def publish(self, *runtimes_s: float) -> None:
        self.published += len(runtimes_s)
        self.tasks.extend((self.now_s, runtime_s) for runtime_s in runtimes_s)

    @property
    def running(self) -> int:
        return sum(len(pod.ends_at_s) for pod in self.pods.values())

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            self._control()
            self.publish(*self.trickle())
            for pod in self.pods.values():
                self._work(pod)

    def settle(self) -> None:
        """All replicas are there and up."""
        self._control()
        self.advance(self.boot_s + HEARTBEAT_S)

    def _control(self) -> None:
        """What a ReplicaSet or StatefulSet does."""
        while len(self.pods) < self.replicas:
            taken = {pod.ordinal for pod in self.pods.values()}
            ordinal = next(n for n in itertools.count() if n not in taken)
            serial = next(self._names)
            name = InstanceName(
                f"w-{ordinal}" if self.removal is Removal.HIGHEST_ORDINAL else f"w-x{serial}"
            )
            self.pods[name] = Pod(
                name=name,
                ordinal=ordinal,
                born_at_s=self.now_s,
                up_at_s=self.now_s + self.boot_s,
                slots=self.slots,
                is_solo=self.is_solo,
            )

    def remove(self, count: int, *, victims: Sequence[InstanceName]) -> None:
        by_ordinal = self.removal is Removal.HIGHEST_ORDINAL
        order = sorted(
            self.pods.values(),
            key=lambda pod: (
                -pod.ordinal
                if by_ordinal
                else (pod.up_at_s <= self.now_s, pod.name not in victims, -pod.born_at_s)
            ),
        )
        for pod in order[: max(0, count)]:
            self.killed.extend(self.now_s for _ in pod.ends_at_s)
            del self.pods[pod.name]

    def _work(self, pod: Pod) -> None:
        if pod.up_at_s > self.now_s:
            return
        still = [at_s for at_s in pod.ends_at_s if at_s > self.now_s]
        self.ended += len(pod.ends_at_s) - len(still)
        pod.ends_at_s = still
        if pod.unread_stops and not pod.is_silent:
            pod.consumed = set(pod.consuming.difference(pod.unread_stops))
            pod.unread_stops.clear()
        fetches = pod.is_consuming or self.now_s < pod.fetches_until_s
        while self.is_broker_up and fetches and self.tasks and len(pod.ends_at_s) < pod.slots:
            published_at_s, runtime_s = self.tasks.popleft()
            self.waits_s.append((self.now_s - published_at_s, runtime_s))
            pod.ends_at_s.append(self.now_s + runtime_s)
            pod.processed += 1
        beat = pod.heartbeat
        is_time = beat is None or self.now_s - beat.seen_at_s >= HEARTBEAT_S
        # The first one is sent before anything is fetched.
        is_silent = pod.is_mute if beat is None else pod.is_silent
        if is_time and self.is_broker_up and not is_silent:
            pod.heartbeat = Heartbeat(
                node=pod.node,
                active=0 if pod.is_silent else len(pod.ends_at_s),
                processed=pod.processed,
                seen_at_s=self.now_s,
                first_seen_at_s=beat.first_seen_at_s if beat is not None else self.now_s,
            )

    def break_broker(self) -> None:
        self.is_broker_up = False

    def mend_broker(self) -> None:
        self.is_broker_up = True
        self.listens_from_s = self.now_s


@dataclass(kw_only=True)
class VirtualQueues:
    cluster: VirtualCluster
    reads: int = 0

    async def read(self, queues: Collection[QueueName]) -> BrokerReading:
        self.reads += 1
        cluster = self.cluster
        if not cluster.is_broker_up:
            raise BrokerUnreachable(host="broker.test")
        oldest = cluster.now_s - cluster.tasks[0][0] if cluster.tasks else None
        holds = {
            name: QueueReading(
                name=name,
                ready=len(cluster.tasks) if name == "q" else 0,
                unacked=cluster.running if name == "q" else 0,
                scheduled=0,
                due_soon=0,
                oldest_age_s=oldest if name == "q" else None,
            )
            for name in queues
        }
        beats = [pod.heartbeat for pod in cluster.pods.values() if pod.heartbeat is not None]
        return BrokerReading(
            read_at_s=cluster.now_s,
            queues=holds,
            misnamed=cluster.misnamed,
            heartbeats={beat.node: beat for beat in beats},
            listening_since_s=cluster.listens_from_s,
        )


@dataclass(kw_only=True)
class VirtualWorkers:
    cluster: VirtualCluster
    spoken_to: list[NodeName] = field(default_factory=list)
    asked_for_consumers: list[NodeName] = field(default_factory=list)

    def _listening(self, nodes: Collection[NodeName]) -> Iterator[Pod]:
        if not self.cluster.is_broker_up:
            raise BrokerUnreachable(host="broker.test")
        for pod in list(self.cluster.pods.values()):
            if pod.node in nodes and pod.up_at_s <= self.cluster.now_s and not pod.is_silent:
                yield pod

    async def consumers(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeConsumers]:
        self.asked_for_consumers.extend(nodes)
        return {
            pod.node: NodeConsumers(
                node=pod.node,
                seen_at_s=self.cluster.now_s,
                queues=frozenset(ConsumedQueue(name=name) for name in pod.consuming),
                began_at_s=pod.up_at_s,
                slots=pod.slots,
            )
            for pod in self._listening(nodes)
            if not self.cluster.loses_reply()
        }

    async def stop_consuming(
        self, queues: Mapping[NodeName, Collection[QueueName]]
    ) -> frozenset[NodeName]:
        self.spoken_to.extend(queues)
        confirmed = set()
        for pod in self.cluster.pods.values():
            if pod.is_solo and pod.is_silent and pod.node in queues:
                pod.unread_stops.update(queues[pod.node])
        for pod in self._listening(queues):
            if pod.is_consuming:
                pod.fetches_until_s = self.cluster.now_s + FETCH_S
            pod.consumed = set(pod.consuming.difference(queues[pod.node]))
            if not self.cluster.loses_reply():
                confirmed.add(pod.node)
        return frozenset(confirmed)

    async def resume_consuming(
        self, queues: Mapping[NodeName, Collection[ConsumedQueue]]
    ) -> frozenset[NodeName]:
        self.spoken_to.extend(queues)
        confirmed = set()
        for pod in self._listening(queues):
            pod.consumed = {*pod.consuming, *(queue.name for queue in queues[pod.node])}
            if not self.cluster.loses_reply():
                confirmed.add(pod.node)
        return frozenset(confirmed)

    async def ask(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeAnswer]:
        self.spoken_to.extend(nodes)
        return {
            pod.node: NodeAnswer(
                node=pod.node,
                answered_at_s=self.cluster.now_s,
                active=len(pod.ends_at_s),
                reserved=0,
                queues=pod.consuming,
            )
            for pod in self._listening(nodes)
            if not self.cluster.loses_reply()
        }


@dataclass(kw_only=True)
class VirtualReplicas:
    cluster: VirtualCluster
    problem: PoolProblem | None = None
    limit: int = 1000
    """Of the machine, whatever is asked for."""
    writes: int = 0

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        if self.problem is not None:
            raise self.problem
        cluster = self.cluster
        up = [pod for pod in cluster.pods.values() if pod.up_at_s <= cluster.now_s]
        return ScaleTarget(
            replicas=cluster.replicas,
            ready_replicas=len(up),
            removal=cluster.removal,
            instances=tuple(self._instance(pod) for pod in cluster.pods.values()),
            selector="app=shop",
        )

    def _instance(self, pod: Pod) -> Instance:
        is_up = pod.up_at_s <= self.cluster.now_s
        return Instance(
            name=pod.name,
            is_ready=is_up,
            is_started=is_up,
            started_at_s=pod.up_at_s if is_up else None,
            ordinal=pod.ordinal,
            mark=pod.mark,
            cancelled=pod.cancelled,
            host=pod.name,
        )

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        cluster = self.cluster
        if was != cluster.replicas:
            raise PoolProblem(ProblemReason.SCALE_CONFLICT, "somebody else was faster")
        self.writes += 1
        replicas = min(replicas, self.limit)
        cluster.sizes.append((cluster.now_s, replicas))
        cluster.replicas = replicas
        cluster.remove(len(cluster.pods) - replicas, victims=victims)
        return replicas

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        self.writes += 1
        for name, mark in marks.items():
            if name in self.cluster.pods:
                pod = self.cluster.pods[name]
                pod.mark = mark
                pod.cancelled = mark.cancelled if mark is not None else pod.cancelled
