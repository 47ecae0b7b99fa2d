"""The loop over all pools: one reading for each broker and tick, then a turn of each pool.

Level-triggered: a tick compares what is with what should be. It keeps nothing that could not be
lost, and a second one after it writes nothing. A pool, a broker or an adapter that fails or hangs
costs the others nothing: its turn goes on beside the following ticks until its time is up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from functools import partial

from app.control.decide import debounce as settling
from app.control.decide.pool_memory import FRESH, PoolMemory
from app.control.observe import broker_view as views
from app.control.observe.broker_view import BrokerView, Group
from app.control.pool import contested
from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.worker_pool import PoolKey, UnreadablePool, WorkerPool
from app.control.ports import BrokerKey, Brokers, DrainEnd, Pools, Replicas, Reports, Tick
from app.control.reconcile import Turns
from app.control.report import audit

DRAIN_POLL_S = 1.0
"""While replicas drain a pool is looked at this often: each second of theirs is paid for."""
LONGEST_PAUSE_S = 1.0
"""New pools are noticed, and liveness is shown, at least this often."""
SHORTEST_PAUSE_S = 0.05
PATIENCE_S = 1.0
"""A tick waits for its turns for this long; the others go on beside the next ticks."""
TURN_LIMIT_S = 60.0
TURNS_AT_ONCE = 50
"""Bounds what is written to an API server at the same time."""

logger = logging.getLogger(__name__)

Turning = Callable[[PoolMemory], Coroutine[None, None, PoolMemory]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A broker that is not read at the moment."""

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
        reports: Reports,
        clock: Callable[[], float],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._pools = pools
        self._brokers = brokers
        self._reports = reports
        self._clock = clock
        self._patience_s = patience_s
        self._turns = Turns(replicas=replicas, reports=reports, clock=clock)
        self._listed: dict[PoolKey, WorkerPool | UnreadablePool] = {}
        self._memories: dict[PoolKey, PoolMemory] = {}
        self._due_at_s: dict[PoolKey, float] = {}
        self._turning: set[PoolKey] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(TURNS_AT_ONCE)
        self._failed: set[PoolKey] = set()
        self._unreachable: set[BrokerKey] = set()
        self._outages: dict[BrokerKey, Outage] = {}
        self._drained: list[DrainEnd] = []

    async def run(self, *, wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Tick until cancelled; turns that are under way then are cancelled too."""
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
            self._turning.clear()

    def rewrite(self) -> None:
        """Write every status again at the next tick: what was handed over may not have gone out."""
        self._memories = {
            key: replace(memory, written=None) for key, memory in self._memories.items()
        }

    def forget(self) -> None:
        """Know nothing of any pool, as after a restart. Not while it runs."""
        self._listed, self._memories, self._due_at_s = {}, {}, {}

    async def tick(self) -> Tick:
        """Look at every pool whose time has come."""
        began_at_s = self._clock()
        self._failed, self._unreachable, self._drained = set(), set(), []
        self._relist()
        due = [key for key in self._listed if self._is_due(key, now_s=began_at_s)]
        await self._begin(due, now_s=began_at_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._patience_s)
        ended_at_s = self._clock()
        tick = Tick(
            ended_at_s=ended_at_s,
            duration_s=ended_at_s - began_at_s,
            pools=len(self._listed),
            looked_at=len(due),
            failed=tuple(sorted(self._failed)),
            unreachable=tuple(sorted(self._unreachable)),
            drained=tuple(self._drained),
        )
        found = ((key, memory.status) for key, memory in self._memories.items())
        self._reports.observe(tick, {key: status for key, status in found if status is not None})
        return tick

    def _is_due(self, key: PoolKey, *, now_s: float) -> bool:
        return key not in self._turning and self._due_at_s.get(key, now_s) <= now_s

    def _pause_s(self) -> float:
        """Until the next pool is due."""
        now_s = self._clock()
        waiting = (at_s for key, at_s in self._due_at_s.items() if key not in self._turning)
        pause_s = min(waiting, default=now_s + LONGEST_PAUSE_S) - now_s
        return min(max(pause_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)

    def _relist(self) -> None:
        """Notice pools that are gone or have another target: what drains for them is woken."""
        listed = {pool.key: pool for pool in self._pools.current()}
        for key, pool in self._listed.items():
            if key in listed and not contested.has_moved(pool, listed[key]):
                continue
            memory = self._memories.pop(key, FRESH)
            self._due_at_s.pop(key, None)
            if isinstance(pool, WorkerPool) and memory.has_draining:
                self._spawn(self._let_go(pool, memory), name=f"let go of {key}")
        self._listed = listed

    async def _begin(self, due: Iterable[PoolKey], *, now_s: float) -> None:
        """Start a turn of each of these pools."""
        contested_by = contested.problems(self._listed.values())
        workable = []
        for key in due:
            pool = self._listed[key]
            interval_s = LONGEST_PAUSE_S
            if isinstance(pool, UnreadablePool):
                self._refuse(pool, pool.problem)
            elif key in contested_by:
                self._refuse(pool, contested_by[key])
            else:
                workable.append(pool)
                interval_s = float(pool.spec.polling_interval_seconds)
            self._due_at_s[key] = now_s + interval_s
        groups, failed = await views.grouped(workable, self._brokers)
        for pool, error in failed:
            logger.error("broker not found", extra={"pool": str(pool.key)}, exc_info=error)
            self._failed.add(pool.key)
        for group in groups:
            self._turning.update(pool.key for pool in group.pools)
            self._spawn(self._serve(group), name=f"serve {len(group.pools)} pools")

    def _refuse(self, pool: WorkerPool | UnreadablePool, problem: PoolProblem) -> None:
        self._turning.add(pool.key)
        turning = partial(self._turns.refuse, pool, problem)
        self._spawn(self._turn(pool.key, turning), name=f"refuse {pool.key}")

    async def _serve(self, group: Group) -> None:
        """Read a broker, then take the turns of its pools."""
        keys = frozenset(pool.key for pool in group.pools)
        try:
            view = await views.look(group)
        except Exception:
            logger.exception("broker not read", extra={"pools": len(keys)})
            self._failed |= keys
            self._turning -= keys
            return
        if group.broker is not None:
            self._note_outage(group.broker.key, view, pools=len(keys))
        await asyncio.gather(
            *(self._turn(pool.key, partial(self._turns.take, pool, view)) for pool in group.pools)
        )

    def _note_outage(self, broker: BrokerKey, view: BrokerView, *, pools: int) -> None:
        """Log where an outage of a broker begins, changes its reason, and ends."""
        if view.problem is not None:
            self._unreachable.add(broker)
            before = self._outages.get(broker)
            if before is None or before.reason is not view.problem.reason:
                since_s = self._clock() if before is None else before.since_s
                self._outages[broker] = Outage(reason=view.problem.reason, since_s=since_s)
                audit.log_outage(broker, problem=view.problem.message, pools=pools)
        elif broker in self._outages:
            lasted_s = self._clock() - self._outages.pop(broker).since_s
            audit.log_recovery(broker, lasted_s=lasted_s)

    async def _turn(self, key: PoolKey, turning: Turning) -> None:
        """One turn, whatever happens in it."""
        try:
            async with self._places, asyncio.timeout(TURN_LIMIT_S):
                memory = await turning(self._memories.get(key, FRESH))
        except Exception:
            logger.exception("turn failed", extra={"pool": str(key)})
            self._failed.add(key)
        else:
            self._remember(key, memory)
        finally:
            self._turning.discard(key)

    def _remember(self, key: PoolKey, memory: PoolMemory) -> None:
        if key not in self._due_at_s:
            return
        self._drained.extend(memory.drains_ended)
        self._memories[key] = replace(memory, drains_ended=())
        if memory.has_draining:
            self._due_at_s[key] = min(self._due_at_s[key], self._clock() + DRAIN_POLL_S)
        if memory.settling is not None:
            self._due_at_s[key] = self._clock() + settling.LOOK_AGAIN_S

    async def _let_go(self, pool: WorkerPool, memory: PoolMemory) -> None:
        """Wake what drains for a pool that is gone: nobody else would."""
        try:
            groups, _ = await views.grouped([pool], self._brokers)
            for group in groups:
                await self._turns.let_go(pool, await views.look(group), memory)
        except Exception:
            logger.exception("replicas still stopped", extra={"pool": str(pool.key)})

    def _spawn(self, work: Coroutine[None, None, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
