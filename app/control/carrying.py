"""Carries a plan out: the scale, the marks, and the talk with workers that are to go."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from app.broker.model import NodeName
from app.control import hearing as hearings
from app.control import notes as noting
from app.control.hearing import Hearing
from app.control.notes import NO_NOTE, Note, Notes
from app.control.pool import WorkerPool
from app.control.ports import DrainMark, Instance, InstanceName, Replicas, Target, Workers
from app.control.problems import PoolProblem
from app.control.reporting import Scaling
from app.queues import QueueName
from app.scaling.drain import Plan


class Carrying:
    """One plan of one pool. `notes` and `scaling` are true also when a step has failed."""

    def __init__(
        self,
        pool: WorkerPool,
        target: Target,
        hearing: Hearing,
        *,
        notes: Notes,
        replicas: Replicas,
        workers: Workers | None,
        clock: Callable[[], float],
    ) -> None:
        self.notes: dict[InstanceName, Note] = dict(notes)
        self.scaling: Scaling | None = None
        self._pool = pool
        self._target = target
        self._hearing = hearing
        self._replicas = replicas
        self._workers = workers
        self._clock = clock
        self._queues = tuple(QueueName(name) for name in pool.spec.queues)
        self._instances = {one.name: one for one in target.instances}

    async def run(self, plan: Plan) -> None:
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
        await self._mark(_instance_names(plan.mark))
        await self._stop(_instance_names(plan.stop))
        await self._ask(_instance_names(plan.ask))
        if problem is not None:
            raise problem

    async def _scale(self, plan: Plan) -> None:
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
            self.notes[name] = replace(self._note(name), given_up_at_s=now_s)

    async def _wake(self, names: Collection[InstanceName]) -> None:
        """Let them consume again. The mark stays until all of their workers have confirmed."""
        nodes = self._nodes(names)
        spoken_to = {node for found in nodes.values() for node in found}
        for name in names:
            self.notes[name] = noting.with_resume(self._note(name))
        awake = frozenset[NodeName]()
        if spoken_to and self._workers is not None:
            awake = await self._workers.resume_consuming(spoken_to, queues=self._queues)
        woken = [
            name
            for name in names
            if (awake.issuperset(nodes[name]) if nodes[name] else self._never_stopped(name))
        ]
        if woken:
            await self._replicas.mark(self._pool, dict.fromkeys(woken))
            for name in woken:
                self.notes.pop(name, None)

    def _never_stopped(self, name: InstanceName) -> bool:
        """Whether it came up after we began to listen and was not heard: nobody has stopped it."""
        instance, since_s = self._instances[name], self._hearing.since_s
        if self._note(name).stop_tried_at_s is not None:
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
            return
        tried_at_s = self._clock()
        confirmed = await self._workers.stop_consuming(spoken_to, queues=self._queues)
        stopped_at_s = self._clock()
        for name in names:
            has_stopped = bool(nodes[name]) and confirmed.issuperset(nodes[name])
            self.notes[name] = noting.with_stop(
                self._note(name),
                tried_at_s=tried_at_s,
                stopped_at_s=stopped_at_s if has_stopped else None,
            )

    async def _ask(self, names: Collection[InstanceName]) -> None:
        nodes = self._nodes(names)
        spoken_to = {node for found in nodes.values() for node in found}
        if not spoken_to or self._workers is None:
            return
        tried_at_s = self._clock()
        answers = await self._workers.ask(spoken_to)
        for name in names:
            self.notes[name] = noting.with_answers(
                self._note(name), nodes[name], answers, queues=self._queues, tried_at_s=tried_at_s
            )

    def _nodes(self, names: Collection[InstanceName]) -> Mapping[InstanceName, set[NodeName]]:
        now_s = self._clock()
        return {name: self._nodes_of(self._instances[name], now_s=now_s) for name in names}

    def _nodes_of(self, instance: Instance, *, now_s: float) -> set[NodeName]:
        heard = hearings.current(self._hearing.of(instance), now_s=now_s)
        return {one.node for one in heard}

    def _note(self, name: InstanceName) -> Note:
        return self.notes.get(name, NO_NOTE)


def _instance_names(names: Collection[str]) -> tuple[InstanceName, ...]:
    return tuple(InstanceName(name) for name in names)
