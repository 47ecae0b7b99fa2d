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
"""A worker that stops finishes its running tasks. One that takes longer than any task may take is
killed."""
COLD_STOP_S = 5.0
"""How long a worker may return its messages after SIGQUIT."""


class WorkerProcess(Process, Protocol):
    """A worker process with its output."""

    def last_line(self) -> str:
        """The last line of its output, once it has ended; empty if there is none."""


StartWorker = Callable[[LocalPool, NodeName], Awaitable[WorkerProcess]]


class Tell(Protocol):
    """Shows the user an event of a pool."""

    def __call__(self, subject: str, text: str) -> None: ...


@dataclass(kw_only=True)
class _Worker:
    """One process. Its name is unique, so that heartbeats of two workers are never mixed up."""

    name: InstanceName
    node: NodeName
    process: WorkerProcess | None = None
    """`None` until it has started."""
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
    """Failures in a row."""
    held_until_s: float = 0.0
    """When the next start is allowed, by the loop's clock."""
    workers: dict[InstanceName, _Worker] = field(default_factory=dict)

    def staying(self) -> list[_Worker]:
        return [worker for worker in self.workers.values() if not worker.is_ending]


class WorkerReplicas:
    """Starts and stops workers, and replaces those that die."""

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
        """The current workers of the pool."""
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
        """Start workers, or stop the victims (SIGTERM: they finish their running tasks).

        The maximum number of workers on this machine may limit how many are started.

        Raises:
            PoolProblem: the pool no longer has `was` replicas.
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
        """Store the marks; workers that are gone are ignored."""
        workers = self._replica_sets[pool.key.name].workers
        for name, mark in marks.items():
            if name in workers:
                workers[name].mark = mark
                if mark is not None:
                    workers[name].cancelled = mark.cancelled

    def renew(self) -> None:
        """Replace every worker by one with the current code; running tasks finish first."""
        for replica_set in self._replica_sets.values():
            for worker in replica_set.staying():
                self._end(worker)
            self._fill(replica_set)

    async def stop(self, *, grace_s: float, skip: asyncio.Event) -> None:
        """Stop all workers: their tasks may continue for `grace_s`, then messages return to the
        queues, then the processes are killed. `skip` skips to the last step."""
        self._is_stopping = True
        await self._end_all(signal.SIGTERM, within_s=grace_s, skip=skip)
        await self._end_all(signal.SIGQUIT, within_s=COLD_STOP_S, skip=skip)
        await self._end_all(signal.SIGKILL, within_s=COLD_STOP_S, skip=asyncio.Event())

    def _room(self) -> int:
        staying = sum(replica_set.wanted for replica_set in self._replica_sets.values())
        return max(0, self._max_workers - staying)

    def _fill(self, replica_set: _ReplicaSet) -> None:
        """Start missing workers, unless the next start is not allowed yet."""
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
        """Run one worker from its start to its end."""
        try:
            worker.process = await self._start_worker(replica_set.pool, worker.node)
            worker.started_at_s = self._clock()
            if worker.is_ending:  # meanwhile
                worker.process.signal(signal.SIGTERM)
            exit_code = await worker.process.wait()
            # A signal explains the end better than the worker's last line.
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
