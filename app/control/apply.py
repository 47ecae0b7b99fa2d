"""Applies a plan: the scale, the marks, and remote control of the workers that drain."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName
from app.control.observe import broker_view, consumption, observation
from app.control.observe.broker_view import WorkerHeartbeats
from app.control.observe.consumption import NOTHING_KNOWN, Consumption
from app.control.observe.observation import NO_DRAIN, DrainState, DrainStates
from app.control.pool.problems import PoolProblem
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import (
    CancelledConsumers,
    DrainMark,
    Instance,
    InstanceName,
    Replicas,
    ScaleTarget,
    Scaling,
    Workers,
)
from app.queues import QueueName
from app.scaling.drain_plan import ScalePlan


class PlanExecutor:
    """Applies a plan to a pool. Its public fields say what was done, also after a failed step."""

    def __init__(
        self,
        pool: WorkerPool,
        target: ScaleTarget,
        heartbeats: WorkerHeartbeats,
        *,
        drain_states: DrainStates,
        consumption: Consumption = NOTHING_KNOWN,
        replicas: Replicas,
        workers: Workers | None,
        clock: Callable[[], float],
    ) -> None:
        self.drain_states: dict[InstanceName, DrainState] = dict(drain_states)
        self.consumption = consumption
        self.scaling: Scaling | None = None
        self._pool = pool
        self._target = target
        self._heartbeats = heartbeats
        self._replicas = replicas
        self._workers = workers
        self._clock = clock
        self._queues = tuple(QueueName(name) for name in pool.spec.queues)
        self._instances = {one.name: one for one in target.instances}

    async def apply(
        self,
        plan: ScalePlan,
        *,
        restore: Mapping[NodeName, frozenset[ConsumedQueue]] | None = None,
    ) -> None:
        """Apply the plan, the scale first, since messages may wait for it.

        Raises:
            PoolProblem: the target cannot be written.
            BrokerUnreachable: the workers cannot be reached.
        """
        problem: PoolProblem | None = None
        try:
            await self._scale(plan)
        except PoolProblem as refused:
            problem = refused  # resumes must not wait for it
        await self._resume(_instance_names(plan.resume))
        going = {*plan.mark, *plan.stop, *plan.victims}
        await self._restore_lost(restore or {}, going=_instance_names(going))
        # Replicas that are stopped now get their mark together with their cancelled consumers.
        await self._mark(_instance_names(name for name in plan.mark if name not in plan.stop))
        await self._stop(_instance_names(plan.stop))
        await self._ask(_instance_names(plan.ask))
        if problem is not None:
            raise problem

    async def _scale(self, plan: ScalePlan) -> None:
        was = self._target.replicas
        if plan.replicas == was:
            return
        victims = _instance_names(plan.victims)
        size = await self._replicas.scale_to(
            self._pool, was=was, replicas=plan.replicas, victims=victims
        )
        if size != was:
            self.scaling = Scaling(was=was, now=size)
        now_s = self._clock()
        for name in victims:
            self.drain_states[name] = replace(self._drain_state(name), removed_at_s=now_s)

    async def _resume(self, names: Collection[InstanceName]) -> None:
        """Let replicas consume again. A mark stays until all workers of its replica confirm."""
        nodes = self._nodes(names)
        for name in names:
            self.drain_states[name] = observation.with_resume_sent(self._drain_state(name))
        cancelled = {
            node: self._cancelled(name).get(node) for name, found in nodes.items() for node in found
        }
        awake = await self._restore(cancelled)
        woken = [
            name
            for name in names
            if (awake.issuperset(nodes[name]) if nodes[name] else self._never_stopped(name))
        ]
        if woken:
            await self._replicas.mark(self._pool, dict.fromkeys(woken))
            for name in woken:
                self.drain_states.pop(name, None)

    async def _restore(
        self, cancelled: Mapping[NodeName, CancelledConsumers | None]
    ) -> frozenset[NodeName]:
        """Add exactly the consumers that were cancelled; returns the nodes that have them."""
        if not cancelled or self._workers is None:
            return frozenset()
        seen = await self._workers.consumers(cancelled)
        missing = {
            node: consumption.queues_to_restore(cancelled[node], found)
            for node, found in seen.items()
        }
        complete = frozenset(node for node, queues in missing.items() if not queues)
        return complete | await self._workers.resume_consuming(
            {node: queues for node, queues in missing.items() if queues}
        )

    async def _restore_lost(
        self,
        lost: Mapping[NodeName, frozenset[ConsumedQueue]],
        *,
        going: Collection[InstanceName],
    ) -> None:
        """Restore lost consumers, except those of workers that are about to stop."""
        stopping = {node for found in self._nodes(going).values() for node in found}
        restored = {node: queues for node, queues in lost.items() if node not in stopping}
        if not restored or self._workers is None:
            return
        confirmed = await self._workers.resume_consuming(restored)
        self.consumption = consumption.with_restored(
            self.consumption, restored, confirmed, now_s=self._clock()
        )

    def _never_stopped(self, name: InstanceName) -> bool:
        """Whether no stop can have reached it: its start was observed, without any heartbeat."""
        instance, since_s = self._instances[name], self._heartbeats.since_s
        if self._drain_state(name).stop_tried_at_s is not None:
            return False
        if not instance.is_started:
            return True
        started_at_s = instance.started_at_s
        return started_at_s is not None and since_s is not None and since_s < started_at_s

    async def _mark(self, names: Collection[InstanceName]) -> None:
        if names:
            mark = DrainMark(since_s=self._clock())
            await self._replicas.mark(self._pool, dict.fromkeys(names, mark))

    async def _stop(self, names: Collection[InstanceName]) -> None:
        nodes = self._nodes(names)
        nodes_asked = {node for found in nodes.values() for node in found}
        if not nodes_asked or self._workers is None:
            await self._mark([name for name in names if self._instances[name].mark is None])
            return
        tried_at_s = self._clock()
        seen = {
            **consumption.last_seen(self.consumption, nodes_asked),
            **await self._workers.consumers(nodes_asked),
        }
        wanted = {
            node: consumption.queues_to_cancel(found, self._queues) for node, found in seen.items()
        }
        await self._mark_cancelled(nodes, seen, wanted)
        confirmed = frozenset(node for node, queues in wanted.items() if not queues)
        confirmed |= await self._workers.stop_consuming(
            {node: queues for node, queues in wanted.items() if queues}
        )
        stopped_at_s = self._clock()
        for name in names:
            has_stopped = bool(nodes[name]) and confirmed.issuperset(nodes[name])
            self.drain_states[name] = observation.with_stop_sent(
                self._drain_state(name),
                tried_at_s=tried_at_s,
                stopped_at_s=stopped_at_s if has_stopped else None,
            )

    async def _mark_cancelled(
        self,
        nodes: Mapping[InstanceName, Collection[NodeName]],
        seen: Mapping[NodeName, NodeConsumers],
        wanted: Mapping[NodeName, frozenset[QueueName]],
    ) -> None:
        """Store what is about to be cancelled: a restarted loop has to know it."""
        now_s = self._clock()
        marks: dict[InstanceName, DrainMark] = {}
        for name, found in nodes.items():
            mark = self._instances[name].mark
            before = self._cancelled(name)
            cancelled = before
            for node in found:
                if node in seen and wanted[node]:
                    cancelled = consumption.with_cancelled(
                        cancelled, seen[node], wanted[node], now_s=now_s
                    )
            if mark is None or cancelled != before:
                since_s = mark.since_s if mark is not None else now_s
                marks[name] = DrainMark(since_s=since_s, cancelled=cancelled)
                self.drain_states[name] = replace(self._drain_state(name), cancelled=cancelled)
        if marks:
            await self._replicas.mark(self._pool, marks)

    async def _ask(self, names: Collection[InstanceName]) -> None:
        nodes = self._nodes(names)
        nodes_asked = {node for found in nodes.values() for node in found}
        if not nodes_asked or self._workers is None:
            return
        tried_at_s = self._clock()
        answers = await self._workers.ask(nodes_asked)
        for name in names:
            self.drain_states[name] = observation.with_answers(
                self._drain_state(name),
                nodes[name],
                answers,
                queues=self._queues,
                tried_at_s=tried_at_s,
            )

    def _nodes(self, names: Collection[InstanceName]) -> Mapping[InstanceName, set[NodeName]]:
        now_s = self._clock()
        return {name: self._nodes_of(self._instances[name], now_s=now_s) for name in names}

    def _nodes_of(self, instance: Instance, *, now_s: float) -> set[NodeName]:
        current = broker_view.current_heartbeats(self._heartbeats.of(instance), now_s=now_s)
        return {one.node for one in current}

    def _cancelled(self, name: InstanceName) -> Mapping[NodeName, CancelledConsumers]:
        """What its mark lists. Our own state is newer while a write is in progress."""
        known, instance = self._drain_state(name).cancelled, self._instances[name]
        if known is not None:
            return known
        # Without a mark, the list is of a drain that has ended.
        return instance.cancelled if instance.mark is not None else {}

    def _drain_state(self, name: InstanceName) -> DrainState:
        return self.drain_states.get(name, NO_DRAIN)


def _instance_names(names: Iterable[str]) -> tuple[InstanceName, ...]:
    return tuple(InstanceName(name) for name in names)
