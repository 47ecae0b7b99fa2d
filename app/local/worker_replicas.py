"""Worker processes as the replicas of pools: the `Replicas` port of the loop on this machine."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.broker.model import NodeName
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import CancelledConsumers, DrainMark, Instance, InstanceName, ScaleTarget
from app.errors import CeleriacError
from app.local.plan.local_pools import LocalPool
from app.local.processes import supervision
from app.local.processes.child_process import Process
from app.scaling.replica_state import Removal

ENDING_LIMIT_S = 3600.0
"""A worker that was told to stop finishes what it runs. One that takes longer than any task may is
stuck, and is killed."""
COLD_STOP_S = 5.0
"""After SIGQUIT: time to hand messages back."""


class WorkerProcess(Process, Protocol):
    """A worker, with its output."""

    def last_line(self) -> str:
        """Of its output, once it has ended; empty where there is none."""


StartWorker = Callable[[LocalPool, NodeName], Awaitable[WorkerProcess]]


class Tell(Protocol):
    """Shows the user what happened to a pool."""

    def __call__(self, subject: str, text: str) -> None: ...


@dataclass(kw_only=True)
class _Worker:
    """One process; its name is never used again, so that no heartbeat is taken for another's."""

    name: InstanceName
    node: NodeName
    process: WorkerProcess | None = None
    """`None` while it is being started."""
    started_at_s: float | None = None
    is_ending: bool = False
    mark: DrainMark | None = None
    cancelled: Mapping[NodeName, CancelledConsumers] = field(
        default_factory=dict[NodeName, CancelledConsumers]
    )
    life: "asyncio.Task[None] | None" = None

    def seen(self) -> Instance:
        return Instance(
            name=self.name,
            is_ready=self.process is not None,
            is_started=self.process is not None,
            is_ending=self.is_ending,
            started_at_s=self.started_at_s,
            mark=self.mark,
            cancelled=self.cancelled,
            grace_s=ENDING_LIMIT_S,
            nodes=(self.node,),
        )


@dataclass(kw_only=True)
class _ReplicaSet:
    """The workers of one pool."""

    pool: LocalPool
    wanted: int = 0
    made: int = 0
    failures: int = 0
    """Deaths in a row that nobody asked for."""
    held_until_s: float = 0.0
    """No start before this, by the loop's own clock."""
    workers: dict[InstanceName, _Worker] = field(default_factory=dict)

    def staying(self) -> list[_Worker]:
        return [worker for worker in self.workers.values() if not worker.is_ending]


class WorkerReplicas:
    """Starts and ends workers, and replaces those that die."""

    def __init__(
        self,
        pools: Sequence[LocalPool],
        *,
        start_worker: StartWorker,
        host: str,
        max_workers: int,
        clock: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._replica_sets = {pool.name: _ReplicaSet(pool=pool) for pool in pools}
        self._start_worker = start_worker
        self._host = host
        self._max_workers = max_workers
        self._clock = clock
        self._tell = tell
        self._is_stopping = False

    async def read(self, pool: WorkerPool) -> ScaleTarget:
        """The pool's workers as they are now."""
        replica_set = self._replica_sets[pool.key.name]
        return ScaleTarget(
            replicas=replica_set.wanted,
            ready_replicas=sum(worker.process is not None for worker in replica_set.staying()),
            removal=Removal.CHOSEN,
            instances=tuple(worker.seen() for worker in replica_set.workers.values()),
        )

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        """Start workers, or end the victims (SIGTERM: they finish what they run).

        Fewer are started where this machine has as many workers as it may.

        Raises:
            PoolProblem: the pool's replicas are not `was` any more.
        """
        replica_set = self._replica_sets[pool.key.name]
        if replica_set.wanted != was:
            raise PoolProblem(
                ProblemReason.SCALE_CONFLICT, f"{replica_set.wanted} replicas are wanted, not {was}"
            )
        replica_set.wanted = (
            min(replicas, max(1, replica_set.wanted + self._room())) if replicas > was else replicas
        )
        for name in victims:
            if name in replica_set.workers:
                self._end(replica_set.workers[name])
        surplus = replica_set.staying()[max(replica_set.wanted, 0) :]
        for worker in surplus:
            self._end(worker)
        self._fill(replica_set)
        return replica_set.wanted

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        """Remember the marks; workers that are gone are ignored."""
        workers = self._replica_sets[pool.key.name].workers
        for name, mark in marks.items():
            if name in workers:
                workers[name].mark = mark
                if mark is not None:
                    workers[name].cancelled = mark.cancelled

    def renew(self) -> None:
        """Replace every worker by one with the code of now; running tasks finish first."""
        for replica_set in self._replica_sets.values():
            for worker in replica_set.staying():
                self._end(worker)
            self._fill(replica_set)

    async def stop(self, *, grace_s: float, skip: asyncio.Event) -> None:
        """End all workers: their tasks may go on for `grace_s`, then messages go back to the
        queues, then the processes are killed. `skip` skips to the last step."""
        self._is_stopping = True
        await self._end_all(signal.SIGTERM, within_s=grace_s, skip=skip)
        await self._end_all(signal.SIGQUIT, within_s=COLD_STOP_S, skip=skip)
        await self._end_all(signal.SIGKILL, within_s=COLD_STOP_S, skip=asyncio.Event())

    def _room(self) -> int:
        staying = sum(replica_set.wanted for replica_set in self._replica_sets.values())
        return max(0, self._max_workers - staying)

    def _fill(self, replica_set: _ReplicaSet) -> None:
        """Start what is missing, unless the last ones died a moment ago."""
        loop = asyncio.get_running_loop()
        if self._is_stopping or loop.time() < replica_set.held_until_s:
            return
        for _ in range(replica_set.wanted - len(replica_set.staying())):
            replica_set.made += 1
            name = InstanceName(f"{replica_set.pool.name}-{replica_set.made}")
            worker = _Worker(name=name, node=NodeName(f"{name}@{self._host}"))
            replica_set.workers[name] = worker
            worker.life = loop.create_task(self._live(replica_set, worker), name=f"worker {name}")

    async def _live(self, replica_set: _ReplicaSet, worker: _Worker) -> None:
        """One worker from its start to its end."""
        try:
            worker.process = await self._start_worker(replica_set.pool, worker.node)
            worker.started_at_s = self._clock()
            if worker.is_ending:  # meanwhile
                worker.process.signal(signal.SIGTERM)
            exit_code = await worker.process.wait()
            # A signal says it all; what the worker has printed before has nothing to do with it.
            last_line = worker.process.last_line() if exit_code > 0 else ""
            reason = supervision.exit_reason(exit_code, last_line=last_line)
        except (CeleriacError, OSError) as exc:
            reason = str(exc)
        del replica_set.workers[worker.name]
        if not (worker.is_ending or self._is_stopping):
            self._replace(replica_set, worker, reason)

    def _replace(self, replica_set: _ReplicaSet, worker: _Worker, reason: str) -> None:
        started_at_s = worker.started_at_s
        lived_s = 0.0 if started_at_s is None else self._clock() - started_at_s
        replica_set.failures = supervision.failures_after(replica_set.failures, lived_s=lived_s)
        pause_s = supervision.restart_pause_s(replica_set.failures)
        self._tell(
            replica_set.pool.name,
            f"worker {worker.name} died ({reason}) after {lived_s:.0f} s; "
            f"starting another in {pause_s:g} s",
        )
        loop = asyncio.get_running_loop()
        replica_set.held_until_s = loop.time() + pause_s
        loop.call_later(pause_s, self._fill, replica_set)

    def _end(self, worker: _Worker) -> None:
        if worker.is_ending:
            return
        worker.is_ending = True
        if worker.process is not None:
            worker.process.signal(signal.SIGTERM)
            loop = asyncio.get_running_loop()
            loop.call_later(ENDING_LIMIT_S, worker.process.signal, signal.SIGKILL)

    async def _end_all(
        self, number: signal.Signals, *, within_s: float, skip: asyncio.Event
    ) -> None:
        if skip.is_set():
            return
        for worker in self._all():
            worker.is_ending = True
            if worker.process is not None:
                worker.process.signal(number)
        lives = [worker.life for worker in self._all() if worker.life is not None]
        await supervision.wait_until_done(lives, within_s=within_s, skip=skip)

    def _all(self) -> Iterator[_Worker]:
        for replica_set in self._replica_sets.values():
            yield from tuple(replica_set.workers.values())
