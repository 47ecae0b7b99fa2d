"""Worker processes as the replicas of pools: the `Replicas` port of the loop on this machine."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.broker.model import NodeName
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Cancelled, DrainMark, Instance, InstanceName, Removal, Target
from app.errors import CeleriacError
from app.local import console
from app.local.plan.local_pools import LocalPool
from app.local.processes import backoff
from app.local.processes import hurry as hurries
from app.local.processes.child_process import Process

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
    cancelled: Mapping[NodeName, Cancelled] = field(default_factory=dict[NodeName, Cancelled])
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
class _Crew:
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


class Fleet:
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
        self._crews = {pool.name: _Crew(pool=pool) for pool in pools}
        self._start_worker = start_worker
        self._host = host
        self._max_workers = max_workers
        self._clock = clock
        self._tell = tell
        self._is_stopping = False

    async def read(self, pool: WorkerPool) -> Target:
        """The pool's workers as they are now."""
        crew = self._crews[pool.key.name]
        return Target(
            replicas=crew.wanted,
            ready_replicas=sum(worker.process is not None for worker in crew.staying()),
            removal=Removal.CHOSEN,
            instances=tuple(worker.seen() for worker in crew.workers.values()),
        )

    async def scale_to(
        self, pool: WorkerPool, *, was: int, replicas: int, victims: Sequence[InstanceName]
    ) -> int:
        """Start workers, or end the victims (SIGTERM: they finish what they run).

        Fewer are started where this machine has as many workers as it may.

        Raises:
            PoolProblem: the pool's replicas are not `was` any more.
        """
        crew = self._crews[pool.key.name]
        if crew.wanted != was:
            raise PoolProblem(
                ProblemReason.SCALE_CONFLICT, f"{crew.wanted} replicas are wanted, not {was}"
            )
        crew.wanted = (
            min(replicas, max(1, crew.wanted + self._room())) if replicas > was else replicas
        )
        for name in victims:
            if name in crew.workers:
                self._end(crew.workers[name])
        surplus = crew.staying()[max(crew.wanted, 0) :]
        for worker in surplus:
            self._end(worker)
        self._fill(crew)
        return crew.wanted

    async def mark(self, pool: WorkerPool, marks: Mapping[InstanceName, DrainMark | None]) -> None:
        """Remember the marks; workers that are gone are ignored."""
        workers = self._crews[pool.key.name].workers
        for name, mark in marks.items():
            if name in workers:
                workers[name].mark = mark
                if mark is not None:
                    workers[name].cancelled = mark.cancelled

    def renew(self) -> None:
        """Replace every worker by one with the code of now; running tasks finish first."""
        for crew in self._crews.values():
            for worker in crew.staying():
                self._end(worker)
            self._fill(crew)

    def busy_processes(self) -> int:
        """Workers that have not ended."""
        return sum(len(crew.workers) for crew in self._crews.values())

    async def stop(self, *, grace_s: float, hurry: asyncio.Event) -> None:
        """End all workers: their tasks may go on for `grace_s`, then messages go back to the
        queues, then the processes are killed. `hurry` skips to the last step."""
        self._is_stopping = True
        await self._end_all(signal.SIGTERM, within_s=grace_s, hurry=hurry)
        await self._end_all(signal.SIGQUIT, within_s=COLD_STOP_S, hurry=hurry)
        await self._end_all(signal.SIGKILL, within_s=COLD_STOP_S, hurry=asyncio.Event())

    def _room(self) -> int:
        staying = sum(crew.wanted for crew in self._crews.values())
        return max(0, self._max_workers - staying)

    def _fill(self, crew: _Crew) -> None:
        """Start what is missing, unless the last ones died a moment ago."""
        loop = asyncio.get_running_loop()
        if self._is_stopping or loop.time() < crew.held_until_s:
            return
        for _ in range(crew.wanted - len(crew.staying())):
            crew.made += 1
            name = InstanceName(f"{crew.pool.name}-{crew.made}")
            worker = _Worker(name=name, node=NodeName(f"{name}@{self._host}"))
            crew.workers[name] = worker
            worker.life = loop.create_task(self._live(crew, worker), name=f"worker {name}")

    async def _live(self, crew: _Crew, worker: _Worker) -> None:
        """One worker from its start to its end."""
        try:
            worker.process = await self._start_worker(crew.pool, worker.node)
            worker.started_at_s = self._clock()
            if worker.is_ending:  # meanwhile
                worker.process.signal(signal.SIGTERM)
            exit_code = await worker.process.wait()
            # A signal says it all; what the worker has printed before has nothing to do with it.
            last_line = worker.process.last_line() if exit_code > 0 else ""
            reason = console.ending(exit_code, last_line=last_line)
        except (CeleriacError, OSError) as exc:
            reason = str(exc)
        del crew.workers[worker.name]
        if not (worker.is_ending or self._is_stopping):
            self._replace(crew, worker, reason)

    def _replace(self, crew: _Crew, worker: _Worker, reason: str) -> None:
        started_at_s = worker.started_at_s
        lived_s = 0.0 if started_at_s is None else self._clock() - started_at_s
        crew.failures = backoff.failures_after(crew.failures, lived_s=lived_s)
        pause_s = backoff.pause_s(crew.failures)
        self._tell(
            crew.pool.name,
            f"worker {worker.name} died ({reason}) after {lived_s:.0f} s; "
            f"starting another in {pause_s:g} s",
        )
        loop = asyncio.get_running_loop()
        crew.held_until_s = loop.time() + pause_s
        loop.call_later(pause_s, self._fill, crew)

    def _end(self, worker: _Worker) -> None:
        if worker.is_ending:
            return
        worker.is_ending = True
        if worker.process is not None:
            worker.process.signal(signal.SIGTERM)
            loop = asyncio.get_running_loop()
            loop.call_later(ENDING_LIMIT_S, worker.process.signal, signal.SIGKILL)

    async def _end_all(
        self, number: signal.Signals, *, within_s: float, hurry: asyncio.Event
    ) -> None:
        if hurry.is_set():
            return
        for worker in self._all():
            worker.is_ending = True
            if worker.process is not None:
                worker.process.signal(number)
        lives = [worker.life for worker in self._all() if worker.life is not None]
        await hurries.wait(lives, within_s=within_s, hurry=hurry)

    def _all(self) -> Iterator[_Worker]:
        for crew in self._crews.values():
            yield from tuple(crew.workers.values())
