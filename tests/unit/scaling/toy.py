"""A toy pool in discrete time, to look at the shape of decisions: one queue, one slot a replica.

A replica starts `boot_s` after it is asked for, runs one task after another, and can go when it is
idle. It sends a heartbeat every second. Nothing else is modelled.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from app.scaling import decision
from app.scaling.situation import SizingMemory
from app.scaling.sizing_inputs import NodeSample, PoolReading, ScalingPolicy


@dataclass(kw_only=True)
class Worker:
    name: str
    starts_at_s: float
    task_ends_at_s: float | None = None
    processed: int = 0


@dataclass(kw_only=True)
class Toy:
    policy: ScalingPolicy
    boot_s: float = 3.0
    poll_s: int = 2
    now_s: float = 0.0
    memory: SizingMemory = field(default_factory=SizingMemory)
    waiting: deque[tuple[float, float]] = field(default_factory=deque)
    workers: list[Worker] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """After each decision."""
    replica_s: float = 0.0
    busy_s: float = 0.0
    born: int = 0

    def publish(self, *runtimes_s: float) -> None:
        self.waiting.extend((self.now_s, runtime_s) for runtime_s in runtimes_s)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            if self.now_s % self.poll_s == 0:
                self._decide()
            self._work()
            self.replica_s += len(self.workers)
            self.busy_s += sum(worker.task_ends_at_s is not None for worker in self.workers)
            self.now_s += 1.0

    def reading(self) -> PoolReading:
        up = [worker for worker in self.workers if worker.starts_at_s <= self.now_s]
        samples = tuple(
            NodeSample(
                node=worker.name,
                active=int(worker.task_ends_at_s is not None),
                processed=worker.processed,
                seen_at_s=self.now_s,
            )
            for worker in up
        )
        active = sum(sample.active for sample in samples)
        return PoolReading(
            replicas=len(self.workers),
            ready=len(self.waiting),
            unacked=active,
            scheduled=0,
            active=active,
            nodes=samples,
        )

    def _decide(self) -> None:
        outcome = decision.decide(
            self.reading(), policy=self.policy, memory=self.memory, now_s=self.now_s
        )
        self.memory = outcome.memory
        wanted = outcome.decision.replicas
        self.sizes.append(wanted)
        for _ in range(wanted - len(self.workers)):
            self.born += 1
            self.workers.append(Worker(name=f"w{self.born}", starts_at_s=self.now_s + self.boot_s))
        idle = [worker for worker in self.workers if worker.task_ends_at_s is None]
        for worker in idle[: max(0, len(self.workers) - wanted)]:
            self.workers.remove(worker)

    def _work(self) -> None:
        for worker in self.workers:
            if worker.task_ends_at_s is not None and worker.task_ends_at_s <= self.now_s:
                worker.task_ends_at_s = None
            is_free = worker.task_ends_at_s is None and worker.starts_at_s <= self.now_s
            if is_free and self.waiting:
                published_at_s, runtime_s = self.waiting.popleft()
                self.waits_s.append(self.now_s - published_at_s)
                worker.task_ends_at_s = self.now_s + runtime_s
                worker.processed += 1


def default_policy(**wanted: int) -> ScalingPolicy:
    """The defaults of a WorkerPool, one slot a replica."""
    return replace(ScalingPolicy(slots_per_replica=1), **wanted)  # type: ignore[arg-type]  # ints only
