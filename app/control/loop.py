"""The loop over all pools: one reading of each broker in a tick, then a reconcile of each pool.

Level-triggered: a tick compares the actual state with the desired one. All of its memory may be
lost, and a second tick after it writes nothing. A pool, broker or adapter that fails or hangs does
not hold up the others: its reconcile continues beside the following ticks until its timeout.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from functools import partial

from app.control.decide import pool_memory
from app.control.decide.pool_memory import FRESH, PoolMemory
from app.control.observe import broker_view
from app.control.observe.broker_view import BrokerGroup, BrokerView
from app.control.pool import worker_pool
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import BrokerKey, Brokers, DrainEnd, Pools, Replicas, Reporter, Tick
from app.control.reconcile import PoolReconciler
from app.control.report import pool_events

DRAIN_POLL_S = 1.0
"""Interval of a pool with draining replicas: each second of a draining replica costs money."""
MAX_PAUSE_S = 1.0
"""New pools are noticed, and liveness is shown, at least this often."""
MIN_PAUSE_S = 0.05
TICK_WAIT_S = 1.0
"""How long a tick waits for its reconciles. Slower ones continue beside the next ticks."""
RECONCILE_TIMEOUT_S = 60.0
CONCURRENT_RECONCILES = 50
"""Limits the concurrent writes to an API server."""

logger = logging.getLogger(__name__)

Reconcile = Callable[[PoolMemory], Coroutine[None, None, PoolMemory]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A broker that cannot be read at the moment."""

    reason: ProblemReason
    since_s: float


class Loop:
    """Keeps pools at their sizes."""

    def __init__(
        self,
        *,
        pools: Pools,
        brokers: Brokers,
        replicas: Replicas,
        reporter: Reporter,
        clock: Callable[[], float],
        tick_wait_s: float = TICK_WAIT_S,
    ) -> None:
        self._pools = pools
        self._brokers = brokers
        self._reporter = reporter
        self._clock = clock
        self._tick_wait_s = tick_wait_s
        self._reconciler = PoolReconciler(replicas=replicas, reporter=reporter, clock=clock)
        self._listed: dict[PoolKey, WorkerPool | UnreadablePool] = {}
        self._memories: dict[PoolKey, PoolMemory] = {}
        self._due_at_s: dict[PoolKey, float] = {}
        self._in_progress: set[PoolKey] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._limiter = asyncio.Semaphore(CONCURRENT_RECONCILES)
        self._failed: set[PoolKey] = set()
        self._unreachable: set[BrokerKey] = set()
        self._outages: dict[BrokerKey, Outage] = {}
        self._drained: list[DrainEnd] = []

    async def run(self, *, wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Tick until cancelled. Reconciles in progress are cancelled too."""
        try:
            while True:
                try:
                    await self.tick()
                except Exception:
                    logger.exception("tick failed")
                await wait(self._pause_s())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._in_progress.clear()

    def rewrite(self) -> None:
        """Write every status again at the next tick: earlier writes may be lost."""
        self._memories = {
            key: replace(memory, written=None) for key, memory in self._memories.items()
        }

    def forget(self) -> None:
        """Forget all pools, as after a restart. Not while the loop runs."""
        self._listed, self._memories, self._due_at_s = {}, {}, {}

    async def tick(self) -> Tick:
        """Reconcile every pool that is due."""
        began_at_s = self._clock()
        self._failed, self._unreachable, self._drained = set(), set(), []
        self._relist()
        due = [key for key in self._listed if self._is_due(key, now_s=began_at_s)]
        await self._start(due, now_s=began_at_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._tick_wait_s)
        ended_at_s = self._clock()
        tick = Tick(
            ended_at_s=ended_at_s,
            duration_s=ended_at_s - began_at_s,
            pools=len(self._listed),
            reconciled=len(due),
            failed=tuple(sorted(self._failed)),
            unreachable=tuple(sorted(self._unreachable)),
            drained=tuple(self._drained),
        )
        found = ((key, memory.status) for key, memory in self._memories.items())
        self._reporter.record_tick(
            tick, {key: status for key, status in found if status is not None}
        )
        return tick

    def _is_due(self, key: PoolKey, *, now_s: float) -> bool:
        return key not in self._in_progress and self._due_at_s.get(key, now_s) <= now_s

    def _pause_s(self) -> float:
        """Until the next pool is due."""
        now_s = self._clock()
        waiting = (at_s for key, at_s in self._due_at_s.items() if key not in self._in_progress)
        pause_s = min(waiting, default=now_s + MAX_PAUSE_S) - now_s
        return min(max(pause_s, MIN_PAUSE_S), MAX_PAUSE_S)

    def _relist(self) -> None:
        """Find pools that are gone or have another target, and end their drains."""
        listed = {pool.key: pool for pool in self._pools.current()}
        for key, pool in self._listed.items():
            if key in listed and not worker_pool.has_moved(pool, listed[key]):
                continue
            memory = self._memories.pop(key, FRESH)
            self._due_at_s.pop(key, None)
            if isinstance(pool, WorkerPool) and memory.is_draining:
                self._spawn(self._release(pool, memory), name=f"release {key}")
        self._listed = listed

    async def _start(self, due: Iterable[PoolKey], *, now_s: float) -> None:
        """Start a reconcile of each of these pools."""
        conflicts = worker_pool.target_conflicts(self._listed.values())
        workable = []
        for key in due:
            pool = self._listed[key]
            interval_s = MAX_PAUSE_S
            if isinstance(pool, UnreadablePool):
                self._report_problem(pool, pool.problem)
            elif key in conflicts:
                self._report_problem(pool, conflicts[key])
            else:
                workable.append(pool)
                interval_s = float(pool.spec.polling_interval_seconds)
            self._due_at_s[key] = now_s + interval_s
        groups, failed = await broker_view.group_by_broker(workable, self._brokers)
        for pool, error in failed:
            logger.error("broker not found", extra={"pool": str(pool.key)}, exc_info=error)
            self._failed.add(pool.key)
        for group in groups:
            self._in_progress.update(pool.key for pool in group.pools)
            self._spawn(self._reconcile_group(group), name=f"reconcile {len(group.pools)} pools")

    def _report_problem(self, pool: WorkerPool | UnreadablePool, problem: PoolProblem) -> None:
        self._in_progress.add(pool.key)
        reconcile = partial(self._reconciler.report_problem, pool, problem)
        self._spawn(self._reconcile(pool.key, reconcile), name=f"report {pool.key}")

    async def _reconcile_group(self, group: BrokerGroup) -> None:
        """Read a broker, then reconcile its pools."""
        keys = frozenset(pool.key for pool in group.pools)
        try:
            view = await broker_view.read_broker(group)
        except Exception:
            logger.exception("broker not read", extra={"pools": len(keys)})
            self._failed |= keys
            self._in_progress -= keys
            return
        if group.broker is not None:
            self._note_outage(group.broker.key, view, pools=len(keys))
        await asyncio.gather(
            *(
                self._reconcile(pool.key, partial(self._reconciler.reconcile, pool, view))
                for pool in group.pools
            )
        )

    def _note_outage(self, broker: BrokerKey, view: BrokerView, *, pools: int) -> None:
        """Log when an outage of a broker begins, changes its reason, and ends."""
        if view.problem is not None:
            self._unreachable.add(broker)
            before = self._outages.get(broker)
            if before is None or before.reason is not view.problem.reason:
                since_s = self._clock() if before is None else before.since_s
                self._outages[broker] = Outage(reason=view.problem.reason, since_s=since_s)
                pool_events.log_outage(broker, problem=view.problem.message, pools=pools)
        elif broker in self._outages:
            lasted_s = self._clock() - self._outages.pop(broker).since_s
            pool_events.log_recovery(broker, lasted_s=lasted_s)

    async def _reconcile(self, key: PoolKey, reconcile: Reconcile) -> None:
        """One reconcile; an unexpected error in it is logged and counted."""
        try:
            async with self._limiter, asyncio.timeout(RECONCILE_TIMEOUT_S):
                memory = await reconcile(self._memories.get(key, FRESH))
        except Exception:
            logger.exception("reconcile failed", extra={"pool": str(key)})
            self._failed.add(key)
        else:
            self._remember(key, memory)
        finally:
            self._in_progress.discard(key)

    def _remember(self, key: PoolKey, memory: PoolMemory) -> None:
        if key not in self._due_at_s:
            return
        self._drained.extend(memory.drains_ended)
        self._memories[key] = replace(memory, drains_ended=())
        if memory.is_draining:
            self._due_at_s[key] = min(self._due_at_s[key], self._clock() + DRAIN_POLL_S)
        if memory.debounce is not None:
            self._due_at_s[key] = self._clock() + pool_memory.DEBOUNCE_POLL_S

    async def _release(self, pool: WorkerPool, memory: PoolMemory) -> None:
        """End the drains of a pool that is gone."""
        try:
            groups, _ = await broker_view.group_by_broker([pool], self._brokers)
            for group in groups:
                await self._reconciler.release(pool, await broker_view.read_broker(group), memory)
        except Exception:
            logger.exception("drains not ended", extra={"pool": str(pool.key)})

    def _spawn(self, work: Coroutine[None, None, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
