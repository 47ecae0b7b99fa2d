"""Carries a plan out: the scale, the marks, and the talk with workers that are to go."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from app.broker.model import ConsumedQueue, NodeConsumers, NodeName
from app.control.observe import broker_view, consumption, observation
from app.control.observe import consumption as consuming
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
    """One plan of one pool. Its public fields say what was done, also when a step has failed."""

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
        """Do what the plan says: replicas first, since load may be waiting for them.

        Raises:
            PoolProblem: the target cannot be written.
            BrokerUnreachable: workers cannot be spoken to.
        """
        problem: PoolProblem | None = None
        try:
            await self._scale(plan)
        except PoolProblem as refused:
            problem = refused  # what is to be woken must not wait for it
        await self._wake(_instance_names(plan.resume))
        going = {*plan.mark, *plan.stop, *plan.victims}
        await self._give_back(restore or {}, going=_instance_names(going))
        # Those that are stopped now are marked with what is cancelled.
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

    async def _wake(self, names: Collection[InstanceName]) -> None:
        """Let them consume again. The mark stays until all of their workers have confirmed."""
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

    async def _give_back(
        self,
        lost: Mapping[NodeName, frozenset[ConsumedQueue]],
        *,
        going: Collection[InstanceName],
    ) -> None:
        """Add the consumers that workers have lost, but for those that are about to stop."""
        stopping = {node for found in self._nodes(going).values() for node in found}
        told = {node: queues for node, queues in lost.items() if node not in stopping}
        if not told or self._workers is None:
            return
        confirmed = await self._workers.resume_consuming(told)
        self.consumption = consuming.with_restored(
            self.consumption, told, confirmed, now_s=self._clock()
        )

    def _never_stopped(self, name: InstanceName) -> bool:
        """Whether it came up after we began to listen and was not heard: nobody has stopped it."""
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
        spoken_to = {node for found in nodes.values() for node in found}
        if not spoken_to or self._workers is None:
            await self._mark([name for name in names if self._instances[name].mark is None])
            return
        tried_at_s = self._clock()
        seen = {
            **consuming.last_seen(self.consumption, spoken_to),
            **await self._workers.consumers(spoken_to),
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
        """Write down what is about to be cancelled: a loop that starts anew has to know it."""
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
        spoken_to = {node for found in nodes.values() for node in found}
        if not spoken_to or self._workers is None:
            return
        tried_at_s = self._clock()
        answers = await self._workers.ask(spoken_to)
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
        heard = broker_view.current_heartbeats(self._heartbeats.of(instance), now_s=now_s)
        return {one.node for one in heard}

    def _cancelled(self, name: InstanceName) -> Mapping[NodeName, CancelledConsumers]:
        """What its mark says. Our own note is ahead of it while the write is on its way back."""
        noted, instance = self._drain_state(name).cancelled, self._instances[name]
        if noted is not None:
            return noted
        # Without a mark it is left from a drain that has ended.
        return instance.cancelled if instance.mark is not None else {}

    def _drain_state(self, name: InstanceName) -> DrainState:
        return self.drain_states.get(name, NO_DRAIN)


def _instance_names(names: Iterable[str]) -> tuple[InstanceName, ...]:
    return tuple(InstanceName(name) for name in names)
